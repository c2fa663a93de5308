"""DL/T 645-2007: frames to the letter, values exact, relays ordered and read back."""

from datetime import datetime
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_stubs import bus_to

from meter_bridge import meter_profile
from meter_bridge.codec import DecodeError
from meter_bridge.transport import BadAnswer, BusError, NoAnswer, Refused
from meter_bridge.wire import dlt645
from meter_bridge.wire.base_profile import Access, ProfileError

METER = "202600000017"
ITEMS = {
    0x00010000: "78563412",  # 123456.78 kWh, lowest byte first
    0x00020000: "00000000",
    0x00000000: "05000080",  # -0.05 kWh
    0x02010100: "0423",  # 230.4 V
    0x02020100: "345612",
    0x02030000: "214380",  # -0.4321 kW
    0x02800002: "0050",
    0x02060000: "ffff",
    0x04000503: "0000",
}


class Meter:
    """A meter of one phase on a line; bytes are put together here by the standard."""

    def __init__(self, address=METER):
        self.address, self.items = address, dict(ITEMS)
        self.orders, self.password, self.change = [], "02123456", bytes

    def __call__(self, request):
        assert request[:4] == b"\xfe" * 4
        frame = request[4:]
        assert frame[0] == frame[7] == 0x68 and frame[-1] == 0x16
        assert frame[-2] == sum(frame[:-2]) % 256
        asked = frame[6:0:-1].hex().upper()
        if asked not in (self.address, "A" * 12):
            return []
        data = bytes((byte - 0x33) % 256 for byte in frame[10:-2])
        return [(0, self.change(self.answer(frame[8], data)))]

    def answer(self, control, data):
        mine = bytes.fromhex(self.address)[::-1]
        if control == 0x13:
            return self.frame(0x93, mine)
        if control == 0x11:
            item = self.items.get(int.from_bytes(data, "little"))
            if item is None:
                return self.frame(0xD1, b"\2")
            return self.frame(0x91, data + bytes.fromhex(item))
        level, secret, who, kind = data[0], data[3:0:-1], data[7:3:-1], data[8]
        self.orders.append((f"{kind:02X}", who.hex(), data[10:].hex()))
        if f"{level:02d}{secret.hex()}" != self.password:
            return self.frame(0xDC, b"\4")
        self.items[0x04000503] = {0x1A: "1000", 0x1B: "0000"}[kind]
        return self.frame(0x9C, b"")

    def frame(self, control, data, wake=b"\xfe\xfe"):
        body = b"\x68" + bytes.fromhex(self.address)[::-1] + b"\x68"
        body += bytes((control, len(data)))
        body += bytes((byte + 0x33) % 256 for byte in data)
        return wake + body + bytes((sum(body) % 256, 0x16))


@pytest.fixture(params=["dlt645_serial", "dlt645_tcp"])
async def line(request):
    """A bus to one meter, ``line.meter``."""
    async with bus_to(request.param, Meter()) as bus:
        yield bus


@pytest.fixture
def profile():
    """The shipped profile of one phase."""
    return meter_profile.load("dlt645_1p")


def station(profile, device=METER, password="02123456"):
    return profile.station(device, Access(password=password, operator="00000007"))


def test_frames_to_the_letter():
    read_address = "68aaaaaaaaaaaa681300df16"
    assert dlt645.frame("A" * 12, 0x13).hex() == read_address
    forward = dlt645.frame("000000000001", 0x11, dlt645.item_bytes(0x00010000))
    assert forward.hex() == "680100000000006811043333" + "3433b316"
    answer = bytes.fromhex("fefe68010000000000689108333334 33ab896745 1716")
    assert dlt645.size_of(answer) == len(answer)
    data = dlt645.answer_data(answer, "000000000001", 0x11)
    assert dlt645.number(dlt645.item_data(data, 0x00010000)) == 12345678


def test_a_control_order_to_the_letter():
    until = datetime(2026, 11, 24, 20, 5, 9)
    data = dlt645.control_data(0x1A, "02123456", "00000007", until)
    assert data.hex() == "02563412" + "07000000" + "1a00" + "090520241126"


async def test_values_are_exact(line, profile):
    meter = station(profile)
    answers = {}
    for request in profile.requests():
        try:
            answers[request] = await line.read(meter, *request)
        except Refused as error:
            assert "no such data" in str(error)

    def amount(name):
        return profile.amount(name, answers)

    assert amount("import") == Decimal("123456.78")
    assert amount("total") == Decimal("-0.05")
    assert amount("v1") == Decimal("230.4")
    assert amount("i1") == Decimal("125.634")
    assert amount("p") == Decimal("-0.4321")
    assert amount("f") == Decimal("50.00")
    assert amount("band1") is None
    with pytest.raises(DecodeError, match="no value"):
        amount("pf")
    assert profile.relay_of(answers) == "closed"


def test_three_phases_come_in_one_item():
    profile = meter_profile.load("dlt645_3p")
    answers = {(0x0201FF00,): bytes.fromhex("0423 0523 ffff")}
    amounts = [profile.amount(name, answers, pt=Decimal(10)) for name in ("v1", "v2")]
    assert amounts == [Decimal("2304"), Decimal("2305")]
    with pytest.raises(DecodeError):
        profile.amount("v3", answers)
    with pytest.raises(DecodeError, match="2 bytes only"):
        profile.amount("v2", {(0x0201FF00,): b"\4\x23"})


async def test_the_address_of_the_only_meter(line, profile):
    assert await line.discover() == METER
    anyone = station(profile, "A" * 12)
    assert await line.read(anyone, 0x00010000) == bytes.fromhex("78563412")
    with pytest.raises(ProfileError, match="own address"):
        await line.write(anyone, *profile.relay_order("open"))
    assert not line.meter.orders


async def test_the_relay_is_ordered_with_password_operator_and_expiry(line, profile):
    line._clock = lambda: datetime(2026, 12, 31, 23, 55, 1)
    meter = station(profile)
    await line.write(meter, *profile.relay_order("open"))
    assert line.meter.orders == [("1A", "00000007", "010500010127")]
    word = await line.read(meter, *profile.relay_request())
    assert profile.relay_state(word) == "open"
    await line.write(meter, *profile.relay_order("closed"))
    word = await line.read(meter, *profile.relay_request())
    assert profile.relay_state(word) == "closed"
    assert profile.relay_state(b"\0") == "unknown"


async def test_without_the_right_password_nothing_is_switched(line, profile):
    wrong = station(profile, password="02999999")
    with pytest.raises(Refused, match="wrong password"):
        await line.write(wrong, *profile.relay_order("open"))
    assert line.meter.items[0x04000503] == "0000"
    sent = len(line.stub.requests)
    with pytest.raises(ProfileError, match="password"):
        await line.write(station(profile, password=""), *profile.relay_order("open"))
    assert len(line.stub.requests) == sent
    assert "02999999" not in f"{wrong} {wrong!r}"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda good: good[:-2] + b"\0\x16", "checksum"),
        (lambda good: good[:-1] + b"\x17", "whole"),
        (lambda good: good[:-3], "no answer"),
        (lambda good: b"\0" + good, "no DL/T 645"),
        (lambda good: good + good, "more bytes"),
        (
            lambda good: Meter("202600000018").frame(0x91, bytes(8)),
            "meter 202600000018",
        ),
        (lambda good: Meter().frame(0x91, b"\0\0\2\0" + bytes(4)), "about 00020000"),
        (lambda good: Meter().frame(0xB1, b"\0\0\1\0" + bytes(4)), "several frames"),
        (lambda good: Meter().frame(0x94, b""), "control code 94h"),
    ],
)
async def test_odd_answers_are_no_readings(line, profile, change, says):
    meter = station(profile)
    line.meter.change = change
    with pytest.raises(NoAnswer, match=says):
        await line.read(meter, 0x00010000)
    line.meter.change = bytes
    assert await line.read(meter, 0x00010000) == bytes.fromhex("78563412")


@pytest.mark.parametrize("device", ["1", "20260000001B", "2026000000170", 17])
def test_wrong_addresses_are_refused(profile, device):
    with pytest.raises(ProfileError, match="twelve digits"):
        profile.station(device, Access())


@given(st.binary(max_size=60))
def test_no_bytes_crash_or_become_another_meters_data(data):
    for control in (0x11, 0x13, 0x1C):
        try:
            dlt645.answer_data(data, METER, control)
        except BusError:
            continue
        rest = data.lstrip(b"\xfe")
        assert rest[:8] == b"\x68" + bytes.fromhex(METER)[::-1] + b"\x68"
        assert rest[-2] == sum(rest[:-2]) % 256


@given(st.binary(max_size=200), st.integers(0, 255), st.integers(0, 10))
def test_a_frame_comes_back_as_it_was(data, control, cut):
    frame = dlt645.WAKE + dlt645.frame(METER, control, data)
    assert dlt645.parse(frame) == (METER, control, data)
    assert dlt645.size_of(frame) == len(frame)
    assert dlt645.size_of(frame[:cut]) == 0
    with pytest.raises(BadAnswer):
        dlt645.parse(frame[:-1])


@given(st.binary(max_size=60), st.integers(4, 40), st.integers(1, 255))
def test_one_changed_byte_is_never_taken(data, place, change):
    frame = bytearray(dlt645.frame(METER, 0x91, data))
    place %= len(frame)
    frame[place] ^= change
    with pytest.raises((BadAnswer, Refused)):
        dlt645.answer_data(bytes(frame), METER, 0x11)


@given(st.binary(max_size=10), st.booleans())
def test_any_bytes_are_a_number_or_none(data, signed):
    try:
        found = dlt645.number(data, signed)
    except DecodeError:
        return
    digits = bytearray(reversed(data))
    if signed:
        digits[0] &= 0x7F
    assert abs(found) == int(digits.hex())
