from odoo import fields, models
from odoo.tools import SQL

AMOUNTS = ("wallets", "unbilled", "debts", "liability", "difference")


class EnergyProofReport(models.Model):
    """Today's proof of the prepayments, by company and currency.

    The sums are those of the wizard ``energy.proof``, which also traces a difference to
    its documents; here they are a model, so that a dashboard can show them. Worked out
    for the companies the user has chosen, whenever it is read.
    """

    _name = "energy.proof.report"
    _description = "Wallets Against the General Ledger"
    _auto = False
    _rec_name = "currency_id"
    _order = "company_id, currency_id"

    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    date = fields.Date(readonly=True)
    wallets = fields.Monetary(readonly=True)
    unbilled = fields.Monetary("Not Invoiced", readonly=True)
    debts = fields.Monetary("Accrued Receivables", readonly=True)
    liability = fields.Monetary("Account", readonly=True)
    difference = fields.Monetary(readonly=True)

    @property
    def _table_query(self):
        rows = [row for company in self.env.companies for row in self._rows(company)]
        # A row of the types, which is none of the result.
        types = SQL("(NULL::int, NULL::int, NULL::date" + ", NULL::numeric" * 5 + ")")
        return SQL(
            """
            SELECT company_id * 10000 + currency_id AS id, *
              FROM (VALUES %s)
                   proof(company_id, currency_id, date, %s)
             WHERE company_id IS NOT NULL
            """,
            SQL(", ").join([types, *rows]),
            SQL(", ").join(map(SQL.identifier, AMOUNTS)),
        )

    def _rows(self, company):
        """What the wizard finds for ``company`` today, as SQL rows."""
        today = fields.Date.context_today(self)
        proof = self.env["energy.proof"].new({"company_id": company.id, "date": today})
        proof._check_reader()
        return [
            SQL(
                "(%s, %s, %s::date, %s)",
                company.id,
                line["currency_id"],
                today,
                SQL(", ").join(SQL("%s", line[name]) for name in AMOUNTS),
            )
            for line in proof._sums()[0]
        ]
