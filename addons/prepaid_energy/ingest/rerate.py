"""Rate a service point again from its stored readings, from a local day on.

How to use: ``Rerating(point, day, reason).run()``, for one service point in its own
transaction.

How it works: whole months are rated from nothing by the same engine, under the tariffs
and for the wallets that the point had at the time (``energy.supply.term``). What comes
out is compared with the usage that is stored; only differences are written, and drawn
from the wallets. Days that the ledger has settled get a correction entry by the cron
of ``energy.usage``, which says the reason.
"""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from odoo.exceptions import UserError
from odoo.tools import SQL

from ..rating.clock import midnight, zone
from ..rating.exact import EXACT, plain
from .charges import Charges
from .history import load_history
from .parse import epoch
from .store import Store

BEGINNING = datetime(1, 1, 1)


class Rerating:
    """One service point, from the month of a local day on."""

    def __init__(self, point, day, reason):
        self.env = point.env
        self.point = point
        self.day = day
        self.month = day.replace(day=1)
        self.reason = reason
        self.desired = defaultdict(lambda: [Decimal(0)] * 3)

    def run(self):
        """Bring usage, wallets and the rating state to what the readings say.

        :return: how much the wallets pay more, levies included, as Decimal.
        :raise UserError: names why the point cannot be rated again.
        """
        self._check_kept()
        self._lock()
        state = self._merged(self._rate(*self._runs()))
        self._charge(state)
        difference = self._difference()
        store = Store(self.env)
        store.states({self.point.id: state})
        store.usage(difference, self.reason)
        self._order_hours(difference)
        return sum((parts[2] for parts in difference.values()), Decimal(0))

    def _order_hours(self, difference):
        """Have the hours made again, from the first day that changed."""
        day = min([self.day, *(key[5] for key in difference)])
        begin = datetime.fromtimestamp(
            midnight(zone(self.point.tariff_id.tz), day), UTC
        )
        since = begin.replace(tzinfo=None)
        self.env["energy.interval"]._again({self.point.id: since})

    def until(self, moment):
        """What the readings give from the month's beginning up to a moment.

        Nothing is written.

        :param datetime moment: naive UTC.
        :return: dict of energy usage, by key (see ``Batch._rate``).
        :raise UserError: as :meth:`run`.
        """
        self._check_kept()
        self._rate(*self._runs(moment), until=epoch(moment))
        return self.desired

    def _runs(self, high=None):
        """The point's readings since the month's beginning, and that in seconds."""
        low = self._begin()
        begin = datetime.fromtimestamp(low, UTC).replace(tzinfo=None)
        found = load_history(self.env, [self.point.id], begin, high)
        return found[self.point.id], low

    def _begin(self):
        """The month's beginning by the tariff's clock, in seconds."""
        return midnight(zone(self.point.tariff_id.tz), self.month)

    def is_kept(self):
        """Whether all raw readings that are needed are stored, see below."""
        kept = self.env["energy.reading"]._kept_since()
        return not kept or self.month > kept

    def _check_kept(self):
        """Raise UserError where raw readings that are needed were dropped.

        The reading before the month is needed too, so that month must be kept as well.
        """
        kept = self.env["energy.reading"]._kept_since()
        if not self.is_kept():
            raise UserError(
                self.env._(
                    "%(point)s cannot be rated from %(month)s again: raw readings are "
                    "kept since %(kept)s.",
                    point=self.point.name,
                    month=self.month,
                    kept=kept,
                )
            )

    def _lock(self):
        """Lock the point's meters as a batch does, so that none comes in between."""
        self.env.flush_all()
        self.env.execute_query(
            SQL(
                """
                SELECT id FROM energy_meter WHERE id IN (
                    SELECT meter_id FROM energy_meter_installation
                     WHERE service_point_id = %s)
                 ORDER BY id FOR NO KEY UPDATE
                """,
                self.point.id,
            )
        )

    def _rate(self, runs, low, until=None):
        """Fill ``self.desired``; return the engine's state."""
        state = {"kwh": self._year_before()}
        terms = (
            self.env["energy.supply.term"]
            .search([("service_point_id", "=", self.point.id)])
            .sorted(lambda term: term.date_from or BEGINNING)
        )
        ends = [epoch(term.date_from) for term in terms[1:]] + [None]
        for term, high in zip(terms, ends, strict=True):
            if until is not None:
                high = until if high is None else min(high, until)
            since = epoch(term.date_from) if term.date_from else low
            if high is not None and high <= max(low, since):
                continue
            try:
                tariff = term.tariff_id._compiled()
                for run in runs:
                    charges, state = tariff.advance(
                        state, run, low=max(low, since), high=high
                    )
                    self._collect(term, charges)
            except ValueError as error:
                raise UserError(
                    self.env._(
                        "%(point)s: %(error)s", point=self.point.name, error=error
                    )
                ) from error
        return state

    def _collect(self, term, charges):
        owner = self._owner(term.wallet_id, term.tariff_id)
        for key, parts in charges.items():
            sums = self.desired[(*owner, *key, "energy", None)]
            sums[:] = [EXACT.add(a, b) for a, b in zip(sums, parts, strict=True)]

    def _charge(self, state):
        """Add the charges that were made since the month's beginning."""
        point = self.point
        if not point.charged_from:
            return
        charges = Charges(point)
        begin = max(self.month, point.charged_from)
        self.desired.update(charges.fixed(point, begin, point.charged_until))
        first = max(self.month, point.charged_from.replace(day=1))
        while first <= point.closed_until:
            sums = defaultdict(Decimal)
            following = (first + timedelta(days=32)).replace(day=1)
            for key, parts in self.desired.items():
                if first <= key[5] < following:
                    sums[key[10]] = EXACT.add(sums[key[10]], parts[1])
            self.desired.update(charges.month_end(point, first, state, sums))
            first = following

    def _owner(self, wallet, tariff):
        return (
            self.point.id,
            wallet.id or None,
            self.point.company_id.id,
            tariff.currency_id.id,
            tariff.id,
        )

    def _year_before(self):
        """The year's counter at the month's beginning, from the usage before it."""
        january = self.month.replace(month=1)
        total = self.env.execute_query(
            SQL(
                "SELECT COALESCE(sum(quantity), 0)::text FROM energy_usage "
                "WHERE service_point_id = %s AND kind = 'energy' "
                "AND day >= %s AND day < %s",
                self.point.id,
                january,
                self.month,
            )
        )[0][0]
        year = {f"{january.year:04}": plain(Decimal(total))}
        return year if Decimal(total) else {}

    def _difference(self):
        """What must be added to the stored usage, by key (see ``Batch._rate``)."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT service_point_id, wallet_id, company_id, currency_id, tariff_id,
                       day, COALESCE(version_id, -1), season, band, tier, kind, charge,
                       quantity::text, amount::text, amount_total::text
                  FROM energy_usage WHERE service_point_id = %s AND day >= %s
                """,
                self.point.id,
                self.month,
            )
        )
        stored = {tuple(row[:12]): [Decimal(part) for part in row[12:]] for row in rows}
        nothing = [Decimal(0)] * 3
        difference = {}
        for key in sorted(stored.keys() | self.desired.keys(), key=str):
            wanted = self.desired.get(key, nothing)
            if key[5] >= self.month and wanted != stored.get(key, nothing):
                pairs = zip(wanted, stored.get(key, nothing), strict=True)
                difference[key] = [EXACT.subtract(new, old) for new, old in pairs]
        return difference

    def _merged(self, state):
        """``state`` with what the stored one knows of months before."""
        first = self.month.strftime("%Y-%m")
        old = self.point.sudo().rating_state or {}
        counters = _before(first, old.get("kwh", {}))
        merged = {**state, "kwh": {**counters, **state["kwh"]}}
        rows = _before(first, old.get("rows", {}))
        if rows:
            merged["rows"] = {**rows, **state.get("rows", {})}
        demand = self._merged_demand(old.get("demand", {}), state.get("demand", {}))
        return {**merged, "demand": demand} if demand else merged

    def _merged_demand(self, old, new):
        """Maxima of months before, and their windows that are still filling."""
        first, low = self.month.strftime("%Y-%m"), self._begin()
        maxima = {**_before(first, old.get("max", {})), **new.get("max", {})}
        windows = {
            (version, name): [version, name, start, energy]
            for version, name, start, energy in (
                *(row for row in old.get("open", []) if row[2] < low),
                *new.get("open", []),
            )
        }
        if not maxima and not windows:
            return {}
        return {"max": maxima, "open": [windows[key] for key in sorted(windows)]}


def _before(first, spans):
    """What a dict by "YYYY-MM", and by "YYYY", has before the month ``first``.

    The next reading may begin there, when there was none since.
    """
    return {span: value for span, value in spans.items() if span < first[: len(span)]}
