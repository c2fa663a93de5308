from odoo import fields, models


class EnergyServicePoint(models.Model):
    """The production lines that a service point feeds."""

    _inherit = "energy.service.point"

    line_point_ids = fields.One2many(
        "energy.line.point", "service_point_id", "Production Lines", copy=False
    )

    def _follow_wallet(self):
        """Give the line of the wallet its row, where it has none."""
        Row = self.env["energy.line.point"]
        for point in self:
            line = point.wallet_id.line_ids
            if line and line not in point.line_point_ids.line_id:
                Row.create({"line_id": line.id, "service_point_id": point.id})
