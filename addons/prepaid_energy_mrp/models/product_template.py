from odoo import fields, models


class ProductTemplate(models.Model):
    _inherit = "product.template"

    energy_target = fields.Float(
        "Target (kWh per Unit)",
        digits=(18, 4),
        company_dependent=True,
        help="What a unit shall take, shown beside what it takes.",
    )
    energy_unit = fields.Float(
        "kWh per Unit", digits=(18, 4), compute="_compute_energy_unit"
    )
    energy_cost_unit = fields.Float(
        "Energy Cost per Unit", digits=(18, 4), compute="_compute_energy_unit"
    )
    energy_order_count = fields.Integer(compute="_compute_energy_unit")

    def _compute_energy_unit(self):
        # sudo: who looks at products need not look at meters and wallets
        rows = (
            self.env["energy.order.report"]
            .sudo()
            ._read_group(
                [
                    ("product_tmpl_id", "in", self.ids),
                    ("quantity", ">", 0),
                    ("company_id", "in", self.env.companies.ids),
                ],
                ["product_tmpl_id"],
                ["energy:sum", "amount:sum", "quantity:sum", "__count"],
            )
        )
        found = {template.id: values for template, *values in rows}
        for template in self:
            energy, amount, quantity, count = found.get(template.id, (0, 0, 0, 0))
            template.energy_unit = energy / quantity if quantity else 0
            template.energy_cost_unit = amount / quantity if quantity else 0
            template.energy_order_count = count

    def action_view_energy(self):
        """Open the orders of this product with their energy."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy_mrp.energy_order_report_action"
        )
        return {
            **action,
            "domain": [("product_tmpl_id", "=", self.id)],
            "context": {"search_default_done": 1},
        }
