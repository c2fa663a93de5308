from datetime import timedelta

from psycopg2.errors import CheckViolation

from odoo import fields
from odoo.exceptions import UserError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import add_point
from .relay_case import RelayCase


@tagged("post_install", "-at_install")
class TestLoadLimit(RelayCase):
    def setUp(self):
        super().setUp()
        self.topup("100")
        self.meter.can_limit = True

    def limits(self, answer):
        """The load limits in a list of commands, as (value, generation)."""
        return [
            (row["value"], row["generation"])
            for row in answer
            if row["kind"] == "load_limit"
        ]

    def poll_limit(self, limit=None, **more):
        return self.limits(self.poll("closed", load_limit_kw=limit, **more))

    def set_limit(self, value):
        self.point.load_limit_kw = value

    # ------------------------------------------------------------------ it converges

    def test_a_limit_is_pushed_and_verified_by_the_poll(self):
        self.set_limit(5.5)
        self.assertEqual(self.poll_limit(0), [("5.5", 1)])
        self.assertEqual(self.command().state, "sent")
        self.assertEqual(self.poll_limit(0), [("5.5", 1)], "until it is verified")
        self.assertEqual(self.poll_limit("5.500"), [])
        self.assertEqual(self.command().state, "verified")
        self.assertEqual(self.meter.load_limit_kw, 5.5)
        self.assertEqual(self.command().observed, "5.5")

    def test_a_limit_is_verified_by_the_report(self):
        self.set_limit(5)
        (row,) = self.poll("closed")
        result = {"id": row["id"], "outcome": "verified", "observed": "5.0"}
        self.bridge.report([result])
        self.assertEqual(self.command().state, "verified")
        self.assertEqual(self.meter.load_limit_kw, 5)
        self.assertEqual(self.poll_limit(), [], "a bridge that cannot read it back")

    def test_verified_with_another_value_is_a_failure(self):
        self.set_limit(5)
        (row,) = self.poll("closed")
        for observed in ("50", None, "five", True):
            self.bridge.report(
                [{"id": row["id"], "outcome": "verified", "observed": observed}]
            )
        self.assertEqual(self.command().state, "failed")
        self.assertEqual(self.alarms(), ["alarm_limit"])

    def test_the_newest_limit_wins(self):
        for value in (5, 7, 6):
            self.set_limit(value)
        self.assertEqual(self.poll_limit(0), [("6", 3)])
        states = self.command().mapped("state")
        self.assertEqual(states, ["sent", "superseded", "superseded"])
        older = self.command()[-1]
        self.bridge.report([{"id": older.id, "outcome": "verified", "observed": "5"}])
        self.assertEqual(older.state, "superseded")
        self.assertEqual(self.point.wanted_limit_kw, 6)
        self.assertEqual(self.poll_limit(5), [("6", 3)], "still due")
        self.assertEqual(self.poll_limit(6), [])

    def test_lifting_the_limit_is_a_command_as_well(self):
        self.set_limit(5)
        self.poll_limit(5)
        self.set_limit(0)
        self.assertEqual(self.poll_limit(5), [("0", 2)])
        self.assertEqual(self.poll_limit(0), [])
        self.assertEqual(self.command()[0].summary, "Lift the load limit")

    def test_an_expired_limit_is_not_handed_out_and_tried_again_later(self):
        self.set_limit(5)
        past = fields.Datetime.now() - timedelta(seconds=1)
        for failures in (1, 2, 3):
            self.command()[0].expires_at = past
            self.assertEqual(self.poll_limit(0), [])
            self.assertEqual(self.command()[0].state, "expired")
            self.assertEqual(self.meter.limit_failures, failures)
            wait = self.meter.limit_retry_at - fields.Datetime.now()
            minutes = timedelta(minutes=2 ** (failures - 1))
            self.assertAlmostEqual(wait, minutes, delta=timedelta(seconds=5))
            self.assertEqual(self.poll_limit(0), [], "it waits first")
            self.meter.limit_retry_at = past
            self.assertEqual(self.poll_limit(0), [("5", failures + 1)])
        self.assertEqual(self.alarms(), ["alarm_limit"], "once")
        self.poll_limit(5)
        self.assertEqual(self.alarms(), [], "closed by itself")
        self.assertEqual(self.meter.limit_failures, 0)

    def test_a_limit_that_was_changed_on_site_is_set_again(self):
        self.set_limit(5)
        self.poll_limit(5)
        self.assertEqual(self.poll_limit(9), [("5", 2)])
        self.assertIn("changed on site", self.point.activity_ids.summary)
        self.poll_limit(5)
        self.assertEqual(self.poll_limit(9), [], "at most once a minute")
        self.meter.limit_retry_at = fields.Datetime.now()
        self.assertEqual(self.poll_limit(9), [("5", 3)])

    def test_a_limit_that_software_never_set_is_left_alone(self):
        self.assertEqual(self.poll_limit(30), [])
        self.assertEqual(self.meter.load_limit_kw, 30)
        self.assertFalse(self.command())

    def test_a_new_meter_gets_the_limit(self):
        self.set_limit(5)
        self.poll_limit(5)
        self.meter.installation_ids.date_to = fields.Datetime.now()
        meter = self.env["energy.meter"].create(
            {"serial": "M-NEW", "gateway_id": self.gateway.id, "can_limit": True}
        )
        self.env["energy.meter.installation"].create(
            {"meter_id": meter.id, "service_point_id": self.point.id}
        )
        answer = self.poll_limit(serial="M-NEW")
        self.assertEqual(answer, [("5", 2)], "also where it cannot be read back")

    def test_a_meter_that_moves_takes_no_limit_along(self):
        self.set_limit(5)
        self.poll_limit(5)
        other, spare = add_point(self, "M-SPARE")
        for meter in (spare, self.meter):
            meter.installation_ids.date_to = fields.Datetime.now()
        self.env["energy.meter.installation"].create(
            {"meter_id": self.meter.id, "service_point_id": other.id}
        )
        self.assertEqual(self.poll_limit(5), [("0", 2)])

    def test_a_meter_that_cannot_limit_gets_nothing(self):
        self.meter.can_limit = False
        self.set_limit(5)
        self.assertEqual(self.poll_limit(0), [])
        self.assertEqual(self.point.wanted_limit_kw, 5)

    def test_rubbish_of_a_bridge_changes_nothing(self):
        self.set_limit(5)
        self.poll_limit(5)
        for limit in ("x", -1, True, [], {}, "nan", "1e400"):
            self.assertEqual(self.poll_limit(limit), [])
        self.assertEqual(self.meter.load_limit_kw, 5)

    def test_relay_and_limit_have_generations_of_their_own(self):
        self.set_limit(5)
        self.point.action_switch_off()
        self.point.action_switch_on()
        generations = {row["kind"]: row["generation"] for row in self.poll("open")}
        self.assertEqual(generations, {"load_limit": 1, "relay": 2})

    def test_a_quiet_poll_is_cheap(self):
        self.set_limit(5)
        for _twice in range(2):
            self.poll_limit(5)
        self.env.flush_all()
        before = self.env.cr.sql_log_count
        self.poll_limit(5)
        self.env.flush_all()
        self.assertLess(self.env.cr.sql_log_count - before, 9)

    # ------------------------------------------------------------------ what is allowed

    def test_limits_that_make_no_sense_are_refused(self):
        self.point.max_power_kw = 10
        with self.assertRaisesRegex(ValidationError, "physical maximum"):
            with self.env.cr.savepoint():
                self.set_limit(11)
        with self.assertRaisesRegex(CheckViolation, "limit_positive"):
            with mute_logger("odoo.sql_db"), self.env.cr.savepoint():
                self.set_limit(-1)
                self.env.flush_all()
        self.env.invalidate_all()
        self.set_limit(10)
        with self.assertRaises(ValidationError), self.env.cr.savepoint():
            self.point.max_power_kw = 9

    def test_no_limit_for_what_is_never_cut(self):
        self.set_limit(5)
        with self.assertRaisesRegex(ValidationError, "no load limit"):
            with self.env.cr.savepoint():
                self.point.life_safety = True
        self.env.invalidate_all()
        self.set_limit(0)
        add_point(self, "M-FAN", parent_id=self.point.id, life_safety=True)
        with self.assertRaisesRegex(ValidationError, "no load limit"):
            with self.env.cr.savepoint():
                self.set_limit(5)

    def test_a_feeder_loses_its_limit_when_life_safety_comes_below_it(self):
        self.set_limit(5)
        self.poll_limit(5)
        fan, _meter = add_point(self, "M-FAN", parent_id=self.point.id)
        fan.life_safety = True
        self.assertEqual(self.point.wanted_limit_kw, 0)
        self.assertEqual(self.poll_limit(5), [("0", 2)])
        with self.assertRaisesRegex(ValidationError, "not cut or limited"):
            self.env["energy.command"].create(
                {
                    "meter_id": self.meter.id,
                    "service_point_id": self.point.id,
                    "kind": "load_limit",
                    "value": "5",
                    "expires_at": fields.Datetime.now(),
                }
            )

    def test_the_database_itself_guards_limits(self):
        self.point.life_safety = True
        self.env.flush_all()
        for column in ("wanted_limit_kw = 5", "load_limit_kw = -1"):
            with self.assertRaises(CheckViolation), mute_logger("odoo.sql_db"):
                with self.env.cr.savepoint():
                    self.env.cr.execute(
                        f"UPDATE energy_service_point SET {column} WHERE id = %s",
                        [self.point.id],
                    )

    def test_what_is_decided_or_measured_is_not_written(self):
        operator = new_test_user(
            self.env, "limit_op", groups="prepaid_energy.group_energy_operator"
        )
        for values in ({"wanted_limit_kw": 9}, {"limit_generation": 99}):
            with self.assertRaises(UserError):
                self.point.with_user(operator).write(values)
        for values in ({"load_limit_kw": 9}, {"limit_generation": 99}):
            with self.assertRaises(UserError):
                self.meter.with_user(operator).write(values)
        self.point.with_user(operator).load_limit_kw = 4
        self.assertEqual(self.poll_limit(0), [("4", 1)])
        self.assertEqual(self.command().user_id, operator)

    # ------------------------------------------------------------------ low wallets

    def test_a_low_wallet_is_limited_and_restored(self):
        self.policy.low_limit_kw = 2
        self.assertEqual(self.poll_limit(0), [], "not low yet")
        self.topup("-90")
        self.assertEqual(self.wallet.level, "low")
        self.assertEqual(self.poll_limit(0), [("2", 1)])
        self.assertIn("is low", self.command().reason)
        self.assertIn("limited to 2.0 kW", self.point.why)
        self.poll_limit(2)
        self.topup("50")
        self.assertEqual(self.poll_limit(2), [("0", 2)])

    def test_the_own_limit_stays_the_lower_one(self):
        self.policy.low_limit_kw = 2
        self.set_limit(1)
        self.topup("-90")
        self.assertEqual(self.poll_limit(0), [("1", 1)])

    def test_an_unarmed_policy_or_a_stop_limits_nobody(self):
        self.policy.low_limit_kw = 2
        self.topup("-90")
        self.assertEqual(self.point.wanted_limit_kw, 2)
        self.policy.action_disarm()
        self.assertEqual(self.point.wanted_limit_kw, 0)
        self.policy.armed = True
        self.assertEqual(self.point.wanted_limit_kw, 2)
        self.site.stop_reason = "Storm"
        self.site.action_stop_cutoffs()
        self.assertEqual(self.point.wanted_limit_kw, 0)

    def test_low_life_safety_is_not_limited(self):
        self.policy.low_limit_kw = 2
        self.point.life_safety = True
        self.topup("-90")
        self.assertEqual(self.point.wanted_limit_kw, 0)
