"""Exact arithmetic: scaled integers inside, plain decimals outside.

Energy is held as an integer number of 10^-18 kWh, so every value with up to
18 decimals is exact.  Interpolated registers are multiples of 10^-12 kWh.
No binary floating-point number ever enters a sum.
"""

from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal, Inexact, InvalidOperation

KWH_DIGITS = 18
KWH_SCALE = 10**KWH_DIGITS
QUANTUM_DIGITS = 12
QUANTUM = 10 ** (KWH_DIGITS - QUANTUM_DIGITS)
MAX_DECIMALS = 18
MAX_VALUE = Decimal(10) ** 15

EXACT = Context(
    prec=400, Emax=MAX_EMAX, Emin=MIN_EMIN, traps=[Inexact, InvalidOperation]
)


def check_value(value: Decimal) -> None:
    """Raise ValueError unless `value` is finite, < 10^15 and has ≤ 18 decimals."""
    if not value.is_finite():
        raise ValueError("is not a finite number")
    if value and value.adjusted() >= 15:
        raise ValueError("is not below 10^15 in size")
    scaled(value, MAX_DECIMALS)


def scaled(value: Decimal, digits: int = KWH_DIGITS) -> int:
    """`value` × 10^digits as an integer.

    Raises ValueError if that is not whole, or the value is not finite or not
    below 10^15 in size.
    """
    if value and not -60 < value.adjusted() < 15:
        raise ValueError("is not between 10^-18 and 10^15 in size")
    try:
        numerator, denominator = value.as_integer_ratio()
    except (ValueError, OverflowError):
        raise ValueError("is not a finite number") from None
    result, rest = divmod(numerator * 10**digits, denominator)
    if rest:
        raise ValueError(f"has more than {digits} decimals")
    return result


_UNITS = [Decimal(1).scaleb(-digits) for digits in range(64)]


def unscaled(number: int, digits: int = KWH_DIGITS) -> Decimal:
    """The exact Decimal of number × 10^-digits."""
    return EXACT.multiply(Decimal(number), _UNITS[digits])


def plain(value: Decimal) -> str:
    """A decimal string without exponent or trailing zeros ("0" for zero)."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def plain_int(number: int) -> str:
    """The plain decimal string of a number of 10^-18 kWh (zero or more)."""
    whole, rest = divmod(number, KWH_SCALE)
    return f"{whole}.{rest:018d}".rstrip("0") if rest else str(whole)


def parse_int(text: str) -> int:
    """The number of 10^-18 kWh that `plain_int` wrote."""
    whole, _point, rest = text.partition(".")
    return int(whole) * KWH_SCALE + (int(rest.ljust(KWH_DIGITS, "0")) if rest else 0)
