from odoo import fields, models
from odoo.exceptions import UserError


class AccountMove(models.Model):
    _inherit = "account.move"

    energy_wallet_id = fields.Many2one(
        "energy.wallet",
        index="btree_not_null",
        readonly=True,
        copy=False,
        help="The invoice bills what this wallet has paid in advance.",
    )
    energy_supply_bill_id = fields.Many2one(
        "energy.supply.bill",
        index="btree_not_null",
        readonly=True,
        copy=False,
        ondelete="restrict",
        help="The entry posts the variance of this utility's bill, or reverses it.",
    )

    def button_draft(self):
        """Refuse to unpost what wallets or comparisons with meters stand on."""
        self.origin_payment_id._refuse_undoing_topup()
        self.statement_line_id._refuse_undoing_credit()
        self._refuse_undoing_supply()
        self._refuse_undoing_advance()
        self._refuse_undoing_accrual()
        return super().button_draft()

    def button_cancel(self):
        """Refuse to cancel what a comparison with meters stands on."""
        self._refuse_undoing_supply()
        self._refuse_undoing_advance()
        self._refuse_undoing_accrual()
        return super().button_cancel()

    def _reverse_moves(self, default_values_list=None, cancel=False):
        """Refuse to reverse by hand what advances stand on."""
        self._refuse_undoing_advance()
        return super()._reverse_moves(default_values_list, cancel)

    def action_energy_match(self):
        """Compare a utility's bill with own meters: open what there is, or begin."""
        self.ensure_one()
        bills = self.env["energy.supply.bill"].search([("move_id", "=", self.id)])
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_supply_bill_action"
        )
        if len(bills) > 1:
            return {**action, "domain": [("id", "in", bills.ids)]}
        return {
            **action,
            "views": [(False, "form")],
            "res_id": bills.id,
            "context": {
                "default_move_id": self.id,
                "default_company_id": self.company_id.id,
            },
        }

    def _refuse_undoing_advance(self):
        """Raise UserError for an advance invoice, or what has used one."""
        # sudo: an advance that this user may not see counts as well
        Advance, Use = (
            self.env[name].sudo() for name in ("energy.advance", "energy.advance.use")
        )
        domain = [("move_id", "in", self.ids)]
        found = Advance.search(domain, limit=1) or Use.search(domain, limit=1)
        if found:
            raise UserError(
                self.env._(
                    "%s is an advance invoice, or deducts one: refund the top-up or "
                    "correct the readings instead.",
                    found.move_id.name,
                )
            )

    def _refuse_undoing_accrual(self):
        """Raise UserError for an entry of an accrual: the two go together."""
        # sudo: an accrual that this user may not see counts as well
        found = (
            self.env["energy.accrual"]
            .sudo()
            .search(
                ["|", ("move_id", "in", self.ids), ("reversal_id", "in", self.ids)],
                limit=1,
            )
        )
        if found:
            raise UserError(
                self.env._(
                    "This entry belongs to the energy accrual of %s, which is taken "
                    "back on the next day.",
                    found.date,
                )
            )

    def _refuse_undoing_supply(self):
        """Raise UserError for a matched vendor bill, or the entry of its variance."""
        # sudo: a comparison that this user may not see counts as well
        Bill = self.env["energy.supply.bill"].sudo()
        posted = Bill.search(
            [
                ("state", "=", "posted"),
                "|",
                ("move_id", "in", self.ids),
                ("entry_id", "in", self.ids),
            ],
            limit=1,
        )
        if posted:
            raise UserError(
                self.env._(
                    "%s is compared with meters and posted: reverse that first.",
                    posted.name,
                )
            )
