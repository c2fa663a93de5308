"""How much power a load takes, over the year or by a list of times."""

import csv
import gzip
import math
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time
from pathlib import Path

DAY_S = 86400
YEAR_S = 365 * DAY_S
PERCENTILE = 0.95


class CurveError(ValueError):
    """The load file cannot be read as a load curve."""


class LoadCurve:
    """Fractions of the nominal power, one every ``step`` seconds of the year.

    The first is midnight of 1 January in the plant's local time; after the last the
    curve begins anew.
    """

    def __init__(self, fractions: Sequence[float], step: float, floor: float = 0.0):
        if not fractions:
            raise CurveError("the load curve is empty")
        self._fractions, self._step, self._floor = fractions, step, floor

    def at(self, seconds: float) -> float:
        """Fraction of the nominal power ``seconds`` after the year's beginning."""
        index = int(seconds // self._step) % len(self._fractions)
        return max(self._fractions[index], self._floor)

    def kilowatts(self, nominal_kw: float, clock: float, shift_days: int) -> float:
        """Power when the plant's local clock shows ``clock`` (epoch seconds)."""
        year_day = datetime.fromtimestamp(clock, UTC).timetuple().tm_yday
        second = (year_day - 1 + shift_days) * DAY_S + clock % DAY_S
        return nominal_kw * self.at(second)


class RowCurve:
    """A value holds from its time until the next; after ``period`` seconds all begins
    anew. ``times`` are in seconds since ``origin`` (epoch seconds, local)."""

    def __init__(self, times, values, origin: float, period: float, share: bool):
        self._times, self._values = times, values
        self._origin, self._period, self._share = origin, period, share

    def kilowatts(self, nominal_kw: float, clock: float, shift_days: int) -> float:
        """As :meth:`LoadCurve.kilowatts`; the days are those of the file."""
        place = bisect_right(self._times, (clock - self._origin) % self._period) - 1
        return self._values[place] * (nominal_kw if self._share else 1)


def generated(floor: float = 0.0) -> LoadCurve:
    """A two-shift industrial year by the quarter of an hour: weekdays 06-22 full,
    Saturdays half, nights and Sundays the base load."""
    quarters = []
    for quarter in range(YEAR_S // 900):
        day, hour = divmod(quarter / 4, 24)
        shift = 1 / (1 + math.exp(-(hour - 6) * 2)) / (1 + math.exp((hour - 22) * 2))
        busy = (1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.1)[int(day) % 7]
        ripple = 0.06 * math.sin(quarter * 1.7) + 0.04 * math.sin(quarter * 0.37)
        quarters.append(max(0.12 + busy * shift * (0.8 + ripple), 0.05))
    return LoadCurve(quarters, 900, floor)


def from_file(path: Path, load_format: str, floor: float = 0.0) -> LoadCurve | RowCurve:
    """Read a load file of either format; raises :class:`CurveError`."""
    return from_rows(path) if load_format == "rows" else from_csv(path, floor)


def _rows(path: Path) -> Iterator[list[str]]:
    opener = gzip.open if path.suffix == ".gz" else open
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            yield from csv.reader(file)
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CurveError(f"{path}: {error}") from error


def from_csv(path: Path, floor: float = 0.0) -> LoadCurve:
    """Read a year of energy per interval (last column), optionally gzipped.

    Nominal power is the 95th percentile of the file, so that a few peaks go above
    it. The rows are taken as they come, the first as local midnight of 1 January.
    Raises :class:`CurveError` that names file and line.
    """
    amounts = []
    rows = _rows(path)
    next(rows, None)
    for row in rows:
        try:
            amounts.append(float(row[-1]))
        except (ValueError, IndexError) as error:
            line = len(amounts) + 2
            text = f"{path}, line {line}: not an amount of energy"
            raise CurveError(text) from error
    if not amounts or max(amounts) <= 0:
        raise CurveError(f"{path}: there is no load in it")
    nominal = sorted(amounts)[int(len(amounts) * PERCENTILE)] or max(amounts)
    step = YEAR_S / len(amounts) if len(amounts) > 366 else 900
    return LoadCurve([amount / nominal for amount in amounts], round(step), floor)


def from_rows(path: Path) -> RowCurve:
    """Read ``time,kw`` or ``time,share`` (of the nominal power), optionally gzipped.

    Times are ``HH:MM`` or ``HH:MM:SS``, every day, or local dates with time, one after
    the other; the last value holds as long as the one before it, then all begins anew.
    Raises :class:`CurveError` that names file and line.
    """
    rows = _rows(path)
    header = [cell.strip().lower() for cell in next(rows, [])]
    if header not in (["time", "kw"], ["time", "share"]):
        raise CurveError(f"{path}, line 1: the header is time,kw or time,share")
    times, values, daily = [], [], set()
    for number, row in enumerate(rows, 2):
        try:
            moment, value = row
            seconds, of_a_day = _moment(moment.strip())
            values.append(float(value))
        except ValueError as error:
            text = f"{path}, line {number}: not a time and a number"
            raise CurveError(text) from error
        daily.add(of_a_day)
        if len(daily) > 1 or values[-1] < 0 or (times and seconds <= times[-1]):
            text = (
                f"{path}, line {number}: times ascend in one form, no value is below 0"
            )
            raise CurveError(text)
        times.append(seconds)
    if not times:
        raise CurveError(f"{path}: there is no load in it")
    share = header[1] == "share"
    if daily == {True}:
        return RowCurve(times, values, 0, DAY_S, share)
    last = times[-1] - times[-2] if len(times) > 1 else DAY_S
    origin, period = times[0], times[-1] + last - times[0]
    return RowCurve([t - origin for t in times], values, origin, period, share)


def _moment(text: str) -> tuple[float, bool]:
    """Seconds, and whether they are those of a day."""
    if "-" not in text:
        found = time.fromisoformat(text)
        return found.hour * 3600 + found.minute * 60 + found.second, True
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp(), False
