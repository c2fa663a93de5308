from odoo import fields, models


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
