"""The batch driver: a case document in, months and prepaid balances out."""

from datetime import date, timedelta
from decimal import Decimal

from . import parse
from .clock import instant, local_time, midnight, zone
from .demand import Maxima
from .errors import TariffError
from .exact import EXACT, plain
from .ledger import Ledger
from .series import Intervals, Registers, instant_utc
from .statement import Statement, month_name
from .tariff import compile_tariff

CASE_KEYS = (
    "id",
    "currency",
    "minor_digits",
    "time_zone",
    "period",
    "input",
    "tariff",
    "prepaid",
)


def rate_case(case: dict, folder, notes: list[str] | None = None) -> dict:
    """Rate a case document whose input file lies in `folder`.

    Returns {"months": {...}} and, for a prepaid case, "prepaid" in the shape of
    the specification, amounts as unrounded plain decimal strings.  What needs
    review (negative intervals, held readings) is appended to `notes`, one line
    each.  Raises TariffError naming the key for any wrong input.
    """
    notes = [] if notes is None else notes
    parse.mapping(case, "case", CASE_KEYS)
    parse.text(parse.required(case, "id", ""), "id")
    parse.text(parse.required(case, "currency", ""), "currency")
    parse.whole(parse.required(case, "minor_digits", ""), "minor_digits", 0, 6)
    time_zone = parse.required(case, "time_zone", "")
    start, end = _period(case, time_zone)
    document = parse.required(case, "tariff", "")
    tariff = compile_tariff(document, time_zone, "tariff")
    if tariff.calendar.starts[0] > start:
        index = tariff.calendar.versions[0].index
        raise TariffError(
            f"tariff.versions[{index}].valid_from_local",
            "no version is in force at the start of the period",
        )
    prepaid = _prepaid(case.get("prepaid"), start, end)
    run = Run(tariff, start, end, _source(case, folder, notes), prepaid)
    try:
        return run.result()
    except TariffError:
        raise
    except ValueError as error:
        raise TariffError("input.file", str(error)) from None


def _period(case: dict, time_zone) -> tuple[int, int]:
    tz = zone(time_zone)
    period = parse.sequence(parse.required(case, "period", ""), "period")
    if len(period) != 2:
        raise TariffError("period", "must be [from, to)")
    start = instant(tz, parse.local(period[0], "period[0]"))
    end = instant(tz, parse.local(period[1], "period[1]"))
    if end <= start:
        raise TariffError("period", "must end after it starts")
    return start, end


def _source(case: dict, folder, notes: list[str]):
    known = ("kind", "file", "minutes", "modulus")
    source = parse.mapping(parse.required(case, "input", ""), "input", known)
    kinds = {"intervals": Intervals, "registers": Registers}
    kind = parse.required(source, "kind", "input")
    return kinds[parse.choice(kind, "input.kind", tuple(kinds))](source, folder, notes)


def _prepaid(value, start: int, end: int):
    """(opening balance, top-ups of the period in time order) or None."""
    if value is None:
        return None
    source = parse.mapping(value, "prepaid", ("opening_balance", "topups"))
    opening = parse.required(source, "opening_balance", "prepaid")
    topups = []
    items = parse.sequence(source.get("topups"), "prepaid.topups")
    for index, item in enumerate(items):
        where = f"prepaid.topups[{index}]"
        row = parse.mapping(item, where, ("at_utc", "amount"))
        at = instant_utc(parse.required(row, "at_utc", where), f"{where}.at_utc")
        amount = parse.required(row, "amount", where)
        topups.append((at, parse.number(amount, f"{where}.amount")))
    topups = sorted(topup for topup in topups if start <= topup[0] < end)
    return parse.number(opening, "prepaid.opening_balance"), topups


class Run:
    """One period under one tariff; the same core as the incremental driver."""

    def __init__(self, tariff, start: int, end: int, source, prepaid):
        self.tariff, self.start, self.end = tariff, start, end
        self.source, self.prepaid = source, prepaid
        self.statement = Statement(tariff, start, end)
        self.ledger = Ledger(tariff.cells)
        self.maxima = Maxima(tariff.by_index) if tariff.has_demand else None
        self.balance = prepaid[0] if prepaid else Decimal(0)
        self.topups = list(prepaid[1]) if prepaid else []
        self.balances: list[list[str]] = []

    def result(self) -> dict:
        """Rate the period and return the output object of the case."""
        self.source.take(self.tariff, self.ledger, None, start=self.start)
        self.ledger.begin()
        if self.prepaid:
            self._days()
        else:
            self._whole()
        names = list(self.statement.months)
        result = {"months": {name: self.statement.as_json(name) for name in names}}
        if self.prepaid:
            result["prepaid"] = {
                "closing_balance": plain(self._closing()),
                "balance_at_local_midnight": self.balances,
            }
        return result

    def _consume(self, end: int | None = None) -> Decimal:
        """Rate what ends by `end` (None: all of the period); return its cost."""
        limits = {"start": self.end, "end": end}
        self.source.take(self.tariff, self.ledger, self.maxima, **limits)
        charges = self.tariff.charges(self.ledger)
        self.ledger.acc.clear()
        return self.statement.add_energy(charges)

    def _whole(self) -> None:
        self._consume()
        for day in _dates(self.statement.first, self.statement.last):
            self.statement.add_fixed(day)
        for name in self.statement.months:
            self.statement.close(name, self.maxima)

    def _days(self) -> None:
        """Decision 12: at 00:00 first consumption, then charges, then top-ups."""
        statement, tz = self.statement, self.tariff.tz
        for day in _dates(statement.first, statement.last):
            at = midnight(tz, day)
            if at > self.start:
                self._take(self._consume(at))
                if day.day == 1:
                    before = month_name(day - timedelta(days=1))
                    self._take(statement.close(before, self.maxima))
            self._take(statement.add_fixed(day))
            self._top_up(at)
            if at >= self.start and local_time(tz, at).date() == day:
                self._note(day)
        following = statement.last + timedelta(days=1)
        self._take(self._consume(self.end))
        self._take(self._consume())
        self._take(statement.close(list(statement.months)[-1], self.maxima))
        self._top_up(self.end)
        if midnight(tz, following) == self.end:
            self._note(following)

    def _take(self, amount: Decimal) -> None:
        self.balance = EXACT.subtract(self.balance, amount)

    def _top_up(self, at: int) -> None:
        while self.topups and self.topups[0][0] <= at:
            self.balance = EXACT.add(self.balance, self.topups.pop(0)[1])

    def _note(self, day: date) -> None:
        self.balances.append([f"{day}T00:00", plain(self.balance)])

    def _closing(self) -> Decimal:
        balance = self.prepaid[0]
        for _at, amount in self.prepaid[1]:
            balance = EXACT.add(balance, amount)
        for name in self.statement.months:
            balance = EXACT.subtract(balance, self.statement.total(name))
        return balance


def _dates(first: date, last: date):
    day = first
    while day <= last:
        yield day
        day += timedelta(days=1)
