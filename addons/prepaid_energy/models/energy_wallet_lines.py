from odoo import fields, models


class EnergyWallet(models.Model):
    """The production line of a wallet."""

    _inherit = "energy.wallet"

    line_ids = fields.One2many("energy.line", "wallet_id", "Production Line")
