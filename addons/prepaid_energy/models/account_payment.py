from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

POSTED = ("in_process", "paid")
UNDONE = ("draft", "canceled", "rejected")
FIXED = {
    "energy_wallet_id",
    "energy_topup_fee",
    "energy_voucher_sale",
    "amount",
    "currency_id",
    "payment_type",
}


class AccountPayment(models.Model):
    _inherit = "account.payment"

    energy_wallet_id = fields.Many2one(
        "energy.wallet",
        index="btree_not_null",
        check_company=True,
        copy=False,
        help="The payment tops up this wallet, or refunds it.",
    )

    energy_topup_fee = fields.Monetary(
        "Top-up Fee",
        readonly=True,
        copy=False,
        help="Taken from the wallet when the payment credits it; the payer saw it.",
    )
    energy_reversed_id = fields.Many2one(
        "account.payment",
        "Undoes the Top-up",
        readonly=True,
        copy=False,
        help="A top-up is undone once; a bank may take it back in parts.",
    )

    _energy_reversed_uniq = models.UniqueIndex(
        "(energy_reversed_id) WHERE energy_reversed_id IS NOT NULL "
        "AND energy_chargeback IS NOT TRUE",
        "This top-up was undone already.",
    )
    _energy_transaction_uniq = models.UniqueIndex(
        "(payment_transaction_id) "
        "WHERE payment_transaction_id IS NOT NULL AND energy_wallet_id IS NOT NULL",
        "An online payment credits a wallet once.",
    )

    @api.constrains("energy_wallet_id", "currency_id", "partner_type")
    def _check_energy_wallet(self):
        for payment in self.filtered("energy_wallet_id"):
            if payment.energy_wallet_id.kind == "line":
                raise ValidationError(
                    self.env._(
                        "%s is a production line's wallet: its budget fills it.",
                        payment.energy_wallet_id.name,
                    )
                )
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
        """A top-up is owed to the tenant until it is consumed: it is no receivable.

        Where tax is due on top-ups, the payment is that of an advance invoice, which
        has the debt on its own lines. An existing payment stays when that changes.
        """
        topups = self.filtered(
            lambda payment: (
                payment.energy_wallet_id
                and payment.company_id.energy_tax_point != "topup"
            )
        )
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

    @api.ondelete(at_uninstall=False)
    def _unlink_not_booked(self):
        self._refuse_undoing_topup()

    def write(self, vals):
        """Book a payment on its wallet when it is posted, however that happens.

        A booked payment stays with its wallet, at its amount.
        """
        if FIXED & {*vals} or vals.get("state") in UNDONE:
            self._refuse_undoing_topup()
        if vals.get("energy_wallet_id") and any(p.state in POSTED for p in self):
            raise UserError(
                self.env._("Choose the wallet before the payment is posted.")
            )
        if vals.get("state") in POSTED:
            self._check_energy_lock_date()
        result = super().write(vals)
        # with "move_id" it is core's own step before the entry is posted
        if vals.get("state") in POSTED and not vals.get("move_id"):
            for payment in self.filtered("energy_wallet_id"):
                payment._book_on_energy_wallet()
        return result

    def _write_late_wallet(self, wallet):  # pylint: disable=missing-return
        """Past our own write(): a posted payment gets its wallet, and is booked by
        the caller."""
        super().write({"energy_wallet_id": wallet.id})

    def _check_energy_lock_date(self):
        """Ask for lock dates: core would move a payment to another date silently.

        What was paid online is not refused, because the money is here: it is credited
        today and dated by core; the proof names it.

        :raise UserError: names the lock.
        """
        for payment in self.filtered("energy_wallet_id"):
            # sudo: a cashier reads no payment transactions
            online = payment.sudo().payment_transaction_id
            if not online and payment.move_id.state != "posted":
                self.env["energy.books"]._check_lock_date(
                    payment.company_id, payment.journal_id, payment.date, False
                )

    def _book_on_energy_wallet(self):
        """Book the payment on its wallet; a payment that was booked books nothing."""
        self.ensure_one()
        amount = Decimal(str(self.amount))
        # sudo: the ledger follows the posted payment, whoever posted it
        wallet = self.energy_wallet_id.sudo()
        lang = wallet._in_words_of_tenant().env.lang
        row = {
            "source_key": f"payment:{self.id}",
            "name": self.with_context(lang=lang)._energy_entry_name(),
            "payment_id": self.id,
        }
        if self.payment_type == "outbound":
            Entry = wallet.env["energy.wallet.entry"]
            kind = self._energy_refund_kind()
            booked = Entry._post(wallet, kind, -amount, **row)
            recovered = Decimal(0) if booked else None
            if booked:
                self._book_fee_back(wallet, self)
        else:
            recovered = wallet._book_topup(
                amount, recovery_key=f"recovery:{self.id}", **row
            )
        if recovered is None:
            return
        self._book_topup_fee(wallet)
        self.env["energy.advance"]._follow_payment(self, recovered)

    def _book_topup_fee(self, wallet):
        """Take the fee once, also where an online payment is captured in parts."""
        fee = Decimal(str(self.energy_topup_fee or 0))
        # sudo: a cashier reads no payment transactions
        transaction = self.sudo().payment_transaction_id
        root = transaction.source_transaction_id or transaction
        cause = f"transaction:{root.id}" if root else f"payment:{self.id}"
        if fee > 0:
            wallet.env["energy.wallet.entry"]._post(
                wallet,
                "fee",
                -fee,
                source_key=f"fee:{cause}",
                name=wallet._in_words_of_tenant().env._(
                    "Fee of the top-up %s", self.move_id.name or self.name
                ),
            )

    def _energy_entry_name(self):
        """What the tenant reads on the statement."""
        number = self.move_id.name or self.name or ""
        if self.energy_reversed_id:
            return self.env._(
                "Reversal of %(topup)s by %(number)s",
                topup=self.energy_reversed_id.name,
                number=number,
            )
        title = self.env._("Top-up") if self.payment_type == "inbound" else None
        return f"{title or self.env._('Refund')} {number}".strip()

    def _refuse_undoing_topup(self):
        """Raise UserError if one of the payments has moved a wallet's ledger."""
        # sudo: a ledger row that this user may not see counts as well
        Entry = self.env["energy.wallet.entry"].sudo()
        booked = Entry.search([("payment_id", "in", self.ids)], limit=1)
        if booked:
            raise UserError(
                self.env._(
                    "%s has moved a wallet's ledger, which is never rewritten: "
                    "refund it instead.",
                    booked.payment_id.name,
                )
            )
