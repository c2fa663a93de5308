from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

HORIZON = timedelta(days=92)  # how far back a change is seen, as for energy.work

# What orders have made and unbuild orders have taken apart, by the day on which it was
# made, against what was booked of it. Lines count that take it; a day whose output a
# person has typed is left to that person.
DUE = """
WITH moved AS (
    SELECT move.id, move.production_id, move.date AS made_at, move.quantity,
           move.product_uom, move.product_id, move.company_id
      FROM stock_move move
      JOIN mrp_production production ON production.id = move.production_id
       AND production.product_id = move.product_id
     WHERE move.state = 'done' AND move.date >= %(since)s AND %(only)s
     UNION ALL
    SELECT move.id, origin.production_id, origin.date, -move.quantity,
           move.product_uom, move.product_id, move.company_id
      FROM stock_move move
      JOIN mrp_unbuild unbuild ON unbuild.id = move.unbuild_id
       AND unbuild.product_id = move.product_id
      JOIN stock_move origin ON origin.id = move.origin_returned_move_id
       AND origin.production_id IS NOT NULL
     WHERE move.state = 'done' AND origin.date >= %(since)s AND %(only)s
), wanted AS (
    SELECT moved.id AS move_id, line.id AS line_id, moved.production_id,
           (moved.made_at AT TIME ZONE 'UTC'
                          AT TIME ZONE COALESCE(site.tz, 'UTC'))::date AS day,
           moved.product_id, round(moved.quantity::numeric * unit.factor::numeric
                                   / own.factor::numeric, 6) AS quantity
      FROM moved
     CROSS JOIN LATERAL (
           SELECT center.energy_line_id FROM mrp_workorder workorder
             JOIN mrp_workcenter center ON center.id = workorder.workcenter_id
            WHERE workorder.production_id = moved.production_id
              AND workorder.state <> 'cancel' AND center.energy_line_id IS NOT NULL
            ORDER BY workorder.sequence DESC, workorder.id DESC LIMIT 1) last
      JOIN energy_line line ON line.id = last.energy_line_id
       AND line.company_id = moved.company_id
      JOIN energy_site site ON site.id = line.site_id
      JOIN product_product product ON product.id = moved.product_id
      JOIN product_template template ON template.id = product.product_tmpl_id
      JOIN uom_uom unit ON unit.id = moved.product_uom
      JOIN uom_uom own ON own.id = template.uom_id
), booked AS (
    SELECT move_id, line_id, production_id, day, product_id, sum(quantity) AS quantity,
           count(*) AS rows
      FROM energy_line_output
     WHERE move_id IN (SELECT id FROM moved) GROUP BY 1, 2, 3, 4, 5
)
SELECT move_id, line_id, production_id, day, product_id,
       (COALESCE(wanted.quantity, 0) - COALESCE(booked.quantity, 0))::float,
       COALESCE(booked.rows, 0)
  FROM wanted FULL JOIN booked USING (move_id, line_id, production_id, day, product_id)
  JOIN energy_line line ON line.id = line_id AND line.output_from_orders
 WHERE COALESCE(wanted.quantity, 0) <> COALESCE(booked.quantity, 0)
   AND NOT EXISTS (SELECT FROM energy_line_output typed
                    WHERE typed.source_key IS NULL AND typed.line_id = line.id
                      AND typed.day = wanted.day
                      AND (typed.product_id IS NULL
                           OR typed.product_id = wanted.product_id))
 ORDER BY day, move_id, line_id
"""


class EnergyLineOutput(models.Model):
    """Output that manufacturing orders have made, taken once.

    What is booked follows what was moved into stock: a changed quantity, an unbuild
    order or another line of the work centre adds a row with the difference.
    """

    _inherit = "energy.line.output"

    production_id = fields.Many2one(
        "mrp.production",
        "Manufacturing Order",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )
    move_id = fields.Many2one(
        "stock.move",
        readonly=True,
        copy=False,
        index="btree_not_null",
        ondelete="set null",
    )

    @api.constrains("line_id", "day", "product_id")
    def _check_not_counted(self):
        """A person types no output that orders have reported."""
        for output in self.filtered(lambda one: not one.source_key):
            domain = [
                ("line_id", "=", output.line_id.id),
                ("day", "=", output.day),
                ("move_id", "!=", False),
            ]
            if output.product_id:
                domain.append(("product_id", "=", output.product_id.id))
            taken = self.sudo().search(domain, limit=1)  # sudo: those of any order
            if taken:
                raise ValidationError(
                    output.env._(
                        "%(order)s has reported the output of %(line)s on %(day)s. "
                        "To type it, take Output From Orders off the line and delete "
                        "what was reported.",
                        order=taken.production_id.name or taken.product_id.name,
                        line=output.line_id.name,
                        day=output.day,
                    )
                )

    def _check_typed(self):
        """Where orders count no more, what they have reported may be changed."""
        return super(
            EnergyLineOutput,
            self.filtered(lambda one: one.line_id.output_from_orders),
        )._check_typed()

    def _refuse_source(self, vals):
        if {"production_id", "move_id"} & {*vals} and not self.env.su:
            raise UserError(self.env._("Orders report their output by themselves."))
        return super()._refuse_source(vals)

    @api.model
    def _cron_orders(self):
        """Take what has changed since it was taken."""
        self._follow_orders()

    @api.model
    def _follow_orders(self, moves=None):
        """Book the difference between what orders have made and what is booked.

        :param recordset moves: None: of all orders of the last months.
        """
        self.env.flush_all()
        only = SQL("move.id = ANY(%s)", moves.ids) if moves else SQL("true")
        since = fields.Datetime.now() - HORIZON
        rows = self.env.execute_query(SQL(DUE, since=since, only=only))
        # sudo: who finishes an order need not enter outputs; without the defaults of
        # whoever calls
        Output = self.env["energy.line.output"].with_context({}).sudo()  # pylint: disable=context-overridden
        Output.create(
            [
                {
                    "source_key": f"move:{move}:{line}:{day}:{number}",
                    "move_id": move,
                    "production_id": order,
                    "line_id": line,
                    "day": day,
                    "product_id": product,
                    "quantity": quantity,
                }
                for move, line, order, day, product, quantity, number in rows
            ]
        )


class EnergyBaseline(models.Model):
    """Output by orders as a driver."""

    _inherit = "energy.baseline"

    def _values_output(self, start, end):
        """Where orders report the output, a day without one has made nothing."""
        values = super()._values_output(start, end)
        if self.line_id.output_from_orders:
            first = self.env["energy.line.output"].search(
                [("line_id", "=", self.line_id.id), ("move_id", "!=", False)],
                order="day",
                limit=1,
            )
            last = min(end, self._last_day())
            if first and first.day <= last:
                days = self._values_days(max(start, first.day), last)
                values = {**dict.fromkeys(days, days[last] * 0), **values}
        return values


class StockMove(models.Model):
    """What enters stock from an order is the output of its line."""

    _inherit = "stock.move"

    def _action_done(self, *args, **kwargs):
        done = super()._action_done(*args, **kwargs)
        made = done.filtered(lambda move: move.production_id or move.unbuild_id)
        if made:
            self.env["energy.line.output"]._follow_orders(made)
        return done
