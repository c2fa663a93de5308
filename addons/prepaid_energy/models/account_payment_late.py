from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError

from .account_payment import POSTED


class AccountPayment(models.Model):
    """Money that came online for a wallet which was closed in the meantime.

    It is owed, so it is on the prepayments account; no wallet has it, so the proof
    names it until it is paid back or credited to a wallet.
    """

    _inherit = "account.payment"

    energy_late_wallet_id = fields.Many2one(
        "energy.wallet",
        "For the Closed Wallet",
        readonly=True,
        copy=False,
        index="btree_not_null",
        help="The payment came after this wallet was closed.",
    )
    energy_late_open = fields.Boolean(compute="_compute_energy_late_open")
    energy_late_target_id = fields.Many2one(
        "energy.wallet",
        "Credit to Wallet",
        copy=False,
        domain="[('kind', '=', 'tenant'), ('company_id', '=', company_id), "
        "('currency_id', '=', currency_id)]",
    )

    @api.depends("energy_late_wallet_id", "energy_wallet_id", "state")
    def _compute_energy_late_open(self):
        for payment in self:
            payment.energy_late_open = bool(
                payment.energy_late_wallet_id
                and payment.payment_type == "inbound"
                and payment.state in POSTED
                and not payment.energy_wallet_id
                and payment._energy_left() > 0
            )

    @api.depends("energy_late_wallet_id")
    def _compute_destination_account_id(self):  # pylint: disable=missing-return
        """It is owed to the payer until somebody decides."""
        late = self.filtered("energy_late_wallet_id")
        super(AccountPayment, self - late)._compute_destination_account_id()
        for payment in late:
            wallet = payment.energy_late_wallet_id.sudo()  # sudo: a setting is read
            account = payment.env["energy.books"]._prepayment_account(wallet)
            payment.destination_account_id = account

    def _report_late(self):
        """Call whoever has closed the wallet."""
        self.ensure_one()
        wallet = self.energy_late_wallet_id
        self.activity_schedule(
            "mail.mail_activity_data_todo",
            summary=self.env._("Paid after the wallet was closed"),
            note=self.env._(
                "%(amount)s came for %(wallet)s, which is closed. Pay it back, or "
                "credit it to another wallet, on this payment.",
                amount=wallet._format(self.amount),
                wallet=wallet.display_name,
            ),
            user_id=wallet._last_clerk().id,
        )

    def _check_late(self):
        """Raise unless the money still waits and the user may decide about it."""
        self.ensure_one()
        self.check_access("write")
        self.energy_late_wallet_id.check_access("write")
        if not self.energy_late_open:
            raise UserError(
                self.env._("%s waits for no decision any more.", self.display_name)
            )

    def action_energy_late_credit(self):
        """Credit the money to the wallet that was chosen.

        :raise UserError: none was chosen, or it does not fit.
        """
        self._check_late()
        wallet = self.energy_late_target_id
        if not wallet:
            raise UserError(self.env._("Choose the wallet that gets the money."))
        wallet.check_access("write")
        self.energy_late_wallet_id._check_transfer(wallet)
        amount = self._energy_left()
        name = self.env._("Top-up %s", self.name)
        self._write_late_wallet(wallet)
        # sudo: the ledger follows the payment; rights were checked
        recovered = wallet.sudo()._book_topup(
            amount,
            source_key=f"payment:{self.id}",
            recovery_key=f"recovery:{self.id}",
            name=name,
            payment_id=self.id,
        )
        self._move_late(wallet, amount, name)
        today = self.env["energy.books"]._today(self.company_id)
        self.env["energy.advance"]._follow_topup(
            wallet.sudo(), amount - (recovered or Decimal(0)), today
        )
        self.activity_feedback(["mail.mail_activity_data_todo"])

    def _move_late(self, wallet, amount, name):
        """Within the liability, from the payer to the tenant who has the money now."""
        books = wallet._books()
        account = books._prepayment_account(wallet)
        owner = wallet.partner_id.commercial_partner_id
        if owner == self.partner_id.commercial_partner_id:
            return
        lines = [books._line(wallet, account, sign * amount, name) for sign in (1, -1)]
        lines[0]["partner_id"] = self.partner_id.commercial_partner_id.id
        books._post(wallet, name, lines)

    def action_energy_late_pay_back(self):
        """Give the money back: through the provider where it can, else by a payment."""
        self._check_late()
        amount = self._energy_left()
        if self.amount_available_for_refund:
            self.payment_transaction_id.action_refund(float(amount))
        else:
            self.env["energy.books"]._check_lock_date(
                self.company_id,
                self.journal_id,
                fields.Date.context_today(self),
                has_tax=False,
            )
            payment = self.create(
                {
                    "payment_type": "outbound",
                    "partner_type": "customer",
                    "partner_id": self.partner_id.id,
                    "amount": float(amount),
                    "currency_id": self.currency_id.id,
                    "journal_id": self.journal_id.id,
                    "memo": self.env._("Paid back: %s", self.name),
                    "energy_late_wallet_id": self.energy_late_wallet_id.id,
                    "energy_reversed_id": self.id,
                }
            )
            payment.action_post()
        self.activity_feedback(["mail.mail_activity_data_todo"])
