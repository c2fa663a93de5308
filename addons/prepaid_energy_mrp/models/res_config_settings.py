from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    energy_cost_in_extra = fields.Boolean(
        related="company_id.energy_cost_in_extra", readonly=False
    )
