"""Polls that come together are committed together, each before it is confirmed."""

import asyncio
import sqlite3

from conftest import until

from meter_bridge.commands_store import CommandStore
from meter_bridge.outbox import Outbox
from meter_bridge.store import Poll


async def test_polls_that_wait_share_a_transaction(outbox):
    groups, insist = [], outbox.insist

    async def counted(method, polls):
        groups.append(len(polls))
        return await insist(method, polls)

    outbox.insist = counted
    polls = [Poll(f"M{n}", 5, str(n)) for n in range(50)]
    await asyncio.gather(*map(outbox.keep, polls))
    assert sum(groups) == 50
    assert len(groups) <= 3
    times = await outbox.run(CommandStore.last_times)
    assert times == {f"M{n}": 5 for n in range(50)}


async def test_each_returns_only_when_its_own_poll_is_on_the_disk(outbox):
    async def keep(n):
        await outbox.keep(Poll(f"M{n}", 5, "1"))
        assert f"M{n}" in await outbox.run(CommandStore.last_times)

    await asyncio.gather(*map(keep, range(20)))


async def test_who_no_longer_waits_takes_no_poll_along(outbox):
    insist, taken, gate = outbox.insist, [], asyncio.Event()

    async def slow(method, polls):
        taken.append([poll.serial for poll in polls])
        await gate.wait()
        return await insist(method, polls)

    outbox.insist = slow
    polls = [Poll(f"M{n}", 5, "1") for n in range(3)]
    first, second, third = [asyncio.create_task(outbox.keep(poll)) for poll in polls]
    await until(lambda: taken)
    first.cancel()
    second.cancel()
    gate.set()
    await third
    assert first.cancelled() and second.cancelled()
    times = await outbox.run(CommandStore.last_times)
    assert times == {f"M{n}": 5 for n in range(3)}


async def test_closing_waits_for_what_is_under_way(tmp_path):
    outbox = Outbox(tmp_path / "outbox.sqlite3")
    await outbox.open()
    committed = outbox.put(Poll("M1", 5, "1"))
    await outbox.close()
    assert committed.done()


async def test_an_error_of_the_disk_is_everybodys(outbox, monkeypatch):
    def broken(store, polls):
        raise sqlite3.ProgrammingError("closed")

    monkeypatch.setattr(CommandStore, "add_polls", broken)
    tasks = [asyncio.create_task(outbox.keep(Poll(f"M{n}", 5, "1"))) for n in (1, 2)]
    await asyncio.sleep(0.05)
    assert outbox.full
    assert not any(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
