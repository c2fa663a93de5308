from odoo import fields, models
from odoo.tools import SQL

from ..models.line_usage import line_usage

OF_QUOTA = ("planned", "carried", "granted", "total", "used", "forecast", "overrun")
RATIOS = {
    "used_percent": ("used", "total", 100),
    "price": ("money", "energy", 1),
    "energy_per_unit": ("made_energy", "output", 1),
    "cost_per_unit": ("made_money", "output", 1),
}
OF_OUTPUT = ("output", "energy_per_unit", "cost_per_unit")
# Three kinds of rows, so that no figure is counted twice: a quota, the consumption of a
# line in a month and band, its output in a month by product and unit. The ids are
# stable. A unit of output has the consumption of months with output only.
ROWS = """
SELECT 'quota' AS kind, line_id, month, NULL AS band, unit, state, planned, carried,
       granted, total, used, forecast, overrun, NULL::numeric AS energy,
       NULL::numeric AS money, NULL::numeric AS output, NULL::integer AS product_id,
       NULL::integer AS uom_id, NULL::numeric AS made_energy,
       NULL::numeric AS made_money
  FROM energy_quota
 UNION ALL
SELECT 'usage', used.line_id, used.month, band, NULL, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, energy, money, NULL, NULL, NULL,
       CASE WHEN made.line_id IS NOT NULL THEN energy END,
       CASE WHEN made.line_id IS NOT NULL THEN money END
  FROM (SELECT line_id, date_trunc('month', day)::date AS month,
               NULLIF(band, '') AS band, sum(energy) AS energy, sum(money) AS money
          FROM (%s) usage WHERE line_id IS NOT NULL GROUP BY 1, 2, 3) used
  LEFT JOIN (SELECT DISTINCT line_id, date_trunc('month', day)::date AS month
               FROM energy_line_output) made USING (line_id, month)
 UNION ALL
SELECT 'output', line_id, date_trunc('month', day)::date, NULL, NULL, NULL, NULL, NULL,
       NULL, NULL, NULL, NULL, NULL, NULL, NULL, sum(reported_quantity), product_id,
       reported_uom_id, NULL, NULL
  FROM energy_line_output GROUP BY 2, 3, product_id, reported_uom_id
"""


class EnergyQuotaReport(models.Model):
    """Plan, consumption and forecast of production lines, for pivots and graphs.

    Read-only. The figures of a quota are in its unit: those of several quotas are added
    up where they have one unit, else there is none. Energy is in kWh, money in the
    currency of the line. A figure for a unit of output is a quotient of sums; where the
    output is in several units, there is neither a sum nor a quotient.
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
    figures = fields.Selection(
        [
            ("energy", "Quota (kWh)"),
            ("money", "Quota (Money)"),
            ("usage", "Consumption"),
            ("output", "Output"),
        ],
        readonly=True,
        help="What the figures of a row are of, each with its unit.",
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
    product_id = fields.Many2one(
        "product.product", readonly=True, help="Of output; consumption has none."
    )
    uom_id = fields.Many2one("uom.uom", "Unit of Output", readonly=True)
    output = fields.Float(
        digits=(18, 3),
        readonly=True,
        help="In the line's unit of output; none where there are several units.",
    )
    made_energy = fields.Float(
        "Consumption in Months With Output (kWh)", digits=(18, 2), readonly=True
    )
    made_money = fields.Monetary("Cost in Months With Output", readonly=True)
    price = fields.Float(
        "Cost of a kWh", digits=(16, 5), readonly=True, aggregator="avg"
    )
    energy_per_unit = fields.Float(
        "kWh for a Unit",
        digits=(16, 4),
        readonly=True,
        aggregator="avg",
        help="Consumption of the months with output, divided by the output; none where "
        "that is in several units.",
    )
    cost_per_unit = fields.Float(
        "Cost of a Unit", digits=(16, 4), readonly=True, aggregator="avg"
    )

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT hashtextextended(concat_ws(':', part.kind, part.line_id, part.month,
                                              part.band, part.product_id,
                                              part.uom_id), 0) & 4503599627370495 AS id,
                   part.line_id, line.department_id, line.site_id, line.company_id,
                   line.currency_id, part.month, part.band, part.unit, part.state,
                   COALESCE(part.unit, part.kind) AS figures,
                   part.planned, part.carried, part.granted, part.total, part.used,
                   part.forecast, part.overrun, part.energy, part.money, part.output,
                   part.product_id, part.uom_id, part.made_energy, part.made_money,
                   100 * part.used / NULLIF(part.total, 0) AS used_percent,
                   part.money / NULLIF(part.energy, 0) AS price,
                   part.made_energy / NULLIF(part.output, 0) AS energy_per_unit,
                   part.made_money / NULLIF(part.output, 0) AS cost_per_unit
              FROM (%s) part JOIN energy_line line ON line.id = part.line_id
            """,
            SQL(ROWS, line_usage(self.env)),
        )

    def _read_group_select(self, aggregate_spec, query):
        """A ratio is a quotient of sums; quotas in kWh and in money do not add up."""
        fname = aggregate_spec.partition(":")[0]
        one = SQL(
            "MIN(%(unit)s) IS NOT DISTINCT FROM MAX(%(unit)s)",
            unit=self._field_to_sql(self._table, "unit", query),
        )
        if fname in OF_OUTPUT:
            one = SQL(
                "MIN(%(unit)s) = MAX(%(unit)s)",
                unit=self._field_to_sql(self._table, "uom_id", query),
            )
        if fname in RATIOS:
            above, below, times = RATIOS[fname]
            ratio = SQL(
                "SUM(%s) * %s / NULLIF(SUM(%s), 0)",
                self._field_to_sql(self._table, above, query),
                times,
                self._field_to_sql(self._table, below, query),
            )
            if fname == "price":
                return ratio
            return SQL("CASE WHEN %s THEN %s END", one, ratio)
        if fname in (*OF_QUOTA, "output"):
            column = self._field_to_sql(self._table, fname, query)
            return SQL("CASE WHEN %s THEN SUM(%s) END", one, column)
        return super()._read_group_select(aggregate_spec, query)
