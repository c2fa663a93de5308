from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.fields import Command
from odoo.tools import SQL

from ..models.clock import day_begin, local_day
from ..models.energy_wallet import PREPAID

# Ledger rows that are consumption or billed like it; all others move prepaid money.
CONSUMED = SQL("entry.kind IN ('consumption', 'correction', 'fee')")
WALLETS = """
SELECT wallet.currency_id, partner.commercial_partner_id,
       COALESCE(money.amount, 0)::text, COALESCE(other.amount, 0)::text,
       COALESCE(used.amount, 0)::text, COALESCE(billed.amount, 0)::text
  FROM energy_wallet wallet
  JOIN res_partner partner ON partner.id = wallet.partner_id
  LEFT JOIN LATERAL (
    SELECT sum(entry.amount) AS amount FROM energy_wallet_entry entry
     WHERE entry.wallet_id = wallet.id AND entry.at < %(end)s AND NOT %(consumed)s
  ) money ON true
  LEFT JOIN LATERAL (
    SELECT -sum(entry.amount) AS amount FROM energy_wallet_entry entry
     WHERE entry.wallet_id = wallet.id AND entry.at < %(end)s AND %(consumed)s
       AND entry.service_point_id IS NULL
  ) other ON true
  LEFT JOIN LATERAL (
    SELECT sum(usage.amount_total) AS amount FROM energy_usage usage
     WHERE usage.wallet_id = wallet.id AND usage.day <= %(date)s
  ) used ON true
  LEFT JOIN LATERAL (
    SELECT sum(bill.amount_billed) AS amount FROM energy_bill bill
      JOIN account_move move ON move.id = bill.move_id
     WHERE bill.wallet_id = wallet.id AND move.date <= %(date)s
  ) billed ON true
 WHERE wallet.company_id = %(company)s AND wallet.kind IN %(kinds)s
"""
# Entries of accruals are in a column of their own: they move nobody's money.
BOOKS = """
SELECT line.currency_id, partner.commercial_partner_id, accrual.id IS NOT NULL,
       (-sum(line.amount_currency))::text
  FROM account_move_line line
  JOIN account_move move ON move.id = line.move_id
  LEFT JOIN account_payment payment ON payment.id = move.origin_payment_id
  LEFT JOIN energy_wallet wallet
         ON wallet.id = COALESCE(line.energy_wallet_id, payment.energy_wallet_id)
  LEFT JOIN res_partner partner ON partner.id = wallet.partner_id
  LEFT JOIN energy_accrual accrual
         ON line.move_id IN (accrual.move_id, accrual.reversal_id)
 WHERE line.account_id = %(account)s AND line.company_id = %(company)s
   AND move.state = 'posted' AND line.date <= %(date)s
 GROUP BY 1, 2, 3
"""

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
    """The subledger against the general ledger, at a date, to the cent.

    Wallets + what is consumed and not invoiced = prepayments account. Consumption is
    taken by its local day and as it is known today, all else by its time; amounts are
    in the wallets' currencies. Each difference is traced to its documents.
    """

    _name = "energy.proof"
    _description = "Proof of the Prepayments"
    _rec_name = "date"

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    date = fields.Date(required=True, default=fields.Date.context_today)
    line_ids = fields.One2many(
        "energy.proof.line", "proof_id", compute="_compute_lines", store=True
    )
    cause_ids = fields.One2many(
        "energy.proof.cause", "proof_id", compute="_compute_lines", store=True
    )
    proven = fields.Boolean(compute="_compute_lines", store=True)

    @api.depends("company_id", "date")
    def _compute_lines(self):
        for proof in self:
            proof._check_reader()
            sums, partners, strays = proof._sums()
            proof.line_ids = [Command.clear(), *map(Command.create, sums)]
            causes = proof._causes(partners, strays)
            proof.cause_ids = [Command.clear(), *map(Command.create, causes)]
            proof.proven = not any(line["difference"] for line in sums)

    @api.depends("company_id", "date", "proven")
    def _compute_display_name(self):
        for proof in self:
            parts = {"company": proof.company_id.name, "date": proof.date}
            proof.display_name = (
                self.env._("%(company)s until %(date)s: proven", **parts)
                if proof.proven
                else self.env._("%(company)s until %(date)s: differs", **parts)
            )

    def action_refresh(self):
        """Work it out again."""
        self._compute_lines()

    def _check_reader(self):
        """Raise AccessError unless the user may read wallets and journal items of the
        company: the figures come from SQL."""
        for model in ("energy.wallet", "energy.bill", "account.move.line"):
            self.env[model].check_access("read")
        self.company_id.check_access("read")

    # ------------------------------------------------------------------ the sums

    def _tz(self):
        return self.company_id.partner_id.tz or "UTC"

    def _parameters(self):
        return {
            "company": self.company_id.id,
            "account": self.company_id.energy_prepayment_account_id.id or None,
            "date": self.date,
            "end": day_begin(self.date + timedelta(days=1), self._tz()),
            "kinds": PREPAID,
            "consumed": CONSUMED,
        }

    def _sums(self):
        """The sums by currency; where they differ; what the books have of no wallet.

        Transfers between wallets of one partner are none of the books', so differences
        are sought by partner.

        :return: (values of lines, list of (currency id, partner id), dict currency id
            -> Decimal).
        """
        self.env.flush_all()
        parameters = self._parameters()
        wallets, unbilled = defaultdict(Decimal), defaultdict(Decimal)
        books, strays = defaultdict(Decimal), defaultdict(Decimal)
        expected, debts = defaultdict(Decimal), defaultdict(Decimal)
        for currency, partner, *amounts in self.env.execute_query(
            SQL(WALLETS, **parameters)
        ):
            money, other, used, billed = map(Decimal, amounts)
            wallets[currency] += money - other - used
            unbilled[currency] += other + used - billed
            expected[currency, partner] += money - billed
        for currency, partner, accrued, text in self.env.execute_query(
            SQL(BOOKS, **parameters)
        ):
            books[currency] += Decimal(text)
            if accrued:
                debts[currency] += Decimal(text)
            elif partner is None:
                strays[currency] += Decimal(text)
            else:
                expected[currency, partner] -= Decimal(text)
        lines = [
            self._line(
                currency,
                wallets[currency],
                unbilled[currency],
                books[currency],
                debts[currency],
            )
            for currency in sorted(wallets.keys() | books.keys())
        ]
        return lines, [key for key, amount in expected.items() if amount], strays

    def _line(self, currency_id, wallets, unbilled, liability, debts):
        """The values of a line; what is shown in cents adds up as well."""
        currency = self.env["res.currency"].browse(currency_id)
        shown = currency.round(float(wallets))
        return {
            "currency_id": currency_id,
            "wallets": shown,
            "unbilled": float(wallets + unbilled) - shown,
            "debts": debts,
            "liability": liability,
            "difference": wallets + unbilled + debts - liability,
        }

    # ------------------------------------------------------------------ the causes

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


class EnergyProofLine(models.TransientModel):
    """One currency of a proof."""

    _name = "energy.proof.line"
    _description = "Proof of the Prepayments: Currency"

    proof_id = fields.Many2one("energy.proof", required=True, ondelete="cascade")
    currency_id = fields.Many2one("res.currency", readonly=True)
    wallets = fields.Monetary(readonly=True)
    unbilled = fields.Monetary("Not Invoiced", readonly=True)
    debts = fields.Monetary(
        "Receivable",
        readonly=True,
        help="What tenants below zero owe, moved off the account for a month's end.",
    )
    liability = fields.Monetary("Account", readonly=True)
    difference = fields.Monetary(readonly=True)


class EnergyProofCause(models.TransientModel):
    """One document behind a difference."""

    _name = "energy.proof.cause"
    _description = "Proof of the Prepayments: Cause"

    proof_id = fields.Many2one("energy.proof", required=True, ondelete="cascade")
    currency_id = fields.Many2one("res.currency", readonly=True)
    wallet_id = fields.Many2one("energy.wallet", readonly=True)
    entry_id = fields.Many2one("energy.wallet.entry", "Ledger Row", readonly=True)
    move_id = fields.Many2one("account.move", "Journal Entry", readonly=True)
    amount = fields.Monetary(readonly=True)
    text = fields.Char("Cause", readonly=True)
