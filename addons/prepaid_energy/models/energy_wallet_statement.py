from datetime import timedelta
from decimal import Decimal

from odoo import models
from odoo.tools import SQL

from ..ingest.rerate import Rerating
from .clock import day_begin

CONSUMPTION = ("consumption", "correction")  # rows of a service point: usage has them


class EnergyWallet(models.Model):
    """What a wallet held at any past instant; see ``reports/statement.py`` for days.

    The ledger books consumption day by day, when the day is over. A balance needs it
    when it happened, so it takes consumption from the usage (whole days) and rates the
    readings of the day in question up to the instant. Corrections that came later count
    where they belong: the balance of a past instant is what is known of it today.
    """

    _inherit = "energy.wallet"

    def _balance_at(self, moment):
        """The balance at an instant, by what is known today.

        Consumption between two readings is spread evenly over the time between them.
        Demand and the minimum of a month are due at the end of its last local day.

        :param datetime moment: naive UTC.
        :return: exact Decimal in the wallet's currency.
        """
        self.ensure_one()
        self.env.flush_all()
        booked = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(sum(amount), 0)::text FROM energy_wallet_entry
                 WHERE wallet_id = %s AND at <= %s
                   AND NOT (kind IN %s AND service_point_id IS NOT NULL)
                """,
                self.id,
                moment,
                CONSUMPTION,
            )
        )[0][0]
        used = sum(self._used_until(moment), Decimal(0))
        return Decimal(booked) - used

    def _used_until(self, moment):
        """What each tariff's points had used until an instant, levies included."""
        rows = self.env.execute_query(
            SQL(
                "SELECT DISTINCT service_point_id, tariff_id FROM energy_usage "
                "WHERE wallet_id = %s",
                self.id,
            )
        )
        for point_id, tariff_id in rows:
            point = self.env["energy.service.point"].sudo().browse(point_id)
            tariff = self.env["energy.tariff"].sudo().browse(tariff_id)
            day = tariff._local_day(moment)
            yield self._used_before(point_id, tariff_id, day)
            yield self._used_on(point, tariff, day, moment)

    def _used_before(self, point_id, tariff_id, day):
        """What a point used under a tariff before a local day, and its fixed charges
        of that day, which are due at its local 00:00."""
        return Decimal(
            self.env.execute_query(
                SQL(
                    """
                    SELECT COALESCE(sum(amount_total), 0)::text FROM energy_usage
                     WHERE wallet_id = %s AND service_point_id = %s AND tariff_id = %s
                       AND (day < %s OR day = %s AND kind = 'fixed')
                    """,
                    self.id,
                    point_id,
                    tariff_id,
                    day,
                    day,
                )
            )[0][0]
        )

    def _used_on(self, point, tariff, day, moment):
        """What a point used under a tariff on a local day up to an instant."""
        if moment == day_begin(day, tariff.tz):
            return Decimal(0)
        rating = Rerating(point, day, None)
        if not rating.is_kept():
            return self._spread_on(point, tariff, day, moment)
        rated = rating.until(moment)
        return sum(
            (
                parts[2]
                for key, parts in rated.items()
                if key[1] == self.id and key[4] == tariff.id and key[5] == day
            ),
            Decimal(0),
        )

    def _spread_on(self, point, tariff, day, moment):
        """As :meth:`_used_on`, of a day whose readings were dropped: spread evenly."""
        begin = day_begin(day, tariff.tz)
        end = day_begin(day + timedelta(days=1), tariff.tz)
        return Decimal(
            self.env.execute_query(
                SQL(
                    """
                    SELECT (COALESCE(sum(amount_total), 0) * %s / %s)::text
                      FROM energy_usage
                     WHERE wallet_id = %s AND service_point_id = %s
                       AND tariff_id = %s AND day = %s AND kind = 'energy'
                    """,
                    round((moment - begin).total_seconds()),
                    round((end - begin).total_seconds()),
                    self.id,
                    point.id,
                    tariff.id,
                    day,
                )
            )[0][0]
        )

    def _clocks(self):
        """By which clock the days of each wallet go: that of its tariff.

        With several tariffs, that of the newest supply; without one, the company's, or
        that of its first site.

        :return: dict wallet id -> name of a time zone.
        """
        self.env.flush_all()
        found = dict(
            self.env.execute_query(
                SQL(
                    """
                    SELECT DISTINCT ON (term.wallet_id) term.wallet_id, tariff.tz
                      FROM energy_supply_term term
                      JOIN energy_tariff tariff ON tariff.id = term.tariff_id
                     WHERE term.wallet_id = ANY(%s)
                     ORDER BY term.wallet_id, term.date_from DESC NULLS LAST, term.id
                    """,
                    self.ids,
                )
            )
        )
        # sudo: the park's clock tells the hour, to its tenants as well
        unsupplied = self.sudo().filtered(lambda wallet: wallet.id not in found)
        for company, wallets in unsupplied.grouped("company_id").items():
            site = unsupplied.env["energy.site"].search_fetch(
                [("company_id", "=", company.id)], ["tz"], order="id", limit=1
            )
            tz = company.partner_id.tz or site.tz
            found.update(dict.fromkeys(wallets.ids, tz or "UTC"))
        return found
