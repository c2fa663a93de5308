"""Pure decisions about supply: no database, no clock, exact numbers.

Kept apart from the models so that the rules an electrician must trust can be read, and
tested, in one place.
"""

from datetime import timedelta
from decimal import Decimal

NORMAL, LOW, CUT = "normal", "low", "cut"
CLOSED, OPEN, HOLD = "closed", "open", "hold"
CLOCKS = timedelta(minutes=1)  # by so much the clocks of meters and server may differ
LIMIT_DIGITS = 3  # watts
MOST_KW = Decimal(10) ** 9


def wallet_level(balance, level, *, warning, cutoff, restore):
    """The level of a wallet at ``balance``.

    :param Decimal balance: current balance, in the wallet's currency.
    :param str level: the level until now (hysteresis: a wallet that was cut stays cut
        until it reaches ``restore``).
    :param Decimal warning: at or below it the wallet is ``low``.
    :param Decimal cutoff: at or below it the wallet is ``cut``.
    :param Decimal restore: at or above it a cut wallet is no longer cut.
    :return: ``normal``, ``low`` or ``cut``.
    """
    if balance <= cutoff or (level == CUT and balance < restore):
        return CUT
    return LOW if balance <= warning else NORMAL


def warnings_given(value, levels, given, margin):
    """Which warning levels count as given at ``value``, as their lowest.

    Somebody is warned once at each level, and anew only after the value was better
    than it by more than ``margin``. A new warning is due where the result is a level
    lower than ``given``, or where nothing was given.

    :param Decimal value: the balance, or the days left.
    :param levels: the levels, of the same kind.
    :param given: the result for the value before; ``None``: no warning.
    :param Decimal margin: above zero.
    :return: a level, or ``None``.
    """
    reached = [level for level in levels if value <= level]
    kept = [
        level
        for level in levels
        if given is not None and given <= level and value <= level + margin
    ]
    return min([*reached, *kept], default=None)


def desired_state(
    *, life_safety, essential, locked_out, tripped, switched_off, shed, cut
):
    """The state that software wants the relay of a service point to have.

    ``hold`` means: hands off, send nothing (invariant 6).

    :param bool life_safety: ventilation, dewatering: software never opens it.
    :param bool essential: hospital, server room: only a lock-out opens it.
    :param bool locked_out: a person has locked it out: software never closes it.
    :param bool tripped: it tripped on overload and nobody has confirmed on site yet.
    :param bool switched_off: an operator switched it off from the office.
    :param bool shed: the quotas of all production lines that it feeds cut it.
    :param bool cut: its wallet is cut off and the policy is armed.
    :return: ``closed``, ``open`` or ``hold``.
    """
    if life_safety:
        return HOLD if locked_out or tripped else CLOSED
    if locked_out or (not essential and (switched_off or shed or cut)):
        return OPEN
    return HOLD if tripped else CLOSED


def supply_state(*, locked_out, tripped, has_relay, relay, desired):
    """The state of supply in one word, from what is wanted and what the meter says.

    :param str relay: closed, open or unknown, as it was read back.
    :param str desired: see :func:`desired_state`.
    :return: ``locked``, ``tripped``, ``none`` (no relay), ``unknown``, ``moving``,
        ``on`` or ``off``.
    """
    if locked_out:
        return "locked"
    if tripped:
        return "tripped"
    if not has_relay:
        return "none"
    if relay not in (CLOSED, OPEN):
        return "unknown"
    if relay != desired:
        return "moving"
    return "on" if relay == CLOSED else "off"


def wanted_limit(*, kept_on, own, low, low_limit):
    """The load limit that software wants the meter of a service point to have.

    :param bool kept_on: a life-safety or essential load, or a feeder of one: no limit.
    :param Decimal own: the point's own limit in kW; zero: none.
    :param bool low: its wallet is low or cut and the policy is armed.
    :param Decimal low_limit: the policy's limit for such wallets, in kW; zero: none.
    :return: kW as Decimal; zero: no limit.
    """
    if kept_on:
        return own * 0
    limits = [limit for limit in (own, low_limit if low else 0) if limit]
    return min(limits, default=own)


def may_rearm(*, life_safety, locked_out, rearms, allowed):
    """Whether a point that tripped on overload may close again by itself.

    :param bool life_safety: it, or what it feeds: hands off, a person decides.
    :param int rearms: how often it did since somebody last confirmed on site.
    :param int allowed: how often its policy allows; zero: never.
    """
    return not life_safety and not locked_out and rearms < allowed


def is_new_trip(at, cleared_at):
    """Whether a trip at ``at`` came after the last one was cleared.

    When in doubt it did: somebody confirms once too often, rather than software
    closing on a fault.

    :param datetime cleared_at: by a person or a re-arm; ``None``: never.
    """
    return cleared_at is None or at > cleared_at - CLOCKS


def parse_limit(value):
    """A load limit as a bridge tells it, in kW as Decimal; ``None`` where it is none.

    :param value: a JSON number or decimal string, untrusted.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        limit = Decimal(str(value))
    except ArithmeticError:
        return None
    if not limit.is_finite() or not 0 <= limit < MOST_KW:
        return None
    return limit.quantize(Decimal(1).scaleb(-LIMIT_DIGITS))
