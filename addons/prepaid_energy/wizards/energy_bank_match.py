from odoo import fields, models
from odoo.exceptions import UserError


class EnergyBankMatch(models.TransientModel):
    """A person says which wallet a bank transfer is for."""

    _name = "energy.bank.match"
    _description = "Credit a Wallet by a Transfer"

    line_id = fields.Many2one(
        "account.bank.statement.line", "Transfer", required=True, readonly=True
    )
    company_id = fields.Many2one(related="line_id.company_id")
    currency_id = fields.Many2one(related="line_id.currency_id")
    amount = fields.Monetary(related="line_id.amount")
    payment_ref = fields.Char(related="line_id.payment_ref")
    partner_name = fields.Char(related="line_id.partner_name")
    energy_reason = fields.Char(related="line_id.energy_reason")
    wallet_id = fields.Many2one(
        "energy.wallet",
        required=True,
        domain="[('company_id', '=', company_id), ('kind', '=', 'tenant')]",
    )

    def action_match(self):
        """Credit the wallet that was chosen.

        :raise UserError: names what does not fit.
        """
        self.ensure_one()
        self.line_id._check_matcher()
        self.line_id.check_access("read")
        self.wallet_id.check_access("write")
        line = self.line_id.sudo()  # sudo: rights were checked just above
        if not line._may_top_up():
            raise UserError(
                self.env._("%s is no open transfer to us.", line.move_id.name)
            )
        problem = line._why_not(self.wallet_id.sudo())
        if problem:
            raise UserError(problem)
        line._credit_wallet(self.wallet_id.sudo())
        return {"type": "ir.actions.act_window_close"}
