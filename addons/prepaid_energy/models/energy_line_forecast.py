from datetime import UTC, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta

from odoo import api, models
from odoo.tools import SQL

from . import quotas
from .clock import day_begin
from .line_usage import line_usage

WEEKS = timedelta(weeks=4)  # over which the usual load is taken


class EnergyLineForecast(models.AbstractModel):
    """What a production line will use in the rest of the month.

    From the mean of the last four weeks by weekday and hour, of each service point from
    its last reading on; where there are no hours, from the days. Public holidays are
    like Sundays.
    """

    _name = "energy.line.forecast"
    _description = "Forecast of a Production Line"

    @api.model
    def _to_come(self, quota, now, end):
        """:return: Decimal in the unit of the quota.

        :param datetime now, end: naive UTC.
        """
        tz = ZoneInfo(quota.line_id.site_id.tz or "UTC")
        holidays = self._holidays(quota.line_id, now, end)
        result = Decimal(0)
        for point_id, share, last in self._points(quota.line_id):
            begin = min(max(last or now, day_begin(quota.month, tz.key)), now)
            load = quotas.mean_load(
                self._hours(quota, point_id, now, holidays)
                or self._days(quota, point_id, now, tz, holidays)
            )
            left = quotas.hours_left(
                begin.replace(tzinfo=UTC), end.replace(tzinfo=UTC), tz, holidays
            )
            result += quotas.still_to_come(load, left) * share / 100
        if quota.unit == "money":
            result += self._charges(quota, now)
        return result

    def _holidays(self, line, now, end):
        """The dates of them since the hours that are looked at, until the end."""
        wallet = line.sudo().wallet_id  # sudo: a head of department reads no tariffs
        begin, end = (now - WEEKS).date(), end.date() + timedelta(days=1)
        found = self.env["energy.forecast"]._holidays(wallet, begin, end)
        return found.get(wallet.id, set())

    def _points(self, line):
        """(service point id, share in per cent, its last reading) as they are now."""
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT share.service_point_id, share.share::text, meter.last_reading_at
                  FROM energy_line_share share
                  JOIN energy_service_point point ON point.id = share.service_point_id
                  LEFT JOIN energy_meter meter ON meter.id = point.meter_id
                 WHERE share.line_id = %s AND share.date_to IS NULL AND share.share > 0
                 ORDER BY 1
                """,
                line.id,
            )
        )
        return [(point_id, Decimal(share), last) for point_id, share, last in rows]

    def _hours(self, quota, point_id, now, holidays):
        """The usual hours, for ``quotas.mean_load``; empty where there are none."""
        if "energy.interval" not in self.env:
            return []
        value = (
            SQL("hour.energy * unit.factor / kwh.factor")
            if quota.unit == "energy"
            else SQL("hour.amount")
        )
        rows = self.env.execute_query(
            SQL(
                """
                SELECT CASE WHEN hour.day = ANY(%(holidays)s) THEN %(sunday)s
                            ELSE hour.weekday END,
                       hour.hour, sum(%(value)s)::text, sum(hour.covered)
                  FROM energy_interval hour
                  JOIN energy_tariff tariff ON tariff.id = hour.tariff_id
                  JOIN uom_uom unit ON unit.id = tariff.register_uom_id
                  JOIN uom_uom kwh ON kwh.id = %(kwh)s
                 WHERE hour.service_point_id = %(point)s AND hour.at >= %(since)s
                   AND hour.at < %(now)s AND (%(money)s OR unit.parent_path LIKE concat(
                       split_part(kwh.parent_path, '/', 1), '/%%'))
                 GROUP BY 1, 2 HAVING sum(%(value)s) IS NOT NULL
                """,
                value=value,
                holidays=list(holidays),
                sunday=quotas.SUNDAY,
                kwh=self.env.ref("uom.product_uom_kwh").id,
                point=point_id,
                since=now - WEEKS,
                now=now,
                money=quota.unit == "money",
            )
        )
        return [
            ((weekday, hour), Decimal(amount), covered)
            for weekday, hour, amount, covered in rows
        ]

    def _days(self, quota, point_id, now, tz, holidays):
        """The usual days, spread evenly over their hours."""
        today = now.replace(tzinfo=UTC).astimezone(tz).date()
        since = today - WEEKS
        value = (
            SQL("used.quantity * unit.factor / kwh.factor")
            if quota.unit == "energy"
            else SQL("used.amount_total")
        )
        rows = self.env.execute_query(
            SQL(
                """
                SELECT used.day, sum(%(value)s)::text
                  FROM energy_usage used
                  JOIN uom_uom unit ON unit.id = used.uom_id
                  JOIN uom_uom kwh ON kwh.id = %(kwh)s
                 WHERE used.service_point_id = %(point)s AND used.kind = 'energy'
                   AND used.day >= %(since)s AND used.day < %(today)s
                   AND (%(money)s OR unit.parent_path LIKE concat(
                       split_part(kwh.parent_path, '/', 1), '/%%'))
                 GROUP BY 1
                """,
                value=value,
                kwh=self.env.ref("uom.product_uom_kwh").id,
                point=point_id,
                since=since,
                today=today,
                money=quota.unit == "money",
            )
        )
        used = {day: Decimal(amount) for day, amount in rows}
        if not used:
            return []
        days = (today - min(used)).days
        known = [min(used) + timedelta(days=number) for number in range(days)]
        return [
            (
                (quotas.weekday(day, holidays), hour),
                used.get(day, Decimal(0)) / 24,
                3600,
            )
            for day in known
            for hour in range(24)
        ]

    def _charges(self, quota, now):
        """What is charged beside energy: fixed charges by the day as of late; demand
        and minimum as in the month before, if that is more than there is already."""
        today = quota.line_id._today(now)
        before = quota.month - relativedelta(months=1)
        since = today - WEEKS
        rows = self.env.execute_query(
            SQL(
                """
                SELECT kind = 'fixed', min(day),
                       COALESCE(sum(money)
                           FILTER (WHERE day >= %s AND day < %s), 0)::text,
                       COALESCE(sum(money) FILTER (WHERE day < %s), 0)::text,
                       COALESCE(sum(money) FILTER (WHERE day >= %s), 0)::text
                  FROM (%s) part
                 WHERE line_id = %s AND kind <> 'energy' AND day >= %s
                 GROUP BY 1
                """,
                since,
                today,
                quota.month,
                quota.month,
                line_usage(self.env, quota.line_id),
                quota.line_id.id,
                before,
            )
        )
        result = Decimal(0)
        for fixed, first, late, last_month, this_month in rows:
            if not fixed:
                result += max(Decimal(last_month) - Decimal(this_month), 0)
            elif first < today:
                days_left = (quota.month + relativedelta(months=1) - today).days - 1
                days = (today - max(first, since)).days
                result += Decimal(late) / days * days_left
        return result
