"""Arithmetic of quotas: no database, no clock, exact numbers.

Kept apart from the models, like ``supply.py``, so that the rules by which a production
line is warned and cut off can be read, and tested, in one place.
"""

from dataclasses import dataclass
from datetime import UTC, timedelta
from decimal import ROUND_DOWN, Decimal

MOST_PERCENT = 1000
HOUR = timedelta(hours=1)
MARGIN = Decimal(2)  # per cent points: a level counts as left when below it by so much
DIGITS = 6


def parse_levels(text):
    """Warning levels as people write them: ``80, 90, 100``.

    :return: sorted list of Decimal per cent.
    :raise ValueError: a part is no number, or not above 0 and up to 1000.
    """
    levels = set()
    for part in (text or "").replace(";", ",").split(","):
        try:
            level = Decimal(part.strip().rstrip("%").strip())
        except ArithmeticError:
            raise ValueError(part) from None
        if not level.is_finite() or not 0 < level <= MOST_PERCENT:
            raise ValueError(part)
        levels.add(level)
    return sorted(levels)


def rounded(amount):
    """An amount as a quota keeps it: six decimals."""
    return amount.quantize(Decimal(1).scaleb(-DIGITS))


def percent_of(used, total):
    """How much of ``total`` is used, in per cent.

    Of nothing, nothing is 0 %, and anything is more than any level.
    """
    if total > 0:
        return used * 100 / total
    return Decimal(0) if used <= 0 else Decimal("Infinity")


def carry(remaining, *, mode, most=None):
    """What goes into the next month of what is left, below zero of what is missing.

    :param Decimal remaining: at the end of the month.
    :param str mode: ``none``; ``unused``: what is left; ``both``: an overrun as well.
    :param Decimal most: at most so much is carried, either way; None: no limit.
    """
    if mode == "none" or (mode == "unused" and remaining < 0):
        return remaining * 0
    if most is None:
        return remaining
    return max(-most, min(most, remaining))


def levels_given(percent, levels, given, margin=MARGIN):
    """Which warning levels count as given at ``percent``, as their highest.

    The line is warned once at each level, and anew only after it was below it by more
    than ``margin`` (more was granted).

    :param Decimal percent: used of the quota.
    :param levels: Decimal per cent.
    :param given: the result before; ``None``: no warning.
    :return: a level, or ``None``. A warning is due where it is above ``given``.
    """
    reached = [level for level in levels if percent >= level]
    kept = [
        level
        for level in levels
        if given is not None and level <= given and percent >= level - margin
    ]
    return max([*reached, *kept], default=None)


def is_over(forecast, total, before, margin=MARGIN):
    """Whether the forecast exceeds the quota, with hysteresis.

    :param bool before: the result before; then it must be below by ``margin`` per cent
        of the quota to count as no longer over.
    """
    if forecast > total:
        return True
    return before and forecast > total - max(total, 0) * margin / 100


# ---------------------------------------------------------------------- shedding


@dataclass(frozen=True)
class Load:
    """A service point of a line, as the quota sees it.

    :param key: whatever the caller knows it by.
    :param int sequence: the least important has the lowest.
    :param Decimal threshold: per cent of the quota at which it may be cut.
    :param bool may_shed: somebody allowed it.
    :param bool kept_on: life-safety, never cut, or it feeds such a load.
    :param bool shed: it is cut by the quota.
    :param bool waits: not in cut-off hours: it is not cut now, but stays cut.
    """

    key: object
    sequence: int
    threshold: Decimal
    may_shed: bool
    kept_on: bool
    shed: bool
    waits: bool = False


def next_loads(loads, percent, *, hard, rested, margin=MARGIN):
    """What is to be cut and to be restored now.

    At most one load is cut at a time, the least important first; those that need not
    be cut any more come back in the reverse order.

    :param loads: :class:`Load` of one line.
    :param Decimal percent: used of the quota.
    :param bool hard: a soft quota cuts nothing.
    :param bool rested: the last step was long enough ago.
    :param Decimal margin: per cent points below its threshold at which one comes back.
    :return: (load to cut or ``None``, list of loads to restore).
    """
    ordered = sorted(loads, key=lambda load: load.sequence)
    may = {id(load): hard and load.may_shed and not load.kept_on for load in ordered}
    back = [
        load
        for load in reversed(ordered)
        if load.shed and (not may[id(load)] or percent < load.threshold - margin)
    ]
    due = [
        load
        for load in ordered
        if may[id(load)] and not (load.shed or load.waits) and percent >= load.threshold
    ]
    return (due[0] if due and rested else None), back


# ---------------------------------------------------------------------- forecast


SUNDAY = 6


def weekday(day, holidays=()):
    """0 for Monday; a holiday is like a Sunday."""
    return SUNDAY if day in holidays else day.weekday()


def hours_left(now, end, tz, holidays=()):
    """The hours from ``now`` until ``end`` by the local clock.

    :param datetime now, end: with a time zone.
    :param tz: ``zoneinfo.ZoneInfo`` of the site.
    :param holidays: local dates that are like Sundays.
    :return: dict (weekday, hour) -> Decimal number of such hours. Each UTC hour counts
        once, so a day of 23 or 25 hours is right.
    """
    counts = {}
    moment = now.astimezone(UTC)
    end = end.astimezone(UTC)
    while moment < end:
        following = min(moment.replace(minute=0, second=0, microsecond=0) + HOUR, end)
        local = moment.astimezone(tz)
        slot = weekday(local.date(), holidays), local.hour
        part = Decimal(str((following - moment).total_seconds())) / 3600
        counts[slot] = counts.get(slot, Decimal(0)) + part
        moment = following
    return counts


def mean_load(series):
    """The mean consumption of an hour by weekday and hour.

    :param series: of ((weekday, hour), Decimal consumption, int covered seconds);
        hours with gaps count by what is known of them.
    :return: dict (weekday, hour) -> Decimal per hour; ``None`` as key: of all hours.
    """
    sums = {}
    for slot, amount, covered in series:
        if covered <= 0:
            continue
        for key in (slot, None):
            total, seconds = sums.get(key, (Decimal(0), 0))
            sums[key] = total + amount, seconds + covered
    return {key: total * 3600 / seconds for key, (total, seconds) in sums.items()}


def still_to_come(load, left):
    """What will be consumed in the hours that are left.

    :param dict load: :func:`mean_load`; a slot that it does not know has the mean of
        all, without any nothing is expected.
    :param dict left: :func:`hours_left`.
    """
    usual = load.get(None, Decimal(0))
    parts = (load.get(slot, usual) * hours for slot, hours in left.items())
    return sum(parts, Decimal(0))


# ---------------------------------------------------------------------- allocation


def allocate(amount, weights, digits=2):
    """Divide an amount by weights, to the last cent (largest remainder).

    :param Decimal amount: in whole minor units; it may be below zero.
    :param list weights: Decimals, none below zero, at least one above.
    :param int digits: of the currency.
    :return: list of Decimals whose sum is ``amount``; equal remainders are served in
        the order of ``weights``.
    :raise ValueError: the weights do not fit.
    """
    total = sum(weights, Decimal(0))
    if total <= 0 or min(weights, default=0) < 0:
        raise ValueError(weights)
    unit = Decimal(1).scaleb(-digits)
    exact = [amount * weight / total for weight in weights]
    parts = [part.quantize(unit, ROUND_DOWN) for part in exact]
    missing = int((amount - sum(parts)) / unit)
    step = unit if missing > 0 else -unit
    by_remainder = sorted(
        (index for index, weight in enumerate(weights) if weight),
        key=lambda index: (-abs(exact[index] - parts[index]), index),
    )
    for index in by_remainder[: abs(missing)]:
        parts[index] += step
    return parts
