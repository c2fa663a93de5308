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

    # ------------------------------------------------------------------ who

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
        own = self.submitted(200, user=plant)
        self.assertEqual(own.decider_ids, finance, "the next above who asks")

    def test_an_unknown_price_counts_as_above_the_limit_of_money(self):
        plant = add_user(self, "plant_mgr")
        self.company.write(
            {"energy_plant_manager_ids": plant.ids, "energy_plant_limit": 20}
        )
        self.assertEqual(self.submitted(1).level, "2")
        self.point.wallet_id = self.line.wallet_id
        self.ingest((0, "0"), (60, "40"))  # at 0.275
        for amount, level in ((72, "1"), (73, "2")):
            request = self.submitted(amount)
            self.assertEqual(request.level, level)
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
