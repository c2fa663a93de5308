from collections import defaultdict
from decimal import Decimal

from odoo import models
from odoo.tools import SQL

from ..models.clock import local_day
from .energy_proof import CONSUMED

# Money in and out of wallets, with the journal entry of its payment. A transfer
# between two of them is left out.
ENTRIES = """
SELECT entry.id, entry.wallet_id, entry.at, entry.name,
       entry.amount::text, payment.move_id
  FROM energy_wallet_entry entry
  LEFT JOIN account_payment payment ON payment.id = entry.payment_id
 WHERE entry.wallet_id = ANY(%(wallets)s) AND NOT %(consumed)s
   AND NOT EXISTS (
    SELECT FROM energy_wallet_entry twin
     WHERE twin.wallet_id = ANY(%(wallets)s)
       AND twin.amount = -entry.amount AND entry.source_key ~ ':(from|to)$'
       AND twin.source_key <> entry.source_key
       AND regexp_replace(twin.source_key, ':(from|to)$', '')
         = regexp_replace(entry.source_key, ':(from|to)$', ''))
 ORDER BY entry.at, entry.id
"""


class EnergyProof(models.TransientModel):
    """Each difference traced to its documents."""

    _inherit = "energy.proof"

    def _causes(self, partners, strays):
        """The documents behind each difference, as values of ``energy.proof.cause``."""
        causes = []
        if any(strays.values()):
            causes += self._stray_causes()
        Wallet = self.env["energy.wallet"].with_context(active_test=False)
        for currency_id, partner_id in sorted(partners):
            wallets = Wallet.search(
                [
                    ("company_id", "=", self.company_id.id),
                    ("currency_id", "=", currency_id),
                    ("partner_id.commercial_partner_id", "=", partner_id),
                ]
            )
            causes += self._wallet_causes(wallets)
        return causes + self._debt_causes()

    def _debt_causes(self):
        """What is shown as a receivable at this date: a cause, and no difference."""
        accruals = self.env["energy.accrual"].search(
            [
                ("company_id", "=", self.company_id.id),
                ("date", "=", self.date),
                ("state", "=", "posted"),
            ]
        )
        account = self.company_id.energy_prepayment_account_id
        lines = accruals.move_id.line_ids.filtered(
            lambda line: line.account_id == account and line.amount_currency
        )
        return [
            {
                "currency_id": line.currency_id.id,
                "move_id": line.move_id.id,
                "amount": -line.amount_currency,
                "text": self.env._(
                    "No difference: %s is below zero, shown as a receivable until the "
                    "next day.",
                    line.partner_id.name,
                ),
            }
            for line in lines
        ]

    def _accrual_moves(self):
        """The entries of accruals: they move nobody's money."""
        accruals = self.env["energy.accrual"].search(
            [("company_id", "=", self.company_id.id), ("state", "=", "posted")]
        )
        return accruals.move_id | accruals.reversal_id

    def _stray_causes(self):
        """Journal items on the prepayments account that name no wallet."""
        lines = self.env["account.move.line"].search(
            [
                ("account_id", "=", self.company_id.energy_prepayment_account_id.id),
                ("company_id", "=", self.company_id.id),
                ("parent_state", "=", "posted"),
                ("date", "<=", self.date),
                ("amount_currency", "!=", 0),  # a revaluation moves no wallet's money
                ("energy_wallet_id", "=", False),
                ("move_id", "not in", self._accrual_moves().ids),
                "|",
                ("payment_id", "=", False),
                ("payment_id.energy_wallet_id", "=", False),
            ]
        )
        return [
            {
                "currency_id": line.currency_id.id,
                "wallet_id": line.payment_id.energy_late_wallet_id.id,
                "move_id": line.move_id.id,
                "amount": line.amount_currency,
                "text": self._stray_text(line),
            }
            for line in lines
        ]

    def _stray_text(self, line):
        """Why a journal item has no wallet."""
        late = line.payment_id.energy_late_wallet_id
        if not late:
            return self.env._(
                "On the prepayments account, of no wallet: a manual entry?"
            )
        if line.payment_id.payment_type == "outbound":
            return self.env._("Paid back: it came after %s was closed.", late.name)
        return self.env._(
            "Paid after %s was closed: pay it back or credit it to a wallet.", late.name
        )

    def _wallet_causes(self, wallets):
        """What ledger or books of a partner have alone, or on two sides of the date."""
        ledger, books = self._ledger_items(wallets), self._book_items(wallets)
        causes = []
        for key in sorted(ledger.keys() | books.keys()):
            ours, theirs = ledger.get(key, []), books.get(key, [])
            before = [
                sum((item["amount"] for item in items if item["counts"]), Decimal(0))
                for items in (ours, theirs)
            ]
            if before[0] != before[1]:
                causes.append(self._cause(ours, theirs, before[0] - before[1]))
        return causes

    def _cause(self, ours, theirs, amount):
        if ours and theirs:
            text = self.env._(
                "In the ledger on %(ledger)s, in the books on %(books)s.",
                ledger=max(item["date"] for item in ours),
                books=max(item["date"] for item in theirs),
            )
        elif ours:
            text = self.env._("In the ledger, not in the books: %s", ours[0]["name"])
        else:
            text = self.env._("In the books, not in the ledger: %s", theirs[0]["name"])
        wallet = (ours or theirs)[0]["wallet"]
        return {
            "wallet_id": wallet.id,
            "currency_id": wallet.currency_id.id,
            "entry_id": ours[0].get("entry_id") if ours else False,
            "move_id": (theirs or ours)[0].get("move_id"),
            "amount": amount,
            "text": text,
        }

    def _ledger_items(self, wallets):
        """The wallets' money by document: entries, and bills as what they take."""
        items = defaultdict(list)
        for key, item in (*self._entry_items(wallets), *self._bill_items(wallets)):
            items[key].append(item)
        return items

    def _entry_items(self, wallets):
        """(key, item) of ledger rows, without transfers among these wallets."""
        end = self._parameters()["end"]
        query = SQL(ENTRIES, wallets=wallets.ids, consumed=CONSUMED)
        for entry_id, wallet_id, at, name, text, move_id in self.env.execute_query(
            query
        ):
            amount = Decimal(text)
            key = ("move", move_id) if move_id else ("amount", amount.normalize())
            yield (
                key,
                {
                    "wallet": wallets.browse(wallet_id),
                    "entry_id": entry_id,
                    "move_id": move_id,
                    "date": local_day(self._tz(), at),
                    "name": name,
                    "amount": amount,
                    "counts": at < end,
                },
            )

    def _bill_items(self, wallets):
        """(key, item) of what invoices take out of the wallets' prepayments."""
        for bill in self.env["energy.bill"].search(
            [("wallet_id", "in", wallets.ids), ("move_id", "!=", False)]
        ):
            wallet = bill.wallet_id
            amount = -wallet._cents(Decimal(repr(bill.amount_billed)))
            yield (
                ("amount", amount.normalize()),
                {
                    "wallet": wallet,
                    "move_id": bill.move_id.id,
                    "date": bill.move_id.date,
                    "name": bill.move_id.name,
                    "amount": amount,
                    "counts": bill.move_id.date <= self.date,
                },
            )

    def _book_items(self, wallets):
        """The wallets' items on the prepayments account by document."""
        items = defaultdict(list)
        lines = self.env["account.move.line"].search(
            [
                ("account_id", "=", self.company_id.energy_prepayment_account_id.id),
                ("parent_state", "=", "posted"),
                "|",
                ("energy_wallet_id", "in", wallets.ids),
                ("payment_id.energy_wallet_id", "in", wallets.ids),
            ]
        )
        for line in lines:
            payer = line.payment_id.energy_wallet_id
            wallet = line.energy_wallet_id or payer
            amount = -wallet._cents(Decimal(repr(line.amount_currency)))
            key = ("move", line.move_id.id) if payer else ("amount", amount.normalize())
            items[key].append(
                {
                    "wallet": wallet,
                    "move_id": line.move_id.id,
                    "date": line.date,
                    "name": line.move_name,
                    "amount": amount,
                    "counts": line.date <= self.date,
                }
            )
        return items
