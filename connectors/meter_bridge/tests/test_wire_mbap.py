"""Modbus TCP: only the answer with the request's number is its answer."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_wire_rtu import meter
from wire_stubs import bus_to

from meter_bridge.transport import BadAnswer, BusError, NoAnswer
from meter_bridge.wire import mbap


def frame(number, device, body, protocol=0):
    return struct.pack(">HHHB", number, protocol, len(body) + 1, device) + body


def answer_to(request):
    """Every register holds its own address."""
    good = meter(request[6:] + b"--")
    return frame(int.from_bytes(request[:2], "big"), good[0], good[1:-2])


@pytest.fixture
async def line():
    """A bus to a stub; ``line.script`` holds changes of coming answers."""
    script = []

    def answer(request):
        change = script.pop(0) if script else lambda good: good
        return [(0, change(answer_to(request)))]

    async with bus_to("modbus_tcp", answer) as bus:
        bus.script = script
        yield bus


async def test_reads_and_writes(line):
    assert await line.read(7, 3, 10, 60) == list(range(10, 70))
    assert await line.read(7, 4, 0, 125) == list(range(125))
    await line.write(7, 16, 5, [1, 2])
    await line.write(7, 6, 5, [1])
    sent = line.stub.requests[2][6:]
    assert sent == bytes((7, 16, 0, 5, 0, 2, 4, 0, 1, 0, 2))


async def test_an_answer_that_comes_twice_is_no_answer_to_the_next(line):
    line.script.append(lambda good: good + good)
    for address in (10, 20, 30):
        assert await line.read(1, 3, address, 2) == [address, address + 1]
    assert line.link.opened == 1


async def test_an_old_answer_before_the_right_one_is_thrown_away(line):
    old = frame(40000, 1, bytes((3, 4, 9, 9, 9, 9)))
    line.script.append(lambda good: old + good)
    assert await line.read(1, 3, 10, 2) == [10, 11]
    line.script.append(lambda good: old)
    with pytest.raises(NoAnswer, match="within"):
        await line.read(1, 3, 10, 2)
    assert await line.read(1, 3, 12, 2) == [12, 13]
    assert line.link.opened == 2, "a lost answer costs the connection"


@pytest.mark.parametrize(
    "change",
    [
        lambda good: good[:6] + b"\2" + good[7:],  # another device
        lambda good: good[:7] + b"\4" + good[8:],  # another function
        lambda good: frame(1, 1, b"\3\2\0\1"),  # fewer registers
        lambda good: frame(1, 1, b"\3\4\0\1\0"),  # cut, and the size agrees
        lambda good: frame(1, 1, b"\3"),
        lambda good: frame(1, 1, good[7:], protocol=1),
        lambda good: b"HTTP/1.1 400 Bad Request\r\n\r\n",
    ],
)
async def test_foreign_and_cut_answers_are_no_answers(line, change):
    line.script.append(change)
    with pytest.raises(BadAnswer):
        await line.read(1, 3, 10, 2)
    assert await line.read(1, 3, 12, 2) == [12, 13]


async def test_an_answer_in_pieces_is_one(line):
    parts = []

    def answer(request):
        whole = answer_to(request)
        parts.extend(whole[n : n + 1] for n in range(len(whole)))
        return [(0.005, part) for part in parts]

    line.stub.answer = answer
    assert await line.read(1, 3, 10, 2) == [10, 11]


async def test_a_connection_that_breaks_off_ends_the_wait_at_once(line):
    line.link.timing = type(line.link.timing)(timeout=60)

    def hang_up(request):
        line.link._transport.abort()
        return []

    line.stub.answer = hang_up
    with pytest.raises(NoAnswer, match="broke off"):
        await line.read(1, 3, 10, 2)


ANSWERS = st.builds(
    frame,
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2]),
    st.binary(max_size=8) | st.binary(min_size=4, max_size=4).map(b"\3\4".__add__),
)


@given(
    st.binary(max_size=300) | st.lists(ANSWERS, max_size=3).map(b"".join),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2]),
)
def test_no_bytes_crash_or_become_a_foreign_register(data, number, device):
    try:
        found = mbap.find(number, data)
        if found is None:
            return
        words = mbap.TcpBus._registers(found, device, 3, 2)
    except BusError:
        return
    assert found in data
    assert found == frame(number, device, b"\3\4" + struct.pack(">2H", *words))


@given(
    st.lists(st.tuples(st.integers(0, 0xFFFF), st.binary(min_size=2, max_size=250))),
    st.integers(0, 0xFFFF),
    st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=120),
)
def test_the_right_frame_is_found_among_others(others, number, words):
    before = b"".join(frame(n, 1, body) for n, body in others if n != number)
    count = len(words)
    body = bytes((3, 2 * count)) + struct.pack(f">{count}H", *words)
    data = before + frame(number, 5, body)
    assert mbap.find(number, data[:-1]) is None
    found = mbap.find(number, data + before)
    assert mbap.TcpBus._registers(found, 5, 3, count) == words
