from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL, float_repr

from odoo.addons.prepaid_energy.models.protected import refuse, without_defaults

LEARNED_FROM = 20  # orders …
LEARNED_LEAST = 3  # … and at least so many
VALUED = {"energy_extra_unit", "energy_valued", "energy_taken"}
WELL_MEASURED = 90  # per cent of their hours
USUAL = """
SELECT production.id, percentile_cont(0.5) WITHIN GROUP (ORDER BY earlier.energy_unit)
  FROM mrp_production production
 CROSS JOIN LATERAL (
    SELECT report.energy_unit FROM (%(report)s) report
     WHERE report.product_id = production.product_id AND report.state = 'done'
       AND report.company_id = production.company_id
       AND report.id <> production.id AND report.energy_unit IS NOT NULL
       AND report.measured_percent >= %(measured)s
       AND report.date_finished < CASE WHEN production.state = 'done'
           THEN production.date_finished ELSE 'infinity' END
     ORDER BY report.date_finished DESC LIMIT %(limit)s) earlier
 WHERE production.id = ANY(%(ids)s)
 GROUP BY production.id HAVING count(*) >= %(least)s
"""


class MrpProduction(models.Model):
    """The energy of an order and its cost, by the times of its work orders.

    Where the company wants it, the cost known when the order is done becomes part of
    its extra cost, and so of the value of what was made. What becomes known later
    stays out of the valuation, and is shown.
    """

    _inherit = "mrp.production"

    energy_currency_id = fields.Many2one(related="company_id.currency_id")
    energy_kwh = fields.Float(
        "Energy (kWh)", digits=(18, 3), compute="_compute_energy_kwh"
    )
    energy_cost = fields.Monetary(
        compute="_compute_energy_kwh", currency_field="energy_currency_id"
    )
    energy_unit = fields.Float(
        "kWh per Unit", digits=(18, 4), compute="_compute_energy_kwh"
    )
    energy_cost_unit = fields.Float(
        "Energy Cost per Unit", digits=(18, 4), compute="_compute_energy_kwh"
    )
    energy_measured = fields.Float(
        "Measured (%)",
        digits=(6, 1),
        compute="_compute_energy_kwh",
        help="How much of the working time lies between readings close to each other.",
    )
    energy_usual = fields.Float(
        "Usual kWh per Unit",
        digits=(18, 4),
        compute="_compute_energy_usual",
        help="The median of up to 20 earlier orders of the product that are measured "
        "well; none, as long as there are fewer than three.",
    )
    energy_target = fields.Float(
        "Target kWh per Unit", related="product_id.energy_target"
    )
    energy_change = fields.Float(
        "Against Usual (%)", digits=(9, 1), compute="_compute_energy_usual"
    )
    energy_extra_unit = fields.Float(
        "Energy in Extra Unit Cost", digits=(18, 6), readonly=True, copy=False
    )
    energy_valued = fields.Float(
        "Energy Cost in Valuation",
        digits=(18, 6),
        readonly=True,
        copy=False,
        help="What became part of the value of what was made, when that was posted.",
    )
    energy_taken = fields.Boolean("Energy Is in Valuation", readonly=True, copy=False)
    energy_unvalued = fields.Monetary(
        "Energy Cost After Valuation",
        compute="_compute_energy_kwh",
        currency_field="energy_currency_id",
        help="Readings and times that came in, or changed, after the value of what was "
        "made had been posted. The valuation stays as it is.",
    )

    def _compute_energy_kwh(self):
        # sudo: who makes something need not look at meters and wallets
        reports = self.env["energy.order.report"].sudo().browse(self.ids).exists()
        found = {report.id: report for report in reports}
        none = self.env["energy.order.report"]
        for order in self:
            report = found.get(order.id, none)
            order.energy_kwh = report.energy
            order.energy_cost = report.amount
            order.energy_unit = report.energy_unit
            order.energy_cost_unit = report.amount_unit
            order.energy_measured = report.measured_percent
            late = report.amount - order.energy_valued
            order.energy_unvalued = late if order.energy_taken else 0

    def _compute_energy_usual(self):
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                USUAL,
                report=self.env["energy.order.report"]._table_query,
                measured=WELL_MEASURED,
                limit=LEARNED_FROM,
                least=LEARNED_LEAST,
                ids=self.ids,
            )
        )
        usual = dict(rows)
        for order in self:
            median = usual.get(order.id) or 0
            order.energy_usual = median
            order.energy_change = (
                100 * (order.energy_unit - median) / median
                if median and order.energy_unit
                else 0
            )

    @api.model_create_multi
    def create(self, vals_list):
        """What of the energy is valued follows from the posting."""
        for vals in vals_list:
            self._refuse_valued(vals)
        clean = without_defaults(self, VALUED)
        return super(MrpProduction, clean).create(vals_list)

    def write(self, vals):
        """What of the energy is valued follows from the posting."""
        self._refuse_valued(vals)
        return super().write(vals)

    def _refuse_valued(self, vals):
        refuse(self, vals, VALUED, self.env._("%s: the posting decides it."))

    def action_view_energy(self):
        """Open the energy of this order, by day and work order."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy_mrp.energy_work_action"
        )
        return {
            **action,
            "domain": [("production_id", "=", self.id)],
            "context": {},
        }

    # ------------------------------------------------------------------ valuation

    def _cal_price(self, consumed_moves):
        """The energy cost becomes part of the extra cost, just before it is used."""
        self._take_energy_cost()
        return super()._cal_price(consumed_moves)

    def _take_energy_cost(self):
        """Put the energy cost so far, less what is valued already, in the extra cost.

        Nothing is valued where the product has a standard price: Odoo takes no extra
        cost there. What was typed as extra cost stays beside it.
        """
        lines = self.workorder_ids.workcenter_id.energy_line_id
        if not lines or not self.company_id.energy_cost_in_extra:
            return
        move = self.move_finished_ids.filtered(
            lambda move: (
                move.product_id == self.product_id
                and move.state not in ("done", "cancel")
                and move.quantity > 0
            )
        )
        product = self.product_id.with_company(self.company_id)
        if not move or product.cost_method not in ("fifo", "average"):
            return
        self._update_energy(lines)
        cost = self._exact_energy_cost() - _exact(self.energy_valued)
        quantity = move.product_uom._compute_quantity(move.quantity, product.uom_id)
        unit = round(cost / _exact(quantity), 6)
        typed = _exact(self.extra_cost) - _exact(self.energy_extra_unit)
        # sudo: see VALUED; whoever finishes the order stays the author
        self.sudo().write(
            {
                "extra_cost": float(typed + unit),
                "energy_taken": True,
                "energy_extra_unit": float(unit),
                "energy_valued": float(_exact(self.energy_valued) + cost),
            }
        )

    def _update_energy(self, lines):
        """Take in the readings that are there. sudo: see _compute_energy_kwh."""
        lines = lines.sudo()
        self.env["energy.interval"].sudo()._roll_up(lines.point_ids.service_point_id)
        self.env["energy.work"].sudo()._allocate(lines)

    def _exact_energy_cost(self):
        """The energy cost as Decimal."""
        rows = self.env.execute_query(
            SQL(
                "SELECT COALESCE(sum(amount), 0)::text FROM energy_work "
                "WHERE production_id = %s",
                self.id,
            )
        )
        return Decimal(rows[0][0])

    def _get_backorder_mo_vals(self):
        """The energy of what was made is no extra cost of what is still to be made."""
        vals = super()._get_backorder_mo_vals()
        vals["extra_cost"] = float(
            _exact(self.extra_cost) - _exact(self.energy_extra_unit)
        )
        return vals


def _exact(number):
    return Decimal(float_repr(number, 6))
