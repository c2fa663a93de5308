from datetime import UTC, datetime, time, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from pytz import timezone

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, float_repr

from .. import enpi
from ..enpi import WIDE
from .energy_baseline_driver import DRIVERS

# The kWh of each day of which every service point is known, hour by hour. A point
# counts from the day of its first meter to that of its last. One second an hour is
# forgiven: seconds known are whole ones.
MEASURED = """
WITH part AS (%(parts)s),
life AS (
    SELECT part.*, unit.factor / kwh.factor AS factor, life.begins, life.ends
      FROM part
      JOIN energy_service_point point ON point.id = part.service_point_id
      JOIN energy_tariff tariff ON tariff.id = point.tariff_id
      JOIN uom_uom unit ON unit.id = tariff.register_uom_id
      JOIN uom_uom kwh ON kwh.id = %(kwh)s
     CROSS JOIN LATERAL (
        SELECT (min(date_from) AT TIME ZONE 'UTC' AT TIME ZONE %(tz)s)::date AS begins,
               (max(COALESCE(date_to, 'infinity')) AT TIME ZONE 'UTC'
                AT TIME ZONE %(tz)s)::date AS ends
          FROM energy_meter_installation installation
         WHERE installation.service_point_id = point.id) life
     WHERE unit.parent_path LIKE concat(split_part(kwh.parent_path, '/', 1), '/%%')
), days AS (
    SELECT day::date,
           extract(epoch FROM (day + interval '1 day') AT TIME ZONE %(tz)s
                            - day AT TIME ZONE %(tz)s) AS seconds
      FROM generate_series(%(start)s::timestamp, %(end)s::timestamp, '1 day') day
), known AS (
    SELECT days.day, sum(hour.energy) * life.factor * life.share * 0.01 AS energy,
           COALESCE(sum(hour.covered), 0) >= days.seconds - 24 AS whole
      FROM days
      JOIN life ON days.day BETWEEN life.begins AND life.ends
       AND days.day >= life.date_from
       AND (life.date_to IS NULL OR days.day < life.date_to)
      LEFT JOIN energy_interval hour ON hour.service_point_id = life.service_point_id
       AND hour.day = days.day
       AND hour.at >= days.day::timestamp - interval '1 day'
       AND hour.at < days.day::timestamp + interval '2 days'
     GROUP BY days.day, days.seconds, life.service_point_id, life.factor, life.share
)
SELECT day, sum(energy)::text FROM known GROUP BY day HAVING bool_and(whole)
"""
OUTPUT = """
SELECT output.day, sum(output.quantity * unit.factor / wanted.factor)::text,
       bool_and(unit.parent_path LIKE concat(
           split_part(wanted.parent_path, '/', 1), '/%%'))
  FROM energy_line_output output
  JOIN uom_uom unit ON unit.id = output.uom_id
  JOIN uom_uom wanted ON wanted.id = %(unit)s
 WHERE output.line_id = %(line)s AND output.day BETWEEN %(start)s AND %(end)s
   AND (%(all)s OR output.product_id = ANY(%(products)s))
 GROUP BY output.day
"""


class EnergyBaseline(models.Model):
    """The data of a baseline, its fit, and the days that follow from it."""

    _inherit = "energy.baseline"

    # ------------------------------------------------------------------ data

    def _measured(self, start, end):
        """:return: {day: kWh as Decimal} of the days that are known as a whole."""
        rows = self.env.execute_query(
            SQL(
                MEASURED,
                parts=self._parts(),
                kwh=self.env.ref("uom.product_uom_kwh").id,
                tz=self.site_id.tz or "UTC",
                start=start,
                end=end,
            )
        )
        return {day: Decimal(energy) for day, energy in rows}

    def _parts(self):
        """The service points that count, their shares in per cent, and since when."""
        if self.line_id:
            return self.line_id._parts()
        condition = (
            SQL("point.id = %s", self.service_point_id.id)
            if self.service_point_id
            else SQL(
                "point.site_id = %s AND point.parent_id IS NULL "
                "AND point.commodity = 'electricity'",
                self.site_id.id,
            )
        )
        return SQL(
            "SELECT point.id AS service_point_id, 100.0 AS share, "
            "'-infinity'::date AS date_from, NULL::date AS date_to "
            "FROM energy_service_point point WHERE %s",
            condition,
        )

    def _drivers(self):
        """The drivers that are used, in their order."""
        used = {
            "days": True,
            "output": self.use_output,
            "heating": self.use_heating,
            "cooling": self.use_cooling,
            "hours": self.calendar_id,
        }
        return [driver for driver, _name in DRIVERS if used[driver]]

    def _driver_values(self, start, end):
        """:return: {day: (1, Decimal, …)} of the days with all drivers known."""
        columns = [
            getattr(self, f"_values_{name}")(start, end) for name in self._drivers()
        ]
        days = set(columns[0]).intersection(*columns[1:])
        return {day: tuple(column[day] for column in columns) for day in sorted(days)}

    def _values_days(self, start, end):
        length = (end - start).days + 1
        return {start + timedelta(days=n): Decimal(1) for n in range(length)}

    def _values_output(self, start, end):
        """:raise UserError: an output is in a unit that cannot be converted."""
        rows = self.env.execute_query(
            SQL(
                OUTPUT,
                line=self.line_id.id,
                unit=self.output_uom_id.id,
                all=not self.product_ids,
                products=self.product_ids.ids,
                start=start,
                end=end,
            )
        )
        wrong = [day for day, _quantity, same in rows if not same]
        if wrong:
            raise UserError(
                self.env._(
                    "%(line)s, %(day)s: an output is in a unit that cannot be "
                    "converted to %(unit)s. Choose the products that count, or "
                    "another unit.",
                    line=self.line_id.name,
                    day=min(wrong),
                    unit=self.output_uom_id.name,
                )
            )
        return {day: Decimal(quantity) for day, quantity, _same in rows}

    def _values_heating(self, start, end):
        return self._degree_days(start, end, self.heating_base, heating=True)

    def _values_cooling(self, start, end):
        return self._degree_days(start, end, self.cooling_base, heating=False)

    def _degree_days(self, start, end, base, heating):
        rows = self.env.execute_query(
            SQL(
                "SELECT day, mean::text FROM energy_degree_day "
                "WHERE site_id = %s AND day BETWEEN %s AND %s",
                self.site_id.id,
                start,
                end,
            )
        )
        base = Decimal(float_repr(base, 2))
        return {
            day: enpi.degree_days(Decimal(mean), base, heating) for day, mean in rows
        }

    def _values_hours(self, start, end):
        """The working hours of each day by the calendar, its holidays left out."""
        zone = ZoneInfo(self.site_id.tz or "UTC")
        begin = datetime.combine(start, time(), zone)
        until = datetime.combine(end + timedelta(days=1), time(), zone)
        # sudo: who looks after energy need not see absences
        calendar = self.sudo().calendar_id
        intervals = calendar._work_intervals_batch(begin, until, tz=timezone(zone.key))[
            False
        ]
        seconds = dict.fromkeys(self._values_days(start, end), 0)
        for left, right, _meta in intervals:
            length = right.astimezone(UTC) - left.astimezone(UTC)
            day = left.astimezone(zone).date()
            seconds[day] = seconds.get(day, 0) + round(length.total_seconds())
        return {day: Decimal(length) / 3600 for day, length in seconds.items()}

    # ------------------------------------------------------------------ fit

    def _fit(self):
        """Explain the energy of the period; store the coefficients.

        :raise UserError: there are fewer days than drivers.
        """
        self.env.flush_all()
        energies = self._measured(self.date_from, self.date_to)
        drivers = self._driver_values(self.date_from, self.date_to)
        days = sorted(energies.keys() & drivers.keys())
        names = self._drivers()
        if len(days) <= len(names):
            raise UserError(
                self.env._(
                    "%(name)s: only %(days)s days of the period are known as a whole, "
                    "with energy (%(energy)s days) and all drivers (%(drivers)s days).",
                    name=self.name,
                    days=len(days),
                    energy=len(energies),
                    drivers=len(drivers),
                )
            )
        fit = enpi.regress(
            [energies[day] for day in days], [drivers[day] for day in days]
        )
        self._forget()
        problems = {column: code for code, column in fit.problems()}
        # sudo: see FITTED
        self.env["energy.baseline.driver"].sudo().create(
            [
                {
                    "baseline_id": self.id,
                    "sequence": column,
                    "driver": name,
                    "coefficient": float(fit.coefficients[column] or 0),
                    "error": fit.errors[column] or 0,
                    "t_value": _shown(fit.t(column)),
                    "problem": problems.get(column),
                }
                for column, name in enumerate(names)
            ]
        )
        self.sudo().write(
            {
                "fitted_at": fields.Datetime.now(),
                "r2": fit.r2 or 0,
                "error": fit.error or 0,
                "days_used": fit.n,
                "days_missing": (self.date_to - self.date_from).days + 1 - fit.n,
            }
        )

    def _forget(self):
        """Drop the fit and what was worked out from it. sudo: see FITTED."""
        baselines = self.sudo().filtered("fitted_at")
        baselines.driver_ids.unlink()
        baselines.write({"fitted_at": False, "r2": 0, "error": 0, "days_used": 0})
        self.env.cr.execute(
            SQL("DELETE FROM energy_baseline_day WHERE baseline_id = ANY(%s)", self.ids)
        )
        self.env["energy.baseline.day"].invalidate_model()

    def _warnings(self):
        """Sentences about what makes the fit doubtful."""
        self.ensure_one()
        if not self.fitted_at:
            return
        used = self.driver_ids.filtered(lambda row: row.problem != "same")
        if self.days_used < enpi.ROWS_PER_DRIVER * max(1, len(used) - 1):
            yield self.env._(
                "Few days: %s. Ten for each driver are a rule of thumb.", self.days_used
            )
        if len(used) > 1 and self.r2 < enpi.GOOD_R2:
            yield self.env._(
                "A poor fit: the drivers explain %(share)s %% of the ups and downs. "
                "75 %% or more are wanted.",
                share=round(100 * self.r2),
            )
        names = dict(self.driver_ids._fields["driver"]._description_selection(self.env))
        for row in self.driver_ids:
            if row.problem == "same":
                yield self.env._(
                    "%s: does not vary, or moves with the others; it is left out.",
                    names[row.driver],
                )
            elif row.problem == "unsure":
                yield self.env._(
                    "%s: the data does not show that it matters.", names[row.driver]
                )

    # ------------------------------------------------------------------ days

    def _coefficients(self):
        """The coefficients as they are stored, as Decimals."""
        rows = self.env.execute_query(
            SQL(
                "SELECT coefficient::text FROM energy_baseline_driver "
                "WHERE baseline_id = %s ORDER BY sequence",
                self.id,
            )
        )
        return [Decimal(row[0]) for row in rows]

    def _follow(self):
        """Write the days anew, from the first of the baseline to the last that is over.

        A day of which energy or a driver is not known is left out. sudo is not needed:
        rows are written by SQL, from a baseline that the caller may write.
        """
        for baseline in self:
            baseline.env.flush_all()
            rows = baseline._rows()
            baseline._replace(rows)
        self.env["energy.baseline.day"].invalidate_model()
        self.invalidate_recordset(["actual", "expected", "change_percent"])

    def _rows(self):
        """(day, period, actual, expected, target, difference, CUSUM) of known days."""
        last = self._last_day()
        if last < self.date_from:
            return []
        energies = self._measured(self.date_from, last)
        drivers = self._driver_values(self.date_from, last)
        coefficients = self._coefficients()
        goal = 1 - Decimal(float_repr(self.target_percent, 2)) / 100
        rows, total = [], Decimal(0)
        for day in sorted(energies.keys() & drivers.keys()):
            actual = energies[day]
            expected = enpi.expected(coefficients, drivers[day])
            period = "base" if day <= self.date_to else "after"
            wanted = WIDE.multiply(expected, goal) if period == "after" else expected
            difference = WIDE.subtract(actual, expected)
            total = WIDE.add(total, difference)
            rows.append((day, period, actual, expected, wanted, difference, total))
        return rows

    def _replace(self, rows):
        """Put rows in the place of those that are there."""
        self.env.cr.execute(
            SQL("DELETE FROM energy_baseline_day WHERE baseline_id = %s", self.id)
        )
        if not rows:
            return
        columns = [
            [value if isinstance(value, str) else str(value) for value in column]
            for column in zip(*rows, strict=True)
        ]
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO energy_baseline_day (baseline_id, company_id, site_id,
                       line_id, day, period, actual, expected, target, difference,
                       cusum)
                SELECT %s, %s, %s, %s, * FROM unnest(%s::date[], %s::text[],
                       %s::numeric[], %s::numeric[], %s::numeric[], %s::numeric[],
                       %s::numeric[])
                """,
                self.id,
                self.company_id.id,
                self.site_id.id,
                self.line_id.id or None,
                *columns,
            )
        )


def _shown(t):
    """A t value as it can be stored: infinite ones are very great."""
    return 0 if t is None else max(-999999.0, min(t, 999999.0))
