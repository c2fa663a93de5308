"""A slow second opinion: rates interval by interval with fractions.

It shares nothing with the engine: local clock by zoneinfo for each interval,
versions compared as wall clock, no segments, no scaled integers.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from zoneinfo import ZoneInfo


def clock_minutes(value: str) -> int:
    """HH:MM as minutes."""
    hours, minutes = value.split(":")
    return int(hours) * 60 + int(minutes)


def season_of(version: dict, day) -> str:
    """The season of a date, "*" where there are none."""
    mark = f"{day:%m-%d}"
    for season in version["seasons"]:
        low, high = season["from"], season["to"]
        if low <= mark <= high if low <= high else (mark >= low or mark <= high):
            return season["name"]
    return "*"


def band_of(version: dict, local: datetime, season: str) -> str:
    """The band of a local time: the first rule that matches."""
    kind = ["weekday"] * 5 + ["saturday", "sunday"]
    day_type = kind[local.weekday()]
    if str(local.date()) in version["holidays"]:
        day_type = "holiday"
    minute = local.hour * 60 + local.minute
    for rule in version["bands"]["rules"]:
        low, high = clock_minutes(rule["from"]), clock_minutes(rule["to"])
        inside = (
            low <= minute < high if low < high else (minute >= low or minute < high)
        )
        seasons, days = rule["seasons"], rule["day_types"]
        if inside and (seasons == "*" or season in seasons):
            if days == "*" or day_type in days:
                return rule["band"]
    return version["bands"]["default"]


def tier_at(edges: list[Fraction], counter: Fraction) -> int:
    """The tier that takes the next energy when the counter stands here."""
    return sum(1 for edge in edges if counter >= edge)


class Oracle:
    """Months of a list of (UTC start, kWh) intervals under a document."""

    def __init__(self, document: dict, zone: str, minutes: int):
        self.versions = document["versions"]
        self.zone, self.minutes = ZoneInfo(zone), minutes
        self.counters = defaultdict(Fraction)
        self.rows = defaultdict(Fraction)
        self.whole = defaultdict(Fraction)
        self.windows = defaultdict(Fraction)

    def version_at(self, local: datetime) -> int:
        """The last version whose start is not after the wall clock."""
        best = 0
        for index, version in enumerate(self.versions):
            if datetime.fromisoformat(version["valid_from_local"]) <= local:
                best = index
        return best

    def add(self, start: datetime, kwh: Fraction) -> None:
        """Take in one interval."""
        aware = start.replace(tzinfo=UTC).astimezone(self.zone)
        local = aware.replace(tzinfo=None)
        index = self.version_at(local)
        version = self.versions[index]
        season = season_of(version, local.date())
        band = band_of(version, local, season)
        month, year = f"{local:%Y-%m}", f"{local:%Y}"
        energy = max(kwh, Fraction(0))
        for charge in version["demand"]:
            self._window(charge, local, aware, index, energy)
        tiers = version["tiers"]
        counter = self.counters[year if tiers and tiers["counter"] == "year" else month]
        self.counters[month] += energy
        self.counters[year] += energy
        if tiers and tiers["mode"] == "whole_volume":
            self.whole[month, year, index, season, band] += energy
            return
        edges = self._edges(version, season)
        while energy > 0:
            tier = tier_at(edges, counter)
            part = min(energy, edges[tier] - counter) if tier < len(edges) else energy
            self.rows[month, index, season, band, tier] += part
            counter += part
            energy -= part

    def _edges(self, version: dict, season: str) -> list[Fraction]:
        tiers = version["tiers"]
        if not tiers:
            return []
        lists = tiers["thresholds"]
        return [Fraction(x) for x in lists.get(season, lists.get("*"))]

    def _window(self, charge, local, aware, index, energy) -> None:
        size = charge["demand_minutes"]
        minute = (local.hour * 60 + local.minute) // size * size
        begin = datetime(local.year, local.month, local.day) + timedelta(minutes=minute)
        version = self.versions[index]
        if self.version_at(begin) != index:
            begin = local  # the window began under the version before
        band = band_of(version, begin, season_of(version, begin.date()))
        if charge["bands"] != "*" and band not in charge["bands"]:
            return
        key = (f"{local:%Y-%m}", charge["name"], local.date(), minute)
        self.windows[(*key, aware.utcoffset(), index, size)] += energy

    def energy(self) -> dict:
        """{(month, version, season, band, tier from 1): (kWh, amount)}."""
        rows = dict(self.rows)
        for (month, year, index, season, band), kwh in self.whole.items():
            version = self.versions[index]
            yearly = version["tiers"]["counter"] == "year"
            # A year's counter prices a month by what it is at the month's end.
            total = self.counters[month]
            if yearly:
                total = sum(
                    value
                    for name, value in self.counters.items()
                    if len(name) == 7 and name[:4] == year and name <= month
                )
            tier = sum(1 for edge in self._edges(version, season) if total > edge)
            key = month, index, season, band, tier
            rows[key] = rows.get(key, 0) + kwh
        result = {}
        for (month, index, season, band, tier), kwh in rows.items():
            if kwh:
                price = self.versions[index]["energy_prices"][season][band][tier]
                key = month, index, season, band, tier + 1
                result[key] = kwh, kwh * Fraction(price)
        return result

    def months(self, first, last) -> dict:
        """{month: {subtotal, total, kw}} for the local dates first ≤ day < last."""
        parts = defaultdict(Fraction)  # (month, version) -> amount before tax
        energy, fixed = defaultdict(Fraction), defaultdict(Fraction)
        for (month, index, *_rest), (_kwh, amount) in self.energy().items():
            parts[month, index] += amount
            energy[month] += amount
        day = first
        while day < last:
            month = f"{day:%Y-%m}"
            for per in ("day", "month"):
                if per == "month" and not (day == first or day.day == 1):
                    continue
                at = day.replace(day=1) if per == "month" else day
                index = self.version_at(datetime(at.year, at.month, at.day))
                for charge in self.versions[index]["fixed"]:
                    if charge["per"] == per:
                        parts[month, index] += Fraction(charge["amount"])
                        fixed[month] += Fraction(charge["amount"])
            day += timedelta(days=1)
        months = sorted(
            {f"{first + timedelta(days=i):%Y-%m}" for i in range((last - first).days)}
        )
        kw = self._demand(parts)
        for month in months:
            at = datetime.fromisoformat(f"{month}-01")
            index = self.version_at(at)
            minimum = self.versions[index]["minimum"]
            if minimum:
                short = Fraction(minimum["amount"]) - energy[month] - fixed[month]
                parts[month, index] += max(short, Fraction(0))
        result = {m: {"subtotal": Fraction(0), "total": Fraction(0)} for m in months}
        for (month, index), amount in parts.items():
            rates = [Fraction(a["rate"]) for a in self.versions[index]["adjustments"]]
            result[month]["subtotal"] += amount
            result[month]["total"] += amount * (1 + sum(rates))
        for month in months:
            result[month]["kw"] = kw.get(month)
        return result

    def _demand(self, parts) -> dict:
        best = {}
        for (month, _name, _day, _min, _off, index, size), kwh in self.windows.items():
            kw = kwh * 60 / size
            if month not in best or kw > best[month][0]:
                best[month] = kw, index
        for month, (kw, index) in best.items():
            price = Fraction(self.versions[index]["demand"][0]["price_per_kw"])
            parts[month, index] += kw * price
        return {month: kw for month, (kw, _index) in best.items()}
