from odoo import fields, models
from odoo.exceptions import UserError


class ResCompany(models.Model):
    _inherit = "res.company"

    energy_prepayment_account_id = fields.Many2one(
        "account.account",
        string="Energy Prepayments Account",
        domain="[('account_type', '=', 'liability_current')]",
        help="The liability towards tenants who have paid and not yet consumed.",
    )
    energy_journal_id = fields.Many2one(
        "account.journal",
        string="Energy Journal",
        domain="[('type', '=', 'general')]",
        help="Entries of the energy ledger: transfers, write-offs, settlements.",
    )

    def _ensure_energy_prepayment_account(self):
        """Create the prepayments liability account where a company has none yet."""
        for company in self:
            if company.energy_prepayment_account_id or not company.chart_template:
                continue
            company.energy_prepayment_account_id = company._new_energy_account(
                self.env._("Customer Energy Prepayments"),
                "213000",
                "liability_current",
                reconcile=True,
            )

    def _new_energy_account(self, name, code, account_type, **values):
        """Create an account of this company at the first free number from ``code``."""
        Account = self.env["account.account"].with_company(self)
        return Account.create(
            {
                "name": name,
                "code": Account._search_new_account_code(code),
                "account_type": account_type,
                "company_ids": [(4, self.id)],
                **values,
            }
        )

    def _energy_journal(self):
        """The company's journal of the energy ledger, made when it is used first.

        :raise UserError: the company has no chart of accounts.
        """
        self.ensure_one()
        if not self.energy_journal_id:
            if not self.chart_template:
                raise UserError(
                    self.env._("%s has no chart of accounts yet.", self.name)
                )
            # sudo: whoever posts the first entry need not be able to make journals
            company = self.sudo()
            company.energy_journal_id = company.env["account.journal"].create(
                {
                    "name": self.env._("Prepaid Energy"),
                    "code": "PEN",
                    "type": "general",
                    "company_id": self.id,
                }
            )
        return self.energy_journal_id
