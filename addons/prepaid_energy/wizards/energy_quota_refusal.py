from odoo import fields, models

DECISIONS = [
    ("energy.quota.request", "Quota Request"),
    ("energy.quota.transfer", "Quota Transfer"),
]


class EnergyQuotaRefusal(models.TransientModel):
    """A no, with its reason, which the requester reads."""

    _name = "energy.quota.refusal"
    _description = "Refuse a Quota Request"

    model = fields.Selection(DECISIONS, required=True)
    res_id = fields.Integer(required=True)
    note = fields.Char("Reason", required=True)

    def action_refuse(self):
        """Refuse; who may is checked by the record."""
        self.ensure_one()
        self.env[self.model].browse(self.res_id)._decide(False, self.note)
        return {"type": "ir.actions.act_window_close"}
