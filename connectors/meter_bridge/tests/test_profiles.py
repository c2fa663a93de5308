"""Every shipped profile is consistent; wrong ones are refused by the key's name."""

from decimal import Decimal

import pytest
from test_codec import MODBUS

from meter_bridge import meter_profile
from meter_bridge.wire.base_profile import TELEMETRY

GOOD = """
schema = 1
name = "x"
title = "X"
register = "total"
[[writable]]
address = 0x10
count = 1
[values.total]
address = 0
type = "uint32"
unit = "kWh"
scale = "0.01"
[relay]
address = 0x10
open = [1]
closed = [0]
[relay.read]
address = 0x10
open = 1
closed = 0
"""


@pytest.mark.parametrize("name", meter_profile.names())
def test_shipped_profiles(name):
    profile = meter_profile.load(name)
    assert profile.name == name
    requests = profile.requests()
    assert len(set(requests)) == len(requests)
    if profile.protocol != "modbus":
        light, telemetry = profile.requests(()), profile.requests(TELEMETRY)
        assert light[0] == telemetry[0] == requests[0], "it dates the poll"
        assert set(light) <= set(telemetry) <= set(requests)
    assert profile.to_standard(profile.register_value, Decimal(1)) > 0
    for value in profile.values:
        assert profile.where(value)
        assert profile.amount(value, {}) is None
    if profile.relay:
        assert profile.relay_order("open") != profile.relay_order("closed")
        assert profile.where_relay()


@pytest.mark.parametrize("name", MODBUS)
def test_the_blocks_of_modbus_profiles(name):
    profile = meter_profile.load(name)
    blocks = profile.blocks()
    for value in profile.values.values():
        function = profile.function_of(value)
        assert any(
            f == function
            and span.address <= value.address
            and value.address + value.count <= span.end
            for f, span in blocks
        )
    function, span = blocks[0]  # the register's block dates the poll
    register = profile.values[profile.register_value]
    assert span.address <= register.address < span.end


def test_the_meters_of_the_contract():
    named = "sdm630 sdm120 iem3000 abb_b23 em340 em24 dtsu666 janitza_b23 adl3000"
    assert set(MODBUS) == {*named.split(), "ddsy1352", "dds238"}
    ddsy = meter_profile.load("ddsy1352").relay
    assert (ddsy.address, ddsy.words("open"), ddsy.words("closed")) == (
        0x57,
        [1, 1],
        [1, 0],
    )
    assert ddsy.read.state([1, 1]) == "open"
    assert ddsy.read.state([1, 0]) == "closed"
    assert ddsy.read.state([1, 7]) == "unknown"
    dds238 = meter_profile.load("dds238")
    assert dds238.relay.words("open") == [0]
    assert not dds238.may_write(0, 2), "writing the energy registers erases them"
    assert not dds238.may_write(0x1A, 2)


def test_a_light_poll_reads_the_register_and_the_relay_only():
    blocks = meter_profile.load("ddsy1352").blocks(())
    assert [(f, tuple(span)) for f, span in blocks] == [(3, (0, 2)), (3, (0x57, 2))]


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('register = "total"', 'register = "nope"', "register"),
        ('unit = "kWh"', 'unit = "V"', "not an energy unit"),
        ('type = "uint32"', 'type = "uint33"', "values.total.type"),
        ('type = "uint32"', 'type = "float32"', "resolution"),
        ("open = 1\n", "open = 0\n", "open and closed must differ"),
        ("count = 1", "count = 1\nextra = 1", "extra"),
        ("[[writable]]\naddress = 0x10", "[[writable]]\naddress = 0x11", "writable"),
        ("closed = [0]", "closed = [0, 1]", "differ in length"),
        ("schema = 1", "schema = 2", "schema"),
        ("schema = 1", "schema = ", "not TOML"),
    ],
)
def test_wrong_profiles_are_refused(tmp_path, old, new, says):
    assert old in GOOD
    file = tmp_path / "x.toml"
    file.write_text(GOOD)
    assert meter_profile.load_file(file).relay
    file.write_text(GOOD.replace(old, new, 1))
    with pytest.raises(meter_profile.ProfileError, match=says) as error:
        meter_profile.load_file(file)
    assert str(file) in str(error.value)


def test_unknown_profile_lists_the_known_ones(tmp_path):
    with pytest.raises(meter_profile.ProfileError, match="sdm630"):
        meter_profile.load("sdm63O")
    (tmp_path / "own.toml").write_text(GOOD)
    assert meter_profile.load("own", tmp_path).title == "X"
