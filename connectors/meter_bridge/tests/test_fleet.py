"""Two bridges on the same meters: one is the master, by the ERP's word alone."""

import asyncio
import signal
import time

import pytest
from conftest import config_of, running_bridge, until
from test_kills import kept, nursery, plant, told, write_config
from test_switching import seed

from meter_bridge.commands_store import CommandStore
from meter_bridge.exchange import RESUMED
from meter_bridge.lease import SAFE_S, Lease
from meter_bridge.store import Poll

__all__ = ["nursery", "plant"]


def word(holder="a", seconds=30, since="1"):
    return {"holder": holder, "seconds": seconds, "since": since}


class Clock:
    """A steady clock that stands still."""

    now = 100.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


def test_a_bridge_that_is_alone_is_always_the_master():
    alone = Lease()
    assert alone.may_switch and alone.may_read(False) and alone.may_take_commands
    assert not alone.take(word("b"), 0)
    assert alone.may_switch


def test_a_new_bridge_does_nothing_before_the_erp_says_so(clock):
    lease = Lease("a", clock)
    assert not lease.may_read(True) and not lease.may_switch
    assert lease.take(word("b"), clock.now)
    assert not lease.may_read(True) and not lease.may_switch
    assert lease.take(word("a", since="2"), clock.now)
    assert lease.may_read(True) and lease.may_read(False) and lease.may_switch


def test_a_lease_is_counted_from_the_question_and_ends_early_for_writes(clock):
    lease = Lease("a", clock)
    lease.take(word(seconds=30), asked=90)
    clock.now = 90 + 30 - SAFE_S
    assert not lease.may_switch
    assert lease.may_take_commands
    clock.now = 120
    assert not lease.may_take_commands
    assert lease.may_read(True), "it cannot know whether there is another master"
    assert not lease.may_read(False), (
        "but two masters would destroy each other's frames"
    )


def test_the_erps_word_for_another_ends_everything_at_once(clock):
    lease = Lease("a", clock)
    lease.take(word(), clock.now)
    assert lease.take(word("b", 20, "2"), clock.now)
    assert not lease.may_read(True) and not lease.may_switch


def test_an_answer_without_a_word_changes_nothing(clock):
    lease = Lease("a", clock)
    lease.take(word(), clock.now)
    assert not lease.take(None, clock.now)
    assert lease.may_switch


def test_after_a_restart_the_last_master_reads_on_but_does_not_switch(clock):
    lease, again, other = (Lease(name, clock) for name in "aab")
    lease.take(word(), clock.now)
    again.remember(lease.memory())
    assert not again.may_read(True), "it asks first"
    again.no_word()
    assert again.may_read(True)
    assert not again.may_switch and not again.may_read(False)
    other.remember(None)
    other.no_word()
    assert not other.may_read(True)


def of_fleet(plant, erp, tmp_path, name):
    return config_of(plant, erp.url, tmp_path / name, fleet={"instance": name})


async def test_the_stand_by_delivers_but_neither_reads_nor_switches(
    plant, erp, tmp_path, relay_command
):
    erp.holder, erp.until = "b", float("inf")
    erp.commands = erp.with_ingest = [relay_command(1, "M1", "open")]
    (tmp_path / "a").mkdir()
    left = CommandStore(tmp_path / "a" / "outbox.sqlite3")
    left.add_poll(Poll("M1", 5, "1.00"))
    left.close()
    async with running_bridge(of_fleet(plant, erp, tmp_path, "a")) as bridge:
        await until(lambda: erp.registers("M1") == ["1.00"])
        await until(lambda: bridge.lease.holder == "b")
        counts = await bridge.outbox.run(CommandStore.counts)
        assert (counts["commands"], bridge.lease.may_switch) == (0, False)
    assert erp.registers("M2") == []
    assert plant.plant.meters["M1"].writes == []


async def test_a_command_that_another_was_given_is_only_read_back(
    plant, erp, tmp_path, relay_command
):
    erp.commands = [relay_command(n, f"M{n}", "open") for n in (1, 2)]
    erp.given, plant.plant.meters["M2"].relay = {1, 2}, "open"
    erp.lease_s = 30
    async with running_bridge(of_fleet(plant, erp, tmp_path, "a")):
        assert (await until(lambda: erp.outcome(1)))["outcome"] == "failed"
        assert (await until(lambda: erp.outcome(2)))["outcome"] == "verified"
        erp.commands = [relay_command(3, "M3", "open")]
        assert (await until(lambda: erp.outcome(3)))["outcome"] == "verified"
    assert plant.plant.meters["M1"].writes == plant.plant.meters["M2"].writes == []
    assert len(plant.plant.meters["M3"].writes) == 1


async def test_commands_of_before_another_master_are_forgotten(
    plant, erp, tmp_path, relay_command
):
    erp.lease_s = 30
    async with running_bridge(of_fleet(plant, erp, tmp_path, "a")) as bridge:
        await until(lambda: erp.registers("M1"))
        await plant.lines["L"].stop()
        await until(lambda: bridge.workers[0].down)
        erp.commands = [relay_command(5, "M1", "open")]
        await until(lambda: bridge.workers[0]._board.waiting)
        erp.holder, erp.since, erp.until = "b", 9, float("inf")
        await until(lambda: not bridge.workers[0]._board.waiting)
        assert (await bridge.outbox.run(CommandStore.counts))["commands"] == 0
    assert erp.outcome(5) is None, "the other one says what became of it"


@pytest.mark.parametrize(("term", "outcome"), [("7", "verified"), ("6", None)])
async def test_what_a_restart_finds_is_of_this_term_or_is_the_others(
    plant, erp, tmp_path, relay_command, term, outcome
):
    folder = tmp_path / "a"
    folder.mkdir()
    seed(folder, relay_command(1, "M1", "open"), "sending")
    store = CommandStore(folder / "outbox.sqlite3")
    store.put(RESUMED, term)
    store.close()
    plant.plant.meters["M1"].relay = "open"
    erp.holder, erp.since, erp.lease_s = "a", 7, 30
    async with running_bridge(of_fleet(plant, erp, tmp_path, "a")):
        erp.commands = [relay_command(2, "M2", "open")]
        assert (await until(lambda: erp.outcome(2)))["outcome"] == "verified"
        if outcome:
            assert (await until(lambda: erp.outcome(1)))["outcome"] == outcome
    assert outcome or erp.outcome(1) is None, "the other one says what became of it"


async def test_without_the_erp_the_master_reads_on_and_the_stand_by_waits(
    plant, erp, tmp_path
):
    erp.lease_s = 0.5
    first, second = (of_fleet(plant, erp, tmp_path, name) for name in "ab")
    async with running_bridge(first) as active:
        await until(lambda: active.lease.may_take_commands)
        async with running_bridge(second) as stand_by:
            await until(lambda: stand_by.lease.holder == "a")
            await erp.stop()
            await until(lambda: not active.lease.may_take_commands)
            counts = {"reading": 0}
            while counts["reading"] < 9:
                counts = await active.outbox.run(CommandStore.counts)
                await asyncio.sleep(0.05)
            counts = await stand_by.outbox.run(CommandStore.counts)
            assert counts["reading"] == 0
    await erp.start()


async def more(path):
    """Wait until a bridge has committed some more readings."""
    have = len(told(path))
    await until(lambda: len(told(path)) > have + 5, 30, f"no more in {path}")


async def test_a_killed_master_is_replaced_without_loss_or_doubling(
    nursery, plant, erp, tmp_path, relay_command
):
    """Two processes; the master is killed, comes back as stand-by, takes over."""
    files, paths, pids = {}, {}, {}
    erp.lease_s = SAFE_S + 1
    for name in "ab":
        fleet = {"fleet": {"instance": name}}
        files[name] = write_config(plant, erp, tmp_path, name, **fleet)
        paths[name] = tmp_path / f"told-{name}"
        pids[name] = await nursery.start(files[name], paths[name])
    await until(lambda: erp.holder)
    for _ in range(2):
        master, other = erp.holder, {"a": "b", "b": "a"}[erp.holder]
        await more(paths[master])
        before = told(paths[other])
        await nursery.end(pids[master])
        ended = int(time.time())
        assert told(paths[other]) == before, "the stand-by did not read"
        await more(paths[other])
        assert min(at for _, at, _ in told(paths[other]) - before) >= ended
        pids[master] = await nursery.start(files[master], paths[master])
    erp.commands = [relay_command(1, "M1", "open")]
    assert (await until(lambda: erp.outcome(1)))["outcome"] == "verified"
    for name in "ab":
        await nursery.end(pids[name], signal.SIGTERM)
    stored = {(*place, register) for place, register in erp.rows.items()}
    waiting = kept(tmp_path / "a")[0] | kept(tmp_path / "b")[0]
    assert told(paths["a"]) | told(paths["b"]) <= stored | waiting
    assert sum(answer["accepted"] for answer in erp.answers.values()) == len(erp.rows)
    assert sum(answer["duplicates"] for answer in erp.answers.values()) == 0
    for serial in ("M1", "M2"):
        registers = [float(register) for register in erp.registers(serial)]
        assert registers == sorted(registers), "they go on where they were"
    assert len(plant.plant.meters["M1"].writes) == 1
