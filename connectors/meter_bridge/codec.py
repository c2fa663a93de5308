"""Meter registers to exact decimals and back.

Integers never pass through binary floating point. A float32 register is converted
exactly and then rounded to the resolution that its profile states.
"""

import math
import struct
from collections.abc import Sequence
from decimal import ROUND_FLOOR, ROUND_HALF_EVEN, Context, Decimal

# type name -> (number of 16-bit registers, struct format of the big-endian bytes)
TYPES = {
    "uint16": (1, ">H"),
    "int16": (1, ">h"),
    "uint32": (2, ">I"),
    "int32": (2, ">i"),
    "uint64": (4, ">Q"),
    "int64": (4, ">q"),
    "float32": (2, ">f"),
}
_PACK = {count: struct.Struct(f">{count}H").pack for count in (1, 2, 4)}
_EXACT = Context(prec=120)


class DecodeError(ValueError):
    """The words are not a value of the stated type, or mean "no value"."""


def words_of(type_name: str) -> int:
    """Number of 16-bit registers that a value of ``type_name`` takes."""
    return TYPES[type_name][0]


def _ordered(words: Sequence[int], word_order: str) -> list[int]:
    return list(words) if word_order == "big" else list(reversed(words))


def decode(
    words: Sequence[int],
    type_name: str,
    word_order: str = "big",
    invalid: Sequence[int] = (),
) -> Decimal:
    """Return the unscaled value of ``words`` as an exact decimal.

    ``invalid`` lists raw integer values that the meter uses for "no value".
    Raises :class:`DecodeError` for a wrong number of words, a word outside 16 bits,
    a sentinel, and for a float that is not finite.
    """
    count, layout = TYPES[type_name]
    if len(words) != count:
        raise DecodeError(f"{type_name} takes {count} registers, got {len(words)}")
    try:
        packed = _PACK[count](*(words if word_order == "big" else reversed(words)))
    except struct.error as error:
        raise DecodeError(f"not 16-bit registers: {list(words)}") from error
    if invalid and int.from_bytes(packed, "big") in invalid:
        raise DecodeError("the meter says: no value")
    (value,) = struct.unpack(layout, packed)
    if isinstance(value, float) and not math.isfinite(value):
        raise DecodeError(f"not a number: {value}")
    return Decimal(value)


def scaled(
    value: Decimal, scale: Decimal, resolution: Decimal | None = None
) -> Decimal:
    """Return ``value`` × ``scale``, rounded half-even to ``resolution`` when given."""
    result = _EXACT.multiply(value, scale)
    return result if resolution is None else _rounded(result, resolution)


def divided(value: Decimal, divisor: Decimal, resolution: Decimal) -> Decimal:
    """Return ``value`` / ``divisor``, rounded half-even to ``resolution``."""
    return _rounded(_EXACT.divide(value, divisor), resolution)


def _rounded(result: Decimal, resolution: Decimal) -> Decimal:
    steps = _EXACT.divide(result, resolution).quantize(
        Decimal(1), rounding=ROUND_HALF_EVEN, context=_EXACT
    )
    return _EXACT.multiply(steps, resolution)


def plain(value: Decimal) -> str:
    """Write ``value`` as a plain decimal string, never with an exponent."""
    return format(value, "f")


def encode(value: Decimal, type_name: str, word_order: str = "big") -> list[int]:
    """Return the registers of an unscaled ``value`` (for the simulated meters).

    Integer types are rounded down, as a meter counts; what does not fit is clamped
    to the type's range. The caller applies scale and rollover first.
    """
    count, layout = TYPES[type_name]
    if type_name == "float32":
        packed = struct.pack(layout, float(value))
    else:
        bits = 16 * count
        signed = type_name.startswith("int")
        low = -(1 << bits - 1) if signed else 0
        high = (1 << bits - 1) - 1 if signed else (1 << bits) - 1
        whole = int(value.to_integral_value(ROUND_FLOOR))
        packed = struct.pack(layout, min(max(whole, low), high))
    return _ordered(struct.unpack(f">{count}H", packed), word_order)
