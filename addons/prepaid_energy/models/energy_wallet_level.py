from odoo import fields, models


class EnergyWalletLevel(models.Model):
    """One more moment at which a tenant wants to be warned: a balance, or days left.

    The tenant's own, beside the levels of the policy.
    """

    _name = "energy.wallet.level"
    _inherit = ["energy.level"]
    _description = "Warning Level of a Tenant"
    _order = "wallet_id, basis, balance desc, days desc, id"

    wallet_id = fields.Many2one(
        "energy.wallet", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="wallet_id.company_id", store=True)
    currency_id = fields.Many2one(related="wallet_id.currency_id")
