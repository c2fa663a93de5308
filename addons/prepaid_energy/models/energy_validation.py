from odoo import fields, models


class EnergyValidation(models.Model):
    """How the readings of a class of service points are validated (VEE)."""

    _name = "energy.validation"
    _description = "Validation Rules"
    _order = "name, id"

    name = fields.Char(required=True)
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    margin = fields.Float(
        required=True,
        default=1.2,
        digits=(6, 3),
        help="A reading is implausible above the physical maximum times this.",
    )
    spike = fields.Selection(
        [("hold", "Hold for review"), ("accept", "Accept")],
        "Above the Maximum",
        required=True,
        default="hold",
    )
    late = fields.Selection(
        [("accept", "Accept and rate again"), ("hold", "Hold for review")],
        "Late Readings",
        required=True,
        default="accept",
    )
    gap_hours = fields.Float(
        "Gap After (h)",
        default=24,
        help="Consumption over a longer time without reading is marked as estimated, "
        "because it was spread evenly. 0: never.",
    )
    stuck_hours = fields.Float(
        "Stuck After (h)",
        default=72,
        help="A register that stands still for so long, while supply is on, calls a "
        "person. 0: never.",
    )
    hour_gap = fields.Float(
        "Hours Known Within (h)",
        required=True,
        default=2,
        help="Two readings tell the consumption of the hours between them if they lie "
        "at most so far apart. Else these hours are estimates, which losses leave out.",
    )
    active = fields.Boolean(default=True)

    _margin_positive = models.Constraint(
        "CHECK (margin >= 1)", "The margin is a factor of at least 1."
    )
    _hour_gap_positive = models.Constraint(
        "CHECK (hour_gap > 0)", "Readings must be allowed to lie some time apart."
    )
