from odoo import fields, models


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    energy_prepayment_account_id = fields.Many2one(
        related="company_id.energy_prepayment_account_id", readonly=False
    )
