"""What a tariff charges beside energy (decisions 6 to 8)."""

from collections.abc import Iterator
from datetime import date, timedelta
from decimal import Decimal

from .clock import local_time, midnight
from .demand import kilowatts
from .exact import EXACT


class FixedCharges:
    """The part of a compiled tariff that is due by day or month."""

    def gross(self, version: int, net: Decimal) -> Decimal:
        """`net` with the version's rebates and taxes (decision 9), unrounded."""
        return EXACT.multiply(net, EXACT.add(Decimal(1), self.by_index[version].rate))

    def daily_charges(
        self, day_from: date, day_to: date
    ) -> Iterator[tuple[date, int, str, Decimal, Decimal]]:
        """Yield (local date, version, name, net, total) for day_from ≤ day < day_to.

        One charge per local date at the version in force at its 00:00; a date that
        the local clock skipped altogether has none.
        """
        day = day_from
        while day < day_to:
            at = midnight(self.tz, day)
            version = self.calendar.version_at(at)
            exists = local_time(self.tz, at).date() == day
            for item in version.fixed if version else ():
                if item.per == "day" and exists:
                    total = self.gross(version.index, item.amount)
                    yield day, version.index, item.name, item.amount, total
            day += timedelta(days=1)

    def monthly_charges(
        self, day: date
    ) -> Iterator[tuple[date, int, str, Decimal, Decimal]]:
        """Yield (date, version, name, net, total) for the month of `day`.

        The version is the one in force at 00:00 of the first date of the month
        (or the first to come into force in that month); nothing is prorated.
        """
        version = self.month_version(day)
        for item in version.fixed if version else ():
            if item.per == "month":
                total = self.gross(version.index, item.amount)
                yield day.replace(day=1), version.index, item.name, item.amount, total

    def demand_charges(
        self, found: dict
    ) -> Iterator[tuple[int, str, Decimal, Decimal, Decimal]]:
        """Yield (version, name, kW, net, total) for the maxima of a month.

        `found` is what `Maxima.found` has for it; maxima at versions of another
        tariff are passed over.
        """
        for name, (energy, minutes, index, _at) in found.items():
            if index not in self.by_index:
                continue
            items = self.by_index[index].demand
            price = next(item.price for item in items if item.name == name)
            kw = kilowatts(energy, minutes)
            net = EXACT.multiply(kw, price)
            yield index, name, kw, net, self.gross(index, net)

    def minimum_charge(
        self, day: date, sums: dict[str, Decimal]
    ) -> tuple[int, Decimal, Decimal] | None:
        """(version, net, total) of what the month of `day` lacks, or None.

        `sums` has the month's net "energy", "fixed" and "demand".
        """
        version = self.month_version(day)
        if version is None or version.minimum is None:
            return None
        short, covers = version.minimum
        for name in covers:
            short = EXACT.subtract(short, sums[name])
        if short <= 0:
            return None
        return version.index, short, self.gross(version.index, short)

    def month_version(self, day: date):
        """The version that governs a month's fixed charges and minimum."""
        first = day.replace(day=1)
        found = self.calendar.version_at(midnight(self.tz, first))
        if found is None:
            following = (first + timedelta(days=32)).replace(day=1)
            end = midnight(self.tz, following)
            found = next((v for v in self.calendar.versions if v.start < end), None)
        return found
