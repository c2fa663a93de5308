"""SMS through Odoo's own module; its gateway alone is mocked."""

from odoo.tests import freeze_time, tagged

from odoo.addons.prepaid_energy.tests.common import credit
from odoo.addons.prepaid_energy.tests.test_notice import NoticeCase
from odoo.addons.sms.tests.common import SMSCase


@tagged("post_install", "-at_install")
class TestNoticeSms(SMSCase, NoticeCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.tenant.write(
            {"phone": "+32456001122", "country_id": cls.env.ref("base.be")}
        )
        cls.mine = cls.wallet.with_user(cls.portal_user)

    def want_sms(self):
        self.mine._set_preferences(
            self.tenant, {("email", "warning"), ("sms", "warning")}
        )

    def send(self, **failing):
        with self.mockSMSGateway(**failing):
            queued = self.env["sms.sms"].search(
                [("state", "=", "outgoing"), ("partner_id", "=", self.tenant.id)]
            )
            queued.send(raise_exception=False)
        self.Notice._refresh()

    def low(self):
        with self.mock_mail_gateway():
            credit(self.wallet, "-85", "low")
            self.wallet._apply_policy()
            self.env.flush_all()

    def test_who_wants_no_sms_gets_none(self):
        self.low()
        self.assertFalse(self.notices(channel="sms"))

    def test_who_wants_one_gets_it_beside_the_mail(self):
        self.want_sms()
        self.low()
        (notice,) = self.notices(channel="sms")
        self.assertEqual((notice.state, notice.address), ("queued", "+32456001122"))
        self.send()
        (sms,) = self._sms
        self.assertEqual(sms["number"], "+32456001122")
        self.assertIn("15.00", sms["body"])
        self.assertIn(f"/my/energy/{self.wallet.id}", sms["body"])
        self.assertEqual(notice.state, "sent")
        self.assertEqual(len(self.notices(channel="email")), 1)

    def test_a_gateway_that_refuses_is_seen(self):
        self.want_sms()
        self.low()
        self.send(sim_error="wrong_number_format")
        (notice,) = self.notices(channel="sms")
        self.assertEqual(notice.state, "failed")
        self.assertEqual(notice.reason, "Wrong Number Format")
        self.assertEqual(self.wallet.notice_failed_count, 1)

    def test_the_second_channel_is_an_escalation(self):
        self.policy.escalation_ids = [(0, 0, {"hours": 2, "step": "sms"})]
        with freeze_time("2026-06-08 10:00:00"):
            self.low()
        with freeze_time("2026-06-08 11:00:00"):
            self.work()
            self.assertFalse(self.notices(channel="sms"))
        with freeze_time("2026-06-08 12:00:00"):
            self.work()
            self.work()
        (notice,) = self.notices(channel="sms")
        self.assertEqual(notice.escalation_id.step, "sms")
