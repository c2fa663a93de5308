"""What is sent to whom, when, over which channel, and what is noted of it."""

import json
from datetime import datetime, timedelta
from unittest.mock import patch

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import HttpCase, freeze_time, new_test_user, tagged
from odoo.tools import mute_logger

from odoo.addons.mail.tests.common import MailCase

from .common import EnergyCase, credit, set_up_park

NIGHT = "2026-06-08 23:00:00"
LATE = "2026-06-09 01:00:00"
MORNING = "2026-06-09 07:00:00"


class NoticeCase(MailCase, EnergyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tenant.email = "office@tenant.example.com"
        credit(cls.wallet, "100", "a")
        cls.wallet._apply_policy()
        cls.Notice = cls.env["energy.notice"]

    def move(self, amount, key):
        """Book and decide, as a payment or a batch does; mails go out."""
        with self.mock_mail_gateway():
            credit(self.wallet, amount, key)
            self.wallet._apply_policy()
            self.env.flush_all()

    def work(self):
        """What the cron does, within the test's transaction."""
        with self.mock_mail_gateway():
            self.Notice._refresh()
            self.Notice._send_due()
            self.Notice._escalate()
            self.Notice._refresh()

    def notices(self, **values):
        found = self.Notice.search([("wallet_id", "=", self.wallet.id)], order="id")
        return found.filtered(
            lambda one: all(one[name] == value for name, value in values.items())
        )


@tagged("post_install", "-at_install")
class TestNotice(NoticeCase):
    def test_a_warning_is_mailed_and_noted(self):
        self.tenant.lang = "en_US"
        self.move("-85", "low")
        (mail,) = self._mails
        for piece in ("15.00", "5.00", "Top up", "Balance", self.wallet.reference):
            self.assertIn(piece, mail["body"], piece)
        self.assertIn(f"/my/energy/{self.wallet.id}", mail["body"])
        self.assertIn(self.wallet.name, mail["subject"])
        self.assertNotRegex(mail["body"], r"width\W+590", "no fixed width: phones")
        (notice,) = self.notices()
        self.assertEqual(notice.partner_id, self.tenant)
        self.assertEqual(notice.address, "office@tenant.example.com")
        self.assertEqual((notice.channel, notice.kind), ("email", "warning"))
        self.work()
        self.assertEqual(notice.state, "sent")
        self.assertEqual(self.wallet.notice_count, 1)

    def test_a_broken_template_stops_no_news(self):
        template = self.env.ref("prepaid_energy.mail_template_notice")
        with self.assertRaises(ValidationError), mute_logger("odoo.http"):
            template.body_html = '<p><t t-out="object.no_such_field"/></p>'
        template.invalidate_recordset()
        template.body_html += "<p>Kind regards</p>"
        failing = patch.object(
            type(template), "_render_field", side_effect=UserError("broken")
        )
        log = mute_logger("odoo.addons.prepaid_energy.models.energy_wallet_delivery")
        with failing, log:
            self.move("-85", "low")
        (mail,) = self._mails
        self.assertIn("15.00", mail["body"])
        self.assertNotIn("Kind regards", mail["body"])
        template.unlink()
        self.move("-20", "cut")
        self.assertIn("being cut off", self._mails[0]["body"])

    def test_what_to_pay_leads_out_of_the_warning(self):
        self.move("-85", "low")  # 15: to 20, and 5 by which it must be better
        self.assertEqual(float(self.wallet._suggested_payment()), 10)
        self.move("10", "paid")
        self.assertEqual(self.wallet.level, "normal")
        self.assertFalse(self.wallet._suggested_payment())

    def test_a_mail_without_an_address_has_failed(self):
        self.tenant.email = False
        self.move("-85", "low")
        self.work()
        (notice,) = self.notices()
        self.assertEqual(notice.state, "failed")
        self.assertTrue(notice.reason)
        self.assertEqual(self.wallet.notice_failed_count, 1)

    def test_a_bounce_is_noted(self):
        self.move("-85", "low")
        (notice,) = self.notices()
        notice.message_id.notification_ids.write(
            {"notification_status": "bounce", "failure_reason": "mailbox is full"}
        )
        self.work()
        self.assertEqual((notice.state, notice.reason), ("bounced", "mailbox is full"))

    def test_what_never_left_has_failed(self):
        self.move("-85", "low")
        (notice,) = self.notices()
        notice.message_id.notification_ids.notification_status = "ready"
        for days, state in ((29, "queued"), (31, "failed")):
            with freeze_time(notice.sent_at + timedelta(days=days)):
                self.work()
            self.assertEqual(notice.state, state)
        self.assertIn("30", notice.reason)

    def test_a_code_of_odoo_is_said_in_words(self):
        self.move("-85", "low")
        (notice,) = self.notices()
        notice.message_id.notification_ids.write(
            {"notification_status": "exception", "failure_type": "mail_smtp"}
        )
        self.work()
        kinds = self.env["mail.notification"]._fields["failure_type"]
        words = dict(kinds._description_selection(self.env))
        self.assertEqual(notice.reason, words["mail_smtp"])

    def test_an_inbox_that_was_opened_is_read(self):
        inside = new_test_user(
            self.env, "inside", groups="base.group_user", notification_type="inbox"
        )
        mine = self.wallet.with_user(self.portal_user)
        mine._set_preferences(self.tenant, set())
        self.env["energy.wallet.preference"].create(
            {
                "wallet_id": self.wallet.id,
                "partner_id": inside.partner_id.id,
                "kind": "warning",
            }
        )
        self.move("-85", "low")
        (notice,) = self.notices(channel="email")
        self.work()
        self.assertEqual(notice.state, "sent")
        notice.message_id.with_user(inside).set_message_done()
        self.work()
        self.assertEqual(notice.state, "read")
        self.assertTrue(notice.read_at)

    def test_open_pages_hear_of_it(self):
        office = new_test_user(self.env, "office", groups="base.group_user")
        self.wallet.message_subscribe(office.partner_id.ids)
        contact = self.portal_user.partner_id
        self.env["energy.wallet.preference"].create(
            {
                "wallet_id": self.wallet.id,
                "partner_id": contact.id,
                "kind": "warning",
            }
        )
        self._reset_bus()
        self.move("-85", "low")
        self.env.cr.precommit.run()
        sent = self.env["bus.bus"].sudo().search([]).mapped("message")
        self.assertTrue(any("simple_notification" in one for one in sent))
        self.assertTrue(any("prepaid_energy.wallet" in one for one in sent))
        news = [json.loads(one) for one in sent if "prepaid_energy.wallet" in one]
        self.assertRegex(news[0]["payload"]["at"], r"^\d{4}-\d\d-\d\dT[\d:.]+Z$")
        self.assertEqual(self.notices(channel="portal").partner_id, contact)

    def test_looking_at_the_wallet_is_reading(self):
        self.move("-85", "low")
        self.Notice._seen(self.wallet, self.portal_user.partner_id)
        self.assertEqual(self.notices().state, "queued")
        self.Notice._seen(self.wallet, self.tenant)
        self.assertEqual(self.notices().state, "read")
        self.work()
        self.assertEqual(self.notices().state, "read")


@tagged("post_install", "-at_install")
class TestQuiet(NoticeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.policy.write({"quiet_from": 22, "quiet_to": 7})

    def test_hours_by_the_clock_of_the_site(self):
        for now, tz, until in (
            ("2026-06-08 21:59:59", "UTC", None),
            ("2026-06-08 22:00:00", "UTC", "2026-06-09 07:00:00"),
            ("2026-06-09 06:59:00", "UTC", "2026-06-09 07:00:00"),
            ("2026-06-09 07:00:00", "UTC", None),
            ("2026-06-08 20:30:00", "Europe/Berlin", "2026-06-09 05:00:00"),
            ("2026-10-24 21:00:00", "Europe/Berlin", "2026-10-25 06:00:00"),
        ):
            found = self.policy._quiet_until(datetime.fromisoformat(now), tz)
            self.assertEqual(found, until and datetime.fromisoformat(until), now)
        self.policy.write({"quiet_from": 12, "quiet_to": 13.5})
        noon = datetime(2026, 6, 8, 12, 30)
        self.assertEqual(
            self.policy._quiet_until(noon, "UTC"), datetime(2026, 6, 8, 13, 30)
        )
        self.policy.write({"quiet_from": 12, "quiet_to": 12})
        self.assertIsNone(self.policy._quiet_until(noon, "UTC"))
        with self.assertRaises(ValidationError):
            self.policy.quiet_to = 25

    def test_a_warning_waits_and_says_how_it_is_then(self):
        with freeze_time(NIGHT):
            self.move("-85", "low")
            self.assertFalse(self._mails)
            self.assertEqual(self.notices().state, "waiting")
        with freeze_time(LATE):
            self.move("-5", "lower")
            self.work()
            self.assertFalse(self._mails)
        with freeze_time(MORNING):
            self.work()
            (mail,) = self._mails
            self.assertIn("10.00", mail["body"])
            self.work()
            self.assertFalse(self._mails, "it is said once")
        self.assertEqual(self.notices(state="dropped").kind, "warning")

    def test_what_was_paid_in_the_night_needs_no_warning(self):
        with freeze_time(NIGHT):
            self.move("-85", "low")
        with freeze_time(LATE):
            self.move("100", "paid")
        with freeze_time(MORNING):
            self.work()
            self.assertFalse(self._mails)
        self.assertEqual(self.notices().mapped("state"), ["dropped"])

    def test_a_cut_off_breaks_the_quiet_where_it_may(self):
        with freeze_time(NIGHT):
            self.move("-85", "low")
            self.move("-20", "cut")
            (mail,) = self._mails
            self.assertIn("being cut off", mail["body"])
        with freeze_time(MORNING):
            self.work()
            self.assertFalse(self._mails, "the warning was overtaken")

    def test_and_waits_where_it_may_not(self):
        self.policy.cut_breaks_quiet = False
        with freeze_time(NIGHT):
            self.move("-85", "low")
            self.move("-20", "cut")
            self.assertFalse(self._mails)
        with freeze_time(MORNING):
            self.work()
            (mail,) = self._mails
            self.assertIn("being cut off", mail["body"])


@tagged("post_install", "-at_install")
class TestEscalation(NoticeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.seller = new_test_user(cls.env, "seller", groups="base.group_user")
        cls.tenant.user_id = cls.seller
        cls.boss = cls.env["res.partner"].create(
            {"name": "Boss", "parent_id": cls.tenant.id, "email": "boss@example.com"}
        )
        cls.policy.escalation_ids = [
            Command.create({"hours": 24, "step": "contacts"}),
            Command.create({"hours": 48, "step": "office", "unless_read": False}),
        ]

    def steps(self):
        return self.notices().filtered("escalation_id")

    def test_nobody_reads_and_nobody_pays(self):
        with freeze_time("2026-06-08 10:00:00"):
            self.move("-85", "low")
        with freeze_time("2026-06-09 09:59:00"):
            self.work()
            self.assertFalse(self.steps())
        with freeze_time("2026-06-09 10:00:00"):
            self.work()
            self.assertIn(self.boss, self.steps().partner_id)
            told = len(self.steps())
            self.work()
            self.assertEqual(len(self.steps()), told, "each step once")
        with freeze_time("2026-06-10 10:00:00"):
            self.work()
        call = self.steps().filtered(lambda one: one.channel == "activity")
        self.assertEqual(call.partner_id, self.seller.partner_id)
        self.assertEqual(self.wallet.activity_ids.user_id, self.seller)

    def test_who_has_read_it_is_left_in_peace(self):
        with freeze_time("2026-06-08 10:00:00"):
            self.move("-85", "low")
            self.Notice._seen(self.wallet, self.tenant)
        with freeze_time("2026-06-09 10:00:00"):
            self.work()
            self.assertFalse(self.steps())
        with freeze_time("2026-06-10 10:00:00"):
            self.work()  # only paying helps against this one
            self.assertEqual(self.steps().mapped("channel"), ["activity"])

    def test_who_has_paid_is_left_in_peace(self):
        with freeze_time("2026-06-08 10:00:00"):
            self.move("-85", "low")
        with freeze_time("2026-06-08 12:00:00"):
            self.move("50", "paid")
        with freeze_time("2026-06-20 10:00:00"):
            self.work()
            self.assertFalse(self.steps())

    def test_not_in_quiet_hours(self):
        self.policy.write({"quiet_from": 9, "quiet_to": 12})
        with freeze_time("2026-06-08 08:00:00"):
            self.move("-85", "low")
        with freeze_time("2026-06-09 10:00:00"):
            self.work()
            self.assertFalse(self.steps())
        with freeze_time("2026-06-09 12:00:00"):
            self.work()
            self.assertTrue(self.steps())

    def test_the_office_is_called_and_called_off(self):
        self.policy.office_activity = "cut"
        self.move("-85", "low")
        self.assertFalse(self.wallet.activity_ids)
        self.move("-20", "cut")
        self.assertEqual(self.wallet.activity_ids.user_id, self.seller)
        self.move("100", "paid")
        self.assertFalse(self.wallet.activity_ids)


@tagged("post_install", "-at_install")
class TestNoticeAccess(NoticeCase):
    def test_the_log_is_read_only_and_of_the_own_company(self):
        self.move("-85", "low")
        notice = self.notices()
        company = self.env["res.company"].create({"name": "Elsewhere"})
        groups = "prepaid_energy.group_energy_manager"
        manager = new_test_user(self.env, "here", groups=groups)
        stranger = new_test_user(
            self.env,
            "elsewhere",
            groups=groups,
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        self.assertTrue(notice.with_user(manager).read(["text"]))
        for user in (stranger, self.portal_user):
            with self.assertRaises(AccessError):
                notice.with_user(user).read(["text"])
        mine = notice.with_user(manager)
        for attempt in (
            lambda: mine.write({"state": "read"}),
            mine.unlink,
            lambda: mine.copy(),
        ):
            with self.assertRaises(AccessError):
                attempt()
        self.assertFalse(self.Notice.with_user(stranger).search([]))

    def test_a_tenant_who_causes_news_needs_no_rights_for_it(self):
        self.policy.emergency_credit = 50
        self.move("-105", "cut")
        with self.mock_mail_gateway():
            self.wallet.with_user(self.portal_user).action_emergency()
        self.assertIn("being restored", self.notices()[-1].text)


@tagged("post_install", "-at_install")
class TestNoticeHttp(HttpCase):
    def test_the_page_is_the_receipt(self):
        set_up_park(self)
        contact = self.portal_user.partner_id
        notice = self.env["energy.notice"].create(
            {
                "wallet_id": self.wallet.id,
                "partner_id": contact.id,
                "channel": "email",
                "kind": "warning",
                "text": "Balance low",
                "state": "sent",
            }
        )
        self.authenticate("energy_tenant", "energy_tenant")
        self.url_open(f"/my/energy/{self.wallet.id}")
        self.env.invalidate_all()
        self.assertEqual(notice.state, "read")
