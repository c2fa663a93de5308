"""Demand maxima (decision 7): the highest mean kW of a window in each month."""

from decimal import Decimal
from fractions import Fraction

from .exact import EXACT, KWH_SCALE, parse_int, plain_int, unscaled
from .ledger import month_before

REGISTER_MINUTES = 15
KW_DIGITS = 12


class Maxima:
    """Maxima of a run by month and charge name.

    An entry is (kWh in 10^-18, minutes, version, window start epoch); `open`
    holds the windows that are still filling, by (version, name).
    """

    __slots__ = ("found", "open", "versions")

    def __init__(self, versions: dict, state: dict | None = None):
        self.versions = versions
        self.found: dict[str, dict[str, tuple]] = {}
        self.open: dict[tuple[int, str], list] = {}
        demand = (state or {}).get("demand", {})
        for month, items in demand.get("max", {}).items():
            self.found[month] = {
                name: (parse_int(item[0]), *item[1:]) for name, item in items.items()
            }
        for version, name, start, kwh in demand.get("open", []):
            self.open[version, name] = [start, parse_int(kwh)]

    def steps(self, version: int, minutes: int | None) -> set[int]:
        """The window lengths (seconds) of the charges of a version."""
        source = self.versions.get(version)
        default = minutes or REGISTER_MINUTES
        if source is None:
            return set()
        return {60 * (item.minutes or default) for item in source.demand}

    def add(self, segment_at, at: int, energy: int, minutes: int | None) -> None:
        """Add energy that starts at an instant to the windows it lies in.

        `segment_at` maps an instant to its segment; a window belongs to the
        band, season, month and version of its own start.  An interval of `minutes`
        is its own window for charges that name no longer one (decision 1).
        """
        here = segment_at(at)
        source = self.versions.get(here.cell.version)
        if source is None:
            return
        default = minutes or REGISTER_MINUTES
        for item in source.demand:
            length, start, owner = item.minutes or default, at, here
            if minutes is None or length > minutes:
                start, owner = _window(segment_at, here, at, 60 * length)
                if owner.cell.version != source.index:
                    owner = here
            else:
                length = minutes
            cell = owner.cell
            if item.bands is not None and cell.band not in item.bands:
                continue
            if item.seasons is not None and cell.season not in item.seasons:
                continue
            window = self.open.get((source.index, item.name))
            if window is None or window[0] != start:
                window = self.open[source.index, item.name] = [start, 0]
            window[1] += energy
            self._compare(owner.month, item.name, window, length, source.index)

    def _compare(self, month, name, window, length, version) -> None:
        best = self.found.setdefault(month, {})
        other = best.get(name)
        if other is None or window[1] * other[1] > other[0] * length:
            best[name] = (window[1], length, version, window[0])

    def dump(self, state: dict) -> None:
        """Put the maxima of the last two months into a JSON-serialisable state."""
        if not self.found and not self.open:
            return
        oldest = month_before(max(self.found, default="0001-02"))
        state["demand"] = {
            "max": {
                month: {
                    name: [plain_int(item[0]), *item[1:]]
                    for name, item in items.items()
                }
                for month, items in self.found.items()
                if month >= oldest
            },
            "open": [
                [version, name, start, plain_int(kwh)]
                for (version, name), (start, kwh) in sorted(self.open.items())
            ],
        }


def _window(segment_at, here, at: int, length: int):
    """The start of the window of `length` seconds by the local clock, its segment.

    A window never spans a clock change, where it would hold more time than its
    length: the change begins a new one.
    """
    start = at - (at + here.offset) % length
    owner = segment_at(start)
    while owner.offset != here.offset:
        start = owner.end
        owner = segment_at(start)
    return start, owner


def kilowatts(energy: int, minutes: int) -> Decimal:
    """kWh × 60 / minutes in kW; 12 decimals where the quotient does not end."""
    value = Fraction(energy * 60, KWH_SCALE * minutes)
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    if rest == 1:
        return EXACT.divide(Decimal(value.numerator), Decimal(value.denominator))
    return unscaled(round(value * 10**KW_DIGITS), KW_DIGITS)
