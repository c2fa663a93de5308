from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.fields import Command
from odoo.tools import SQL

from ..models.clock import day_begin
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
