from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .account_payment import POSTED, UNDONE

COUNTED = {"journal_id", "date", "amount", "currency_id", "payment_type"}


class AccountPayment(models.Model):
    """Payments at a counter: sales of vouchers, receipts, what a closing counted."""

    _inherit = "account.payment"

    energy_voucher_sale = fields.Boolean(
        "Sale of Vouchers",
        readonly=True,
        copy=False,
        help="The payment sells energy vouchers, or pays one back.",
    )
    energy_voucher_ids = fields.One2many("energy.voucher", "payment_id", readonly=True)
    energy_closing_id = fields.Many2one(
        "energy.cashier.closing",
        "Cashier Closing",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="restrict",
        help="The closing that counted this payment; it is counted once.",
    )

    @api.depends("energy_voucher_sale")
    def _compute_destination_account_id(self):  # pylint: disable=missing-return
        """A voucher is owed to whoever holds it until it is redeemed."""
        sales = self.filtered("energy_voucher_sale")
        super(AccountPayment, self - sales)._compute_destination_account_id()
        for payment in sales:
            payment.destination_account_id = (
                payment.company_id._energy_voucher_account()
            )

    def write(self, vals):
        """Keep what a closing has counted, and what has sold vouchers, as it is."""
        self._refuse_changing_counted(vals)
        return super().write(vals)

    def _refuse_changing_counted(self, vals):
        counted = self.filtered("energy_closing_id")
        if not counted or not (COUNTED & {*vals} or vals.get("state") in UNDONE):
            return
        # core writes values back unchanged when it synchronises payment and entry
        if vals.get("state") in UNDONE or any(
            self._fields[name].convert_to_write(payment[name], payment) != vals[name]
            for payment in counted
            for name in COUNTED & {*vals}
        ):
            raise UserError(
                self.env._(
                    "%(payment)s was counted in the cashier closing %(closing)s: "
                    "book a payment in the other direction.",
                    payment=counted[0].display_name,
                    closing=counted[0].energy_closing_id.name,
                )
            )

    def _refuse_undoing_topup(self):  # pylint: disable=missing-return
        """As for top-ups, so for sales of vouchers: pay back, do not edit."""
        super()._refuse_undoing_topup()
        sale = self.filtered(lambda p: p.energy_voucher_sale and p.state in POSTED)
        if sale:
            raise UserError(
                self.env._(
                    "%s has sold vouchers: void them and pay them back instead.",
                    sale[0].display_name,
                )
            )

    # ------------------------------------------------------------------ receipt

    def action_energy_receipt(self):
        """Print the receipt of a top-up."""
        self.ensure_one()
        return self.env.ref("prepaid_energy.topup_receipt_action").report_action(self)

    def _energy_receipt_values(self):
        """What the receipt of a top-up says.

        :return: dict of texts; ``credited`` is what the wallet got, after the fee, and
            ``balance`` the wallet's balance right after it.
        """
        self.ensure_one()
        # sudo: the receipt may be shown to whoever may read the payment
        wallet = self.energy_wallet_id.sudo()
        entry = wallet.env["energy.wallet.entry"].search(
            [("payment_id", "=", self.id)], limit=1
        )
        credited = self.amount - self.energy_topup_fee
        return {
            "wallet": wallet,
            "at": entry.at,
            "credited": wallet._format(credited),
            "balance": wallet._format(wallet._balance_at(entry.at)) if entry else "",
        }

    @api.model
    def _claim_for_closing(self, closing, payments):
        """Mark payments as counted, unless another closing has counted one of them.

        Raw SQL: one statement decides. The caller has checked access.

        :return: whether all were free.
        """
        payments.flush_recordset()
        rows = self.env.execute_query(
            SQL(
                "UPDATE account_payment SET energy_closing_id = %s "
                "WHERE id = ANY(%s) AND energy_closing_id IS NULL RETURNING id",
                closing.id,
                payments.ids,
            )
        )
        payments.invalidate_recordset(["energy_closing_id"])
        return len(rows) == len(payments)
