"""The statement of wallets over local days: from the ledger and the usage, exact.

How to use::

    statement = Statement(wallets, date(2026, 5, 1), date(2026, 5, 31))
    statement.sums()        # {wallet id: Sums}
    for line in statement.lines(): ...

How it works: the ledger books consumption after its day is over, and a late reading as
a correction on the day when it was booked. A statement wants consumption where it
belongs, so it takes it from the usage, one row a service point and local day, and all
else from the ledger. What is known today about a past month is what its statement
says; a day that was corrected later says when, by how much and why.

A day's consumption counts in a period by its date, all else by its time. So the
closing balance of a period is the opening one of the next, and that of a period that
reaches to today is the wallet's balance.
"""

from collections import namedtuple
from datetime import timedelta
from decimal import Decimal
from itertools import groupby

from odoo.exceptions import ValidationError
from odoo.tools import SQL

from ..models.clock import day_begin
from ..models.energy_wallet_statement import CONSUMPTION
from .streaming import stream

# Amounts are Decimals in the wallet's currency, signed as the wallet sees them;
# quantities in the unit of the service point's tariff.
Sums = namedtuple("Sums", "opening paid_in taken_out consumption closing")
PointSums = namedtuple("PointSums", "wallet point quantity unit amount")
# `day` is a local date; `time` the local time of a ledger row, else None. `kind` is
# one of the ledger's, "opening" or "closing".
Line = namedtuple("Line", "wallet day time kind name quantity unit amount balance note")


class Statement:
    """What moved some wallets on the local days from ``date_from`` to ``date_to``.

    Raw SQL, for speed: the constructor checks that the user may read the wallets, and
    ledger and usage follow the wallet's rules. A constant number of statements.

    :param recordset wallets: ``energy.wallet``, in the user's environment.
    :param date date_from, date_to: both included; by the clock of each wallet.
    :raise AccessError: not the user's wallets.
    :raise ValidationError: the period ends before it begins.
    """

    def __init__(self, wallets, date_from, date_to):
        self.env = wallets.env
        wallets.check_access("read")
        for model in ("energy.wallet.entry", "energy.usage"):
            self.env[model].check_access("read")
        if date_to < date_from:
            raise ValidationError(
                self.env._("The statement's period ends before it begins.")
            )
        self.wallets = wallets
        self.date_from, self.date_to = date_from, date_to
        self.env.flush_all()
        self.clocks = wallets._clocks()
        self._sums = None
        self._units = {None: ""}

    def _spans(self):
        """A VALUES-like table: wallet, its place, clock, and the period's bounds."""
        until = self.date_to + timedelta(days=1)
        clocks = [self.clocks[wallet.id] for wallet in self.wallets]
        return SQL(
            """unnest(%s::int[], %s::text[], %s::int[], %s::timestamp[],
                      %s::timestamp[])
               WITH ORDINALITY AS span(wallet_id, tz, digits, low, high, place)""",
            self.wallets.ids,
            clocks,
            [wallet.currency_id.decimal_places for wallet in self.wallets],
            [day_begin(self.date_from, tz) for tz in clocks],
            [day_begin(until, tz) for tz in clocks],
        )

    def _unit(self, unit_id):
        """The name of a unit; looked up once."""
        if unit_id not in self._units:
            # sudo: tenants read no units, they see their names
            unit = self.env["uom.uom"].sudo().browse(unit_id)
            self._units[unit_id] = unit.name
        return self._units[unit_id]

    # ------------------------------------------------------------------ sums

    def sums(self):
        """Opening, what came and went, and closing of each wallet.

        :return: dict wallet id -> :data:`Sums`.
        """
        if self._sums is None:
            found = self.env.execute_query(
                SQL(
                    """
                    SELECT span.wallet_id,
                           (booked.before - used.before)::text,
                           booked.paid_in::text, booked.taken_out::text,
                           (-used.within)::text
                      FROM %(spans)s
                     CROSS JOIN LATERAL (%(booked)s) booked
                     CROSS JOIN LATERAL (%(used)s) used
                    """,
                    spans=self._spans(),
                    booked=self._booked(),
                    used=self._used(),
                )
            )
            self._sums = {}
            for wallet_id, *parts in found:
                opening, *moved = map(Decimal, parts)
                closing = opening + sum(moved)
                self._sums[wallet_id] = Sums(opening, *moved, closing)
        return self._sums

    def _booked(self):
        """Sums of a wallet's ledger rows other than consumption."""
        return SQL(
            """
            SELECT COALESCE(sum(amount) FILTER (WHERE at < span.low), 0) AS before,
                   COALESCE(sum(amount) FILTER (WHERE at >= span.low AND amount > 0), 0)
                       AS paid_in,
                   COALESCE(sum(amount) FILTER (WHERE at >= span.low AND amount < 0), 0)
                       AS taken_out
              FROM energy_wallet_entry entry
             WHERE entry.wallet_id = span.wallet_id AND at < span.high
               AND NOT (kind IN %s AND service_point_id IS NOT NULL)
            """,
            CONSUMPTION,
        )

    def _used(self):
        """Sums of a wallet's consumption, levies included."""
        return SQL(
            """
            SELECT COALESCE(sum(amount_total) FILTER (WHERE day < %(low)s), 0)
                       AS before,
                   COALESCE(sum(amount_total) FILTER (WHERE day >= %(low)s), 0)
                       AS within
              FROM energy_usage usage
             WHERE usage.wallet_id = span.wallet_id AND day <= %(high)s
            """,
            low=self.date_from,
            high=self.date_to,
        )

    def points(self):
        """Consumption by service point, as a list of :data:`PointSums`."""
        found = self.env.execute_query(
            SQL(
                """
                SELECT usage.wallet_id, point.name, usage.uom_id,
                       COALESCE(sum(usage.quantity), 0)::text,
                       (-sum(usage.amount_total))::text
                  FROM %s
                  JOIN energy_usage usage ON usage.wallet_id = span.wallet_id
                   AND usage.day BETWEEN %s AND %s
                  JOIN energy_service_point point ON point.id = usage.service_point_id
                 GROUP BY span.place, usage.wallet_id, point.id, point.name,
                       usage.uom_id
                HAVING sum(usage.quantity) <> 0 OR sum(usage.amount_total) <> 0
                 ORDER BY span.place, point.name, point.id
                """,
                self._spans(),
                self.date_from,
                self.date_to,
            )
        )
        return [
            PointSums(
                wallet, point, Decimal(quantity), self._unit(unit), Decimal(amount)
            )
            for wallet, point, unit, quantity, amount in found
        ]

    def count(self):
        """How many rows lie between the opening and closing ones of all wallets."""
        query = SQL("SELECT count(*) FROM (%s) AS row", self._rows())
        return self.env.execute_query(query)[0][0]

    # ------------------------------------------------------------------ rows

    def lines(self):
        """Yield :data:`Line` by wallet and time, with the running balance.

        Each wallet begins with its opening and ends with its closing balance. The
        rows are never all in memory.
        """
        query = SQL("SELECT * FROM (%s) AS row ORDER BY 1, 2, 3, 4", self._rows())
        groups = groupby(stream(self.env, query), key=lambda row: row[0])
        place, rows = next(groups, (None, ()))
        for number, wallet in enumerate(self.wallets, 1):
            sums = self.sums()[wallet.id]
            yield self._bound(wallet, self.date_from, "opening", sums.opening)
            if place == number:
                yield from self._running(wallet, sums.opening, rows)
                place, rows = next(groups, (None, ()))
            yield self._bound(wallet, self.date_to, "closing", sums.closing)

    @staticmethod
    def _bound(wallet, day, kind, balance):
        return Line(wallet, day, None, kind, None, None, None, None, balance, None)

    def _running(self, wallet, balance, rows):
        for row in rows:
            day, time, kind, name, quantity, unit, amount, note = row[4:]
            amount = Decimal(amount)
            balance += amount
            quantity = quantity and Decimal(quantity)
            unit = self._unit(unit)
            yield Line(
                wallet, day, time, kind, name, quantity, unit, amount, balance, note
            )

    def _rows(self):
        """SELECT place, time, rank and id to order by; then the parts of a line."""
        return SQL("%s UNION ALL %s", self._ledger_rows(), self._usage_rows())

    def _ledger_rows(self):
        """A top-up reads as in the portal, in the language of who looks."""
        return SQL(
            """
            SELECT span.place, entry.at, 1, entry.id,
                   (entry.at AT TIME ZONE 'UTC' AT TIME ZONE span.tz)::date,
                   entry.at AT TIME ZONE 'UTC' AT TIME ZONE span.tz,
                   entry.kind,
                   COALESCE(replace(%(topup)s, '%%s', payment.name), entry.name),
                   NULL::text, NULL::int, entry.amount::text, NULL::text
              FROM %(spans)s
              JOIN energy_wallet_entry entry ON entry.wallet_id = span.wallet_id
               AND entry.at >= span.low AND entry.at < span.high
              LEFT JOIN account_payment payment ON payment.id = entry.payment_id
               AND entry.kind = 'topup'
             WHERE NOT (entry.kind IN %(kinds)s AND entry.service_point_id IS NOT NULL)
            """,
            topup=self.env._("Top-up %s"),
            spans=self._spans(),
            kinds=CONSUMPTION,
        )

    def _usage_rows(self):
        """One row a service point, local day and unit, at the day's end."""
        return SQL(
            """
            SELECT span.place,
                   (used.day + 1)::timestamp AT TIME ZONE span.tz AT TIME ZONE 'UTC',
                   0, point.id, used.day, NULL::timestamp, 'consumption', point.name,
                   used.quantity::text, used.uom_id, (-used.amount)::text,
                   COALESCE(fixed.note, used.reason)
              FROM (SELECT wallet_id, service_point_id, day, uom_id,
                           sum(quantity) AS quantity, sum(amount_total) AS amount,
                           max(reason) AS reason
                      FROM energy_usage
                     WHERE wallet_id = ANY(%(wallets)s)
                       AND day BETWEEN %(low)s AND %(high)s
                     GROUP BY wallet_id, service_point_id, day, uom_id
                    HAVING sum(quantity) <> 0 OR sum(amount_total) <> 0) used
              JOIN %(spans)s ON span.wallet_id = used.wallet_id
              JOIN energy_service_point point ON point.id = used.service_point_id
              LEFT JOIN (%(corrections)s) fixed
                ON fixed.wallet_id = used.wallet_id AND fixed.day = used.day
               AND fixed.service_point_id = used.service_point_id
            """,
            wallets=self.wallets.ids,
            low=self.date_from,
            high=self.date_to,
            spans=self._spans(),
            corrections=self._corrections(),
        )

    def _corrections(self):
        """What was booked for a day after it had been settled: when, how much, why."""
        return SQL(
            """
            SELECT entry.wallet_id, entry.service_point_id, entry.day,
                   string_agg(concat(
                       (entry.at AT TIME ZONE 'UTC' AT TIME ZONE span.tz)::date, ' ',
                       CASE WHEN entry.amount > 0 THEN '+' END,
                       round(entry.amount, span.digits), ' ',
                       replace(entry.name,
                               concat(': ', point.name, ', ', entry.day), '')),
                       '; ' ORDER BY entry.at, entry.id) AS note
              FROM %s
              JOIN energy_wallet_entry entry ON entry.wallet_id = span.wallet_id
               AND entry.kind = 'correction' AND entry.day BETWEEN %s AND %s
              JOIN energy_service_point point ON point.id = entry.service_point_id
             GROUP BY 1, 2, 3
            """,
            self._spans(),
            self.date_from,
            self.date_to,
        )
