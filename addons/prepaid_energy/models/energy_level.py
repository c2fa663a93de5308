from odoo import fields, models


class EnergyLevel(models.AbstractModel):
    """A moment at which a tenant is warned: a balance, or days left.

    The levels of a policy and a tenant's own are kept apart and mean the same.
    """

    _name = "energy.level"
    _description = "Warning Level"

    currency_id = fields.Many2one("res.currency")
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
