from odoo import fields, models
from odoo.tools import SQL

PERIODS = [("base", "Baseline"), ("after", "After It")]


class EnergyBaselineDay(models.Model):
    """A day of which all is known: what was consumed, and what was to be expected.

    Written by SQL alone (``energy_baseline_fit.py``). The cumulative sum of several
    rows is that of the last day, not their sum.
    """

    _name = "energy.baseline.day"
    _description = "Expected and Actual Energy of a Day"
    _order = "day desc, baseline_id"
    _rec_name = "day"
    _log_access = False

    baseline_id = fields.Many2one(
        "energy.baseline", required=True, readonly=True, ondelete="cascade"
    )
    company_id = fields.Many2one("res.company", readonly=True, index=True)
    site_id = fields.Many2one("energy.site", readonly=True)
    line_id = fields.Many2one("energy.line", "Production Line", readonly=True)
    day = fields.Date(required=True, readonly=True)
    period = fields.Selection(PERIODS, readonly=True)
    actual = fields.Float("Actual (kWh)", digits=(18, 3), readonly=True)
    expected = fields.Float("Expected (kWh)", digits=(18, 3), readonly=True)
    target = fields.Float("Target (kWh)", digits=(18, 3), readonly=True)
    difference = fields.Float("Actual − Expected (kWh)", digits=(18, 3), readonly=True)
    cusum = fields.Float(
        "CUSUM (kWh)",
        digits=(18, 3),
        readonly=True,
        help="The sum of all differences up to this day: falling means that energy is "
        "being saved, a bend tells when something changed.",
    )

    _baseline_day_uniq = models.UniqueIndex("(baseline_id, day)")

    def _read_group_select(self, aggregate_spec, query):
        """A cumulative sum of rows is the last one's; of several baselines none."""
        if aggregate_spec.partition(":")[0] != "cusum":
            return super()._read_group_select(aggregate_spec, query)
        column = {
            name: self._field_to_sql(self._table, name, query)
            for name in ("cusum", "day", "baseline_id")
        }
        return SQL(
            "CASE WHEN MIN(%(baseline)s) = MAX(%(baseline)s) "
            "THEN (ARRAY_AGG(%(cusum)s ORDER BY %(day)s DESC))[1] END",
            baseline=column["baseline_id"],
            cusum=column["cusum"],
            day=column["day"],
        )
