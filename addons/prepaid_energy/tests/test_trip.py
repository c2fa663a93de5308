from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .common import add_point
from .relay_case import RelayCase

HOUR = 3600


@tagged("post_install", "-at_install")
class TestTrip(RelayCase):
    def setUp(self):
        super().setUp()
        self.topup("100")

    def trip(self, seconds=0, serial="M-1"):
        return self.event("overload_trip", seconds, serial)

    def wait(self):
        """The time of a planned re-arm has come."""
        self.point.rearm_at = fields.Datetime.now() - timedelta(seconds=1)
        self.env["energy.service.point"]._cron_rearm()

    def allow(self, rearms):
        self.policy.write({"overload_rearms": rearms, "rearm_minutes": 5})

    def test_a_trip_waits_for_confirmation_on_site(self):
        self.event("overload_trip", uid="e-same")
        self.event("overload_trip", uid="e-same")
        self.assertTrue(self.point.tripped)
        self.assertEqual(self.point.supply_state, "tripped")
        self.assertEqual(self.alarms(), ["alarm_trip"])
        self.assertEqual(self.poll("open"), [], "it is not re-armed")
        self.confirm()
        (command,) = self.poll("open")
        self.assertEqual(command["value"], "closed")
        self.assertEqual(self.alarms(), [])

    def test_who_confirmed_when_and_what_was_found(self):
        operator = new_test_user(
            self.env, "trip_op", groups="prepaid_energy.group_energy_operator"
        )
        self.trip()
        action = self.point.with_user(operator).action_confirm_on_site()
        self.assertEqual(action["res_model"], "energy.trip.confirm")
        self.assertTrue(self.point.tripped, "asking is not confirming")
        self.confirm("Pump seized", user=operator)
        self.assertEqual(self.point.trip_user_id, operator)
        self.assertEqual(self.point.trip_note, "Pump seized")
        self.assertTrue(self.point.trip_cleared_at)
        self.assertIn("Pump seized", self.point.message_ids[0].body)
        self.assertEqual(self.point.message_ids[0].author_id, operator.partner_id)
        command = self.command()[0]
        self.assertIn("confirmed on site", command.reason)
        self.assertEqual(command.user_id, operator)

    def test_a_confirmation_needs_a_note_a_right_and_a_trip(self):
        with self.assertRaisesRegex(UserError, "not tripped"):
            self.confirm()
        self.trip()
        with self.assertRaisesRegex(UserError, "what you found"):
            self.confirm("  ")
        reader = new_test_user(
            self.env, "trip_reader", groups="prepaid_energy.group_energy_user"
        )
        with self.assertRaises(AccessError):
            self.confirm(user=reader)
        with self.assertRaises(AccessError):
            self.point.with_user(reader)._confirm_on_site("I was not there")
        self.assertTrue(self.point.tripped)

    def test_a_trip_cannot_be_forged_away(self):
        self.trip()
        manager = new_test_user(
            self.env, "trip_m", groups="prepaid_energy.group_energy_manager"
        )
        point = self.point.with_user(manager)
        for values in (
            {"tripped": False},
            {"rearms": 0},
            {"rearm_at": fields.Datetime.now()},
            {"trip_cleared_at": fields.Datetime.now()},
            {"trip_note": "fine"},
        ):
            with self.assertRaisesRegex(UserError, "buttons"):
                point.write(values)
        forged = point.with_context(
            default_trip_cleared_at="2099-01-01 00:00:00", default_rearms=-5
        )
        new = forged.create(
            {"name": "New", "site_id": self.site.id, "tariff_id": self.tariff.id}
        )
        self.assertFalse(new.trip_cleared_at)
        self.assertEqual(new.rearms, 0)

    def test_an_older_trip_that_comes_late_changes_nothing(self):
        self.trip(60)
        self.confirm()
        self.trip(0)
        self.assertFalse(self.point.tripped)
        self.assertEqual(self.point.desired_state, "closed")
        self.assertIn("reported late", self.point.message_ids[0].body)
        self.trip(HOUR + 5)
        self.assertTrue(self.point.tripped, "a new one does")

    def test_a_trip_of_a_meter_that_was_elsewhere_then(self):
        other, spare = add_point(self, "M-SPARE")
        spare.installation_ids.date_to = fields.Datetime.now()
        self.meter.installation_ids.date_to = fields.Datetime.now()
        self.env["energy.meter.installation"].create(
            {"meter_id": self.meter.id, "service_point_id": other.id}
        )
        self.trip(0)
        self.assertFalse(other.tripped)

    def test_a_close_command_in_flight_is_withdrawn(self):
        self.point.action_switch_off()
        self.point.action_switch_on()
        (command,) = self.poll("open")
        self.assertEqual(command["value"], "closed")
        answer = self.trip()
        self.assertEqual(answer["commands"], [])
        self.assertEqual(self.poll("open"), [])
        self.assertEqual(self.command()[0].state, "superseded")
        self.bridge.report(
            [{"id": command["id"], "outcome": "verified", "observed": "closed"}]
        )
        self.assertEqual(self.command()[0].state, "superseded", "it ended before")

    # ------------------------------------------------------------------ re-arms

    def test_re_arms_count_since_the_last_confirmation(self):
        self.allow(2)
        for turn in (1, 2):
            self.trip(HOUR + turn * 300)
            self.assertTrue(self.point.tripped)
            self.assertEqual(self.poll("open"), [], "it waits first")
            self.assertEqual(self.alarms(), [], "nobody is called yet")
            self.wait()
            self.assertFalse(self.point.tripped)
            self.assertEqual(self.point.rearms, turn)
            self.assertIn("Closed again by itself", self.point.message_ids[0].body)
            self.assertIn("by itself", self.command()[0].reason)
        self.trip(HOUR + 900)
        self.assertFalse(self.point.rearm_at)
        self.assertEqual(self.alarms(), ["alarm_trip"], "the third time a person")
        self.wait()
        self.assertTrue(self.point.tripped)
        self.confirm()
        self.assertEqual(self.point.rearms, 0)
        self.trip(HOUR + 1800)
        self.assertTrue(self.point.rearm_at, "they count anew")

    def test_a_re_arm_waits_its_time(self):
        self.allow(1)
        self.trip()
        wait = self.point.rearm_at - fields.Datetime.now()
        self.assertGreater(wait, timedelta(minutes=4))
        self.env["energy.service.point"]._cron_rearm()
        self.assertTrue(self.point.tripped)
        trigger = self.env["ir.cron.trigger"].search(
            [("cron_id", "=", self.env.ref("prepaid_energy.cron_rearm").id)]
        )
        self.assertIn(self.point.rearm_at, trigger.mapped("call_at"))

    def test_a_late_event_of_a_trip_that_was_re_armed(self):
        self.allow(5)
        self.trip(0)
        self.wait()
        self.trip(0)
        self.assertFalse(self.point.tripped)
        self.assertEqual(self.point.rearms, 1)

    def test_no_re_arm_of_life_safety_or_its_feeder(self):
        self.allow(5)
        _fan, _meter = add_point(
            self, "M-FAN", parent_id=self.point.id, life_safety=True
        )
        self.trip()
        self.assertFalse(self.point.rearm_at)
        self.assertEqual(self.point.desired_state, "hold")
        self.wait()
        self.assertTrue(self.point.tripped)
        self.assertEqual(self.alarms(), ["alarm_trip"])

    def test_no_re_arm_after_a_lock_out(self):
        self.allow(5)
        self.trip()
        self.lock_out()
        self.wait()
        self.assertTrue(self.point.tripped)
        self.assertFalse(self.point.rearm_at)
        self.assertEqual(self.alarms(), ["alarm_trip"])
        self.point.action_release()
        self.assertEqual(self.point.desired_state, "hold", "still not confirmed")

    def test_no_re_arm_without_a_policy(self):
        self.point.wallet_id = False
        self.trip()
        self.assertFalse(self.point.rearm_at)
        self.assertEqual(self.alarms(), ["alarm_trip"])

    def test_a_re_armed_point_stays_off_for_lack_of_money(self):
        self.allow(5)
        self.topup("-200")
        self.trip()
        self.wait()
        self.assertFalse(self.point.tripped)
        self.assertEqual(self.point.desired_state, "open")
