from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .clock import local_day


class ResCompany(models.Model):
    _inherit = "res.company"

    energy_prepayment_account_id = fields.Many2one(
        "account.account",
        string="Energy Prepayments Account",
        domain="[('account_type', '=', 'liability_current')]",
        help="The liability towards tenants who have paid and not yet consumed.",
    )
    energy_voucher_account_id = fields.Many2one(
        "account.account",
        string="Energy Vouchers Account",
        domain="[('account_type', '=', 'liability_current')]",
        help="The liability towards whoever holds a voucher that is not redeemed yet.",
    )
    energy_journal_id = fields.Many2one(
        "account.journal",
        domain="[('type', '=', 'general')]",
        help="Entries of the energy ledger: transfers, write-offs, settlements.",
    )

    energy_product_id = fields.Many2one(
        "product.product",
        help="Gives invoice lines their income account; their taxes come from the "
        "levies of the tariff.",
    )
    energy_fee_tax_id = fields.Many2one(
        "account.tax",
        string="Tax in Fees",
        domain="[('type_tax_use', '=', 'sale'), ('amount_type', '=', 'percent'), "
        "('price_include', '=', False)]",
        help="Contained in the fees that are charged to wallets.",
    )
    energy_expense_account_id = fields.Many2one(
        "account.account",
        domain="[('account_type', 'in', ('expense', 'expense_direct_cost'))]",
        help="The energy cost of production lines.",
    )
    energy_clearing_account_id = fields.Many2one(
        "account.account",
        help="Between the utility's bill and the cost of production lines.",
    )
    energy_accrual_account_id = fields.Many2one(
        "account.account",
        string="Unbilled Energy Account",
        domain="[('account_type', '=', 'asset_current')]",
        help="What was consumed and not invoiced at a month's end.",
    )

    energy_receivable_account_id = fields.Many2one(
        "account.account",
        string="Energy Debts Account",
        domain="[('account_type', 'in', ('asset_receivable', 'asset_current'))]",
        help="What tenants below zero owe, at a month's end.",
    )

    energy_tax_point = fields.Selection(
        [
            ("consumption", "When it is consumed"),
            ("topup", "When it is paid: top-ups make advance invoices"),
        ],
        "Tax Is Due",
        required=True,
        default="consumption",
        help="What was paid before keeps its way when this changes.",
    )
    energy_advance_tax_id = fields.Many2one(
        "account.tax",
        string="Tax on Advances",
        domain="[('type_tax_use', '=', 'sale'), ('amount_type', '=', 'percent'), "
        "('price_include', '=', False)]",
        help="Contained in top-ups.",
    )
    energy_advance_vat_account_id = fields.Many2one(
        "account.account",
        string="VAT on Advances Account",
        domain="[('account_type', '=', 'asset_current')]",
        help="The tax in advances until they are deducted from an invoice.",
    )

    energy_plant_manager_ids = fields.Many2many(
        "res.users",
        "res_company_energy_plant_manager_rel",
        string="Plant Managers",
        domain="[('share', '=', False)]",
        help="One of them decides on quota requests above the first limits.",
    )
    energy_finance_ids = fields.Many2many(
        "res.users",
        "res_company_energy_finance_rel",
        string="Finance",
        domain="[('share', '=', False)]",
        help="One of them decides on quota requests above the second limits.",
    )
    energy_plant_limit = fields.Monetary("Plant Manager Above")
    energy_plant_percent = fields.Float("Plant Manager Above (%)", digits=(16, 1))
    energy_finance_limit = fields.Monetary("Finance Above")
    energy_finance_percent = fields.Float("Finance Above (%)", digits=(16, 1))

    energy_remind_days = fields.Integer(
        "Remind After (Days)",
        default=1,
        help="Who decides is reminded by mail each time so many days have passed.",
    )
    energy_escalate_days = fields.Integer(
        "Ask the Next Level After (Days)",
        default=3,
        help="Where nobody has decided, the next level may decide as well.",
    )

    ENERGY_ACCOUNTS = {
        "energy_expense_account_id": ("Energy Cost", "600100", "expense"),
        "energy_clearing_account_id": (
            "Energy Clearing",
            "213100",
            "liability_current",
        ),
        "energy_accrual_account_id": ("Unbilled Energy", "120100", "asset_current"),
        "energy_receivable_account_id": ("Energy Debts", "120300", "asset_receivable"),
        "energy_advance_vat_account_id": (
            "VAT on Advances",
            "120200",
            "asset_current",
        ),
    }

    @api.constrains(
        "energy_plant_limit",
        "energy_plant_percent",
        "energy_plant_manager_ids",
        "energy_finance_limit",
        "energy_finance_percent",
        "energy_finance_ids",
    )
    def _check_energy_limits(self):
        for company in self:
            people = {
                "2": company.energy_plant_manager_ids,
                "3": company.energy_finance_ids,
            }
            for level, money, percent in company._energy_request_limits():
                if money < 0 or percent < 0:
                    raise ValidationError(
                        company.env._("Limits of quota requests are not negative.")
                    )
                if (money or percent) and not people[level]:
                    raise ValidationError(
                        company.env._(
                            "%s: name who decides on quota requests above the limits.",
                            company.name,
                        )
                    )

    def _energy_request_limits(self):
        """Above what a request goes higher: 0 is no limit.

        :return: list of (level, Decimal money, Decimal per cent).
        """
        return [
            (level, Decimal(repr(money)), Decimal(repr(percent)))
            for level, money, percent in (
                ("2", self.energy_plant_limit, self.energy_plant_percent),
                ("3", self.energy_finance_limit, self.energy_finance_percent),
            )
        ]

    @api.constrains("energy_tax_point", "energy_advance_tax_id")
    def _check_energy_tax_point(self):
        for company in self.filtered(lambda one: one.energy_tax_point == "topup"):
            company._usable_advance_tax()

    def _usable_advance_tax(self):
        """The tax on advances.

        :raise ValidationError: there is none, it is not in percent on top of the price,
            or it has no account: Odoo would post it on the prepayments account.
        """
        tax = self.energy_advance_tax_id
        lines = tax.invoice_repartition_line_ids | tax.refund_repartition_line_ids
        taxes = lines.filtered(lambda line: line.repartition_type == "tax")
        if (
            not tax
            or tax.amount_type != "percent"
            or tax.price_include
            or not all(line.account_id for line in taxes)
        ):
            raise ValidationError(
                self.env._(
                    "%s: choose the tax on advances. It must be in percent, not "
                    "included in the price, and have an account for the tax.",
                    self.name,
                )
            )
        return tax

    def _energy_account(self, field):
        """One of the accounts of the energy books, made when it is used first.

        A branch has its company's.

        :param str field: a key of :data:`ENERGY_ACCOUNTS`.
        """
        self.ensure_one()
        if not self[field]:
            # sudo: whoever posts the first entry need not be able to make accounts, nor
            # see the company of a branch
            company = self.sudo()
            company[field] = (
                company.root_id._energy_account(field)
                if company.parent_id
                else company._new_energy_account(*self.ENERGY_ACCOUNTS[field])
            )
        return self[field]

    def _energy_voucher_account(self):
        """The liability for vouchers that are sold and not redeemed, made on first use.

        Its items are reconciled, so that each open one is a voucher somebody holds.
        """
        self.ensure_one()
        if not self.energy_voucher_account_id:
            # sudo: as in _energy_account
            company = self.sudo()
            company.energy_voucher_account_id = company._new_energy_account(
                self.env._("Energy Vouchers"),
                "213200",
                "liability_current",
                reconcile=True,
            )
        return self.energy_voucher_account_id

    def _energy_product(self):
        """The product of invoice lines, made when it is used first."""
        self.ensure_one()
        if not self.energy_product_id:
            # sudo: as in _energy_account
            company = self.sudo()
            company.energy_product_id = company.env["product.product"].create(
                {
                    "name": self.env._("Energy"),
                    "type": "service",
                    "company_id": self.id,
                    "taxes_id": False,
                    "purchase_ok": False,
                }
            )
        return self.energy_product_id

    def _ensure_energy_prepayment_account(self):
        """Create the prepayments liability account where a company has none yet.

        A branch has its company's, as it has its chart of accounts.
        """
        for company in self:
            if company.energy_prepayment_account_id:
                continue
            if company.parent_id:
                # sudo: who works in a branch need not see the company
                root = company.root_id.sudo()
                root._ensure_energy_prepayment_account()
                company.sudo().energy_prepayment_account_id = (
                    root.energy_prepayment_account_id
                )
                continue
            if not company.chart_template:
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

    def _energy_today(self):
        """The company's day: by the clock of its address, or of who asks.

        A scheduled action asks without a clock of its own, and would get UTC's day.
        """
        tz = self.sudo().partner_id.tz or self.env.tz  # sudo: only the clock
        return local_day(str(tz))

    def _energy_journal(self):
        """The company's journal of the energy ledger, made when it is used first.

        A branch has its company's.

        :raise UserError: the company has no chart of accounts.
        """
        self.ensure_one()
        if not self.energy_journal_id:
            # sudo: whoever posts the first entry need not be able to make journals, nor
            # see the company of a branch
            company = self.sudo()
            company.energy_journal_id = (
                company.root_id._energy_journal()
                if company.parent_id
                else company._new_energy_journal()
            )
        return self.energy_journal_id

    def _energy_counter_journal(self):
        """Where the counter takes money if nobody chooses: cash, else a bank."""
        return self.env["account.journal"].search(
            [("type", "in", ("cash", "bank")), ("company_id", "=", self.id)],
            order="type desc, sequence",
            limit=1,
        )

    def _new_energy_journal(self):
        if not self.chart_template:
            raise UserError(self.env._("%s has no chart of accounts yet.", self.name))
        return self.env["account.journal"].create(
            {
                "name": self.env._("Prepaid Energy"),
                "code": "PEN",
                "type": "general",
                "company_id": self.id,
            }
        )
