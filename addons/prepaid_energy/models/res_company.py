from odoo import fields, models


class ResCompany(models.Model):
    _inherit = "res.company"

    energy_prepayment_account_id = fields.Many2one(
        "account.account",
        string="Energy Prepayments Account",
        domain="[('account_type', '=', 'liability_current')]",
        help="The liability towards tenants who have paid and not yet consumed.",
    )

    def _ensure_energy_prepayment_account(self):
        """Create the prepayments liability account where a company has none yet."""
        for company in self:
            if company.energy_prepayment_account_id or not company.chart_template:
                continue
            Account = self.env["account.account"].with_company(company)
            company.energy_prepayment_account_id = Account.create(
                {
                    "name": self.env._("Customer Energy Prepayments"),
                    "code": Account._search_new_account_code("213000"),
                    "account_type": "liability_current",
                    "reconcile": True,
                    "company_ids": [(4, company.id)],
                }
            )
