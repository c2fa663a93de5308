from odoo import fields, models


class EnergyAdvanceUse(models.Model):
    """What an invoice has deducted of an advance, or a credit note given back."""

    _name = "energy.advance.use"
    _description = "Use of an Advance"
    _order = "id"

    advance_id = fields.Many2one(
        "energy.advance", required=True, readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one(related="advance_id.company_id", store=True)
    currency_id = fields.Many2one(related="advance_id.currency_id")
    move_id = fields.Many2one(
        "account.move",
        "Document",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    amount = fields.Monetary("With Tax", required=True, readonly=True)
    amount_net = fields.Monetary("Net", required=True, readonly=True)
    amount_tax = fields.Monetary("Tax", required=True, readonly=True)
