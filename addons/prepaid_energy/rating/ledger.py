"""Tier counters and charges: the one place where energy becomes money."""

from bisect import bisect_left, bisect_right
from datetime import date

from .exact import parse_int, plain_int


class Ledger:
    """The tier counters of a service point and the charges of one run.

    `kwh` counts energy by "YYYY-MM" and "YYYY" in 10^-18 kWh; `rows` keeps the
    energy of whole-volume months by (month, day, version, cell number), since a
    crossed threshold re-prices them (a version that is no longer known keeps what it
    was charged); `acc` collects the deltas of this run by
    (day, version, cell number, tier) as [kWh, net] integers.
    """

    __slots__ = ("acc", "cells", "kwh", "rows")

    def __init__(self, cells: dict[int, list], state: dict | None = None):
        self.cells = cells
        self.kwh: dict[str, int] = {}
        self.rows: dict[str, dict[str, int]] = {}
        self.acc: dict[tuple, list[int]] = {}
        if state:
            self.kwh = {
                key: parse_int(value) for key, value in state.get("kwh", {}).items()
            }
            self.rows = {
                month: {
                    key: parse_int(value)
                    for key, value in rows.items()
                    if int(key.split("|")[1]) in cells
                }
                for month, rows in state.get("rows", {}).items()
            }

    def add(self, segment, energy: int) -> None:
        """Charge `energy` (10^-18 kWh, positive) inside one segment."""
        kwh, cell = self.kwh, segment.cell
        month, year = segment.month, segment.year
        if month not in kwh:
            self._open(month, year)
        counter = kwh[year] if cell.yearly else kwh[month]
        kwh[month] += energy
        kwh[year] += energy
        if cell.whole or self.rows and self.rows.get(month):
            self._reprice(segment, energy)
            if cell.whole:
                return
        edges = cell.thresholds
        tier = bisect_right(edges, counter) if edges else 0
        while tier < len(edges) and counter + energy > edges[tier]:
            part = edges[tier] - counter
            self._book(segment.keys[tier], cell, part)
            counter += part
            energy -= part
            tier += 1
        self._book(segment.keys[tier], cell, energy)

    def begin(self) -> None:
        """Keep the tier counters of what was added so far and charge none of it.

        A whole-volume month that is under way is priced by its whole counter, but
        only its energy from here on is priced.
        """
        self.acc.clear()
        self.rows.clear()

    def _open(self, month: str, year: str) -> None:
        """Start a month's counter; forget what lies more than a month back."""
        kwh = self.kwh
        months = [key for key in kwh if len(key) > 4]
        if months and month < month_before(max(months)):
            raise ValueError(
                f"readings of {month} come after those of {max(months)} were rated"
            )
        kwh[month] = 0
        kwh.setdefault(year, 0)
        keep = month_before(max([*months, month]))
        for key in [key for key in kwh if key < keep[: len(key)]]:
            del kwh[key]
        for key in [key for key in self.rows if key < keep]:
            del self.rows[key]

    def _book(self, key: tuple, cell, energy: int) -> None:
        entry = self.acc.get(key)
        net = energy * cell.scaled_prices[key[3]]
        if entry is None:
            self.acc[key] = [energy, net]
        else:
            entry[0] += energy
            entry[1] += net

    def _reprice(self, segment, energy: int) -> None:
        """Decision 13: the counter's new total prices the whole month."""
        month, kwh = segment.month, self.kwh
        rows = self.rows.setdefault(month, {})
        old = {False: kwh[month] - energy, True: kwh[segment.year] - energy}
        new = {False: kwh[month], True: kwh[segment.year]}
        for key, amount in rows.items():
            day, version, number = key.split("|")
            cell = self.cells[int(version)][int(number)]
            was = bisect_left(cell.thresholds, old[cell.yearly])
            now = bisect_left(cell.thresholds, new[cell.yearly])
            if was != now:
                place = date.fromisoformat(day), cell.version, cell.number
                self._book((*place, was), cell, -amount)
                self._book((*place, now), cell, amount)
        cell = segment.cell
        if cell.whole:
            key = f"{segment.day}|{cell.version}|{cell.number}"
            rows[key] = rows.get(key, 0) + energy
            tier = bisect_left(cell.thresholds, new[cell.yearly])
            self._book(segment.keys[tier], cell, energy)

    def dump(self) -> dict:
        """The JSON-serialisable state after this run."""
        state = {"kwh": {key: plain_int(value) for key, value in self.kwh.items()}}
        rows = {
            month: {k: plain_int(v) for k, v in rows.items()}
            for month, rows in self.rows.items()
            if rows
        }
        if rows:
            state["rows"] = rows
        return state


def month_before(month: str) -> str:
    """The calendar month before "YYYY-MM"."""
    year, number = int(month[:4]), int(month[5:])
    return f"{year - 1:04d}-12" if number == 1 else f"{year:04d}-{number - 1:02d}"
