from odoo import fields, models


class EnergyVoucherRedeem(models.TransientModel):
    """Redeem a voucher for a tenant who stands at the counter or calls."""

    _name = "energy.voucher.redeem"
    _description = "Redeem a Voucher"

    wallet_id = fields.Many2one(
        "energy.wallet", required=True, domain="[('kind', '=', 'tenant')]"
    )
    code = fields.Char()
    problem = fields.Char(readonly=True)

    def action_redeem(self):
        """Redeem the code; show what is wrong with it, or the wallet's ledger.

        A wrong code raises nothing, because the attempt must be counted.
        """
        self.ensure_one()
        self.wallet_id.check_access("write")
        # sudo: the ledger follows from the voucher; rights were checked just above
        voucher, problem = self.env["energy.voucher"]._redeem(
            self.code, self.wallet_id.sudo()
        )
        self.write({"code": False, "problem": problem})
        if voucher:
            return self.wallet_id.action_view_entries()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Redeem a Voucher"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }
