"""Error of the days-left forecast against the plain average of the last seven days.

Run with `python benchmarks/days_left.py`. Every 37 hours of a year, for balances that
really lasted one, three, seven and fourteen days, both methods say how long they last,
from what was known until then. The error is the mean of the absolute differences, in
days. The third figure is what the product does: for each wallet it takes the profile
unless the average was clearly better in the four weeks before. The fourth one is the
same with public holidays taken for Sundays.

The tenants are generated (fixed seeds); their prices are of a day and a night band. The
offices and shifts "with holidays" rest on those of the United States. The
steel works' year is measured data; it is left out where it is not there.
"""

import csv
import gzip
import json
import random
import sys
from datetime import date, datetime, timedelta
from importlib import import_module
from pathlib import Path
from zoneinfo import ZoneInfo

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "addons" / "prepaid_energy"))
sys.path.insert(0, str(ROOT / "scripts"))
forecast = import_module("forecast")
WEEK = forecast.WEEK
HORIZONS = (24, 72, 168, 336)
MONDAY = datetime(2024, 1, 1)
YEAR = 52 * WEEK
DAYS_AHEAD = 62
# public holidays: of the United States in 2024, of South Korea in 2018 (with 1 May)
STATES = {
    date(2024, *day)
    for day in (
        *((1, 1), (1, 15), (2, 19), (5, 27), (6, 19), (7, 4)),
        *((9, 2), (10, 14), (11, 11), (11, 28), (12, 25)),
    )
}
KOREA = {
    date(2018, *day)
    for day in (
        *((1, 1), (2, 15), (2, 16), (2, 17), (3, 1), (5, 1), (5, 5), (5, 7), (5, 22)),
        *((6, 6), (6, 13), (8, 15), (9, 24), (9, 25), (9, 26), (10, 3), (10, 9)),
        (12, 25),
    )
}
DAY_PRICE, NIGHT_PRICE = 0.29, 0.19


def price(hour):
    """A day and a night band."""
    return DAY_PRICE if 6 <= hour < 22 else NIGHT_PRICE


def tenant(rule, seed, holidays=()):
    """A year of money by hour.

    :param rule: kW by (weekday, hour, day of the year).
    :param holidays: dates that are like Sundays.
    """
    chance = random.Random(seed)
    hours = []
    level = 1.0
    for index in range(YEAR):
        day, hour = divmod(index, 24)
        if hour == 0:  # days differ, and drift
            level = 0.7 * level + 0.3 * chance.gauss(1, 0.25)
        rests = (MONDAY + timedelta(days=day)).date() in holidays
        kw = (
            rule(6 if rests else day % 7, hour, day)
            * max(level, 0.2)
            * chance.uniform(0.85, 1.15)
        )
        hours.append(kw * price(hour))
    return hours


def office(weekday, hour, _day):
    """Monday to Friday."""
    return 20.0 if weekday < 5 and 7 <= hour < 19 else 2.0


def shifts(weekday, hour, _day):
    """Three shifts from Monday 06:00 to Saturday 14:00."""
    begun = weekday * 24 + hour
    return 120.0 if 6 <= begun < 5 * 24 + 14 else 15.0


def shop(weekday, hour, _day):
    """Closed on Sundays; cold shelves never stop."""
    return 14.0 if weekday < 6 and 8 <= hour < 20 else 5.0


def seasonal(weekday, hour, day):
    """Cooling: three times as much in July as in January."""
    season = 1 + 2 * max(0.0, 1 - abs(day - 200) / 100)
    return season * (10.0 if weekday < 6 and 7 <= hour < 20 else 4.0)


def constant(_weekday, _hour, _day):
    """A server room, for which a profile has nothing to tell."""
    return 8.0


def steel():
    """The steel works' year: (money by hour, first hour of the week), or None."""
    path = import_module("layout").SHARED / "data/loads/steel_seoul_2018.csv.gz"
    if not path.exists():
        return None
    zone = ZoneInfo("Asia/Seoul")
    sums = {}
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            moment = datetime.strptime(row["start_utc"], "%Y-%m-%dT%H:%M%z")
            local = moment.astimezone(zone).replace(tzinfo=None)
            at = local.replace(minute=0)
            sums[at] = sums.get(at, 0.0) + float(row["kwh"])
    first = min(sums)
    count = int((max(sums) - first) / timedelta(hours=1)) + 1
    moments = [first + timedelta(hours=index) for index in range(count)]
    return [
        sums[at] * price(at.hour) if at in sums else None for at in moments
    ], first.weekday() * 24 + first.hour


def flags(first, count, holidays):
    """Whether each hour from midnight of the day ``first`` on is on a holiday."""
    days = range(-(-count // 24))
    return [first + timedelta(days=day) in holidays for day in days for _ in range(24)]


def measure(hours, first, free):
    """Mean absolute error in days: profile, average, what the product takes, and that
    with holidays."""
    errors = [0.0] * 4
    looks = 0
    for now in range(8 * WEEK, len(hours) - max(HORIZONS), 37):
        begin = max(now - 12 * WEEK, 0)
        known, start = hours[begin:now], (first + begin) % WEEK
        learnt = [
            (
                forecast.learn(known, start, free=off),
                forecast.backtest(known, start, free=off),
            )
            for off in ((), free[begin:now])
        ]
        if learnt[0][0] is None:
            continue
        for horizon in HORIZONS:
            ahead = hours[now : now + horizon]
            if None in ahead or sum(ahead) <= 0:
                continue
            real, slot = forecast.lasted(ahead), (first + now) % WEEK
            average = forecast.average_days(sum(ahead), known)
            coming = free[now : now + DAYS_AHEAD * 24]
            told = [
                forecast.days_until(sum(ahead), profile, slot, free=off)
                for (profile, _past), off in zip(learnt, ((), coming), strict=True)
            ]
            chosen = [
                days if forecast.is_better(*past[:2]) else average
                for days, (_profile, past) in zip(told, learnt, strict=True)
            ]
            for index, days in enumerate((told[0], average, *chosen)):
                errors[index] += abs(days - real)
            looks += 1
    return [error / looks for error in errors], looks


def main():
    """Measure each tenant, print a table and the line of JSON."""
    cases = {
        "office": (tenant(office, 1), 0, ()),
        "shifts": (tenant(shifts, 2), 0, ()),
        "shop, closed on Sunday": (tenant(shop, 3), 0, ()),
        "seasonal": (tenant(seasonal, 4), 0, ()),
        "constant": (tenant(constant, 5), 0, ()),
        "office, with holidays": (tenant(office, 1, STATES), 0, STATES),
        "shifts, with holidays": (tenant(shifts, 2, STATES), 0, STATES),
    }
    works = steel()
    if works:
        cases = {"steel works": (*works, KOREA), **cases}
    print("mean absolute error in days    profile  average   chosen  +holidays  ratio")
    result = {}
    for name, (hours, first, holidays) in cases.items():
        begin = date(2018, 1, 1) if holidays is KOREA else MONDAY.date()
        free = flags(begin, len(hours), holidays)
        (profile, average, chosen, final), looks = measure(hours, first, free)
        ratio = final / average
        print(
            f"{name:29}{profile:9.3f}{average:9.3f}{chosen:9.3f}{final:11.3f}"
            f"{ratio:7.2f}   ({looks} looks)"
        )
        result[name] = {
            "profile": round(profile, 3),
            "average": round(average, 3),
            "chosen": round(chosen, 3),
            "with_holidays": round(final, 3),
            "ratio": round(ratio, 3),
        }
    print(json.dumps({"benchmark": "days_left", "mae_days": result}))


main()
