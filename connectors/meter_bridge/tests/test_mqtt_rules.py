"""Rules for any JSON, exact numbers, and a configuration that names its mistakes."""

from decimal import Decimal

import pytest
from mqtt_decoding import meter, one, polls

from meter_bridge.codec import DecodeError
from meter_bridge.mqtt import rules, values
from meter_bridge.mqtt.generic import Mapping
from meter_bridge.mqtt.settings import Broker


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
