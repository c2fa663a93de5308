from datetime import UTC, datetime, time, timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from ..rating.clock import zone


class EnergyPolicy(models.Model):
    """When and how long tenants are left in peace, and who is told next."""

    _inherit = "energy.policy"

    quiet_from = fields.Float(
        tracking=True,
        help="By the clock of the site. Equal: never.",
    )
    quiet_to = fields.Float("Quiet Until", tracking=True)
    cut_breaks_quiet = fields.Boolean(
        "Cut-offs Break Quiet Hours",
        default=True,
        tracking=True,
        help="A tenant who is cut off is told at once, also at night.",
    )
    office_activity = fields.Selection(
        [("cut", "When cut off"), ("warning", "At each warning")],
        "Activity for the Office",
        tracking=True,
        help="For the tenant's salesperson, or who is called for alarms at the site.",
    )
    escalation_ids = fields.One2many("energy.policy.escalation", "policy_id", copy=True)

    @api.constrains("quiet_from", "quiet_to")
    def _check_quiet(self):
        for policy in self:
            if not (0 <= policy.quiet_from <= 24 and 0 <= policy.quiet_to <= 24):
                raise ValidationError(
                    policy.env._("%s: quiet hours are from 0 to 24.", policy.name)
                )

    def _quiet_until(self, now, tz):
        """When the quiet hours end in which ``now`` falls; None outside of them.

        :param datetime now: naive UTC.
        :param str tz: the clock of the site.
        :return: naive UTC.
        """
        begin, end = self.quiet_from % 24, self.quiet_to % 24
        if self.quiet_from == self.quiet_to:
            return None
        clock = zone(tz)
        local = now.replace(tzinfo=UTC).astimezone(clock)
        hour = local.hour + local.minute / 60 + local.second / 3600
        over_midnight = begin >= end
        if begin <= hour < end or (over_midnight and (hour >= begin or hour < end)):
            day = local.date() + timedelta(days=over_midnight and hour >= begin)
            minutes = round(end * 60)
            moment = time(minutes // 60 % 24, minutes % 60)
            until = datetime.combine(day, moment, clock).astimezone(UTC)
            return max(until.replace(tzinfo=None), now + timedelta(minutes=1))
        return None
