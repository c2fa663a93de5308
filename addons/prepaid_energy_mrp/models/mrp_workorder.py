from odoo import fields, models


class MrpWorkorder(models.Model):
    _inherit = "mrp.workorder"

    currency_id = fields.Many2one(related="company_id.currency_id")
    energy_kwh = fields.Float(
        "Energy (kWh)", digits=(18, 3), compute="_compute_energy_kwh"
    )
    energy_cost = fields.Monetary(compute="_compute_energy_kwh")

    def _compute_energy_kwh(self):
        # sudo: as for orders
        rows = (
            self.env["energy.work"]
            .sudo()
            ._read_group(
                [("workorder_id", "in", self.ids)],
                ["workorder_id"],
                ["energy:sum", "amount:sum"],
            )
        )
        sums = {order.id: values for order, *values in rows}
        for order in self:
            order.energy_kwh, order.energy_cost = sums.get(order.id, (0, 0))
