from datetime import timedelta

from odoo import fields, models

IDLE_DAYS = timedelta(days=30)


class MrpWorkcenter(models.Model):
    _inherit = "mrp.workcenter"

    energy_line_id = fields.Many2one(
        "energy.line",
        "Production Line",
        index="btree_not_null",
        check_company=True,
        ondelete="set null",
        help="Whose energy it uses: it is shared out over the work orders by the times "
        "in which they were worked on.",
    )
    energy_weight = fields.Float(
        "Usual Load (kW)",
        digits=(12, 3),
        default=1,
        aggregator=None,
        help="Where several work centers of a line work at the same time, they share "
        "its energy in proportion to this.",
    )
    energy_idle_share = fields.Float(
        "Idle Energy (%)",
        digits=(6, 1),
        compute="_compute_energy_idle_share",
        help="Of the last 30 days: the energy in which nothing was worked on.",
    )

    _energy_weight_positive = models.Constraint(
        "CHECK (energy_weight > 0)", "The usual load is more than 0 kW."
    )

    def _compute_energy_idle_share(self):
        since = fields.Date.today() - IDLE_DAYS
        # sudo: who looks after work centers need not look at energy
        rows = (
            self.env["energy.work"]
            .sudo()
            ._read_group(
                [("workcenter_id", "in", self.ids), ("day", ">=", since)],
                ["workcenter_id"],
                ["idle_share:avg"],
            )
        )
        shares = {center.id: share for center, share in rows}
        for center in self:
            center.energy_idle_share = shares.get(center.id) or 0

    def action_view_energy(self):
        """Open the energy of this work center, by order and idle."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy_mrp.energy_work_action"
        )
        return {**action, "domain": [("workcenter_id", "=", self.id)]}
