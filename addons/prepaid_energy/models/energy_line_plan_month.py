from odoo import api, fields, models

MONTH_NAMES = [
    ("1", "January"),
    ("2", "February"),
    ("3", "March"),
    ("4", "April"),
    ("5", "May"),
    ("6", "June"),
    ("7", "July"),
    ("8", "August"),
    ("9", "September"),
    ("10", "October"),
    ("11", "November"),
    ("12", "December"),
]


class EnergyLinePlanMonth(models.Model):
    """The season of a plan: how much more or less a calendar month gets."""

    _name = "energy.line.plan.month"
    _description = "Month of a Budget Plan"
    _order = "plan_id, sequence"
    _rec_name = "month"

    plan_id = fields.Many2one(
        "energy.line.plan", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="plan_id.company_id")
    month = fields.Selection(MONTH_NAMES, required=True)
    sequence = fields.Integer(compute="_compute_sequence", store=True)
    factor = fields.Float(
        digits=(9, 6), default=1.0, required=True, help="1 is an average month."
    )
    output = fields.Float(
        "Planned Output", digits=(18, 3), help="In the line's unit of output."
    )
    planned = fields.Float(digits=(18, 3), compute="_compute_planned")

    _month_uniq = models.Constraint(
        "unique (plan_id, month)", "A plan has each month once."
    )
    _positive = models.Constraint(
        "CHECK (factor >= 0 AND output >= 0)", "Factor and output are not negative."
    )

    @api.depends("month")
    def _compute_sequence(self):
        for row in self:
            row.sequence = int(row.month or 0)

    @api.depends(
        "factor",
        "output",
        "plan_id.basis",
        "plan_id.amount",
        "plan_id.per_unit",
        "plan_id.date_from",
    )
    def _compute_planned(self):
        for row in self:
            row.planned = float(row.plan_id._planned(row._next())) if row.month else 0

    def _next(self):
        """The first such month of the plan."""
        begin = self.plan_id.date_from or fields.Date.today()
        year = begin.year + (int(self.month) < begin.month)
        return begin.replace(year=year, month=int(self.month), day=1)
