from odoo import fields, models


class EnergyProofLine(models.TransientModel):
    """One currency of a proof."""

    _name = "energy.proof.line"
    _description = "Proof of the Prepayments: Currency"

    proof_id = fields.Many2one("energy.proof", required=True, ondelete="cascade")
    currency_id = fields.Many2one("res.currency", readonly=True)
    wallets = fields.Monetary(readonly=True)
    unbilled = fields.Monetary("Not Invoiced", readonly=True)
    debts = fields.Monetary(
        "Receivable",
        readonly=True,
        help="What tenants below zero owe, moved off the account for a month's end.",
    )
    liability = fields.Monetary("Account", readonly=True)
    difference = fields.Monetary(readonly=True)
