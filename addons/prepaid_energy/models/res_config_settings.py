from odoo import fields, models

from .energy_reading import KEEP_MONTHS


class ResConfigSettings(models.TransientModel):
    _inherit = "res.config.settings"

    energy_prepayment_account_id = fields.Many2one(
        related="company_id.energy_prepayment_account_id", readonly=False
    )
    energy_voucher_account_id = fields.Many2one(
        related="company_id.energy_voucher_account_id", readonly=False
    )
    energy_journal_id = fields.Many2one(
        related="company_id.energy_journal_id", readonly=False
    )
    energy_product_id = fields.Many2one(
        related="company_id.energy_product_id", readonly=False
    )
    energy_fee_tax_id = fields.Many2one(
        related="company_id.energy_fee_tax_id", readonly=False
    )
    energy_expense_account_id = fields.Many2one(
        related="company_id.energy_expense_account_id", readonly=False
    )
    energy_clearing_account_id = fields.Many2one(
        related="company_id.energy_clearing_account_id", readonly=False
    )
    energy_accrual_account_id = fields.Many2one(
        related="company_id.energy_accrual_account_id", readonly=False
    )
    energy_receivable_account_id = fields.Many2one(
        related="company_id.energy_receivable_account_id", readonly=False
    )
    energy_tax_point = fields.Selection(
        related="company_id.energy_tax_point", readonly=False
    )
    energy_advance_tax_id = fields.Many2one(
        related="company_id.energy_advance_tax_id", readonly=False
    )
    energy_advance_vat_account_id = fields.Many2one(
        related="company_id.energy_advance_vat_account_id", readonly=False
    )
    energy_plant_manager_ids = fields.Many2many(
        related="company_id.energy_plant_manager_ids", readonly=False
    )
    energy_finance_ids = fields.Many2many(
        related="company_id.energy_finance_ids", readonly=False
    )
    energy_plant_limit = fields.Monetary(
        related="company_id.energy_plant_limit",
        readonly=False,
    )
    energy_plant_percent = fields.Float(
        related="company_id.energy_plant_percent", readonly=False
    )
    energy_finance_limit = fields.Monetary(
        related="company_id.energy_finance_limit",
        readonly=False,
    )
    energy_remind_days = fields.Integer(
        related="company_id.energy_remind_days", readonly=False
    )
    energy_escalate_days = fields.Integer(
        related="company_id.energy_escalate_days", readonly=False
    )
    energy_finance_percent = fields.Float(
        related="company_id.energy_finance_percent", readonly=False
    )
    energy_reading_months = fields.Integer(
        "Months of Raw Readings",
        config_parameter=KEEP_MONTHS,
        help="Older raw readings are dropped; usage and ledger stay. 0: keep all.",
    )
