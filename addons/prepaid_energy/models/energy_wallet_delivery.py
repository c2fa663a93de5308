import logging
from datetime import timedelta
from decimal import ROUND_UP, Decimal

from odoo import SUPERUSER_ID, fields, models
from odoo.exceptions import UserError

from ..exchange.numbers import exact
from . import supply

_logger = logging.getLogger(__name__)
TEMPLATE = "prepaid_energy.mail_template_notice"
ACTIVITY = "prepaid_energy.activity_wallet"


class EnergyWallet(models.Model):
    """How news of a wallet reaches people, and what is noted of it."""

    _inherit = "energy.wallet"

    notice_ids = fields.One2many("energy.notice", "wallet_id")
    notice_count = fields.Integer(compute="_compute_notice_count")
    notice_failed_count = fields.Integer(compute="_compute_notice_count")

    def _compute_notice_count(self):
        groups = self.env["energy.notice"]._read_group(
            [("wallet_id", "in", self.ids)], ["wallet_id", "state"], ["__count"]
        )
        counts, failed = {}, {}
        for wallet, state, count in groups:
            counts[wallet.id] = counts.get(wallet.id, 0) + count
            if state in ("failed", "bounced"):
                failed[wallet.id] = failed.get(wallet.id, 0) + count
        for wallet in self:
            wallet.notice_count = counts.get(wallet.id, 0)
            wallet.notice_failed_count = failed.get(wallet.id, 0)

    def action_view_notices(self):
        """Open what was sent to whom."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_notice_action"
        )
        return {**action, "domain": [("wallet_id", "=", self.id)], "context": {}}

    # ------------------------------------------------------------------ telling

    def _tell(self, body, kind, basis=False, level_before=False):
        """Tell those who want to hear it, now or at the end of quiet hours.

        :param str kind: of news, see ``energy.wallet.preference``.
        :param str basis: of a warning: ``balance`` or ``days``.
        :param str level_before: of news of supply.
        """
        # Superuser: the news goes out whoever caused it, a tenant or a bridge
        wallet = self.with_user(SUPERUSER_ID)
        news = {"kind": kind, "basis": basis, "level_before": level_before}
        until = wallet._quiet_until(kind)
        if until:
            wallet.env["energy.notice"]._hold(wallet, {**news, "text": body}, until)
            return
        wallet._forget_waiting()
        wallet._deliver(body, news)

    def _forget_waiting(self):
        """What is said now overtakes what still waits."""
        self.notice_ids.filtered(lambda one: one.state == "waiting").state = "dropped"

    def _site_clock(self):
        # sudo: tenants read no sites
        return self.sudo().service_point_ids[:1].site_id.tz or "UTC"

    def _quiet_until(self, kind=None):
        """When the tenant may be disturbed again, as naive UTC; None: now."""
        policy = self.policy_id
        if not policy or (
            kind == "supply" and self.level == supply.CUT and policy.cut_breaks_quiet
        ):
            return None
        return policy._quiet_until(fields.Datetime.now(), self._site_clock())

    def _news_now(self, kind, basis, level_before):
        """What there is to say of it by now; empty when it is not true any more."""
        balances = self._exact_balances()
        if kind == "supply":
            return self._level_message(
                level_before, self.level, self._format(balances[self.id])
            )
        if not (self.warned or {}).get(basis) or self.level == supply.CUT:
            return ""
        value = balances[self.id]
        if basis == "days":
            value = Decimal(repr(self._days().get(self.id, 0.0)))
        return self._warning(basis, value)

    def _deliver(self, text, news, escalation=None, partners=None):
        """Send it over all channels and note what was sent.

        :param dict news: kind, basis and level_before.
        :param recordset escalation: the step that this is, of the policy.
        :param recordset partners: whom to mail; None: who wants to hear it.
        """
        self.ensure_one()
        if partners is None:
            partners = self._listeners(news["kind"])
        subject, body = self._render_news(text)
        message = self.message_post(
            body=body,
            subject=subject,
            message_type="notification",
            subtype_xmlid="mail.mt_comment",
            author_id=self.env.ref("base.partner_root").id,
            partner_ids=partners.ids,
            email_layout_xmlid="prepaid_energy.mail_notice_layout",
        )
        common = {**news, "text": text, "escalation_id": escalation and escalation.id}
        for partner in partners:
            self._note_notice("email", partner, common, message)
        self._push(text, partners, common)
        if not escalation:
            self._call_office(text, common)

    def _render_news(self, text):
        """Subject and body of the mail, by the template that the office may edit.

        A template that was broken or deleted costs its looks, never the news, nor the
        batch of readings that caused it.
        """
        template = self.env.ref(TEMPLATE, raise_if_not_found=False)
        if not template:
            return self.name, text
        template = template.with_context(
            lang=self.env.lang, notice={"text": text, **self._notice_facts()}
        )
        try:
            with self.env.cr.savepoint():
                return (
                    template._render_field("subject", self.ids)[self.id],
                    template._render_field("body_html", self.ids)[self.id],
                )
        except (UserError, ValueError):
            _logger.exception("The mail template of notices cannot be rendered")
            return self.name, text

    def _note_notice(self, channel, partner, values, message=None, **more):
        """Add a line to the log."""
        email = channel == "email" and (partner.email or "")
        return self.env["energy.notice"].create(
            {
                **values,
                "wallet_id": self.id,
                "channel": channel,
                "partner_id": partner.id,
                "address": email,
                "sent_at": fields.Datetime.now(),
                "message_id": message.id if message else False,
                "state": "queued" if channel == "email" else "sent",
                **more,
            }
        )

    def _push(self, text, partners, values):
        """Show it at once where somebody has Odoo or the portal open."""
        # sudo: followers and users are not the tenant's to read
        office = self.sudo().message_partner_ids.filtered(
            lambda partner: not partner.partner_share
        )
        for partner in office:
            partner._bus_send(
                "simple_notification",
                {"type": "warning", "title": self.name, "message": text},
            )
        listeners = partners.filtered("user_ids")
        at = fields.Datetime.now().isoformat() + "Z"  # a browser may hear it days later
        for partner in listeners | self._portal_people():
            partner._bus_send(
                "prepaid_energy.wallet", {"wallet_id": self.id, "text": text, "at": at}
            )
        for partner in listeners:
            self._note_notice("portal", partner, values)

    # ------------------------------------------------------------------ office

    def _responsible(self):
        """The user in the office who looks after this tenant."""
        return (
            self.partner_id.user_id
            or self.partner_id.commercial_partner_id.user_id
            or self.service_point_ids.site_id.user_id[:1]
        )

    def _call_office(self, text, values):
        wanted = self.policy_id.office_activity
        if wanted == "warning" or (wanted == "cut" and self.level == supply.CUT):
            self._schedule_call(text, values)
        if self.level == supply.NORMAL:
            self._office_activities().action_feedback(feedback=text)

    def _office_activities(self):
        kind = self.env.ref(ACTIVITY)
        return self.activity_ids.filtered(lambda one: one.activity_type_id == kind)

    def _schedule_call(self, text, values):
        """An activity for the office, unless one is open already."""
        user = self._responsible()
        if not user or self._office_activities():
            return
        self.activity_schedule(
            ACTIVITY,
            summary=self.env._("%s: talk to the tenant", self.name),
            note=text,
            user_id=user.id,
        )
        self._note_notice("activity", user.partner_id, values)

    # ------------------------------------------------------------------ escalation

    def _escalate(self, notices):
        """Take the steps that are due since the last news.

        :param recordset notices: since then, oldest first.
        """
        if self._quiet_until("supply"):
            return
        last = notices.filtered(lambda one: not one.escalation_id)[-1]
        read = "read" in notices.mapped("state")
        wallet = self._in_words_of_tenant().with_user(SUPERUSER_ID)
        for step in self.policy_id.escalation_ids - notices.escalation_id:
            due = last.sent_at + timedelta(hours=step.hours)
            if due > fields.Datetime.now() or (step.unless_read and read):
                continue
            text = wallet._news_now(last.kind, last.basis, last.level_before)
            if text:
                wallet._take_step(step, text, last)

    def _take_step(self, step, text, last):
        if step.step == "office":
            values = {**last._news(), "text": text, "escalation_id": step.id}
            self._schedule_call(text, values)
        else:
            family = self.partner_id.commercial_partner_id
            partners = (family | family.child_ids).filtered("email")
            self._deliver(text, last._news(), step, partners)

    # ------------------------------------------------------------------ the mail

    def _notice(self):
        """What the mail template shows: of the news that is sent, else, for a preview,
        of a warning now."""
        return self.env.context.get("notice") or {
            "text": self._warning("balance", self._exact_balance()),
            **self._notice_facts(),
        }

    def _notice_facts(self):
        """What a tenant wants to know: dict of texts for the mail; empty: no news."""
        pay = self._suggested_payment()
        days = None if self.level == supply.CUT else self._days().get(self.id)
        base = self.get_base_url()
        return {
            "balance": self._format(self._exact_balance()),
            "next": self._what_comes(),
            "lasts": self._lasts_until(days, self._site_clock()),
            "pay": self._format(pay) if pay else "",
            "url": f"{base}{self.access_url}",
            "warnings_url": f"{base}{self.access_url}/warnings",
            "level": self.level,
        }

    def _what_comes(self):
        """What happens if nobody pays, and when."""
        if not self.policy_id:
            return ""
        if self.level != supply.CUT:
            return self.env._(
                "Supply is cut off when the balance reaches %s.",
                self._format(self._cutoff()),
            )
        if not self.policy_id.armed:
            return ""
        if self.cut_from and self.cut_from > fields.Datetime.now():
            return self.env._(
                "Supply is cut off on %s.", self._local_text(self.cut_from)
            )
        return self.env._(
            "Supply comes back by itself as soon as the balance reaches %s.",
            self._format(self.policy_id.restore_threshold),
        )

    def _suggested_payment(self):
        """What brings the wallet back, or out of the warnings, as Decimal."""
        if self.level == supply.CUT and self.kind == "tenant":
            return self._topup_needed()
        policy = self.policy_id
        if not policy or self.kind != "tenant":
            return Decimal(0)
        aim = exact(policy.warning_threshold, 6) + policy._margins()["balance"]
        missing = aim - self._exact_balance()
        if missing <= 0 and self.level == supply.NORMAL:
            return Decimal(0)
        least = exact(policy.topup_minimum, 6)
        return self._cents(max(missing, least), ROUND_UP)
