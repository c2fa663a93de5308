from odoo import fields, models


class EnergyWalletLevel(models.Model):
    """One more moment at which a tenant wants to be warned: a balance, or days left.

    The tenant's own, beside the levels of the policy.
    """

    _name = "energy.wallet.level"
    _description = "Warning Level of a Tenant"
    _order = "wallet_id, basis, balance desc, days desc, id"

    wallet_id = fields.Many2one(
        "energy.wallet", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="wallet_id.company_id", store=True)
    currency_id = fields.Many2one(related="wallet_id.currency_id")
    basis = fields.Selection(
        [("balance", "Balance"), ("days", "Days left")],
        required=True,
        default="balance",
    )
    balance = fields.Monetary(help="Warn at or below this balance.")
    days = fields.Float(
        digits=(6, 1), help="Warn when the balance lasts no longer than this."
    )

    _days_positive = models.Constraint(
        "CHECK (basis <> 'days' OR days > 0)", "Days left are above zero."
    )
