"""How long a balance lasts, by what is usually used at each hour of the week.

Pure Python, no database and no Odoo.

How to use: :func:`learn` makes the profile of a series of hours, :func:`days_until`
walks a balance forward along it, :func:`backtest` says by how many days it would have
been wrong, beside the plain average of the last seven days.

How it works: a profile has the expected money of each of the 168 hours of a week. It is
a mean over past weeks, each of which counts ``DECAY`` times as much as the next one;
then it is scaled ``LEVEL`` of the way to what the last seven days cost. A tariff with
bands needs no extra care: the money of an hour contains its price. Public holidays are
taken for Sundays, in what was and in what comes.

A forecast is an estimate: it is made of floats, unlike anything that is paid.
"""

from itertools import accumulate

WEEK = 168
SUNDAY = 144  # its first hour of the week
WEEKS = 6  # that a profile is made of, at most
DECAY = 0.7
LEVEL = 0.3  # how far the level follows the last seven days
LEAST_HOURS = 2 * WEEK * 9 // 10  # known ones; with less there is no profile
HORIZONS = (24, 72, 168)  # hours ahead that a backtest looks
STEP = 37  # hours between two looks: each falls on another hour of the day
TESTED_WEEKS = 4
MARGIN = 1.1  # by how much the profile may have been worse than the average and counts
GRAIN = 1e-9  # of a week: what floats do not tell


def slots(first, count, free=()):
    """The hours of the week that ``count`` hours are like: on holidays a Sunday's.

    :param int first: hour of the week of the first one.
    :param free: whether each hour is on a holiday; may be shorter.
    """
    found = [(first + index) % WEEK for index in range(count)]
    for index, holiday in enumerate(free[:count]):
        if holiday:
            found[index] = SUNDAY + found[index] % 24
    return found


def learn(hours, first, extra=0.0, free=()):
    """The expected money of each hour of the week, Monday 00:00 first.

    :param list hours: money by hour without gaps, oldest first; None: not known.
    :param int first: hour of the week (0 is Monday 00:00) of the first one.
    :param float extra: per hour, beside it: fixed charges.
    :param list free: whether each hour is on a public holiday; empty: none is.
    :return: list of 168 floats, or None where too little is known.
    """
    dropped = max(len(hours) - WEEKS * WEEK, 0)
    hours, like = hours[dropped:], slots(first, len(hours), free)[dropped:]
    if sum(one is not None for one in hours) < LEAST_HOURS:
        return None
    sums, weights = [0.0] * WEEK, [0.0] * WEEK
    for index, money in enumerate(hours):
        if money is None:
            continue
        slot = like[index]
        weight = DECAY ** ((len(hours) - 1 - index) // WEEK)
        sums[slot] += money * weight
        weights[slot] += weight
    usual = sum(sums) / sum(weights)
    profile = [
        total / weight if weight else usual
        for total, weight in zip(sums, weights, strict=True)
    ]
    factor = _level(profile, hours, like)
    return [money * factor + extra for money in profile]


def _level(profile, hours, like):
    """By how much more, or less, the last seven days cost than the profile says."""
    begin = max(len(hours) - WEEK, 0)
    real = expected = 0.0
    for index in range(begin, len(hours)):
        if hours[index] is not None:
            real += hours[index]
            expected += profile[like[index]]
    return 1 + LEVEL * (real / expected - 1) if expected > 0 else 1.0


def days_until(money, profile, slot, into=0.0, free=()):
    """How many days ``money`` lasts.

    :param float money: what is left until the cut-off threshold.
    :param list profile: of 168 hours, see :func:`learn`.
    :param int slot: the hour of the week it is now.
    :param float into: how much of that hour is over, 0 to 1.
    :param list free: whether each hour from now on is on a public holiday; later ones
        are not.
    :return: days, 0 where nothing is left; None where nothing is ever used.
    """
    if money <= 0:
        return 0.0
    week = sum(profile)
    if week <= 0:
        return None
    known = slots(slot, len(free), free)
    money += profile[known[0] if free else slot] * into  # as if this hour began now
    money -= week * GRAIN  # of two moments with the same cost, the first one
    for index, like in enumerate(known):
        if profile[like] >= money:
            return max((index + _inside(money, profile[like]) - into) / 24, 0.0)
        money -= profile[like]
    begin = (slot + len(free)) % WEEK
    ahead = profile[begin:] + profile[:begin]
    weeks, money = divmod(money, week)
    passed, before = 0.0, len(free) + weeks * WEEK
    for index, total in enumerate(accumulate(ahead)):
        if total >= money:
            inside = _inside(money - passed, ahead[index])
            return max((before + index + inside - into) / 24, 0.0)
        passed = total
    return max((before + WEEK - into) / 24, 0.0)  # a rounding short of a week


def _inside(money, hour):
    """How much of an hour that costs so much ``money`` lasts."""
    return money / hour if hour > 0 else 0.0


def average_days(money, hours):
    """The same by the plain average of the last seven days; None: nothing used."""
    known = [one for one in hours[-WEEK:] if one is not None]
    total = sum(known)
    return money / total * len(known) / 24 if total > 0 else None


def lasted(ahead):
    """After how many days the money of these hours was used up."""
    used = len(ahead)
    while not ahead[used - 1]:
        used -= 1
    return used / 24


def backtest(hours, first, weeks=TESTED_WEEKS, free=()):
    """By how many days each method was wrong in the last weeks.

    At many past moments, the money that was really used in the next hours is taken as
    the balance; a perfect forecast says that it lasts just these hours. Only what was
    known at that moment is used.

    :param list hours, int first, list free: as for :func:`learn`.
    :return: (mean absolute error of the profile, of the average, looks), in days; the
        errors are None where there was nothing to look at.
    """
    wrong = [0.0, 0.0]
    looks = 0
    begin = max(len(hours) - weeks * WEEK, LEAST_HOURS)
    for now in range(begin, len(hours) - min(HORIZONS) + 1, STEP):
        profile = learn(hours[:now], first, free=free[:now])
        if profile is None:
            continue
        for horizon in HORIZONS:
            ahead = hours[now : now + horizon]
            if len(ahead) < horizon or None in ahead or sum(ahead) <= 0:
                continue
            money, real = sum(ahead), lasted(ahead)
            slot, coming = (first + now) % WEEK, free[now:]
            by_profile = days_until(money, profile, slot, free=coming)
            by_average = average_days(money, hours[:now])
            if by_profile is None or by_average is None:
                continue
            wrong[0] += abs(by_profile - real)
            wrong[1] += abs(by_average - real)
            looks += 1
    if not looks:
        return None, None, 0
    return wrong[0] / looks, wrong[1] / looks, looks


def is_better(by_profile, by_average):
    """Whether to go by the profile, from the errors of :func:`backtest`.

    Four weeks are few: where both were about equally wrong, the profile is it.
    """
    return by_profile is None or by_profile < by_average * MARGIN
