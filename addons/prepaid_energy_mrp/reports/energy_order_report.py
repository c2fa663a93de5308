from odoo import fields, models
from odoo.tools import SQL

# numerator, denominator
QUOTIENTS = {
    "energy_unit": ("energy", "quantity"),
    "amount_unit": ("amount", "quantity"),
    "measured_percent": ("measured", "hours"),
}


class EnergyOrderReport(models.Model):
    """Energy and cost of manufacturing orders and of a unit produced.

    Read-only, one row for each order on which work was measured, with its id. What a
    unit took, of several orders, is their energy divided by their output; where they
    made different products there is none.
    """

    _name = "energy.order.report"
    _description = "Energy per Unit Produced"
    _auto = False
    _rec_name = "production_id"
    _order = "date_finished desc, id desc"
    _depends = {
        "mrp.production": ["state", "date_finished", "product_id"],
        "stock.move": ["state", "quantity", "product_uom", "production_id"],
    }

    production_id = fields.Many2one("mrp.production", "Order", readonly=True)
    state = fields.Selection(
        selection=lambda self: (
            self.env["mrp.production"]._fields["state"]._description_selection(self.env)
        ),
        readonly=True,
    )
    date_finished = fields.Datetime("Finished", readonly=True)
    product_id = fields.Many2one("product.product", readonly=True)
    product_tmpl_id = fields.Many2one("product.template", readonly=True)
    uom_id = fields.Many2one("uom.uom", "Unit", readonly=True)
    line_id = fields.Many2one(
        "energy.line",
        "Production Line",
        readonly=True,
        help="The one that took most of the energy.",
    )
    company_id = fields.Many2one("res.company", readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    quantity = fields.Float(
        "Produced",
        digits=(18, 3),
        readonly=True,
        help="In the product's unit; products in different units do not add up.",
    )
    energy = fields.Float("Energy (kWh)", digits=(18, 3), readonly=True)
    amount = fields.Monetary("Energy Cost", readonly=True)
    hours = fields.Float("Hours Worked", digits=(18, 2), readonly=True)
    measured = fields.Float("Hours Measured", digits=(18, 2), readonly=True)
    energy_unit = fields.Float(
        "kWh per Unit", digits=(18, 4), readonly=True, aggregator="avg"
    )
    amount_unit = fields.Float(
        "Energy Cost per Unit", digits=(18, 4), readonly=True, aggregator="avg"
    )
    measured_percent = fields.Float(
        "Measured (%)", digits=(6, 1), readonly=True, aggregator="avg"
    )

    @property
    def _table_query(self):
        return SQL(
            """
            SELECT work.production_id AS id, work.production_id, production.state,
                   production.date_finished, production.product_id,
                   product.product_tmpl_id, template.uom_id, work.line_id,
                   production.company_id, company.currency_id, made.quantity,
                   work.energy, work.amount, work.hours, work.measured,
                   work.energy / NULLIF(made.quantity, 0) AS energy_unit,
                   work.amount / NULLIF(made.quantity, 0) AS amount_unit,
                   100 * work.measured / NULLIF(work.hours, 0) AS measured_percent
              FROM (SELECT production_id, sum(energy) AS energy, sum(amount) AS amount,
                           sum(hours) AS hours, sum(measured) AS measured,
                           (array_agg(line_id ORDER BY energy DESC))[1] AS line_id
                      FROM energy_work WHERE production_id IS NOT NULL GROUP BY 1) work
              JOIN mrp_production production ON production.id = work.production_id
              JOIN res_company company ON company.id = production.company_id
              JOIN product_product product ON product.id = production.product_id
              JOIN product_template template ON template.id = product.product_tmpl_id
              JOIN uom_uom own ON own.id = template.uom_id
              LEFT JOIN LATERAL (
                    SELECT sum(move.quantity * unit.factor / own.factor) AS quantity
                      FROM stock_move move
                      JOIN uom_uom unit ON unit.id = move.product_uom
                     WHERE move.production_id = production.id AND move.state = 'done'
                       AND move.product_id = production.product_id) made ON true
            """
        )

    def _read_group_select(self, aggregate_spec, query):
        """What a unit took is a quotient of sums, whatever aggregate is asked for."""
        fname = aggregate_spec.partition(":")[0]
        if fname == "quantity":
            unit, quantity = (
                self._field_to_sql(self._table, name, query)
                for name in ("uom_id", "quantity")
            )
            # pieces and tonnes are not added up
            return SQL(
                "CASE WHEN MIN(%s) = MAX(%s) THEN SUM(%s) END", unit, unit, quantity
            )
        if fname not in QUOTIENTS:
            return super()._read_group_select(aggregate_spec, query)
        above, below, product = (
            self._field_to_sql(self._table, name, query)
            for name in (*QUOTIENTS[fname], "product_id")
        )
        quotient = SQL(
            "SUM(%s) FILTER (WHERE %s > 0) / NULLIF(SUM(%s), 0)", above, below, below
        )
        if fname == "measured_percent":
            return SQL("100 * %s", quotient)
        return SQL(
            "CASE WHEN MIN(%s) = MAX(%s) THEN %s END", product, product, quotient
        )
