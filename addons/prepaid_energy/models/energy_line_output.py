from odoo import api, fields, models
from odoo.exceptions import ValidationError


class EnergyLineOutput(models.Model):
    """What a production line has made in a day: entered, or imported.

    A day without a row is unknown; a day in which nothing was made has a row with 0.
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
    quantity = fields.Float("Output", digits=(18, 6), required=True)
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

    _line_day_product_uniq = models.UniqueIndex(
        "(line_id, day, COALESCE(product_id, 0))",
        "The line has an output of this product on this day already.",
    )
    _quantity_positive = models.Constraint(
        "CHECK (quantity >= 0)", "An output is not negative."
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
                or self.env.ref("uom.product_uom_unit")
            )
