"""What the demo park uses, hour by hour: pure Python, a seed decides.

:class:`ParkLoad` is the load between two moments. The demo data have two weeks of it
(``park_past.py``), ``make demo`` has two months.
"""

import math
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

HOUR = timedelta(hours=1)
ZONE = ZoneInfo("America/Chicago")
DRIFT = 18  # days since when line A needs more than it did
LEAK = 10  # days since when the workshops' feeder leaks, as the simulated one does
LEAK_KW = 1.5
PRICE = Decimal("0.26")  # of a kWh by the workshops' tariff, with its levy
TENANTS = {  # wallet: meters, what is paid in each time
    "t1": (("PE-T1",), 30),
    "t2": (("PE-T2", "PE-T2B"), 150),
    "t3": (("PE-T3",), 50),
    "t4": (("PE-T4",), 100),
    "t5": (("PE-T5", "PE-T5B"), 250),
    "t6": (("PE-T6",), 60),
    "t7": (("PE-T7",), 40),
    "t8": (("PE-T8", "PE-T8B"), 90),
}
POOR = "t1"  # soon runs dry: nothing is left but the demo data's own top-up
LAST = 7  # days, with today, since when the poor one has paid nothing more
AHEAD = timedelta(days=3)  # the others pay when less than this is left
SHIFTS = {  # meter: kW at night, kW at work, first and last hour of work
    "PE-T1": (0.3, 2.2, 7, 16),
    "PE-T2": (0.8, 4.1, 6, 21),
    "PE-T2B": (0.3, 1.5, 8, 17),
    "PE-T3": (0.15, 1.6, 7, 15),
    "PE-T4": (0.5, 3.1, 9, 18),
    "PE-T5": (2.4, 3.6, 5, 19),
    "PE-T5B": (1.2, 1.9, 5, 19),
    "PE-T6": (0.4, 1.8, 2, 9),
    "PE-T7": (0.1, 1.3, 5, 13),
    "PE-T8": (0.2, 1.9, 8, 19),
    "PE-T8B": (0.05, 0.6, 9, 17),
    "PE-LB": (0.7, 4.2, 6, 21),
    "PE-LB-AUX": (0.2, 0.7, 6, 21),
    "PE-LC": (0.4, 2.9, 6, 13),
    "PE-LC-AUX": (0.2, 0.6, 6, 13),
    "PE-VENT": (2.9, 3.2, 6, 21),
    "PE-PUMP": (1.1, 1.2, 0, 23),
}
OWN = ("PE-LA", "PE-LA-AUX", "PE-LIGHT")  # with rules of their own, see `_power`
FEEDS = {
    "PE-FEED-W": [s for meters, _paid in TENANTS.values() for s in meters],
    "PE-FEED-H": ["PE-LA", "PE-LA-AUX", "PE-LB", "PE-LB-AUX", "PE-LC", "PE-LC-AUX"],
}
# how the feeders' load is shared out over the phases, as in the simulated plant
PHASES = {"PE-MAIN": (1, 1, 1), "PE-FEED-W": (1.5, 0.9, 0.6), "PE-FEED-H": (1, 1, 1)}
VOLT = 230 * 0.95
BELOW_MAIN = ("PE-FEED-W", "PE-FEED-H", "PE-VENT", "PE-PUMP", "PE-LIGHT")
SERIALS = (*SHIFTS, *OWN, *FEEDS, "PE-MAIN")


def local(day, hour, minute=0):
    """A moment by the park's clock as naive UTC."""
    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE)
    return moment.astimezone(UTC).replace(tzinfo=None)


def day_of(moment):
    """The park's date at a moment in naive UTC."""
    return moment.replace(tzinfo=UTC).astimezone(ZONE).date()


class ParkLoad:
    """How to use: ``load = ParkLoad(first, now)``, then read its attributes.

    :param date first: the day it begins with, by the park's clock.
    :param datetime now: naive UTC; the last whole hour before it is the last one.

    ``days``; ``temperature`` and ``pieces`` (of line A) by day; ``hours``: beginnings
    in naive UTC; ``used``: serial -> kWh of each hour as Decimal.
    """

    def __init__(self, first, now, seed=8):
        self._chance = chance = random.Random(seed)
        self.today = day_of(now)
        count = (self.today - first).days + 1
        self.days = [first + timedelta(days=number) for number in range(count)]
        self.temperature = {
            day: round(self._season(day) + chance.gauss(0, 3), 1) for day in self.days
        }
        self.pieces = {
            day: chance.randint(20, 36) * (day.weekday() < 5) for day in self.days
        }
        self.hours, at = [], local(first, 0)
        while at + HOUR <= now:
            self.hours.append(at)
            at += HOUR
        self.used = {serial: [] for serial in SERIALS}
        for hour in self.hours:
            for serial, energy in self._hour(hour).items():
                self.used[serial].append(Decimal(f"{energy:.3f}"))

    @staticmethod
    def _season(day):
        return 11 - 13 * math.cos((day.timetuple().tm_yday - 20) / 58.1)

    def _hour(self, hour):
        """kWh of each meter in the hour that begins then."""
        at = hour.replace(tzinfo=UTC).astimezone(ZONE)
        row = {
            serial: self._power(serial, at) * self._chance.uniform(0.93, 1.07)
            for serial in (*SHIFTS, *OWN)
        }
        for feeder, below in FEEDS.items():
            row[feeder] = 1.02 * sum(row[serial] for serial in below)
        if (self.today - at.date()).days < LEAK:
            row["PE-FEED-W"] += LEAK_KW
        row["PE-MAIN"] = 1.015 * sum(row[serial] for serial in BELOW_MAIN)
        return row

    def _power(self, serial, at):
        """kW of a meter in an hour, by the park's clock."""
        day = at.date()
        if serial == "PE-LA":
            drift = 1.14 if (self.today - day).days < DRIFT else 1
            made = self.pieces[day] * 1.7 / 8 if 6 <= at.hour < 14 else 0
            return (0.9 + made) * drift
        if serial == "PE-LA-AUX":
            return 0.25 + 0.03 * max(0, 15 - self.temperature[day])
        if serial == "PE-LIGHT":
            return 0.9 if at.hour < 7 or at.hour > 17 else 0.05
        night, work, begin, end = SHIFTS[serial]
        works = day.weekday() < 5 or (serial == "PE-T6" and day.weekday() == 5)
        return work if works and begin <= at.hour <= end else night

    def cost(self, tenant, since, until=None):
        """What a tenant's hours from a day on cost, at the workshops' price."""
        begin = local(since, 0)
        end = local(until, 0) if until else datetime.max
        meters, _paid = TENANTS[tenant]
        energy = sum(
            amount
            for serial in meters
            for hour, amount in zip(self.hours, self.used[serial], strict=True)
            if begin <= hour < end
        )
        return energy * PRICE

    def top_up(self, tenant, day, left):
        """What a tenant pays in the morning of a day, often nothing.

        ``POOR`` pays for the last time ``LAST`` days ago, just what it uses until now;
        before that never more than it uses until then, or too much would be left.

        :param Decimal left: of what was paid before.
        """
        _meters, paid = TENANTS[tenant]
        last = self.days[-LAST]
        if tenant == POOR and day >= last:
            rest = self.cost(tenant, day) - left if day == last else 0
            return max(round(rest, 2), 0)
        if left >= self.cost(tenant, day, day + AHEAD):
            return 0
        if tenant == POOR:
            paid = min(paid, round(self.cost(tenant, day, last), 2))
        return paid

    def readings(self, last):
        """Rows of a batch by local day: ``[serial, time, register]``.

        :param dict last: serial -> what the register shows at the end.
        """
        found = {day: [] for day in self.days}
        for serial, energies in self.used.items():
            register = Decimal(last[serial]) - sum(energies)
            if register <= 0:
                raise ValueError(
                    f"{serial}: {last[serial]} kWh are too little at the end"
                )
            found[self.days[0]].append([serial, f"{self.hours[0]}Z", str(register)])
            for hour, energy in zip(self.hours, energies, strict=True):
                register += energy
                row = [serial, f"{hour + HOUR}Z", str(register)]
                found[day_of(hour)].append(row)
        return found

    def currents(self):
        """Telemetry of the feeders by local day, once an hour, as a batch has it."""
        found = {day: [] for day in self.days}
        for serial, shares in PHASES.items():
            for hour, energy in zip(self.hours, self.used[serial], strict=True):
                even = 1000 * float(energy) / 3 / VOLT
                values = {
                    f"i{number}": round(
                        even * share * self._chance.uniform(0.94, 1.06), 2
                    )
                    for number, share in enumerate(shares, 1)
                }
                row = [serial, f"{hour + HOUR / 2}Z", {"p": float(energy), **values}]
                found[day_of(hour)].append(row)
        return found
