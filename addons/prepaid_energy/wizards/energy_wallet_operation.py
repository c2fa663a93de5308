from decimal import ROUND_DOWN, Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..models.energy_wallet import PREPAID

OPERATIONS = [
    ("refund", "Pay Out"),
    ("transfer", "Transfer to Another Wallet"),
    ("reverse", "Undo a Top-up"),
    ("chargeback", "Chargeback by the Bank"),
    ("wrong_wallet", "Top-up of the Wrong Wallet"),
    ("fee", "Charge a Fee"),
    ("defer", "Defer the Debt"),
    ("writeoff", "Write Off the Debt"),
    ("close", "Close the Wallet"),
]
NEEDS = {
    "amount": {"refund", "transfer", "fee", "writeoff", "chargeback"},
    "other_wallet_id": {"transfer", "wrong_wallet"},
    "payment_id": {"reverse", "wrong_wallet", "chargeback"},
}
MANAGER = {"defer", "writeoff"}
BUDGET = {"transfer", "fee", "close"}  # what a production line's wallet can do


class EnergyWalletOperation(models.TransientModel):
    """One operation on a wallet; it says what it will book before it does."""

    _name = "energy.wallet.operation"
    _description = "Wallet Operation"

    wallet_id = fields.Many2one("energy.wallet", required=True, readonly=True)
    kind = fields.Selection(related="wallet_id.kind")
    company_id = fields.Many2one(related="wallet_id.company_id")
    currency_id = fields.Many2one(related="wallet_id.currency_id")
    balance = fields.Monetary(related="wallet_id.balance")
    operation = fields.Selection(OPERATIONS, required=True, default="transfer")
    amount = fields.Monetary(
        compute="_compute_amount", store=True, readonly=False, precompute=True
    )
    other_wallet_id = fields.Many2one(
        "energy.wallet",
        "To Wallet",
        domain="[('company_id', '=', company_id), ('currency_id', '=', currency_id), "
        "('id', '!=', wallet_id), ('kind', '=', kind)]",
    )
    payment_id = fields.Many2one(
        "account.payment",
        "Top-up",
        domain="[('energy_wallet_id', '=', wallet_id), ('payment_type', '=', "
        "'inbound'), ('state', 'in', ('in_process', 'paid')), "
        "('journal_id.type', '!=', 'cash' if operation == 'chargeback' else '')]",
    )
    journal_id = fields.Many2one(
        "account.journal",
        "Paid By",
        compute="_compute_journal_id",
        store=True,
        readonly=False,
        domain="[('type', 'in', ('cash', 'bank')), ('company_id', '=', company_id)]",
    )
    account_id = fields.Many2one(
        "account.account",
        "Loss Account",
        domain="[('account_type', 'in', ('expense', 'expense_other')), "
        "('company_ids', 'in', company_id)]",
    )
    topup_fee = fields.Monetary(related="payment_id.energy_topup_fee")
    fee_back = fields.Boolean(
        "Give Its Fee Back", default=True, help="The next invoice has less of fees."
    )
    bank_fee = fields.Monetary(
        "Fee of the Chargeback", help="What the tenant is charged for it; may be none."
    )
    switch_off = fields.Boolean("Switch the Points Off", default=True)
    reason = fields.Char()
    done = fields.Boolean(readonly=True)
    preview = fields.Html(compute="_compute_preview", sanitize=False)

    @api.depends("operation", "wallet_id", "payment_id")
    def _compute_amount(self):
        for wizard in self:
            balance = wizard.wallet_id.balance
            if wizard.operation in NEEDS["payment_id"]:
                payment = wizard.payment_id
                wizard.amount = float(payment._energy_left()) if payment else 0
                if wizard.operation == "wrong_wallet":  # its fee is paid by the payer
                    wizard.amount -= wizard.payment_id.energy_topup_fee
            elif wizard.operation == "writeoff":
                wizard.amount = max(-balance, 0)
            elif wizard.operation == "refund":
                exact = wizard.wallet_id._exact_balances().get(wizard.wallet_id.id, 0)
                most = wizard.wallet_id._cents(Decimal(exact), ROUND_DOWN)
                wizard.amount = max(float(most), 0)
            else:
                wizard.amount = wizard.amount or 0

    @api.depends("wallet_id", "payment_id")
    def _compute_journal_id(self):
        for wizard in self:
            wizard.journal_id = wizard.payment_id.journal_id or self.env[
                "account.journal"
            ].search(
                [
                    ("type", "in", ("cash", "bank")),
                    ("company_id", "=", wizard.wallet_id.company_id.id),
                ],
                limit=1,
            )

    @api.depends(
        "operation", "amount", "other_wallet_id", "payment_id", "journal_id",
        "account_id", "switch_off", "fee_back", "bank_fee",
    )  # fmt: skip
    def _compute_preview(self):
        for wizard in self:
            wizard.preview = self.env["ir.qweb"]._render(
                "prepaid_energy.wallet_operation_preview",
                {
                    "rows": wizard._plan(),
                    "after": wizard.wallet_id._format(wizard._balance_after()),
                    "notes": wizard._notes(),
                    "wizard": wizard,
                },
            )

    # ------------------------------------------------------------------ the plan

    def _plan(self):
        """What will be booked: (what, amount as text, debit, credit); names only."""
        wallet, other = self.wallet_id, self.other_wallet_id
        own = self.env._("Wallet %s", wallet.name)
        prepaid = wallet.company_id.energy_prepayment_account_id.display_name
        between = self.env._("Wallet %s", other.name or "…")
        same = wallet.partner_id.commercial_partner_id == (
            other.partner_id.commercial_partner_id
        )
        entry = None if wallet.kind not in PREPAID or same else (prepaid, prepaid)
        cash = self.journal_id.display_name or "…"
        debt = self.env._("Deferred debt of %s", wallet.name)
        loss = self.account_id.display_name or "…"
        rows = {
            "refund": [(own, -1, (prepaid, cash))],
            "reverse": [(own, -1, (prepaid, cash))],
            "chargeback": [(own, -1, (prepaid, cash))],
            "transfer": [(own, -1, entry), (between, 1, None)],
            "wrong_wallet": [(own, -1, entry), (between, 1, None)],
            "fee": [(own, -1, None)],
            "defer": [(own, 1, None), (debt, -1, None)],
            "writeoff": [(own, 1, (loss, prepaid))],
            "close": [(own, -1, wallet.kind != "line" and (prepaid, cash))]
            if wallet.balance >= 0
            else [(own, 1, wallet.kind != "line" and (loss, prepaid))],
        }[self.operation]
        amount = {"close": abs(wallet.balance), "defer": max(-wallet.balance, 0)}.get(
            self.operation, self.amount
        )
        return [
            (name, wallet._format(sign * amount), *(books or ("", "")))
            for name, sign, books in rows
        ] + self._plan_fees()

    def _plan_fees(self):
        """The rows of fees that go with it: no journal entry, the invoice has them."""
        wallet, fee = self.wallet_id, 0
        if self.operation == "reverse" and self.fee_back:
            fee = self.payment_id.energy_topup_fee
            name = self.env._("Wallet %s: fee of the top-up, given back", wallet.name)
        elif self.operation == "chargeback":
            fee = -self.bank_fee
            name = self.env._("Wallet %s: fee of the chargeback", wallet.name)
        return [(name, wallet._format(fee), "", "")] if fee else []

    def _balance_after(self):
        """What the wallet will hold (Decimal), as far as it is settled now."""
        balance, amount, fee, bank_fee = (
            Decimal(repr(value or 0.0))
            for value in (self.balance, self.amount, self.topup_fee, self.bank_fee)
        )
        if self.operation == "close":
            return Decimal(0)
        if self.operation == "defer":
            return max(balance, Decimal(0))
        if self.operation == "writeoff":
            return balance + amount
        if self.operation == "reverse" and self.fee_back:
            amount -= fee
        if self.operation == "chargeback":
            amount += bank_fee
        return balance - amount

    def _notes(self):
        """What happens beside the bookings, in sentences."""
        wallet = self.wallet_id
        if self.operation == "fee":
            return [self.env._("The fee is part of the next invoice.")]
        if self.operation == "reverse" and self.payment_id.amount_available_for_refund:
            return [self.env._("The provider pays it back to the payment method.")]
        if self.operation == "chargeback":
            return [
                self.env._("No emergency credit until a manager allows it again."),
                self.env._("Match the payment with the bank's line when it comes."),
            ]
        if self.operation == "defer":
            share = wallet.sudo().policy_id.debt_percent  # sudo: shown, not decided
            return [
                self.env._(
                    "The balance becomes zero; %s %% of each top-up pay the debt back.",
                    f"{share:g}",
                )
            ]
        if self.operation != "close":
            return []
        notes = [self.env._("What was used until now is booked first.")]
        # sudo: an accountant reads no payment transactions
        waiting = (
            self.env["payment.transaction"]
            .sudo()
            .search_count(
                [
                    ("energy_wallet_id", "=", wallet.id),
                    ("state", "in", ("pending", "authorized")),
                ]
            )
        )
        if waiting:
            notes.append(
                self.env._(
                    "%s online payments are under way: what comes later waits on the "
                    "prepayments account for a person.",
                    waiting,
                )
            )
        for point in wallet.sudo().service_point_ids:  # sudo: shown, not decided
            notes.append(
                self.env._(
                    "%(point)s is taken off the wallet; last reading: %(at)s.",
                    point=point.name,
                    at=point._local(point.meter_id.last_reading_at) or "–",
                )
            )
        return notes

    # ------------------------------------------------------------------ the deed

    def action_confirm(self):
        """Do it; show what was made. A second click does nothing.

        :raise UserError: names what is missing or does not fit.
        """
        self.ensure_one()
        if self.done:
            return self.wallet_id.action_view_entries()
        self._check()
        result = getattr(self, f"_do_{self.operation}")()
        self.done = True
        if result:
            return result._get_records_action()
        return self.wallet_id.action_view_entries()

    def _check(self):
        for name, operations in NEEDS.items():
            if self.operation in operations and not self[name]:
                label = self._fields[name]._description_string(self.env)
                raise UserError(self.env._("%s is missing.", label))
        if self.operation != "close" and not self.reason:
            raise UserError(self.env._("Write the reason: the tenant will read it."))
        if self.wallet_id.kind == "line" and self.operation not in BUDGET:
            raise UserError(
                self.env._("A production line has a budget, no money to pay or owe.")
            )
        if self._gives_up() and not self.env.user.has_group(
            "prepaid_energy.group_energy_manager"
        ):
            raise UserError(self.env._("Only energy managers give up or defer debts."))

    def _gives_up(self):
        """Whether a debt is given up or deferred."""
        if self.operation == "close":
            wallet = self.wallet_id
            return wallet._cents(wallet._exact_balance()) < 0
        return self.operation in MANAGER

    def _exact(self):
        return self.wallet_id._cents(Decimal(repr(self.amount)))

    def _key(self):
        return f"operation:{self.operation}:{self.id}"

    def _do_refund(self):
        return self.wallet_id._refund(self._exact(), self.journal_id, self.reason)

    def _do_transfer(self):
        return self.wallet_id._transfer(
            self.other_wallet_id, self._exact(), self.reason, source_key=self._key()
        )

    def _do_reverse(self):
        """Back to the payment method where its provider can, else by the journal."""
        amount, payment = self._left_to_undo(), self.payment_id
        # sudo: an accountant may not write payments; it is ours to decide
        payment.sudo().energy_fee_back = self.fee_back
        if payment.amount_available_for_refund:
            payment.payment_transaction_id.action_refund(float(amount))
            return None
        return self.wallet_id._refund(
            amount,
            self.journal_id,
            self.reason,
            reverses=self.payment_id,
        )

    def _do_chargeback(self):
        most, amount = self._left_to_undo(), self._exact()
        self.wallet_id._check_amount(amount)
        if amount > most:
            raise UserError(
                self.env._(
                    "%(topup)s has %(most)s left to take back.",
                    topup=self.payment_id.name,
                    most=self.wallet_id._format(most),
                )
            )
        return self.wallet_id._charge_back(
            self.payment_id,
            amount,
            self.journal_id,
            self.reason,
            fee=self.wallet_id._cents(Decimal(repr(self.bank_fee or 0.0))),
        )

    def _do_wrong_wallet(self):
        """Move what the wallet was credited: the payment without its fee."""
        fee = Decimal(repr(self.payment_id.energy_topup_fee))
        return self.wallet_id._transfer(
            self.other_wallet_id,
            self._left_to_undo() - fee,
            self.reason,
            source_key=f"wrong_wallet:{self.payment_id.id}",
            overdraw=True,
        )

    def _left_to_undo(self):
        """What is left of the top-up, as Decimal; it must be one of this wallet.

        :raise UserError: it is none, or it was undone already.
        """
        payment = self.payment_id
        if (payment.energy_wallet_id, payment.payment_type) != (
            self.wallet_id,
            "inbound",
        ):
            raise UserError(
                self.env._("%s is no top-up of this wallet.", payment.display_name)
            )
        moved = self.env["energy.wallet.entry"].search_count(
            [("source_key", "=", f"wrong_wallet:{payment.id}:from")]
        )
        left = payment._energy_left()
        if moved or left <= 0:
            raise UserError(self.env._("%s was undone already.", payment.display_name))
        return left

    def _do_fee(self):
        self.wallet_id._charge_fee(self._exact(), self.reason, source_key=self._key())

    def _do_defer(self):
        return self.wallet_id._defer_debt(self.reason, source_key=self._key())

    def _do_writeoff(self):
        return self.wallet_id._write_off(
            self._exact(), self.account_id, self.reason, source_key=self._key()
        )

    def _do_close(self):
        return self.wallet_id._close(
            journal=self.journal_id, account=self.account_id, switch_off=self.switch_off
        )
