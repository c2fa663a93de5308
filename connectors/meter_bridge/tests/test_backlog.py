"""Batches that fit the ERP, a full disk, an older file, and clocks that are set."""

import asyncio
import sqlite3
import time

import pytest
from conftest import config_of, running_bridge, until

from meter_bridge import web
from meter_bridge.clock import ClockWatch
from meter_bridge.commands_store import CommandStore
from meter_bridge.delivery import FIRST_ROWS, LEAST_ROWS, BatchSize
from meter_bridge.outbox import Outbox
from meter_bridge.store import HOLD_S, Poll


@pytest.fixture
def store(tmp_path):
    found = CommandStore(tmp_path / "outbox.sqlite3")
    yield found
    found.close()


def fill(path, rows):
    """An outbox with so many readings of M1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    store = CommandStore(path)
    with store._transaction():
        for second in range(rows):
            store._item("reading", ["M1", 1000 + second, f"{second}.00"])
    store.close()


# -- how large a batch is ---------------------------------------------------------


def test_batches_grow_while_they_are_full_and_fast():
    size = BatchSize(10_000, timeout=30)
    sizes = []
    while size.rows < 10_000:
        sizes.append(size.rows)
        size.answered(size.rows, 1)
    assert sizes == [FIRST_ROWS * 2**n for n in range(4)]
    size.answered(10_000, 1)
    assert size.rows == 10_000
    size.answered(3, 1)
    size.answered(10_000, 10)
    assert size.rows == 10_000, "neither fast nor slow"


def test_batches_shrink_when_answers_are_slow_or_missing():
    size = BatchSize(10_000, timeout=30)
    size.answered(5, 16)
    assert size.rows == FIRST_ROWS / 2
    for _ in range(20):
        size.too_much()
    assert size.rows == LEAST_ROWS
    small = BatchSize(10, timeout=30)
    small.too_much()
    assert small.rows == 10


async def test_a_backlog_goes_out_in_growing_batches(plant, erp, tmp_path):
    plant.plant.meters["M1"].faults.silent = True
    config = config_of(plant, erp.url, tmp_path)
    fill(config.database, 20_000)
    async with running_bridge(config):
        await until(lambda: len(erp.registers("M1")) == 20_000)
    sizes = [answer["accepted"] for answer in erp.answers.values()]
    assert sizes[:4] == [1000, 2000, 4000, 8000]


async def test_413_makes_smaller_batches_at_once(plant, erp, tmp_path):
    config = config_of(plant, erp.url, tmp_path)
    fill(config.database, 1000)
    erp.script = [413, 413]
    async with running_bridge(config) as bridge:
        await until(lambda: len(erp.registers("M1")) >= 1000)
        counts = await bridge.outbox.run(CommandStore.counts)
    sizes = [answer["accepted"] for answer in erp.answers.values()]
    assert sizes[:3] == [250, 250, 500], "halved twice, in order"
    assert counts["dead_letters"] == 0


async def test_one_row_that_is_too_large_waits_and_is_not_buried(plant, erp, tmp_path):
    config = config_of(plant, erp.url, tmp_path)
    fill(config.database, 1)
    erp.script = [413] * 6
    async with running_bridge(config) as bridge:
        await until(lambda: "0.00" in erp.registers("M1"))
        counts = await bridge.outbox.run(CommandStore.counts)
    assert counts["dead_letters"] == 0


async def test_a_batch_that_is_never_answered_in_time_is_split(plant, erp, tmp_path):
    config = config_of(plant, erp.url, tmp_path, erp={"timeout": 0.3})
    fill(config.database, 1000)
    erp.script = ["commit_then_hang"] * 2
    async with running_bridge(config):
        await until(lambda: len(erp.uids) > 3)
    first, second, *rest = erp.uids
    assert first == second, "the first time it may have been stored under its uid"
    assert first not in rest
    assert sum(answer["accepted"] for answer in erp.answers.values()) == len(erp.rows)


# -- the file ---------------------------------------------------------------------

OLD = """
CREATE TABLE item (
    id INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, body TEXT NOT NULL,
    batch TEXT);
CREATE INDEX item_batch ON item (batch, id);
CREATE TABLE batch (
    uid TEXT PRIMARY KEY, seq INTEGER NOT NULL, created REAL NOT NULL,
    not_before REAL NOT NULL DEFAULT 0, attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT);
CREATE TABLE meter (
    serial TEXT PRIMARY KEY, relay TEXT NOT NULL DEFAULT 'unknown',
    generation INTEGER NOT NULL DEFAULT 0, last_time INTEGER NOT NULL DEFAULT 0);
INSERT INTO meter (serial, generation) VALUES ('M1', 4);
INSERT INTO batch (uid, seq, created, attempts) VALUES ('a', 1, 5, 2), ('b', 2, 6, 0);
INSERT INTO item (kind, body, batch) VALUES
    ('reading', '["M1",1,"1"]', 'a'), ('reading', '["M1",2,"2"]', 'a'),
    ('reading', '["M1",3,"3"]', 'b'), ('reading', '["M1",4,"4"]', NULL);
"""


def test_the_outbox_of_an_older_bridge_keeps_batches_and_uids(tmp_path):
    old = sqlite3.connect(tmp_path / "outbox.sqlite3")
    old.executescript(OLD)
    old.close()
    for _ in range(2):  # opened a second time it is today's already
        store = CommandStore(tmp_path / "outbox.sqlite3")
        store.close()
    store = CommandStore(tmp_path / "outbox.sqlite3")
    assert store.counts()["batches_unanswered"] == 1
    found = []
    while batch := store.next_batch(10, 0):
        found.append((batch.uid, [row[2] for row in batch.readings]))
        store.confirm(batch.uid, [], 0)
    assert found[:2] == [("a", ["1", "2"]), ("b", ["3"])]
    assert found[2][1] == ["4"]
    assert store.states()["M1"] == ("unknown", 4, None)
    store.close()


def test_batches_that_wait_do_not_take_in_what_comes_later(store):
    for second in range(6):
        store.add_poll(Poll("M1", second + 1, str(second)))
    first = store.next_batch(2, 0)
    store.postpone(first.uid, "strange answer", not_before=50)
    second = store.next_batch(2, 0)
    store.confirm(second.uid, [], 0)
    store.add_poll(Poll("M2", 1, "9"))
    third = store.next_batch(10, 0)
    assert [row[2] for row in third.readings] == ["4", "5", "9"]
    store.postpone(third.uid, "strange answer", not_before=50)
    assert store.next_batch(10, 0) is None, "all rows have their batch"
    assert store.next_batch(10, 60).uid == first.uid
    assert len(first.readings) == 2


def test_a_batch_put_aside_by_a_wrong_clock_does_not_wait_for_years(store):
    store.add_poll(Poll("M1", 1, "1"))
    batch = store.next_batch(2, 0)
    store.postpone(batch.uid, "", not_before=10**10)
    assert store.next_batch(2, 0).uid == batch.uid


async def test_a_full_disk_stops_reading_loudly_and_drops_nothing(plant, erp, tmp_path):
    erp.always = 500
    config = config_of(plant, erp.url, tmp_path)
    async with running_bridge(config) as bridge:
        await until(lambda: erp.uids)

        def limit(store, pages):
            store._db.execute(f"PRAGMA max_page_count = {pages}")

        pages = 1  # SQLite makes it as many as there are
        await bridge.outbox.run(limit, pages)
        filler = Poll("X", 1, None, {"p": 1.0, "text": "x" * 3000})
        with pytest.raises(sqlite3.OperationalError, match="full"):
            while True:
                filler.time += 1
                await bridge.outbox.run(CommandStore.add_poll, filler)
        await until(lambda: "full" in bridge.outbox.full)
        health = await web.health(bridge)
        assert any("disk: " in text for text in health["problems"])
        counts = await bridge.outbox.run(CommandStore.counts)
        shown = {s: m.register() for s, m in plant.plant.meters.items()}
        await asyncio.sleep(0.5)
        assert await bridge.outbox.run(CommandStore.counts) == counts
        erp.always = None
        await until(lambda: not bridge.outbox.full, what="delivery makes room")
        for serial, register in shown.items():
            await until(lambda s=serial, r=register: max(erp.registers(s)) > r)
    stored = sum(answer["accepted"] for answer in erp.answers.values())
    assert stored == len(erp.rows) >= counts["reading"]


async def test_keep_returns_only_when_it_is_on_the_disk(tmp_path):
    outbox = Outbox(tmp_path / "outbox.sqlite3")
    await outbox.open()
    await outbox.run(lambda s: s._db.execute("PRAGMA max_page_count = 1"))
    big = [Poll("M1", n, "1", {"text": "x" * 9000}) for n in range(1, 99)]
    with pytest.raises(sqlite3.OperationalError):
        for poll in big:
            await outbox.run(CommandStore.add_poll, poll)
    before = await outbox.run(CommandStore.counts)
    task = asyncio.create_task(outbox.keep(Poll("M2", 1, "5", {"t": "x" * 9000})))
    await until(lambda: outbox.full)
    assert not task.done()
    assert await outbox.run(CommandStore.counts) == before, "all or nothing"
    await outbox.run(lambda s: s._db.execute("PRAGMA max_page_count = 99999"))
    await task
    assert (await outbox.run(CommandStore.last_times))["M2"] == 1
    assert not outbox.full
    await outbox.close()


# -- clocks -----------------------------------------------------------------------


class Clocks:
    wall = steady = 1000.0


@pytest.fixture
def clocks():
    return Clocks()


@pytest.fixture
def watch(clocks):
    return ClockWatch(lambda: clocks.wall, lambda: clocks.steady)


@pytest.mark.parametrize(("by", "said"), [(0.5, None), (3600, 3600), (-5, -5)])
def test_a_clock_that_is_set_is_noticed_once(clocks, watch, by, said):
    clocks.steady += 7
    clocks.wall += 7 + by
    assert watch.step() == said
    clocks.steady += 1
    clocks.wall += 1
    assert watch.step() is None


def test_the_erps_clock_is_compared_as_exactly_as_the_trip_allows(watch):
    at = 1777888800
    text = "2026-05-04T10:00:00Z"
    assert watch.against_erp(text, at - 9, at + 0.1) is None, "a slow answer"
    assert watch.against_erp(text, at + 60, at + 61) == 60
    assert watch.against_erp(text, at + 61, at + 62) is None, "said already"
    assert watch.against_erp(text, at - 61, at - 60) == -60
    assert watch.against_erp(text, at, at + 0.2) == 0, "right again, which is news"
    for nothing in (None, "yesterday", 5, text):
        assert watch.against_erp(nothing, at, at + 0.2) is None


def test_time_of_a_meter_never_runs_backwards_silently(store):
    def add(at):
        return store.add_poll(Poll("M1", at, str(at)))

    assert add(10_000)
    assert not add(10_000 - HOLD_S), "it stands still until the clock is there again"
    assert add(10_001)
    assert add(5_000), "the clock was wrong before"
    assert add(5_001)
    rows = store.next_batch(10, 0).readings
    assert [row[1] for row in rows] == [10_000, 10_001, 5_000, 5_001]
    assert [row[3:] for row in rows] == [[], [], [["clock_step"]], []]


async def test_clock_steps_are_told_to_the_erp(plant, erp, tmp_path):
    async with running_bridge(config_of(plant, erp.url, tmp_path)) as bridge:
        bridge.clock._offset -= 120
        await until(lambda: erp.events)
        erp.server_time = "2020-01-01T00:00:00Z"
        await until(lambda: len(erp.events) > 1)
        problems = (await web.health(bridge))["problems"]
    step, against = [event["data"] for event in erp.events[:2]]
    assert step == {"against": "monotonic", "seconds": pytest.approx(120, abs=1)}
    assert against["against"] == "erp"
    assert against["seconds"] == pytest.approx(time.time() - 1577836800, abs=30)
    assert {event["kind"] for event in erp.events} == {"clock_step"}
    assert any(text.startswith("clock: +") for text in problems)
