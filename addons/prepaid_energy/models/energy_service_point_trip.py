from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError

from . import supply


class EnergyServicePoint(models.Model):
    """Overload trips: hands off until somebody confirms on site, or a re-arm is due."""

    _inherit = "energy.service.point"

    tripped_at = fields.Datetime(readonly=True, copy=False)
    trip_cleared_at = fields.Datetime(
        "Trip Cleared", readonly=True, copy=False, help="By a person or by itself."
    )
    trip_user_id = fields.Many2one(
        "res.users", "Confirmed By", readonly=True, copy=False
    )
    trip_note = fields.Char("Found on Site", readonly=True, copy=False)
    rearms = fields.Integer(
        readonly=True,
        copy=False,
        default=0,
        aggregator=None,
        help="How often it closed again by itself since the last confirmation on site.",
    )
    rearm_at = fields.Datetime("Closes Again At", readonly=True, copy=False)

    _rearm_due = models.Index("(rearm_at) WHERE rearm_at IS NOT NULL")

    def _trip(self, at):
        """Take note of an overload trip: hands off until it is cleared.

        :param datetime at: when it tripped, naive UTC. A trip that is older than the
            last confirmation comes late and changes nothing.
        """
        for point in self:
            when = point._local(at)
            if not supply.is_new_trip(at, point.trip_cleared_at or None):
                point._note(
                    self.env._("An overload trip of %s was reported late.", when)
                )
                continue
            if point.tripped:
                continue
            # sudo: the meter said so
            point.sudo().write({"tripped": True, "tripped_at": at})
            if not point._plan_rearm():
                point._call_to_site(when)

    def _call_to_site(self, when):
        self._alarm(
            "alarm_trip",
            self.env._("Overload trip: check on site, then confirm"),
            self.env._("The breaker tripped at %s.", when),
        )

    def _may_rearm(self):
        policy = self.wallet_id.sudo().policy_id  # sudo: an electrician reads none
        return supply.may_rearm(
            life_safety=self.never_cut,
            locked_out=self.locked_out,
            rearms=self.rearms,
            allowed=policy.overload_rearms,
        )

    def _plan_rearm(self):
        """Let the point close again by itself later, if its policy allows.

        :return: whether it does.
        """
        if not self._may_rearm():
            return False
        policy = self.wallet_id.sudo().policy_id  # sudo: as above
        moment = fields.Datetime.now() + timedelta(minutes=policy.rearm_minutes)
        self.sudo().rearm_at = moment  # sudo: the policy says so
        # sudo: wakes the product's own cron
        self.env.ref("prepaid_energy.cron_rearm").sudo()._trigger(moment)
        self._note(
            self.env._(
                "Overload trip: closes again by itself at %(time)s (%(n)s of %(max)s).",
                time=self._local(moment),
                n=self.rearms + 1,
                max=policy.overload_rearms,
            )
        )
        return True

    @api.model
    def _cron_rearm(self):
        """Close again what tripped and waited long enough."""
        due = self.search(
            [("tripped", "=", True), ("rearm_at", "<=", fields.Datetime.now())]
        )
        for point in due:
            if not point._may_rearm():  # locked out, or the policy has changed
                point.rearm_at = False
                point._call_to_site(point._local(point.tripped_at))
                continue
            point.write(
                {
                    "tripped": False,
                    "trip_cleared_at": fields.Datetime.now(),
                    "rearms": point.rearms + 1,
                    "rearm_at": False,
                }
            )
            point._note(
                self.env._(
                    "Closed again by itself after an overload trip, %s since the last "
                    "confirmation on site.",
                    point.rearms,
                )
            )

    def action_confirm_on_site(self):
        """Ask what was found on site."""
        return self._ask(
            "energy.trip.confirm", self.env._("Confirm on Site: %s", self.name)
        )

    def _confirm_on_site(self, note):
        """Somebody has looked into the overload on site: it may close again.

        :param str note: what was found.
        :raise UserError: there is nothing to confirm, or nothing was found out.
        """
        self.ensure_one()
        if not self.tripped:
            raise UserError(self.env._("%s has not tripped.", self.name))
        if not (note or "").strip():
            raise UserError(self.env._("Write what you found on site."))
        self._take_fact(
            tripped=False,
            trip_cleared_at=fields.Datetime.now(),
            trip_user_id=self.env.uid,
            trip_note=note.strip(),
            rearms=0,
            rearm_at=False,
        )
        body = self.env._("Overload trip confirmed on site: %s", note.strip())
        self._all_clear(["alarm_trip"], self.env._("Confirmed on site."))
        self.message_post(body=body)
