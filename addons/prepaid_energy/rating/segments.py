"""The calendar of a compiled tariff: which segment an instant lies in."""

from bisect import bisect_right
from dataclasses import dataclass
from datetime import date
from zoneinfo import ZoneInfo

from .clock import DAY, EPOCH_DAY, pieces
from .document import ALL, Version
from .prices import Cell

CHUNK = 8 * DAY
MAX_CHUNKS = 256


@dataclass(slots=True)
class Segment:
    """A stretch [start, end) of epoch seconds with one date, version and cell."""

    start: int
    end: int
    offset: int
    day: date
    month: str
    year: str
    cell: Cell
    keys: tuple = ()

    def __post_init__(self):
        """Make the ledger keys (day, version, cell number, tier) of each tier."""
        cell = self.cell
        self.keys = tuple(
            (self.day, cell.version, cell.number, tier)
            for tier in range(len(cell.thresholds) + 1)
        )


class Calendar:
    """Segments by instant, built for eight days at a time, in a bounded cache."""

    def __init__(self, versions: list[Version], tz: ZoneInfo):
        self.tz = tz
        self.versions = sorted(versions, key=lambda version: version.start)
        self.starts = [version.start for version in self.versions]
        self.nothing = Cell(-1, ALL, ALL, (), (), scaled_prices=(0,))
        self.chunks: dict[int, tuple[list[int], list[Segment]]] = {}
        self.last = Segment(0, 0, 0, date(1970, 1, 1), "", "", self.nothing)

    def version_at(self, epoch: int) -> Version | None:
        """The version in force at an instant, None before the first."""
        index = bisect_right(self.starts, epoch) - 1
        return self.versions[index] if index >= 0 else None

    def segment(self, epoch: int) -> Segment:
        """The segment that holds an instant (decisions 1 to 3)."""
        last = self.last
        if last.start <= epoch < last.end:
            return last
        number = epoch // CHUNK
        chunk = self.chunks.get(number)
        if chunk is None:
            if len(self.chunks) >= MAX_CHUNKS:
                self.chunks.clear()
            segments = self._build(number * CHUNK, (number + 1) * CHUNK)
            chunk = [segment.start for segment in segments], segments
            self.chunks[number] = chunk
        self.last = last = chunk[1][bisect_right(chunk[0], epoch) - 1]
        return last

    def _build(self, low: int, high: int) -> list[Segment]:
        result: list[Segment] = []
        for start, end, offset in pieces(self.tz, low, high):
            cuts = [s for s in self.starts if start < s < end]
            for a, b in zip([start, *cuts], [*cuts, end], strict=True):
                self._fill(result, a, b, offset, self.version_at(a))
        return result

    def _fill(self, result, at: int, end: int, offset: int, version) -> None:
        while at < end:
            number, second = divmod(at + offset, DAY)
            day = date.fromordinal(EPOCH_DAY + number)
            to, cell = DAY, self.nothing
            if version is not None:
                _low, to, cell = next(
                    window
                    for window in self._day_map(version, day)
                    if window[1] > second
                )
            stop = min(end, at + to - second)
            name = f"{day.year:04d}-{day.month:02d}"
            result.append(Segment(at, stop, offset, day, name, name[:4], cell))
            at = stop

    def _day_map(self, version: Version, day: date):
        key = version.season(day), version.day_type(day)
        found = version.day_maps.get(key)
        if found is None:
            found = version.day_maps[key] = [
                (low, high, version.cells[key[0], band])
                for low, high, band in version.windows(*key)
            ]
        return found
