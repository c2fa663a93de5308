"""M-Bus: records chosen by what they are, amounts exact, odd telegrams no readings."""

import struct
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from wire_stubs import bus_to

from meter_bridge import meter_profile
from meter_bridge.codec import DecodeError
from meter_bridge.transport import BusError, NoAnswer
from meter_bridge.wire import mbus
from meter_bridge.wire.base_profile import Access, ProfileError

ACCESS = Access()
# a heat meter: energy, volume, power, two temperatures, and records that are not it
TODAY = bytes.fromhex(
    "0c0678563412"  # BCD 12345678 x 1 kWh
    "0c1427048500"  # BCD 850427 x 0.01 m3
    "0b2d120000"  # BCD 12 x 100 W
    "0a5a6506" + "0a5e8004"  # 66.5 and 48.0 degrees
    "4c0601000000"  # energy of the day of account (storage 1)
    "8c100602000000"  # energy of tariff 1
    "8c400603000000"  # energy of subunit 1
    "1c0604000000"  # its maximum
    "0c863c05000000"  # backward energy (VIFE 3C)
    "3c0606000000"  # energy while in error
    "0d7c0441424344024142"  # a text with a unit in plain text
)


class Meter:
    """A slave by EN 13757-2; frames are put together here by the standard."""

    def __init__(self, primary=5, identity="1234567824400107", telegrams=(TODAY,)):
        self.primary, self.identity, self.telegrams = primary, identity, telegrams
        self.selected, self.turn, self.fcb, self.change = False, 0, None, bytes

    def __call__(self, request):
        if request[0] == 0x68:
            assert request[4:7] == b"\x53\xfd\x52"
            assert request[-2] == sum(request[4:-2]) % 256
            asked = request[10:6:-1].hex() + request[11:15].hex()
            pairs = zip(asked.upper(), self.identity, strict=True)
            self.selected = all(a in ("F", b) for a, b in pairs)
            self.fcb, self.turn = None, -1
            return [(0, b"\xe5")] if self.selected else []
        _, control, address, check, end = request
        assert check == (control + address) % 256 and end == 0x16
        if address != (self.primary if not self.selected else 0xFD):
            return []
        if control == 0x40:
            self.fcb, self.turn = None, -1
            return [(0, b"\xe5")]
        if control & 0x20 != self.fcb:
            self.turn = (self.turn + 1) % len(self.telegrams)
        self.fcb = control & 0x20
        return [(0, self.change(self.frame(self.telegrams[self.turn])))]

    def frame(self, records, control=8, config=b"\0\0", more=None):
        if more is None and self.turn < len(self.telegrams) - 1:
            records += b"\x1f"
        number = bytes.fromhex(self.identity[:8])[::-1]
        head = number + bytes.fromhex(self.identity[8:]) + b"\1\0" + config
        body = bytes((control, self.primary, 0x72)) + head + records
        check = bytes((sum(body) % 256, 0x16))
        return bytes((0x68, len(body), len(body), 0x68)) + body + check


@pytest.fixture(params=["mbus_serial", "mbus_tcp"])
async def line(request):
    """A bus to one meter, ``line.meter``."""
    async with bus_to(request.param, Meter()) as bus:
        yield bus


def heat(**more):
    profile = meter_profile.load("mbus_heat")
    return profile.model_copy(update=more)


@pytest.mark.parametrize("device", [5, "12345678", "1234567824400107", "1234FFFF"])
async def test_values_are_exact_by_either_address(line, device):
    profile = heat()
    station = profile.station(device, ACCESS)
    answers = {request: await line.read(station, *request) for request in [(0,)]}
    amounts = {name: profile.amount(name, answers) for name in profile.values}
    assert amounts == {
        "total": Decimal("12345678"),
        "volume": Decimal("8504.27"),
        "p": Decimal("1.2"),
        "temperature": Decimal("66.5"),
        "return": Decimal("48.0"),
    }


@pytest.mark.parametrize(
    ("choice", "amount"),
    [
        ({"storage": 1}, 1),
        ({"tariff": 1}, 2),
        ({"subunit": 1}, 3),
        ({"function": "maximum"}, 4),
        ({"extension": (0x3C,)}, 5),
        ({"function": "error"}, 6),
        ({"vif": (0x06,)}, 12345678),
    ],
)
async def test_the_record_is_chosen_by_what_it_is(line, choice, amount):
    profile = heat()
    total = profile.values["total"].model_copy(update=choice)
    profile = heat(values={"total": total})
    records = await line.read(profile.station(5, ACCESS), 0)
    assert profile.amount("total", {(0,): records}) == amount


async def test_none_or_two_records_are_no_value(line):
    profile = meter_profile.load("mbus_electricity")
    line.meter.telegrams = (TODAY + TODAY,)
    answers = {(0,): await line.read(profile.station(5, ACCESS), 0)}
    with pytest.raises(DecodeError, match="2 records fit"):
        profile.amount("import", answers)
    with pytest.raises(DecodeError, match="0 records fit"):
        profile.amount("v1", answers)


async def test_several_telegrams_are_read_in_turn(line):
    line.meter.telegrams = (TODAY[:6], TODAY[6:12], TODAY[12:17])
    profile = heat(telegrams=3)
    station = profile.station(5, ACCESS)
    answers = {r: await line.read(station, *r) for r in profile.requests()}
    assert profile.amount("volume", answers) == Decimal("8504.27")
    assert profile.amount("p", answers) == Decimal("1.2")
    assert len(line.stub.requests) == 4, "one start, three telegrams"
    # out of turn, as after a command in between: from the beginning again
    (record,) = await line.read(station, 1)
    assert mbus.meaning(record.vif)[0].quantity == "volume"
    early = {(0,): answers[0,]}
    assert profile.amount("volume", early) is None


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda good: good[:-2] + bytes((good[-2] ^ 1, 0x16)), "checksum"),
        (lambda good: good[:-1] + b"\x17", "whole"),
        (lambda good: good[:20], "no answer"),
        (lambda good: b"", "no answer"),
        (lambda good: b"\0" + good, "no M-Bus frame"),
        (lambda good: good[:2] + b"\x09" + good[3:], "lengths"),
        (lambda good: b"\xe5", "whole long frame"),
        (lambda good: good + b"\0", "more bytes"),
        (lambda good: Meter(primary=6).frame(TODAY), "meter 1234567824400107"),
        (lambda good: Meter().frame(TODAY, control=0x53), "control 53h"),
        (lambda good: Meter().frame(TODAY, config=b"\0\5"), "encrypted"),
        (lambda good: Meter().frame(b"\x0d\x03"), "cannot be read"),
    ],
)
async def test_odd_telegrams_are_no_readings(line, change, says):
    station = heat().station(5, ACCESS)
    line.meter.change = change
    with pytest.raises(NoAnswer, match=says):
        await line.read(station, 0)
    line.meter.change = bytes
    assert len(await line.read(station, 0)) == 12


async def test_another_meter_that_answers_a_selection_is_not_taken(line):
    station = heat().station("12345678", ACCESS)
    other = Meter(identity="1234567924400107")
    line.meter.change = lambda good: other.frame(TODAY)
    with pytest.raises(NoAnswer, match="1234567924400107"):
        await line.read(station, 0)
    with pytest.raises(NoAnswer, match="no answer"):
        await line.read(heat().station("99999999", ACCESS), 0)


@pytest.mark.parametrize("device", [251, -1, "1234567", "12345678ABC", "1234567A", ""])
def test_wrong_addresses_are_refused(device):
    with pytest.raises(ProfileError, match="primary"):
        heat().station(device, ACCESS)


def record(vif, coding, data):
    return mbus.Record(0, 0, 0, "instantaneous", vif, coding, data)


def bcd(number):
    return bytes.fromhex(f"{number:08d}")[::-1]


@pytest.mark.parametrize(
    ("vif", "raw", "amount"),
    [
        ((0x03,), 12345678, "12345.678"),  # Wh
        ((0x07,), 12, "120"),  # 10 kWh
        ((0x0F,), 36, "100"),  # 10 MJ
        ((0x0E,), 1, "0.278"),  # 1 MJ, rounded
        ((0xFB, 0x01), 7, "7000"),  # MWh
        ((0xFB, 0x09), 36, "10000"),  # GJ
        ((0x10,), 1, "0.000001"),
        ((0x16,), 12345678, "12345678"),
        ((0x13,), 12345678, "12345.678"),
        ((0xFB, 0x11), 3, "3000"),
        ((0x2B,), 1500, "1.5"),
        ((0x3B,), 1500, "1.5"),
        ((0x42,), 1, "0.0006"),  # 10^-5 m3/min
        ((0x59,), 2150, "21.5"),
        ((0xFD, 0x48), 2304, "230.4"),
        ((0xFD, 0x59), 1234, "1.234"),
    ],
)
def test_units_by_the_standard(vif, raw, amount):
    got = mbus.amount_of(record(vif, 12, bcd(raw)))
    assert got == Decimal(amount)


def test_kinds_of_numbers():
    def raw(coding, data):
        return mbus.raw_number(record((0x13,), coding, bytes.fromhex(data)))

    assert raw(4, "ffffffff") == -1
    assert raw(7, "ffffffffffffff7f") == 2**63 - 1
    assert raw(12, "040302f1") == -1020304
    for coding, data in ((4, "00000080"), (12, "0a000000"), (4, "0000"), (13, "31")):
        with pytest.raises(DecodeError):
            raw(coding, data)
    volume = record((0x16,), 5, struct.pack("<f", 12.3456))
    assert mbus.amount_of(volume, Decimal("0.001")) == Decimal("12.346")
    with pytest.raises(DecodeError, match="resolution"):
        mbus.amount_of(volume)


def test_a_profile_states_the_quantitys_own_unit(tmp_path):
    shipped = meter_profile.Path(meter_profile.__file__).parent / "profiles"
    text = (shipped / "mbus_water.toml").read_text(encoding="utf-8")
    for old, new, says in (
        ('unit = "m3"', 'unit = "l"', "m3 by the quantity"),
        ('"volume"', '"level"', "quantity: known are energy"),
        ('"mbus"', '"wmbus"', "known: modbus, mbus"),
    ):
        with pytest.raises(ProfileError, match=says):
            meter_profile.parse(text.replace(old, new, 1), "x.toml")


@given(st.binary(max_size=80), st.booleans())
def test_no_bytes_crash_or_become_a_wrong_telegram(data, framed):
    answer = Meter().frame(data) if framed else data
    try:
        size = mbus.size_of(answer)
        telegram = mbus.telegram_of(answer[: size or None])
    except BusError:
        return
    assert answer[-2] == sum(answer[4:-2]) % 256
    for one in telegram.records:
        try:
            amount = mbus.amount_of(one, Decimal("0.001"))
        except DecodeError:
            continue
        assert amount.is_finite()


@given(st.integers(-(2**31) + 1, 2**31 - 1), st.integers(0, 7))
def test_integers_come_back_exactly(number, step):
    data = bytes((4, 0x10 + step)) + number.to_bytes(4, "little", signed=True)
    (one,) = mbus.telegram_of(Meter().frame(data)).records
    assert mbus.amount_of(one) == Decimal(number).scaleb(step - 6)


@given(st.integers(4, 60), st.integers(1, 255))
def test_one_changed_byte_is_never_taken(place, change):
    frame = bytearray(Meter().frame(TODAY))
    frame[place % len(frame)] ^= change
    with pytest.raises(BusError):
        mbus.telegram_of(bytes(frame))
