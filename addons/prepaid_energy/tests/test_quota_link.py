from datetime import timedelta

from lxml import html

from odoo import fields
from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import HttpCase, freeze_time, tagged

from .common import set_up_park
from .quota_case import QuotaCase, add_user, set_up_lines


@tagged("post_install", "-at_install")
class TestQuotaLink(HttpCase):
    """The link in the mail, as a phone follows it that is not logged in."""

    request_of = QuotaCase.request
    granted = QuotaCase.granted

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        set_up_lines(cls)

    def setUp(self):
        super().setUp()
        self.request = self.request_of()
        self.request.action_submit()
        self.link = self.request.sudo()._link(self.head)

    def press(self, link, decision="yes", note="", page=None):
        """Open the page and press a button on it."""
        page = page or self.url_open(link)
        found = html.fromstring(page.text).xpath("//input[@name='csrf_token']/@value")
        address, _mark, token = link.partition("?token=")
        answer = self.url_open(
            address,
            data={
                "csrf_token": found[0] if found else "",
                "decision": decision,
                "note": note,
                **({"token": token} if token else {}),
            },
        )
        self.env.invalidate_all()
        return answer

    def test_opening_decides_nothing(self):
        for _scanner in range(2):
            page = self.url_open(self.link)
            self.assertIn("A late order", page.text)
            self.assertIn("the_head", page.text)
            self.assertEqual(page.headers["Referrer-Policy"], "no-referrer")
            self.assertEqual(page.headers["Cache-Control"], "no-store")
        address = self.link.replace("?token=", "?decision=yes&token=")
        self.url_open(address)
        self.env.invalidate_all()
        self.assertEqual(self.request.state, "submitted")

    def test_the_button_decides_as_the_one_it_was_mailed_to(self):
        answer = self.press(self.link, note="Go ahead")
        self.assertIn("You have approved it", answer.text)
        self.assertEqual(self.request.state, "approved")
        self.assertEqual(self.request.decided_by_id, self.head)
        self.assertEqual(self.request.decision_note, "Go ahead")
        self.assertEqual(self.request.message_ids[0].author_id, self.head.partner_id)
        self.assertEqual(self.granted(), 100)

    def test_it_works_once(self):
        page = self.url_open(self.link)
        self.press(self.link, page=page)
        for answer in (self.url_open(self.link), self.press(self.link, page=page)):
            self.assertIn("not valid any more", answer.text)
            self.assertNotIn("A late order", answer.text)
        self.assertEqual(self.granted(), 100)

    def test_refusing_needs_a_reason(self):
        self.assertIn("why you refuse", self.press(self.link, "no").text)
        self.assertEqual(self.request.state, "submitted")
        self.press(self.link, "no", "Too much")
        self.assertEqual(self.request.state, "refused")
        self.assertEqual(self.granted(), 0)

    def test_a_forged_link_shows_nothing(self):
        other = self.request_of()
        other.action_submit()
        token = self.link.partition("token=")[2]
        wrong = self.request.sudo()._link(self.stranger)
        links = [
            self.link[:-2] + ("AA" if self.link[-2:] != "AA" else "BB"),
            other.sudo()._link(self.head).partition("?")[0] + f"?token={token}",
            self.link.partition("?")[0] + "?token=é",
            self.link.partition("?")[0] + "?token=AAAA",
            self.link.replace("/approve/", "/transfer/"),
            self.base_url() + "/energy/approve/99999999?token=" + token,
        ]
        for link in links:
            answer = self.url_open(link)
            self.assertIn("not valid any more", answer.text, link)
            self.assertNotIn("A late order", answer.text, link)
        answer = self.press(wrong)
        self.assertEqual(self.request.state, "submitted", "he is no decider")

    def test_files(self):
        def file(user, name):
            return (
                self.env["ir.attachment"]
                .with_user(user)
                .create({"name": name, "raw": b"drawing"})
            )

        with self.assertRaises(AccessError):
            self.request_of(
                attachment_ids=[Command.link(file(self.stranger, "secret.txt").id)]
            )
        request = self.request_of(
            attachment_ids=[Command.link(file(self.asker, "drawing.txt").id)]
        )
        request.action_submit()
        self.assertEqual(
            request.with_user(self.head).attachment_ids.raw, b"drawing", "logged in"
        )
        foreign = file(self.stranger, "secret.txt")
        request.sudo().attachment_ids += foreign.sudo()
        page = html.fromstring(self.url_open(request.sudo()._link(self.head)).text)
        [link] = page.xpath("//a[contains(@href, '/web/content/')]/@href")
        self.assertEqual(self.url_open(link).content, b"drawing", "by link")

    def test_it_gets_too_old(self):
        with freeze_time(fields.Datetime.now() + timedelta(days=8)):
            self.assertFalse(
                self.request.sudo()._user_of_link(self.link.partition("token=")[2])
            )

    def test_it_is_bound_to_the_amount(self):
        self.request.flush_recordset()
        self.env.cr.execute(
            "UPDATE energy_quota_request SET amount = 9999 WHERE id = %s",
            (self.request.id,),
        )
        self.request.invalidate_recordset()
        answer = self.press(self.link)
        self.assertIn("has changed", answer.text)
        self.assertEqual(self.granted(), 0)

    def test_who_is_no_head_any_more_decides_nothing(self):
        self.line.department_id.manager_id = self.stranger.employee_id
        answer = self.press(self.link)
        self.assertNotIn("You have approved", answer.text)
        self.assertEqual(self.request.state, "submitted")

    def test_logged_in_without_a_token(self):
        address = self.link.partition("?")[0]
        self.assertIn("/web/login", self.url_open(address).url)
        self.authenticate("a_stranger", "a_stranger")
        self.assertIn("not valid any more", self.url_open(address).text)
        self.authenticate("asker", "asker")
        page = self.url_open(address)
        self.assertIn("A late order", page.text)
        self.assertNotIn("decision", page.text, "no button for who asks")
        self.authenticate("the_head", "the_head")
        self.press(address)
        self.assertEqual(self.request.state, "approved")

    def test_the_link_is_in_no_chatter_and_for_one_reader(self):
        mails = self.env["mail.mail"].sudo().search([("email_to", "like", "the_head@")])
        mail = mails.filtered(lambda one: self.request.name in (one.subject or ""))
        self.assertEqual(len(mail), 1)
        self.assertIn("token=", mail.body_html)
        self.assertFalse(mail.mail_message_id.res_id)
        messages = self.env["mail.message"].with_user(self.asker).search([])
        self.assertFalse(
            messages.filtered(lambda message: "token=" in (message.body or ""))
        )
        self.assertFalse(self.env["mail.mail"].with_user(self.asker).has_access("read"))

    def test_the_context_of_who_asks_leads_no_link_astray(self):
        request = self.request_of()
        request.with_context(
            default_email_cc="asker@example.com",
            default_model=request._name,
            default_res_id=request.id,
            default_recipient_ids=[Command.link(self.asker.partner_id.id)],
            default_partner_ids=[Command.link(self.asker.partner_id.id)],
        ).action_submit()
        mails = self.env["mail.mail"].sudo().search([("subject", "like", request.name)])
        mail = mails.filtered(lambda one: "token=" in one.body_html)
        self.assertEqual(len(mail), 1)
        self.assertFalse(mail.email_cc)
        self.assertFalse(mail.recipient_ids)
        self.assertFalse(mail.mail_message_id.res_id)
        messages = self.env["mail.message"].with_user(self.asker).search([])
        self.assertFalse(
            messages.filtered(lambda message: "token=" in (message.body or ""))
        )

    def test_a_decider_without_rights_on_energy_decides_by_link(self):
        plant = add_user(self, "plant_mgr", "base.group_user")
        self.company.write(
            {"energy_plant_manager_ids": plant.ids, "energy_plant_percent": 1}
        )
        request = self.request_of()
        request.action_submit()
        answer = self.press(request.sudo()._link(plant))
        self.assertIn("You have approved it", answer.text)
        self.assertEqual(request.decided_by_id, plant)
