from odoo import api, models
from odoo.tools import SQL

# A day counts whose noon, by the calendar's clock, is within a leave of everybody.
HOLIDAYS = """
SELECT point.wallet_id, holiday.date
  FROM energy_service_point point
  JOIN energy_tariff_version version ON version.tariff_id = point.tariff_id
  JOIN energy_tariff_holiday holiday ON holiday.version_id = version.id
 WHERE point.wallet_id = ANY(%(wallets)s)
   AND holiday.date >= %(begin)s AND holiday.date < %(end)s
 UNION
SELECT wallet.id, day::date
  FROM energy_wallet wallet
  JOIN res_company company ON company.id = wallet.company_id
  JOIN resource_calendar_leaves leave
    ON leave.resource_id IS NULL AND leave.time_type = 'leave'
   AND (leave.company_id IS NULL OR leave.company_id = company.id)
   AND (leave.calendar_id IS NULL OR leave.calendar_id = company.resource_calendar_id)
   AND leave.date_to >= %(begin)s AND leave.date_from < %(end)s + interval '1 day'
  LEFT JOIN resource_calendar calendar
    ON calendar.id = COALESCE(leave.calendar_id, company.resource_calendar_id)
  JOIN generate_series(%(begin)s::timestamp, %(end)s::timestamp - interval '1 day',
                       interval '1 day') day
    ON (day + interval '12 hours') AT TIME ZONE COALESCE(calendar.tz, 'UTC')
       AT TIME ZONE 'UTC' BETWEEN leave.date_from AND leave.date_to
 WHERE wallet.id = ANY(%(wallets)s)
"""


class EnergyForecast(models.Model):
    """Public holidays: a forecast takes them for Sundays."""

    _inherit = "energy.forecast"

    @api.model
    def _holidays(self, wallets, begin, end):
        """The holidays of the wallets' tariffs, and of their companies' calendar.

        :param date begin, end: the first day, and the first one after.
        :return: dict wallet id -> set of dates, where there are any.
        """
        if not wallets:
            return {}
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(HOLIDAYS, wallets=wallets.ids, begin=begin, end=end)
        )
        result = {}
        for wallet_id, day in rows:
            result.setdefault(wallet_id, set()).add(day)
        return result
