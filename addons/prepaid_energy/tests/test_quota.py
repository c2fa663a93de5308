import threading
from datetime import timedelta
from decimal import Decimal

from lxml import html

from odoo import SUPERUSER_ID, api, fields
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, new_test_user
from odoo.tools import SQL, mute_logger
from odoo.tools.safe_eval import safe_eval

from ..models.patience import patiently
from .common import add_point
from .line_case import MONTH, LineCase

KIND = "prepaid_energy.alarm_quota"


class TestFill(LineCase):
    def grants(self, line=None):
        rows = (line or self.line_a).wallet_id.entry_ids
        return sorted(rows.filtered(lambda e: e.kind == "grant").mapped("amount"))

    def test_money_is_granted_once(self):
        quota = self.plan(self.line_a, 1000, unit="money")
        for _again in range(3):
            self.cron("forecast")
        self.assertEqual(self.grants(), [1000])
        self.assertEqual(self.exact_balance(self.line_a.wallet_id), 1000)
        self.assertEqual(quota.total, 1000)
        self.assertEqual(len(self.line_a.quota_ids), 1)

    def test_two_fill_a_month_at_once(self):
        """Two real transactions; the loser is run again and finds the quota."""
        registry = self.env.registry
        with registry.cursor() as cr:
            env = api.Environment(cr, SUPERUSER_ID, {})
            site = env["energy.site"].create({"name": "Race"})
            department = env["hr.department"].create({"name": "Race"})
            line = env["energy.line"].create(
                {"name": "R", "site_id": site.id, "department_id": department.id}
            )
            plan = {"line_id": line.id, "date_from": MONTH, "amount": 5}
            env["energy.line.plan"].create(plan)
            made = {"energy_line": line.id, "energy_wallet": line.wallet_id.id}
            made |= {"hr_department": department.id, "energy_site": site.id}
        first, second, outcome = registry.cursor(), registry.cursor(), []
        try:
            lines = [
                api.Environment(cr, SUPERUSER_ID, {})["energy.line"].browse(line.id)
                for cr in (first, second)
            ]
            for one in lines:
                self.assertFalse(one._quota(one._month()))  # both have looked
            quota = lines[0].env["energy.quota"]._fill(lines[0])
            first.flush()
            found = quota.ids

            def late():
                def fill():
                    return lines[1].env["energy.quota"]._fill(lines[1])

                with mute_logger("odoo.sql_db"):
                    outcome.extend(patiently(lines[1].env, fill).ids)

            thread = threading.Thread(target=late)
            thread.start()
            thread.join(1)  # it waits for the first
            first.commit()
            thread.join(20)
            self.assertEqual(outcome, found)
        finally:
            first.close()
            second.close()
            with registry.cursor() as cr:
                cr.execute("DELETE FROM energy_quota WHERE line_id = %s", [line.id])
                for table, record_id in made.items():
                    cr.execute(
                        SQL(
                            "DELETE FROM %s WHERE id = %s",
                            SQL.identifier(table),
                            record_id,
                        )
                    )

    def test_the_month_begins_by_the_clock_of_the_site(self):
        self.site.tz = "America/Chicago"
        with self.at_day("2026-07-01", 3):  # June 30th, 22:00
            self.assertEqual(self.plan(self.line_a, 10).month, MONTH)
        with self.at_day("2026-07-01", 6):
            quota = self.fill(self.line_a)
        self.assertEqual(fields.Date.to_string(quota.month), "2026-07-01")

    def test_a_month_has_its_factor(self):
        self.plan(self.line_a, 1000)
        plan = self.line_a.plan_ids
        plan.month_ids.filtered(lambda row: row.month == "7").factor = 1.25
        with self.at_day("2026-07-02"):
            self.assertEqual(self.fill(self.line_a).planned, 1250)
        self.assertEqual(plan.year_total, 12250)

    def test_planned_output_times_the_amount_of_a_unit(self):
        plan = self.env["energy.line.plan"].create(
            {
                "line_id": self.line_a.id,
                "date_from": MONTH,
                "basis": "output",
                "per_unit": 1.2345,
            }
        )
        plan.month_ids.filtered(lambda row: row.month == "6").output = 400
        self.assertEqual(self.fill(self.line_a)._exact()["planned"], Decimal("493.8"))

    def test_last_year_is_copied(self):
        for month, kwh in ((6, 100), (7, 300), (12, 200)):
            self.use(self.a1, kwh, f"2025-{month:02}-15")
        plan = self.env["energy.line.plan"].create(
            {"line_id": self.line_a.id, "date_from": MONTH, "change_percent": 10}
        )
        plan.action_copy_last_year()
        self.assertEqual(plan.amount, 220)
        planned = {row.month: row.planned for row in plan.month_ids}
        self.assertEqual(planned["6"], 110)
        self.assertEqual(planned["7"], 330)
        self.assertEqual(planned["12"], planned["1"])
        empty = self.env["energy.line.plan"].create(
            {"line_id": self.line_b.id, "date_from": MONTH}
        )
        with self.assertRaises(UserError):
            empty.action_copy_last_year()

    def test_a_changed_plan_is_applied_by_the_difference(self):
        self.plan(self.line_a, 1000, unit="money")
        self.line_a.plan_ids.amount = 1100
        self.line_a.plan_ids.action_apply()
        self.line_a.plan_ids.action_apply()
        self.assertEqual(self.grants(), [100, 1000])
        self.assertEqual(self.line_a.quota_ids.total, 1100)

    def test_plans_do_not_overlap(self):
        self.plan(self.line_a, 1000)
        with self.assertRaises(ValidationError):
            self.plan(self.line_a, 1000, date_from="2026-09-01")

    def next_month(self):
        with self.at_day("2026-07-02"):
            self.cron("forecast")
        return self.line_a.quota_ids.sorted("month")

    def test_money_that_is_not_carried_over_lapses(self):
        self.plan(self.line_a, 100, unit="money")
        self.use(self.a1, 240)  # 60
        june, july = self.next_month()
        self.assertEqual((june.state, july.total), ("closed", 100))
        self.assertEqual(self.exact_balance(self.line_a.wallet_id), 100)

    def test_what_is_left_is_carried_over_up_to_the_limit(self):
        self.plan(self.line_a, 100, unit="money", carry="unused", carry_percent=25)
        self.use(self.a1, 240)
        self.assertEqual(self.next_month()[1].total, 125)
        self.assertEqual(self.exact_balance(self.line_a.wallet_id), 125)

    def test_a_late_reading_of_the_month_before_moves_what_was_carried(self):
        self.plan(self.line_a, 100, unit="money", carry="both")
        self.use(self.a1, 240)
        self.assertEqual(self.next_month()[1].carried, 40)
        self.use(self.a1, 240)
        july = self.next_month()[1]
        self.assertEqual((july.carried, july.total), (-20, 80))
        self.assertEqual(self.exact_balance(self.line_a.wallet_id), 80)
        self.use(self.a1, -240)
        self.assertEqual(self.next_month()[1].total, 140)
        self.assertEqual(self.exact_balance(self.line_a.wallet_id), 140)

    def test_an_overrun_that_is_not_carried_is_forgiven(self):
        self.plan(self.line_a, 100, unit="money", carry="unused")
        self.use(self.a1, 800)  # 200
        self.assertEqual(self.next_month()[1].total, 100)
        self.assertEqual(self.exact_balance(self.line_a.wallet_id), 100)

    def test_a_changed_carry_counts_from_the_next_quota_on(self):
        self.plan(self.line_a, 100, unit="money")
        self.use(self.a1, 240)  # 60
        july = self.next_month()[1]
        plan = self.line_a.plan_ids
        plan.carry = "unused"
        self.assertEqual(self.next_month()[1].carried, 0, "not by itself")
        self.assertEqual(self.exact_balance(self.line_a.wallet_id), 100)
        with self.at_day("2026-07-02"):
            plan.action_apply()
        self.assertEqual((july.carried, july.total), (40, 140))
        self.assertEqual(self.exact_balance(self.line_a.wallet_id), 140)
        plan.unlink()
        self.assertEqual(self.next_month()[1].carried, 40, "nor when it is gone")

    def test_money_lapses_where_the_next_month_is_in_kwh(self):
        self.plan(self.line_a, 100, unit="money", carry="both")
        self.use(self.a1, 240)  # 60
        self.settle()
        plan = self.line_a.plan_ids
        plan.date_to = MONTH
        plan.copy({"date_from": "2026-07-01", "date_to": False, "unit": "energy"})
        june, july = self.next_month()
        self.assertEqual((june.lapsed, july.carried, july.total), (40, 0, 100))
        self.assertEqual(self.exact_balance(self.line_a.wallet_id), 0)
        self.use(self.a1, 80)  # a late reading
        self.settle()
        self.next_month()
        self.assertEqual(self.exact_balance(self.line_a.wallet_id), 0)

    def test_a_figure_in_the_context_of_who_applies_a_plan_is_none(self):
        plan = self.env["energy.line.plan"].create(
            {
                "line_id": self.line_a.id,
                "date_from": MONTH,
                "unit": "money",
                "amount": 100,
            }
        )
        forged = dict.fromkeys(
            ("planned", "carried", "lapsed", "covered", "granted", "bookings"), -900
        )
        manager = new_test_user(
            self.env, "planner", groups="prepaid_energy.group_energy_manager"
        )
        plan.with_user(manager).with_context(
            **{f"default_{name}": value for name, value in forged.items()}
        ).action_apply()
        self.assertEqual(self.grants(), [100])
        self.assertEqual(self.line_a.quota_id.total, 100)

    def test_an_archived_line_ends(self):
        quota = self.plan(self.line_a, 100, hard=True)
        self.row(self.line_a, self.a1).may_shed = True
        self.use(self.a1, 240)
        self.cron("shed")
        self.assertTrue(self.a1.shed)
        self.line_a.active = False
        self.cron("shed")
        self.assertFalse(self.a1.shed)
        self.next_month()
        self.assertEqual(quota.state, "closed")
        self.assertEqual(self.line_a.quota_ids, quota, "no new one")

    def test_kwh_count_kwh_whatever_they_cost(self):
        quota = self.plan(self.line_a, 1000, hard=True)
        self.row(self.line_a, self.a1).may_shed = True
        self.use(self.a1, 900, amount=9000, amount_total=9000)
        quota._watch()
        self.assertEqual((quota.used, quota.used_percent), (900, 90))
        self.assertFalse(self.a1.shed)

    def test_the_wallet_of_a_quota_in_kwh_is_granted_its_cost(self):
        self.plan(self.line_a, 1000)
        self.use(self.a1, 40)
        self.use(self.a1, 40, "2026-06-16")
        self.settle()  # today is not over
        for _again in range(2):
            self.cron("forecast")
        self.assertEqual(self.exact_balance(self.line_a.wallet_id), -10)
        self.assertEqual(self.grants(), [10])

    def test_a_policy_does_not_cut_a_budget_in_kwh(self):
        self.plan(self.line_a, 1000)
        with self.assertRaises(ValidationError):
            self.line_a.wallet_id.policy_id = self.policy
        self.line_b.wallet_id.policy_id = self.policy
        with self.assertRaises(ValidationError):
            self.plan(self.line_b, 1000)

    def test_a_grant_counts_once(self):
        quota = self.plan(self.line_a, 100, unit="money")
        for _again in range(2):
            quota._grant(Decimal("12.345678"), "request:1", "More orders")
        self.assertEqual(quota._exact()["total"], Decimal("112.345678"))
        self.assertEqual(
            self.exact_balance(self.line_a.wallet_id), Decimal("112.345678")
        )
        quota._withdraw(Decimal("2.345678"), "request:1:back", "Not needed")
        self.assertEqual(quota.total, 110)
        with self.assertRaises(UserError):
            quota._grant(Decimal(-1), "request:2", "")
        with self.assertRaises(UserError):
            quota.grant_ids[:1].name = "Something else"


class TestForecast(LineCase):
    def test_a_steady_line_uses_its_days(self):
        quota = self.plan(self.line_a, 800)
        self.days(self.a1, "2026-05-19", 28, 24)
        quota._watch()
        self.assertEqual(quota.used, 15 * 24)
        self.assertAlmostEqual(quota.forecast, (15 + 14.5) * 24, 3)
        self.assertEqual(quota.overrun, 0)

    def test_weekends_are_quieter(self):
        quota = self.plan(self.line_a, 800)
        for number in range(28):
            day = fields.Date.to_date("2026-05-19") + timedelta(days=number)
            self.use(self.a1, 48 if day.weekday() < 5 else 0, day)
        quota._watch()
        # half of Tuesday the 16th, then ten working days until the 30th
        self.assertAlmostEqual(quota.forecast - quota.used, 10.5 * 48, 3)

    def test_a_holiday_to_come_is_as_quiet_as_a_sunday(self):
        """Friday the 19th of June is off for everybody, as the 25th of May was."""
        quota = self.plan(self.line_a, 800)
        for number in range(28):
            day = fields.Date.to_date("2026-05-19") + timedelta(days=number)
            rests = day.weekday() > 4 or str(day) == "2026-05-25"
            self.use(self.a1, 0 if rests else 48, day)
        calendar = self.env.company.resource_calendar_id
        for day in ("2026-05-25", "2026-06-19"):
            self.env["resource.calendar.leaves"].create(
                {
                    "name": "Off",
                    "calendar_id": calendar.id,
                    "date_from": f"{day} 00:00:00",
                    "date_to": f"{day} 23:59:59",
                }
            )
        quota._watch()
        self.assertAlmostEqual(quota.forecast - quota.used, 9.5 * 48, 3)

    def test_a_share_counts_as_a_share(self):
        quota = self.plan(self.line_b, 800)
        self.share(self.line_b, self.a1, 25)
        self.days(self.a1, "2026-05-19", 28, 24)
        quota._watch()
        self.assertEqual(quota.used, 0, "the shares began today")
        self.assertAlmostEqual(quota.forecast, 14.5 * 6, 3)

    def test_money_has_its_fixed_and_demand_charges(self):
        quota = self.plan(self.line_a, 800, unit="money")
        self.days(self.a1, "2026-05-19", 28, 24)  # 6 a day
        for number in range(29):
            day = fields.Date.to_date("2026-05-19") + timedelta(days=number)
            self.charge("fixed", 1, day)
        self.charge("demand", 50, "2026-05-31")
        quota._watch()
        self.assertEqual(quota.used, 15 * 6 + 16)
        self.assertAlmostEqual(quota.forecast - quota.used, 14.5 * 6 + 14 + 50, 3)

    def hour(self, point, at, energy, covered=3600):
        """An hour of the roll-up; the site's clock is UTC here."""
        row = {
            "service_point_id": point.id,
            "site_id": point.site_id.id,
            "company_id": point.company_id.id,
            "tariff_id": point.tariff_id.id,
            "currency_id": point.tariff_id.currency_id.id,
            "commodity": "electricity",
            "at": at,
            "day": at.date(),
            "hour": at.hour,
            "weekday": at.weekday(),
            "energy": Decimal(energy),
            "covered": covered,
            "amount": Decimal(energy) / 4,
        }
        self.env.cr.execute(
            SQL(
                "INSERT INTO energy_interval (%s) VALUES %s",
                SQL(", ").join(map(SQL.identifier, row)),
                tuple(row.values()),
            )
        )

    def test_the_usual_hours_of_the_week_go_on(self):
        """12 kWh from 18 to 24 h, nothing else: half a day is not half the energy."""
        begin = fields.Datetime.to_datetime("2026-05-25 00:00:00")
        for number in range(21 * 24):
            at = begin + timedelta(hours=number)
            self.hour(self.a1, at, 2 if at.hour >= 18 else 0)
        quota = self.plan(self.line_a, 800)
        money = self.plan(self.line_b, 800, unit="money")
        self.share(self.line_b, self.a1, 50)
        (quota | money)._watch()
        self.assertAlmostEqual(quota.forecast, 15 * 12 / 2, 6)
        self.assertAlmostEqual(money.forecast, 15 * 3 / 2, 6)

    def charge(self, kind, amount, day):
        values = {"kind": kind, "charge": kind, "amount": amount}
        self.use(self.a1, 0, day, amount_total=amount, **values)

    def warned(self, quota):
        activities = quota.activity_ids
        self.assertEqual(activities.activity_type_id, self.env.ref(KIND))
        return sorted(activities.user_id.mapped("login"))

    def test_head_and_manager_are_warned_before_it_happens_once(self):
        quota = self.plan(self.line_a, 500)
        self.days(self.a1, "2026-05-19", 28, 24)
        for _again in range(3):
            self.cron("forecast")
        self.assertEqual(quota.state, "forecast_over")
        self.assertLess(quota.used_percent, 80)
        self.assertEqual(self.warned(quota), ["head", "manager_a"])
        self.assertEqual(len(quota.activity_ids), 2)
        mail = quota.message_ids.filtered(lambda m: m.partner_ids)
        self.assertEqual(len(mail), 1)
        self.assertEqual(mail.partner_ids, (self.head | self.manager_a).partner_id)

    def test_the_warning_leads_to_a_request(self):
        quota = self.plan(self.line_a, 100)
        self.use(self.a1, 120)
        quota._watch()
        action = self.env.ref("prepaid_energy.energy_quota_ask_action")
        path = f"/odoo/energy.quota/{quota.id}/action-{action.xml_id}/new"
        texts = [*quota.activity_ids.mapped("note")]
        texts += quota.message_ids.filtered("partner_ids").mapped("body")
        self.assertEqual(len(texts), 3)
        for text in texts:
            self.assertEqual(text.lower().count("ask for more"), 1, text)
            link = html.fromstring(text).find(".//a")
            self.assertTrue(link.get("href").endswith(path), text)
        context = safe_eval(action.context, {"active_id": quota.id})
        model = self.env[action.res_model].with_user(self.manager_a)
        form = Form(model.with_context(**context))
        self.assertEqual(form.quota_id, quota)
        self.assertEqual(form.amount, quota.overrun)
        self.assertGreaterEqual(form.amount, 20)

    def test_each_level_once_and_all_clear_after_a_grant(self):
        quota = self.plan(self.line_a, 100)
        for kwh in (79, 1, 5, 6, 8, 5):
            self.use(self.a1, kwh)
            quota._measure(forecast=False)
            quota._warn()
        levels = quota.message_ids.filtered(lambda m: m.partner_ids)
        self.assertEqual(len(levels), 3, "80, 90, 100 with the overrun")
        self.assertEqual(quota.state, "exhausted")
        quota._grant(Decimal(400), "request:1", "More")
        self.assertEqual(quota.state, "normal")
        self.assertFalse(quota.activity_ids)

    def test_nobody_is_warned_in_quiet_hours(self):
        """The levels that were reached at night are said in the morning, once."""
        self.line_a.hours_policy_id = self.env["energy.policy"].create(
            {"name": "Nights", "quiet_from": 22, "quiet_to": 6}
        )
        self.site.tz = "UTC"
        quota = self.plan(self.line_a, 100)
        self.use(self.a1, 95)
        for hour in (22, 23):
            with self.at_day("2026-06-16", hour):
                quota._watch()
        self.assertFalse(quota.activity_ids)
        self.assertIn(quota.state, ("warned", "forecast_over"))
        for hour in (6, 7):
            with self.at_day("2026-06-17", hour):
                quota._watch()
        self.assertEqual(self.warned(quota), ["head", "manager_a"])

    def test_without_head_and_manager_the_site_is_called(self):
        self.department.manager_id = False
        self.line_a.user_id = False
        self.site.user_id = self.manager_a
        quota = self.plan(self.line_a, 1)
        self.use(self.a1, 2)
        quota._watch()
        self.assertEqual(self.warned(quota), ["manager_a"])


class TestShedding(LineCase):
    """A-2 is less important than A-1; the fan is a life-safety load."""

    def setUp(self):
        super().setUp()
        self.fan, _meter = add_point(
            self, "FAN", wallet_id=self.line_a.wallet_id.id, life_safety=True
        )
        for point, sequence in ((self.a2, 1), (self.a1, 2)):
            self.row(self.line_a, point).write({"may_shed": True, "sequence": sequence})
        self.row(self.line_a, self.fan).sequence = 0
        self.quota = self.plan(self.line_a, 100, hard=True)

    def later(self, minutes):
        self.clock = getattr(self, "clock", 0) + minutes
        moment = fields.Datetime.to_datetime("2026-06-16 12:00:00")
        with self.at_day("2026-06-16") as frozen:
            frozen.move_to(moment + timedelta(minutes=self.clock))
            self.cron("shed")

    def open_points(self):
        points = self.a1 | self.a2 | self.fan | self.b1
        return points.filtered(lambda p: p.desired_state == "open").mapped("name")

    def test_step_by_step_and_never_life_safety(self):
        self.use(self.a1, 100)
        self.later(0)
        self.assertEqual(self.open_points(), ["Point of A-2"])
        self.later(14)
        self.assertEqual(self.open_points(), ["Point of A-2"], "the wait is not over")
        self.later(1)
        self.assertEqual(self.open_points(), ["Point of A-1", "Point of A-2"])
        for _more in range(3):
            self.later(60)
        self.assertNotIn(self.fan.name, self.open_points())
        self.assertFalse(self.fan.shed)

    def test_nobody_may_allow_to_cut_a_life_safety_load(self):
        with self.assertRaises(ValidationError):
            self.row(self.line_a, self.fan).may_shed = True

    def test_a_point_that_becomes_life_safety_comes_back(self):
        self.use(self.a1, 100)
        self.later(0)
        self.a2.life_safety = True
        self.assertEqual(self.a2.desired_state, "closed")
        self.later(1)
        self.assertFalse(self.a2.shed)

    def test_the_reason_is_told(self):
        self.use(self.a1, 105)
        self.later(0)
        command = self.env["energy.command"].search(
            [("service_point_id", "=", self.a2.id)], limit=1
        )
        self.assertEqual(command.value, "open")
        self.assertIn("Line A has used 105.0 %", command.reason)
        self.assertIn("Line A has used 105.0 %", self.a2.why)
        self.assertIn("105.0", str(self.a2.message_ids[:2].mapped("body")))

    def test_a_grant_restores(self):
        self.use(self.a1, 100)
        self.later(0)
        self.later(20)
        self.quota._grant(Decimal(1), "request:1", "A little more")
        self.assertEqual(self.open_points(), [])
        self.assertFalse((self.a1 | self.a2).filtered("shed"))

    def test_a_new_month_restores(self):
        self.use(self.a1, 100)
        self.later(0)
        with self.at_day("2026-07-01"):
            self.cron("forecast")
        self.assertEqual(self.open_points(), [])

    def test_without_a_plan_it_comes_back(self):
        self.use(self.a1, 100)
        self.later(0)
        self.line_a.plan_ids.date_to = MONTH
        with self.at_day("2026-07-01"):
            self.cron("shed")
        self.assertEqual(self.open_points(), [])

    def test_soft_quotas_cut_nothing(self):
        self.line_a.plan_ids.hard = False
        self.line_a.plan_ids.action_apply()
        self.use(self.a1, 1000)
        self.quota._watch()
        self.assertEqual(self.open_points(), [])

    def test_each_point_may_have_its_own_per_cent(self):
        self.row(self.line_a, self.a2).shed_percent = 90
        self.use(self.a1, 92)
        self.later(0)
        self.later(60)
        self.assertEqual(self.open_points(), ["Point of A-2"])

    def test_a_shared_point_is_cut_by_all_its_lines_only(self):
        row = self.share(self.line_b, self.a2, 50)
        self.use(self.a1, 200)
        self.later(0)
        self.assertTrue(self.row(self.line_a, self.a2).shed)
        self.assertEqual(self.open_points(), [])
        row.may_shed = True
        self.plan(self.line_b, 10, hard=True)
        self.use(self.b1, 20)
        self.later(1)
        self.assertEqual(self.open_points(), ["Point of A-2"])
        self.assertIn("Line B", self.a2.shed_reason)

    def office_hours(self, hour_from=8, hour_to=16):
        """Work on weekdays, by UTC; a policy with these cut-off hours."""
        calendar = self.env["resource.calendar"].create(
            {
                "name": "Office",
                "tz": "UTC",
                "attendance_ids": [
                    Command.clear(),
                    *(
                        Command.create(
                            {
                                "name": str(day),
                                "dayofweek": str(day),
                                "hour_from": hour_from,
                                "hour_to": hour_to,
                                "day_period": "morning",
                            }
                        )
                        for day in range(5)
                    ),
                ],
            }
        )
        return self.env["energy.policy"].create(
            {"name": "By day", "calendar_id": calendar.id}
        )

    def test_nothing_is_cut_outside_of_the_cut_off_hours(self):
        """Noon to 16 on Tuesday, then not before Wednesday at 8; what is cut stays."""
        self.line_a.hours_policy_id = self.office_hours()
        self.use(self.a1, 100)
        self.later(3 * 60 + 50)
        self.assertEqual(self.open_points(), ["Point of A-2"])
        self.later(20)
        self.assertEqual(self.open_points(), ["Point of A-2"], "ten past four")
        with self.at_day("2026-06-17", 2):
            self.cron("shed")
            self.assertEqual(self.open_points(), ["Point of A-2"])
            self.quota.invalidate_recordset(["cut_from"])
            self.assertEqual(str(self.quota.cut_from), "2026-06-17 08:00:00")
        with self.at_day("2026-06-17", 8):
            self.cron("shed")
            self.assertEqual(self.open_points(), ["Point of A-1", "Point of A-2"])
            self.quota.invalidate_recordset(["cut_from"])
            self.assertFalse(self.quota.cut_from)

    def test_nothing_is_cut_on_a_holiday(self):
        policy = self.office_hours()
        self.line_a.hours_policy_id = policy
        self.env["resource.calendar.leaves"].create(
            {
                "name": "Holiday",
                "calendar_id": policy.calendar_id.id,
                "date_from": "2026-06-16 00:00:00",
                "date_to": "2026-06-16 23:59:59",
            }
        )
        self.use(self.a1, 100)
        self.later(0)
        self.assertEqual(self.open_points(), [])

    def test_the_hours_of_the_wallets_policy_count(self):
        self.line_b.wallet_id.policy_id = self.office_hours(13, 16)
        self.row(self.line_b, self.b1).may_shed = True
        self.plan(self.line_b, 5, unit="money", hard=True)
        self.use(self.b1, 100)
        self.later(0)
        self.assertEqual(self.open_points(), [])
        self.later(60)
        self.assertEqual(self.open_points(), ["Point of B-1"])

    def test_a_shared_point_is_cut_in_the_hours_of_all_its_lines(self):
        self.share(self.line_b, self.a2, 50).may_shed = True
        self.plan(self.line_b, 10, hard=True)
        self.line_a.hours_policy_id = self.office_hours()
        self.line_b.hours_policy_id = self.office_hours(13, 24)
        self.use(self.a1, 200)
        self.use(self.b1, 20)
        self.later(0)
        self.assertFalse(self.a2.shed)
        self.assertEqual(self.open_points(), ["Point of A-1"], "it is A's alone")
        with self.at_day("2026-06-16", 17):
            self.cron("shed")
        self.assertFalse(self.a2.shed, "in B's hours only")
        with self.at_day("2026-06-17", 13):
            self.cron("shed")
        self.assertTrue(self.a2.shed)

    def test_cut_offs_that_are_allowed_again_wait_for_their_hours(self):
        self.line_a.hours_policy_id = self.office_hours()
        self.use(self.a1, 100)
        self.later(0)
        self.site.stop_reason = "Flood"
        self.site.action_stop_cutoffs()
        with self.at_day("2026-06-16", 22):
            self.site.action_resume_cutoffs()
            self.assertEqual(self.open_points(), [])
        with self.at_day("2026-06-17", 9):
            self.cron("shed")
            self.assertEqual(self.open_points(), ["Point of A-2"])

    def test_the_sites_stop_comes_first(self):
        self.use(self.a1, 100)
        self.later(0)
        self.site.stop_reason = "Flood"
        self.site.action_stop_cutoffs()
        self.assertEqual(self.open_points(), [])
        self.site.action_resume_cutoffs()
        self.assertEqual(self.open_points(), ["Point of A-2"])

    def test_a_locked_out_point_stays_open_when_restored(self):
        self.use(self.a1, 100)
        self.later(0)
        self.env["energy.lockout"].create(
            {"service_point_id": self.a2.id, "reason": "busbar"}
        ).action_lock_out()
        self.quota._grant(Decimal(100), "request:1", "More")
        self.assertFalse(self.a2.shed)
        self.assertEqual(self.a2.desired_state, "open")
