"""Months of a bill: charges summed, minimum, rebates and taxes, total."""

from datetime import date, timedelta
from decimal import Decimal

from .clock import local_time, midnight
from .exact import EXACT, plain

ZERO = Decimal(0)


def add(table: dict, key, value: Decimal) -> None:
    """table[key] += value, exactly."""
    table[key] = EXACT.add(table.get(key, ZERO), value)


class Month:
    """The sums of one calendar month, by version where the rates may differ."""

    def __init__(self):
        self.kwh: dict[tuple, Decimal] = {}
        self.energy: dict[tuple, Decimal] = {}
        self.parts: dict[str, dict[int, Decimal]] = {
            "energy": {},
            "fixed": {},
            "demand": {},
            "minimum": {},
        }
        self.kw: dict[str, Decimal] = {}

    def sum(self, *names: str) -> Decimal:
        """The sum of some parts, before rebates and taxes."""
        total = ZERO
        for name in names:
            for value in self.parts[name].values():
                total = EXACT.add(total, value)
        return total


class Statement:
    """The months of a period [start, end) (epoch seconds) under a tariff."""

    def __init__(self, tariff, start: int, end: int):
        self.tariff, self.start, self.end = tariff, start, end
        self.first = local_time(tariff.tz, start).date()
        self.last = local_time(tariff.tz, end - 1).date()
        self.months: dict[str, Month] = {}
        day = self.first.replace(day=1)
        while day <= self.last:
            self.months[month_name(day)] = Month()
            day = (day + timedelta(days=32)).replace(day=1)

    def add_energy(self, charges: dict) -> Decimal:
        """Add charges of `Tariff.charges`; return their cost, tax included."""
        cost = ZERO
        for (day, version, season, band, tier), (kwh, net, total) in charges.items():
            month = self.months.setdefault(month_name(day), Month())
            add(month.kwh, (season, band, tier), kwh)
            add(month.energy, (season, band, tier), net)
            add(month.parts["energy"], version, net)
            cost = EXACT.add(cost, total)
        return cost

    def add_fixed(self, day: date) -> Decimal:
        """Add the charges that fall due on a date; return their cost with tax."""
        due = []
        if self.start <= midnight(self.tariff.tz, day) < self.end:
            due += self.tariff.daily_charges(day, day + timedelta(days=1))
        if day.day == 1 or day == self.first:
            due += self.tariff.monthly_charges(day)
        cost = ZERO
        for _day, version, _name, net, total in due:
            add(self.months[month_name(day)].parts["fixed"], version, net)
            cost = EXACT.add(cost, total)
        return cost

    def close(self, name: str, maxima) -> Decimal:
        """Add a month's demand and minimum; return their cost with tax."""
        month = self.months[name]
        tariff, cost = self.tariff, ZERO
        for version in self.versions(name):
            for item in version.demand:
                month.kw.setdefault(item.name, ZERO)
        found = maxima.found.get(name, {}) if maxima is not None else {}
        for index, charge, kw, amount, total in tariff.demand_charges(found):
            month.kw[charge] = kw
            add(month.parts["demand"], index, amount)
            cost = EXACT.add(cost, total)
        sums = {kind: month.sum(kind) for kind in ("energy", "fixed", "demand")}
        due = tariff.minimum_charge(first_date(name), sums)
        if due:
            index, amount, total = due
            add(month.parts["minimum"], index, amount)
            cost = EXACT.add(cost, total)
        return cost

    def versions(self, name: str) -> list:
        """The versions in force during a month within the period."""
        first = first_date(name)
        following = (first + timedelta(days=32)).replace(day=1)
        low = max(self.start, midnight(self.tariff.tz, first))
        high = min(self.end, midnight(self.tariff.tz, following))
        ordered = self.tariff.calendar.versions
        ends = [version.start for version in ordered[1:]] + [high]
        return [
            version
            for version, end in zip(ordered, ends, strict=True)
            if version.start < high and end > low
        ]

    def adjustments(self, name: str) -> dict[str, Decimal]:
        """Each rebate and tax of a month: subtotal × rate, by version."""
        result: dict[str, Decimal] = {}
        month = self.months[name]
        for version in self.versions(name):
            for label, _rate in version.adjustments:
                result.setdefault(label, ZERO)
        for part in month.parts.values():
            for index, amount in part.items():
                for label, rate in self.tariff.by_index[index].adjustments:
                    add(result, label, EXACT.multiply(amount, rate))
        return result

    def total(self, name: str) -> Decimal:
        """The month's total with rebates and taxes, unrounded."""
        total = self.months[name].sum("energy", "fixed", "demand", "minimum")
        for amount in self.adjustments(name).values():
            total = EXACT.add(total, amount)
        return total

    def as_json(self, name: str) -> dict:
        """The month in the shape of the case output, amounts as plain strings."""
        month = self.months[name]
        kwh = ZERO
        for value in month.kwh.values():
            kwh = EXACT.add(kwh, value)
        keys = [key for key in sorted(month.kwh) if month.kwh[key] or month.energy[key]]
        return {
            "kwh": plain(kwh),
            "energy_amount": plain(month.sum("energy")),
            "fixed_amount": plain(month.sum("fixed")),
            "demand_amount": plain(month.sum("demand")),
            "minimum_adjustment": plain(month.sum("minimum")),
            "subtotal": plain(month.sum("energy", "fixed", "demand", "minimum")),
            "adjustments": {
                label: plain(amount) for label, amount in self.adjustments(name).items()
            },
            "total": plain(self.total(name)),
            "energy": [
                {
                    "season": key[0],
                    "band": key[1],
                    "tier": key[2],
                    "kwh": plain(month.kwh[key]),
                    "amount": plain(month.energy[key]),
                }
                for key in keys
            ],
            "demand": {label: {"kw": plain(kw)} for label, kw in month.kw.items()},
        }


def month_name(day: date) -> str:
    """ "YYYY-MM" of a date."""
    return f"{day.year:04d}-{day.month:02d}"


def first_date(name: str) -> date:
    """The first date of "YYYY-MM"."""
    return date(int(name[:4]), int(name[5:7]), 1)
