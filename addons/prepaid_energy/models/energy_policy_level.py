from odoo import fields, models


class EnergyPolicyLevel(models.Model):
    """One more moment at which a tenant is warned: a balance, or days left."""

    _name = "energy.policy.level"
    _inherit = ["energy.level"]
    _description = "Warning Level"
    _order = "policy_id, basis, balance desc, days desc, id"

    policy_id = fields.Many2one("energy.policy", required=True, ondelete="cascade")
    company_id = fields.Many2one(related="policy_id.company_id")
    currency_id = fields.Many2one(related="policy_id.currency_id")
