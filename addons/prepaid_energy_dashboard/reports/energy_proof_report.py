from odoo import fields, models
from odoo.tools import SQL

from odoo.addons.prepaid_energy.wizards.energy_proof import BOOKS, WALLETS

# One company of the proof: text of the proof's own statements, summed in numeric.
COMPANY = """
SELECT %(company)s AS company_id, part.currency_id, %(date)s::date AS date,
       sum(part.wallets) AS wallets, sum(part.unbilled) AS unbilled,
       sum(part.debts) AS debts, sum(part.liability) AS liability
  FROM (SELECT currency_id, money::numeric - other::numeric - used::numeric AS wallets,
               other::numeric + used::numeric - billed::numeric AS unbilled,
               0 AS debts, 0 AS liability
          FROM (%(wallets)s) w(currency_id, partner_id, money, other, used, billed)
         UNION ALL
        SELECT currency_id, 0, 0, CASE WHEN accrued THEN amount::numeric ELSE 0 END,
               amount::numeric
          FROM (%(books)s) b(currency_id, partner_id, accrued, amount)) part
 GROUP BY part.currency_id
"""
NONE = """
SELECT 0 AS company_id, 0 AS currency_id, NULL::date AS date, 0 AS wallets,
       0 AS unbilled, 0 AS debts, 0 AS liability
 WHERE false
"""


class EnergyProofReport(models.Model):
    """Today's proof of the prepayments, by company and currency.

    The sums of the wizard ``energy.proof``, which also traces a difference to its
    documents; as a model, so that a dashboard can show them. Worked out for the
    companies the user has chosen, whenever it is read.
    """

    _name = "energy.proof.report"
    _description = "Wallets Against the General Ledger"
    _auto = False
    _rec_name = "currency_id"
    _order = "company_id, currency_id"
    _depends = {
        "energy.wallet": ["currency_id", "kind", "partner_id"],
        "energy.wallet.entry": ["amount", "at", "kind"],
        "energy.usage": ["amount_total", "day", "wallet_id"],
        "energy.bill": ["amount_billed", "move_id"],
        "energy.accrual": ["move_id", "reversal_id"],
        "account.move": ["date", "state"],
        "account.move.line": ["account_id", "amount_currency", "energy_wallet_id"],
    }

    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    date = fields.Date(readonly=True)
    wallets = fields.Monetary(readonly=True)
    unbilled = fields.Monetary("Not Invoiced", readonly=True)
    debts = fields.Monetary("Receivable", readonly=True)
    liability = fields.Monetary("Account", readonly=True)
    difference = fields.Monetary(readonly=True)

    @property
    def _table_query(self):
        companies = SQL(" UNION ALL ").join(map(self._of_company, self.env.companies))
        return SQL(
            """
            SELECT proof.company_id * 10000 + proof.currency_id AS id,
                   proof.company_id, proof.currency_id, proof.date,
                   round(proof.wallets, currency.decimal_places) AS wallets,
                   proof.wallets + proof.unbilled
                   - round(proof.wallets, currency.decimal_places) AS unbilled,
                   proof.debts, proof.liability,
                   proof.wallets + proof.unbilled + proof.debts - proof.liability
                   AS difference
              FROM (%s) proof JOIN res_currency currency
                ON currency.id = proof.currency_id
            """,
            companies or SQL(NONE),
        )

    def _of_company(self, company):
        """The statement of one company's sums, as of today."""
        today = fields.Date.context_today(self)
        proof = self.env["energy.proof"].new({"company_id": company.id, "date": today})
        parameters = proof._parameters()
        return SQL(
            COMPANY,
            company=company.id,
            date=today,
            wallets=SQL(WALLETS, **parameters),
            books=SQL(BOOKS, **parameters),
        )
