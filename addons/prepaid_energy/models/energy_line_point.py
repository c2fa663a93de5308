from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .protected import refuse, without_defaults

DECIDED = {"shed", "shed_at"}


class EnergyLinePoint(models.Model):
    """A service point of a production line, or the line's share of a common one.

    The line with the point's wallet keeps what the others do not take, so that the
    shares are always 100 %.
    """

    _name = "energy.line.point"
    _description = "Service Point of a Production Line"
    _order = "line_id, sequence, id"
    _rec_name = "service_point_id"
    _check_company_auto = True

    line_id = fields.Many2one(
        "energy.line",
        "Production Line",
        required=True,
        index=True,
        check_company=True,
        ondelete="cascade",
    )
    service_point_id = fields.Many2one(
        "energy.service.point",
        required=True,
        index=True,
        check_company=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        related="line_id.company_id", store=True, precompute=True, index=True
    )
    share = fields.Float(
        "Share (%)",
        digits=(7, 4),
        default=100,
        required=True,
        aggregator=None,
        help="Of the point's consumption and cost. The line with the point's wallet "
        "has what the others leave.",
    )
    sequence = fields.Integer(
        "Order of Shedding", default=10, help="The least important comes first."
    )
    may_shed = fields.Boolean(
        "May Be Cut",
        help="A hard quota that is used up cuts it. A point that several lines share "
        "is cut only when the quotas of all of them want it.",
    )
    shed = fields.Boolean("Cut by Quota", readonly=True, copy=False)
    shed_at = fields.Datetime("Cut Since", readonly=True, copy=False)
    kept_on = fields.Boolean(related="service_point_id.kept_on")
    supply_state = fields.Selection(related="service_point_id.supply_state")

    _line_point_uniq = models.Constraint(
        "unique (line_id, service_point_id)", "The line has this service point already."
    )
    _share_range = models.Constraint(
        "CHECK (share >= 0 AND share <= 100)", "A share is between 0 and 100 %."
    )
    _shed_allowed = models.Constraint(
        "CHECK (may_shed OR shed IS NOT TRUE)", "Only a point that may be cut is cut."
    )

    @api.constrains("may_shed", "service_point_id")
    def _check_may_shed(self):
        for row in self.filtered("may_shed"):
            if row.service_point_id.kept_on:
                raise ValidationError(
                    row.env._(
                        "%s is never cut, or feeds what is: no quota cuts it.",
                        row.service_point_id.name,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        """What is cut is the quota's to decide."""
        for vals in vals_list:
            self._refuse_decided(vals)
        clean = without_defaults(self, DECIDED)
        return super(EnergyLinePoint, clean).create(vals_list)

    def write(self, vals):
        """What is cut is the quota's to decide."""
        self._refuse_decided(vals)
        return super().write(vals)

    def _refuse_decided(self, vals):
        refuse(self, vals, DECIDED, self.env._("%s: the quota decides it."))
