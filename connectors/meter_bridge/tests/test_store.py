"""The outbox: committed is kept, confirmed is gone, rejected is explained."""

import os
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from meter_bridge.commands_store import CommandError, CommandStore, epoch, parse
from meter_bridge.outbox import AlreadyRunning, Outbox
from meter_bridge.store import Poll


@pytest.fixture
def store(tmp_path):
    found = CommandStore(tmp_path / "outbox.sqlite3")
    yield found
    found.close()


def fill(store, count, serial="M1"):
    for number in range(count):
        store.add_poll(Poll(serial, 1000 + number, f"{number}.00"))


def command(command_id=1, value="open", generation=1, **more):
    raw = {"id": command_id, "meter_serial": "M1", "kind": "relay", "value": value}
    return parse({**raw, "generation": generation, **more})


def test_a_batch_keeps_uid_and_rows_until_it_is_confirmed(store):
    fill(store, 5)
    first = store.next_batch(3, 0)
    fill(store, 2, "M2")
    store.postpone(first.uid, "no answer", 0)
    again = store.next_batch(100, 0)
    assert (again.uid, again.readings) == (first.uid, first.readings)
    assert first.readings == [["M1", 1000 + i, f"{i}.00"] for i in range(3)]
    store.confirm(first.uid, [], 0)
    second = store.next_batch(100, 0)
    assert second.uid != first.uid
    assert [row[0] for row in second.readings] == ["M1", "M1", "M2", "M2"]
    store.confirm(second.uid, [], 0)
    assert store.next_batch(100, 0) is None
    assert store.counts()["reading"] == 0


def test_rejected_rows_become_dead_letters_with_the_servers_reason(store):
    fill(store, 3)
    batch = store.next_batch(10, 0)
    store.confirm(batch.uid, [(1, "unknown serial")], 1234)
    (letter,) = store.dead_letters()
    assert letter["body"] == ["M1", 1001, "1.00"]
    assert (letter["reason"], letter["at"]) == ("unknown serial", 1234)
    assert store.counts()["reading"] == 0


def test_a_commit_is_on_the_disk_when_it_returns(store):
    ask = store._db.execute
    assert ask("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert ask("PRAGMA synchronous").fetchone()[0] == 2, "FULL"


def test_one_reading_a_second(store):
    assert store.add_poll(Poll("M1", 5, "1.00"))
    assert not store.add_poll(Poll("M1", 5, "1.01"))
    assert store.add_poll(Poll("M2", 5, "1.00"))
    assert store.add_poll(Poll("M1", 6, "1.02"))
    assert store.counts()["reading"] == 3


def test_a_refused_batch_is_halved_down_to_the_row_that_is_refused(store):
    fill(store, 8)
    poison, delivered, clock = "5.00", [], 0
    while batch := store.next_batch(100, clock):
        clock += 1
        registers = [row[2] for row in batch.readings]
        if poison in registers:
            if store.refuse(batch.uid, "HTTP 422", clock, 10) == "waiting":
                clock += 20
        else:
            delivered += registers
            store.confirm(batch.uid, [], clock)
    assert sorted(delivered) == sorted(f"{i}.00" for i in range(8) if i != 5)
    (letter,) = store.dead_letters()
    assert letter["body"][2] == poison
    assert letter["reason"] == "HTTP 422"


def test_an_erp_that_refuses_everything_empties_nothing(store):
    fill(store, 4)
    for clock in range(0, 2000, 20):
        if batch := store.next_batch(100, clock):
            store.refuse(batch.uid, "HTTP 400", clock, 10)
    assert store.counts()["reading"] == 4
    assert store.dead_letters() == []


def test_relay_changes_become_events_but_the_first_look_does_not(store):
    for second, relay in enumerate(["closed", "closed", "open", "unknown", "open"]):
        store.add_poll(Poll("M1", second, "1", relay=relay))
    batch = store.next_batch(10, 0)
    kinds = [(event["kind"], event["time"]) for event in batch.events]
    assert kinds == [("relay_opened", 2)]
    store.add_poll(Poll("M1", 9, "1", relay="closed"))
    store.confirm(batch.uid, [], 0)
    (event,) = store.next_batch(10, 0).events
    assert (event["kind"], event["meter_serial"]) == ("relay_closed", "M1")
    assert store.states()["M1"][:2] == ("closed", 0)


def test_command_generations_only_grow(store):
    old, new = command(1, "closed", 3), command(2, "open", 4)
    store.add_commands([old, new], 0)
    assert store.begin_sending(new)
    assert not store.begin_sending(old)
    assert store.begin_sending(command(3, "open", 4)), "the same may be tried again"
    assert store.states()["M1"][:2] == ("unknown", 4)


def test_a_command_is_taken_once_and_a_finished_one_is_reported_again(store):
    mine = command(7)
    now = time.time()
    assert store.add_commands([mine, mine], now) == [mine]
    store.finish(mine, "verified", "open", 99, "")
    (result,) = store.unreported()
    assert result == {
        "id": 7,
        "outcome": "verified",
        "observed": "open",
        "at": 99,
        "detail": "",
    }
    store.mark_reported([result])
    assert store.unreported() == []
    assert store.add_commands([mine], now) == []
    assert store.unreported() == [result]
    assert store.unfinished() == []


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2026-11-23T12:00:00Z", 1795435200),
        ("2026-11-23T13:00:00+01:00", 1795435200),
        (1795435200, 1795435200),
        ("1795435200.5", 1795435200.5),
        (None, None),
        (False, None),
    ],
)
def test_times_of_commands(value, seconds):
    assert epoch(value) == seconds


@pytest.mark.parametrize("value", ["2026-11-23T12:00:00", "soon", [], "1.2.3"])
def test_times_without_zone_or_sense_are_refused(value):
    with pytest.raises(CommandError):
        epoch(value)


@pytest.mark.parametrize(
    "raw",
    [
        None,
        {},
        {"id": 1, "kind": "relay", "value": "ajar"},
        {"id": 1, "kind": "relay", "value": "open", "generation": "x"},
    ],
)
def test_what_is_no_command(raw):
    with pytest.raises(CommandError):
        parse(raw)


WRITER = """
import sys
from pathlib import Path
from meter_bridge.commands_store import CommandStore
from meter_bridge.store import Poll
store = CommandStore(Path(sys.argv[1]))
for number in range(int(sys.argv[2]), 10**9):
    store.add_poll(Poll("M1", number, str(number)))
    print(number, flush=True)
    if number % 7 == 0:
        batch = store.next_batch(5, 0)
        print("batch", batch.uid, flush=True)
"""


def test_kill_9_loses_nothing_that_was_committed(tmp_path):
    path, told, next_number = tmp_path / "outbox.sqlite3", [], 1
    for _round in range(4):
        command = [sys.executable, "-c", WRITER, str(path), str(next_number)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                if line[0] != "b":
                    told.append(int(line))
                if len(told) % 41 == 40:
                    os.kill(process.pid, signal.SIGKILL)
                    break
            told += [int(rest) for rest in process.stdout if rest[:-1].isdigit()]
        next_number = told[-1] + 2
    store = CommandStore(path)
    kept = []
    while batch := store.next_batch(1000, 0):
        kept += [row[1] for row in batch.readings]
        store.confirm(batch.uid, [], 0)
    assert len(kept) == len(set(kept))
    assert set(told) <= set(kept)
    assert len(set(kept) - set(told)) <= 4, "at most the last one of each round"
    store.close()


async def test_one_bridge_a_directory(tmp_path):
    first, second = Outbox(tmp_path / "o.sqlite3"), Outbox(tmp_path / "o.sqlite3")
    await first.open()
    with pytest.raises(AlreadyRunning):
        await second.open()
    await second.close()
    await first.run(CommandStore.add_poll, Poll("M1", 1, "1"))
    await first.close()
    third = Outbox(tmp_path / "o.sqlite3")
    await third.open()
    assert (await third.run(CommandStore.counts))["reading"] == 1
    await third.close()


def test_what_the_erp_no_longer_wants_is_withdrawn_before_it_is_written(store):
    locked, wanted, late = (
        command(1, "closed", 3),
        command(2, "open", 4, serial="M2"),
        command(3, "open", 5, serial="M3"),
    )
    store.add_commands([locked, wanted], 10)
    store.add_commands([late], 30)
    store.withdraw({wanted.id}, asked_at=20)
    assert not store.begin_sending(locked), "a lock-out came in between"
    assert store.begin_sending(wanted)
    assert store.begin_sending(late), "it came after the list was asked for"
    (result,) = store.unreported()
    assert (result["outcome"], result["detail"]) == ("expired", "withdrawn by the ERP")


def test_a_poll_that_was_rolled_back_is_not_remembered(tmp_path, monkeypatch):
    store = CommandStore(tmp_path / "o.sqlite3")
    store.add_poll(Poll("M1", 5, "1", relay="closed"))

    def full(*_):
        raise sqlite3.OperationalError("database or disk is full")

    with monkeypatch.context() as patch, pytest.raises(sqlite3.OperationalError):
        patch.setattr(store, "_insert", full)
        store.add_poll(Poll("M1", 6, "2", relay="open"))
    assert store.last_times() == {"M1": 5}
    assert store.add_poll(Poll("M1", 6, "2", relay="open"))
    assert store.states()["M1"][0] == "open"
    batch = store.next_batch(10, 0)
    assert [row[1] for row in batch.readings] == [5, 6]
    assert [event["kind"] for event in batch.events] == ["relay_opened"]


def test_what_another_program_wrote_about_a_meter_is_seen(tmp_path):
    """A dead letter that is understood again, beside the running bridge."""
    bridge, beside = [CommandStore(tmp_path / "o.sqlite3") for _ in range(2)]
    assert bridge.add_poll(Poll("M1", 5, "1"))
    assert beside.add_poll(Poll("M1", 9, "2", by_meter=True))
    assert not bridge.add_poll(Poll("M1", 9, "2", by_meter=True))
    assert bridge.add_poll(Poll("M1", 10, "3"))


def test_many_polls_are_all_written_in_their_order(tmp_path):
    store = CommandStore(tmp_path / "o.sqlite3")
    polls = [Poll(f"M{n % 700}", 5 + n, str(n), {"p": n / 7}) for n in range(1700)]
    assert store.add_polls(polls) == 1700
    batch = store.next_batch(10_000, 0)
    assert batch.readings == [[p.serial, p.time, p.register] for p in polls]
    assert batch.telemetry == [[p.serial, p.time, p.telemetry] for p in polls]
    assert store.last_times() == {p.serial: p.time for p in polls}
