"""What falls due without a reading: fixed charges, demand and the month's minimum.

They are functions of stored facts (installations, supply terms, tariff versions and the
rating state), so that the cron and a re-rating come to the same rows:

- a day's charge is due where a meter was installed at its local 00:00, from the wallet
  that the point had then;
- a month's charge is due on its first day, or on the day on which the point was charged
  first; nothing is prorated;
- demand and minimum are due on the last day of a month, when it is closed.
"""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from odoo.tools import SQL

from ..rating.clock import midnight, zone
from ..rating.demand import Maxima
from ..rating.exact import EXACT
from .parse import epoch

BEGINNING = -(10**12)


class Charges:
    """The charges of some service points, as keys and sums of ``Batch._rate``.

    :param recordset points: ``energy.service.point``.
    """

    def __init__(self, points):
        self.env = points.env
        self.points = points
        self.terms = defaultdict(list)
        self.spans = defaultdict(list)
        terms = self.env["energy.supply.term"].search(
            [("service_point_id", "in", points.ids)]
        )
        for term in terms:
            since = epoch(term.date_from) if term.date_from else BEGINNING
            self.terms[term.service_point_id].append((since, term))
        for found in self.terms.values():
            found.sort(key=lambda item: item[0])
        for installation in points.installation_ids:
            end = epoch(installation.date_to) if installation.date_to else -BEGINNING
            span = epoch(installation.date_from), end
            self.spans[installation.service_point_id].append(span)

    def _at(self, point, day):
        """The first instant of a local day by the point's clock, in epoch seconds."""
        return midnight(zone(point.tariff_id.tz), day)

    def _supplied(self, point, at):
        return any(low <= at < high for low, high in self.spans[point])

    def _term(self, point, at):
        terms = [term for since, term in self.terms[point] if since <= at]
        return terms[-1] if terms else self.terms[point][0][1]

    @staticmethod
    def _key(term, day, version, kind, charge):
        point, tariff = term.service_point_id, term.tariff_id
        return (
            *(point.id, term.wallet_id.id or None, point.company_id.id),
            *(tariff.currency_id.id, tariff.id, day, version, None, None, None),
            *(kind, charge),
        )

    def fixed(self, point, day_from, day_to):
        """The daily and monthly charges of day_from ≤ local day ≤ day_to.

        :return: dict key -> [0, net, with levies].
        """
        rows = {}
        day = day_from
        while day <= day_to:
            first = day == point.charged_from
            at = self._at(point, day)
            if first or self._supplied(point, at):
                term = self._term(point, at)
                tariff = term.tariff_id._compiled()
                due = []
                if not first:
                    due += tariff.daily_charges(day, day + timedelta(days=1))
                if first or day.day == 1:
                    due += tariff.monthly_charges(day)
                for _day, version, name, net, total in due:
                    if not net:
                        continue
                    key = self._key(term, day, version, "fixed", name)
                    rows[key] = [Decimal(0), net, total]
            day += timedelta(days=1)
        return rows

    def month_end(self, point, first, state, sums):
        """The demand charges and the minimum of the month of the date ``first``.

        :param dict state: the point's rating state, with the month's maxima.
        :param dict sums: kind of charge -> net amount of the month so far.
        :return: dict key -> [0, net, with levies].
        """
        following = (first + timedelta(days=32)).replace(day=1)
        last = following - timedelta(days=1)
        end = self._at(point, following) - 1
        found = Maxima({}, state).found.get(f"{first:%Y-%m}", {})
        rows = {}
        sums = {kind: sums.get(kind, Decimal(0)) for kind in ("energy", "fixed")}
        sums["demand"] = Decimal(0)
        for term in self._terms_of(point, self._at(point, first), end):
            tariff = term.tariff_id._compiled()
            for version, name, _kw, net, total in tariff.demand_charges(found):
                key = self._key(term, last, version, "demand", name)
                if key not in rows:
                    sums["demand"] = EXACT.add(sums["demand"], net)
                rows[key] = [Decimal(0), net, total]
        term = self._term(point, end)
        if any(sums.values()) or self._supplied(point, end):
            due = term.tariff_id._compiled().minimum_charge(first, sums)
            if due:
                version, net, total = due
                key = self._key(term, last, version, "minimum", None)
                rows[key] = [Decimal(0), net, total]
        return rows

    def _terms_of(self, point, low, high):
        """One term, the last, of each tariff that was in force between two instants."""
        found = {}
        ends = [since for since, _term in self.terms[point][1:]] + [-BEGINNING]
        for (since, term), end in zip(self.terms[point], ends, strict=True):
            if since <= high and end > low:
                found[term.tariff_id] = term
        return found.values()


def month_sums(env, point_id, first):
    """The net amounts of a service point's month: dict kind -> Decimal."""
    env.flush_all()
    rows = env.execute_query(
        SQL(
            """
            SELECT kind, sum(amount)::text FROM energy_usage
             WHERE service_point_id = %s AND day >= %s AND day < %s GROUP BY 1
            """,
            point_id,
            first,
            (first + timedelta(days=32)).replace(day=1),
        )
    )
    return {kind: Decimal(amount) for kind, amount in rows}
