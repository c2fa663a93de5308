"""Small readers of JSON values; each error names the path of the value."""

import re
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from difflib import get_close_matches

from .errors import TariffError
from .exact import check_value

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_CLOCK = re.compile(r"(\d\d):(\d\d)", re.ASCII)
_MONTH_DAY = re.compile(r"(\d\d)-(\d\d)", re.ASCII)
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_LOCAL = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d)?)?", re.ASCII)
FIRST_YEAR, LAST_YEAR = 1900, 2199


def shown(value) -> str:
    """A short printable form of any value, for messages on one line."""
    try:
        text = ascii(value)
    except Exception:  # an object whose repr fails must not hide the error
        text = f"<{type(value).__name__}>"
    return text if len(text) <= 60 else text[:57] + "..."


def mapping(value, path: str, known: tuple[str, ...] = ()) -> dict:
    """`value` as a dict with text keys; near-misses of `known` keys are errors."""
    if not isinstance(value, dict):
        raise TariffError(path, f"must be an object, not {shown(value)}")
    for key in value:
        if not isinstance(key, str):
            raise TariffError(path, f"key {shown(key)} must be text")
        if known and key not in known:
            near = get_close_matches(key, known, 1, 0.8)
            if near:
                raise TariffError(f"{path}.{key}", f"unknown key; is {near[0]} meant?")
    return value


def unique_keys(pairs: list[tuple]) -> dict:
    """A JSON object (`object_pairs_hook`); a key given twice is an error."""
    result = dict(pairs)
    if len(result) < len(pairs):
        keys = [key for key, _value in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise TariffError("", f"key {shown(twice)} is given twice")
    return result


def printable(value: str) -> str:
    """A text of somebody else on one line, without what cannot be stored."""
    return " ".join(_CONTROL.sub(" ", value).split())


def sequence(value, path: str) -> list:
    """`value` as a list (None is an empty one)."""
    if value is None:
        return []
    if not isinstance(value, list | tuple):
        raise TariffError(path, f"must be a list, not {shown(value)}")
    return list(value)


def required(source: dict, key: str, path: str):
    """source[key], or an error that names the missing key."""
    if key not in source:
        raise TariffError(f"{path}.{key}" if path else key, "is missing")
    return source[key]


def text(value, path: str) -> str:
    """A non-empty text that can be printed and stored."""
    if not isinstance(value, str) or not value.strip():
        raise TariffError(path, f"must be a non-empty text, not {shown(value)}")
    if _CONTROL.search(value):
        raise TariffError(path, f"{shown(value)} has a control character")
    return value


def number(value, path: str, *, low: Decimal | None = None) -> Decimal:
    """An exact decimal number from a decimal string (or a JSON number)."""
    if isinstance(value, bool) or not isinstance(value, str | int | float | Decimal):
        raise TariffError(path, f"must be a decimal string, not {shown(value)}")
    try:
        if isinstance(value, str):
            if len(value) > 60 or not _NUMBER.fullmatch(value.strip()):
                raise ValueError("is not a decimal number")
            result = Decimal(value.strip())
        elif isinstance(value, float):
            result = Decimal(repr(value))
        elif isinstance(value, int) and abs(value) >= 10**15:
            raise ValueError("is not below 10^15 in size")
        else:
            result = Decimal(value)
        check_value(result)
    except (ValueError, InvalidOperation) as error:
        reason = str(error) if isinstance(error, ValueError) else "is no number"
        raise TariffError(path, f"{shown(value)} {reason}") from None
    if low is not None and result < low:
        raise TariffError(path, f"{shown(value)} must not be below {low}")
    return result


def whole(value, path: str, low: int, high: int) -> int:
    """A whole number from low to high."""
    result = number(value, path)
    if result != int(result) or not low <= result <= high:
        raise TariffError(
            path, f"{shown(value)} must be a whole number from {low} to {high}"
        )
    return int(result)


def choice(value, path: str, allowed: tuple[str, ...]) -> str:
    """One of the allowed words."""
    if not isinstance(value, str) or value not in allowed:
        words = ", ".join(allowed)
        raise TariffError(path, f"{shown(value)} must be one of: {words}")
    return value


def names(value, path: str, allowed, what: str) -> frozenset[str] | None:
    """A list of known names, or None for "*" (all of them)."""
    if value is None or value == "*":
        return None
    items = [value] if isinstance(value, str) else sequence(value, path)
    if not items:
        raise TariffError(path, f'is empty; use "*" for every {what}')
    for index, item in enumerate(items):
        where = f"{path}[{index}]"
        if item == "*":
            return None
        if text(item, where) not in allowed:
            raise TariffError(where, f"unknown {what} {shown(item)}")
    return frozenset(items)


def clock(value, path: str) -> int:
    """ "HH:MM" (to 24:00) as seconds of the day."""
    found = _CLOCK.fullmatch(value) if isinstance(value, str) else None
    seconds = int(found[1]) * 3600 + int(found[2]) * 60 if found else -1
    if not found or int(found[2]) > 59 or seconds > 86400:
        raise TariffError(path, f"{shown(value)} must be HH:MM up to 24:00")
    return seconds


def month_day(value, path: str) -> tuple[int, int]:
    """ "MM-DD" as (month, day); 02-29 is allowed."""
    found = _MONTH_DAY.fullmatch(value) if isinstance(value, str) else None
    try:
        if not found:
            raise ValueError
        date(2000, int(found[1]), int(found[2]))
    except ValueError:
        raise TariffError(path, f"{shown(value)} must be MM-DD") from None
    return int(found[1]), int(found[2])


def day(value, path: str) -> date:
    """ "YYYY-MM-DD" as a date."""
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    try:
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise ValueError
        return date.fromisoformat(value)
    except ValueError:
        raise TariffError(path, f"{shown(value)} must be YYYY-MM-DD") from None


def local(value, path: str) -> datetime:
    """ "YYYY-MM-DDTHH:MM" as a naive local datetime, 1900 to 2199."""
    try:
        if not isinstance(value, str) or not _LOCAL.fullmatch(value):
            raise ValueError
        result = datetime.fromisoformat(value)
    except ValueError:
        raise TariffError(
            path, f"{shown(value)} must be a local time YYYY-MM-DDTHH:MM"
        ) from None
    if not FIRST_YEAR <= result.year <= LAST_YEAR:
        raise TariffError(path, f"{shown(value)} is outside 1900 to 2199")
    return result
