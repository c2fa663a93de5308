"""What JSON says, as exact decimals and whole seconds: the part all formats share."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from meter_bridge import codec
from meter_bridge.codec import DecodeError

DIGITS_BEFORE, DIGITS_BEHIND = 15, 9  # of a register, by the protocol
_FINEST = Decimal(1).scaleb(-DIGITS_BEHIND)
_NO_CLOCK = datetime(2020, 1, 1, tzinfo=UTC).timestamp()
_ABSURD = datetime(2100, 1, 1, tzinfo=UTC).timestamp()


def _refuse(word: str):
    raise DecodeError(f"not a number: {word}")


_JSON = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse)


def parse_json(payload: bytes) -> Any:
    """The document in ``payload``; its fractions are :class:`Decimal`, never float.

    Raises :class:`DecodeError` for anything that is not JSON, NaN and Infinity too.
    """
    try:
        text = payload.decode(json.detect_encoding(payload), "surrogatepass")
        return _JSON.decode(text)
    except RecursionError as error:
        raise DecodeError("not JSON: nested too deeply") from error
    except (ValueError, ArithmeticError) as error:  # UnicodeDecodeError is a ValueError
        raise DecodeError(f"not JSON: {error}") from error


def mapping(value: Any, name: str = "the message") -> dict[str, Any]:
    """``value`` if it is an object; raises :class:`DecodeError`."""
    if not isinstance(value, dict):
        raise DecodeError(f"{name} is not an object")
    return value


def number(value: Any) -> Decimal:
    """The number ``value``, or the one that the text ``value`` writes.

    Raises :class:`DecodeError` for anything else, and for what is too large or too
    fine to be a measurement.
    """
    found = value if type(value) is Decimal else _converted(value)
    if not found.is_finite():
        raise DecodeError(f"not a number: {found}")
    if found and (found.adjusted() > 30 or found.as_tuple().exponent < -60):
        raise DecodeError(f"no measurement: a number of magnitude {found.adjusted()}")
    return found


def _converted(value: Any) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise DecodeError(f"not a number: {str(value)[:60]!r}")
    try:
        return Decimal(value.strip() if isinstance(value, str) else value)
    except ArithmeticError as error:
        raise DecodeError(f"not a number: {str(value)[:60]!r}") from error


def register(value: Any, scale: Decimal = Decimal(1)) -> str:
    """``value`` × ``scale`` as a register of the protocol: a plain decimal text.

    What is finer than the protocol allows is rounded. Raises :class:`DecodeError` for
    what is no number, negative, or has too many digits.
    """
    amount = codec.scaled(number(value), scale)
    if amount < 0:
        raise DecodeError(f"a register below zero: {amount}")
    if amount.as_tuple().exponent < -DIGITS_BEHIND:
        amount = codec.scaled(amount, Decimal(1), _FINEST)
    if amount and amount.adjusted() >= DIGITS_BEFORE:
        raise DecodeError(f"a register of more than {DIGITS_BEFORE} digits")
    return codec.plain(amount if amount else abs(amount))


def quantity(value: Any, scale: Decimal = Decimal(1)) -> float:
    """``value`` × ``scale`` for display; raises :class:`DecodeError`."""
    return float(codec.scaled(number(value), scale))


def seconds(value: Any, per_second: int = 1) -> int | None:
    """Whole epoch seconds of a count of seconds, or of ``per_second`` parts of one.

    None when the device's clock was never set (before 2020). Raises
    :class:`DecodeError` for what is no number, or lies after 2100.
    """
    return _plausible(number(value) / per_second)


def _plausible(moment: Decimal | float) -> int | None:
    if moment >= _ABSURD:
        raise DecodeError("an absurd time, after the year 2100")
    return int(moment) if moment >= _NO_CLOCK else None


def local_time(
    text: Any, zone: ZoneInfo | None, received: float, pattern: str = ""
) -> int | None:
    """Whole epoch seconds of a written time; ``received`` in epoch seconds.

    ``pattern`` is one of ``strptime``, without it the text is ISO 8601. A text without
    a zone is local time of ``zone``; without ``zone`` the answer is None, as it is for
    a clock that was never set: then the time of receipt counts. Of the two readings of
    an hour that occurs twice, the one nearer to ``received`` is taken. Raises
    :class:`DecodeError` for a text that is no time.
    """
    try:
        if pattern:
            moment = datetime.strptime(str(text), pattern)
        else:
            moment = datetime.fromisoformat(str(text))
        if moment.tzinfo is None:
            if zone is None:
                return None
            both = [moment.replace(tzinfo=zone, fold=fold) for fold in (0, 1)]
            moment = min(both, key=lambda item: abs(item.timestamp() - received))
        return _plausible(moment.timestamp())
    except (ValueError, OverflowError) as error:
        raise DecodeError(f"not a time: {str(text)[:60]!r}") from error


def on_off(value: Any, *, on: Any = "ON", off: Any = "OFF") -> str | None:
    """Relay state of a switch that says ``on`` (closed) or ``off`` (open)."""
    if isinstance(value, str):
        value = value.upper()
    if value == on:
        return "closed"
    return "open" if value == off else None
