"""What the formats' messages mean, and that no message stops anything."""

import json
from datetime import UTC, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter

from meter_bridge.codec import DecodeError
from meter_bridge.commands_store import parse
from meter_bridge.mqtt import rules, values
from meter_bridge.mqtt.decoder import Decoder, Message
from meter_bridge.mqtt.generic import Mapping
from meter_bridge.mqtt.settings import Broker, Meter

NOW = 1_780_000_000.6
EUI = "0102030405060708"
APP = "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"


def meter(format, **keys):
    if format == "json":
        rule = Mapping.model_validate({"name": "m", **keys.pop("rules")})
        keys = {"mapping": "m", "rules": rule, **keys}
    given = {"serial": "M", "format": format, **keys}
    return TypeAdapter(Meter).validate_python(given)


def polls(item, *messages, meters=(), telemetry_s=0):
    """The polls and dead letters of messages ``(topic, document or bytes)``."""
    decoder = Decoder([item, *meters], "me", telemetry_s)
    found, letters = [], []
    for topic, body in messages:
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        decoded = decoder.decode(Message(topic, payload, NOW), decoder.states)
        found += decoded.polls
        letters += decoded.letters
    return found, letters


def one(item, *messages):
    """The last poll; nothing may be undecodable."""
    found, letters = polls(item, *messages)
    assert letters == []
    return found[-1]


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


# -- by rules -----------------------------------------------------------------------
def test_json_by_rules_with_a_device_key():
    rule = {
        "topic": "acme/data",
        "register": {"path": "$.devices.*['total wh']", "unit": "Wh", "scale": "10"},
        "time": {"path": "$.ts", "format": "epoch_ms"},
        "telemetry": {"v1": {"path": "$.devices.*.u[0]", "unit": "mV"}},
        "alarms": [{"kind": "tamper", "path": "$.devices.*.open", "when": [True]}],
    }
    item = meter("json", rules=rule, device="d1")
    device = {"total wh": 125, "u": [230000], "open": True}
    body = {"ts": 1780000000000, "devices": {"d1": device, "d2": {}}}
    poll = one(item, ("acme/data", body))
    assert (poll.time, poll.register, poll.telemetry) == (
        1780000000,
        "1.250",
        {"v1": 230},
    )
    assert poll.events == [{"kind": "tamper", "data": {}}]


def test_json_by_rules_with_a_device_field_or_a_topic_pattern():
    rule = {"topic": "acme/+/up", "device": "$.sn", "register": {"path": "$.e"}}
    item = meter("json", rules=rule, device="7")
    assert one(item, ("acme/x/up", {"sn": 7, "e": "12.50"})).register == "12.50"
    assert polls(item, ("acme/x/up", {"sn": 8, "e": 1})) == ([], [])


@pytest.mark.parametrize(
    ("path", "steps"),
    [
        ("$", ()),
        ("$.a.b[0].c", ("a", "b", 0, "c")),
        ("$.*.e", ("*", "e")),
        ("$['a b'][12]", ("a b", 12)),
    ],
)
def test_paths(path, steps):
    assert rules.steps_of(path) == steps


@pytest.mark.parametrize("path", ["a.b", "$.", "$.a[", "$.a[x]", "$.*.b.*", "$..a"])
def test_wrong_paths(path):
    with pytest.raises(ValueError, match="path"):
        rules.steps_of(path)


# -- numbers ------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "scale", "register"),
    [
        ("0.1", "1", "0.1"),
        ("9007199254740993", "0.001", "9007199254740.993"),
        ("1e3", "1", "1000"),
        ("0.30000000000000004", "1", "0.300000000"),
        ("-0.0", "1", "0.0"),
    ],
)
def test_registers_are_the_decimals_of_the_text(text, scale, register):
    number = values.parse_json(text.encode())
    assert values.register(number, Decimal(scale)) == register


@pytest.mark.parametrize(
    "text",
    ["-1", "1e15", "true", "[]", '"x"', '"NaN"', '"1e999999999"', "1e-999999", "null"],
)
def test_what_is_no_register(text):
    with pytest.raises(DecodeError):
        values.register(values.parse_json(text.encode()))


@pytest.mark.parametrize(
    "payload",
    [b"", b"NaN", b"[Infinity]", b"\xff", b"[" * 100000, b"9" * 5000, b"{'a'}"],
)
def test_what_is_no_json(payload):
    with pytest.raises(DecodeError):
        values.parse_json(payload)


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


# -- configuration ------------------------------------------------------------------
BROKER = {"name": "b", "host": "h", "client_id": "c"}
SHELLY = {"serial": "M", "format": "shelly", "topic": "sh"}


@pytest.mark.parametrize(
    ("broker", "item", "says"),
    [
        ({}, {"format": "shely"}, "shely"),
        ({}, {"component": "em"}, "component"),
        ({}, {"topics": "x"}, "topics"),
        ({"client_id": ""}, {}, "client_id"),
        ({"port": 0}, {}, "port"),
        ({"password": "x"}, {}, "username"),
        ({"username": "u", "password": "x", "password_env": "Y"}, {}, "password"),
        ({"ca_file": "x"}, {}, "tls"),
        ({"share": "a/b"}, {}, "share"),
        ({}, {"format": "json", "mapping": "no"}, "no mapping 'no'"),
        ({}, {"format": "tasmota", "time_zone": "Mars/Base"}, "Mars/Base"),
        ({}, {"verify_for": 0}, "verify_for"),
    ],
)
def test_mistakes_in_the_configuration_name_the_key(broker, item, says):
    with pytest.raises(ValueError, match=says):
        Broker.model_validate({**BROKER, "meter": [{**SHELLY, **item}], **broker})


@pytest.mark.parametrize(
    ("rule", "says"),
    [
        ({"topic": "a/{device}", "register": {"path": "$.*.e"}}, "more than one way"),
        ({"topic": "a", "register": {"path": "e"}}, "begin with"),
        ({"topic": "a", "register": {"path": "$.e", "unit": "kw"}}, "no unit 'kw'"),
        ({"topic": "a", "telemetry": {"u": {"path": "$.u"}}}, "no quantity 'u'"),
        ({"topic": "a"}, "neither register"),
        (
            {"topic": "a", "register": {"path": "$.e"}, "command": {"topic": "x"}},
            "read back",
        ),
    ],
)
def test_mistakes_in_a_mapping_name_the_key(rule, says):
    with pytest.raises(ValueError, match=says):
        Mapping.model_validate({"name": "m", **rule})


def test_a_broker_s_password_by_file_or_environment(tmp_path, monkeypatch):
    user = {**BROKER, "username": "u", "meter": [SHELLY]}
    (tmp_path / "p").write_text("from file\n")
    by_file = Broker.model_validate({**user, "password_file": tmp_path / "p"})
    assert by_file.secret() == "from file"
    by_env = Broker.model_validate({**user, "password_env": "BROKER_WORD"})
    with pytest.raises(ValueError, match="mqtt b: password_env: BROKER_WORD"):
        by_env.secret()
    monkeypatch.setenv("BROKER_WORD", "from env")
    assert by_env.secret() == "from env"
