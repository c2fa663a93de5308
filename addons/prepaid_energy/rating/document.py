"""Reading and checking a tariff document; the result is a list of versions.

Every error is a TariffError that names the JSON path.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from zoneinfo import ZoneInfo

from . import parse
from .clock import instant
from .errors import TariffError
from .exact import EXACT
from .prices import Cell, Tiers, read_prices, read_tiers
from .quantity import read_quantity

VERSION_KEYS = (
    "valid_from_local",
    "seasons",
    "holidays",
    "bands",
    "tiers",
    "energy_prices",
    "fixed",
    "demand",
    "minimum",
    "adjustments",
    "quantity",
)
DAY_TYPES = ("weekday", "saturday", "sunday", "holiday")
COVERS = ("energy", "fixed", "demand")
ALL = "all"
MONTH_DAYS = [
    (month, day)
    for month, days in enumerate((31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31), 1)
    for day in range(1, days + 1)
]


@dataclass(slots=True)
class Rule:
    """A band window: seconds of the day, seasons and day types (None = all)."""

    band: str
    seasons: frozenset | None
    day_types: frozenset | None
    start: int
    end: int

    def holds(self, season: str, day_type: str, second: int) -> bool:
        """Whether the rule applies at a second of a day (decision 3)."""
        if self.seasons is not None and season not in self.seasons:
            return False
        if self.day_types is not None and day_type not in self.day_types:
            return False
        if self.end > self.start:
            return self.start <= second < self.end
        return second >= self.start or second < self.end


@dataclass(slots=True)
class Fixed:
    """A fixed charge: amount in currency per "day" or "month"."""

    name: str
    amount: Decimal
    per: str


@dataclass(slots=True)
class Demand:
    """A demand charge: currency per kW of the month's maximum (decision 7)."""

    name: str
    price: Decimal
    bands: frozenset | None
    seasons: frozenset | None
    minutes: int | None


@dataclass(slots=True)
class Version:
    """One checked tariff version, in force from `start` (epoch seconds, UTC).

    `index` names it in charges and states: its place in the document, or the key
    that the caller gave; `factor` is that of `read_quantity`.
    """

    index: int
    start: int
    seasons: dict[tuple[int, int], str]
    holidays: frozenset[date]
    default: str
    rules: list[Rule]
    tiers: Tiers | None
    fixed: list[Fixed]
    demand: list[Demand]
    minimum: tuple[Decimal, tuple[str, ...]] | None
    adjustments: list[tuple[str, Decimal]]
    factor: int = 0
    cells: dict[tuple[str, str], Cell] = field(default_factory=dict)
    cell_list: list[Cell] = field(default_factory=list)
    day_maps: dict = field(default_factory=dict)

    @property
    def rate(self) -> Decimal:
        """The sum of all adjustment rates (decision 9: one base for all)."""
        total = Decimal(0)
        for _name, rate in self.adjustments:
            total = EXACT.add(total, rate)
        return total

    def season(self, day: date) -> str:
        """The season of a local date ("all" where the tariff has none)."""
        return self.seasons.get((day.month, day.day), ALL)

    def day_type(self, day: date) -> str:
        """weekday, saturday, sunday or holiday (a holiday is only that)."""
        if day in self.holidays:
            return "holiday"
        return (
            ("saturday", "sunday")[day.weekday() - 5]
            if day.weekday() > 4
            else ("weekday")
        )

    def windows(self, season: str, day_type: str) -> list[tuple[int, int, str]]:
        """The bands of a day as (from second, to second, band), in order."""
        edges = {0, 86400}
        for rule in self.rules:
            edges.update((rule.start, rule.end))
        result: list[tuple[int, int, str]] = []
        ordered = sorted(edges)
        for low, high in zip(ordered, ordered[1:], strict=False):
            band = next(
                (r.band for r in self.rules if r.holds(season, day_type, low)),
                self.default,
            )
            if result and result[-1][2] == band:
                result[-1] = (result[-1][0], high, band)
            else:
                result.append((low, high, band))
        return result

    def uncovered(self) -> Iterator[tuple[str, str, int, int]]:
        """Yield (season, day type, from second, to second) that no rule names.

        There the default band is in force.
        """
        edges = {0, 86400}
        for rule in self.rules:
            edges.update((rule.start, rule.end))
        ordered = sorted(edges)
        for season in dict.fromkeys(self.seasons.values()) or (ALL,):
            for day_type in DAY_TYPES:
                for low, high in zip(ordered, ordered[1:], strict=False):
                    if not any(r.holds(season, day_type, low) for r in self.rules):
                        yield season, day_type, low, high


def read_document(document, tz: ZoneInfo, path: str = "", keys=None) -> list[Version]:
    """The versions of a tariff document, in document order; see `compile_tariff`."""
    where = f"{path}.versions" if path else "versions"
    source = parse.mapping(document, path or "tariff", ("versions",))
    items = parse.sequence(parse.required(source, "versions", path), where)
    if not items:
        raise TariffError(where, "must hold at least one version")
    versions = [
        _read_version(item, index, f"{where}[{index}]", tz)
        for index, item in enumerate(items)
    ]
    seen: dict[int, int] = {}
    for version in versions:
        if version.start in seen:
            raise TariffError(
                f"{where}[{version.index}].valid_from_local",
                f"is that of version {seen[version.start]} too",
            )
        seen[version.start] = version.index
    for version, key in zip(versions, keys or (), strict=bool(keys)):
        version.index = key
    return versions


def _read_version(item, index: int, path: str, tz: ZoneInfo) -> Version:
    source = parse.mapping(item, path, VERSION_KEYS)
    where = f"{path}.valid_from_local"
    start = parse.local(parse.required(source, "valid_from_local", path), where)
    days, season_names = _read_seasons(source.get("seasons"), f"{path}.seasons")
    default, rules = _read_bands(source.get("bands"), f"{path}.bands", season_names)
    bands = {default, *(rule.band for rule in rules)}
    version = Version(
        index=index,
        start=instant(tz, start),
        seasons=days,
        holidays=_read_holidays(source.get("holidays"), f"{path}.holidays"),
        default=default,
        rules=rules,
        tiers=read_tiers(source.get("tiers"), f"{path}.tiers", season_names),
        fixed=_read_fixed(source.get("fixed"), f"{path}.fixed"),
        demand=_read_demand(
            source.get("demand"), f"{path}.demand", bands, season_names
        ),
        minimum=_read_minimum(source.get("minimum"), f"{path}.minimum"),
        adjustments=_read_adjustments(source.get("adjustments"), f"{path}.adjustments"),
        factor=read_quantity(source.get("quantity"), f"{path}.quantity"),
    )
    prices = parse.required(source, "energy_prices", path)
    version.cells = read_prices(
        prices,
        f"{path}.energy_prices",
        version.tiers,
        season_names,
        bands,
        _used(version, season_names),
    )
    version.cell_list = list(version.cells.values())
    for number, cell in enumerate(version.cell_list):
        cell.number = number
    return version


def _used(version: Version, seasons: tuple[str, ...]) -> list[tuple[str, str]]:
    """Every (season, band) that can occur, in a stable order."""
    pairs = {
        (season, band)
        for season in seasons or (ALL,)
        for day_type in DAY_TYPES
        for _low, _high, band in version.windows(season, day_type)
    }
    return sorted(pairs)


def _read_seasons(value, path: str):
    days: dict[tuple[int, int], str] = {}
    found: list[str] = []
    for index, item in enumerate(parse.sequence(value, path)):
        where = f"{path}[{index}]"
        source = parse.mapping(item, where, ("name", "from", "to"))
        name = parse.text(parse.required(source, "name", where), f"{where}.name")
        if name == "*":
            name = ALL
        low = parse.month_day(parse.required(source, "from", where), f"{where}.from")
        high = parse.month_day(parse.required(source, "to", where), f"{where}.to")
        for day in MONTH_DAYS:
            inside = low <= day <= high if low <= high else day >= low or day <= high
            if inside and days.setdefault(day, name) != name:
                raise TariffError(
                    where, f"overlaps season {parse.shown(days[day])} on {_md(day)}"
                )
        if name not in found:
            found.append(name)
    if days:
        if (2, 29) not in days and (2, 28) in days:
            days[2, 29] = days[2, 28]
        gap = next((day for day in MONTH_DAYS if day not in days), None)
        if gap:
            raise TariffError(path, f"no season covers {_md(gap)}")
    return days, tuple(found)


def _md(day: tuple[int, int]) -> str:
    return f"{day[0]:02d}-{day[1]:02d}"


def _read_holidays(value, path: str) -> frozenset[date]:
    items = parse.sequence(value, path)
    return frozenset(parse.day(item, f"{path}[{i}]") for i, item in enumerate(items))


def _read_bands(value, path: str, seasons: tuple[str, ...]) -> tuple[str, list[Rule]]:
    source = parse.mapping({} if value is None else value, path, ("default", "rules"))
    rules = []
    for index, item in enumerate(parse.sequence(source.get("rules"), f"{path}.rules")):
        where = f"{path}.rules[{index}]"
        rule = parse.mapping(
            item, where, ("band", "seasons", "day_types", "from", "to")
        )
        band = parse.text(parse.required(rule, "band", where), f"{where}.band")
        rules.append(
            Rule(
                ALL if band == "*" else band,
                parse.names(rule.get("seasons"), f"{where}.seasons", seasons, "season"),
                parse.names(
                    rule.get("day_types"), f"{where}.day_types", DAY_TYPES, "day type"
                ),
                parse.clock(parse.required(rule, "from", where), f"{where}.from"),
                parse.clock(parse.required(rule, "to", where), f"{where}.to"),
            )
        )
    default = source.get("default")
    if default is None:
        if rules:
            raise TariffError(f"{path}.default", "is missing")
        default = ALL
    default = parse.text(default, f"{path}.default")
    return (ALL if default == "*" else default), rules


def _once(name, path: str, taken: set[str]) -> str:
    if parse.text(name, path) in taken:
        raise TariffError(path, f"{parse.shown(name)} is named twice")
    taken.add(name)
    return name


def _read_fixed(value, path: str) -> list[Fixed]:
    result, taken = [], set()
    for index, item in enumerate(parse.sequence(value, path)):
        where = f"{path}[{index}]"
        source = parse.mapping(item, where, ("name", "amount", "per"))
        result.append(
            Fixed(
                _once(parse.required(source, "name", where), f"{where}.name", taken),
                parse.number(
                    parse.required(source, "amount", where), f"{where}.amount"
                ),
                parse.choice(
                    parse.required(source, "per", where),
                    f"{where}.per",
                    ("day", "month"),
                ),
            )
        )
    return result


def _read_demand(value, path: str, bands, seasons) -> list[Demand]:
    result, taken = [], set()
    keys = ("name", "price_per_kw", "bands", "seasons", "demand_minutes")
    for index, item in enumerate(parse.sequence(value, path)):
        where = f"{path}[{index}]"
        source = parse.mapping(item, where, keys)
        minutes = source.get("demand_minutes")
        if minutes is not None:
            minutes = parse.whole(minutes, f"{where}.demand_minutes", 1, 1440)
            if 1440 % minutes:
                raise TariffError(
                    f"{where}.demand_minutes", f"{minutes} does not divide a day"
                )
        price = parse.required(source, "price_per_kw", where)
        result.append(
            Demand(
                _once(parse.required(source, "name", where), f"{where}.name", taken),
                parse.number(price, f"{where}.price_per_kw"),
                parse.names(source.get("bands"), f"{where}.bands", bands, "band"),
                parse.names(
                    source.get("seasons"), f"{where}.seasons", seasons, "season"
                ),
                minutes,
            )
        )
    return result


def _read_minimum(value, path: str):
    if value is None:
        return None
    source = parse.mapping(value, path, ("amount", "per", "covers"))
    amount = parse.number(
        parse.required(source, "amount", path), f"{path}.amount", low=Decimal(0)
    )
    parse.choice(source.get("per", "month"), f"{path}.per", ("month",))
    covers = parse.sequence(parse.required(source, "covers", path), f"{path}.covers")
    for index, item in enumerate(covers):
        parse.choice(item, f"{path}.covers[{index}]", COVERS)
    return amount, tuple(sorted(set(covers)))


def _read_adjustments(value, path: str) -> list[tuple[str, Decimal]]:
    result, taken = [], set()
    for index, item in enumerate(parse.sequence(value, path)):
        where = f"{path}[{index}]"
        source = parse.mapping(item, where, ("name", "rate", "base"))
        name = _once(parse.required(source, "name", where), f"{where}.name", taken)
        rate = parse.number(parse.required(source, "rate", where), f"{where}.rate")
        base = parse.sequence(source.get("base", ["subtotal"]), f"{where}.base")
        if base != ["subtotal"]:
            raise TariffError(f"{where}.base", 'must be ["subtotal"]')
        result.append((name, rate))
    return result
