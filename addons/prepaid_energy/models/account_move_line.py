from odoo import api, fields, models

FROZEN = {
    "account_id",
    "partner_id",
    "debit",
    "credit",
    "balance",
    "amount_currency",
    "currency_id",
    "energy_wallet_id",
}


class AccountMoveLine(models.Model):
    _inherit = "account.move.line"

    energy_wallet_id = fields.Many2one(
        "energy.wallet",
        index="btree_not_null",
        readonly=True,
        copy=False,
        ondelete="restrict",
        help="The wallet whose prepayment this item moves.",
    )

    def write(self, vals):
        """Refuse to change items of a bank transfer that has credited a wallet."""
        if FROZEN & {*vals}:
            self.statement_line_id._refuse_undoing_credit()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_not_credited(self):
        self.statement_line_id._refuse_undoing_credit()
