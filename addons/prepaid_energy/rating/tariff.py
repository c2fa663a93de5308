"""The compiled tariff: energy of one service point into exact charges."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from decimal import Decimal

from .clock import FIRST_EPOCH, LAST_EPOCH, zone
from .demand import Maxima
from .document import ALL, read_document
from .exact import EXACT, QUANTUM, plain, scaled, unscaled
from .fixed import FixedCharges
from .ledger import Ledger
from .quantity import converted
from .segments import Calendar, Segment


def compile_tariff(
    document: dict, time_zone: str, path: str = "", keys: list[int] | None = None
) -> "Tariff":
    """Check a tariff document `{versions: [...]}` and make it ready to rate.

    `time_zone` is an IANA name; `path` prefixes the JSON path in messages.  `keys`
    are what charges and states call the versions, one each, distinct and not below
    zero; without them it is the place in the document, so a stored state needs keys
    once versions can come and go.
    Raises TariffError, and nothing else, for any wrong document.
    """
    return Tariff(document, time_zone, path, keys)


class Tariff(FixedCharges):
    """A checked tariff in one time zone; build it with `compile_tariff`."""

    def __init__(self, document: dict, time_zone: str, path: str = "", keys=None):
        self.tz = zone(time_zone)
        self.versions = read_document(document, self.tz, path, keys)
        self.calendar = Calendar(self.versions, self.tz)
        self.by_index = {version.index: version for version in self.versions}
        self.cells = {v.index: v.cell_list for v in self.versions}
        self.has_demand = any(version.demand for version in self.versions)
        self._scale()

    def _scale(self) -> None:
        cells = [cell for version in self.versions for cell in version.cell_list]
        self.price_digits = max(
            -price.as_tuple().exponent
            for cell in cells
            for price in (Decimal(0), *cell.prices)
        )
        self.rate_digits = max(
            -rate.as_tuple().exponent
            for version in self.versions
            for rate in (Decimal(0), *(rate for _name, rate in version.adjustments))
        )
        for version in self.versions:
            for cell in version.cell_list:
                cell.version = version.index
                cell.factor = version.factor
                cell.scaled_prices = tuple(
                    scaled(price, self.price_digits) for price in cell.prices
                )
        self.factors = {
            v.index: scaled(EXACT.add(1, v.rate), self.rate_digits)
            for v in self.versions
        }
        self.factors[-1] = 10**self.rate_digits
        zero = Decimal(0)
        self.simple = {(-1, 0): ((), (zero,), zero)}  # see `step`
        for version in self.versions:
            for cell in version.cell_list:
                if not (cell.whole or cell.factor or self.has_demand):
                    self.simple[cell.version, cell.number] = (
                        tuple(unscaled(edge) for edge in cell.thresholds),
                        cell.prices,
                        EXACT.add(1, version.rate),
                    )

    def step(
        self, state: dict | None, readings: list[tuple[int, Decimal]]
    ) -> tuple[dict, dict] | None:
        """The commonest case of `advance`, five times as fast; None: it is another.

        All readings lie in one segment, no tier is crossed, and the state knows the
        month.  The caller has checked that times and registers rise and have at most
        18 decimals.  What it returns equals `advance` to the last digit.
        """
        (begin, first), (end, last) = readings[0], readings[-1]
        segment = self.calendar.segment(begin)
        cell, month, year = segment.cell, segment.month, segment.year
        simple = self.simple.get((cell.version, cell.number))
        if simple is None or not state or len(state) > 1 or end > segment.end:
            return None
        kwh = state.get("kwh", {})
        if month not in kwh or year not in kwh or last.adjusted() >= 15:
            return None
        edges, prices, factor = simple
        energy = EXACT.subtract(last, first)
        by_month = Decimal(kwh[month])
        by_year = Decimal(kwh[year])
        counter = by_year if cell.yearly else by_month
        tier = bisect_right(edges, counter) if edges else 0
        if tier < len(edges) and EXACT.add(counter, energy) > edges[tier]:
            return None
        if energy <= 0:
            return None if energy else ({}, state)
        net = EXACT.multiply(energy, prices[tier])
        key = (segment.day, cell.version, cell.season, cell.band, tier + 1)
        counters = {
            month: plain(EXACT.add(by_month, energy)),
            year: plain(EXACT.add(by_year, energy)),
        }
        return (
            {key: (energy, net, EXACT.multiply(net, factor))},
            {"kwh": {**kwh, **counters}},
        )

    def advance(
        self,
        state: dict | None,
        readings: list[tuple[int, Decimal]],
        *,
        start: tuple[int, Decimal] | None = None,
        low: int | None = None,
        high: int | None = None,
    ) -> tuple[dict, dict]:
        """Rate the readings of ONE meter; return (charges, new state).

        `readings` are (epoch seconds UTC, cumulative kWh) in strictly ascending
        time with registers that do not fall; `start` is the reading before
        them, or None when the first one only opens the meter.  `state` is the
        service point's state from the call before, or None; it is not changed.
        With `low` or `high`, only consumption at low ≤ time < high counts.
        Charges map (local day, version, season, band, tier from 1) to
        (kWh, net, total) as exact Decimals: deltas to add to what is stored.
        Version -1 marks energy before the first version, at no charge; a version
        with a quantity factor has its kWh (tiers, demand) in priced units.
        Raises ValueError for readings out of order or falling registers.
        """
        ledger = Ledger(self.cells, state)
        maxima = Maxima(self.by_index, state) if self.has_demand else None
        before = None if start is None else scaled_reading(start)
        for reading in readings:
            after = scaled_reading(reading)
            if before is not None:
                self.feed(ledger, maxima, before, after, low, high)
            before = after
        if maxima is None and state and "demand" in state:
            maxima = Maxima(self.by_index, state)  # of another tariff, this month
        return self.charges(ledger), self.dump(ledger, maxima)

    def feed(self, ledger, maxima, before, after, low=None, high=None) -> None:
        """Add the consumption between two scaled readings (decision 11).

        Only what lies in low ≤ time < high counts, where these are given.
        """
        for segment, at, to, energy in self.parts(before, after, low, high):
            if energy:
                ledger.add(segment, converted(energy, segment.cell.factor))
                if maxima is not None:
                    self._demand(maxima, segment, at, to, before, after)

    def parts(
        self, before, after, low: int | None = None, high: int | None = None
    ) -> Iterator[tuple[Segment, int, int, int]]:
        """Yield (segment, from, to, energy) between two scaled readings."""
        if after[0] <= before[0]:
            raise ValueError(f"reading at {after[0]} does not come after {before[0]}")
        if after[1] < before[1]:
            raise ValueError(f"register falls between {before[0]} and {after[0]}")
        at = before[0] if low is None else max(low, before[0])
        end = after[0] if high is None else min(high, after[0])
        done = between(before, after, at)
        while at < end:
            segment = self.calendar.segment(at)
            to = min(segment.end, end)
            value = between(before, after, to)
            yield segment, at, to, value - done
            at, done = to, value

    def feed_intervals(self, ledger, maxima, starts, energies, minutes, span) -> None:
        """Add intervals [span) of `minutes`: sorted starts, energies in 10^-18 kWh.

        Each belongs wholly to the segment of its start (decision 1), so all that
        start in one segment are charged as one sum.  Energies are not negative.
        """
        index, stop = span
        lookup = self.calendar.segment
        while index < stop:
            segment = lookup(starts[index])
            following = bisect_left(starts, segment.end, index, stop)
            factor = segment.cell.factor
            energy = sum(energies[index:following])
            if energy:
                ledger.add(segment, converted(energy, factor))
            if maxima is not None:
                for i in range(index, following):
                    energy = converted(energies[i], factor)
                    maxima.add(lookup, starts[i], energy, minutes)
            index = following

    def _demand(self, maxima, segment, at, to, before, after) -> None:
        lookup = self.calendar.segment
        steps = maxima.steps(segment.cell.version, None)
        edges = {at, to}
        for step in steps:
            first = at + step - (at + segment.offset) % step
            edges.update(range(first, to, step))
        ordered = sorted(edges)
        value = between(before, after, at)
        for low, high in zip(ordered, ordered[1:], strict=False):
            following = between(before, after, high)
            energy = converted(following - value, segment.cell.factor)
            maxima.add(lookup, low, energy, None)
            value = following

    def charges(self, ledger: Ledger) -> dict:
        """The ledger's deltas as {(day, version, season, band, tier): money}."""
        result = {}
        net_digits = 18 + self.price_digits
        total_digits = net_digits + self.rate_digits
        for (day, version, number, tier), (energy, net) in ledger.acc.items():
            if not energy and not net:
                continue
            season = band = ALL
            if version >= 0:
                cell = self.cells[version][number]
                season, band = cell.season, cell.band
            result[day, version, season, band, tier + 1] = (
                unscaled(energy),
                unscaled(net, net_digits),
                unscaled(net * self.factors[version], total_digits),
            )
        return result

    def dump(self, ledger: Ledger, maxima: Maxima | None) -> dict:
        """The JSON-serialisable state of the service point."""
        state = ledger.dump()
        if maxima is not None:
            maxima.dump(state)
        return state


def scaled_reading(reading: tuple[int, Decimal]) -> tuple[int, int]:
    epoch, register = reading
    if not FIRST_EPOCH <= epoch < LAST_EPOCH:
        raise ValueError(f"reading at {epoch} is outside the years 1900 to 2199")
    if not isinstance(register, Decimal):
        raise ValueError(f"register at {epoch} must be a Decimal")
    try:
        return epoch, scaled(register)
    except ValueError as error:
        raise ValueError(f"register {register} at {epoch} {error}") from None


def between(before, after, at: int) -> int:
    """The register at an instant between two readings, in 10^-18 kWh.

    Spread evenly over the elapsed time and cut down to whole 10^-12 kWh, so
    the pieces of a delta, being differences, always add up to it.
    """
    if at <= before[0]:
        return before[1]
    if at >= after[0]:
        return after[1]
    share = (after[1] - before[1]) * (at - before[0]) // (after[0] - before[0])
    return before[1] + share // QUANTUM * QUANTUM
