import secrets

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.orm.models import NO_ACCESS
from odoo.tools import SQL

from .protected import without_defaults

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
