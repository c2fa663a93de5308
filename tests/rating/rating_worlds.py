"""Random tariff documents and loads for the property tests."""

import random
from datetime import date, timedelta

ZONES = ("Europe/Berlin", "America/Los_Angeles", "Australia/Lord_Howe", "Asia/Kolkata")
DAYS = ("weekday", "saturday", "sunday", "holiday")
SEASONS = (
    [],
    [
        {"name": "winter", "from": "11-01", "to": "03-30"},
        {"name": "summer", "from": "03-31", "to": "10-31"},
    ],
    [
        {"name": "dry", "from": "04-02", "to": "10-26"},
        {"name": "wet", "from": "10-27", "to": "04-01"},
    ],
)


def document(seed: int, first: date, *, demand: bool = True) -> dict:
    """A valid tariff document in force from before `first`."""
    rng = random.Random(seed)
    starts = [f"{first - timedelta(days=40)}T00:00"]
    for _ in range(rng.randrange(3)):
        day = first + timedelta(days=rng.randrange(12))
        starts.append(f"{day}T{rng.choice(('00:00', '12:00', '17:30'))}")
    starts = sorted(set(starts))
    return {"versions": [version(rng, start, first, demand) for start in starts]}


def version(rng, start: str, first: date, demanded: bool) -> dict:
    """One version with every feature that the generator draws."""
    seasons = rng.choice(SEASONS)
    names = [season["name"] for season in seasons] or ["*"]
    bands = ["a", "b", "c"][: rng.randint(1, 3)]
    tiers = rng.choice((None, "incremental", "incremental", "whole_volume"))
    edges = {n: thresholds(rng) if tiers else [] for n in names}
    prices = {
        name: {band: price_list(rng, len(edges[name]) + 1) for band in bands}
        for name in names
    }
    return {
        "valid_from_local": start,
        "seasons": seasons,
        "holidays": [str(first + timedelta(days=d)) for d in range(0, 20, 6)],
        "bands": {
            "default": "a",
            "rules": [rule(rng, band, names) for band in bands for _ in range(2)],
        },
        "tiers": tiers
        and {
            "counter": rng.choice(("month", "year")),
            "mode": tiers,
            "thresholds": edges,
        },
        "energy_prices": prices,
        "fixed": fixed(rng),
        "demand": demand(rng, bands) if demanded else [],
        "minimum": rng.choice(
            (None, {"amount": "55.5", "per": "month", "covers": ["energy", "fixed"]})
        ),
        "adjustments": [
            {"name": "rebate", "rate": "-0.035", "base": ["subtotal"]},
            {"name": "tax", "rate": decimal(rng, 4), "base": ["subtotal"]},
        ][: rng.randrange(3)],
    }


def fixed(rng) -> list[dict]:
    """No, one or two fixed charges."""
    charges = [
        {"name": "base", "amount": decimal(rng, 3), "per": "day"},
        {"name": "meter", "amount": decimal(rng, 2), "per": "month"},
    ]
    return charges[: rng.randrange(3)]


def demand(rng, bands: list[str]) -> list[dict]:
    """No or one demand charge."""
    charge = {
        "name": "power",
        "price_per_kw": decimal(rng, 2),
        "bands": rng.choice(("*", bands[:1])),
        "seasons": "*",
        "demand_minutes": rng.choice((15, 30, 60)),
    }
    return [charge][: rng.randrange(2)]


def decimal(rng, digits: int) -> str:
    """A decimal string from 0 to below 1 and a bit, sometimes negative."""
    return f"{rng.choice(('', '', '', '-'))}0.{rng.randrange(10**digits):0{digits}d}"


def price_list(rng, count: int) -> list[str]:
    """Prices of each tier."""
    return [decimal(rng, rng.randint(1, 5)) for _ in range(count)]


def thresholds(rng) -> list[str]:
    """Rising tier edges, sometimes met exactly by the loads below."""
    return [str(edge) for edge in sorted(rng.sample(range(1, 60), rng.randint(1, 3)))]


def rule(rng, band: str, seasons: list[str]) -> dict:
    """A band window on quarter hours, often over midnight."""
    quarter = [rng.randrange(97), rng.randrange(97)]
    begin, end = (f"{q // 4:02d}:{q % 4 * 15:02d}" for q in quarter)
    return {
        "band": band,
        "seasons": rng.choice(("*", seasons[:1] if seasons != ["*"] else "*")),
        "day_types": rng.choice(("*", list(DAYS[: rng.randint(1, 4)]))),
        "from": begin,
        "to": end,
    }
