from datetime import timedelta

from psycopg2.errors import CheckViolation

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import add_point, credit
from .relay_case import RelayCase


@tagged("post_install", "-at_install")
class TestRelay(RelayCase):
    def test_zero_crossing_and_cut_off_in_the_same_response(self):
        (command,) = self.run_dry()
        self.assertEqual(
            (command["meter_serial"], command["kind"], command["value"]),
            ("M-1", "relay", "open"),
        )
        self.assertEqual(self.wallet.level, "cut")
        self.assertEqual(self.point.supply_state, "moving")

    def test_cut_off_read_back_and_restored_by_a_top_up(self):
        (command,) = self.run_dry()
        self.bridge.report(
            [{"id": command["id"], "outcome": "verified", "observed": "open"}]
        )
        self.assertEqual(self.command().state, "verified")
        self.assertEqual(self.point.supply_state, "off")
        self.assertEqual(self.poll("open", command["generation"]), [])
        credit(self.wallet, "50", "test:again")
        (restore,) = self.poll("open", command["generation"])
        self.assertEqual(restore["value"], "closed")
        self.assertGreater(restore["generation"], command["generation"])
        self.assertEqual(self.poll("closed", restore["generation"]), [])
        self.assertEqual(self.point.supply_state, "on")
        self.assertEqual(set(self.command().mapped("state")), {"verified"})

    def test_a_small_top_up_does_not_restore(self):
        self.run_dry()
        credit(self.wallet, "2", "test:small")
        self.assertEqual(self.wallet.level, "cut")
        self.assertEqual(self.point.desired_state, "open")

    def test_an_unarmed_policy_opens_nothing(self):
        self.policy.armed = False
        self.assertEqual(self.run_dry(), [])
        self.assertEqual(self.wallet.level, "cut")
        self.policy.armed = True
        (command,) = self.poll("closed")
        self.assertEqual(command["value"], "open")

    def test_life_safety_is_never_cut(self):
        self.point.life_safety = True
        self.assertEqual(self.run_dry(), [])
        self.assertEqual(self.wallet.level, "cut")
        with self.assertRaises(UserError):
            self.point.action_switch_off()
        with self.assertRaises(ValidationError):
            self.env["energy.command"].create(
                {
                    "meter_id": self.meter.id,
                    "service_point_id": self.point.id,
                    "value": "open",
                    "expires_at": fields.Datetime.now(),
                }
            )

    def test_a_feeder_of_a_life_safety_load_is_never_cut(self):
        """Opening what feeds the fan would stop the fan."""
        middle, _meter = add_point(self, "M-MIDDLE", parent_id=self.point.id)
        fan, _meter = add_point(self, "M-FAN", parent_id=middle.id, life_safety=True)
        self.assertTrue(self.point.never_cut)
        self.assertEqual(self.run_dry(), [])
        with self.assertRaisesRegex(UserError, "feeds one"):
            self.point.action_switch_off()
        fan.parent_id = False
        (command,) = self.poll("closed")
        self.assertEqual(command["value"], "open", "nothing to protect any more")
        self.poll("open", command["generation"])
        middle.life_safety = True
        (command,) = self.poll("open", command["generation"])
        self.assertEqual(command["value"], "closed", "the feeder comes back by itself")

    def test_the_database_itself_guards_life_safety_and_lock_out(self):
        self.point.life_safety = True
        self.env.flush_all()
        for statement in (
            "UPDATE energy_service_point SET desired_state = 'open' WHERE id = %s",
            "UPDATE energy_service_point SET locked_out = true WHERE id = %s",
        ):
            with self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"):
                with self.env.cr.savepoint():
                    self.env.cr.execute(statement, [self.point.id])

    def test_becoming_life_safety_brings_supply_back(self):
        (command,) = self.run_dry()
        self.poll("open", command["generation"])
        self.point.life_safety = True
        (restore,) = self.poll("open", command["generation"])
        self.assertEqual(restore["value"], "closed")

    def test_lock_out_opens_and_no_top_up_closes(self):
        self.lock_out()
        (command,) = self.poll("closed")
        self.assertEqual(command["value"], "open")
        self.poll("open", command["generation"])
        credit(self.wallet, "100", "test:rich")
        self.assertEqual(self.poll("open", command["generation"]), [])
        self.assertEqual(self.point.supply_state, "locked")
        with self.assertRaises(ValidationError):
            self.env["energy.command"].create(
                {
                    "meter_id": self.meter.id,
                    "service_point_id": self.point.id,
                    "value": "closed",
                    "expires_at": fields.Datetime.now(),
                }
            )

    def test_only_who_locked_out_or_a_manager_releases(self):
        one, two = (
            new_test_user(
                self.env, login, groups="prepaid_energy.group_energy_operator"
            )
            for login in ("operator_one", "operator_two")
        )
        self.lock_out(user=one)
        with self.assertRaisesRegex(UserError, "locked out by"):
            self.point.with_user(two).action_release()
        self.point.with_user(one).action_release()
        self.assertFalse(self.point.locked_out)

    def test_a_lock_out_cannot_be_taken_over(self):
        one, two = (
            new_test_user(
                self.env, login, groups="prepaid_energy.group_energy_operator"
            )
            for login in ("locker_one", "locker_two")
        )
        self.lock_out(user=one)
        with self.assertRaisesRegex(UserError, "already"):
            self.lock_out(user=two)

    def test_a_meter_that_moves_takes_no_command_along(self):
        (command,) = self.run_dry()
        fan, spare = add_point(self, "M-SPARE", life_safety=True)
        spare.installation_ids.date_to = fields.Datetime.now()
        self.meter.installation_ids.date_to = fields.Datetime.now()
        self.install(self.meter, fan)
        self.assertEqual(self.poll("closed"), [])
        self.assertEqual(self.command().state, "superseded")

    def test_a_relay_does_not_leave_a_lock_behind_by_moving(self):
        self.lock_out()
        self.meter.installation_ids.date_to = fields.Datetime.now()
        other, spare = add_point(self, "M-SPARE")
        spare.installation_ids.date_to = fields.Datetime.now()
        with self.assertRaisesRegex(UserError, "locked out"):
            self.install(self.meter, other)

    def install(self, meter, point):
        return self.env["energy.meter.installation"].create(
            {"meter_id": meter.id, "service_point_id": point.id}
        )

    def test_generations_go_on_where_the_meter_was_before(self):
        self.poll("closed", 50)
        (command,) = self.run_dry()
        self.assertEqual(command["generation"], 51)

    def test_what_is_in_use_is_not_archived(self):
        for record in (self.point, self.meter, self.wallet, self.policy):
            with self.assertRaises(UserError, msg=record):
                record.active = False

    def test_lock_out_of_life_safety_means_hands_off(self):
        self.point.life_safety = True
        self.lock_out()
        self.assertEqual(self.point.desired_state, "hold")
        self.assertEqual(self.poll("closed"), [])

    def test_switch_off_and_on_from_the_office(self):
        self.point.action_switch_off()
        (command,) = self.poll("closed")
        self.assertEqual(command["value"], "open")
        self.poll("open", command["generation"])
        self.point.action_switch_on()
        (command,) = self.poll("open", command["generation"])
        self.assertEqual(command["value"], "closed")

    def test_a_newer_wish_replaces_an_older_command(self):
        self.point.action_switch_off()
        self.point.action_switch_on()
        (command,) = self.poll("closed")
        self.assertEqual((command["value"], command["generation"]), ("closed", 2))
        self.assertEqual(self.command().mapped("state"), ["sent", "superseded"])

    def test_an_expired_command_is_not_handed_out(self):
        (first,) = self.run_dry()
        self.command().expires_at = fields.Datetime.now() - timedelta(seconds=1)
        self.assertEqual(self.poll("closed"), [])
        self.assertEqual(self.command().state, "expired")
        self.assertIn("does not follow", self.point.activity_ids.summary)
        self.assertEqual(self.poll("closed"), [], "it waits before it tries again")
        self.meter.relay_retry_at = fields.Datetime.now()
        (second,) = self.poll("closed")
        self.assertGreater(second["generation"], first["generation"])

    def test_a_failed_command_is_reported_not_assumed(self):
        (command,) = self.run_dry()
        result = {"id": command["id"], "outcome": "verified", "observed": "closed"}
        self.bridge.report([{**result, "detail": "stuck"}])
        self.assertEqual(self.command().state, "failed")
        self.assertEqual(self.point.supply_state, "moving")
        self.assertEqual(len(self.point.activity_ids), 1)

    def test_a_relay_that_closes_by_itself_is_opened_again(self):
        (command,) = self.run_dry()
        self.poll("open", command["generation"])
        (again,) = self.poll("closed", command["generation"])
        self.assertEqual(again["value"], "open")

    def test_a_relay_opened_on_site_is_not_closed_from_here(self):
        credit(self.wallet, "100", "test:rich")
        self.assertEqual(self.poll("open"), [])
        self.assertIn("opened on site", self.point.activity_ids.summary)
        self.assertEqual(self.poll("open"), [])
        self.assertEqual(len(self.point.activity_ids), 1)

    def test_results_of_foreign_commands_are_not_taken(self):
        other = self.gateway.copy({"name": "Other"})
        point, meter = add_point(self, "M-FOREIGN")
        meter.gateway_id = other
        point.action_switch_off()
        foreign = self.env["energy.command"].search([("meter_id", "=", meter.id)])
        answer = self.bridge.report(
            [{"id": foreign.id, "outcome": "verified", "observed": "open"}, "rubbish"]
        )
        self.assertEqual(answer, {"accepted": 0, "unknown": [foreign.id]})
        self.assertEqual(foreign.state, "pending")
        self.assertEqual(self.poll("open", 9, serial="M-FOREIGN"), [])
        self.assertEqual(meter.relay_state, "unknown")

    def test_a_meter_that_is_not_named_is_as_it_was_reported_last(self):
        (command,) = self.run_dry()
        self.poll("open", command["generation"])
        self.poll("closed", command["generation"])  # by itself: opened again
        again = self.bridge.commands([])["commands"]
        self.assertEqual([c["value"] for c in again], ["open"])
        self.assertGreater(again[0]["generation"], command["generation"])
        self.command(("state", "=", "sent"))._finish("failed")
        self.meter.relay_retry_at = False
        (third,) = self.bridge.commands([])["commands"]
        self.assertGreater(third["generation"], again[0]["generation"])
        self.poll("open", third["generation"])
        self.assertEqual(self.bridge.commands([])["commands"], [])
        self.assertEqual(self.meter.relay_state, "open")

    def test_no_power_flows_through_an_open_relay(self):
        self.poll("closed")
        now = fields.Datetime.now()
        said = ["M-1", f"{now - timedelta(minutes=1)}Z", {"p": 2.5}]
        self.bridge.ingest({"uid": "power", "readings": [], "telemetry": [said]})
        self.assertEqual(self.point.power_kw, 2.5)
        self.poll("open")
        self.assertEqual(self.point.power_kw, 0)
        self.assertEqual(self.meter.telemetry["p"], 2.5, "what was measured stays")
        said = ["M-1", f"{now}Z", {"p": 2.4}]  # a bridge over the relay
        self.bridge.ingest({"uid": "again", "readings": [], "telemetry": [said]})
        self.assertEqual(self.meter.power_kw, 2.4)

    def test_polls_without_news_write_nothing(self):
        self.poll("closed")
        self.env.flush_all()
        before = self.env.cr.sql_log_count
        self.poll("closed")
        self.env.flush_all()
        self.assertLess(self.env.cr.sql_log_count - before, 8)

    def test_desired_state_cannot_be_written(self):
        with self.assertRaises(UserError):
            self.point.desired_state = "open"
