"""From what a meter counts to what is priced: the factor of a tariff version.

A gas meter counts m³ and its customers pay kWh; the factor between them (calorific
value × state number) changes from version to version.  Where there is no factor, the
meter counts what is priced.
"""

from . import parse
from .errors import TariffError
from .exact import scaled

FACTOR_DIGITS = 6
FACTOR_SCALE = 10**FACTOR_DIGITS
KEYS = ("commodity", "register_unit", "unit", "factor")


def read_quantity(value, path: str) -> int:
    """The factor of the `quantity` object of a version in 10^-6; 0 where it is 1.

    `{commodity, register_unit, unit, factor}`: three names for people and the factor,
    units priced in one unit of the register, above zero, with up to six decimals.
    """
    if value is None:
        return 0
    source = parse.mapping(value, path, KEYS)
    for key in KEYS[:-1]:
        if source.get(key) is not None:
            parse.text(source[key], f"{path}.{key}")
    if source.get("factor") is None:
        return 0
    where = f"{path}.factor"
    number = parse.number(source["factor"], where)
    if number <= 0:
        raise TariffError(where, "must be above zero")
    try:
        factor = scaled(number, FACTOR_DIGITS)
    except ValueError as error:
        raise TariffError(where, str(error)) from None
    return 0 if factor == FACTOR_SCALE else factor


def converted(energy: int, factor: int) -> int:
    """A number of 10^-18 register units as 10^-18 priced units, exactly.

    Raises ValueError where that has more than 18 decimals: a register with more
    than 12.
    """
    if not factor:
        return energy
    result, rest = divmod(energy * factor, FACTOR_SCALE)
    if rest:
        raise ValueError("a register has more than 12 decimals")
    return result
