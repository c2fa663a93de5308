from odoo import fields, models


class EnergyPolicyEscalation(models.Model):
    _inherit = "energy.policy.escalation"

    step = fields.Selection(
        selection_add=[("sms", "The tenant by SMS")], ondelete={"sms": "cascade"}
    )
