"""Local wall clock and UTC epoch seconds, both ways, through every DST change."""

from datetime import date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from .errors import TariffError
from .parse import shown

DAY = 86400
START = datetime(1970, 1, 1, tzinfo=ZoneInfo("UTC"))
EPOCH_DAY = date(1970, 1, 1).toordinal()
FIRST_EPOCH = -2208988800  # 1900-01-01T00:00Z
LAST_EPOCH = 7258118400  # 2200-01-01T00:00Z


def zone(name, path: str = "time_zone") -> ZoneInfo:
    """The time zone of an IANA name; TariffError if there is none."""
    if not isinstance(name, str) or not name.strip():
        raise TariffError(path, f"must be a time zone name, not {shown(name)}")
    try:
        return ZoneInfo(name)
    except (LookupError, ValueError, OSError):
        raise TariffError(path, f"unknown time zone {shown(name)}") from None


def offset(tz: ZoneInfo, epoch: int) -> int:
    """Seconds that the local clock is ahead of UTC at an instant."""
    moment = (START + timedelta(seconds=epoch)).astimezone(tz)
    return int(moment.utcoffset().total_seconds())


def _change(tz: ZoneInfo, low: int, high: int) -> int:
    """The first instant in (low, high] whose offset differs from that at low."""
    before = offset(tz, low)
    while high - low > 1:
        middle = (low + high) // 2
        if offset(tz, middle) == before:
            low = middle
        else:
            high = middle
    return high


def pieces(tz: ZoneInfo, low: int, high: int) -> list[tuple[int, int, int]]:
    """Cut [low, high) into (from, to, offset) where the offset is constant."""
    result, start, current = [], low, offset(tz, low)
    probe = low
    while probe < high:
        following = min(probe + DAY // 4, high)
        if offset(tz, following) != current:
            edge = _change(tz, probe, following)
            result.append((start, edge, current))
            start, current, following = edge, offset(tz, edge), edge
        probe = following
    if start < high:
        result.append((start, high, current))
    return result


def instant(tz: ZoneInfo, local: datetime) -> int:
    """The first instant at which the local clock shows `local` or later.

    A wall clock time that happens twice is its first pass; one that is skipped
    is the instant of the jump.
    """
    flat = int((local - datetime(1970, 1, 1)).total_seconds())
    for start, end, ahead in pieces(tz, flat - 2 * DAY, flat + 2 * DAY):
        if flat - ahead < end:
            return max(start, flat - ahead)
    raise AssertionError("a local time is within two days of its UTC reading")


@lru_cache(maxsize=4096)
def midnight(tz: ZoneInfo, day: date) -> int:
    """The first instant of a local date."""
    return instant(tz, datetime(day.year, day.month, day.day))


def local_time(tz: ZoneInfo, epoch: int) -> datetime:
    """The naive local wall clock at an instant."""
    return datetime(1970, 1, 1) + timedelta(seconds=epoch + offset(tz, epoch))
