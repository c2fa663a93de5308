"""Rates of the OpenEI Utility Rate Database (URDB) as tariff documents.

A rate is read as published: in the lower-case keys of the API or the camelCase of the
bulk download.  What a tariff document cannot say is reported, never dropped silently.
"""

from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass, field
from decimal import Decimal

try:
    from ..rating import TariffError, compile_tariff
    from ..rating.exact import plain
    from ..rating.parse import printable, shown
except ImportError:  # the packages are top-level ones where there is no Odoo
    from rating import TariffError, compile_tariff
    from rating.exact import plain
    from rating.parse import printable, shown

from .urdb_source import (
    EXACT,
    Source,
    UrdbError,
    leftovers,
    matrix,
    means,
    read_row,
    structure,
)

WEEKEND = ("saturday", "sunday", "holiday")
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
MONTH_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)


@dataclass(frozen=True)
class UrdbRate:
    """A rate as a tariff document of one version, its numbers decimal strings.

    `report` has a (key, sentence) for all that was not mapped, or by assumption.
    """

    name: str
    utility: str
    label: str
    currency: str
    document: dict
    report: list[tuple[str, str]]


def tariffs_from_urdb(data) -> list[UrdbRate]:
    """The rates of parsed URDB JSON: `{"items": [rate, ...]}`, a list, or one rate.

    Numbers may be int, float or Decimal; prices are USD per kWh, kW, day or month.
    Raises UrdbError, and nothing else, for data that cannot be a rate; its key starts
    with the place in the list, as in "[3].name", where there are several.
    """
    if isinstance(data, dict) and "items" in data:
        data = data["items"]
        if not isinstance(data, list):
            raise UrdbError("items", f"must be a list, not {shown(data)}")
    if not isinstance(data, list):
        return [_converted(data)]
    rates = []
    for index, item in enumerate(data):
        try:
            rates.append(_converted(item))
        except UrdbError as error:
            key = f"[{index}].{error.key}" if len(data) > 1 else error.key
            raise UrdbError(key, error.problem) from None
    return rates


@dataclass
class _Plan:
    """A kind of price: its periods' tiers, and the period of each hour or month.

    `days` holds the weekday and the weekend matrix (12 x 24); of flat demand, one
    row of twelve months.  `prices` are those of the first tiers of what is in use.
    """

    field: str
    periods: list
    days: list
    prices: dict[int, Decimal] = field(default_factory=dict)


def _converted(item) -> UrdbRate:
    source = Source(item)
    identity = source.get("_id")
    oid = identity.get("$oid") if isinstance(identity, dict) else identity
    label = source.text("label") or printable(oid if isinstance(oid, str) else "")
    name = source.text("name") or label
    if not name:
        raise UrdbError(source.key("name"), "is missing")
    utility = source.text("utility")
    version = _version(source)
    leftovers(source)
    document = {"versions": [version]}
    try:
        compile_tariff(document, "America/Chicago")
    except TariffError as error:
        raise UrdbError("rate", f"gives no valid tariff ({error})") from None
    return UrdbRate(name, utility, label, "USD", document, source.report)


def _version(source: Source) -> dict:
    energy = _plan(source, "energy")
    demand = _charged(source, _plan(source, "demand"), "demandrateunit")
    flat = _charged(source, _flat_plan(source), "flatdemandunit")
    fixed = _fixed(source)
    if not (energy.periods or demand or flat or fixed):
        raise UrdbError(source.key("energyratestructure"), "is missing, as all prices")
    months, names = _months(energy, demand, flat)
    seasons = _seasons(months)
    prices, tiers = _energy(source, energy, months, names, seasons)
    return {
        "valid_from_local": f"{_start(source)}T00:00",
        "seasons": _periods(seasons),
        "holidays": [],
        "bands": _bands(source, months, names, seasons),
        "tiers": tiers,
        "energy_prices": prices,
        "fixed": fixed,
        "demand": _demand(source, demand, flat, months, names, seasons),
        "minimum": _minimum(source),
        "adjustments": [],
    }


def _energy(source, energy, months, names, seasons) -> tuple[dict, dict | None]:
    """The document's `energy_prices` and `tiers`."""
    used = sorted({e for e, _d in names})
    steps = {index: _steps(source, energy, index) for index in used}
    prices, thresholds, mixed = {}, {}, False
    for season, runs in seasons.items():
        pairs = sorted({pair for row in months[runs[0][0]][:2] for pair in row})
        periods = {e for e, _d in pairs}
        edges = sorted({edge for e in periods for edge in steps[e][0]})
        thresholds[season] = [plain(edge) for edge in edges]
        prices[season] = {names[p]: _spread(*steps[p[0]], edges) for p in pairs}
        mixed = mixed or bool(edges) and len(periods) > 1
    if mixed:
        text = "URDB counts tiers per period, this tariff over all bands together."
        source.note(source.key(energy.field), text)
    if not any(thresholds.values()):
        return prices, None
    tiers = {"counter": "month", "mode": "incremental", "thresholds": thresholds}
    return prices, tiers


def _start(source: Source) -> str:
    end = source.moment("enddate")
    if end:
        text = f"The rate ends on {end}, but the tariff has no end."
        source.note(source.key("enddate"), text)
    start = source.moment("startdate")
    if not start:
        text = "The rate has no start, so the tariff is valid from 2000-01-01."
        source.note(source.key("startdate"), text)
    return start or "2000-01-01"


def _plan(source: Source, kind: str) -> _Plan:
    """The energy or demand plan; without any schedule period 1 always holds."""
    plan = _Plan(f"{kind}ratestructure", [], [])
    plan.periods = structure(source, plan.field)
    fields = [f"{kind}weekdayschedule", f"{kind}weekendschedule"]
    days = [matrix(source, name, len(plan.periods)) for name in fields]
    given = next((rows for rows in days if rows is not None), None)
    if given is not None and not plan.periods and kind == "energy":
        raise UrdbError(source.key(plan.field), "is missing, but has a schedule")
    for name, rows in zip(fields, days, strict=True):
        if rows is None and plan.periods:
            text = "There is no schedule: period 1 is taken for every hour."
            if given is not None:
                text = "There is no schedule: that of the other days is taken."
            source.note(name, text)
        plan.days.append(rows or given or [[0] * 24] * 12)
    return plan


def _flat_plan(source: Source) -> _Plan:
    plan = _Plan("flatdemandstructure", [], [])
    plan.periods = structure(source, plan.field)
    name, months = "flatdemandmonths", source.get("flatdemandmonths")
    if months is None and plan.periods:
        source.note(name, "There are no months: period 1 is taken for all of them.")
    months = [0] * 12 if months is None else months
    plan.days = [[read_row(source, months, 12, len(plan.periods), name)]]
    return plan


def _price(source: Source, plan: _Plan, index: int, tier: int) -> Decimal:
    """rate + adj of a tier; either may be absent, but not both."""
    item, key = plan.periods[index][tier], source.key(plan.field, index, tier)
    if item.get("rate") is None and item.get("adj") is None:
        source.note(f"{key}.rate", "There is no price, so it is taken as zero.")
    values = [source.number(item.get(k), f"{key}.{k}") for k in ("rate", "adj")]
    for name, value in item.items():
        if name not in ("rate", "adj", "max", "unit") and means(value):
            lost = "The price of what is fed in" if name == "sell" else "This value"
            source.note(f"{key}.{name}", f"{lost} is not mapped: {shown(value)}.")
    if tier == len(plan.periods[index]) - 1 and item.get("max") is not None:
        source.number(item["max"], f"{key}.max")
        source.note(f"{key}.max", "The last tier is open, so its limit is ignored.")
    return EXACT.add(*values)


def _steps(source: Source, plan: _Plan, index: int) -> tuple[list, list]:
    """The upper edges (kWh) and the prices (one more) of an energy period's tiers."""
    if not plan.periods:
        source.note(plan.field, "There are no energy prices, so energy costs nothing.")
        return [], [Decimal(0)]
    tiers, key = plan.periods[index], source.key(plan.field, index)
    if not tiers:
        raise UrdbError(key, "has no tier")
    prices = [_price(source, plan, index, i) for i in range(len(tiers))]
    units = [tier.get("unit") for tier in tiers[:-1] or tiers]
    units = {source.words(unit, f"{key}.unit").lower() for unit in units}
    if foreign := units - {"", "kwh"}:
        words = ", ".join(sorted(foreign))
        text = f"Tiers by {words} cannot be mapped: the first price is taken for all."
        source.note(key, text)
        return [], prices[:1]
    edges = []
    for number, tier in enumerate(tiers[:-1]):
        edge = source.number(tier.get("max"), f"{key}[{number}].max")
        if edge <= (edges[-1] if edges else 0):
            raise UrdbError(f"{key}[{number}].max", "must be above zero and rise")
        edges.append(edge)
    return edges, prices


def _spread(own: list, prices: list, edges: list) -> list[str]:
    """The price of each tier up to `edges`, which contain a period's own ones."""
    places = [bisect_left(own, edge) for edge in edges] + [len(own)]
    return [plain(prices[place]) for place in places]


def _charged(source: Source, plan: _Plan, unit_field: str) -> _Plan | None:
    """A demand plan with its prices above or below zero, None without any."""
    used = {p for rows in plan.days for row in rows for p in row}
    for index in sorted(used) if plan.periods else ():
        tiers = plan.periods[index]
        prices = [_price(source, plan, index, i) for i in range(len(tiers))]
        if len(set(prices)) > 1:
            text = "Only the price of the first tier is mapped, and for all demand."
            source.note(source.key(plan.field, index), text)
        if any(prices[:1]):
            plan.prices[index] = prices[0]
    unit, key = source.text(unit_field), source.key(unit_field)
    if not plan.prices or unit.lower() in ("", "kw"):
        return plan if plan.prices else None
    if "daily" in unit.lower():
        source.note(key, f"Demand charged by {unit[:20]} is not mapped.")
        return None
    source.note(key, f"Demand in {unit[:20]} is taken as demand in kW.")
    return plan


def _months(energy: _Plan, demand: _Plan | None, flat: _Plan | None):
    """Each month as (weekday hours, weekend hours, flat period); the band names.

    An hour is a pair of its energy and its demand period.
    """
    days = []
    for number, rows in enumerate(energy.days):
        other = demand.days[number] if demand else [[0] * 24] * 12
        pairs = zip(rows, other, strict=True)
        days.append([tuple(zip(row, more, strict=True)) for row, more in pairs])
    flats = flat.days[0][0] if flat else [0] * 12
    used = sorted({pair for rows in days for row in rows for pair in row})
    several = len({e for e, _d in used}) < len(used)
    names = {
        (e, d): f"period {e + 1}, demand {d + 1}" if several else f"period {e + 1}"
        for e, d in used
    }
    return list(zip(*days, flats, strict=True)), names


def _seasons(months: list) -> dict[str, list[tuple[int, int]]]:
    """The runs of months (first, last) of each season, by its name."""
    groups: dict[tuple, list] = {}
    for number, month in enumerate(months):
        groups.setdefault(month, []).append(number)
    seasons = {}
    for members in groups.values():
        runs = []
        for first in (m for m in members if (m - 1) % 12 not in members):
            last = first
            while (last + 1) % 12 in members:
                last = (last + 1) % 12
            runs.append((first, last))
        words = [MONTHS[a] + (f"–{MONTHS[b]}" if a != b else "") for a, b in runs]
        seasons[", ".join(words) or "*"] = runs or [(0, 11)]
    return seasons


def _periods(seasons: dict) -> list[dict]:
    """The `seasons` of the document."""
    return [
        {
            "name": name,
            "from": f"{first + 1:02d}-01",
            "to": f"{last + 1:02d}-{MONTH_DAYS[last]}",
        }
        for name, runs in seasons.items()
        for first, last in runs
        if name != "*"
    ]


def _bands(source: Source, months: list, names: dict, seasons: dict) -> dict:
    """The most frequent band as the default, and rules for all other hours."""
    hours = Counter()
    for weekday, weekend, _flat in months:
        hours.update(weekday * 5 + weekend * 2)
    default = max(sorted(hours), key=hours.get)
    rules: dict[tuple, list] = {}
    for season, runs in seasons.items():
        weekday, weekend, _flat = months[runs[0][0]]
        parts = [(("weekday",), weekday), (WEEKEND, weekend)]
        for days, row in [("*", weekday)] if weekday == weekend else parts:
            for pair, first, last in _ranges(row):
                if pair != default:
                    times = (f"{first:02d}:00", f"{last:02d}:00")
                    rules.setdefault((names[pair], days, *times), []).append(season)
    if any(key[1] != "*" for key in rules):
        text = "URDB has no holidays: those that are added count as weekend days."
        source.note(source.key("energyweekendschedule"), text)
    keys = ("band", "day_types", "from", "to", "seasons")
    every = len(seasons)
    return {
        "default": names[default],
        "rules": [
            dict(zip(keys, (b, d if d == "*" else list(d), *times, among), strict=True))
            for (b, d, *times), found in rules.items()
            for among in ["*" if len(found) == every else found]
        ],
    }


def _ranges(row: tuple):
    """Yield (pair, from, to) of the runs of equal hours in a day, in hours."""
    first = 0
    for hour in range(1, 25):
        if hour == 24 or row[hour] != row[first]:
            yield row[first], first, hour
            first = hour


def _demand(source, demand, flat, months, names, seasons) -> list[dict]:
    """A charge for each demand period and each flat demand period with a price."""
    window = source.amount("demandwindow")
    whole = window > 0 and window == int(window) and 1440 % int(window) == 0
    charges = []
    for index, price in demand.prices.items() if demand else ():
        bands = [name for (_e, d), name in names.items() if d == index]
        charges.append((f"demand {index + 1}", price, bands, "*"))
    for index, price in flat.prices.items() if flat else ():
        among = [s for s, runs in seasons.items() if months[runs[0][0]][2] == index]
        among = "*" if len(among) == len(seasons) else among
        charges.append((f"flat demand {index + 1}", price, "*", among))
    if charges and not whole:
        text = (
            "Demand is measured over the metering interval: no usable window is given."
        )
        source.note(source.key("demandwindow"), text)
    return [
        {
            "name": name,
            "price_per_kw": plain(price),
            "bands": bands,
            "seasons": among,
            "demand_minutes": int(window) if whole else None,
        }
        for name, price, bands, among in charges
    ]


def _charge(source: Source, name: str, units: str, old: str):
    """The amount of a standing charge, its unit, its field's key; `old` is monthly."""
    amounts = {source.key(field): source.amount(field) for field in (name, old)}
    unit, key = source.text(units).lower(), source.key(name)
    found = [field for field, amount in amounts.items() if amount]
    if len(found) > 1:
        source.note(found[1], f"Only {key} is mapped, not this charge too.")
    elif found and found[0] != key:
        key, unit = found[0], "$/month"
    if found and not unit:
        source.note(key, "There is no unit, so the charge is taken as one a month.")
    return amounts[key], unit or "$/month", key


def _fixed(source: Source) -> list[dict]:
    names = ("fixedchargefirstmeter", "fixedchargeunits", "fixedmonthlycharge")
    amount, unit, key = _charge(source, *names)
    if amount and unit == "$/year":
        amount = EXACT.divide(amount, 12).quantize(Decimal("0.000001"), context=EXACT)
        source.note(key, "A twelfth of the yearly charge is taken each month.")
    elif amount and unit not in ("$/month", "$/day"):
        source.note(key, f"The charge by {unit[:20]} is not mapped.")
        return []
    per = "day" if unit == "$/day" else "month"
    fixed = {"name": "fixed charge", "amount": plain(amount), "per": per}
    return [fixed] if amount else []


def _minimum(source: Source) -> dict | None:
    names = ("mincharge", "minchargeunits", "minmonthlycharge")
    amount, unit, key = _charge(source, *names)
    if amount and (unit != "$/month" or amount < 0):
        text = f"The minimum charge of {plain(amount)} {unit[:20]} is not mapped."
        source.note(key, text)
        return None
    covers = ["energy", "fixed", "demand"]
    minimum = {"amount": plain(amount), "per": "month", "covers": covers}
    return minimum if amount else None
