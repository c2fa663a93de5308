"""The bill of a period from readings: for statements and for what-if questions."""

from datetime import date, timedelta

from .clock import local_time, midnight
from .demand import Maxima
from .ledger import Ledger
from .statement import Statement
from .tariff import Tariff, scaled_reading


def bill(tariff: Tariff, runs: list[list], start: int, end: int) -> "Bill":
    """Rate the readings of one service point in [start, end), epoch seconds.

    `runs` are lists of (epoch, cumulative Decimal), one for each meter in time order,
    as `Tariff.advance` takes them; they should reach back to the beginning of the
    year where a yearly tier counter must be right.
    Raises ValueError for readings out of order or falling registers.
    """
    ledger = Ledger(tariff.cells)
    year = midnight(tariff.tz, date(local_time(tariff.tz, start).year, 1, 1))
    for low, high, maxima in (
        (year, start, None),
        (start, end, Maxima(tariff.by_index) if tariff.has_demand else None),
    ):
        ledger.begin()
        for run in runs:
            readings = [scaled_reading(reading) for reading in run]
            for before, after in zip(readings, readings[1:], strict=False):
                if before[0] < high and after[0] > low:
                    tariff.feed(ledger, maxima, before, after, low, high)
    return Bill(tariff, tariff.charges(ledger), maxima, start, end)


class Bill(Statement):
    """A statement with all that falls due in it, and its energy charges."""

    def __init__(self, tariff, charges: dict, maxima, start: int, end: int):
        super().__init__(tariff, start, end)
        self.charges = charges
        self.add_energy(charges)
        day = self.first
        while day <= self.last:
            self.add_fixed(day)
            day += timedelta(days=1)
        for name in self.months:
            self.close(name, maxima)

    def lines(self):
        """Yield (first of month, kind, season, band, kWh, net, total), exact.

        `kind` is energy, fixed, demand or minimum; season and band are "" but for
        energy.
        """
        for (day, _version, season, band, _tier), parts in self.charges.items():
            kwh, net, total = parts
            yield day.replace(day=1), "energy", season, band, kwh, net, total
        for name, month in self.months.items():
            first = date.fromisoformat(f"{name}-01")
            for kind in ("fixed", "demand", "minimum"):
                for version, net in month.parts[kind].items():
                    total = self.tariff.gross(version, net)
                    yield first, kind, "", "", 0, net, total
