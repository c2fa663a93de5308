from odoo import fields, models


class EnergyLine(models.Model):
    _inherit = "energy.line"

    workcenter_ids = fields.One2many(
        "mrp.workcenter",
        "energy_line_id",
        "Work Centers",
        help="The line's energy goes to the work orders that are worked on there.",
    )
