from odoo import fields, models


class AccountMove(models.Model):
    _inherit = "account.move"

    energy_wallet_id = fields.Many2one(
        "energy.wallet",
        index="btree_not_null",
        readonly=True,
        copy=False,
        help="The invoice bills what this wallet has paid in advance.",
    )

    def button_draft(self):
        """Refuse to unpost the entry of a payment that a wallet was credited with."""
        self.origin_payment_id._refuse_undoing_topup()
        return super().button_draft()
