"""Tiers and energy prices of a tariff version."""

from dataclasses import dataclass
from decimal import Decimal

from . import parse
from .errors import TariffError
from .exact import scaled

ALL = "all"


@dataclass(slots=True)
class Tiers:
    """Tier thresholds in 10^-18 kWh by season (None = every season)."""

    counter: str
    mode: str
    thresholds: dict[str | None, tuple[int, ...]]

    def of(self, season: str) -> tuple[int, ...] | None:
        """The thresholds of a season, or None where none are given."""
        return self.thresholds.get(season, self.thresholds.get(None))


@dataclass(slots=True, eq=False)
class Cell:
    """What one season and band of a version costs, tier by tier."""

    version: int
    season: str
    band: str
    thresholds: tuple[int, ...]
    prices: tuple[Decimal, ...]
    yearly: bool = False
    whole: bool = False
    number: int = 0
    scaled_prices: tuple[int, ...] = ()
    factor: int = 0


def read_tiers(value, path: str, seasons: tuple[str, ...]) -> Tiers | None:
    """The `tiers` object of a version, or None.

    A season without thresholds has a single tier; its price lists must agree.
    """
    if value is None:
        return None
    source = parse.mapping(value, path, ("counter", "mode", "thresholds"))
    counter = parse.choice(
        parse.required(source, "counter", path), f"{path}.counter", ("month", "year")
    )
    mode = parse.choice(
        parse.required(source, "mode", path),
        f"{path}.mode",
        ("incremental", "whole_volume"),
    )
    where = f"{path}.thresholds"
    lists = parse.mapping(parse.required(source, "thresholds", path), where)
    result: dict[str | None, tuple[int, ...]] = {}
    for key, items in lists.items():
        season = _key(key, f"{where}.{key}", seasons, "season")
        result[season] = _thresholds(items, f"{where}.{key}")
    return Tiers(counter, mode, result)


def _key(key: str, path: str, known, what: str) -> str | None:
    if key == "*":
        return None
    if key not in (known or (ALL,)):
        raise TariffError(path, f"unknown {what}")
    return key


def _thresholds(value, path: str) -> tuple[int, ...]:
    result: list[int] = []
    for index, item in enumerate(parse.sequence(value, path)):
        where = f"{path}[{index}]"
        edge = scaled(parse.number(item, where))
        if edge <= (result[-1] if result else 0):
            raise TariffError(where, "thresholds must be above zero and rise")
        result.append(edge)
    return tuple(result)


def read_prices(value, path, tiers, seasons, bands, used) -> dict:
    """A Cell for each used (season, band); every price list is checked."""
    table: dict[tuple[str | None, str | None], list] = {}
    for season_key, row in parse.mapping(value, path).items():
        where = f"{path}.{season_key}"
        season = _key(season_key, where, seasons, "season")
        for band_key, items in parse.mapping(row, where).items():
            inner = f"{where}.{band_key}"
            band = _key(band_key, inner, bands, "band")
            prices = parse.sequence(items, inner)
            table[season, band] = [
                parse.number(item, f"{inner}[{i}]") for i, item in enumerate(prices)
            ]
    cells = {}
    for season, band in used:
        keys = ((season, band), (season, None), (None, band), (None, None))
        key = next((key for key in keys if key in table), None)
        names = f"season {parse.shown(season)}, band {parse.shown(band)}"
        if key is None:
            raise TariffError(path, f"no price for {names}")
        edges = (tiers.of(season) if tiers else None) or ()
        if len(table[key]) != len(edges) + 1:
            raise TariffError(
                f"{path}.{key[0] or '*'}.{key[1] or '*'}",
                f"needs {len(edges) + 1} prices (one a tier), has {len(table[key])}",
            )
        cells[season, band] = Cell(
            -1,
            season,
            band,
            edges,
            tuple(table[key]),
            bool(tiers) and tiers.counter == "year",
            bool(tiers) and tiers.mode == "whole_volume" and bool(edges),
        )
    return cells
