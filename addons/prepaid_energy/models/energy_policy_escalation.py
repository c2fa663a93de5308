from odoo import fields, models


class EnergyPolicyEscalation(models.Model):
    """Whom to tell next when a warning was not heard."""

    _name = "energy.policy.escalation"
    _description = "Escalation"
    _order = "policy_id, hours, id"
    _rec_name = "step"

    policy_id = fields.Many2one(
        "energy.policy", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="policy_id.company_id", store=True)
    hours = fields.Float(
        "After (h)",
        required=True,
        default=24,
        help="Since the last news of the wallet.",
    )
    step = fields.Selection(
        [
            ("contacts", "All contacts of the tenant, by e-mail"),
            ("office", "Activity for the salesperson, or who is called for alarms"),
        ],
        required=True,
        default="contacts",
    )
    unless_read = fields.Boolean(
        "Not if Read",
        default=True,
        help="Somebody who has read it is left in peace; otherwise only paying helps.",
    )

    _hours_positive = models.Constraint(
        "CHECK (hours > 0)", "An escalation comes some hours after the news."
    )
