from odoo import fields, models


class ResCompany(models.Model):
    _inherit = "res.company"

    energy_cost_in_extra = fields.Boolean(
        "Energy Into Product Cost",
        help="When a manufacturing order is done, its energy cost so far becomes part "
        "of its extra cost, and so of the value of what was made.",
    )
