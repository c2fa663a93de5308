from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from .. import forecast
from .patience import patiently

BATCH = 100  # wallets in a transaction
STALE = timedelta(days=8)  # older than this, a forecast is not used
AHEAD = 62  # days whose holidays count
HOURS = """
SELECT interval.wallet_id, interval.day, interval.hour,
       (sum(interval.amount) / count(DISTINCT interval.at))::float,
       min(interval.covered), min(site.tz)
  FROM energy_interval interval
  JOIN energy_site site ON site.id = interval.site_id
 WHERE interval.wallet_id = ANY(%s) AND interval.day >= %s AND interval.day < %s
 GROUP BY 1, 2, 3 ORDER BY 1, 2, 3
"""
FIXED = """
SELECT wallet_id, sum(amount_total)::float FROM energy_usage
 WHERE wallet_id = ANY(%s) AND day >= %s AND day < %s AND kind <> 'energy'
 GROUP BY 1
"""


class EnergyForecast(models.Model):
    """What a wallet usually pays at each hour of the week, learnt once a day.

    A table of its own: the rows of wallets change with every batch of readings. Which
    method is used is measured for each wallet (``forecast.py``): the profile only where
    it was nearer to what happened in the last weeks than the plain average.
    """

    _name = "energy.forecast"
    _description = "Forecast of a Wallet"
    _order = "wallet_id"
    _rec_name = "wallet_id"

    wallet_id = fields.Many2one(
        "energy.wallet", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="wallet_id.company_id", store=True)
    made_at = fields.Datetime("Made On", required=True, readonly=True, index=True)
    tz = fields.Char("Clock", readonly=True, help="By which its hours go.")
    method = fields.Selection(
        [("profile", "Usual week"), ("average", "Average of seven days")],
        required=True,
        readonly=True,
    )
    profile = fields.Json(readonly=True, help="Money by hour, from Monday 00:00 on.")
    error_profile = fields.Float(
        "Error of the Usual Week (d)",
        readonly=True,
        digits=(6, 2),
        aggregator="avg",
        help="Mean absolute error of the last weeks, in days.",
    )
    error_average = fields.Float(
        "Error of the Average (d)", readonly=True, digits=(6, 2), aggregator="avg"
    )
    looks = fields.Integer(
        readonly=True, help="So many past moments the errors are the mean of."
    )

    _wallet_uniq = models.UniqueIndex("(wallet_id)")

    @api.model
    def _cron_learn(self):
        """Learn again what each wallet uses; once a day."""
        cron = self.env["ir.cron"]
        begun = fields.Datetime.now()
        while True:
            done = patiently(self.env, lambda: self._learn_batch(begun))
            left = cron._commit_progress(done)
            if done < BATCH or not left:
                return

    def _learn_batch(self, begun):
        """Learn some wallets whose forecast is from before today's run.

        :return: how many.
        """
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT wallet.id FROM energy_wallet wallet
                  LEFT JOIN energy_forecast made ON made.wallet_id = wallet.id
                 WHERE wallet.active AND (made.made_at IS NULL OR made.made_at < %s)
                   AND EXISTS (SELECT 1 FROM energy_service_point
                                WHERE wallet_id = wallet.id)
                 ORDER BY wallet.id LIMIT %s
                """,
                begun - timedelta(hours=20),
                BATCH,
            )
        )
        wallets = self.env["energy.wallet"].browse([row[0] for row in rows])
        self._learn(wallets)
        return len(wallets)

    @api.model
    def _learn(self, wallets):
        """Make the forecasts of wallets anew."""
        if not wallets:
            return
        known = {row.wallet_id.id: row for row in self._of(wallets)}
        today = fields.Date.today()
        series = self._series(wallets, today)
        fixed = self._fixed(wallets, today)
        holidays = self._holidays(wallets, _oldest(today), today)
        for wallet in wallets:
            values = {"wallet_id": wallet.id, "made_at": fields.Datetime.now()}
            values.update(
                _learnt(
                    *series[wallet.id],
                    fixed.get(wallet.id, 0.0),
                    holidays.get(wallet.id, ()),
                )
                if wallet.id in series
                else _unknown()
            )
            if wallet.id in known:
                known[wallet.id].write(values)
            else:
                self.create(values)

    def _of(self, wallets):
        return self.search([("wallet_id", "in", wallets.ids)])

    def _series(self, wallets, today):
        """The hours of whole days until yesterday.

        :return: dict wallet id -> (list of money by hour without gaps, first day,
            clock); an hour that is not known in full is None.
        """
        rows = self.env.execute_query(SQL(HOURS, wallets.ids, _oldest(today), today))
        result = {}
        for wallet_id, day, hour, money, covered, tz in rows:
            hours, first, _tz = result.setdefault(wallet_id, ([], day, tz))
            index = (day - first).days * 24 + hour
            hours.extend([None] * (index - len(hours)))
            hours.append(money if covered >= 3600 else None)
        return result

    def _fixed(self, wallets, today):
        """Charges beside the energy, per hour: dict wallet id -> float."""
        days = 7 * forecast.TESTED_WEEKS
        begin = today - timedelta(days=days)
        rows = self.env.execute_query(SQL(FIXED, wallets.ids, begin, today))
        return {wallet_id: money / days / 24 for wallet_id, money in rows}

    def _profiles(self, wallets):
        """The profiles to go by: dict wallet id -> (168 floats, clock, holidays)."""
        # sudo: tenants read no forecasts; the caller may read the wallets
        rows = self.sudo().search_fetch(
            [
                ("wallet_id", "in", wallets.ids),
                ("method", "=", "profile"),
                ("made_at", ">", fields.Datetime.now() - STALE),
            ],
            ["wallet_id", "profile", "tz"],
        )
        # a day more on each side: which day it is depends on the clock
        today = fields.Date.today()
        begin, end = today - timedelta(days=1), today + timedelta(days=AHEAD)
        holidays = self._holidays(rows.wallet_id, begin, end)
        return {
            row.wallet_id.id: (row.profile, row.tz, holidays.get(row.wallet_id.id, ()))
            for row in rows
        }


def _oldest(today):
    """The first day that is looked at."""
    return today - timedelta(weeks=forecast.WEEKS + forecast.TESTED_WEEKS)


def _unknown():
    return {
        "method": "average",
        "profile": False,
        "error_profile": 0,
        "error_average": 0,
        "looks": 0,
    }


def _learnt(hours, first, tz, extra, holidays):
    """The values of a forecast from the hours of a wallet.

    :param date first: the day that the hours begin with.
    :param holidays: dates.
    """
    days = range(-(-len(hours) // 24))
    off = [first + timedelta(days=number) in holidays for number in days]
    free = [holiday for holiday in off for _hour in range(24)] if any(off) else []
    slot = first.weekday() * 24
    profile = forecast.learn(hours, slot, extra, free)
    if profile is None:
        return _unknown()
    by_profile, by_average, looks = forecast.backtest(hours, slot, free=free)
    better = forecast.is_better(by_profile, by_average)
    return {
        "tz": tz,
        "method": "profile" if better else "average",
        "profile": [round(money, 6) for money in profile],
        "error_profile": by_profile or 0,
        "error_average": by_average or 0,
        "looks": looks,
    }
