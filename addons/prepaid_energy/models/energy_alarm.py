from markupsafe import Markup

from odoo import SUPERUSER_ID, models


class EnergyAlarm(models.AbstractModel):
    """Calls a person to a service point or a gateway, once for each cause.

    An alarm is an activity of a type of its own (``data/mail_activity_type.xml``) for
    whoever the site names. Where the cause can end by itself, the code that sees it end
    calls :meth:`_all_clear`.
    """

    _name = "energy.alarm"
    _description = "Alarms"

    def _alarm(self, kind, summary, note=""):
        """Schedule an activity unless one of this kind is there already.

        :param str kind: the activity type's XML id in this module.
        :param str note: plain text; it may come from a bridge.
        """
        for record in self._as_root():
            if not record._alarms(kind):
                record.activity_schedule(
                    f"prepaid_energy.{kind}",
                    summary=summary,
                    note=Markup("<p>%s</p>") % (note or ""),
                    user_id=record.site_id.user_id.id,
                )
                record.site_id._tell_board()

    def _all_clear(self, kinds, note):
        """Mark alarms as done whose cause is gone, with a note in the chatter."""
        for record in self._as_root():
            alarms = record._alarms(*kinds)
            if alarms:
                alarms.action_feedback(feedback=note)
                record.site_id._tell_board()

    def _alarms(self, *kinds):
        """The open alarms of these kinds."""
        types = self.env["mail.activity.type"].browse(
            self.env.ref(f"prepaid_energy.{kind}").id for kind in kinds
        )
        return self.activity_ids.filtered(lambda a: a.activity_type_id in types)

    def _note(self, body):
        """A line in the chatter that the product itself writes."""
        for record in self._as_root():
            record.message_post(body=body, subtype_xmlid="mail.mt_note")

    def _as_root(self):
        """The product itself speaks, not the bridge that happened to call.

        Superuser: a bridge's user has no e-mail address, and sees no activities.
        """
        return self.with_user(SUPERUSER_ID)
