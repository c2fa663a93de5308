from datetime import timedelta

from odoo import api, fields, models

from .patience import patiently

MODELS = ("energy.quota.request", "energy.quota.transfer")


class EnergyQuotaDecision(models.AbstractModel):
    """What waits for a decision is not forgotten.

    Who decides is reminded, and who has come to decide since is called: a stand-in who
    was named later, the new head of a department.
    """

    _inherit = "energy.quota.decision"

    reminded_at = fields.Datetime("Last Reminder", readonly=True, copy=False)

    @api.model
    def _cron_remind(self):
        """Follow up what waits. Runs each hour, each record in its own transaction."""
        waiting = [
            record
            for name in MODELS
            for record in self.env[name].search(
                [("state", "=", "submitted")], order="submitted_at, id"
            )
        ]
        for number, record in enumerate(waiting, 1):
            patiently(self.env, lambda one=record: one._follow_up())
            if not self.env["ir.cron"]._commit_progress(
                1, remaining=len(waiting) - number
            ):
                return

    def _follow_up(self):
        """Call who decides by now, remind the others when it is time."""
        if self.state != "submitted":
            return
        deciders = self._deciders()
        fresh = deciders - self.decider_ids
        if deciders and deciders != self.decider_ids:
            self._write_decided({"decider_ids": [fields.Command.set(deciders.ids)]})
            for user in fresh:
                self._call_decider(user)
        if self._waits_for(self.company_id.energy_remind_days, self.reminded_at):
            self._write_decided({"reminded_at": fields.Datetime.now()})
            for user in (deciders - fresh).filtered("email"):
                self._mail_link(user, again=True)

    def _waits_for(self, days, since=None):
        """Whether it waits for so many days; never where they are 0.

        :param datetime since: naive UTC; None: since it was submitted.
        """
        since = since or self.submitted_at
        return days > 0 and since + timedelta(days=days) <= fields.Datetime.now()


class EnergyQuotaRequest(models.Model):
    """Where nobody decides on a request, the next level may as well."""

    _inherit = "energy.quota.request"

    escalated = fields.Boolean(
        "Next Level Asked",
        readonly=True,
        copy=False,
        help="Nobody has decided in the time of the settings: the next level may, too.",
    )

    def _follow_up(self):  # pylint: disable=missing-return
        days = self.company_id.energy_escalate_days
        if not self.escalated and self._waits_for(days):
            before = self._deciders()
            self._write_decided({"escalated": True})
            more = self._deciders() - before
            if more:
                self._tell_requester(
                    self.env._(
                        "Nobody has decided on %(name)s in %(days)s days: %(users)s "
                        "may decide as well.",
                        name=self.name,
                        days=days,
                        users=", ".join(more.mapped("name")),
                    )
                )
        super()._follow_up()


class EnergyQuotaTransfer(models.Model):
    """A transfer that nobody agreed to ends with its month."""

    _inherit = "energy.quota.transfer"

    def _follow_up(self):  # pylint: disable=missing-return
        quota = self.from_quota_id
        if quota.state == "closed" or quota.month < quota.line_id._month():
            self._lock("submitted")
            self._close("expired", "")
        else:
            super()._follow_up()
