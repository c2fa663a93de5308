from datetime import timedelta

from odoo import SUPERUSER_ID, fields, models
from odoo.exceptions import UserError
from odoo.tools.misc import hash_sign, verify_hash_signed

LINK_DAYS = 7
ACTIVITY = "prepaid_energy.activity_quota_decision"


class EnergyQuotaDecision(models.AbstractModel):
    """How those who decide are called, by activity and by mail with a link."""

    _inherit = "energy.quota.decision"

    # ------------------------------------------------------------------ people

    def _call_deciders(self):
        """An activity and a mail with their own link for those who decide next.

        :raise UserError: there is nobody.
        """
        users = self._deciders()
        if not users:
            raise UserError(
                self.env._(
                    "%s: nobody may decide on it. Name the head of the department, who "
                    "is not the requester, or the approvers in the settings.",
                    self.name,
                )
            )
        self._write_decided({"decider_ids": [fields.Command.set(users.ids)]})
        for user in users:
            self._call_decider(user)

    def _call_decider(self, user):
        reader = self.with_user(user).with_context(
            allowed_company_ids=user.company_ids.ids
        )
        if reader.has_access("read"):
            # superuser: whoever asks need not be able to plan for others; no mail
            # about the activity, as the one with the link follows
            planner = self.with_user(SUPERUSER_ID).with_context(
                mail_activity_quick_update=bool(user.email)
            )
            planner.activity_schedule(
                ACTIVITY,
                summary=self.env._("Decide on %s", self.name),
                user_id=user.id,
            )
        if user.email:
            self._mail_link(user)

    def _mail_link(self, user, again=False):
        """Mail a decider the link.

        :param bool again: it is a reminder.

        The mail is of no record: who asks reads the chatter, and must not find there
        the link with which somebody else decides.
        """
        record = self.with_context(lang=user.lang, tz=user.tz)
        body = record.env["ir.qweb"]._render(
            "prepaid_energy.mail_quota_decision",
            {
                "record": record,
                "user": user,
                "facts": record._facts(),
                "link": record._link(user),
                "days": LINK_DAYS,
            },
            raise_if_not_found=True,
        )
        # superuser: an author reads what was mailed, and that must not be the requester
        self.env["mail.mail"].with_user(SUPERUSER_ID).create(
            {
                "subject": record.env._("Still waiting for you: %s", self.name)
                if again
                else record.env._("Please decide: %s", self.name),
                "body_html": body,
                "email_from": self.company_id.email_formatted
                or self.env.ref("base.partner_root").email_formatted,
                "author_id": self.env.ref("base.partner_root").id,
                "email_to": user.email_formatted,
                "auto_delete": True,
            }
        )

    def _end_activities(self, done, user=None):
        """What was planned for deciders, or for one, is done, or not due any more."""
        record = self.with_user(SUPERUSER_ID)
        user_id = user and user.id
        if done:
            record.activity_feedback([ACTIVITY], user_id=user_id)
        else:
            record.activity_unlink([ACTIVITY], user_id=user_id)

    def _tell_requester(self, text):
        """In the chatter, and by mail to whoever asked."""
        self.message_post(
            body=text,
            subtype_xmlid="mail.mt_comment",
            partner_ids=self.requester_id.partner_id.ids,
        )

    # ------------------------------------------------------------------ links

    def _link_scope(self):
        """What a link is good for: this record, these figures, until it is decided."""
        return f"{self._name}:{self.id}:{self.figures}:{self.link_key}"

    def _link(self, user):
        """The address with which ``user`` decides without logging in; in sudo mode."""
        token = hash_sign(
            self.env, self._link_scope(), user.id, expiration=timedelta(days=LINK_DAYS)
        )
        return f"{self.get_base_url()}/energy/{self._page}/{self.id}?token={token}"

    def _user_of_link(self, token):
        """Whose link it is, or none: wrong, used, or too old; in sudo mode."""
        nobody = self.env["res.users"]
        if not self.exists() or not self.link_key or self.state != "submitted":
            return nobody
        try:
            user_id = verify_hash_signed(self.env, self._link_scope(), token)
        except ValueError:  # no token at all, see verify_hash_signed
            return nobody
        user = nobody.browse(user_id or 0).exists()
        return user.filtered(lambda one: one.active and not one.share)
