from datetime import timedelta

from odoo import fields
from odoo.tests import new_test_user, tagged

from .relay_case import RelayCase


@tagged("post_install", "-at_install")
class TestAlarm(RelayCase):
    """Each alarm once, for whom the site names, closed when the cause is gone."""

    def silence(self, minutes=10):
        self.env.cr.execute(
            "UPDATE energy_gateway SET last_seen = %s WHERE id = %s",
            [fields.Datetime.now() - timedelta(minutes=minutes), self.gateway.id],
        )
        self.gateway.invalidate_recordset()

    def watch(self):
        self.env["energy.gateway"]._cron_watch()

    # ------------------------------------------------------------------ gateway

    def test_a_silent_gateway_calls_once_and_closes_when_it_is_back(self):
        self.silence()
        self.watch()
        self.watch()
        self.assertFalse(self.gateway.online)
        self.assertEqual(self.alarms(self.gateway), ["alarm_gateway"])
        self.poll("closed")
        self.assertTrue(self.gateway.online)
        self.assertEqual(self.alarms(self.gateway), [])
        self.assertIn("is back", self.gateway.message_ids[0].body)
        self.watch()
        self.assertEqual(self.alarms(self.gateway), [])

    def test_a_gateway_that_speaks_is_not_silent(self):
        self.silence(minutes=1)
        self.watch()
        self.assertEqual(self.alarms(self.gateway), [])

    def test_alarms_are_for_whom_the_site_names(self):
        olga = new_test_user(
            self.env, "olga", groups="prepaid_energy.group_energy_operator"
        )
        self.site.user_id = olga
        self.silence()
        self.watch()
        self.event("tamper")
        self.assertEqual(self.gateway.activity_ids.user_id, olga)
        self.assertEqual(self.point.activity_ids.user_id, olga)

    def test_without_a_name_they_are_on_the_record(self):
        self.site.user_id = False
        self.event("tamper")
        self.assertEqual(self.alarms(), ["alarm_tamper"])
        self.assertFalse(self.point.activity_ids.user_id)

    def test_the_language_of_who_looks_does_not_double_them(self):
        self.event("tamper")
        self.point.activity_ids.summary = "Manipulation"
        self.event("tamper", 60)
        self.assertEqual(len(self.point.activity_ids), 1)

    # ------------------------------------------------------------------ relay

    def test_a_relay_that_does_not_follow_and_follows_again(self):
        (command,) = self.run_dry()
        self.bridge.report(
            [{"id": command["id"], "outcome": "failed", "detail": "<b>stuck</b>"}]
        )
        self.assertEqual(self.alarms(), ["alarm_relay"])
        self.assertIn("&lt;b&gt;", self.point.activity_ids.note, "as text")
        self.meter.relay_retry_at = fields.Datetime.now()
        (again,) = self.poll("closed", command["generation"])
        self.assertEqual(self.alarms(), ["alarm_relay"], "still")
        self.poll("open", again["generation"])
        self.assertEqual(self.alarms(), [])
        self.assertIn("follows again", self.point.message_ids[0].body)

    def test_the_pauses_grow(self):
        generation = 0
        self.run_dry()
        for minutes in (1, 2, 4, 8, 16, 32, 32):
            self.command()[0].expires_at = fields.Datetime.now()
            self.assertEqual(self.poll("closed", generation), [])
            wait = self.meter.relay_retry_at - fields.Datetime.now()
            expected = timedelta(minutes=minutes)
            self.assertAlmostEqual(wait, expected, delta=timedelta(seconds=5))
            self.meter.relay_retry_at = fields.Datetime.now()
            (again,) = self.poll("closed", generation)
            self.assertGreater(again["generation"], generation)
        self.assertEqual(self.alarms(), ["alarm_relay"])

    def test_a_relay_opened_on_site_closes_its_alarm_on_site(self):
        self.topup("100")
        self.poll("open")
        self.poll("open")
        self.assertEqual(self.alarms(), ["alarm_relay_site"])
        self.poll("closed")
        self.assertEqual(self.alarms(), [])

    def test_a_relay_that_closed_by_itself_stays_for_a_person(self):
        (command,) = self.run_dry()
        self.poll("open", command["generation"])
        (again,) = self.poll("closed", command["generation"])
        self.poll("open", again["generation"])
        self.assertEqual(self.alarms(), ["alarm_relay_self"])

    def test_the_first_state_of_a_new_meter_is_no_misbehaviour(self):
        (command,) = self.run_dry()
        self.poll("open", command["generation"])
        self.meter.installation_ids.date_to = fields.Datetime.now()
        meter = self.env["energy.meter"].create(
            {"serial": "M-NEW", "gateway_id": self.gateway.id, "has_relay": True}
        )
        self.env["energy.meter.installation"].create(
            {"meter_id": meter.id, "service_point_id": self.point.id}
        )
        (again,) = self.poll("closed", serial="M-NEW")
        self.assertEqual(again["value"], "open")
        self.assertEqual(self.alarms(), [])

    # ------------------------------------------------------------------ events

    def test_events_that_a_person_must_see(self):
        for kind, alarm in (
            ("tamper", "alarm_tamper"),
            ("meter_exchanged", "alarm_exchange"),
            ("clock_step", "alarm_clock"),
        ):
            self.event(kind, 60)
            self.event(kind, 120)
            self.assertEqual(self.alarms(), [alarm])
            self.point.activity_ids.action_feedback()
            self.event(kind, 180)
            self.assertEqual(self.alarms(), [alarm], "a new one after it was done")
            self.point.activity_ids.action_feedback()

    def test_power_comes_back(self):
        self.event("power_lost", 60)
        self.assertEqual(self.alarms(), ["alarm_power"])
        self.event("power_restored", 120)
        self.assertEqual(self.alarms(), [])

    def test_power_events_in_the_wrong_order(self):
        self.event("power_restored", 120)
        self.event("power_lost", 60)
        self.assertEqual(self.alarms(), [], "it is back already")
        self.event("power_lost", 180)
        self.event("power_restored", 150)
        self.assertEqual(self.alarms(), ["alarm_power"], "it was lost again")

    def test_events_of_a_bridge_itself(self):
        self.event("clock_step", serial=None)
        self.event("power_restored", serial=None)
        self.assertEqual(self.alarms(self.gateway), ["alarm_gateway_event"])
        self.assertIn("Clock Step", self.gateway.activity_ids.summary)

    def test_a_trip_without_a_known_meter_does_not_break_the_batch(self):
        self.event("overload_trip", serial="M-UNKNOWN")
        self.assertFalse(self.point.tripped)

    def test_a_register_that_moves_again(self):
        self.point.validation_id = self.env["energy.validation"].create(
            {"name": "Strict", "stuck_hours": 0.1}
        )
        self.ingest((0, "1"), (1800, "1"))
        for _twice in range(2):
            self.env["energy.meter"]._cron_watch_stuck()
        self.assertEqual(self.alarms(), ["alarm_stuck"])
        self.ingest((2400, "2"))
        self.env["energy.meter"]._cron_watch_stuck()
        self.assertEqual(self.alarms(), [])
        self.assertIn("moves again", self.point.message_ids[0].body)
