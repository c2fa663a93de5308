"""Registers become exact decimals; no bytes crash the decoder."""

import struct
from decimal import Decimal

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from meter_bridge import codec, meter_profile

types = st.sampled_from(sorted(codec.TYPES))
MODBUS = [
    name
    for name in meter_profile.names()
    if meter_profile.load(name).protocol == "modbus"
]
orders = st.sampled_from(["big", "little"])


@given(st.lists(st.integers(-5, 70000), max_size=8), types, orders)
def test_any_words_give_a_value_or_a_decode_error(words, type_name, order):
    try:
        value = codec.decode(words, type_name, order)
    except codec.DecodeError:
        return
    assert value.is_finite()
    assert len(words) == codec.words_of(type_name)


@given(st.binary(max_size=260), st.sampled_from(MODBUS))
def test_any_bytes_through_any_profile(data, name):
    profile = meter_profile.load(name)
    words = list(struct.unpack(f">{len(data) // 2}H", data[: len(data) // 2 * 2]))
    for value_name, value in profile.values.items():
        for offset in (0, 1, 7):
            part = words[offset : offset + value.count]
            try:
                amount = profile.decode(value_name, part)
            except codec.DecodeError:
                continue
            Decimal(codec.plain(profile.to_standard(value_name, amount)))


@given(types, orders, st.integers(-(2**70), 2**70))
def test_encode_then_decode_gives_the_same_integer(type_name, order, number):
    assume(type_name != "float32")
    bits = 16 * codec.words_of(type_name)
    signed = type_name.startswith("int")
    low, high = (
        (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    )
    words = codec.encode(Decimal(number), type_name, order)
    expected = min(max(number, low), high)
    assert codec.decode(words, type_name, order) == expected


@given(st.floats(width=32, allow_nan=False, allow_infinity=False))
def test_floats_are_converted_exactly(number):
    words = codec.encode(Decimal(number), "float32")
    assert codec.decode(words, "float32") == Decimal(number)


def test_uint64_keeps_all_nineteen_digits():
    words = codec.encode(Decimal(9_999_999_999_999_999_999), "uint64")
    value = codec.scaled(codec.decode(words, "uint64"), Decimal("0.01"))
    assert codec.plain(value) == "99999999999999999.99"


def test_known_meter_bytes():
    """1234.56 kWh as a DDSY1352 sends it, and as an SDM630 does."""
    ddsy = meter_profile.load("ddsy1352")
    assert codec.plain(ddsy.decode("total", [0x0001, 0xE240])) == "1234.56"
    assert (
        codec.plain(ddsy.decode("total", [0x0001, 0xE240], Decimal(40))) == "49382.40"
    )
    sdm = meter_profile.load("sdm630")
    assert codec.plain(sdm.decode("import", [0x449A, 0x51EC])) == "1234.56"
    em340 = meter_profile.load("em340")  # least significant word first
    assert codec.plain(em340.decode("import", [0x3039, 0x0000])) == "1234.5"
    iem = meter_profile.load("iem3000")
    wh = iem.decode("import", [0, 0, 0x0012, 0xD687])
    assert codec.plain(iem.to_standard("import", wh)) == "1234.567"


@pytest.mark.parametrize(
    ("words", "type_name", "invalid"),
    [
        ([0xFFFF, 0xFFFF], "uint32", (0xFFFFFFFF,)),
        ([0x7FFF], "int16", (0x7FFF,)),
        ([0x7FC0, 0], "float32", ()),
        ([0x7F80, 0], "float32", ()),
        ([1], "uint32", ()),
        ([1, 2, 3], "uint32", ()),
    ],
)
def test_what_is_no_value(words, type_name, invalid):
    with pytest.raises(codec.DecodeError):
        codec.decode(words, type_name, "big", invalid)


def test_abb_sentinel_of_64_bits():
    with pytest.raises(codec.DecodeError):
        meter_profile.load("abb_b23").decode("import", [0xFFFF] * 4)
