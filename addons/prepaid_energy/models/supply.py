"""Pure decisions about supply: no database, no clock, exact numbers.

Kept apart from the models so that the rules an electrician must trust can be read, and
tested, in one place.
"""

NORMAL, LOW, CUT = "normal", "low", "cut"
CLOSED, OPEN, HOLD = "closed", "open", "hold"


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


def desired_state(*, life_safety, locked_out, tripped, switched_off, cut):
    """The state that software wants the relay of a service point to have.

    ``hold`` means: hands off, send nothing (invariant 6).

    :param bool life_safety: ventilation, dewatering: software never opens it.
    :param bool locked_out: a person has locked it out: software never closes it.
    :param bool tripped: it tripped on overload and nobody has confirmed on site yet.
    :param bool switched_off: an operator switched it off from the office.
    :param bool cut: its wallet is cut off and the policy is armed.
    :return: ``closed``, ``open`` or ``hold``.
    """
    if life_safety:
        return HOLD if locked_out or tripped else CLOSED
    if locked_out or switched_off or cut:
        return OPEN
    return HOLD if tripped else CLOSED
