from decimal import Decimal

from odoo import fields, models
from odoo.tools import SQL

# What tenants owe on the prepayments account, a debit, by tenant and currency. Items of
# no tenant are nobody's debt.
DEBTS = """
SELECT partner.commercial_partner_id, line.currency_id, sum(line.amount_currency)::text
  FROM account_move_line line
  JOIN res_partner partner ON partner.id = line.partner_id
 WHERE line.account_id = %(account)s AND line.company_id = %(company)s
   AND line.parent_state = 'posted' AND line.date <= %(date)s
 GROUP BY 1, 2 HAVING sum(line.amount_currency) > 0 ORDER BY 1, 2
"""


class EnergyAccrual(models.Model):
    """Tenants below zero: a debit among the prepayments is a receivable.

    Who has been invoiced more than was paid in owes money, which a balance sheet does
    not set off against what others have paid in advance. Wallets of one tenant and
    currency are set off. It goes back with the rest of the accrual.
    """

    _inherit = "energy.accrual"

    reclassify = fields.Boolean(
        "Show Debts as Receivables",
        default=True,
        help="Moves what tenants owe from the prepayments to a receivable account for "
        "the month end.",
    )
    debts = fields.Monetary(
        readonly=True,
        copy=False,
        help="Of tenants below zero, shown as receivables at the month end.",
    )

    def _all_lines(self, books):
        lines = super()._all_lines(books)
        return lines + self._debt_lines(books) if self.reclassify else lines

    def _sums(self, items):
        account = self.company_id.energy_receivable_account_id
        debts = items.filtered(lambda line: line.account_id == account)
        sums = super()._sums(items - debts)
        return {**sums, "debts": sum(debts.mapped("balance"))}

    def _debt_lines(self, books):
        """Two journal items a tenant and currency, at the rate of the month end."""
        company = self.company_id
        prepayments = company.energy_prepayment_account_id
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                DEBTS,
                account=prepayments.id or 0,
                company=company.id,
                date=self.date,
            )
        )
        return [
            line
            for partner_id, currency_id, text in rows
            for line in self._debt(books, partner_id, currency_id, Decimal(text))
        ]

    def _debt(self, books, partner_id, currency_id, amount):
        """The items of one tenant; they name no wallet: none of them moves money."""
        company = self.company_id
        currency = self.env["res.currency"].browse(currency_id)
        rate = books._rate(currency, company, self.date)
        balance = company.currency_id.round(float(amount) * rate)
        values = {
            "name": self.env._("Below zero on %s", self.date),
            "partner_id": partner_id,
            "currency_id": currency_id,
        }
        receivable = company._energy_account("energy_receivable_account_id")
        prepayments = company.energy_prepayment_account_id
        return [
            {
                **values,
                "account_id": account.id,
                "amount_currency": float(sign * amount),
                "balance": sign * balance,
            }
            for account, sign in ((receivable, 1), (prepayments, -1))
        ]
