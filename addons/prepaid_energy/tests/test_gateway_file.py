"""bridge.toml for every kind of line, read by the bridge's own configuration."""

import json
import subprocess
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory

from odoo.exceptions import UserError, ValidationError
from odoo.tests import BaseCase, TransactionCase, tagged

from ..exchange import broker_meters, profiles
from .setup_case import base_of, set_up_empty
from .test_setup_browser import BRIDGE

LOAD = """
import json, sys
from pathlib import Path
from meter_bridge import config
settings = config.load(Path(sys.argv[1]))
lines = [line.model_dump(mode="json", exclude_none=True) for line in settings.lines]
brokers = [one.model_dump(mode="json", exclude_none=True) for one in settings.brokers]
secrets = [one.secret() for one in settings.brokers]
heard = [m.topics("me")[0] for one in settings.brokers for m in one.meters]
switched = [m.switchable for one in settings.brokers for m in one.meters]
print(json.dumps([lines, brokers, secrets, heard, switched]))
"""
EUI = "0102030405060708"
APPLICATION = "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"
CODEC = {
    "application": APPLICATION,
    "register_path": "$.energy",
    "register_unit": "Wh",
    "relay_path": "$.relay",
    "downlink_port": 2,
    "downlink_open": "00",
    "downlink_closed": "01",
}


@tagged("post_install", "-at_install")
class TestGatewayFile(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_empty(cls)
        base_of(cls.as_manager)
        found = cls.as_manager["energy.setup"].open_step("gateway")
        cls.gateway = cls.as_manager["energy.gateway"].browse(found["res_id"])

    def line(self, name="hall", **values):
        return self.as_manager["energy.gateway.line"].create(
            {"gateway_id": self.gateway.id, "name": name, **values}
        )

    def broker(self, **values):
        wanted = {"transport": "mqtt", "host": "10.0.0.9"}
        return self.line(**{"name": "yard", **wanted, **values})

    def meter(self, serial, profile, address, line="yard", **values):
        return self.as_manager["energy.meter"].create(
            {
                "serial": serial,
                "profile": profile,
                "line": line,
                "address": address,
                "gateway_id": self.gateway.id,
                **values,
            }
        )

    def file(self):
        return self.gateway.action_bridge_file()["params"]["content"]

    def loaded(self, passwords=()):
        """What the bridge itself reads out of the file."""
        self.assertTrue(BRIDGE.exists(), "make setup installs the bridge")
        with TemporaryDirectory() as folder:
            path = Path(folder, "bridge.toml")
            path.write_text(self.file(), encoding="utf-8")
            for name, text in passwords:
                Path(folder, name).write_text(text, encoding="utf-8")
            told = subprocess.run(
                [str(BRIDGE), "-c", LOAD, str(path)],
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
        self.assertEqual(told.returncode, 0, told.stderr)
        return json.loads(told.stdout)

    def test_wires_are_set_as_meters_come_until_somebody_says_otherwise(self):
        self.line("rtu", transport="rtu_serial", serial_port="/dev/ttyUSB0")
        bus = {"transport": "mbus_serial", "serial_port": "/dev/ttyUSB1"}
        mbus = self.line("mbus", **bus)
        mbus.write({"baudrate": "9600", "parity": "O", "stopbits": "2"})
        self.line("tcp", host="10.0.0.5")
        converter = {"host": "10.0.0.6", "port": 4001, "baudrate": "19200"}
        self.line("conv", transport="rtu_over_tcp", **converter)
        lines = {line["name"]: line for line in self.loaded()[0]}
        keys = ("serial_port", "baudrate", "parity", "stopbits")
        self.assertEqual(
            [lines["rtu"][key] for key in keys], ["/dev/ttyUSB0", 9600, "N", 1]
        )
        self.assertEqual(
            [lines["mbus"][key] for key in keys], ["/dev/ttyUSB1", 9600, "O", 2]
        )
        self.assertEqual(mbus.place, "/dev/ttyUSB1, 9600 8O2")
        self.assertEqual(
            (lines["tcp"]["host"], lines["tcp"]["port"]), ("10.0.0.5", 502)
        )
        self.assertNotIn("baudrate", lines["tcp"])
        self.assertEqual(lines["conv"]["transport"], "rtu_over_tcp")
        self.assertEqual(
            (lines["conv"]["port"], lines["conv"]["baudrate"]), (4001, 19200)
        )

    def test_a_line_of_known_meters_has_their_protocol(self):
        self.meter("M-1", "tasmota", "t", line="yard")
        self.meter("M-2", "mbus_water", "1", line="cellar")
        self.meter("M-3", "my_own", "1", line="hall")
        self.gateway._add_lines()
        found = {line.name: line.transport for line in self.gateway.line_ids}
        wanted = {"yard": "mqtt", "cellar": "mbus_tcp", "hall": "modbus_tcp"}
        self.assertEqual(found, wanted)
        self.assertFalse(any(self.gateway.line_ids.mapped("placed")))

    def test_the_port_follows_the_protocol(self):
        line = self.line()
        self.assertEqual(line.port, 502)
        line.transport = "dlms_tcp"
        self.assertEqual(line.port, 4059)
        line.write({"transport": "mqtt", "port": 8883})
        self.assertEqual(line.port, 8883)

    def test_a_broker_has_its_meters_in_the_file(self):
        self.broker()
        self.meter("M-1", "shelly", "shellyplus1pm-a8032abe54dc", has_relay=True)
        self.meter("M-2", "tasmota", "tasmota_1A2B", has_relay=False)
        self.meter("M-3", "zigbee2mqtt", "press", has_relay=True)
        self.meter("M-4", "sdm630", "1", line="elsewhere")
        lines, (broker,), secrets, heard, switched = self.loaded()
        self.assertEqual((lines, secrets), ([], [None]))
        self.assertEqual((broker["host"], broker["port"]), ("10.0.0.9", 1883))
        self.assertEqual(
            heard,
            [
                "shellyplus1pm-a8032abe54dc/events/rpc",
                "tele/tasmota_1A2B/SENSOR",
                "zigbee2mqtt/press",
            ],
        )
        self.assertEqual(switched, [True, False, True])

    def test_a_password_lies_in_a_file_of_its_own(self):
        line = self.broker(username="bridge", with_password=True, tls=True)
        self.meter("M-1", "tasmota", "t")
        name = f"yard-{line.id}.password"
        self.assertIn("chmod 600", self.file())
        _lines, (broker,), secrets, *_rest = self.loaded([(name, "s3cret\n")])
        self.assertEqual(secrets, ["s3cret"])
        self.assertTrue(broker["tls"])
        line.username = False
        with self.assertRaisesRegex(UserError, "user name"):
            self.file()

    def test_nodes_of_chirpstack(self):
        self.broker(transport="chirpstack", application=APPLICATION, register_unit="Wh")
        self.meter("N-1", "", EUI, has_relay=True, ct_ratio="40")
        self.meter("N-2", "", "01:02:03:04:05:06:07:09")
        _lines, (broker,), _secrets, heard, switched = self.loaded()
        first, second = broker["meters"]
        topic = f"application/{APPLICATION}/device"
        self.assertEqual(heard[0], f"{topic}/{EUI}/event/up")
        self.assertEqual(second["device"], "0102030405060709")
        self.assertEqual(switched, [True, False])
        self.assertEqual(first["register_rule"]["unit"], "Wh")
        self.assertEqual(Decimal(first["register_rule"]["scale"]), 40)
        self.assertEqual(first["downlink"], {"f_port": 2, "open": "00", "closed": "01"})

    def test_two_kinds_of_nodes_share_a_broker(self):
        for name in ("yard", "roof"):
            self.broker(name=name, transport="chirpstack", application=APPLICATION)
        self.meter("N-1", "", EUI)
        self.meter("N-2", "", "0102030405060709", line="roof")
        clients = {broker["client_id"] for broker in self.loaded()[1]}
        self.assertEqual(len(clients), 2)

    def test_what_is_missing_is_said(self):
        line = self.broker()
        with self.assertRaisesRegex(UserError, "yard: no meter names this line"):
            self.file()
        meter = self.meter("M-1", "sdm630", "t")
        with self.assertRaisesRegex(UserError, "M-1: at a broker its profile"):
            self.file()
        meter.write({"profile": "tasmota", "ct_ratio": "40"})
        with self.assertRaisesRegex(UserError, "applies CT and PT itself"):
            self.file()
        meter.write({"ct_ratio": "1", "address": "a/#"})
        with self.assertRaisesRegex(UserError, "is a topic"):
            self.file()
        line.transport = "chirpstack"
        with self.assertRaisesRegex(UserError, "device EUI"):
            self.file()
        meter.address = EUI
        with self.assertRaisesRegex(UserError, "application id"):
            self.file()
        self.assertFalse(self.gateway.user_id, "no key was made for no file")

    def test_bytes_and_paths_are_checked_when_they_are_typed(self):
        line = self.broker(transport="chirpstack")
        for values in (
            {"downlink_open": "0"},
            {"downlink_closed": "on"},
            {"downlink_port": 0},
            {"register_path": "energy"},
            {"relay_path": "$.a..b"},
        ):
            with self.assertRaises(ValidationError):
                line.write(values)


class TestProfiles(BaseCase):
    def test_they_are_those_that_the_bridge_ships(self):
        folder = Path(__file__).parents[3] / "connectors/meter_bridge/profiles"
        shipped = {path.stem for path in folder.glob("*.toml")}
        known = {*profiles.TRANSPORTS} - {*broker_meters.KINDS, "chirpstack"}
        self.assertEqual(known, shipped)


class TestBrokerMeters(BaseCase):
    """A device's address, as people know it, in the bridge's words."""

    def describe(self, kind, address, relay=True):
        return broker_meters.describe(kind, "1", address, relay, Decimal(1), CODEC)

    def test_components_of_shelly(self):
        measuring = {"topic": "p", "component": "em:1"}
        for address, relay, wanted in (
            ("plug", True, {"topic": "plug", "component": "switch:0"}),
            ("plug", False, {"topic": "plug", "component": "em:0", "relay": ""}),
            ("a/b/pm1:0", False, {"topic": "a/b", "component": "pm1:0", "relay": ""}),
            ("p/em:1", True, {**measuring, "relay": "switch:100"}),
        ):
            found = self.describe("shelly", address, relay)
            self.assertEqual(found, {"serial": "1", "format": "shelly", **wanted})

    def test_the_name_of_a_zigbee_device_is_enough(self):
        for address in ("press", "zigbee2mqtt/press"):
            found = self.describe("zigbee2mqtt", address)
            self.assertEqual(found["topic"], "zigbee2mqtt/press")

    def test_a_node_without_relay_gets_no_downlink(self):
        self.assertNotIn("downlink", self.describe("chirpstack", EUI, relay=False))
