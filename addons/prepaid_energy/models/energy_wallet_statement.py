from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from odoo import models
from odoo.tools import SQL

from ..ingest.rerate import Rerating
from ..rating.clock import midnight, zone

CONSUMPTION = ("consumption", "correction")  # rows of a service point: usage has them


def day_begin(day, tz):
    """The first instant of a local day, as naive UTC datetime."""
    return datetime.fromtimestamp(midnight(zone(tz), day), UTC).replace(tzinfo=None)


class EnergyWallet(models.Model):
    """What a wallet held at any past instant, and what moved it between two.

    The ledger books consumption day by day, when the day is over. A statement needs it
    when it happened, so it takes consumption from the usage (whole days) and rates the
    readings of the day in question up to the instant. Corrections that came later count
    where they belong: a statement of a past month is what is known of it today.
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
        rated = Rerating(point, day, None).until(moment)
        return sum(
            (
                parts[2]
                for key, parts in rated.items()
                if key[1] == self.id and key[4] == tariff.id and key[5] == day
            ),
            Decimal(0),
        )

    def _statement(self, low, high):
        """What moved the wallet between two instants, in order of time.

        :param datetime low, high: naive UTC; rows are of low < time ≤ high.
        :return: dict: opening, closing (exact Decimals), rows: list of dicts time
            (naive UTC), name, amount; consumption has one row a local day and service
            point, at the day's end or at ``high``.
        """
        self.ensure_one()
        opening, closing = self._balance_at(low), self._balance_at(high)
        rows = [*self._statement_entries(low, high), *self._statement_usage(low, high)]
        rows.sort(key=lambda row: (row["time"], row["name"]))
        rest = closing - opening - sum((row["amount"] for row in rows), Decimal(0))
        if rest:
            name = self.env._("Consumption of parts of the first and last day")
            rows.append({"time": high, "name": name, "amount": rest})
        return {"opening": opening, "closing": closing, "rows": rows}

    def _statement_entries(self, low, high):
        found = self.env.execute_query(
            SQL(
                """
                SELECT at, name, amount::text FROM energy_wallet_entry
                 WHERE wallet_id = %s AND at > %s AND at <= %s
                   AND NOT (kind IN %s AND service_point_id IS NOT NULL)
                 ORDER BY at, id
                """,
                self.id,
                low,
                high,
                CONSUMPTION,
            )
        )
        return [
            {"time": at, "name": name, "amount": Decimal(amount)}
            for at, name, amount in found
        ]

    def _statement_usage(self, low, high):
        """Whole local days of consumption that ended within the time."""
        sums = defaultdict(Decimal)
        for point, day, tz, amount in self.env.execute_query(
            SQL(
                """
                SELECT point.name, usage.day, tariff.tz, sum(usage.amount_total)::text
                  FROM energy_usage usage
                  JOIN energy_service_point point ON point.id = usage.service_point_id
                  JOIN energy_tariff tariff ON tariff.id = usage.tariff_id
                 WHERE usage.wallet_id = %s
                   AND (usage.day::timestamp AT TIME ZONE tariff.tz
                        AT TIME ZONE 'UTC') >= %s
                   AND ((usage.day + 1)::timestamp AT TIME ZONE tariff.tz
                        AT TIME ZONE 'UTC') <= %s
                 GROUP BY 1, 2, 3
                """,
                self.id,
                low,
                high,
            )
        ):
            end = day_begin(day + timedelta(days=1), tz)
            sums[point, day, end] -= Decimal(amount)
        return [
            {
                "time": end,
                "name": self.env._("Consumption: %(point)s, %(day)s", point=p, day=day),
                "amount": amount,
            }
            for (p, day, end), amount in sums.items()
        ]
