from datetime import UTC, datetime, timedelta

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import freeze_time, new_test_user, tagged

from .common import EnergyCase, add_point, credit

FRIDAY = "2026-06-12"  # a Friday


@tagged("post_install", "-at_install")
class TestPolicy(EnergyCase):
    """Threshold 0, warning at 20, restore at 5; the wallet has 30."""

    def setUp(self):
        super().setUp()
        credit(self.wallet, "30", f"test:{self.id()}")

    def topup(self, amount, key):
        credit(self.wallet, amount, f"{key}:{self.id()}")

    def messages(self):
        return self.wallet.message_ids.filtered("body").mapped("body")

    def office_hours(self):
        """Monday to Friday, 8 to 16, UTC; Monday 15 June is off for everybody."""
        calendar = self.env["resource.calendar"].create(
            {
                "name": "Office",
                "tz": "UTC",
                "attendance_ids": [
                    Command.clear(),
                    *(
                        Command.create(
                            {
                                "name": "Day",
                                "dayofweek": str(day),
                                "hour_from": 8,
                                "hour_to": 16,
                                "day_period": "morning",
                            }
                        )
                        for day in range(5)
                    ),
                ],
            }
        )
        self.env["resource.calendar.leaves"].create(
            {
                "name": "Day off",
                "calendar_id": calendar.id,
                "date_from": "2026-06-15 00:00:00",
                "date_to": "2026-06-15 23:59:59",
            }
        )
        return calendar

    # ------------------------------------------------------------------ friendly hours

    def test_cut_offs_wait_for_cut_off_hours(self):
        self.policy.calendar_id = self.office_hours()
        with freeze_time(f"{FRIDAY} 18:00:00"):
            self.topup("-40", "use")
            self.assertEqual(self.wallet.level, "cut")
            self.assertEqual(self.point.desired_state, "closed")
            self.assertIn("2026-06-16 08:00", self.messages()[0])
        with freeze_time("2026-06-16 07:59:00"):
            self.env["energy.wallet"]._cron_policy()
            self.assertEqual(self.point.desired_state, "closed")
        with freeze_time("2026-06-16 08:00:00"):
            self.env["energy.wallet"]._cron_policy()
            self.assertEqual(self.point.desired_state, "open")
        with freeze_time("2026-06-16 20:00:00"):
            self.topup("20", "late")
            self.assertEqual(self.point.desired_state, "closed", "restored at any time")

    def test_in_cut_off_hours_it_is_at_once(self):
        self.policy.calendar_id = self.office_hours()
        with freeze_time(f"{FRIDAY} 12:00:00"):
            self.topup("-40", "use")
            self.assertEqual(self.point.desired_state, "open")

    def test_grace_comes_first(self):
        self.policy.grace_hours = 6
        self.policy.calendar_id = self.office_hours()
        for moment, expected in (
            (f"{FRIDAY} 09:00:00", f"{FRIDAY} 15:00:00"),
            (f"{FRIDAY} 11:00:00", "2026-06-16 08:00:00"),
        ):
            now = datetime.fromisoformat(moment)
            self.assertEqual(str(self.policy._cut_moment(now)), expected)

    def test_a_topup_in_the_grace_time_forgets_the_cut(self):
        self.policy.grace_hours = 6
        with freeze_time(f"{FRIDAY} 09:00:00"):
            self.topup("-40", "use")
            self.topup("20", "back")
            self.assertFalse(self.wallet.cut_from)
        with freeze_time(f"{FRIDAY} 16:00:00"):
            self.env["energy.wallet"]._cron_policy()
            self.assertEqual(self.point.desired_state, "closed")

    def test_a_schedule_without_hours_cuts_nobody(self):
        empty = self.env["resource.calendar"].create(
            {"name": "Empty", "attendance_ids": [Command.clear()]}
        )
        self.policy.calendar_id = empty
        self.topup("-40", "use")
        self.assertEqual(self.point.desired_state, "closed")

    # ------------------------------------------------------------------ days left

    @freeze_time("2026-05-04 06:00:00")
    def test_few_days_left_are_warned_once(self):
        self.policy.write({"warning_days": 4, "warning_threshold": 1})
        self.begin = datetime.now(UTC).replace(hour=0) - timedelta(days=4)
        days = (datetime.now(UTC) - self.begin).total_seconds() / 86400
        self.ingest((0, "0"), (86400, str(int(days * 20))))  # 20 kWh a day: 5.5
        Wallet = self.env["energy.wallet"]
        self.assertLess(self.wallet.days_left, 4)
        for _again in range(2):
            Wallet._cron_policy()
        self.assertEqual(
            len([body for body in self.messages() if "more days" in body]), 1
        )
        self.topup("100", "rich")
        Wallet._cron_policy()
        self.assertFalse(self.wallet.days_warned)
        self.topup("-105", "poor")
        Wallet._cron_policy()
        self.assertEqual(
            len([body for body in self.messages() if "more days" in body]), 2
        )

    def test_without_use_no_days_are_counted(self):
        self.policy.warning_days = 5
        self.assertFalse(self.wallet.days_left)
        self.env["energy.wallet"]._cron_policy()
        self.assertFalse(self.wallet.days_warned)

    # ------------------------------------------------------------------ emergency

    def test_emergency_credit_is_there_once(self):
        self.policy.emergency_credit = 10
        with self.assertRaisesRegex(UserError, "not low"):
            self.wallet.action_emergency()
        self.topup("-33", "use")
        self.assertEqual(self.point.desired_state, "open")
        self.wallet.action_emergency()
        self.assertEqual(self.point.desired_state, "closed")
        with self.assertRaisesRegex(UserError, "in use already"):
            self.wallet.action_emergency()
        self.topup("-7", "more")
        self.assertEqual(self.wallet.level, "cut")
        self.topup("12", "some")
        self.assertTrue(self.wallet.emergency_active, "restore level not reached")
        self.assertEqual(self.wallet.level, "cut", "a cut wallet waits for it")
        self.topup("3", "enough")
        self.assertFalse(self.wallet.emergency_active)
        self.assertEqual(self.point.desired_state, "closed")

    def test_without_a_policy_amount_there_is_no_emergency_credit(self):
        self.topup("-33", "use")
        with self.assertRaisesRegex(UserError, "no emergency credit"):
            self.wallet.action_emergency()
        with self.assertRaisesRegex(UserError, "cannot be written"):
            self.wallet.emergency_active = True

    # ------------------------------------------------------------------ stop and drill

    def test_a_site_can_stop_all_cut_offs(self):
        self.topup("-40", "use")
        lights, _meter = add_point(self, "M-2", wallet_id=self.wallet.id)
        self.assertEqual((self.point | lights).mapped("desired_state"), ["open"] * 2)
        with self.assertRaisesRegex(UserError, "reason"):
            self.site.action_stop_cutoffs()
        lights.action_switch_off()
        self.site.stop_reason = "The tariff was wrong"
        operator = new_test_user(
            self.env, "stop_op", groups="prepaid_energy.group_energy_operator"
        )
        self.site.with_user(operator).action_stop_cutoffs()
        self.assertEqual(self.point.desired_state, "closed")
        self.assertEqual(lights.desired_state, "open", "switched off by a person")
        self.assertEqual(self.site.stopped_by_id, operator)
        self.topup("-1", "more")
        self.assertEqual(self.point.desired_state, "closed")
        self.site.action_resume_cutoffs()
        self.assertEqual(self.point.desired_state, "open")

    def test_the_stop_is_not_written_by_hand(self):
        manager = new_test_user(
            self.env, "stop_m", groups="prepaid_energy.group_energy_manager"
        )
        site = self.site.with_user(manager)
        with self.assertRaisesRegex(UserError, "buttons"):
            site.cutoffs_stopped = True
        forged = site.with_context(default_cutoffs_stopped=True)
        self.assertFalse(forged.create({"name": "New"}).cutoffs_stopped)
        reader = new_test_user(
            self.env, "stop_r", groups="prepaid_energy.group_energy_user"
        )
        site.stop_reason = "x"
        with self.assertRaises(AccessError):
            site.with_user(reader).action_stop_cutoffs()

    @freeze_time("2026-05-04 06:00:00")
    def test_the_drill_names_who_would_be_cut_and_who_is_spared(self):
        self.policy.armed = False
        pump, _meter = add_point(
            self, "M-PUMP", wallet_id=self.wallet.id, life_safety=True
        )
        self.begin = datetime.now(UTC).replace(hour=0) - timedelta(days=2)
        rich = self.wallet.copy({"name": "Rich"})
        credit(rich, "1000", f"rich:{self.id()}")
        add_point(self, "M-RICH", wallet_id=rich.id)
        self.ingest((0, "0"), (0, "0", "M-RICH"))
        self.ingest((86400, "80"), (86400, "80", "M-RICH"))  # 22 of 30
        drill = self.env["energy.drill"].create({"policy_id": self.policy.id})
        line = drill.line_ids
        self.assertEqual(line.wallet_id, self.wallet)
        self.assertEqual(line.point_ids, self.point)
        self.assertEqual(line.spared_ids, pump)
        self.assertIn("lasts until", line.reason)
        drill.hours = 1
        self.assertFalse(drill.line_ids)
        self.assertEqual(self.point.desired_state, "closed", "a drill cuts nobody")
        self.topup("-40", "use")
        drill.hours = 2
        self.assertIn("now", drill.line_ids.reason)

    def test_policies_are_checked(self):
        for values in ({"grace_hours": -1}, {"debt_percent": 101}):
            with self.assertRaises(ValidationError):
                with self.env.cr.savepoint():
                    self.policy.write(values)
