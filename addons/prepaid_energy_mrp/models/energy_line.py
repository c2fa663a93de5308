from odoo import fields, models


class EnergyLine(models.Model):
    _inherit = "energy.line"

    workcenter_ids = fields.One2many(
        "mrp.workcenter",
        "energy_line_id",
        "Work Centers",
        help="The line's energy goes to the work orders that are worked on there.",
    )
    output_from_orders = fields.Boolean(
        default=True,
        help="What manufacturing orders make whose last work center is of this line is "
        "its output, by the day on which it enters stock. A day whose output was typed "
        "keeps that.",
    )

    def write(self, vals):
        """Orders of the last months count at once where they are to count."""
        result = super().write(vals)
        if vals.get("output_from_orders"):
            self.env["energy.line.output"]._follow_orders()
        return result
