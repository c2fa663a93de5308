from decimal import ROUND_HALF_UP, Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .energy_wallet import PREPAID


class EnergyWallet(models.Model):
    """What people do with a wallet's money: each operation books new ledger rows.

    Amounts are exact Decimals in the wallet's currency. Where money changes hands in
    the books, a journal entry is posted with the ledger rows (see ``energy_books.py``),
    so that the wallets and the prepayments account stay equal.
    """

    _inherit = "energy.wallet"

    debt_wallet_id = fields.Many2one(
        "energy.wallet",
        "Deferred Debt",
        readonly=True,
        copy=False,
        ondelete="restrict",
        help="What was owed before; a share of each top-up pays it back.",
    )
    debt = fields.Monetary("Still Owed", compute="_compute_debt")
    closed_on = fields.Date(readonly=True, copy=False, tracking=True)

    @api.depends("debt_wallet_id.balance")
    def _compute_debt(self):
        for wallet in self:
            # sudo: whoever sees the wallet may see what it owes
            wallet.debt = -wallet.sudo().debt_wallet_id.balance

    @api.constrains("kind", "policy_id")
    def _check_debt(self):
        for wallet in self.filtered(lambda wallet: wallet.kind == "debt"):
            if wallet.policy_id:
                raise ValidationError(
                    wallet.env._("%s: a deferred debt has no policy.", wallet.name)
                )

    # ------------------------------------------------------------------ booking

    def _exact_balance(self):
        """The balance as an exact Decimal; one wallet."""
        self.ensure_one()
        return self._exact_balances()[self.id]

    def _cents(self, amount, rounding=ROUND_HALF_UP):
        """``amount`` rounded to the currency's minor unit, as Decimal."""
        unit = Decimal(1).scaleb(-self.currency_id.decimal_places)
        return amount.quantize(unit, rounding)

    def _move_to(self, other, amount, kind, *, source_key, name):
        """Two ledger rows that take ``amount`` from this wallet to another.

        The wallets are taken in id order, so that two transfers in opposite directions
        do not wait for each other.

        :return: whether they were booked; a known ``source_key`` books nothing.
        """
        rows = sorted(
            [(self, -amount, "from"), (other, amount, "to")],
            key=lambda row: row[0].id,
        )
        # sudo: ledger rows are nobody's to write; rights were checked by the caller
        Entry = self.env["energy.wallet.entry"].sudo()
        booked = [
            Entry._post(
                wallet.sudo(), kind, part, source_key=f"{source_key}:{end}", name=name
            )
            for wallet, part, end in rows
        ]
        return all(booked)

    def _book(self, kind, amount, *, source_key, name, **extra):
        """One ledger row of this wallet; see ``energy.wallet.entry._post``."""
        self.check_access("write")
        # sudo: as in _move_to
        Entry = self.env["energy.wallet.entry"].sudo()
        return Entry._post(
            self.sudo(), kind, amount, source_key=source_key, name=name, **extra
        )

    def _check_amount(self, amount, most=None):
        """Raise UserError unless 0 < amount ≤ most."""
        if amount <= 0:
            raise UserError(self.env._("The amount must be above zero."))
        if most is not None and amount > most:
            raise UserError(
                self.env._(
                    "%(wallet)s has %(most)s: %(amount)s is more than that.",
                    wallet=self.name,
                    most=self._format(most),
                    amount=self._format(amount),
                )
            )

    # ------------------------------------------------------------------ operations

    def _transfer(self, other, amount, reason, *, source_key, overdraw=False):
        """Take money from this wallet to another one.

        :param recordset other: of the same company and currency; a line's money does
            not go to a tenant, nor a tenant's to a line.
        :param Decimal amount: above zero.
        :param bool overdraw: more than the balance may go, to undo a wrong top-up.
        :return: the journal entry between two partners, or none.
        :raise UserError: names what does not fit.
        """
        (self | other).check_access("write")
        self._check_transfer(other)
        self._check_amount(amount, None if overdraw else self._exact_balance())
        name = self.env._(
            "%(reason)s: %(from_wallet)s to %(to_wallet)s",
            reason=reason or self.env._("Transfer"),
            from_wallet=self.reference,
            to_wallet=other.reference,
        )
        if not self._move_to(
            other, amount, "transfer", source_key=source_key, name=name
        ):
            return self.env["account.move"]
        entry = self._books()._post_transfer(self, other, amount, name)
        self.env["energy.advance"]._follow_transfer(self, other, amount)
        return entry

    def _check_transfer(self, other):
        if self == other:
            raise UserError(self.env._("Choose another wallet."))
        if not other.active:
            raise UserError(self.env._("%s is closed.", other.name))
        for field in ("company_id", "currency_id"):
            if self[field] != other[field]:
                raise UserError(
                    self.env._(
                        "%(one)s and %(other)s are not of one company and currency.",
                        one=self.name,
                        other=other.name,
                    )
                )
        if (self.kind in PREPAID) != (other.kind in PREPAID):
            raise UserError(
                self.env._(
                    "Money of a tenant and budget of a production line do not mix."
                )
            )

    def _charge_fee(self, amount, name, *, source_key):
        """Draw a fee; the next invoice has it. It may overdraw the wallet.

        :param Decimal amount: above zero, levies included.
        """
        self._check_amount(amount)
        return self._book("fee", -amount, source_key=source_key, name=name)

    def _refund(self, amount, journal, reason, *, reverses=None, **values):
        """Pay money out: an outgoing payment, which debits the wallet.

        :param Decimal amount: above zero, in whole minor units.
        :param recordset journal: bank or cash, ``account.journal``.
        :param recordset reverses: the top-up that this undoes (it may overdraw the
            wallet), or None: at most the balance is paid out.
        :param values: further ones of the payment.
        :return: the posted ``account.payment``.
        """
        self.ensure_one()
        self.check_access("write")
        self._check_amount(amount, None if reverses else self._exact_balance())
        if not journal:
            raise UserError(self.env._("Choose the cash or bank journal."))
        payment = self.env["account.payment"].create(
            {
                "payment_type": "outbound",
                "partner_type": "customer",
                "partner_id": self.partner_id.commercial_partner_id.id,
                "amount": float(amount),
                "currency_id": self.currency_id.id,
                "journal_id": journal.id,
                "memo": f"{self.reference} {reason}".strip(),
                "energy_wallet_id": self.id,
                "energy_reversed_id": reverses.id if reverses else False,
                **values,
            }
        )
        payment.action_post()
        return payment

    def _write_off(self, amount, account, reason, *, source_key):
        """Give up a debt, at most what the wallet is below zero.

        :param Decimal amount: above zero.
        :param recordset account: the expense account, ``account.account``.
        :return: the journal entry.
        """
        self._check_amount(amount, self._cents(-self._exact_balance()))
        if not account:
            raise UserError(self.env._("Choose the account of the loss."))
        name = self.env._("Write-off: %s", reason)
        if not self._book("writeoff", amount, source_key=source_key, name=name):
            return self.env["account.move"]
        return self._books()._post_write_off(self, amount, account, name)

    # ------------------------------------------------------------------ debts

    def _defer_debt(self, reason, *, source_key):
        """Set a negative balance aside as a debt that top-ups pay back by a share.

        :return: the debt's wallet.
        :raise UserError: the wallet is not below zero.
        """
        self.check_access("write")
        owed = -self._exact_balance()
        self._check_amount(owed)
        debt = self.sudo().debt_wallet_id  # sudo: it follows from this wallet
        if not debt:
            debt = self.sudo().create(
                {
                    "name": self.env._("%s, deferred debt", self.name),
                    "kind": "debt",
                    "partner_id": self.partner_id.id,
                    "company_id": self.company_id.id,
                    "currency_id": self.currency_id.id,
                }
            )
            self.sudo()._write_decided({"debt_wallet_id": debt.id})
        name = self.env._("Deferred debt: %s", reason)
        debt._move_to(self, owed, "debt", source_key=source_key, name=name)
        return debt

    def _recover_debt(self, amount, *, source_key):
        """Take the policy's share of a top-up for the deferred debt.

        :param Decimal amount: of the top-up.
        :return: what was taken, as Decimal.
        """
        debt = self.debt_wallet_id
        owed = -debt._exact_balance() if debt else Decimal(0)
        percent = Decimal(repr(self.policy_id.debt_percent or 0.0))
        share = min(self._cents(amount * percent / 100), owed)
        if share <= 0:
            return Decimal(0)
        name = self.env._("Debt recovery, %s %% of the top-up", f"{percent:g}")
        self._move_to(debt, share, "debt", source_key=source_key, name=name)
        return share

    # ------------------------------------------------------------------ closing

    def _close(self, *, journal=None, account=None, switch_off=True):
        """End a tenancy: settle, take the points off, pay out, archive.

        :param recordset journal: pays out what is left; needed where the balance is
            above zero.
        :param recordset account: writes off what is owed; needed below zero.
        :param bool switch_off: open the relays of the points that become vacant.
        :return: the payment or the journal entry, if there was anything left.
        :raise UserError: names what must be decided first.
        """
        self.ensure_one()
        self.check_access("write")
        if self.debt_wallet_id and self.debt > 0:
            raise UserError(
                self.env._(
                    "%(wallet)s still owes a deferred debt of %(debt)s: take it back "
                    "or write it off first.",
                    wallet=self.name,
                    debt=self._format(self.debt),
                )
            )
        self._vacate(switch_off)
        self.env["energy.usage"].sudo()._settle_wallets(self)  # sudo: ledger rows
        result = self._pay_last(journal, account)
        today = fields.Date.context_today(self)
        self.sudo()._write_decided({"closed_on": today})  # sudo: see DECIDED_BY_LEDGER
        self.write({"active": False})
        return result

    def _vacate(self, switch_off):
        """Take the wallet off its points. sudo: an accountant does not own points."""
        points = self.sudo().service_point_ids
        if switch_off:
            points.filtered(lambda point: not point.kept_on).action_switch_off()
        points.write({"wallet_id": False})

    def _pay_last(self, journal, account):
        """Bring the balance to zero: round it, then pay it out or write it off.

        What is left of a production line's budget is nobody's money: it lapses.
        """
        balance = self._exact_balance()
        if self.kind == "line":
            if balance:
                self._book(
                    "grant",
                    -balance,
                    source_key=f"close:{self.id}:{self.entry_count}",
                    name=self.env._("Closing"),
                )
            return None
        cents = self._cents(balance)
        if cents != balance:
            self._book(
                "correction",
                cents - balance,
                source_key=f"close:{self.id}:{balance.normalize()}:{self.entry_count}",
                name=self.env._("Rounding on closing"),
            )
        if cents > 0:
            return self._refund(cents, journal, self.env._("Closing"))
        if cents < 0:
            return self._write_off(
                -cents,
                account,
                self.env._("Closing"),
                source_key=f"close:{self.id}:{self.entry_count}",
            )
        return None

    def _last_clerk(self):
        """Who of the office has moved the wallet last."""
        users = self.entry_ids.user_id
        return users.filtered(lambda user: user.active and user._is_internal())[:1]

    @api.model
    def _report_closed(self):
        """Call a person, once, where a late correction or payment has moved a wallet
        after it was closed."""
        moved = self.with_context(active_test=False).search(
            [("closed_on", "!=", False), ("active", "=", False), ("balance", "!=", 0)]
        )
        summary = self.env._("Money has moved after closing")
        balances = moved._exact_balances()
        for wallet in moved:
            balance = balances[wallet.id]
            if not wallet._cents(balance):
                continue
            if summary not in wallet.activity_ids.mapped("summary"):
                wallet.activity_schedule(
                    "mail.mail_activity_data_todo",
                    summary=summary,
                    note=self.env._(
                        "Balance %s: close it once more under Operations.",
                        wallet._format(balance),
                    ),
                    user_id=wallet._last_clerk().id,
                )

    def _books(self):
        """What posts journal entries for wallets of this company."""
        return self.env["energy.books"].with_company(self.company_id)

    def action_operation(self):
        """Open the wizard of the operation that the context names."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("%s: Operation", self.name),
            "res_model": "energy.wallet.operation",
            "view_mode": "form",
            "target": "new",
            "context": {**self.env.context, "default_wallet_id": self.id},
        }
