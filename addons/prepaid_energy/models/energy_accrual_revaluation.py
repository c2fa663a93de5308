from decimal import Decimal

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

# The prepayments account by currency at a day: in the currency, and in the company's.
FOREIGN = """
SELECT line.currency_id, sum(line.amount_currency)::text, sum(line.balance)::text
  FROM account_move_line line
 WHERE line.account_id = %(account)s AND line.company_id = %(company)s
   AND line.parent_state = 'posted' AND line.date <= %(date)s
   AND line.currency_id <> %(currency)s
 GROUP BY 1 ORDER BY 1
"""


class EnergyAccrual(models.Model):
    """Unrealised exchange differences of prepayments in other currencies.

    What is owed in a currency is valued at the month end's rate. The difference goes to
    the company's exchange gain or loss account and, with the rest of the accrual, back
    on the next day. The amounts in the wallets' currencies stay as they are, so the
    proof is not touched.
    """

    _inherit = "energy.accrual"

    revalue = fields.Boolean(
        "Revalue Foreign Prepayments",
        help="Values them at the month end's rate. Tick it where they can "
        "be paid back and so are a monetary item; an advance for a supply is none "
        "(IFRIC 22).",
    )
    exchange_difference = fields.Monetary(
        readonly=True, copy=False, help="A gain is above zero."
    )

    def _all_lines(self, books):
        lines = super()._all_lines(books)
        return lines + self._revaluation_lines(books) if self.revalue else lines

    def _sums(self, items):
        """Exchange results are income or expense of their own."""
        company = self.company_id
        accounts = (
            company.income_currency_exchange_account_id
            | company.expense_currency_exchange_account_id
        )
        results = items.filtered(lambda line: line.account_id in accounts)
        difference = -sum(results.mapped("balance"))
        sums = super()._sums(items - results)
        return {**sums, "exchange_difference": difference}

    def _revaluation_lines(self, books):
        """Two journal items a currency, only in the company's currency."""
        company, lines = self.company_id, []
        account = company.energy_prepayment_account_id
        self.env.flush_all()
        for currency_id, amount, balance in self.env.execute_query(
            SQL(
                FOREIGN,
                account=account.id or 0,
                company=company.id,
                currency=company.currency_id.id,
                date=self.date,
            )
        ):
            currency = self.env["res.currency"].browse(currency_id)
            rate = books._rate(currency, company, self.date)
            worth = company.currency_id.round(float(amount) * rate)
            change = Decimal(repr(worth)) - Decimal(balance)
            if change:
                lines += self._revaluation(account, currency, change)
        return lines

    def _revaluation(self, account, currency, change):
        """The items of one currency; ``change`` is a debit above zero."""
        company = self.company_id
        gain, loss = (
            company.income_currency_exchange_account_id,
            company.expense_currency_exchange_account_id,
        )
        other = gain if change > 0 else loss
        if not other:
            raise UserError(
                self.env._("%s has no exchange gain or loss account.", company.name)
            )
        name = self.env._("Prepayments in %s at the month end's rate", currency.name)
        return [
            {
                "name": name,
                "account_id": account.id,
                "currency_id": currency.id,
                "amount_currency": 0.0,
                "balance": float(change),
            },
            {
                "name": name,
                "account_id": other.id,
                "currency_id": company.currency_id.id,
                "amount_currency": float(-change),
                "balance": float(-change),
            },
        ]
