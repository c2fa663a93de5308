import csv
import io

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.orm.models import NO_ACCESS
from odoo.tools import SQL

MOST = 5000  # vouchers of one batch


class EnergyVoucherIssue(models.TransientModel):
    """Issue a batch of vouchers; their codes can be fetched once, for printing."""

    _name = "energy.voucher.issue"
    _description = "Issue Vouchers"

    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    currency_id = fields.Many2one(
        "res.currency",
        required=True,
        compute="_compute_currency_id",
        store=True,
        readonly=False,
        precompute=True,
    )
    count = fields.Integer("How Many", required=True, default=50)
    amount = fields.Monetary(required=True)
    total = fields.Monetary(compute="_compute_total")
    expires_on = fields.Date("Valid Until", help="Empty: for ever.")
    voucher_ids = fields.Many2many("energy.voucher", readonly=True)
    issued_count = fields.Integer(compute="_compute_issued_count")
    codes = fields.Text(readonly=True, groups=NO_ACCESS)

    @api.depends("company_id")
    def _compute_currency_id(self):
        for wizard in self:
            wizard.currency_id = wizard.company_id.currency_id

    @api.depends("count", "amount")
    def _compute_total(self):
        for wizard in self:
            wizard.total = wizard.count * wizard.amount

    @api.depends("voucher_ids")
    def _compute_issued_count(self):
        for wizard in self:
            wizard.issued_count = len(wizard.voucher_ids)

    def action_issue(self):
        """Make the vouchers, once; show where the codes can be fetched."""
        self.ensure_one()
        self._check()
        # sudo: nobody writes vouchers or codes by hand; rights were checked
        wizard = self.sudo()
        vouchers, codes = wizard.env["energy.voucher"]._issue(
            self.count,
            company_id=self.company_id.id,
            currency_id=self.currency_id.id,
            amount=self.amount,
            expires_on=self.expires_on,
        )
        wizard.voucher_ids = vouchers
        wizard.codes = self._csv(vouchers, codes)
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Codes of the Vouchers"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }

    def _check(self):
        if not self.env.user.has_group("prepaid_energy.group_energy_manager"):
            raise AccessError(self.env._("Only energy managers issue vouchers."))
        if self.company_id not in self.env.companies:
            raise AccessError(self.env._("%s is not yours.", self.company_id.name))
        if self.voucher_ids:
            raise UserError(self.env._("These vouchers are issued already."))
        if not 0 < self.count <= MOST:
            raise UserError(self.env._("Issue 1 to %s vouchers at once.", MOST))
        if self.currency_id.compare_amounts(self.amount, 0) <= 0:
            raise UserError(self.env._("The amount must be above zero."))
        if self.expires_on and self.expires_on < fields.Date.context_today(self):
            raise UserError(self.env._("The vouchers would have expired already."))

    def _csv(self, vouchers, codes):
        """What a printer needs, as text; the code only ever stands here."""
        text = io.StringIO()
        writer = csv.writer(text)
        writer.writerow(["serial", "code", "amount", "currency", "valid_until"])
        for voucher, code in zip(vouchers, codes, strict=True):
            writer.writerow(
                [
                    voucher.serial,
                    code,
                    f"{voucher.amount:.{voucher.currency_id.decimal_places}f}",
                    voucher.currency_id.name,
                    voucher.expires_on or "",
                ]
            )
        return text.getvalue()

    def action_fetch(self):
        """Fetch the codes; the link works once."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_url",
            "url": f"/energy/vouchers/{self.id}/codes.csv",
            "target": "download",
        }

    def _take_codes(self):
        """The codes as csv, and forget them; None if they were taken before."""
        self.ensure_one()
        self.check_access("read")
        if not self.env.user.has_group("prepaid_energy.group_energy_manager"):
            raise AccessError(self.env._("Only energy managers issue vouchers."))
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                UPDATE energy_voucher_issue wizard SET codes = NULL
                  FROM (SELECT id, codes FROM energy_voucher_issue
                         WHERE id = %s FOR UPDATE) before
                 WHERE wizard.id = before.id AND before.codes IS NOT NULL
                RETURNING before.codes
                """,
                self.id,
            )
        )
        self.invalidate_recordset()
        return rows[0][0] if rows else None
