from odoo import api, fields, models
from odoo.exceptions import UserError

DRIVERS = [
    ("days", "Base Load"),
    ("output", "Output"),
    ("heating", "Heating Degree Days"),
    ("cooling", "Cooling Degree Days"),
    ("hours", "Working Hours"),
]


class EnergyBaselineDriver(models.Model):
    """A driver of a baseline with the coefficient that was fitted."""

    _name = "energy.baseline.driver"
    _description = "Driver of a Baseline"
    _order = "baseline_id, sequence"
    _rec_name = "driver"

    baseline_id = fields.Many2one(
        "energy.baseline", required=True, readonly=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(
        related="baseline_id.company_id", store=True, precompute=True
    )
    sequence = fields.Integer(readonly=True)
    driver = fields.Selection(DRIVERS, required=True, readonly=True)
    coefficient = fields.Float(
        "kWh for Each",
        digits=(24, 12),
        readonly=True,
        aggregator=None,
        help="A day, a unit of output, a degree day, an hour.",
    )
    error = fields.Float(
        "Standard Error", digits=(24, 12), readonly=True, aggregator=None
    )
    t_value = fields.Float(
        "t",
        digits=(16, 2),
        readonly=True,
        aggregator=None,
        help="The coefficient divided by its standard error. Below 2, the data does "
        "not show that the driver matters.",
    )
    problem = fields.Selection(
        [
            ("same", "Says nothing of its own"),
            ("unsure", "Not shown to matter"),
        ],
        readonly=True,
        help="One that does not vary, or always moves with the others, is left out.",
    )

    @api.model_create_multi
    def create(self, vals_list):
        """The fit makes them."""
        if not self.env.su:
            raise UserError(self.env._("Fit the baseline: that makes its drivers."))
        return super().create(vals_list)
