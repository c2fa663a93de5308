from odoo import fields, models


class EnergyProofCause(models.TransientModel):
    """One document behind a difference."""

    _name = "energy.proof.cause"
    _description = "Proof of the Prepayments: Cause"

    proof_id = fields.Many2one("energy.proof", required=True, ondelete="cascade")
    currency_id = fields.Many2one("res.currency", readonly=True)
    wallet_id = fields.Many2one("energy.wallet", readonly=True)
    entry_id = fields.Many2one("energy.wallet.entry", "Ledger Row", readonly=True)
    move_id = fields.Many2one("account.move", "Journal Entry", readonly=True)
    amount = fields.Monetary(readonly=True)
    text = fields.Char("Cause", readonly=True)
