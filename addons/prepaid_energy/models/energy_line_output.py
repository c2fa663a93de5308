from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

from ..exchange.numbers import exact
from .protected import refuse, without_defaults

DECIDED = {"source_key"}
DIGITS = 6


class EnergyLineOutput(models.Model):
    """What a production line has made in a day: entered, imported, or by orders.

    A day without a row is unknown; a day in which nothing was made has a row with 0.
    Rows of the product itself have a source key, and are corrected by further rows.
    """

    _name = "energy.line.output"
    _description = "Output of a Production Line"
    _inherit = ["energy.affiliated"]
    _order = "day desc, line_id, id"
    _rec_name = "day"
    _check_company_auto = True

    line_id = fields.Many2one(
        "energy.line",
        "Production Line",
        required=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        related="line_id.company_id", store=True, precompute=True, index=True
    )
    department_id = fields.Many2one(related="line_id.department_id", store=True)
    day = fields.Date(
        required=True,
        default=fields.Date.context_today,
        help="By the clock of the line's site.",
    )
    product_id = fields.Many2one(
        "product.product",
        check_company=True,
        ondelete="restrict",
        help="Empty: the output of the line as a whole.",
    )
    quantity = fields.Float(
        "Output", digits=(18, DIGITS), required=True, aggregator=None
    )
    uom_id = fields.Many2one(
        "uom.uom",
        "Unit",
        required=True,
        compute="_compute_uom_id",
        store=True,
        readonly=False,
        precompute=True,
        ondelete="restrict",
    )
    reported_quantity = fields.Float(
        "Output in the Unit of Reports",
        digits=(18, DIGITS),
        compute="_compute_reported",
        store=True,
        precompute=True,
        help="Outputs in different units do not add up: then a sum is empty.",
    )
    reported_uom_id = fields.Many2one(
        "uom.uom",
        "Unit of Reports",
        compute="_compute_reported",
        store=True,
        precompute=True,
        help="That of the line where the output can be converted to it, else of the "
        "product, else its own.",
    )
    source_key = fields.Char(readonly=True, copy=False)

    _line_day_product_uniq = models.UniqueIndex(
        "(line_id, day, COALESCE(product_id, 0)) WHERE source_key IS NULL",
        "The line has an output of this product on this day already.",
    )
    _source_key_uniq = models.UniqueIndex(
        "(source_key) WHERE source_key IS NOT NULL", "This output was taken already."
    )
    _quantity_positive = models.Constraint(
        "CHECK (quantity >= 0 OR source_key IS NOT NULL)", "An output is not negative."
    )

    @api.constrains("day", "line_id")
    def _check_day(self):
        for output in self:
            if output.day > output.line_id._today():
                raise ValidationError(
                    output.env._(
                        "%(line)s: %(day)s is not over, nor has it begun.",
                        line=output.line_id.name,
                        day=output.day,
                    )
                )

    @api.constrains("product_id", "uom_id")
    def _check_uom(self):
        for output in self.filtered("product_id"):
            if not output.uom_id._has_common_reference(output.product_id.uom_id):
                raise ValidationError(
                    output.env._(
                        "%(product)s is not measured in %(unit)s.",
                        product=output.product_id.display_name,
                        unit=output.uom_id.name,
                    )
                )

    @api.depends("product_id")
    def _compute_uom_id(self):
        for output in self:
            output.uom_id = (
                output.product_id.uom_id
                or output.uom_id
                or output.line_id.output_uom_id
                or self.env.ref("uom.product_uom_unit")
            )

    @api.depends("quantity", "uom_id", "product_id", "line_id.output_uom_id")
    def _compute_reported(self):
        for output in self:
            units = (output.line_id.output_uom_id, output.product_id.uom_id)
            unit = next(
                (
                    unit
                    for unit in units
                    if unit and output.uom_id._has_common_reference(unit)
                ),
                output.uom_id,
            )
            quantity = output.uom_id._compute_quantity(
                output.quantity, unit, round=False
            )
            output.reported_uom_id = unit
            output.reported_quantity = float(exact(quantity, DIGITS))

    @api.model_create_multi
    def create(self, vals_list):
        """Where an output comes from is not typed."""
        for vals in vals_list:
            self._refuse_source(vals)
        clean = without_defaults(self, DECIDED)
        return super(EnergyLineOutput, clean).create(vals_list)

    def write(self, vals):
        """What the product itself has entered is corrected by further rows."""
        self._refuse_source(vals)
        self._check_typed()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_typed(self):
        self._check_typed()

    def _refuse_source(self, vals):
        refuse(self, vals, DECIDED, self.env._("%s: it is not typed."))

    def _check_typed(self):
        """:raise UserError: a row is not a person's to change."""
        taken = self.filtered("source_key")
        if taken and not self.env.su:
            raise UserError(
                self.env._(
                    "The output of %(line)s on %(day)s was not typed: it follows what "
                    "it was taken from.",
                    line=taken[0].line_id.name,
                    day=taken[0].day,
                )
            )

    def _read_group_select(self, aggregate_spec, query):
        """Pieces and tonnes are not added up: then there is no sum."""
        if aggregate_spec != "reported_quantity:sum":
            return super()._read_group_select(aggregate_spec, query)
        unit, quantity = (
            self._field_to_sql(self._table, name, query)
            for name in ("reported_uom_id", "reported_quantity")
        )
        return SQL("CASE WHEN MIN(%s) = MAX(%s) THEN SUM(%s) END", unit, unit, quantity)
