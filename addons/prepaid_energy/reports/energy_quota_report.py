from odoo import fields, models
from odoo.tools import SQL

from ..models.line_usage import line_usage

OF_QUOTA = ("planned", "carried", "granted", "total", "used", "forecast", "overrun")
RATIOS = {
    "used_percent": ("used", "total", 100),
    "price": ("money", "energy", 1),
    "energy_per_unit": ("energy", "output", 1),
    "cost_per_unit": ("money", "output", 1),
}
# Three kinds of rows, so that no figure is counted twice: a quota, the consumption of a
# line in a month and band, its output in a month. The ids are stable.
ROWS = """
SELECT 'quota' AS kind, line_id, month, NULL AS band, unit, state, planned, carried,
       granted, total, used, forecast, overrun, NULL::numeric AS energy,
       NULL::numeric AS money, NULL::numeric AS output
  FROM energy_quota
 UNION ALL
SELECT 'usage', line_id, date_trunc('month', day)::date, NULLIF(band, ''), NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, sum(energy), sum(money), NULL
  FROM (%s) usage WHERE line_id IS NOT NULL GROUP BY 2, 3, 4
"""
OUTPUT = """
 UNION ALL
SELECT 'output', line_id, date_trunc('month', day)::date, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, sum(quantity)::numeric
  FROM energy_line_output GROUP BY 2, 3
"""


class EnergyQuotaReport(models.Model):
    """Plan, consumption and forecast of production lines, for pivots and graphs.

    Read-only. The figures of a quota are in its unit: those of several quotas are added
    up where they have one unit, else there is none. Energy is in kWh, money in the
    currency of the line. A figure for a unit of output is a quotient of sums.
    """

    _name = "energy.quota.report"
    _description = "Production Line Analysis"
    _auto = False
    _rec_name = "line_id"
    _order = "month desc, line_id, id"

    line_id = fields.Many2one("energy.line", "Production Line", readonly=True)
    department_id = fields.Many2one("hr.department", readonly=True)
    site_id = fields.Many2one("energy.site", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    month = fields.Date(readonly=True, help="Its first day.")
    band = fields.Char(readonly=True)
    unit = fields.Selection(
        [("energy", "kWh"), ("money", "Money")], "Quota In", readonly=True
    )
    state = fields.Selection(
        [
            ("normal", "Normal"),
            ("warned", "Warned"),
            ("forecast_over", "Overrun Expected"),
            ("exhausted", "Used Up"),
            ("closed", "Month Over"),
        ],
        readonly=True,
    )
    planned = fields.Float(digits=(18, 2), readonly=True)
    carried = fields.Float("Carried Over", digits=(18, 2), readonly=True)
    granted = fields.Float(digits=(18, 2), readonly=True)
    total = fields.Float("Quota", digits=(18, 2), readonly=True)
    used = fields.Float("Used of the Quota", digits=(18, 2), readonly=True)
    forecast = fields.Float(digits=(18, 2), readonly=True)
    overrun = fields.Float(digits=(18, 2), readonly=True)
    used_percent = fields.Float(
        "Used (%)", digits=(9, 1), readonly=True, aggregator="avg"
    )
    energy = fields.Float("Consumption (kWh)", digits=(18, 2), readonly=True)
    money = fields.Monetary("Cost", readonly=True)
    output = fields.Float(digits=(18, 3), readonly=True)
    price = fields.Float(
        "Cost of a kWh", digits=(16, 5), readonly=True, aggregator="avg"
    )
    energy_per_unit = fields.Float(
        "kWh for a Unit", digits=(16, 4), readonly=True, aggregator="avg"
    )
    cost_per_unit = fields.Float(
        "Cost of a Unit", digits=(16, 4), readonly=True, aggregator="avg"
    )

    @property
    def _table_query(self):
        output = SQL(OUTPUT) if "energy.line.output" in self.env else SQL()
        return SQL(
            """
            SELECT hashtextextended(concat_ws(':', part.kind, part.line_id, part.month,
                                              part.band), 0) & 4503599627370495 AS id,
                   part.line_id, line.department_id, line.site_id, line.company_id,
                   line.currency_id, part.month, part.band, part.unit, part.state,
                   part.planned, part.carried, part.granted, part.total, part.used,
                   part.forecast, part.overrun, part.energy, part.money, part.output,
                   100 * part.used / NULLIF(part.total, 0) AS used_percent,
                   part.money / NULLIF(part.energy, 0) AS price,
                   part.energy / NULLIF(part.output, 0) AS energy_per_unit,
                   part.money / NULLIF(part.output, 0) AS cost_per_unit
              FROM (%s%s) part JOIN energy_line line ON line.id = part.line_id
            """,
            SQL(ROWS, line_usage(self.env)),
            output,
        )

    def _read_group_select(self, aggregate_spec, query):
        """A ratio is a quotient of sums; quotas in kWh and in money do not add up."""
        fname = aggregate_spec.partition(":")[0]
        one = SQL(
            "MIN(%(unit)s) IS NOT DISTINCT FROM MAX(%(unit)s)",
            unit=self._field_to_sql(self._table, "unit", query),
        )
        if fname in RATIOS:
            above, below, times = RATIOS[fname]
            ratio = SQL(
                "SUM(%s) * %s / NULLIF(SUM(%s), 0)",
                self._field_to_sql(self._table, above, query),
                times,
                self._field_to_sql(self._table, below, query),
            )
            if fname != "used_percent":
                return ratio
            return SQL("CASE WHEN %s THEN %s END", one, ratio)
        if fname in OF_QUOTA:
            column = self._field_to_sql(self._table, fname, query)
            return SQL("CASE WHEN %s THEN SUM(%s) END", one, column)
        return super()._read_group_select(aggregate_spec, query)
