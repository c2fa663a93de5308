"""One worker for all protocols: order, relays, back-off, what a dead meter costs."""

import asyncio
import time

import pytest
from test_line import device, order, work
from test_wire_dlt645 import METER, Meter
from test_wire_mbus import Meter as HeatMeter
from wire_stubs import TcpStub, line_of

from meter_bridge import meter_profile
from meter_bridge.commands_store import CommandStore
from meter_bridge.config import ConfigError, from_dict
from meter_bridge.device import Device
from meter_bridge.line import LineWorker
from meter_bridge.transport import NoAnswer
from meter_bridge.wire.base_profile import Access
from meter_bridge.wire.lines import bus_of

ACCESS = Access(password="02123456")
TIMEOUT = QUIET = 1.0


async def worker_to(stub, transport, name, address, outbox, **more):
    """A worker with one meter at ``stub``."""
    profile = meter_profile.load(name)
    meter = Device("M1", profile.station(address, ACCESS), profile, 0.05, **more)
    line = bus_of(line_of(transport, stub))
    return LineWorker("L", line, [meter], outbox, verify_for=2)


async def registers(outbox):
    """Serial and register of all readings that were kept."""
    batch = await outbox.run(CommandStore.next_batch, 100, time.time())
    return {tuple(row[i] for i in (0, 2)) for row in batch.readings} if batch else set()


async def test_a_dlt645_meter_is_read_and_switched_once(outbox):
    meter = Meter()
    stub = await TcpStub(meter).start()
    worker = await worker_to(stub, "dlt645_tcp", "dlt645_1p", METER, outbox)
    await outbox.run(CommandStore.add_commands, [order("M1")], 0)
    worker.submit(order("M1"))
    await work(worker, outbox.outcomes.is_set)
    (result,) = await outbox.run(CommandStore.unreported)
    assert (result["outcome"], result["observed"]) == ("verified", "open")
    assert [kind for kind, *_ in meter.orders] == ["1A"]
    assert await registers(outbox) <= {("M1", "123456.78")}
    stub.stop()


async def test_a_dlt645_order_found_in_sending_is_only_read_back(outbox):
    meter = Meter()
    stub = await TcpStub(meter).start()
    worker = await worker_to(stub, "dlt645_tcp", "dlt645_1p", METER, outbox)
    await outbox.run(CommandStore.add_commands, [order("M1")], 0)
    await outbox.run(CommandStore.begin_sending, order("M1"))
    (left,) = await outbox.run(CommandStore.unfinished)
    worker.submit(left)
    await work(worker, outbox.outcomes.is_set)
    (result,) = await outbox.run(CommandStore.unreported)
    assert (result["outcome"], result["observed"]) == ("failed", "closed")
    assert meter.orders == []
    stub.stop()


async def test_without_password_the_order_fails_and_the_line_goes_on(outbox):
    stub = await TcpStub(Meter()).start()
    worker = await worker_to(stub, "dlt645_tcp", "dlt645_1p", METER, outbox)
    meter = worker.devices["M1"]
    meter.address = meter.profile.station(METER, Access())
    await outbox.run(CommandStore.add_commands, [order("M1")], 0)
    worker.submit(order("M1"))
    await work(worker, outbox.outcomes.is_set)
    (result,) = await outbox.run(CommandStore.unreported)
    assert result["outcome"] == "failed"
    assert "password" in result["detail"]
    await work(worker, lambda: worker.last_answer)
    stub.stop()


async def test_a_dlms_meter_is_read_and_switched_once(outbox):
    dlms_meter = pytest.importorskip("dlms_meter")
    server = dlms_meter.DlmsMeter(password=ACCESS.password)
    worker = await worker_to(server, "dlms_tcp", "dlms_electricity", 1, outbox)
    await outbox.run(CommandStore.add_commands, [order("M1")], 0)
    worker.submit(order("M1"))
    await work(worker, outbox.outcomes.is_set)
    (result,) = await outbox.run(CommandStore.unreported)
    assert (result["outcome"], result["observed"]) == ("verified", "open")
    assert server.calls == [1]
    server.stop()


async def test_an_mbus_meter_dies_is_probed_and_comes_back(outbox):
    meter = HeatMeter()
    stub = await TcpStub(meter).start()
    backoff = {"backoff_first": 0.05, "backoff_max": 0.1}
    worker = await worker_to(stub, "mbus_tcp", "mbus_heat", 5, outbox, **backoff)
    found = worker.devices["M1"]
    await work(worker, lambda: worker.last_answer)
    await until_async(lambda: registers(outbox), {("M1", "12345678")})
    meter.primary = 6
    await work(worker, lambda: found.dead)
    meter.primary = 5
    await work(worker, lambda: not found.dead)
    stub.stop()


async def until_async(find, expected):
    """Wait until ``await find()`` is ``expected``."""
    async with asyncio.timeout(10):
        while await find() != expected:
            await asyncio.sleep(0.02)


class VirtualClock(asyncio.SelectorEventLoop):
    """A loop whose time passes only while it would wait."""

    def __init__(self):
        super().__init__()
        self.now = 0.0
        real = self._selector.select

        def select(timeout):
            self.now += timeout or 0
            return real(0)

        self._selector.select = select

    def time(self):
        return self.now


class Instant:
    """An outbox that keeps nothing and takes no time."""

    def __init__(self):
        self.fresh, self.outcomes = asyncio.Event(), asyncio.Event()
        self.results = []

    async def run(self, method, *arguments):
        if method is CommandStore.finish:
            self.results.append(arguments[:2])
        return True

    def put(self, poll):
        """Take a poll."""
        done = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def wait_for(self, committed):
        """It is there."""
        await committed


class CountedLine:
    """A line of 9600 baud: a block takes 0.18 s, a lost answer time-out and quiet."""

    BLOCK = 0.18

    def __init__(self, dead=()):
        self.dead, self.reads, self.writes = set(dead), {}, []

    async def connect(self):
        pass

    def close(self):
        pass

    async def read(self, device, function, address, count):
        await asyncio.sleep(self.BLOCK)
        if device in self.dead:
            await asyncio.sleep(TIMEOUT + QUIET - self.BLOCK)
            raise NoAnswer("silent")
        self.reads[device] = self.reads.get(device, 0) + 1
        return [0] * count

    async def write(self, device, function, address, words):
        self.writes.append(asyncio.get_running_loop().time())
        await asyncio.sleep(self.BLOCK)


def on_virtual_clock(scenario):
    """Run ``scenario()`` to its end in no real time."""
    with asyncio.Runner(loop_factory=VirtualClock) as runner:
        return runner.run(scenario())


def blocks_of_the_living(dead, seconds):
    """Blocks that meters 2 … 32 gave on a line that is always busy."""

    async def scenario():
        bus = CountedLine(dead)
        meters = [device(n, "sdm630") for n in range(1, 33)]
        for meter in meters:
            meter.interval = 0.1
        task = asyncio.ensure_future(LineWorker("L", bus, meters, Instant()).run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])
        return [bus.reads.get(n, 0) for n in range(2, 33)]

    return on_virtual_clock(scenario)


@pytest.mark.parametrize(("minutes", "share"), [(10, 0.97), (60, 0.985)])
def test_one_dead_meter_of_32_costs_the_others_under_five_percent(minutes, share):
    """Against the same line with 31 meters and one that answers in no time at all.

    Back-off and the patience of probes together are better than asked for.
    """
    got = blocks_of_the_living({1}, minutes * 60)
    possible = minutes * 60 / CountedLine.BLOCK
    assert sum(got) >= share * possible
    assert max(got) - min(got) <= 6, "and all of them alike"


@pytest.mark.parametrize("begin", [0.01, 0.1, 0.5, 1.0, 1.7, 2.3, 5.5, 31.0])
def test_a_command_waits_for_one_block_and_one_time_out(begin):
    """A lost answer takes its time-out and the quiet that follows it on RTU lines."""

    async def scenario():
        bus, outbox = CountedLine({1}), Instant()
        meters = [device(n) for n in (1, 2, 3)]
        worker = LineWorker("L", bus, meters, outbox)
        task = asyncio.ensure_future(worker.run())
        await asyncio.sleep(begin)
        worker.submit(order("M3"))
        await asyncio.sleep(5)
        task.cancel()
        await asyncio.wait([task])
        return bus.writes[0] - begin

    longest = CountedLine.BLOCK + TIMEOUT + QUIET
    assert on_virtual_clock(scenario) <= longest + 1e-6


GOOD = {"serial": "W1", "profile": "mbus_water", "device": "12345678"}


@pytest.mark.parametrize(
    ("line", "meter", "says"),
    [
        ({"transport": "mbus_tcp", "host": "h", "port": 1}, {}, None),
        ({"transport": "mbus_serial", "serial_port": "/dev/x"}, {}, None),
        ({"transport": "mbus_serial"}, {}, "serial_port: mbus_serial needs it"),
        ({"transport": "mbus_tcp", "host": "h"}, {}, "port: mbus_tcp needs it"),
        (
            {"transport": "mbus_serial", "serial_port": "/dev/x", "host": "h"},
            {},
            "host: mbus_serial has none",
        ),
        ({"transport": "rtu_serial", "serial_port": "/dev/x"}, {}, "speaks mbus"),
        (
            {"transport": "mbus_tcp", "host": "h", "port": 1},
            {"device": "12"},
            None,
        ),
        (
            {"transport": "mbus_tcp", "host": "h", "port": 1},
            {"device": "1234"},
            "W1: device: '1234' is neither",
        ),
        (
            {"transport": "mbus_tcp", "host": "h", "port": 1, "password_file": "/no"},
            {},
            "password_file: .*No such file",
        ),
        (
            {"transport": "mbus_serial", "serial_port": "/dev/x", "parity": "X"},
            {},
            "parity",
        ),
    ],
)
def test_lines_in_the_configuration(line, meter, says):
    one = {"name": "L", **line, "meter": [{**GOOD, **meter}]}
    data = {"state_dir": "/x", "line": [one]}
    data["erp"] = {"url": "http://x", "database": "x", "api_key": "x"}
    if says is None:
        from_dict(data)
        return
    with pytest.raises(ConfigError, match=says):
        from_dict(data)


def test_two_names_of_one_port_are_two_masters(tmp_path):
    (tmp_path / "port").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "port")
    lines = [
        {
            "name": name,
            "transport": "mbus_serial",
            "serial_port": str(tmp_path / name),
            "meter": [{**GOOD, "serial": name}],
        }
        for name in ("port", "by-id")
    ]
    data = {"state_dir": "/x", "line": lines}
    data["erp"] = {"url": "http://x", "database": "x", "api_key": "x"}
    with pytest.raises(ConfigError, match="two masters"):
        from_dict(data)
