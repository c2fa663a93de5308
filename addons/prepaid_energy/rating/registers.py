"""Meter registers: rollover, exchange and gaps (decision 11)."""

from decimal import Decimal

from .errors import Held
from .exact import EXACT


def consumption(
    before: Decimal,
    after: Decimal,
    modulus: Decimal | None,
    max_kwh: Decimal | None = None,
) -> Decimal:
    """The kWh between two register values of one meter.

    A register below the one before has rolled over at `modulus` if the result
    is plausible: at most `max_kwh`, or half the modulus where no limit is
    given.  Raises Held(reason) when a person must decide.
    """
    for value in (before, after):
        if not value.is_finite() or value < 0:
            raise Held(f"register {value} is not a number from zero up")
        if modulus is not None and value >= modulus:
            raise Held(f"register {value} is not below the modulus {modulus}")
    used = EXACT.subtract(after, before)
    limit = max_kwh
    if used < 0:
        if modulus is None:
            raise Held(f"register falls from {before} to {after}, modulus unknown")
        used = EXACT.add(used, modulus)
        limit = EXACT.divide(modulus, Decimal(2)) if max_kwh is None else max_kwh
    if limit is not None and used > limit:
        raise Held(f"consumption {used} from {before} to {after} is not plausible")
    return used
