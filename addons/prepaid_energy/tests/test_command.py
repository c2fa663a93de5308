from datetime import timedelta

from odoo import fields
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from .common import add_point
from .relay_case import RelayCase


@tagged("post_install", "-at_install")
class TestCommand(RelayCase):
    """The audit: who or what caused a command, what came of it, and stale ones."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.operator = new_test_user(
            cls.env, "command_op", groups="prepaid_energy.group_energy_operator"
        )

    # ------------------------------------------------------------------ who and what

    def test_usage_has_no_author(self):
        self.run_dry()
        command = self.command()
        self.assertFalse(command.user_id)
        self.assertIn("Balance", command.reason)
        self.assertEqual(command.summary, "Open the relay")

    def test_each_cause_is_named(self):
        point = self.point.with_user(self.operator)
        causes = []
        for act in (
            point.action_switch_off,
            point.action_switch_on,
            lambda: self.lock_out(user=self.operator),
            point.action_release,
        ):
            act()
            causes.append(self.command()[0].reason)
            self.assertEqual(self.command()[0].user_id, self.operator)
        name = self.operator.name
        self.assertEqual(
            causes,
            [
                f"Switched off by {name}",
                f"Switched on by {name}",
                "Locked out: busbar",
                f"Lock-out released by {name}",
            ],
        )

    def test_a_close_in_spite_of_the_balance_says_why(self):
        self.run_dry()
        self.policy.action_disarm()
        self.assertIn("Tenants is not armed", self.command()[0].reason)
        self.policy.armed = True
        self.site.stop_reason = "Storm"
        self.site.action_stop_cutoffs()
        self.assertIn("stopped at Test park", self.command()[0].reason)

    def test_commands_open_from_point_and_meter(self):
        self.run_dry()
        for record in (self.point, self.meter):
            action = record.action_view_commands()
            found = self.env[action["res_model"]].search(action["domain"])
            self.assertEqual(found, self.command())
        self.assertEqual(self.point.command_count, 1)

    def test_the_audit_is_written_by_nobody(self):
        self.run_dry()
        manager = new_test_user(
            self.env, "command_m", groups="prepaid_energy.group_energy_manager"
        )
        for user in (self.operator, manager):
            command = self.command().with_user(user)
            with self.assertRaises(AccessError):
                command.state = "verified"
            with self.assertRaises(AccessError):
                command.unlink()
            with self.assertRaises(AccessError):
                command.create({"meter_id": self.meter.id})

    # ------------------------------------------------------------------ stale commands

    def test_a_report_of_a_stale_command_changes_no_wish(self):
        (first,) = self.run_dry()
        self.topup("100")
        (second,) = self.poll("closed")
        self.assertEqual(second["value"], "closed")
        self.bridge.report(
            [{"id": first["id"], "outcome": "verified", "observed": "open"}]
        )
        stale = self.env["energy.command"].browse(first["id"])
        self.assertEqual(stale.state, "superseded")
        self.assertEqual(self.point.desired_state, "closed")
        (due,) = self.poll("open", first["generation"])
        self.assertEqual(due["id"], second["id"], "it converges on the newest")

    def revive(self, command):
        """As if two transactions met, and neither saw the other's command."""
        command.write({"state": "sent", "done_at": False})

    def test_a_stale_command_is_not_handed_out_whatever_its_state(self):
        self.meter.can_limit = True
        self.topup("100")
        for value in (5, 6):
            self.point.load_limit_kw = value
        self.point.action_switch_off()
        self.point.action_switch_on()
        for kind in ("relay", "load_limit"):
            old = self.command(("kind", "=", kind))[-1]
            self.revive(old)
            due = [row["id"] for row in self.poll("closed", load_limit_kw=0)]
            self.assertNotIn(old.id, due, kind)
            self.assertEqual(old.state, "superseded")

    def test_no_command_reaches_a_meter_that_has_moved(self):
        self.meter.can_limit = True
        self.point.load_limit_kw = 5
        self.run_dry()
        self.point.action_read_now()
        mine = self.command()
        other, spare = add_point(self, "M-SPARE", life_safety=True)
        for meter in (spare, self.meter):
            meter.installation_ids.date_to = fields.Datetime.now()
        self.env["energy.meter.installation"].create(
            {"meter_id": self.meter.id, "service_point_id": other.id}
        )
        self.revive(mine)
        due = [row["id"] for row in self.poll("closed", load_limit_kw=0)]
        self.assertFalse({*due} & {*mine.ids})
        self.assertEqual({*mine.mapped("state")}, {"superseded"})

    def test_an_expired_command_never_comes_back(self):
        (first,) = self.run_dry()
        self.command().expires_at = fields.Datetime.now() - timedelta(seconds=1)
        self.poll("closed")
        self.bridge.report(
            [{"id": first["id"], "outcome": "verified", "observed": "open"}]
        )
        self.assertEqual(self.command().state, "expired")
        self.assertEqual(self.meter.relay_state, "open", "what is true is noted")

    def test_a_command_for_what_is_forbidden_now_is_withdrawn(self):
        (first,) = self.run_dry()
        self.point.life_safety = True
        self.assertNotIn(
            first["id"], [row["id"] for row in self.poll("closed")], "never executed"
        )
        self.assertEqual(self.command()[-1].state, "superseded")

    def test_a_silent_bridge_lets_commands_expire(self):
        self.run_dry()
        self.command().expires_at = fields.Datetime.now()
        self.env["energy.gateway"]._cron_watch()
        self.assertEqual(self.command().state, "expired")
        self.assertEqual(self.alarms(), ["alarm_relay"])

    def test_a_meter_that_changes_its_bridge_still_converges(self):
        (first,) = self.run_dry()
        other = self.gateway.copy({"name": "Other"})
        other.sudo().user_id = other._new_user()
        self.meter.gateway_id = other
        self.assertEqual(self.command().state, "superseded")
        self.assertEqual(self.poll("closed"), [], "not its meter any more")
        answer = other.with_user(other.user_id).commands(
            [{"meter_serial": "M-1", "relay": "closed", "generation": 0}]
        )
        (again,) = answer["commands"]
        self.assertEqual(again["value"], "open")
        self.assertGreater(again["generation"], first["generation"])

    def test_forbidden_commands_cannot_be_made(self):
        fan, meter = add_point(self, "M-FAN", life_safety=True)
        essential, room = add_point(
            self, "M-ROOM", essential=True, essential_reason="Server room"
        )
        for point, device, kind, value in (
            (fan, meter, "relay", "open"),
            (fan, meter, "load_limit", "1"),
            (essential, room, "relay", "open"),
            (essential, room, "load_limit", "1"),
        ):
            with self.assertRaises(ValidationError):
                self.env["energy.command"].create(
                    {
                        "meter_id": device.id,
                        "service_point_id": point.id,
                        "kind": kind,
                        "value": value,
                        "expires_at": fields.Datetime.now(),
                    }
                )

    # ------------------------------------------------------------------ read now

    def test_read_now_and_its_answer(self):
        self.point.with_user(self.operator).action_read_now()
        (row,) = self.poll("closed")
        self.assertEqual((row["kind"], row["value"]), ("read_now", None))
        self.assertIn("Sent", self.point.last_read_now)
        self.bridge.report(
            [{"id": row["id"], "outcome": "verified", "observed": "4211.58"}]
        )
        self.assertEqual(self.poll("closed"), [])
        self.assertEqual(self.command().user_id, self.operator)
        self.point.invalidate_recordset(["last_read_now"])
        self.assertIn("4211.58", self.point.last_read_now)

    def test_a_read_that_fails_is_no_failing_relay(self):
        self.point.action_read_now()
        self.command().expires_at = fields.Datetime.now()
        self.assertEqual(self.poll("closed"), [])
        self.assertEqual(self.command().state, "expired")
        self.point.action_read_now()
        (row,) = self.poll("closed")
        self.bridge.report(
            [{"id": row["id"], "outcome": "failed", "detail": "no\0 answer"}]
        )
        self.point.invalidate_recordset(["last_read_now"])
        self.assertIn("no answer", self.point.last_read_now)
        self.assertFalse(self.meter.relay_failures)
        self.assertEqual(self.alarms(), [])

    def test_one_order_to_read_at_a_time(self):
        for _thrice in range(3):
            self.point.action_read_now()
        self.assertEqual(len(self.poll("closed")), 1)

    def test_read_now_needs_a_right_a_meter_and_a_bridge(self):
        reader = new_test_user(
            self.env, "command_r", groups="prepaid_energy.group_energy_user"
        )
        with self.assertRaises(AccessError):
            self.point.with_user(reader).action_read_now()
        self.gateway.sudo().last_seen = fields.Datetime.now() - timedelta(hours=1)
        with self.assertRaisesRegex(UserError, "silent since"):
            self.point.action_read_now()
        self.meter.gateway_id = False
        with self.assertRaisesRegex(UserError, "no meter"):
            self.point.action_read_now()

    # ------------------------------------------------------------------ why

    def test_one_sentence_says_why(self):
        self.assertIn("low", self.point.why)
        self.run_dry()
        self.assertRegex(
            self.point.why,
            r"^Open, because the wallet Tenant Ltd is at .*1\.75 .*; a top-up of "
            r".*6\.75 restores supply\.$",
        )
        self.policy.armed = False
        self.assertIn("Tenants is not armed", self.point.why)
        self.policy.armed = True
        self.site.stop_reason = "Storm"
        self.site.action_stop_cutoffs()
        self.assertIn("stopped at Test park", self.point.why)
        self.site.action_resume_cutoffs()
        self.lock_out()
        self.assertIn("locked it out", self.point.why)
        self.point.action_release()
        self.topup("100")
        self.assertEqual(self.point.why, "Closed: supply is due.")
        self.point.with_user(self.operator).action_switch_off()
        self.assertIn(f"{self.operator.name} switched it off", self.point.why)
        self.point.action_switch_on()
        self.event("overload_trip")
        self.assertIn("on site and confirm", self.point.why)

    def test_the_named_topup_really_restores(self):
        self.topup("-2.337")
        missing = self.point.why.rpartition("top-up of ")[2].split(" ")[0]
        amount = "".join(char for char in missing if char in "0123456789.")
        self.topup(amount)
        self.assertEqual(self.point.desired_state, "closed")

    def test_operators_read_why(self):
        """Tenants read on their page what concerns them, without names of the staff."""
        self.run_dry()
        self.assertIn("Open, because", self.point.with_user(self.operator).why)
        self.lock_out(user=self.operator)
        self.assertIn(f"{self.operator.name} locked it out", self.point.why)
        with self.assertRaises(AccessError):
            self.point.with_user(self.portal_user).read(["why"])
