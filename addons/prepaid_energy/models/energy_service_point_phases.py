from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL

from .. import losses
from ..exchange.numbers import exact
from .energy_service_point_losses import ENOUGH, WATCHED
from .protected import refuse, without_defaults

DECIDED = {"phase_alarm"}


class EnergyServicePoint(models.Model):
    """How evenly a point's phases are loaded, and the alarm where they are not."""

    _inherit = "energy.service.point"

    phase_limit = fields.Float(
        "Phase Alarm Above (%)",
        digits=(6, 2),
        default=30,
        tracking=True,
        help="Phase imbalance of the last 24 hours, weighted by load: the phase that "
        "is farthest off the mean, in per cent of the mean. Watched where others hang "
        "below this point. 0: never.",
    )
    phase_alarm = fields.Boolean("Phases Uneven", readonly=True, copy=False)
    phase_hour_ids = fields.One2many("energy.phase", "service_point_id")
    has_phases = fields.Boolean(compute="_compute_has_phases")

    _phase_limit_positive = models.Constraint(
        "CHECK (phase_limit >= 0)", "A limit of the phases cannot be below zero."
    )

    def _compute_has_phases(self):
        groups = self.env["energy.phase"]._read_group(
            [("service_point_id", "in", self.ids)], ["service_point_id"]
        )
        known = {point.id for (point,) in groups}
        for point in self:
            point.has_phases = point.id in known

    @api.model_create_multi
    def create(self, vals_list):
        """An alarm is raised by what was measured."""
        for vals in vals_list:
            self._refuse_phase_alarm(vals)
        return super(EnergyServicePoint, without_defaults(self, DECIDED)).create(
            vals_list
        )

    def write(self, vals):
        """An alarm is raised by what was measured."""
        self._refuse_phase_alarm(vals)
        return super().write(vals)

    def _refuse_phase_alarm(self, vals):
        message = self.env._("%s cannot be written: what is measured decides.")
        refuse(self, vals, DECIDED, message)

    def action_view_phases(self):
        """Open the phases of this point by hour."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_phase_action"
        )
        return {
            **action,
            "domain": [("service_point_id", "=", self.id)],
            "context": {"search_default_last_days": 1},
        }

    def _watch_phases(self):
        """Compare the last 24 hours of each feeder's phases with its limit.

        With less than half of them known, all stays as it is.
        """
        # sudo: the site's tree, whoever asks
        points = self.sudo().search([("child_ids", "!=", False)])
        for point_id, hours, deviation, mean in self._last_phases(points):
            if hours < ENOUGH:
                continue
            point = points.browse(point_id)
            off, mean = Decimal(deviation), Decimal(mean)
            limit = exact(point.phase_limit, 2)
            due = losses.alarming(off, mean, limit, point.phase_alarm)
            if due != point.phase_alarm:
                point.phase_alarm = due
                point._tell_phases(due, off, mean)

    def _last_phases(self, points):
        """(feeder, hours known, sum of the farthest off, sum of the means)."""
        return self.env.execute_query(
            SQL(
                """
                SELECT service_point_id, count(DISTINCT at), sum(deviation)::text,
                       sum(mean)::text
                  FROM energy_phase
                 WHERE service_point_id = ANY(%s) AND at > %s
                 GROUP BY 1 ORDER BY 1
                """,
                points.ids,
                fields.Datetime.now() - timedelta(hours=WATCHED),
            )
        )

    def _tell_phases(self, due, deviation, mean):
        """Call a person, or say that it is over."""
        text = self.env._(
            "In the last %(hours)s hours the phase that is farthest off was %(share)s "
            "%% off the mean of the three.",
            hours=WATCHED,
            share=round(100 * deviation / mean, 1) if mean else 0,
        )
        if due:
            summary = self.env._("Phases unevenly loaded: %s", self.name)
            self._alarm("alarm_phases", summary, text)
        else:
            self._all_clear(["alarm_phases"], text)
