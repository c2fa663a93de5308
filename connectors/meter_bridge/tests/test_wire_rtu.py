"""Modbus RTU on a serial line: late, odd and foreign answers never become readings."""

import asyncio
import os
import termios

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pymodbus.server import ModbusSerialServer
from pymodbus.simulator import DataType, SimData, SimDevice
from wire_stubs import PtyStub, Wires, bus_to, line_of

from meter_bridge.transport import BadAnswer, BusError, LineDown, NoAnswer, Refused
from meter_bridge.wire import rtu
from meter_bridge.wire.lines import bus_of, timing_of


def meter(request):
    """Every register holds its own address."""
    device, function = request[:2]
    if function in (3, 4):
        first, count = request[2:4], int.from_bytes(request[4:6], "big")
        begin = int.from_bytes(first, "big")
        words = b"".join((begin + i).to_bytes(2, "big") for i in range(count))
        return rtu.frame(device, bytes((function, 2 * count)) + words)
    return rtu.frame(device, request[1:6])


@pytest.fixture(params=["rtu_serial", "rtu_over_tcp"])
async def line(request):
    """A bus to a stub; ``line.script`` holds (delay, change) for coming answers."""
    script = []

    def answer(request):
        delay, change = script.pop(0) if script else (0, lambda good: good)
        return [(delay, change(meter(request)))]

    async with bus_to(request.param, answer) as bus:
        bus.script = script
        yield bus


async def test_reads_and_writes_a_real_rtu_server():
    wires = Wires()
    block = SimData(0, values=list(range(100)), datatype=DataType.REGISTERS)
    server = ModbusSerialServer(
        SimDevice(id=5, simdata=[block]), port=wires.paths[1], baudrate=19200
    )
    await server.serve_forever(background=True)
    settings = line_of("rtu_serial", server, baudrate=19200)
    settings.serial_port = wires.paths[0]
    bus = bus_of(settings)
    try:
        assert await bus.read(5, 3, 10, 60) == list(range(10, 70))
        await bus.write(5, 16, 20, [7, 8])
        await bus.write(5, 6, 22, [9])
        assert await bus.read(5, 3, 19, 5) == [19, 7, 8, 9, 23]
        with pytest.raises(Refused, match="exception 2"):
            await bus.read(5, 3, 90, 60)
        assert await bus.read(5, 3, 0, 1) == [0]
    finally:
        bus.close()
        await server.shutdown()
        wires.stop()


async def test_late_answers_never_shift_the_readings(line):
    """A meter that answers in 0.42 s within 0.3 s of patience, again and again."""
    line.script += [(0.42, bytes), (0, bytes), (0.42, bytes), (0.42, bytes)]
    got = []
    for address in range(10, 16):
        try:
            got.append(await line.read(1, 3, address, 2))
        except NoAnswer:
            got.append(None)
    assert got == [None, [11, 12], None, None, [14, 15], [15, 16]]


async def test_the_answer_of_a_cancelled_request_meets_no_other(line):
    line.script += [(0.1, bytes)]
    task = asyncio.create_task(line.read(1, 3, 10, 2))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])
    assert await line.read(1, 3, 50, 2) == [50, 51]


def crc(good):
    return good[:-1] + bytes((good[-1] ^ 1,))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (crc, "CRC"),
        (lambda good: good + b"\0", "more bytes"),
        (lambda good: good + good, "more bytes"),
        (lambda good: good[:-3], "no answer"),
        (lambda good: b"", "no answer"),
        (lambda good: rtu.frame(2, good[1:-2]), "device 2"),
        (lambda good: rtu.frame(1, b"\4" + good[2:-2]), "function 4"),
        (lambda good: rtu.frame(1, b"\3\2" + good[3:5]), "asked for 2"),
        (lambda good: rtu.frame(1, b"\x2b" + good[2:-2]), "function 43"),
        (lambda good: rtu.frame(1, b"\x83\x0b"), "gateway reports"),
    ],
)
async def test_odd_answers_are_no_readings(line, change, says):
    line.script.append((0, change))
    with pytest.raises(NoAnswer, match=says):
        await line.read(1, 3, 10, 2)
    assert await line.read(1, 3, 20, 2) == [20, 21]


async def test_a_refusal_costs_no_pause(line):
    line.script.append((0, lambda good: rtu.frame(1, b"\x83\2")))
    with pytest.raises(Refused) as refused:
        await line.read(1, 3, 10, 2)
    assert refused.value.code == 2
    assert line.link._quiet_until == 0


async def test_bytes_that_nobody_asked_for_are_thrown_away(line):
    assert await line.read(1, 3, 10, 2) == [10, 11]
    line.stub.send(meter(rtu.read_request(1, 3, 99, 2)))
    await asyncio.sleep(0.02)
    assert await line.read(1, 3, 12, 2) == [12, 13]


async def test_a_write_is_sent_once_and_its_answer_checked(line):
    line.script.append((0, lambda good: b""))
    with pytest.raises(NoAnswer):
        await line.write(1, 16, 0x57, [1, 1])
    assert len(line.stub.requests) == 1
    line.script.append((0, lambda good: rtu.frame(1, b"\x10\0\x58\0\2")))
    with pytest.raises(BadAnswer, match="another register"):
        await line.write(1, 16, 0x57, [1, 1])
    await line.write(1, 16, 0x57, [1, 1])
    assert len(line.stub.requests) == 3


async def test_a_second_master_on_the_port_is_refused_by_the_ports_name():
    stub = PtyStub(lambda request: [(0, meter(request))])
    first, second = (bus_of(line_of("rtu_serial", stub)) for _ in range(2))
    assert await first.read(1, 3, 1, 1) == [1]
    with pytest.raises(LineDown, match=f"{stub.path}: another program is master"):
        await second.connect()
    first.close()
    assert await second.read(1, 3, 1, 1) == [1]
    second.close()
    stub.stop()


async def test_a_lost_answer_does_not_give_the_port_away():
    stub = PtyStub(lambda request: [])
    first, second = (bus_of(line_of("rtu_serial", stub)) for _ in range(2))
    with pytest.raises(NoAnswer):
        await first.read(1, 3, 1, 1)
    with pytest.raises(LineDown):
        await second.connect()
    first.close()
    stub.stop()


async def test_an_adapter_that_is_pulled_out_is_a_line_down():
    stub = PtyStub(lambda request: [(0, meter(request))])
    bus = bus_of(line_of("rtu_serial", stub))
    assert await bus.read(1, 3, 1, 1) == [1]
    path = stub.path
    stub.stop()
    await asyncio.sleep(0.02)
    with pytest.raises(BusError):
        await bus.read(1, 3, 1, 1)
    assert not os.path.exists(path)
    with pytest.raises(LineDown, match=path):
        await bus.read(1, 3, 1, 1)
    bus.close()


async def test_a_setting_that_the_port_refuses_is_a_line_down(monkeypatch):
    """A pty refuses parity on some systems, a cheap adapter two stop bits."""

    def refuse(*_):
        raise termios.error(22, "Invalid argument")

    stub = PtyStub(lambda request: [])
    monkeypatch.setattr(termios, "tcsetattr", refuse)
    with pytest.raises(LineDown, match=f"{stub.path}: .*Invalid argument"):
        await bus_of(line_of("rtu_serial", stub)).connect()
    stub.stop()


def test_time_on_the_wire():
    timing = timing_of(line_of("rtu_serial", None, baudrate=2400, parity="E"))
    assert timing.character == pytest.approx(11 / 2400)
    assert timing.gap == pytest.approx(3.5 * 11 / 2400)
    assert timing.quiet == timing.timeout
    quick = timing_of(line_of("rtu_serial", None, baudrate=115200))
    assert quick.gap == 0.00175


@given(st.binary(max_size=300), st.integers(1, 247), st.sampled_from([3, 4, 6, 16]))
def test_no_bytes_crash_or_become_registers(data, device, function):
    try:
        size = rtu.size_of(data)
        rtu.registers_of(data[: size or None], device, function, 2)
    except BusError:
        return
    assert rtu.frame(data[0], data[1 : size - 2]) == data[:size], "the CRC was right"
    assert (data[0], data[1], data[2]) == (device, function, 4)


@given(st.lists(st.integers(0, 65535), min_size=1, max_size=125), st.integers(1, 247))
def test_registers_come_back_as_they_were(words, device):
    data = b"".join(word.to_bytes(2, "big") for word in words)
    answer = rtu.frame(device, bytes((3, len(data))) + data)
    assert rtu.size_of(answer) == len(answer)
    assert rtu.registers_of(answer, device, 3, len(words)) == words
    for cut in range(3):
        assert rtu.size_of(answer[:cut]) == 0
