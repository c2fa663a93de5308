"""What the formats' messages mean, and that no message stops anything."""

import json
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mqtt_decoding import NOW, meter, one, polls

from meter_bridge.commands_store import parse
from meter_bridge.mqtt import values
from meter_bridge.mqtt.decoder import Decoder, Message

EUI = "0102030405060708"
APP = "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"


def order(value="open"):
    raw = {"id": 7, "meter_serial": "M", "kind": "relay", "value": value}
    return parse({**raw, "generation": 1, "expires_at": 1_780_000_600})


# -- Shelly -------------------------------------------------------------------------
def shelly(**params):
    frame = {"src": "x", "method": "NotifyStatus", "params": {"ts": NOW, **params}}
    return "sh/events/rpc", frame


def test_shelly_em_counts_wh_and_dates_by_its_own_clock():
    data = {"id": 0, "total_act": 2852055.81, "total_act_ret": 0}
    poll = one(meter("shelly", topic="sh"), shelly(**{"emdata:0": data}))
    assert (poll.register, poll.time, poll.by_meter) == ("2852.05581", int(NOW), True)


def test_shelly_updates_are_laid_over_what_is_known():
    item = meter("shelly", topic="sh")
    full = {"a_voltage": 231.0, "b_voltage": 229.0, "total_act_power": 1300.252}
    poll = one(
        item,
        shelly(**{"em:0": full}),
        shelly(**{"em:0": {"id": 0, "a_voltage": 232.5}}),
    )
    assert poll.telemetry == {"v1": 232.5, "v2": 229.0, "p": 1.300252}
    assert poll.register is None, "what is merely known is no reading"


def test_shelly_switch_state_energy_and_overload():
    item = meter("shelly", topic="sh", component="switch:1")
    status = {"output": False, "aenergy": {"total": 12.5}, "errors": ["overpower"]}
    poll = one(item, shelly(**{"switch:1": status, "switch:0": {"output": True}}))
    assert (poll.relay, poll.register) == ("open", "0.0125")
    assert [event["kind"] for event in poll.events] == ["overload_trip"]
    again = one(item, *[shelly(**{"switch:1": status})] * 2)
    assert again.events == [], "an alarm is told when it comes"


def test_shelly_answers_and_refusals():
    item = meter("shelly", topic="sh", component="switch:0")
    result = {"switch:0": {"output": True}, "sys": {"unixtime": None}}
    poll = one(item, ("me/M/rpc", {"id": 2, "src": "sh", "result": result}))
    assert (poll.relay, poll.time, poll.by_meter) == ("closed", int(NOW), False)
    error = {"id": 1, "src": "sh", "error": {"code": -103, "message": "bad"}}
    decoded = Decoder([item], "me").decode(
        Message("me/M/rpc", json.dumps(error).encode(), NOW), {}
    )
    assert decoded.notes == [("M", "the device refuses: bad")]


def test_shelly_is_switched_by_rpc_and_a_contactor_may_be_inverted():
    item = meter("shelly", topic="sh", component="switch:2", inverted=True)
    sent = item.switch(order("open"), "me", NOW)
    call = json.loads(sent.payload)
    assert (sent.topic, call["method"], call["src"]) == ("sh/rpc", "Switch.Set", "me/M")
    assert call["params"] == {"id": 2, "on": True}
    assert one(item, shelly(**{"switch:2": {"output": True}})).relay == "open"
    assert not meter("shelly", topic="sh").switchable, "an em has no relay of its own"
    assert meter("shelly", topic="sh", relay="switch:100").switchable


# -- Tasmota ------------------------------------------------------------------------
SENSOR = {
    "Time": "2026-05-28T22:26:40",
    "ENERGY": {"Total": 514.153, "Power": 56, "Voltage": 234, "Factor": 0.61},
}


def test_tasmota_time_is_local_or_the_receipt():
    plain = meter("tasmota", topic="t")
    poll = one(plain, ("tele/t/SENSOR", SENSOR))
    assert (poll.register, poll.time) == ("514.153", int(NOW))
    assert poll.telemetry == {"p": 0.056, "v1": 234.0, "pf": 0.61}
    zoned = meter("tasmota", topic="t", time_zone="Asia/Seoul")
    moment = datetime(2026, 5, 28, 22, 26, 40, tzinfo=ZoneInfo("Asia/Seoul"))
    assert one(zoned, ("tele/t/SENSOR", SENSOR)).time == moment.timestamp()
    unset = {**SENSOR, "Time": "1970-01-01T00:00:12"}
    assert one(zoned, ("tele/t/SENSOR", unset)).time == int(NOW), "no clock yet"


@pytest.mark.parametrize(("minutes", "utc"), [(10, 0), (70, 1)])
def test_the_hour_that_comes_twice_is_told_by_the_receipt(minutes, utc):
    zone = ZoneInfo("Europe/Berlin")
    first = datetime(2026, 10, 25, 0, 30, tzinfo=UTC).timestamp()
    received = first + minutes * 60
    found = values.local_time("2026-10-25T02:30:00", zone, received)
    assert found == first + utc * 3600


def test_tasmota_relay_by_plain_text_and_by_state():
    item = meter("tasmota", topic="t", relay="POWER2")
    assert one(item, ("stat/t/POWER2", b"OFF")).relay == "open"
    assert one(item, ("tele/t/STATE", {"POWER2": "ON", "POWER1": "OFF"})).relay
    assert item.switch(order("closed"), "me", NOW).payload == "ON"
    assert item.switch(order(), "me", NOW).topic == "cmnd/t/POWER2"
    assert [a.payload for a in item.ask("me")] == ["10", ""]


def test_tasmota_channels_and_full_topic():
    energy = {"Total": [1.5, 2.25], "Power": [10, 20], "Voltage": [230, 231]}
    item = meter("tasmota", topic="t", channel=1, full_topic="%topic%/%prefix%/")
    poll = one(item, ("t/tele/SENSOR", {"ENERGY": energy}))
    assert (poll.register, poll.telemetry) == ("2.25", {"p": 0.02, "v1": 231.0})
    unclear = meter("tasmota", topic="t")
    _, letters = polls(unclear, ("tele/t/SENSOR", {"ENERGY": energy}))
    assert "channel is not configured" in letters[0][3]


# -- Zigbee2MQTT --------------------------------------------------------------------
def test_zigbee2mqtt():
    item = meter("zigbee2mqtt", topic="zigbee2mqtt/plug")
    body = {"state": "ON", "power": 12.3, "energy": 4.56, "last_seen": NOW * 1000}
    poll = one(item, ("zigbee2mqtt/plug", body))
    assert (poll.register, poll.relay, poll.time) == ("4.56", "closed", int(NOW))
    assert poll.telemetry == {"p": 0.0123}
    sent = item.switch(order(), "me", NOW)
    assert (sent.topic, sent.payload) == ("zigbee2mqtt/plug/set", '{"state": "OFF"}')


# -- ThingsBoard --------------------------------------------------------------------
def test_thingsboard_gateway_has_many_devices_and_times():
    item = meter("thingsboard", device="Device A")
    other = meter("thingsboard", device="Device B").model_copy(update={"serial": "B"})
    body = {
        "Device A": [
            {"ts": 1780000000000, "values": {"energy": 42}},
            {"ts": 1780000060000, "values": {"energy": 42.5}},
        ],
        "Device B": [{"energy": "many"}],
        "Device C": [{"energy": 1}],
    }
    message = ("v1/gateway/telemetry", body)
    found, letters = polls(item, message, meters=[other])
    assert [(p.serial, p.time, p.register) for p in found] == [
        ("M", 1780000000, "42"),
        ("M", 1780000060, "42.5"),
    ]
    (letter,) = letters
    assert letter[3] == "meter B: not a number: 'many'"


# -- Acrel --------------------------------------------------------------------------
ACREL = {
    "type": "data",
    "time": "20260528222640",
    "meterSN": "77",
    "ua": 221,
    "ia": 1.5,
    "p": 0.25,
    "pt": 10,
    "ct": 40,
    "wh": 8.98,
}


def test_acrel_gateway_multiplies_by_both_ratios():
    item = meter("acrel", topic="acrel/up", device="77", time_zone="Asia/Shanghai")
    poll = one(item, ("acrel/up", ACREL))
    assert poll.register == "3592.00"
    assert poll.telemetry == {"p": 100.0, "v1": 2210.0, "i1": 60.0}
    assert poll.time == datetime(2026, 5, 28, 14, 26, 40, tzinfo=UTC).timestamp()
    found, letters = polls(item, ("acrel/up", {**ACREL, "meterSN": "78"}))
    assert (found, letters) == ([], []), "another meter's"
    _, letters = polls(item, ("acrel/up", {**ACREL, "ct": 0}))
    assert "ct is not above 0" in letters[0][3]


def test_acrel_prepaid_meter_is_on_with_1():
    keys = {"device": "77", "command_topic": "acrel/down", "gateway": "G1"}
    item = meter("acrel_prepaid", topic="acrel/up", address="3", **keys)
    for value, on in (("open", 0), ("closed", 1)):
        frame = json.loads(item.switch(order(value), "me", NOW).payload)
        payload = frame["payload"]
        assert (payload["method"], payload["forceSwitch"]) == ("FORCESWITCH", on)
        assert (frame["sn"], frame["msgid"]) == ("G1", "7")
        assert one(item, ("acrel/up", {**ACREL, "do1": on})).relay == value


# -- ChirpStack ---------------------------------------------------------------------
def node(**more):
    keys = {
        "relay": {"path": "$.r"},
        "downlink": dict(f_port=2, open="00", closed="01"),
    }
    return meter("chirpstack", application=APP, device=EUI, **{**keys, **more})


def uplink(**more):
    body = {"deduplicationId": "d1", "time": "2026-05-28T20:26:40.123Z", **more}
    return f"application/{APP}/device/{EUI}/event/up", body


def test_chirpstack_uplink_by_field_paths():
    item = node(register={"path": "$.m[0].wh", "unit": "Wh"})
    poll = one(item, uplink(object={"m": [{"wh": 1234}], "r": 0}))
    assert (poll.register, poll.relay, poll.by_meter) == ("1.234", "open", True)
    assert poll.time == datetime(2026, 5, 28, 20, 26, 40, tzinfo=UTC).timestamp()
    _, letters = polls(item, uplink(data="AAE="))
    assert "no codec" in letters[0][3]


def test_chirpstack_downlink_is_confirmed_and_expires():
    sent = node().switch(order(), "me", NOW)
    frame = json.loads(sent.payload)
    assert sent.topic == f"application/{APP}/device/{EUI}/command/down"
    assert (frame["confirmed"], frame["fPort"], frame["data"]) == (True, 2, "AA==")
    assert frame["expiresAt"] == "2026-05-28T20:36:40Z"
    assert frame["id"] == json.loads(node().switch(order(), "x", 0).payload)["id"]
    assert [t.rpartition("/")[2] for t in node().topics("me")] == ["up", "ack"]


# -- anything -----------------------------------------------------------------------
EVERY = [
    meter("shelly", topic="a", component="switch:0"),
    meter("tasmota", topic="a", time_zone="Europe/Berlin"),
    meter("zigbee2mqtt", topic="a"),
    meter("thingsboard", device="d"),
    meter("acrel", topic="acrel", device="d", time_zone="Asia/Shanghai"),
    node(),
    meter(
        "json",
        device="d",
        rules={
            "topic": "j",
            "register": {"path": "$.*.wh"},
            "time": {"path": "$.*.ts"},
            "relay": {"path": "$.*.r"},
        },
    ),
]
TOPICS = [topic for item in EVERY for topic in item.topics("me")]
KEYS = st.sampled_from(
    "method params result ts switch:0 output aenergy total errors error ENERGY Total "
    "Time StatusSNS POWER Power Voltage state energy power last_seen d values meterSN "
    "time wh ct pt ua do1 object r deduplicationId acknowledged".split()
)
WORDS = st.sampled_from(
    ["NotifyStatus", "d", "ON", "OFF", "data", "2026-05-28T22:26:40"]
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text()
DOCUMENTS = st.recursive(
    LEAVES, lambda s: st.lists(s, max_size=3) | st.dictionaries(KEYS, s, max_size=6)
)
PAYLOADS = st.binary() | DOCUMENTS.map(lambda d: json.dumps(d).encode())


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(TOPICS), st.lists(PAYLOADS, min_size=1, max_size=3))
def test_any_message_gives_right_polls_or_a_dead_letter(topic, payloads):
    decoder = Decoder(EVERY, "me", 0)
    for payload in payloads:
        decoded = decoder.decode(Message(topic, payload, NOW), decoder.states)
        for poll in decoded.polls:
            assert isinstance(poll.time, int)
            assert poll.register is None or is_register(poll.register)
            assert poll.relay in (None, "open", "closed")
            json.dumps([poll.telemetry, poll.events], allow_nan=False)
        for _, _, body, reason in decoded.letters:
            assert json.loads(body)["topic"] == topic
            assert not reason.startswith(("TypeError", "AttributeError", "KeyError"))


def is_register(text):
    whole, _, part = text.partition(".")
    digits = whole.isdecimal() and (not part or part.isdecimal())
    return digits and len(whole) <= 15 and len(part) <= 9
