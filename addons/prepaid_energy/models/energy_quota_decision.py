import secrets
from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.orm.models import NO_ACCESS
from odoo.tools import SQL
from odoo.tools.misc import hash_sign, verify_hash_signed

from .protected import without_defaults

LINK_DAYS = 7
ACTIVITY = "prepaid_energy.activity_quota_decision"
ASKED = {"reason", "attachment_ids"}  # what the requester may write in a draft
MAIL_FIELDS = {"activity_ids", "message_ids", "message_follower_ids"}


class EnergyQuotaDecision(models.AbstractModel):
    """Somebody asks, somebody else decides: by button, or by the link in a mail.

    A model that inherits it says who decides (:meth:`_deciders`), what is asked for
    (:meth:`_figures`) and what a yes does (:meth:`_approve`). All values but those that
    the requester fills in are written by these methods only.
    """

    _name = "energy.quota.decision"
    _description = "Decision on a Quota"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "id desc"
    _check_company_auto = True
    _page = ""  # of the decision, below /energy/

    name = fields.Char("Number", readonly=True, copy=False)
    requester_id = fields.Many2one(
        "res.users",
        readonly=True,
        index=True,
        copy=False,
        ondelete="restrict",
        default=lambda self: self.env.user,  # the form of a new one asks whose it is
    )
    reason = fields.Text(required=True)
    attachment_ids = fields.Many2many("ir.attachment", copy=False)
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("submitted", "Submitted"),
            ("approved", "Approved"),
            ("refused", "Refused"),
            ("withdrawn", "Withdrawn"),
            ("expired", "Expired"),
        ],
        required=True,
        readonly=True,
        default="draft",
        index=True,
        copy=False,
        tracking=True,
    )
    submitted_at = fields.Datetime(readonly=True, copy=False)
    decider_ids = fields.Many2many(
        "res.users", string="Waits For", readonly=True, copy=False
    )
    may_decide = fields.Boolean(compute="_compute_may_decide")
    is_mine = fields.Boolean(compute="_compute_may_decide")
    decided_by_id = fields.Many2one(
        "res.users", readonly=True, copy=False, ondelete="restrict"
    )
    decided_for_id = fields.Many2one(
        "res.users",
        "On Behalf Of",
        readonly=True,
        copy=False,
        ondelete="restrict",
        help="The head of the department, where a stand-in has decided.",
    )
    decided_at = fields.Datetime(readonly=True, copy=False)
    decision_note = fields.Char("Answer", readonly=True, copy=False)
    figures = fields.Char(
        readonly=True,
        copy=False,
        groups=NO_ACCESS,
        help="What was asked for when it was submitted; only that is granted.",
    )
    link_key = fields.Char(
        readonly=True,
        copy=False,
        groups=NO_ACCESS,
        help="Part of the signature of links in mails; gone with the decision.",
    )

    @api.depends_context("uid")
    @api.depends("state", "requester_id")
    def _compute_may_decide(self):
        for record in self:
            record.is_mine = record.requester_id == self.env.user
            # sudo: who decides follows from departments and settings
            record.may_decide = (
                record.state == "submitted"
                and isinstance(record.id, int)
                and self.env.user in record.sudo()._deciders()
            )

    # ------------------------------------------------------------------ CRUD

    @api.model_create_multi
    def create(self, vals_list):
        """Number it; only what the requester fills in comes from outside."""
        asked = self._asked_fields()
        for vals in vals_list:
            self._refuse_decided({*vals} - asked)
        decided = {*self._fields} - asked
        clean = without_defaults(self, decided)
        for vals in vals_list:
            vals.setdefault("requester_id", self.env.uid)
            vals["name"] = self.env["ir.sequence"].next_by_code(self._name)
        records = super(EnergyQuotaDecision, clean).create(vals_list)
        records._adopt_attachments()
        return records

    def write(self, vals):
        """The requester changes a draft; what the flow decides is nobody's to type."""
        if not self.env.su:
            self._refuse_decided({*vals} - self._asked_fields())
            if {*vals} - MAIL_FIELDS:
                self._check_own_draft()
        result = super().write(vals)
        if "attachment_ids" in vals:
            self._adopt_attachments()
        return result

    @api.ondelete(at_uninstall=False)
    def _unlink_draft(self):
        for record in self:
            if record.state != "draft":
                raise UserError(
                    self.env._("%s was submitted: withdraw it instead.", record.name)
                )

    @api.model
    def _asked_fields(self):
        """The fields that a requester fills in."""
        return ASKED | MAIL_FIELDS

    def _refuse_decided(self, names):
        if names and not self.env.su:
            raise UserError(
                self.env._(
                    "%s cannot be written: submitting and deciding do that.",
                    ", ".join(sorted(names)),
                )
            )

    def _check_own_draft(self):
        for record in self:
            if record.state != "draft":
                raise UserError(
                    self.env._("%s was submitted and stays as it is.", record.name)
                )
            self._check_requester(record)

    def _check_requester(self, record):
        if record.requester_id != self.env.user:
            raise AccessError(
                self.env._(
                    "%(name)s is %(user)s's.",
                    name=record.name,
                    user=record.requester_id.name,
                )
            )

    def _adopt_attachments(self):
        """Let whoever sees the record read the files that were put on its form.

        :raise AccessError: one of them is not the requester's to read.
        """
        for record in self:
            record.attachment_ids.check_access("read")
            # sudo: files of one's own that hang on nothing yet
            loose = record.attachment_ids.sudo().filtered(
                lambda file: not file.res_id and file.create_uid == self.env.user
            )
            loose.write({"res_model": self._name, "res_id": record.id})

    def _own_files(self):
        """The files that belong to it, for whoever may see it."""
        return self.attachment_ids.filtered(
            lambda file: (file.res_model, file.res_id) == (self._name, self.id)
        )

    def _write_decided(self, values):
        """Write what the flow decides."""
        self.sudo().write(values)  # sudo: see write()

    # ------------------------------------------------------------------ hooks

    def _deciders(self):
        """The users who may decide now; never the requester. In sudo mode."""
        raise NotImplementedError

    def _figures(self):
        """What is asked for, exactly, as a text; in sudo mode."""
        raise NotImplementedError

    def _submitted_values(self):
        """What is kept of the moment of submitting, and what speaks against it.

        :raise UserError: it cannot be submitted.
        """
        return {}

    def _approve(self, note):
        """A decider has said yes; in sudo mode, the row is locked."""
        raise NotImplementedError

    def _behalf(self, user):
        """The head of department for whom a stand-in decides, or none."""
        return self.env["res.users"]

    def _facts(self):
        """What a decider must know.

        :return: list of (label, text).
        """
        return []

    # ------------------------------------------------------------------ flow

    def action_submit(self):
        """Ask for the decision."""
        for record in self:
            self._check_requester(record)
            # sudo: see write(); it is the requester's own. It drops the caller's
            # default_ values as well, which must not reach the mails.
            record.sudo()._submit()

    def action_withdraw(self):
        """Take it back while nobody has decided."""
        for record in self:
            self._check_requester(record)
            record._lock("submitted", "draft")
            record.sudo()._close("withdrawn", "")

    def action_approve(self):
        """Say yes."""
        for record in self:
            record._decide(True)

    def action_refuse(self):
        """Ask for the reason of a no."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Refuse %s", self.name),
            "res_model": "energy.quota.refusal",
            "view_mode": "form",
            "target": "new",
            "context": {"default_model": self._name, "default_res_id": self.id},
        }

    def _submit(self):
        self._lock("draft")
        self._write_decided(
            {
                **self._submitted_values(),
                "state": "submitted",
                "submitted_at": fields.Datetime.now(),
                "figures": self._figures(),
                "link_key": secrets.token_hex(16),
            }
        )
        self._call_deciders()

    def _decide(self, yes, note=""):
        """Decide as the current user.

        :raise UserError: it is decided already, it has changed, or the user is not the
            one to decide.
        """
        self.ensure_one()
        # sudo: who decides needs no rights on quotas, ledger and activities
        record = self.sudo()
        record._lock("submitted")
        record._check_decider()
        record._check_figures()
        if yes:
            record._approve(note)
        else:
            record._close("refused", note)

    def _lock(self, *states):
        """Take the row; of two who decide at once one waits, and then is too late.

        :raise UserError: it is in none of ``states`` any more.
        """
        self.ensure_one()
        self.flush_recordset()
        [[state]] = self.env.execute_query(
            SQL(
                "SELECT state FROM %s WHERE id = %s FOR UPDATE",
                SQL.identifier(self._table),
                self.id,
            )
        )
        self.invalidate_recordset()
        if state not in states:
            labels = dict(self._fields["state"]._description_selection(self.env))
            raise UserError(
                self.env._(
                    "%(name)s is %(state)s already.",
                    name=self.name,
                    state=labels[state].lower(),
                )
            )

    def _check_decider(self):
        if self.env.user == self.requester_id:
            raise UserError(
                self.env._("%s: nobody decides on the own request.", self.name)
            )
        deciders = self._deciders()
        if self.env.user not in deciders:
            raise UserError(
                self.env._(
                    "%(name)s is decided by %(users)s.",
                    name=self.name,
                    users=", ".join(deciders.mapped("name")) or self.env._("nobody"),
                )
            )

    def _check_figures(self):
        """Grant what was submitted and nothing else, whatever has changed it."""
        if not self.figures or self.figures != self._figures():
            raise UserError(
                self.env._(
                    "%s has changed since it was submitted: withdraw it and ask anew.",
                    self.name,
                )
            )

    def _close(self, state, note, **values):
        """End it: nothing waits any more, the requester is told."""
        decided = state in ("approved", "refused")
        behalf = self._behalf(self.env.user) if decided else self.env["res.users"]
        if decided:
            values.update(
                decided_by_id=self.env.uid,
                decided_for_id=behalf.id,
                decided_at=fields.Datetime.now(),
            )
        self._write_decided(
            {
                **values,
                "state": state,
                "decision_note": note,
                "link_key": False,
                "decider_ids": [fields.Command.clear()],
            }
        )
        text = self._closing_text(state, behalf)
        self._end_activities(decided)
        self._tell_requester(f"{text} {note or ''}".strip())

    def _closing_text(self, state, behalf):
        texts = {
            "approved": self.env._("%s is approved.", self.name),
            "refused": self.env._("%s is refused.", self.name),
            "withdrawn": self.env._("%s is withdrawn.", self.name),
            "expired": self.env._("%s has expired: nobody decided.", self.name),
        }
        text = texts[state]
        if behalf:
            text += " " + self.env._(
                "%(user)s has decided on behalf of %(head)s.",
                user=self.env.user.name,
                head=behalf.name,
            )
        return text

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
