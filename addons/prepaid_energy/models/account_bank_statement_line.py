from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tools import SQL, html2plaintext

from .account_payment import POSTED
from .protected import refuse

MATCHED = {"energy_credited", "energy_undone", "energy_reason"}  # ours to write
FROZEN = {
    "amount",
    "amount_currency",
    "foreign_currency_id",
    "currency_id",
    "partner_id",
    "payment_ref",
    "journal_id",
    "date",
    "energy_wallet_id",
}
CRON_DAYS = 90  # older lines wait for a person only
CRON_LINES = 500  # a run


class AccountBankStatementLine(models.Model):
    """A bank transfer that names a wallet tops it up.

    The line's counterpart moves from the suspense account to the prepayments account,
    with the wallet's partner, and the wallet's ledger gets one row, whose source key
    names the line. What is not certain stays in suspense for a person, with a reason.
    """

    _inherit = "account.bank.statement.line"

    energy_wallet_id = fields.Many2one(
        "energy.wallet",
        check_company=True,
        copy=False,
        index="btree_not_null",
        domain="[('kind', '=', 'tenant'), ('company_id', '=', company_id)]",
        help="The wallet that the transfer tops up. Choose it where it was not found.",
    )
    energy_credited = fields.Boolean("Credited", readonly=True, copy=False)
    energy_undone = fields.Integer(readonly=True, copy=False)
    energy_reason = fields.Char("Why Not Credited", readonly=True, copy=False)

    @api.model_create_multi
    def create(self, vals_list):
        """Credit wallets at once where the lines name them."""
        for vals in vals_list:
            refuse(self, vals, MATCHED, self.env._("%s follow from the matching."))
        lines = super().create(vals_list)
        # sudo: a payer's reference decides, not who has fetched the statement
        lines.sudo()._match_wallets()
        return lines

    def write(self, vals):
        """Refuse to change what a wallet was credited by."""
        refuse(self, vals, MATCHED, self.env._("%s follow from the matching."))
        # core writes the others back with this context, and changes no entry by it
        skip = self.env.context.get("skip_account_move_synchronization")
        if "energy_wallet_id" in vals or (FROZEN & {*vals} and not skip):
            self._refuse_undoing_credit()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_not_credited(self):
        self._refuse_undoing_credit()

    def _refuse_undoing_credit(self):
        """Raise UserError if one of the lines has credited a wallet."""
        for line in self.filtered("energy_credited"):
            raise UserError(
                self.env._(
                    "%(line)s has credited the wallet %(wallet)s: undo its "
                    "reconciliation first.",
                    line=line.move_id.name,
                    wallet=line.sudo().energy_wallet_id.name,
                )
            )

    # ------------------------------------------------------------------ matching

    def _match_wallets(self):
        """Credit the wallets that the lines name; write down why not, otherwise.

        :return: the lines that credited a wallet.
        """
        matched = self.browse()
        for line in self.filtered(lambda line: line._may_top_up()):
            wallet, reason = line._find_wallet()
            if wallet:
                try:
                    with self.env.cr.savepoint():
                        line._credit_wallet(wallet)
                    matched += line
                except UserError as error:
                    reason = str(error)
            if reason and reason != line.energy_reason:
                line.energy_reason = reason
        return matched

    def _may_top_up(self):
        """Whether the line is money into a bank account that nobody has matched."""
        return (
            self.journal_id.type == "bank"
            and self.amount > 0
            and not self.is_reconciled
            and self.state == "posted"
            and self.company_id.energy_prepayment_account_id
            and len(self._seek_for_lines()[1]) == 1
            and not self._seek_for_lines()[2]
        )

    def _find_wallet(self):
        """The wallet that a person chose, or that the payer's texts name.

        :return: (wallet or none, reason or "").
        """
        Wallet = self.env["energy.wallet"]
        found, reason = self.energy_wallet_id, ""
        if not found:
            texts = (
                self.payment_ref,
                self.ref,
                html2plaintext(self.narration or ""),
                self.partner_name,
                self.partner_id.ref,
            )
            # one text after the other: joined, the end of one and the begin of the
            # next would be read as one reference
            named = [Wallet._named_in(text, self.company_id) for text in texts if text]
            found = Wallet.union(*(wallets for wallets, _reason in named))
            reason = next((reason for _wallets, reason in named if reason), "")
        if len(found) > 1:
            return Wallet, self.env._(
                "It names several wallets: %s.", ", ".join(found.mapped("reference"))
            )
        if found:
            reason = self._why_not(found)
        return (Wallet if reason else found), reason

    def _why_not(self, wallet):
        """What speaks against crediting this wallet; empty if nothing does."""
        currency = self._seek_for_lines()[1].currency_id
        if wallet.kind != "tenant":
            return self.env._("%s is no tenant's wallet.", wallet.name)
        if not wallet.active:
            return self.env._("%s is closed.", wallet.name)
        if wallet.company_id != self.company_id:
            return self.env._("%s is of another company.", wallet.name)
        if wallet.currency_id != currency:
            return self.env._(
                "%(wallet)s is kept in %(currency)s, the transfer is in %(other)s.",
                wallet=wallet.name,
                currency=wallet.currency_id.name,
                other=currency.name,
            )
        payment = self._waiting_payment(wallet)
        if payment:
            return self.env._(
                "%s is of the same wallet and amount, and not matched with the bank "
                "yet: it would be credited twice.",
                payment.display_name,
            )
        return ""

    def _waiting_payment(self, wallet):
        """A payment in this journal that the line may be the bank's side of."""
        return self.env["account.payment"].search(
            [
                ("energy_wallet_id", "=", wallet.id),
                ("payment_type", "=", "inbound"),
                ("journal_id", "=", self.journal_id.id),
                ("state", "in", POSTED),
                ("is_matched", "=", False),
                ("amount", "=", -self._seek_for_lines()[1].amount_currency),
            ],
            limit=1,
        )

    def _credit_wallet(self, wallet):
        """Move the counterpart to the prepayments account and credit the wallet.

        :raise UserError: the line is matched already, or its date is locked.
        """
        self.ensure_one()
        self._lock()
        suspense = self._seek_for_lines()[1]
        books = self.env["energy.books"]
        books._check_lock_date(self.company_id, self.journal_id, self.date, False)
        partner = wallet.partner_id.commercial_partner_id
        amount = Decimal(str(-suspense.amount_currency))
        if not self.partner_id:
            self.partner_id = partner
        counterpart = {
            "account_id": books._prepayment_account(wallet).id,
            "partner_id": partner.id,
            "energy_wallet_id": wallet.id,
        }
        self.move_id.with_context(skip_readonly_check=True).write(
            {"line_ids": [Command.update(suspense.id, counterpart)]}
        )
        key = f"statement:{self.id}:{self.energy_undone}"
        self.write({"energy_wallet_id": wallet.id, "energy_reason": False})
        self.energy_credited = True
        recovered = wallet._book_topup(
            amount,
            source_key=key,
            recovery_key=f"recovery:{key}",
            name=self.env._("Bank transfer %s", self.move_id.name),
            statement_line_id=self.id,
        )
        Advance = self.env["energy.advance"]
        Advance._follow_topup(wallet, amount - recovered, self.date)

    def _lock(self):
        """Take the row, so that nobody else matches it in the meantime.

        :raise UserError: somebody has matched it.
        """
        self.flush_recordset()
        row = self.env.execute_query(
            SQL(
                "SELECT energy_credited OR is_reconciled "
                "FROM account_bank_statement_line WHERE id = %s FOR UPDATE",
                self.id,
            )
        )
        if row[0][0]:
            raise UserError(self.env._("%s is matched already.", self.move_id.name))

    # ------------------------------------------------------------------ undoing

    def action_undo_reconciliation(self):
        """Take a wallet's credit back by a new ledger row, then undo as usual."""
        for line in self.filtered("energy_credited"):
            line._reverse_credit()
        return super().action_undo_reconciliation()

    def _reverse_credit(self):
        """Debit what the line had credited.

        :raise UserError: the wallet is closed, or the money is matched with an invoice.
        """
        self._check_matcher()
        line = self.sudo()  # sudo: rights were checked
        wallet = line.energy_wallet_id
        counterpart = line.move_id.line_ids.filtered("energy_wallet_id")
        if not wallet.active or counterpart.matched_debit_ids:
            raise UserError(
                self.env._(
                    "The money of %(line)s was used by %(wallet)s: transfer it or pay "
                    "it out instead.",
                    line=line.move_id.name,
                    wallet=wallet.name,
                )
            )
        wallet.env["energy.wallet.entry"]._post(
            wallet,
            "topup",
            Decimal(str(counterpart.amount_currency)),
            source_key=f"statement:{line.id}:{line.energy_undone}:undone",
            name=self.env._("Bank transfer %s taken back", line.move_id.name),
            statement_line_id=line.id,
        )
        wallet.env["energy.advance"]._follow_taken_back(wallet)
        line.write({"energy_credited": False, "energy_undone": line.energy_undone + 1})
        line.energy_wallet_id = False

    def _check_matcher(self):
        if not self.env.user.has_group("prepaid_energy.group_energy_accountant"):
            raise AccessError(
                self.env._("Only energy accountants move wallets' money.")
            )

    # ------------------------------------------------------------------ people, clock

    def action_match_wallet(self):
        """Try the lines again; tell how many credited a wallet, and why others not."""
        self._check_matcher()
        self.check_access("read")
        # sudo: an energy accountant need not be able to edit posted bank entries
        matched = self.sudo()._match_wallets()
        left = (self - matched)[:10]
        reasons = [
            f"{line.move_id.name}: {line.energy_reason or self.env._('no reference')}"
            for line in left
        ]
        done = self.env._("%s transfers credited a wallet.", len(matched))
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "type": "warning" if left else "success",
                "sticky": bool(left),
                "message": "\n".join([done, *reasons]),
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def action_choose_wallet(self):
        """Open the wizard in which a person chooses the wallet."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Credit a Wallet"),
            "res_model": "energy.bank.match",
            "view_mode": "form",
            "target": "new",
            "context": {"default_line_id": self.id},
        }

    @api.model
    def _cron_match_wallets(self):
        """Try recent lines again: a wallet or a payment may have come after them."""
        lines = self.search(
            [
                ("journal_id.type", "=", "bank"),
                ("is_reconciled", "=", False),
                ("amount", ">", 0),
                ("date", ">=", fields.Date.today() - timedelta(days=CRON_DAYS)),
                ("company_id.energy_prepayment_account_id", "!=", False),
            ],
            limit=CRON_LINES,
        )
        for line in lines:
            line._match_wallets()
            self.env["ir.cron"]._commit_progress(1)
