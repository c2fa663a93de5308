from datetime import date, timedelta
from decimal import Decimal

from psycopg2 import IntegrityError

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, freeze_time, tagged
from odoo.tools import mute_logger

from .quota_case import QuotaCase, add_line, add_user

DECIDED = {
    "state": "approved",
    "level": "1",
    "requester_id": 1,
    "decided_by_id": 1,
    "decider_ids": [Command.clear()],
    "figures": "x",
    "link_key": "x",
    "taken_back": 1,
    "ended_on": "2020-01-01",
    "name": "QR/0",
    "decision_note": "ok",
}


@tagged("post_install", "-at_install")
class TestQuotaRequest(QuotaCase):
    def test_approved_is_granted_told_and_done(self):
        request = self.submitted("100.000001")
        self.assertEqual(request.state, "submitted")
        self.assertEqual(request.decider_ids, self.head)
        activity = request.activity_ids
        self.assertEqual(activity.user_id, self.head)
        request.with_user(self.head).action_approve()
        self.assertEqual(request.state, "approved")
        self.assertEqual(self.granted(), Decimal("100.000001"))
        self.assertEqual(request.decided_by_id, self.head)
        self.assertFalse(request.decided_for_id)
        self.assertFalse(request.activity_ids, "the activity is done")
        last = request.message_ids[0]
        self.assertIn(self.asker.partner_id, last.notified_partner_ids)
        grant = self.env["energy.quota.grant"].search(
            [("source_key", "=", f"request:{request.id}")]
        )
        self.assertEqual(grant.quota_id, self.quota)

    def test_a_money_quota_is_granted_in_the_wallet_as_well(self):
        line, quota = add_line(self, "Press", self.head, unit="money")
        request = self.submitted(50, quota_id=quota.id)
        self.assertEqual(request.estimated, 50)
        request.with_user(self.head).action_approve()
        self.assertEqual(self.granted(quota), 50)
        self.assertEqual(line.wallet_id.balance, 50)

    def test_refused_and_withdrawn_grant_nothing(self):
        request = self.submitted()
        wizard = Form(
            self.env["energy.quota.refusal"]
            .with_user(self.head)
            .with_context(**request.with_user(self.head).action_refuse()["context"])
        )
        wizard.note = "Not this month"
        wizard.save().action_refuse()
        self.assertEqual(request.state, "refused")
        self.assertEqual(request.decision_note, "Not this month")
        self.assertIn("Not this month", request.message_ids[0].body)
        self.assertFalse(request.activity_ids)
        other = self.submitted()
        other.action_withdraw()
        self.assertEqual(other.state, "withdrawn")
        self.assertFalse(other.activity_ids)
        for done in (request, other):
            with self.assertRaisesRegex(UserError, "already"):
                done.with_user(self.head).action_approve()
        self.assertEqual(self.granted(), 0)

    def test_twice_approved_is_granted_once(self):
        request = self.submitted()
        request.with_user(self.head).action_approve()
        with self.assertRaisesRegex(UserError, "approved already"):
            request.with_user(self.head).action_approve()
        request.sudo()._write_decided({"state": "submitted"})
        request.sudo()._approve("")  # even where the state were lost
        self.assertEqual(self.granted(), 100)

    def test_the_form_of_a_new_one_is_filled_in(self):
        action = self.quota.with_user(self.asker).action_ask_more()
        model = self.env["energy.quota.request"].with_user(self.asker)
        form = Form(model.with_context(**action["context"]))
        form.amount = 12
        form.reason = "A late order"
        request = form.save()
        self.assertEqual((request.quota_id, request.amount), (self.quota, 12))
        self.assertEqual(request.requester_id, self.asker)
        with self.assertRaises(AssertionError, msg="not somebody else's"):
            Form(request.with_user(self.head)).amount = 13

    # ------------------------------------------------------------------ who

    def test_only_who_decides_ends_the_activity(self):
        request = self.submitted()
        activity = request.activity_ids
        for user in (self.asker, self.env.ref("base.user_admin")):
            mine = activity.with_user(user)
            self.assertFalse(mine.can_write)
            for end in (
                mine.action_feedback,
                mine.action_cancel,
                lambda one=mine, to=user: one.write({"user_id": to.id}),
                lambda one=mine: one.write({"date_deadline": "2030-01-01"}),
            ):
                with self.assertRaisesRegex(AccessError, "only who decides"):
                    end()
        self.assertEqual(request.activity_ids, activity)
        self.assertEqual(activity.user_id, self.head)
        own = request.with_user(self.asker).activity_schedule(
            "mail.mail_activity_data_todo", user_id=self.asker.id
        )
        own.action_cancel()  # what one has planned for oneself
        activity.with_user(self.head).action_feedback()
        self.assertFalse(request.activity_ids)

    def test_nobody_decides_on_the_own_request(self):
        request = self.request(user=self.head)
        with self.assertRaises(UserError) as caught:
            request.action_submit()
        self.assertIn("nobody may decide", caught.exception.args[0])
        boss = add_user(self, "the_boss")
        self.line.department_id.parent_id = self.env["hr.department"].create(
            {"name": "Plant", "manager_id": boss.employee_id.id}
        )
        request.action_submit()
        self.assertEqual(request.decider_ids, boss)
        with self.assertRaisesRegex(UserError, "own request"):
            request.action_approve()
        request.with_user(boss).action_approve()
        self.assertEqual(self.granted(), 100)

    def test_nobody_else_decides(self):
        request = self.submitted()
        manager = add_user(self, "mgr", "prepaid_energy.group_energy_manager")
        for user in (self.other_head, self.stranger, manager):
            with self.assertRaisesRegex(UserError, "is decided by the_head"):
                request.with_user(user)._decide(True)
            with self.assertRaisesRegex(UserError, "is decided by the_head"):
                request.with_user(user)._decide(False)
        self.assertEqual(request.state, "submitted")

    def test_only_the_requester_submits_changes_and_withdraws(self):
        request = self.request()
        manager = add_user(self, "mgr", "prepaid_energy.group_energy_manager")
        for act in (
            lambda one: one.action_submit(),
            lambda one: one.action_withdraw(),
            lambda one: one.write({"amount": 1}),
        ):
            with self.assertRaises(AccessError):
                act(request.with_user(manager))

    def test_a_stand_in_decides_on_behalf_of_the_head(self):
        standin = add_user(self, "standin")
        today = date.today()
        wizard = self.env["energy.standin"].with_user(self.head).create({})
        self.assertEqual(wizard.department_id, self.line.department_id)
        wizard.write({"user_id": standin.id, "date_to": today + timedelta(days=3)})
        wizard.action_apply()
        self.assertEqual(self.line._head(), standin)
        request = self.submitted()
        self.assertEqual(request.decider_ids, standin | self.head)
        request.with_user(standin).action_approve()
        self.assertEqual(request.decided_by_id, standin)
        self.assertEqual(request.decided_for_id, self.head)
        self.assertIn("on behalf of the_head", request.message_ids[0].body)
        with freeze_time(today + timedelta(days=4)):
            self.assertEqual(self.line._head(), self.head)
            self.assertEqual(
                self.line.department_id._energy_deciders(), self.head, "it is over"
            )

    def test_only_the_head_names_a_stand_in(self):
        wizard = (
            self.env["energy.standin"]
            .with_user(self.asker)
            .create(
                {
                    "department_id": self.line.department_id.id,
                    "user_id": self.asker.id,
                    "date_to": date.today(),
                }
            )
        )
        with self.assertRaisesRegex(UserError, "not the head"):
            wizard.action_apply()
        with self.assertRaises(ValidationError):
            self.line.department_id.energy_standin_id = self.stranger

    def test_above_the_limits_it_goes_higher(self):
        plant, finance = add_user(self, "plant_mgr"), add_user(self, "finance")
        with self.assertRaisesRegex(ValidationError, "name who decides"):
            self.company.energy_plant_percent = 10
        self.company.write(
            {
                "energy_plant_manager_ids": plant.ids,
                "energy_finance_ids": finance.ids,
                "energy_plant_percent": 10,
                "energy_finance_percent": 50,
            }
        )
        for amount, level, user in (
            (100, "1", self.head),
            ("100.000001", "2", plant),
            (500, "2", plant),
            (501, "3", finance),
        ):
            request = self.submitted(float(amount))
            self.assertEqual((request.level, request.decider_ids), (level, user))
            if user != self.head:
                with self.assertRaises(UserError):
                    request.with_user(self.head).action_approve()
            request.with_user(user).action_approve()
            request.action_give_back()
        own = self.submitted(200, user=plant)
        self.assertEqual(own.decider_ids, finance, "the next above who asks")

    def test_many_small_requests_are_no_way_around_a_limit(self):
        plant = add_user(self, "plant_mgr")
        self.company.write(
            {"energy_plant_manager_ids": plant.ids, "energy_plant_percent": 10}
        )
        first = self.submitted(60)
        self.assertEqual(first.level, "1")
        self.assertEqual(self.submitted(41).level, "2", "while the first one waits")
        first.with_user(self.head).action_approve()
        self.request(60).action_withdraw()  # what is withdrawn does not count
        last = self.submitted(0.5)
        self.assertEqual(last.level, "2")
        with self.assertRaises(UserError):
            last.with_user(self.head).action_approve()

    def test_the_price_of_a_line_that_has_shares_only(self):
        plant = add_user(self, "plant_mgr")
        self.company.write(
            {"energy_plant_manager_ids": plant.ids, "energy_plant_limit": 20}
        )
        with freeze_time(date.today() - timedelta(days=40)):
            self.point.wallet_id = self.other_line.wallet_id
            self.env["energy.line.point"].create(
                {
                    "line_id": self.line.id,
                    "service_point_id": self.point.id,
                    "share": 40,
                }
            )
        self.ingest((0, "0"), (60, "40"))  # at 0.275
        self.assertEqual(self.submitted(72).level, "1")
        self.assertAlmostEqual(self.request(72).estimated, 72 * 0.275, 2)

    def test_an_unknown_price_counts_as_above_the_limit_of_money(self):
        plant = add_user(self, "plant_mgr")
        self.company.write(
            {"energy_plant_manager_ids": plant.ids, "energy_plant_limit": 20}
        )
        request = self.submitted(1)
        self.assertEqual(request.level, "2")
        request.action_withdraw()
        self.point.wallet_id = self.line.wallet_id
        self.ingest((0, "0"), (60, "40"))  # at 0.275
        for amount, level in ((72, "1"), (73, "2")):
            request = self.submitted(amount)
            self.assertEqual(request.level, level)
            request.action_withdraw()
        self.assertAlmostEqual(request.estimated, 73 * 0.275, 2)

    # ------------------------------------------------------------------ forging

    def test_only_the_flow_decides(self):
        for name, value in DECIDED.items():
            with self.assertRaises(UserError, msg=name):
                self.request(**{name: value})
            with self.assertRaises(UserError, msg=name):
                self.request().write({name: value})
        context = {f"default_{name}": value for name, value in DECIDED.items()}
        forged = self.request().with_context(**context).copy({})
        created = (
            self.env["energy.quota.request"]
            .with_user(self.asker)
            .with_context(**context)
            .create({"quota_id": self.quota.id, "amount": 1, "reason": "x"})
        )
        for request in forged | created:
            self.assertEqual(request.state, "draft")
            self.assertEqual(request.requester_id, self.asker)
            self.assertFalse(request.decided_by_id | request.decider_ids)
            self.assertFalse(request.sudo().link_key)

    def test_a_submitted_request_stays_as_it_is(self):
        request = self.submitted()
        for values in ({"amount": 9999}, {"reason": "?"}, {"until": "2050-01-01"}):
            with self.assertRaisesRegex(UserError, "stays as it is"):
                request.write(values)
        with self.assertRaisesRegex(UserError, "withdraw it"):
            request.unlink()

    def test_what_has_changed_since_is_not_granted(self):
        for column, value in (
            ("amount", "9999"),
            ("until", "2050-01-01"),
            ("quota_id", self.other_quota.id),
        ):
            request = self.submitted()
            request.flush_recordset()
            self.env.cr.execute(
                f"UPDATE energy_quota_request SET {column} = %s WHERE id = %s",
                (value, request.id),
            )
            request.invalidate_recordset()
            with self.assertRaisesRegex(UserError, "has changed"):
                request.with_user(self.head)._decide(True)
        self.assertEqual(self.granted() + self.granted(self.other_quota), 0)

    def test_bad_input(self):
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
            self.request(-5)
        last = self.request().until
        for until in (date.today() - timedelta(days=2), last + timedelta(days=1)):
            with self.assertRaisesRegex(UserError, "needed until"):
                self.submitted(until=until)
        self.quota.sudo().state = "closed"
        with self.assertRaisesRegex(UserError, "is over"):
            self.submitted()

    # ------------------------------------------------------------------ end

    def test_what_is_not_used_in_time_is_taken_back(self):
        today = self.line._today()
        for used, back in ((0, 100), (1030, 70), (1100, 0), (1200, 0)):
            line, quota = add_line(self, f"Line {used}", self.head)
            request = self.submitted(quota_id=quota.id, until=today)
            request.with_user(self.head).action_approve()
            self.use(line, used)
            request.sudo()._end()
            self.assertEqual(request.taken_back, back)
            self.assertEqual(self.granted(quota), 100 - back)
            request.sudo()._end()
            self.assertEqual(self.granted(quota), 100 - back, "once")
            self.assertIn("has ended", request.message_ids[0].body)

    def test_the_cron_ends_and_expires(self):
        today = self.line._today()
        approved, waiting = (self.submitted(until=today) for _n in range(2))
        approved.with_user(self.head).action_approve()
        cron = self.env["energy.quota.request"].sudo()
        cron._cron_expire()
        self.assertFalse(approved.ended_on, "its last day is not over")
        with freeze_time(today + timedelta(days=1, hours=1)):
            cron._cron_expire()
        self.assertTrue(approved.ended_on)
        self.assertEqual(waiting.state, "expired")
        self.assertEqual(self.granted(), 0)
        with self.assertRaisesRegex(UserError, "expired already"):
            waiting.with_user(self.head).action_approve()

    def test_nothing_of_it_is_carried_into_the_next_month(self):
        month = self.quota.month
        request = self.submitted()
        request.with_user(self.head).action_approve()
        self.use(self.line, 1030)
        self.quota._watch()
        self.quota.activity_ids.unlink()
        with freeze_time(fields.Date.add(month, months=1, days=1)):
            self.env["energy.quota.request"].sudo()._cron_expire()
            self.assertEqual(self.quota.state, "closed")
            self.assertEqual(request.taken_back, 70)
            self.assertEqual(self.quota.remaining, 0)
            self.assertFalse(self.quota.activity_ids, "no warning of what is over")
            self.quota._close()
        self.assertEqual(self.granted(), 30)

    # ------------------------------------------------------------------ waiting

    def mails(self, request):
        """Whom mails with a link went to, in their order."""
        mails = self.env["mail.mail"].sudo().search([], order="id")
        return [
            mail.email_to.partition("<")[2].strip(">").partition("@")[0]
            for mail in mails
            if request.name in (mail.subject or "") and "token=" in mail.body_html
        ]

    def follow_up(self, request, hours):
        with freeze_time(request.submitted_at + timedelta(hours=hours)):
            request.sudo()._follow_up()

    def test_who_decides_is_reminded_each_day(self):
        self.company.write({"energy_remind_days": 1, "energy_escalate_days": 0})
        last = fields.Date.end_of(self.quota.month, "month")
        request = self.submitted(until=last)
        self.assertEqual(self.mails(request), ["the_head"])
        for hours, count in ((23, 1), (24, 2), (30, 2), (48, 3)):
            self.follow_up(request, hours)
            self.assertEqual(self.mails(request), ["the_head"] * count)
        self.assertEqual(len(request.activity_ids), 1)
        self.company.energy_remind_days = 0
        self.follow_up(request, 500)
        request.with_user(self.head).action_approve()
        self.company.energy_remind_days = 1
        self.follow_up(request, 900)
        self.assertEqual(len(self.mails(request)), 3)

    def test_where_nobody_decides_the_next_level_may(self):
        plant = add_user(self, "plant_mgr")
        self.company.write(
            {
                "energy_plant_manager_ids": plant.ids,
                "energy_remind_days": 0,
                "energy_escalate_days": 3,
            }
        )
        request = self.submitted()
        self.follow_up(request, 71)
        with self.assertRaises(UserError):
            request.with_user(plant).action_approve()
        for hours in (72, 73):
            self.follow_up(request, hours)
        self.assertEqual(request.decider_ids, self.head | plant)
        self.assertEqual(self.mails(request), ["the_head", "plant_mgr"])
        self.assertEqual(request.activity_ids.user_id, self.head | plant)
        self.assertIn("may decide as well", str(request.message_ids.mapped("body")))
        request.with_user(plant).action_approve()
        self.assertEqual(self.granted(), 100)

    def test_who_becomes_stand_in_is_called(self):
        standin = add_user(self, "standin")
        request = self.submitted()
        today = date.today()
        self.line.department_id.write(
            {
                "energy_standin_id": standin.id,
                "energy_standin_from": today,
                "energy_standin_to": today,
            }
        )
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref("prepaid_energy.cron_quota_reminders").method_direct_trigger()
        self.assertEqual(self.mails(request), ["the_head", "standin"])
        self.assertTrue(request.with_user(standin).has_access("read"))

    def test_given_back_by_the_requester(self):
        request = self.submitted()
        with self.assertRaises(UserError):
            request.action_give_back()
        request.with_user(self.head).action_approve()
        with self.assertRaises(AccessError):
            request.with_user(self.head).action_give_back()
        request.action_give_back()
        self.assertEqual(self.granted(), 0)

    # ------------------------------------------------------------------ rights

    def test_who_sees_it(self):
        request = self.submitted()
        model = self.env["energy.quota.request"]
        accountant = add_user(self, "acc", "prepaid_energy.group_energy_accountant")
        for user, sees in (
            (self.asker, True),
            (self.head, True),
            (accountant, True),
            (self.stranger, False),
            (self.other_head, False),
        ):
            found = model.with_user(user).search([("id", "=", request.id)])
            self.assertEqual(bool(found), sees, user.login)
        with self.assertRaises(AccessError):
            request.with_user(self.portal_user).read(["amount"])
        company = self.env["res.company"].create({"name": "Elsewhere"})
        foreign = add_user(self, "foreign", "prepaid_energy.group_energy_manager")
        foreign.write(
            {"company_ids": [Command.set(company.ids)], "company_id": company}
        )
        self.assertFalse(model.with_user(foreign).search([]))
