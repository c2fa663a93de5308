"""Error of the days-left forecast against the plain average of the last seven days.

Run with `python benchmarks/days_left.py`. Every 37 hours of a year, for balances that
really lasted one, three, seven and fourteen days, both methods say how long they last,
from what was known until then. The error is the mean of the absolute differences, in
days. The third figure is what the product does: for each wallet it takes the method
that was better in the four weeks before.

The tenants are generated (fixed seeds); their prices are of a day and a night band. The
steel works' year is measured data; it is left out where it is not there.
"""

import csv
import gzip
import json
import random
import sys
from datetime import datetime, timedelta
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
DAY_PRICE, NIGHT_PRICE = 0.29, 0.19


def price(hour):
    """A day and a night band."""
    return DAY_PRICE if 6 <= hour < 22 else NIGHT_PRICE


def tenant(rule, seed):
    """A year of money by hour.

    :param rule: kW by (weekday, hour, day of the year).
    """
    chance = random.Random(seed)
    hours = []
    level = 1.0
    for index in range(YEAR):
        day, hour = divmod(index, 24)
        if hour == 0:  # days differ, and drift
            level = 0.7 * level + 0.3 * chance.gauss(1, 0.25)
        kw = rule(day % 7, hour, day) * max(level, 0.2) * chance.uniform(0.85, 1.15)
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


def measure(hours, first):
    """Mean absolute error in days: profile, average, the better one of the past."""
    errors = [0.0, 0.0, 0.0]
    looks = 0
    for now in range(8 * WEEK, len(hours) - max(HORIZONS), 37):
        known = hours[max(now - 12 * WEEK, 0) : now]
        start = (first + now - len(known)) % WEEK
        profile = forecast.learn(known, start)
        if profile is None:
            continue
        past = forecast.backtest(known, start)
        for horizon in HORIZONS:
            ahead = hours[now : now + horizon]
            if None in ahead or sum(ahead) <= 0:
                continue
            real = forecast.lasted(ahead)
            by_profile = forecast.days_until(sum(ahead), profile, (first + now) % WEEK)
            by_average = forecast.average_days(sum(ahead), known)
            if by_profile is None or by_average is None:
                continue
            chosen = by_profile if past[2] and past[0] < past[1] else by_average
            for index, days in enumerate((by_profile, by_average, chosen)):
                errors[index] += abs(days - real)
            looks += 1
    return [error / looks for error in errors], looks


def main():
    """Measure each tenant, print a table and the line of JSON."""
    cases = {
        "office": (tenant(office, 1), 0),
        "shifts": (tenant(shifts, 2), 0),
        "shop, closed on Sunday": (tenant(shop, 3), 0),
        "seasonal": (tenant(seasonal, 4), 0),
        "constant": (tenant(constant, 5), 0),
    }
    works = steel()
    if works:
        cases = {"steel works": works, **cases}
    print("mean absolute error in days     profile  average   chosen  ratio  looks")
    result = {}
    for name, (hours, first) in cases.items():
        (profile, average, chosen), looks = measure(hours, first)
        ratio = chosen / average
        print(
            f"{name:30}{profile:9.3f}{average:9.3f}{chosen:9.3f}{ratio:7.2f}{looks:7}"
        )
        result[name] = {
            "profile": round(profile, 3),
            "average": round(average, 3),
            "chosen": round(chosen, 3),
            "ratio": round(ratio, 3),
        }
    print(json.dumps({"benchmark": "days_left", "mae_days": result}))


main()
