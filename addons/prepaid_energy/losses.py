"""What is lost between a feeder and its sub-meters: what must be, and what need not.

Pure Python, no database and no Odoo.

How to use: ``Technical(fixed, percent, load).expected(energy)`` is the technical loss
of an hour; :func:`fitted` finds such a model in hours that somebody trusts;
:func:`alarming` decides about an alarm; :func:`idle` is the load that stays.

How it works: transformers and cables lose a fixed power (iron, instruments), a part in
proportion to the load (leakage, meter errors) and a part that grows with its square
(copper). The load within an hour is taken as even, so the last part is a lower bound.
"""

from dataclasses import dataclass
from decimal import Decimal

try:
    from .enpi import regress
except ImportError:  # without Odoo, this folder is on the path
    from enpi import regress

RESTORE = Decimal("0.8")  # of the limit: below that an alarm ends
MINIMUM_HOURS = 24  # to fit a model to
REFERENCE = Decimal(100)  # kW at which the part that grows with the square is stated
DIGITS = Decimal("0.000001")


@dataclass(frozen=True)
class Technical:
    """The technical loss of a feeder.

    :param Decimal fixed: kW, also without load.
    :param Decimal percent: of what the feeder delivers.
    :param Decimal load: kW at a load of 100 kW; it grows with the square of the load.
    """

    fixed: Decimal = Decimal(0)
    percent: Decimal = Decimal(0)
    load: Decimal = Decimal(0)

    def expected(self, energy):
        """The kWh that are lost in an hour in which the feeder delivers ``energy``."""
        part = energy / REFERENCE
        return self.fixed + self.percent * part + self.load * part * part


def fitted(hours):
    """The technical loss that explains hours best, by ordinary least squares.

    A part that would be negative is left out, the weakest first. Whatever was lost in
    all of these hours counts as technical: a theft that never stops becomes fixed loss.

    :param hours: (energy of the feeder, loss) in kWh, Decimals.
    :return: (:class:`Technical`, R² or None).
    :raise ValueError: there are too few hours.
    """
    hours = list(hours)
    if len(hours) < MINIMUM_HOURS:
        raise ValueError(f"at least {MINIMUM_HOURS} hours are needed")
    losses = [loss for _energy, loss in hours]
    parts = ["fixed", "load", "percent"]
    while True:
        rows = [
            tuple(_driver(part, energy) for part in parts) for energy, _loss in hours
        ]
        fit = regress(losses, rows)
        found = dict(zip(parts, fit.coefficients, strict=True))
        worst = min(parts, key=lambda part: found[part] or Decimal(0))
        if (found[worst] or 0) >= 0 or len(parts) == 1:
            break
        parts.remove(worst)
    values = {
        part: max(Decimal(0), (value or Decimal(0))).quantize(DIGITS)
        for part, value in found.items()
    }
    return Technical(**values), fit.r2


def _driver(part, energy):
    share = energy / REFERENCE
    return {"fixed": Decimal(1), "percent": share, "load": share * share}[part]


def alarming(unexplained, measured, limit, active):
    """Whether an alarm is due, with hysteresis.

    :param Decimal unexplained: kWh.
    :param Decimal measured: kWh.
    :param Decimal limit: per cent; 0: never.
    :param bool active: whether there is one.
    """
    if not limit:
        return False
    if measured <= 0:
        return active
    share = 100 * unexplained / measured
    return share >= limit * RESTORE if active else share > limit


def idle(energies, share=Decimal("0.1")):
    """The load that stays: of all hours, the one that ``share`` of them do not reach.

    A lowest hour may be a fault of measuring; a tenth of the hours is not.

    :param energies: kWh of hours at night and at weekends.
    :return: kW, or None without hours.
    """
    ordered = sorted(energies)
    if not ordered:
        return None
    place = -int(-len(ordered) * share // 1) - 1  # as percentile_disc of PostgreSQL
    return ordered[max(0, place)]


def imbalance(phases):
    """How far the phase that is farthest off is from the mean, in per cent of it.

    :param phases: currents or powers, Decimals.
    :return: None where nothing flows.
    """
    mean = sum(phases) / len(phases)
    if mean <= 0:
        return None
    return 100 * max(abs(value - mean) for value in phases) / mean
