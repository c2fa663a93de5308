import json
from datetime import datetime, timedelta
from unittest.mock import patch

from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from ..models import energy_gateway_configuration as configuration
from .common import EnergyCase, set_up_park


@tagged("post_install", "-at_install")
class TestConfiguration(EnergyCase):
    """The ERP says which meter hangs where."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.meter.write({"line": "hall", "address": "3", "profile": "ddsy1352"})

    def test_a_bridge_gets_its_meters_once(self):
        answer = self.bridge.configuration(None)
        self.assertEqual(
            answer["meters"],
            [
                {
                    "serial": "M-1",
                    "profile": "ddsy1352",
                    "line": "hall",
                    "address": "3",
                    "ct": "1",
                    "pt": "1",
                }
            ],
        )
        again = self.bridge.configuration(answer["version"])
        self.assertEqual(again, {"version": answer["version"]})

    def test_every_change_of_a_place_is_another_version(self):
        versions = {self.bridge.configuration()["version"]}
        for change in (
            {"address": "4"},
            {"line": "yard"},
            {"ct_ratio": "40"},
            {"pt_ratio": "0.5"},
            {"profile": "sdm120"},
            {"poll_interval": 5},
            {"active": False},
        ):
            if "active" in change:
                self.meter.installation_ids.date_to = self.begin.replace(tzinfo=None)
            self.meter.write(change)
            versions.add(self.bridge.configuration()["version"])
        self.assertEqual(len(versions), 8)
        self.assertEqual(self.bridge.configuration()["meters"], [])

    def test_telemetry_and_readings_are_no_new_version(self):
        version = self.bridge.configuration()["version"]
        self.ingest((10, "5"))
        self.assertEqual(self.bridge.configuration()["version"], version)

    def test_a_meter_without_a_place_is_not_for_the_bridge(self):
        for change in ({"line": False}, {"line": "hall", "address": ""}):
            self.meter.write(change)
            self.assertEqual(self.bridge.configuration()["meters"], [])

    def test_ratios_are_exact_and_plain(self):
        self.meter.ct_ratio = "1E+2"
        self.meter.pt_ratio = "0.333333"
        (row,) = self.bridge.configuration()["meters"]
        self.assertEqual((row["ct"], row["pt"]), ("100", "0.333333"))
        for wrong in ("0", "-1", "many", "NaN", "Infinity", "", "1E9", "0.0000001"):
            with self.assertRaises(ValidationError, msg=wrong):
                self.meter.ct_ratio = wrong or " "

    @mute_logger("odoo.sql_db")
    def test_two_meters_do_not_share_an_address(self):
        values = {"serial": "M-2", "line": "hall", "address": "3"}
        with self.assertRaises(IntegrityError):
            self.env["energy.meter"].create(
                {**values, "gateway_id": self.gateway.id}
            ).flush_recordset()

    def test_a_gateway_sees_its_own_meters_only(self):
        other = self.env["energy.gateway"].create(
            {"name": "Other", "site_id": self.site.id}
        )
        other.sudo().user_id = other._new_user()
        theirs = self.env["energy.gateway"].with_user(other.user_id)
        self.assertEqual(theirs.configuration()["meters"], [])
        with self.assertRaises(AccessError):
            self.env["energy.gateway"].configuration()


@tagged("post_install", "-at_install")
class TestLease(EnergyCase):
    """Of several bridges of a gateway one is the master."""

    def ask(self, instance, after=0):
        """Ask for commands, ``after`` seconds later than now."""
        moment = datetime.now() + timedelta(seconds=after)

        class Clock(datetime):
            @classmethod
            def now(cls, tz=None):
                return moment.astimezone(tz) if tz else moment

        reported = [{"meter_serial": "M-1", "relay": "closed", "generation": 0}]
        with patch.object(configuration, "datetime", Clock):
            return self.bridge.commands(reported, instance)

    def test_the_first_one_is_the_master_and_stays_it(self):
        self.assertEqual(self.ask("a")["lease"]["holder"], "a")
        lease = self.ask("b", after=25)["lease"]
        self.assertEqual(lease["holder"], "a")
        self.assertTrue(0 < lease["seconds"] <= 5)
        renewed = self.ask("a", after=26)["lease"]
        self.assertTrue(28 < renewed["seconds"] <= 30)
        self.assertEqual(self.ask("b", after=40)["lease"]["holder"], "a")

    def test_a_silent_master_is_replaced_and_does_not_come_back(self):
        first = self.ask("a")["lease"]
        second = self.ask("b", after=31)["lease"]
        self.assertEqual(second["holder"], "b")
        self.assertNotEqual(second["since"], first["since"])
        self.assertEqual(self.ask("a", after=35)["lease"]["holder"], "b")

    def test_a_master_that_was_away_and_not_replaced_goes_on(self):
        first = self.ask("a")["lease"]
        again = self.ask("a", after=500)["lease"]
        self.assertEqual(again["since"], first["since"])
        self.assertTrue(28 < again["seconds"] <= 30)

    def test_only_the_master_gets_commands_and_counts_as_heartbeat(self):
        self.ask("a")
        self.point.action_switch_off()
        self.assertEqual(self.ask("b")["commands"], [])
        (command,) = self.ask("a")["commands"]
        self.assertNotIn("read_back", command)

    def test_what_another_one_was_given_is_to_be_read_back(self):
        self.ask("a")
        self.point.action_switch_off()
        (given,) = self.ask("a")["commands"]
        (found,) = self.ask("b", after=31)["commands"]
        self.assertEqual(found, {**given, "read_back": True})

    def test_what_nobody_was_given_is_executed(self):
        self.ask("a")
        self.gateway.sudo().lease_until = datetime(2020, 1, 1)
        self.point.action_switch_off()
        (fresh,) = self.ask("b")["commands"]
        self.assertNotIn("read_back", fresh)

    def test_a_bridge_without_a_name_works_as_before(self):
        self.ask("a")
        self.assertNotIn("lease", self.bridge.commands([]))

    def test_names_and_leases_are_not_for_everyone(self):
        for wrong in ("", 5, "x" * 65):
            with self.assertRaises(UserError):
                self.bridge.commands([], wrong)
        user = new_test_user(
            self.env, "lessor", groups="prepaid_energy.group_energy_manager"
        )
        for change in ({"lease_holder": "me"}, {"lease_until": "2099-01-01"}):
            with self.assertRaisesRegex(UserError, "themselves"):
                self.gateway.with_user(user).write(change)


@tagged("post_install", "-at_install")
class TestConfigurationHttp(HttpCase):
    """Meters and lease as a bridge asks for them: JSON-2 with an API key."""

    def test_a_bridge_asks_for_its_meters_and_the_lease(self):
        set_up_park(self)
        self.meter.write({"line": "hall", "address": "3"})
        headers = {
            "Authorization": f"bearer {self.gateway._new_api_key()}",
            "Content-Type": "application/json",
            "X-Odoo-Database": self.env.cr.dbname,
        }

        def call(method, **arguments):
            url = f"/json/2/energy.gateway/{method}"
            return self.url_open(url, data=json.dumps(arguments), headers=headers)

        answer = call("configuration", known=None).json()
        self.assertEqual([row["serial"] for row in answer["meters"]], ["M-1"])
        again = call("configuration", known=answer["version"]).json()
        self.assertEqual(again, {"version": answer["version"]})
        answer = call("commands", reported=[], instance="a").json()
        self.assertEqual((answer["commands"], answer["lease"]["holder"]), ([], "a"))
        with mute_logger("odoo.http"):
            refused = call("commands", reported=[], instance=5)
        self.assertEqual(refused.status_code, 422)
