from odoo import fields, models
from odoo.tools import SQL

KINDS = [("actual", "Actual"), ("expected", "Expected"), ("target", "Target")]


class EnergyBaselineReport(models.Model):
    """Actual, expected and target as rows of their own, so that one chart shows all."""

    _name = "energy.baseline.report"
    _description = "Expected Against Actual Energy"
    _auto = False
    _rec_name = "day"
    _order = "day desc, id"

    baseline_id = fields.Many2one("energy.baseline", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    site_id = fields.Many2one("energy.site", readonly=True)
    line_id = fields.Many2one("energy.line", "Production Line", readonly=True)
    day = fields.Date(readonly=True)
    kind = fields.Selection(KINDS, readonly=True)
    energy = fields.Float("Energy (kWh)", digits=(18, 3), readonly=True)

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT day.id * 3 + part.number AS id, day.baseline_id, day.company_id,
                   day.site_id, day.line_id, day.day, part.kind, part.energy
              FROM energy_baseline_day day
             CROSS JOIN LATERAL (VALUES (0, 'actual', day.actual),
                                        (1, 'expected', day.expected),
                                        (2, 'target', day.target))
                   AS part(number, kind, energy)
            """
        )

    def _read_group_select(self, aggregate_spec, query):
        """What was used and what was expected of it do not add up."""
        if aggregate_spec != "energy:sum":
            return super()._read_group_select(aggregate_spec, query)
        kind, energy = (
            self._field_to_sql(self._table, name, query) for name in ("kind", "energy")
        )
        return SQL("CASE WHEN MIN(%s) = MAX(%s) THEN SUM(%s) END", kind, kind, energy)
