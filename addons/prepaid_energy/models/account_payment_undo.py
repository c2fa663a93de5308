from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import format_date

from .account_payment import POSTED


class AccountPayment(models.Model):
    """What undoes a top-up: its fee given back, and what the bank has taken back."""

    _inherit = "account.payment"

    energy_chargeback = fields.Boolean(
        "Chargeback",
        readonly=True,
        copy=False,
        help="The payer's bank took the money of a top-up back.",
    )
    energy_fee_back = fields.Boolean(
        readonly=True,
        copy=False,
        help="Whoever undoes this top-up gives its fee back as well.",
    )

    def _compute_amount_available_for_refund(self):  # pylint: disable=missing-return
        """What was paid out by hand, or taken back, the provider does not refund."""
        super()._compute_amount_available_for_refund()
        for payment in self.filtered("amount_available_for_refund"):
            left = float(payment._energy_left())
            payment.amount_available_for_refund = min(
                payment.amount_available_for_refund, left
            )

    @api.depends_context("energy_day_and_amount")
    def _compute_display_name(self):  # pylint: disable=missing-return
        """Where one is chosen among many: with its day and amount."""
        super()._compute_display_name()
        if self.env.context.get("energy_day_and_amount"):
            for payment in self.filtered("name"):
                day = format_date(self.env, payment.date)
                amount = payment.currency_id.format(payment.amount)
                payment.display_name = f"{payment.name}, {day}, {amount}"

    def _energy_left(self):
        """What of a top-up was not paid out, refunded or taken back, as Decimal."""
        self.ensure_one()
        # sudo: a payment that this user may not see counts as well
        undone = self.sudo().search(
            [
                ("state", "in", POSTED),
                "|",
                ("energy_reversed_id", "=", self.id),
                ("source_payment_id", "=", self.id),
            ]
        )
        amounts = (Decimal(repr(one.amount)) for one in undone)
        return Decimal(repr(self.amount)) - sum(amounts, Decimal(0))

    def _energy_refund_kind(self):
        """The ledger's kind of a payment that goes out."""
        return "chargeback" if self.energy_chargeback else "refund"

    def _energy_entry_name(self):
        """What the tenant reads on the statement."""
        if not self.energy_chargeback:
            return super()._energy_entry_name()
        return self.env._(
            "Chargeback of %(topup)s: %(reason)s",
            topup=self.energy_reversed_id.name,
            reason=self.memo,
        )

    @api.model
    def _book_fee_back(self, wallet, payment):
        """Give the fee of an undone top-up back, once; the next invoice has it.

        :param recordset wallet: in sudo mode.
        :param recordset payment: outgoing, booked on its wallet just now.
        """
        topup = payment.energy_reversed_id or payment.sudo().source_payment_id
        fee = Decimal(repr(topup.energy_topup_fee or 0.0))
        if topup.energy_fee_back and fee > 0:
            wallet.env["energy.wallet.entry"]._post(
                wallet,
                "fee",
                fee,
                source_key=f"fee_back:payment:{topup.id}",
                name=wallet._in_words_of_tenant().env._(
                    "Fee of the top-up %s, given back", topup.name
                ),
            )
