from decimal import Decimal

from dateutil.relativedelta import relativedelta

from odoo import fields, models
from odoo.tools import SQL

from odoo.addons.prepaid_energy.exchange.numbers import exact
from odoo.addons.prepaid_energy.models import quotas
from odoo.addons.prepaid_energy.models.clock import day_begin

from .mrp_production import LEARNED_FROM, LEARNED_LEAST, WELL_MEASURED

# What is to be made in a month at the work centers of a line, in the products' units,
# and what a unit usually takes: the median of the orders that were made there.
PLANNED = """
SELECT sum(part.quantity * COALESCE(usual.energy, part.target, 0))::text
  FROM (SELECT production.product_id,
               sum(production.product_qty * unit.factor / own.factor) AS quantity,
               (template.energy_target ->> %(company)s::text)::numeric AS target
          FROM mrp_production production
          JOIN product_product product ON product.id = production.product_id
          JOIN product_template template ON template.id = product.product_tmpl_id
          JOIN uom_uom unit ON unit.id = production.product_uom_id
          JOIN uom_uom own ON own.id = template.uom_id
         WHERE production.company_id = %(company)s
           AND production.state IN ('confirmed', 'progress', 'to_close', 'done')
           AND production.date_start >= %(start)s AND production.date_start < %(end)s
           AND EXISTS (SELECT FROM mrp_workorder workorder
                         JOIN mrp_workcenter center
                           ON center.id = workorder.workcenter_id
                        WHERE workorder.production_id = production.id
                          AND center.energy_line_id = %(line)s)
         GROUP BY 1, 3) part
  LEFT JOIN LATERAL (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY last.energy)::numeric
               AS energy
          FROM (SELECT sum(work.energy) / report.quantity AS energy
                  FROM energy_work work
                  JOIN (%(report)s) report ON report.id = work.production_id
                 WHERE work.line_id = %(line)s AND report.state = 'done'
                   AND report.product_id = part.product_id AND report.quantity > 0
                   AND report.measured_percent >= %(measured)s
                 GROUP BY report.id, report.quantity, report.date_finished
                 ORDER BY report.date_finished DESC LIMIT %(limit)s) last
        HAVING count(*) >= %(least)s) usual ON true
"""


class EnergyLinePlan(models.Model):
    _inherit = "energy.line.plan"

    basis = fields.Selection(
        selection_add=[("production", "Manufacturing Orders")],
        ondelete={"production": "set default"},
    )

    def _planned(self, month):
        """By orders: what they usually take, or for each kWh the amount in money."""
        if self.basis != "production":
            return super()._planned(month)
        energy = self._planned_energy(month)
        if self.unit == "money":
            energy *= exact(self.per_unit, quotas.DIGITS)
        return quotas.rounded(energy)

    def _planned_energy(self, month):
        """What the orders that begin in a month take, as Decimal kWh.

        Products of which too few orders have been measured count with their target.
        """
        self.env.flush_all()
        tz = self.line_id.site_id.tz or "UTC"
        end = month + relativedelta(months=1)
        rows = self.env.execute_query(
            SQL(
                PLANNED,
                company=self.company_id.id,
                line=self.line_id.id,
                start=day_begin(month, tz),
                end=day_begin(end, tz),
                report=self.env["energy.order.report"]._table_query,
                measured=WELL_MEASURED,
                limit=LEARNED_FROM,
                least=LEARNED_LEAST,
            )
        )
        return Decimal(rows[0][0] or 0)
