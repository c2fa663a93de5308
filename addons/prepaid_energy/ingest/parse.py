"""Values of the bridge protocol: times and registers, read strictly."""

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache

EPOCH = datetime(1970, 1, 1)
YEARS = range(1971, 2199)
DIGITS = 15  # before the decimal point
DECIMALS = 9  # behind it: a millionth of a watt-hour
PLAIN = re.compile(rf"[0-9]{{1,{DIGITS}}}(\.[0-9]{{1,{DECIMALS}}})?", re.ASCII)
MOMENTS = 4096  # the memo of times: a poll's meters share a few
# What profiles call the phases, the first kind that a meter reports in full.
PHASES = (("i1", "i2", "i3", "A"), ("p1", "p2", "p3", "W"))


def parse_time(value):
    """A moment of the protocol: RFC 3339 with zone, or integer epoch seconds.

    :return: naive UTC datetime of a whole second, or ``None`` if it is not readable.
    """
    return _moment(value) if type(value) in (str, int) else None


@lru_cache(maxsize=MOMENTS)
def _moment(value):
    try:
        if isinstance(value, int):
            moment = EPOCH + timedelta(seconds=value)
        else:
            moment = datetime.fromisoformat(value)
            if not moment.tzinfo:
                return None
            moment = moment.astimezone(UTC).replace(tzinfo=None, microsecond=0)
    except (ValueError, OverflowError):
        return None
    return moment if moment.year in YEARS else None


def parse_register(value):
    """A register of the protocol: a decimal string (or integer), not negative.

    :return: Decimal in the meter's unit, or ``None`` if it cannot be one.
    """
    if type(value) is str and PLAIN.fullmatch(value):
        return Decimal(value)  # nearly all; the way below takes three times as long
    if isinstance(value, bool) or not isinstance(value, str | int):
        return None
    text = str(value)
    try:
        number = Decimal(text) if len(text) <= 40 else Decimal("NaN")
    except InvalidOperation:
        return None
    if not number.is_finite() or number < 0 or number.adjusted() >= DIGITS:
        return None
    if number.as_tuple().exponent < -DECIMALS:
        return None
    return number


def parse_text(value):
    """What was received, as a text that can be stored and shown."""
    return str(value).replace("\0", "\ufffd")[:200]


def parse_power(value):
    """Power in kW out of telemetry, for display only; ``None`` if it is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = Decimal(str(value))
    except InvalidOperation:
        return None
    return number if number.is_finite() and abs(number) < 10**9 else None


def parse_phases(telemetry):
    """The three phases out of a meter's telemetry.

    :return: (three Decimals, their unit), or (None, "") where not all are reported.
    """
    for *names, unit in PHASES if isinstance(telemetry, dict) else ():
        values = [parse_power(telemetry.get(name)) for name in names]
        if None not in values:
            return [abs(value) for value in values], unit
    return None, ""


@lru_cache(maxsize=MOMENTS)
def epoch(moment):
    """Seconds since 1970 of a naive UTC datetime."""
    return round((moment - EPOCH).total_seconds())


def decimal_or_none(text):
    return None if text is None else Decimal(text)
