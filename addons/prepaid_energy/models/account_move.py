from odoo import models


class AccountMove(models.Model):
    _inherit = "account.move"

    def button_draft(self):
        """Refuse to unpost the entry of a payment that a wallet was credited with."""
        self.origin_payment_id._refuse_undoing_topup()
        return super().button_draft()
