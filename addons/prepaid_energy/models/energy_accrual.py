from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

# What was consumed until a day and is on no bill that is dated until then, with what
# production lines have of each other's meters.
UNBILLED = """
SELECT wallet.id, wallet.kind = 'line', due.currency_id, sum(due.net)::text,
       sum(due.total)::text
  FROM (SELECT wallet_id, currency_id, amount - COALESCE(amount_billed, 0) AS net,
               amount_total - COALESCE(total_billed, 0) AS total
          FROM energy_usage
         WHERE company_id = %(company)s AND day <= %(date)s AND (unbilled OR open)
         UNION ALL
        SELECT wallet_id, currency_id, -amount, -amount
          FROM energy_wallet_entry entry
         WHERE company_id = %(company)s AND day <= %(date)s AND kind = 'share'
           AND NOT EXISTS (SELECT FROM energy_bill_entry_rel rel
                            WHERE rel.entry_id = entry.id)) due
  JOIN energy_wallet wallet ON wallet.id = due.wallet_id
 GROUP BY 1, 2, 3 ORDER BY 1
"""


class EnergyAccrual(models.Model):
    """Revenue and cost of a month that no bill has yet; taken back the next day.

    Tenants: unbilled energy against income, net. Production lines: energy cost, with
    their analytic accounts, against the clearing account. The wallets and the
    prepayments account are not touched.
    """

    _name = "energy.accrual"
    _description = "Energy Accrual"
    _inherit = ["mail.thread"]
    _order = "date desc, id desc"
    _rec_name = "date"

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    date = fields.Date(
        "Month End",
        required=True,
        default=lambda self: (
            self.env.company._energy_today().replace(day=1) - timedelta(days=1)
        ),
        help="Post it before the month's billing run, if that is dated later.",
    )
    move_id = fields.Many2one("account.move", "Entry", readonly=True, copy=False)
    reversal_id = fields.Many2one(
        "account.move", "Taken Back By", readonly=True, copy=False
    )
    state = fields.Selection(
        [("draft", "Draft"), ("posted", "Posted")],
        default="draft",
        readonly=True,
        copy=False,
        tracking=True,
    )
    revenue = fields.Monetary(readonly=True, copy=False, help="Net, of tenants.")
    cost = fields.Monetary(readonly=True, copy=False, help="Of production lines.")
    currency_id = fields.Many2one(related="company_id.currency_id")

    _date_uniq = models.Constraint(
        "unique (company_id, date)", "This month end was accrued already."
    )

    @api.ondelete(at_uninstall=False)
    def _unlink_draft(self):
        if any(accrual.state != "draft" for accrual in self):
            raise UserError(self.env._("A posted accrual stays; it is taken back."))

    def action_post(self):
        """Post the entry, and its reversal on the next day.

        :raise UserError: a date is locked, or there is nothing to accrue.
        """
        for accrual in self.filtered(lambda accrual: accrual.state == "draft"):
            accrual.check_access("write")
            accrual._post()

    def _post(self):
        if self.date > self.company_id._energy_today():
            raise UserError(
                self.env._("%s has not come yet: nothing is known of it.", self.date)
            )
        books = self.env["energy.books"].with_company(self.company_id)
        following = self.date + timedelta(days=1)
        journal = self.company_id._energy_journal()
        books._check_lock_date(self.company_id, journal, following, has_tax=False)
        lines = self._all_lines(books)
        if not lines:
            raise UserError(
                self.env._(
                    "Everything consumed until %s is billed: there is nothing to post.",
                    self.date,
                )
            )
        name = self.env._("Energy accrual %s", self.date)
        move = books._post(self, name, lines, self.date)
        # sudo: as the entry itself, see energy.books
        reversal = move.sudo()._reverse_moves(
            [
                {
                    "date": following,
                    "ref": self.env._("%s, taken back", name),
                    "journal_id": journal.id,
                }
            ]
        )
        reversal._post()
        self.write(
            {
                "state": "posted",
                "move_id": move.id,
                "reversal_id": reversal.id,
                **self._sums(move.line_ids),
            }
        )

    def _all_lines(self, books):
        """The journal items of the entry."""
        return [line for row in self._unbilled() for line in self._lines(books, *row)]

    def _sums(self, items):
        """What the form shows, of the posted items."""
        sums = {"revenue": 0.0, "cost": 0.0}
        for line in items:
            if line.account_id.internal_group == "income":
                sums["revenue"] -= line.balance
            elif line.account_id.internal_group == "expense":
                sums["cost"] += line.balance
        return sums

    def _unbilled(self):
        """(wallet, whether it is a production line's, amount in its currency)."""
        self.env.flush_all()
        for wallet_id, line, _currency, net, total in self.env.execute_query(
            SQL(UNBILLED, company=self.company_id.id, date=self.date)
        ):
            # sudo: raw figures of the company, whose access was checked
            wallet = self.env["energy.wallet"].sudo().browse(wallet_id)
            amount = wallet._cents(Decimal(total if line else net))
            if amount:
                yield wallet, line, amount

    def _lines(self, books, wallet, line, amount):
        """The two journal items of a wallet."""
        company = self.company_id
        if line:
            debit = company._energy_account("energy_expense_account_id")
            credit = company._energy_account("energy_clearing_account_id")
        else:
            template = company._energy_product().product_tmpl_id
            debit = company._energy_account("energy_accrual_account_id")
            credit = template.get_product_accounts()["income"]
        one = books._line(wallet, debit, amount, wallet.name, self.date)
        other = books._line(wallet, credit, -amount, wallet.name, self.date)
        if line:
            one["analytic_distribution"] = wallet._analytic_distribution()
        return [one, other]
