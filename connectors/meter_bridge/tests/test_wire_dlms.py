"""DLMS/COSEM against the library's own server: registers exact, relay by method."""

import sys
from decimal import Decimal

import pytest

pytest.importorskip("gurux_dlms", reason="the extra dlms is not installed")

from dlms_meter import DlmsMeter  # noqa: E402
from hypothesis import given  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from wire_stubs import TcpStub, line_of  # noqa: E402

from meter_bridge import meter_profile  # noqa: E402
from meter_bridge.codec import DecodeError  # noqa: E402
from meter_bridge.config import ConfigError, from_dict  # noqa: E402
from meter_bridge.transport import BusError, LineDown, NoAnswer, Refused  # noqa: E402
from meter_bridge.wire import dlms  # noqa: E402
from meter_bridge.wire.base_profile import Access, ProfileError  # noqa: E402
from meter_bridge.wire.dlms_profile import RegisterValue, Value  # noqa: E402
from meter_bridge.wire.lines import bus_of  # noqa: E402

PROFILE = meter_profile.load("dlms_electricity")
ENERGY = (3, "1.0.1.8.0.255")


@pytest.fixture
def meter():
    """A meter without password."""
    server = DlmsMeter()
    yield server
    server.stop()


@pytest.fixture
async def bus(meter):
    """A bus to it."""
    line = bus_of(line_of("dlms_tcp", meter, timeout=1))
    yield line
    line.close()


def station(password="", server=1):
    return PROFILE.station(server, Access(password=password))


async def test_a_register_is_exact_beyond_a_floats_digits(bus, meter):
    got = await bus.read(station(), *ENERGY)
    assert got == RegisterValue(2**53 + 1, -3, 30)
    amount = PROFILE.amount("import", {ENERGY: got}, ct=Decimal(2))
    assert amount == Decimal(2**53 + 1) * 2 / 1000
    assert PROFILE.to_standard("import", Decimal("1234.5")) == Decimal("1.2345")
    meter.energy.value += 1
    assert (await bus.read(station(), *ENERGY)).raw == 2**53 + 2
    assert meter.associations == 1


async def test_a_register_that_the_meter_has_not(bus):
    with pytest.raises(Refused, match="the meter refuses: error"):
        await bus.read(station(), 3, "1.0.2.8.0.255")
    volts = await bus.read(station(), 3, "1.0.32.7.0.255")
    answers = {(3, "1.0.32.7.0.255"): volts}
    assert PROFILE.amount("v1", answers) == Decimal("230.4")


async def test_the_relay_by_its_methods(bus, meter):
    for state, method in (("open", 1), ("closed", 2)):
        await bus.write(station(), *PROFILE.relay_order(state))
        assert meter.calls[-1] == method
        answer = await bus.read(station(), *PROFILE.relay_request())
        assert PROFILE.relay_state(answer) == state
    assert len(meter.calls) == 2
    assert PROFILE.relay_state(2) == "open", "ready for reconnection has no current"
    assert PROFILE.relay_state(7) == PROFILE.relay_state(None) == "unknown"


async def test_a_password_is_asked_for():
    meter = DlmsMeter(password="secret")
    bus = bus_of(line_of("dlms_tcp", meter, timeout=1))
    with pytest.raises(BusError):
        await bus.read(station("wrong"), *ENERGY)
    assert (await bus.read(station("secret"), *ENERGY)).scaler == -3
    assert "secret" not in repr(station("secret"))
    bus.close()
    meter.stop()


async def test_another_meter_behind_the_same_address_gets_its_own_association(bus):
    assert await bus.read(station(), *ENERGY)
    with pytest.raises(NoAnswer):
        await bus.read(station(server=2), *ENERGY)
    assert await bus.read(station(), *ENERGY)


async def test_an_association_ends_with_its_connection(bus, meter):
    assert await bus.read(station(), *ENERGY)
    bus.close()
    assert await bus.read(station(), *ENERGY)
    assert meter.associations == 2


async def test_nobody_answers_and_nobody_is_there():
    silent = await TcpStub(lambda request: []).start()
    bus = bus_of(line_of("dlms_tcp", silent))
    with pytest.raises(NoAnswer):
        await bus.read(station(), *ENERGY)
    silent.stop()
    with pytest.raises(LineDown):
        await bus.connect()


@given(st.binary(max_size=80), st.booleans())
async def test_no_bytes_crash(data, framed):
    frame = b"\0\1\0\1\0\x10" + len(data).to_bytes(2, "big") + data
    stub = await TcpStub(lambda request: [(0, frame if framed else data)]).start()
    bus = bus_of(line_of("dlms_tcp", stub, timeout=0.01))
    with pytest.raises(BusError):
        await bus.read(station(), *ENERGY)
    bus.close()
    stub.stop()


def test_sizes():
    assert dlms.size_of(b"\0\1\0\1\0\1\0") == 0
    assert dlms.size_of(b"\0\1\0\1\0\1\1\2") == 8 + 0x102


@pytest.mark.parametrize(
    ("got", "says"),
    [
        (RegisterValue(5, 0, 35), "the meter says V, the profile Wh"),
        (RegisterValue(5, 0, 99), "unit 99"),
        (RegisterValue(None, 0, 30), "not a number"),
        (RegisterValue(True, 0, 30), "not a number"),
        (RegisterValue(5, 500, 30), "not a number"),
        (RegisterValue(5.5, 0, 30), "resolution"),
    ],
)
def test_what_is_no_value(got, says):
    value = Value(obis="1.0.1.8.0.255", unit="Wh")
    with pytest.raises(DecodeError, match=says):
        value.amount(got)


def test_floats_are_rounded_to_the_profiles_resolution():
    value = Value(obis="1.0.1.8.0.255", unit="Wh", resolution=Decimal("0.1"))
    assert value.amount(RegisterValue(12.34, 1, 30)) == Decimal("123.4")
    assert value.amount(RegisterValue(12345, -2, 30)) == Decimal("123.45")


@pytest.mark.parametrize("device", ["0", "x", 16384])
def test_wrong_addresses_are_refused(device):
    with pytest.raises(ProfileError, match="server address"):
        PROFILE.station(device, Access())


def test_without_the_extra_the_configuration_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "gurux_dlms", None)
    meter = {"serial": "M1", "profile": "dlms_electricity", "device": 1}
    line = {"name": "L", "transport": "dlms_tcp", "host": "h", "port": 4059}
    data = {"state_dir": "/x", "line": [{**line, "meter": [meter]}]}
    data["erp"] = {"url": "http://x", "database": "x", "api_key": "x"}
    with pytest.raises(ConfigError, match=r"pip install 'meter-bridge\[dlms\]'"):
        from_dict(data)
