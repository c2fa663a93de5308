from odoo import api, fields, models
from odoo.exceptions import AccessError


class EnergyVoucherVoid(models.TransientModel):
    """Void vouchers; say what becomes of the money that was paid for them."""

    _name = "energy.voucher.void"
    _description = "Void Vouchers"
    _inherit = ["energy.voucher.counter"]

    voucher_ids = fields.Many2many(
        domain="[('state', 'in', ('issued', 'sold', 'expired')), "
        "('settled', '=', False)]"
    )
    reason = fields.Char(required=True)
    sold = fields.Boolean(compute="_compute_sold")
    settle = fields.Selection(
        [("back", "Pay it back"), ("keep", "Keep it as income")], default="back"
    )
    account_id = fields.Many2one(
        "account.account",
        "Income Account",
        domain="[('account_type', 'in', ('income', 'income_other')), "
        "('company_ids', 'in', company_id)]",
    )

    @api.depends("voucher_ids")
    def _compute_sold(self):
        for wizard in self:
            wizard.sold = bool(wizard.voucher_ids.payment_id)

    def action_void(self):
        """Void them.

        :raise UserError: one was redeemed, or it is not said where the money goes.
        """
        keep = self.settle == "keep"
        manager = self.env.user.has_group("prepaid_energy.group_energy_manager")
        if self.sold and keep and not manager:
            raise AccessError(self.env._("Only energy managers keep the money."))
        posted = self._vouchers()._void(
            self.reason,
            journal=None if keep else self.journal_id,
            account=self.account_id if keep else None,
        )
        if posted:
            return posted._get_records_action()
        return {"type": "ir.actions.act_window_close"}
