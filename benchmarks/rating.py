"""Intervals per second of the rating engine against a plain multiplying loop.

Run with `python benchmarks/rating.py`.  The floor multiplies each interval by one
price and adds the products, in the same
numeric type (scaled integers) and in the same run.  The engine must also find
band, season, version and tier of each interval and make Decimals of the sums.

Memory is the peak while readings are rated month by month, over eight years (then the
engine's calendar is full) and over four times as many.
"""

import json
import random
import sys
import time
import tracemalloc
from decimal import Decimal
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).resolve().parent
# This file bears the package's name: look for the package, not for this file.
sys.path = [entry for entry in sys.path if Path(entry or ".").resolve() != HERE]
sys.path.insert(0, str(HERE.parent / "addons" / "prepaid_energy"))
compile_tariff = import_module("rating").compile_tariff
zone = import_module("rating.clock").zone
Ledger = import_module("rating.ledger").Ledger

MINUTES = 15
ZONE = "Europe/Berlin"
START = 1704063600  # 2024-01-01T00:00 in Berlin
COUNT = 366 * 96
REPEATS = 15
YEARS = 8
MONTH, QUARTER_DAY = 30 * 86400, 21600


def version(**changes) -> dict:
    """A tariff document of one version, flat unless changed."""
    one = {
        "valid_from_local": "2024-01-01T00:00",
        "seasons": [],
        "holidays": [],
        "bands": {"default": "all", "rules": []},
        "tiers": None,
        "energy_prices": {"*": {"*": ["0.2871"]}},
        "fixed": [],
        "demand": [],
        "minimum": None,
        "adjustments": [{"name": "VAT", "rate": "0.19", "base": ["subtotal"]}],
    }
    return {"versions": [{**one, **changes}]}


def rule(band: str, start: str, end: str, days="*", seasons="*") -> dict:
    """A band window of the tariff document."""
    return {
        "band": band,
        "from": start,
        "to": end,
        "day_types": days,
        "seasons": seasons,
    }


def tariffs() -> dict[str, dict]:
    """The documents measured."""
    two = {"default": "day", "rules": [rule("night", "22:00", "06:00")]}
    rules = [
        rule("peak", "17:00", "20:00", ["weekday"], ["winter"]),
        rule("peak", "11:00", "15:00", ["weekday"], ["summer"]),
        rule("night", "22:00", "06:00"),
    ]
    bands = ("day", "night", "peak")
    prices = {
        season: {
            band: [f"0.{20 + 7 * b + 3 * t + 2 * s}31" for t in range(3)]
            for b, band in enumerate(bands)
        }
        for s, season in enumerate(("winter", "summer"))
    }
    full = {
        "seasons": [
            {"name": "winter", "from": "10-01", "to": "03-31"},
            {"name": "summer", "from": "04-01", "to": "09-30"},
        ],
        "bands": {"default": "day", "rules": rules},
        "tiers": {
            "counter": "month",
            "mode": "incremental",
            "thresholds": {"winter": ["300", "900"], "summer": ["200", "700"]},
        },
        "energy_prices": prices,
    }
    tou = {"*": {"day": ["0.31"], "night": ["0.19"]}}
    return {
        "flat": version(),
        "tou": version(bands=two, energy_prices=tou),
        "tier_tou_season": version(**full),
    }


def floor(energies: list[int], price: int) -> int:
    """The least that rating can cost: one product and one sum an interval."""
    total = 0
    for energy in energies:
        total += energy * price
    return total


def engine(tariff, starts: list[int], energies: list[int]) -> dict:
    """Rate all intervals in one run of the batch core."""
    ledger = Ledger(tariff.cells)
    span = 0, len(starts)
    tariff.feed_intervals(ledger, None, starts, energies, MINUTES, span)
    return tariff.charges(ledger)


def best(function, *arguments) -> float:
    """The shortest of several runs, in seconds."""
    times = []
    for _ in range(REPEATS):
        begin = time.perf_counter()
        function(*arguments)
        times.append(time.perf_counter() - begin)
    return min(times)


def cold(document: dict, starts: list[int], energies: list[int]) -> float:
    """One run with a tariff just compiled (no segment known), compiling included."""
    begin = time.perf_counter()
    engine(compile_tariff(document, ZONE), starts, energies)
    return time.perf_counter() - begin


def peak(document: dict, years: int) -> int:
    """The bytes needed at most to rate `years` of quarter days, a month at a time."""
    tracemalloc.start()
    tariff = compile_tariff(document, ZONE)
    state, start = None, (START, Decimal(0))
    for month in range(years * 365 // 30):
        begin = START + month * MONTH
        times = range(begin + QUARTER_DAY, begin + MONTH + 1, QUARTER_DAY)
        readings = [(at, Decimal((at - START) // 3600)) for at in times]
        _charges, state = tariff.advance(state, readings, start=start)
        start = readings[-1]
    _now, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return most


def main() -> None:
    """Measure, print a table and one JSON line."""
    zone(ZONE)
    generator = random.Random(7)
    starts = [START + i * MINUTES * 60 for i in range(COUNT)]
    unit = 10**15
    energies = [generator.randrange(1, 2000) * unit for _ in range(COUNT)]
    base = best(floor, energies, 2871)
    print(f"{COUNT} intervals of {MINUTES} minutes, {REPEATS} runs, the best counts")
    print(f"{'floor':16} {COUNT / base:12,.0f} intervals/s")
    result: dict = {"benchmark": "rating", "ratio": 0}
    for name, document in tariffs().items():
        first = cold(document, starts, energies)
        tariff = compile_tariff(document, ZONE)
        warm = best(engine, tariff, starts, energies)
        result[f"{name}_ratio"] = round(warm / base, 2)
        result[f"{name}_cold_ratio"] = round(first / base, 2)
        result[f"{name}_per_second"] = round(COUNT / warm)
        print(
            f"{name:16} {COUNT / warm:12,.0f} intervals/s, {warm / base:5.2f} x floor"
            f" (first run with compiling {first / base:5.2f} x)"
        )
    result["ratio"] = result["tier_tou_season_ratio"]
    full = tariffs()["tier_tou_season"]
    found = [(peak(full, years), years) for years in (YEARS, 4 * YEARS)]
    result["memory_ratio"] = round(found[1][0] / found[0][0], 2)
    sizes = (f"{n / 1e6:.1f} MB for {years} years" for n, years in found)
    print(f"{'memory':16} {', '.join(sizes)}")
    print(json.dumps(result))


if __name__ == "__main__":
    main()
