"""Builders of small tariffs and cases for hand-worked tests."""

import os
from datetime import datetime, timedelta
from pathlib import Path

from rating import rate_case

ROOT = Path(__file__).resolve().parents[2]
SHARED = Path(os.environ.get("PREPAID_SHARED", ROOT.parent / "shared"))
OWN = Path(__file__).resolve().parent / "cases"


def version(**changes) -> dict:
    """A version with one price of 0.20 and nothing else, changed as named."""
    return {
        "valid_from_local": "2024-01-01T00:00",
        "seasons": [],
        "holidays": [],
        "bands": {"default": "day", "rules": []},
        "tiers": None,
        "energy_prices": {"*": {"*": ["0.20"]}},
        "fixed": [],
        "demand": [],
        "minimum": None,
        "adjustments": [],
        **changes,
    }


def rule(band: str, start: str, end: str, days="*", seasons="*") -> dict:
    """A band window."""
    keys = ("band", "from", "to", "day_types", "seasons")
    return dict(zip(keys, (band, start, end, days, seasons), strict=True))


def tiers(mode: str, edges: list[str], counter: str = "month") -> dict:
    """Tiers with one threshold list for every season."""
    return {"counter": counter, "mode": mode, "thresholds": {"*": edges}}


def case(folder: Path, rows, versions, period, zone="Europe/Berlin", **more) -> dict:
    """Write an interval file and return a case document for it."""
    minutes = more.pop("minutes", 60)
    text = "\n".join(["start_utc,kwh", *(f"{at},{kwh}" for at, kwh in rows)])
    (folder / "load.csv").write_text(text + "\n")
    return {
        "id": "hand",
        "currency": "EUR",
        "minor_digits": 2,
        "time_zone": zone,
        "period": list(period),
        "input": {"kind": "intervals", "file": "load.csv", "minutes": minutes},
        "tariff": {"versions": versions},
        **more,
    }


def rated(folder: Path, rows, versions, period, zone="Europe/Berlin", **more) -> dict:
    """The output of a small interval case."""
    return rate_case(case(folder, rows, versions, period, zone, **more), folder)


def registers(folder: Path, rows, versions, period, modulus, notes=None) -> dict:
    """The output of a small register case in UTC."""
    made = case(folder, [], versions, period, "UTC")
    lines = [",".join(row) for row in (("at_utc", "meter", "register_kwh"), *rows)]
    (folder / "registers.csv").write_text("\n".join(lines))
    made["input"] = {"kind": "registers", "file": "registers.csv", "modulus": modulus}
    return rate_case(made, folder, notes)


def hours(first: str, count: int, kwh: str = "1") -> list[tuple[str, str]]:
    """`count` hourly rows from a UTC time on."""
    at = datetime.fromisoformat(first)
    step = timedelta(hours=1)
    return [(f"{at + i * step:%Y-%m-%dT%H:%MZ}", kwh) for i in range(count)]


def rows_of(month: dict) -> dict:
    """{(season, band, tier): (kwh, amount)} of an output month."""
    return {
        (row["season"], row["band"], row["tier"]): (row["kwh"], row["amount"])
        for row in month["energy"]
    }
