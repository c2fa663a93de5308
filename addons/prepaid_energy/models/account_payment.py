from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError


class AccountPayment(models.Model):
    _inherit = "account.payment"

    energy_wallet_id = fields.Many2one(
        "energy.wallet",
        index="btree_not_null",
        check_company=True,
        copy=False,
        help="The payment tops up this wallet, or refunds it.",
    )

    @api.constrains("energy_wallet_id", "currency_id", "partner_type")
    def _check_energy_wallet(self):
        for payment in self.filtered("energy_wallet_id"):
            if payment.currency_id != payment.energy_wallet_id.currency_id:
                raise ValidationError(
                    self.env._(
                        "%(wallet)s is kept in %(currency)s, the payment in %(other)s.",
                        wallet=payment.energy_wallet_id.name,
                        currency=payment.energy_wallet_id.currency_id.name,
                        other=payment.currency_id.name,
                    )
                )

    @api.depends("energy_wallet_id")
    def _compute_destination_account_id(self):  # pylint: disable=missing-return
        """A top-up is owed to the tenant until it is consumed: it is no receivable."""
        topups = self.filtered("energy_wallet_id")
        super(AccountPayment, self - topups)._compute_destination_account_id()
        for payment in topups:
            account = payment.company_id.energy_prepayment_account_id
            if not account:
                raise UserError(
                    self.env._(
                        "%s has no energy prepayments account: choose one in Settings, "
                        "Prepaid Energy.",
                        payment.company_id.name,
                    )
                )
            payment.destination_account_id = account

    def action_post(self):
        """Credit the wallet, once, when its payment is posted."""
        result = super().action_post()
        for payment in self.filtered("energy_wallet_id"):
            payment._book_on_energy_wallet()
        return result

    def _book_on_energy_wallet(self):
        """Book the payment on its wallet; a payment that was booked books nothing."""
        self.ensure_one()
        amount = Decimal(str(self.amount))
        inbound = self.payment_type == "inbound"
        # sudo: the ledger follows the posted payment, whoever posted it
        self.env["energy.wallet.entry"].sudo()._post(
            self.energy_wallet_id.sudo(),
            "topup" if inbound else "refund",
            amount if inbound else -amount,
            source_key=f"payment:{self.id}",
            name=self.env._("Top-up %s", self.name)
            if inbound
            else self.env._("Refund %s", self.name),
            payment_id=self.id,
        )

    def action_draft(self):
        """Refuse to unpost what a wallet was credited with."""
        self._refuse_undoing_topup()
        return super().action_draft()

    def action_cancel(self):
        """Refuse to cancel what a wallet was credited with."""
        self._refuse_undoing_topup()
        return super().action_cancel()

    def write(self, vals):
        """A booked payment stays with its wallet, at its amount."""
        if {"energy_wallet_id", "amount", "currency_id", "payment_type"} & {*vals}:
            self._refuse_undoing_topup()
        return super().write(vals)

    def _refuse_undoing_topup(self):
        booked = (
            self.env["energy.wallet.entry"]
            .sudo()
            .search(  # sudo: all count
                [("payment_id", "in", self.ids)], limit=1
            )
        )
        if booked:
            raise UserError(
                self.env._(
                    "%s has moved a wallet's ledger, which is never rewritten: "
                    "refund it instead.",
                    booked.payment_id.name,
                )
            )
