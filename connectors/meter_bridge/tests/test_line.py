"""The order of work on a line, and what a full disk does to it."""

import asyncio
import sqlite3

import pytest
from conftest import config_of, running_bridge, until

from meter_bridge import meter_profile
from meter_bridge.commands_store import CommandStore, parse
from meter_bridge.device import Device
from meter_bridge.line import LineWorker
from meter_bridge.transport import NoAnswer


class Bus:
    """Records who is asked for what; ``dead`` addresses do not answer."""

    def __init__(self, dead=()):
        self.log, self.dead, self.on_read = [], dead, lambda entry: None
        self.relays = {}

    async def connect(self):
        pass

    def close(self):
        pass

    async def read(self, device, function, address, count):
        self.log.append((device, "read", address))
        self.on_read(self.log[-1])
        await asyncio.sleep(0)
        if device in self.dead:
            raise NoAnswer("silent")
        return self.relays.get(device, [1, 0]) if address == 0x57 else [0] * count

    async def write(self, device, function, address, words):
        self.log.append((device, "write", address))
        self.relays[device] = words


def device(address, name="ddsy1352", **more):
    profile = meter_profile.load(name)
    return Device(f"M{address}", address, profile, interval=1000, **more)


def order(serial, value="open"):
    raw = {"id": serial, "meter_serial": serial, "kind": "relay", "value": value}
    return parse({**raw, "generation": 1})


async def work(worker, condition):
    """Let the worker run until ``condition()``."""
    task = asyncio.create_task(worker.run())
    try:
        await until(condition)
    finally:
        task.cancel()
        await asyncio.wait([task])


async def test_a_command_waits_for_one_block_at_most(outbox):
    bus = Bus()
    worker = LineWorker("L", bus, [device(n) for n in range(1, 9)], outbox)
    commands = [order("M8")]
    await outbox.run(CommandStore.add_commands, commands, 0)

    def submit(entry):
        if entry[0] == 1 and commands:  # in the first of several blocks of M1
            worker.submit(commands.pop())

    bus.on_read = submit
    await work(worker, lambda: (8, "write", 0x57) in bus.log)
    assert bus.log.index((8, "write", 0x57)) == 1


async def test_verification_comes_before_due_polls(outbox):
    bus = Bus()
    worker = LineWorker("L", bus, [device(n) for n in range(1, 4)], outbox)
    await outbox.run(CommandStore.add_commands, [order("M3")], 0)
    await outbox.run(CommandStore.begin_sending, order("M3"))
    (left,) = await outbox.run(CommandStore.unfinished)
    worker.submit(left)
    await work(worker, lambda: len(bus.log) > 3)
    assert bus.log[0] == (3, "read", 0x57)
    assert not [entry for entry in bus.log if entry[1] == "write"]


async def test_due_polls_come_before_probes_of_dead_meters(outbox):
    bus = Bus()
    dead, fresh = device(1, misses=5), device(2)
    worker = LineWorker("L", bus, [dead, fresh], outbox)
    await work(worker, lambda: bus.log and bus.log[-1][0] == 1)
    first_probe = next(i for i, entry in enumerate(bus.log) if entry[0] == 1)
    assert {entry[0] for entry in bus.log[:first_probe]} == {2}
    assert first_probe == len(fresh.profile.blocks())


async def test_a_probe_is_one_short_read_and_its_answer_brings_the_meter_back(outbox):
    bus = Bus(dead={1})
    meter = device(1, misses=1, backoff_first=0.02, backoff_max=0.02)
    worker = LineWorker("L", bus, [meter], outbox)
    await work(worker, lambda: len(bus.log) >= 4)
    assert meter.dead
    assert set(bus.log[1:]) == {(1, "read", 0)}
    bus.dead = ()
    await work(worker, lambda: (1, "read", 0x57) in bus.log)
    assert not meter.dead


async def test_a_cancellation_that_a_library_swallows_still_ends_the_worker(outbox):
    """In Python 3.11 ``asyncio.wait_for`` does so when the answer comes just then."""
    bus = Bus()
    worker = LineWorker("L", bus, [device(1)], outbox)
    task = asyncio.create_task(worker.run())

    async def swallow(*_):
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            return [0, 0]

    bus.read = swallow
    await asyncio.sleep(0.02)
    task.cancel()
    await until(task.done)


async def test_a_full_disk_stops_nothing_for_good(plant, erp, tmp_path, monkeypatch):
    full = {"on": True}
    add_polls = CommandStore.add_polls

    def failing(store, polls):
        if full["on"]:
            raise sqlite3.OperationalError("database or disk is full")
        return add_polls(store, polls)

    monkeypatch.setattr(CommandStore, "add_polls", failing)
    async with running_bridge(config_of(plant, erp.url, tmp_path)) as bridge:
        await until(lambda: bridge.workers[0].last_answer)
        assert not erp.rows
        full["on"] = False
        await until(lambda: erp.registers("M1"))


@pytest.mark.parametrize("step", ["begin_sending", "mark", "finish"])
async def test_a_disk_error_around_a_write_never_writes_twice(
    plant, erp, tmp_path, monkeypatch, relay_command, step
):
    good, left = getattr(CommandStore, step), [1]

    def failing_once(store, *arguments):
        if left:
            left.pop()
            raise sqlite3.OperationalError("disk I/O error")
        return good(store, *arguments)

    monkeypatch.setattr(CommandStore, step, failing_once)
    async with running_bridge(config_of(plant, erp.url, tmp_path)):
        erp.commands = [relay_command(1, "M1", "open")]
        result = await until(lambda: erp.outcome(1))
    assert result["outcome"] == "verified"
    assert not left
    assert len(plant.plant.meters["M1"].writes) == 1
