from datetime import UTC, datetime, timedelta
from decimal import Decimal

from psycopg2.errors import CheckViolation

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import freeze_time, new_test_user, tagged
from odoo.tools import mute_logger

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

    def test_the_cron_asks_no_wallet_by_itself(self):
        self.policy.action_disarm()
        self.policy.calendar_id = self.env["resource.calendar"].search([], limit=1)
        counts = []
        for more in (5, 20):
            wallets = self.env["energy.wallet"].create(
                [
                    {
                        "name": f"{more} {number}",
                        "partner_id": self.tenant.id,
                        "policy_id": self.policy.id,
                    }
                    for number in range(more)
                ]
            )
            for wallet in wallets:
                credit(wallet, "-1", wallet.name)
            with freeze_time(wallets[0].cut_from):
                self.env.flush_all()
                self.env.invalidate_all()
                before = self.env.cr.sql_log_count
                self.env["energy.wallet"]._cron_policy()
                self.env.flush_all()
                counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(counts[0], counts[1])

    def test_cut_offs_wait_for_cut_off_hours(self):
        self.policy.calendar_id = self.office_hours()
        with freeze_time(f"{FRIDAY} 18:00:00"):
            self.topup("-40", "use")
            self.assertEqual(self.wallet.level, "cut")
            self.assertEqual(self.point.desired_state, "closed")
            self.assertRegex(self.messages()[0], r"\b6/16/26, 8:00\sAM")
        with freeze_time("2026-06-16 07:59:00"):
            self.env["energy.wallet"]._cron_policy()
            self.assertEqual(self.point.desired_state, "closed")
        with freeze_time("2026-06-16 08:00:00"):
            self.env["energy.wallet"]._cron_policy()
            self.assertEqual(self.point.desired_state, "open")
        with freeze_time("2026-06-16 20:00:00"):
            self.topup("20", "late")
            self.assertEqual(self.point.desired_state, "closed", "restored at any time")

    def test_tenants_read_the_hour_as_they_write_it(self):
        self.env["res.lang"]._activate_lang("es_ES")
        self.tenant.lang = "es_ES"
        self.policy.calendar_id = self.office_hours()
        with freeze_time(f"{FRIDAY} 18:00:00"):
            self.topup("-40", "use")
            self.assertRegex(self.messages()[0], r"\b16/6/26,? 8:00\b")

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
        self.assertFalse(self.wallet.warned["days"])
        self.topup("-105", "poor")
        Wallet._cron_policy()
        self.assertEqual(
            len([body for body in self.messages() if "more days" in body]), 2
        )

    def test_without_use_no_days_are_counted(self):
        self.policy.warning_days = 5
        self.assertFalse(self.wallet.days_left)
        self.env["energy.wallet"]._cron_policy()
        self.assertFalse(self.messages())

    def test_further_days_are_warned_in_their_turn(self):
        self.policy.write({"warning_days": 4, "warning_threshold": 1})
        self.policy.level_ids = [Command.create({"basis": "days", "days": 1.5})]
        for days, expected in ((5, 0), (4, 1), (3, 1), (1.5, 2), (2.4, 2), (1, 2)):
            self.wallet._warn("days", {self.wallet.id: Decimal(str(days))})
            told = [body for body in self.messages() if "more days" in body]
            self.assertEqual(len(told), expected, days)

    # ------------------------------------------------------------------ money levels

    def told(self):
        """How often the tenant was asked to top up soon."""
        return len([body for body in self.messages() if "top up soon" in body])

    def test_nobody_is_warned_twice_around_a_threshold(self):
        for amount, expected in (
            ("-9.5", 0),
            ("-0.5", 1),
            ("1", 1),
            ("-1", 1),
            ("5.1", 1),
            ("-5.1", 2),
        ):
            self.topup(amount, f"step{amount}{expected}")
            self.env["energy.wallet"]._cron_policy()
            self.assertEqual(self.told(), expected, self.wallet.balance)

    def test_further_levels_warn_once_each(self):
        self.policy.level_ids = [
            Command.create({"balance": 10}),
            Command.create({"balance": 2}),
        ]
        for amount, expected in (("-11", 1), ("-9", 2), ("-1", 2), ("-7", 3)):
            self.topup(amount, f"step{amount}")
            for _twice in range(2):
                self.env["energy.wallet"]._cron_policy()
            self.assertEqual(self.told(), expected, self.wallet.balance)

    def test_one_warning_for_a_deep_fall_and_none_beside_the_cut(self):
        self.policy.level_ids = [Command.create({"balance": 10})]
        self.topup("-40", "deep")
        self.env["energy.wallet"]._cron_policy()
        self.assertEqual(self.told(), 0, "the cut-off is told instead")
        self.topup("20", "up")
        self.env["energy.wallet"]._cron_policy()
        self.assertEqual(self.told(), 0, "it was restored, at a low balance")

    def test_the_memory_of_warnings_is_not_written(self):
        manager = new_test_user(
            self.env, "warn_m", groups="prepaid_energy.group_energy_manager"
        )
        with self.assertRaisesRegex(UserError, "cannot be written"):
            self.wallet.with_user(manager).warned = {"balance": "20"}

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

    def test_who_may_take_the_emergency_credit(self):
        self.policy.emergency_credit = 10
        self.topup("-33", "use")
        stranger = new_test_user(self.env, "em_s", groups="base.group_portal")
        reader = new_test_user(
            self.env, "em_r", groups="prepaid_energy.group_energy_user"
        )
        for user in (stranger, reader):
            with self.assertRaises(AccessError):
                self.wallet.with_user(user).action_emergency()
        self.assertTrue(self.wallet.with_user(self.portal_user).emergency_offered)
        self.wallet.with_user(self.portal_user).action_emergency()
        self.assertTrue(self.wallet.emergency_active)
        self.assertFalse(self.wallet.emergency_offered)
        self.assertEqual(self.point.desired_state, "closed")
        taken = [body for body in self.messages() if "taken by" in body]
        self.assertIn(self.portal_user.name, taken[0])

    # ------------------------------------------------------------------ never cut

    def test_an_essential_point_is_never_cut_for_money(self):
        room, _meter = add_point(self, "M-ROOM", parent_id=self.point.id)
        with self.assertRaisesRegex(ValidationError, "why it is never cut"):
            with self.env.cr.savepoint():
                room.essential = True
        self.env.invalidate_all()
        room.write({"essential": True, "essential_reason": "Server room"})
        self.assertTrue(self.point.kept_on, "it feeds one")
        self.topup("-40", "use")
        self.assertEqual(self.wallet.level, "cut")
        for point in (self.point, room):
            self.assertEqual(point.desired_state, "closed")
            with self.assertRaisesRegex(UserError, "only a lock-out"):
                point.action_switch_off()
        self.env["energy.lockout"].create(
            {"service_point_id": room.id, "reason": "Fire"}
        ).action_lock_out()
        self.assertEqual(room.desired_state, "open", "a person with a reason may")
        room.action_release()
        room.essential = False
        self.assertEqual(self.point.desired_state, "open", "nothing protects it")

    def test_the_database_itself_guards_essential_points(self):
        self.point.write({"essential": True, "essential_reason": "Hospital"})
        self.env.flush_all()
        with self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"):
            with self.env.cr.savepoint():
                self.env.cr.execute(
                    "UPDATE energy_service_point SET desired_state = 'open' "
                    "WHERE id = %s",
                    [self.point.id],
                )

    # ------------------------------------------------------------------ arming

    def unarmed(self):
        self.policy.action_disarm()
        self.topup("-40", "use")
        self.assertEqual(self.point.desired_state, "closed")

    def drill(self, user=None):
        action = self.policy.action_arm()
        self.assertEqual(action["res_model"], "energy.drill")
        self.assertFalse(self.policy.armed, "the drill comes first")
        drill = self.env["energy.drill"].with_user(user or self.env.user)
        return drill.with_context(**action["context"]).create({})

    def test_arming_goes_by_the_drill_and_is_recorded(self):
        self.unarmed()
        manager = new_test_user(
            self.env, "arm_m", groups="prepaid_energy.group_energy_manager"
        )
        self.drill(manager).action_arm()
        self.assertTrue(self.policy.armed)
        self.assertEqual(self.point.desired_state, "open")
        note = self.policy.message_ids[0]
        self.assertIn("wallets 1, service points 1. Tenant Ltd", note.body)
        self.assertEqual(note.author_id, manager.partner_id)
        with self.assertRaisesRegex(UserError, "armed already"):
            self.env["energy.drill"].create({"policy_id": self.policy.id}).action_arm()
        self.policy.action_disarm()
        self.assertEqual(self.point.desired_state, "closed")

    def test_arming_is_not_written_by_hand(self):
        manager = new_test_user(
            self.env, "arm_w", groups="prepaid_energy.group_energy_manager"
        )
        policy = self.policy.with_user(manager)
        self.policy.action_disarm()
        with self.assertRaisesRegex(UserError, "begins with the drill"):
            policy.armed = True
        with self.assertRaisesRegex(UserError, "begins with the drill"):
            policy.create({"name": "New", "armed": True})
        forged = policy.with_context(default_armed=True).create({"name": "New"})
        self.assertFalse(forged.armed)
        self.policy.armed = True
        self.assertFalse(self.policy.copy().armed)
        accountant = new_test_user(
            self.env, "arm_a", groups="prepaid_energy.group_energy_accountant"
        )
        for act in ("action_disarm", "action_arm"):
            with self.assertRaises(AccessError):
                drill = getattr(self.policy.with_user(accountant), act)()
                self.env["energy.drill"].with_user(accountant).with_context(
                    **drill["context"]
                ).create({})

    def test_arming_at_night_waits_for_cut_off_hours(self):
        self.policy.calendar_id = self.office_hours()
        with freeze_time(f"{FRIDAY} 10:00:00"):
            self.unarmed()
        with freeze_time(f"{FRIDAY} 22:00:00"):
            self.drill().action_arm()
            self.assertEqual(self.point.desired_state, "closed")
            self.assertRegex(self.messages()[0], r"\b6/16/26, 8:00\sAM")
        with freeze_time("2026-06-16 08:00:00"):
            self.env["energy.wallet"]._cron_policy()
            self.assertEqual(self.point.desired_state, "open")

    def test_arming_gives_the_grace_time(self):
        self.unarmed()
        self.policy.grace_hours = 5
        drill = self.drill()
        self.assertGreater(drill.line_ids.cut_from, datetime.now() + timedelta(hours=4))
        self.assertEqual((drill.wallet_count, drill.point_count), (1, 1))
        drill.action_arm()
        self.assertEqual(self.point.desired_state, "closed")
        self.assertIn("unless you top up", self.messages()[0])

    def test_resuming_at_night_waits_for_cut_off_hours(self):
        self.policy.calendar_id = self.office_hours()
        self.site.stop_reason = "Storm"
        with freeze_time(f"{FRIDAY} 10:00:00"):
            self.site.action_stop_cutoffs()
            self.topup("-40", "use")
        with freeze_time(f"{FRIDAY} 22:00:00"):
            self.site.action_resume_cutoffs()
            self.assertEqual(self.point.desired_state, "closed")
        with freeze_time("2026-06-16 09:00:00"):
            self.env["energy.wallet"]._cron_policy()
            self.assertEqual(self.point.desired_state, "open")

    def test_a_day_off_that_was_entered_late_counts(self):
        self.policy.calendar_id = self.office_hours()
        with freeze_time(f"{FRIDAY} 18:00:00"):
            self.topup("-40", "use")
        self.env["resource.calendar.leaves"].create(
            {
                "name": "Public holiday",
                "calendar_id": False,
                "company_id": self.company.id,
                "date_from": "2026-06-16 00:00:00",
                "date_to": "2026-06-16 23:59:59",
            }
        )
        with freeze_time("2026-06-16 08:00:00"):
            self.env["energy.wallet"]._cron_policy()
            self.assertEqual(self.point.desired_state, "closed")
        with freeze_time("2026-06-17 08:00:00"):
            self.env["energy.wallet"]._cron_policy()
            self.assertEqual(self.point.desired_state, "open")

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
        self.assertEqual(self.policy.stopped_site_ids, self.site)
        self.assertTrue(self.point.cutoffs_stopped)
        self.topup("-1", "more")
        self.assertEqual(self.point.desired_state, "closed")
        self.site.action_resume_cutoffs()
        self.assertEqual(self.point.desired_state, "open")
        self.assertFalse(self.policy.stopped_site_ids)

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
        for values in (
            {"grace_hours": -1},
            {"debt_percent": 101},
            {"warning_threshold": -1},
        ):
            with self.assertRaises(ValidationError, msg=values):
                with self.env.cr.savepoint():
                    self.policy.write(values)
            self.env.invalidate_all()
        for values in (
            {"low_limit_kw": -1},
            {"overload_rearms": -1},
            {"overload_rearms": 11},
            {"rearm_minutes": 0},
            {"level_ids": [Command.create({"basis": "days", "days": 0})]},
        ):
            with self.assertRaises(CheckViolation, msg=values):
                with mute_logger("odoo.sql_db"), self.env.cr.savepoint():
                    self.policy.write(values)
                    self.env.flush_all()
            self.env.invalidate_all()
