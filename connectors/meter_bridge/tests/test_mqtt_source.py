"""Messages are acknowledged when they are on the disk, and none is lost or doubled."""

import asyncio
import json
import os
import signal
import sqlite3
import subprocess
import sys

import pytest
from conftest import running_bridge, until
from mqtt_tools import (
    PLAIN,
    Publisher,
    energy,
    mqtt_config,
    published,
    settings,
)

from meter_bridge import metrics
from meter_bridge.mqtt import connection as connection_module
from meter_bridge.store import Store

T0 = 1_780_000_000


@pytest.fixture
def device(broker):
    """A client that publishes."""
    client = Publisher(broker.port)
    yield client
    client.stop()


def numbered(serial, numbers):
    return [(f"m/{serial}", {"t": T0 + n, "e": n}) for n in numbers]


def full_disk(*_):
    raise sqlite3.OperationalError("database or disk is full")


def connected(bridge):
    return all(not source.status()["down"] for source in bridge.sources)


async def test_readings_reach_the_erp(broker, device, erp, tmp_path):
    config = mqtt_config(broker.port, erp.url, tmp_path / "s", [energy("A")])
    async with running_bridge(config) as bridge:
        await until(lambda: connected(bridge))
        await published(device, numbered("A", range(5)))
        await until(lambda: len(erp.rows) == 5)
        assert erp.registers("A") == ["0", "1", "2", "3", "4"]
        await until(lambda: bridge.sources[0].status()["last_answer"])


async def test_what_came_while_the_bridge_was_away_waits_in_the_broker(
    broker, device, erp, tmp_path
):
    config = mqtt_config(broker.port, erp.url, tmp_path / "s", [energy("A")])
    async with running_bridge(config) as bridge:
        await until(lambda: connected(bridge))
    await published(device, numbered("A", range(700)))
    async with running_bridge(config):
        await until(lambda: len(erp.rows) == 700)


async def test_retained_messages_are_of_any_age_and_do_not_count(
    broker, device, erp, tmp_path
):
    config = mqtt_config(broker.port, erp.url, tmp_path / "s", [energy("A")])
    old = device.publish("m/A", {"t": T0, "e": 1}, retain=True)
    await asyncio.to_thread(device.settle, [old])
    async with running_bridge(config) as bridge:
        await until(lambda: connected(bridge))
        await published(device, numbered("A", [2]))
        await until(lambda: erp.registers("A") == ["2"])


async def test_undecodable_messages_are_kept_with_topic_and_reason(
    broker, device, erp, tmp_path
):
    config = mqtt_config(broker.port, erp.url, tmp_path / "s", [energy("A")])
    bad = [("m/A", b"\xff\x00"), ("m/A", "{"), ("m/A", {"t": T0, "e": "much"})]
    async with running_bridge(config) as bridge:
        await until(lambda: connected(bridge))
        await published(device, [*bad, *numbered("A", [7])])
        await until(lambda: erp.registers("A") == ["7"])
    letters = Store(tmp_path / "s" / "outbox.sqlite3")
    rows = [
        json.loads(r[0]) for r in letters._db.execute("SELECT body FROM dead_letter")
    ]
    assert [row["topic"] for row in rows] == ["m/A"] * 3
    assert rows[0]["base64"] == "/wA="
    assert rows[1]["payload"] == "{"


async def test_a_full_disk_stops_acknowledging_and_loses_nothing(
    broker, device, erp, tmp_path, monkeypatch
):
    config = mqtt_config(broker.port, erp.url, tmp_path / "s", [energy("A")])
    async with running_bridge(config) as bridge:
        await until(lambda: connected(bridge))
        real, acks = Store.add_polls, []
        source = bridge.sources[0]._feed.connection
        acknowledge = source.acknowledge
        monkeypatch.setattr(
            source, "acknowledge", lambda m: (acks.extend(m), acknowledge(m))
        )

        monkeypatch.setattr(Store, "add_polls", full_disk)
        await published(device, numbered("A", range(50)))
        await until(lambda: "full" in bridge.outbox.full)
        assert acks == []
        monkeypatch.setattr(Store, "add_polls", real)
        await until(lambda: len(erp.rows) == 50)
        await until(lambda: len(acks) == 50)
        assert bridge.outbox.full == ""


async def test_the_inbox_is_bounded_while_the_disk_is_full(
    broker, device, erp, tmp_path, monkeypatch
):
    monkeypatch.setattr(connection_module, "INBOX_MOST", 100)
    few = {"receive_maximum": 20}
    config = mqtt_config(broker.port, erp.url, tmp_path / "s", [energy("A")], few)
    async with running_bridge(config) as bridge:
        await until(lambda: connected(bridge))
        real = Store.add_polls

        monkeypatch.setattr(Store, "add_polls", full_disk)
        inbox = bridge.sources[0]._feed.connection.inbox
        await published(device, numbered("A", range(200)))
        assert len(inbox) <= 20
        quick = [device.publish(*m, 0) for m in numbered("A", range(200, 500))]
        await asyncio.to_thread(device.settle, quick)
        await until(lambda: bridge.sources[0].status()["dropped"])
        assert len(inbox) <= 100 + 20
        monkeypatch.setattr(Store, "add_polls", real)
        await until(lambda: {f"{n}" for n in range(200)} <= set(erp.registers("A")))


async def test_a_broker_that_sends_too_much_is_held_up(
    broker, device, erp, tmp_path, monkeypatch
):
    """mosquitto oversteps the receive maximum; here the inbox is the smaller."""
    monkeypatch.setattr(connection_module, "INBOX_MOST", 50)
    config = mqtt_config(broker.port, erp.url, tmp_path / "s", [energy("A")])
    async with running_bridge(config) as bridge:
        await until(lambda: connected(bridge))
        real = Store.add_polls
        monkeypatch.setattr(Store, "add_polls", full_disk)
        await published(device, numbered("A", range(300)))
        connection = bridge.sources[0]._feed.connection
        await until(lambda: len(connection.inbox) == 50)
        monkeypatch.setattr(Store, "add_polls", real)
        await until(lambda: len(erp.rows) == 300)
        assert connection.dropped == 0
        monkeypatch.setattr(Store, "add_polls", full_disk)
        await published(device, numbered("A", range(300, 600)))
        await until(lambda: len(connection.inbox) == 50)
    async with running_bridge(config):  # it could be stopped, and nothing is lost
        monkeypatch.setattr(Store, "add_polls", real)
        await until(lambda: len(erp.rows) == 600)


async def test_a_killed_broker_comes_back_with_everything(
    broker, device, erp, tmp_path, monkeypatch
):
    """It is killed while hundreds of messages are unacknowledged.

    mosquitto saves what it queues, not what is in flight: it has forgotten them, and
    only the bridge still has them.
    """
    config = mqtt_config(broker.port, erp.url, tmp_path / "s", [energy("A")])
    async with running_bridge(config) as bridge:
        await until(lambda: connected(bridge))
        real = Store.add_polls
        monkeypatch.setattr(Store, "add_polls", full_disk)
        await published(device, numbered("A", range(300)))
        await until(lambda: bridge.outbox.full)
        broker.kill()
        await until(lambda: bridge.sources[0].status()["down"])
        later = [device.publish(*m) for m in numbered("A", range(300, 600))]
        broker.start()
        await asyncio.to_thread(device.settle, later)
        monkeypatch.setattr(Store, "add_polls", real)
        await until(lambda: len(erp.rows) == 600)
        assert sorted(map(int, erp.registers("A"))) == list(range(600))
        await until(lambda: not bridge.outbox.full)


async def test_what_a_broker_repeats_takes_the_place_of_what_waits(
    broker, device, erp, tmp_path, monkeypatch
):
    """It ends in good order, remembers, and repeats what it had sent."""
    config = mqtt_config(broker.port, erp.url, tmp_path / "s", [energy("A")])
    async with running_bridge(config) as bridge:
        await until(lambda: connected(bridge))
        real = Store.add_polls
        monkeypatch.setattr(Store, "add_polls", full_disk)
        await published(device, numbered("A", range(300)))
        inbox = bridge.sources[0]._feed.connection.inbox
        for _ in range(2):
            broker.kill(signal.SIGTERM)
            await until(lambda: bridge.sources[0].status()["down"])
            broker.start()
            await until(lambda: connected(bridge))
            await until(lambda: any(message.dup for message in inbox.values()))
        await until(lambda: sum(message.dup for message in inbox.values()) == 300)
        assert len(inbox) <= 300
        monkeypatch.setattr(Store, "add_polls", real)
        await until(lambda: len(erp.rows) == 300)
        await until(lambda: not inbox)
    (row,) = [m for m in metrics_of("repeated")]
    assert row > 0


def metrics_of(what):
    """The counter of MQTT messages, by what became of them."""
    found = [m.samples for m in metrics.MQTT.collect()][0]
    return [
        sample.value
        for sample in found
        if sample.name.endswith("_total") and sample.labels["as"] == what
    ]


# a bridge that kills itself before it commits, or before it acknowledges anything
BRIDGE = """
import asyncio, json, os, signal, sys
from meter_bridge import app, config
from meter_bridge.mqtt.connection import Connection
from meter_bridge.store import Store
settings, point = json.loads(sys.argv[1]), sys.argv[2]
die = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
if point == "before_commit":
    Store.add_polls = die
held = []
def hold(_self, messages):
    held.extend(messages)
    if len(held) >= 20:
        die()
if point == "before_ack":
    Connection.acknowledge = hold
print("up", flush=True)
asyncio.run(app.run(config.from_dict(settings)))
"""


def spawn(data, point="never"):
    command = [sys.executable, "-c", BRIDGE, json.dumps(data), point]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )


def outbox_readings(folder):
    """All readings that are in an outbox file now."""
    store = Store(folder / "outbox.sqlite3")
    rows = store._db.execute("SELECT body FROM item WHERE kind = 'reading'")
    found = [tuple(json.loads(row["body"])[:2]) for row in rows]
    store.close()
    return found


@pytest.mark.parametrize(("point", "kept"), [("before_commit", 0), ("before_ack", 40)])
async def test_kill_9_around_the_commit(broker, device, tmp_path, point, kept):
    """Before the commit the broker repeats it; after it the repetition is known."""
    data = settings(broker.port, "http://127.0.0.1:9", tmp_path / "s", [energy("A")])
    async with running_bridge(mqtt_config(*_args(data))) as bridge:
        await until(lambda: connected(bridge))
    await published(device, numbered("A", range(40)))
    victim = spawn(data, point)
    assert await asyncio.to_thread(victim.wait, 20) == -signal.SIGKILL
    before = outbox_readings(tmp_path / "s")
    assert (len(before) > 0) == bool(kept)
    again = spawn(data)
    await published(device, numbered("A", [40]))  # behind all that is repeated
    await until(lambda: ("A", T0 + 40) in outbox_readings(tmp_path / "s"))
    again.terminate()
    await asyncio.to_thread(again.wait, 20)
    assert sorted(outbox_readings(tmp_path / "s")) == [("A", T0 + n) for n in range(41)]


def _args(data):
    table = data["mqtt"][0]
    return table["port"], data["erp"]["url"], data["state_dir"], table["meter"]


async def test_two_bridges_share_and_one_is_killed(broker, device, tmp_path):
    """Each message ends in exactly one outbox, also those of the killed one."""
    bridges = {}
    for name in ("one", "two"):
        bridges[name] = settings(
            broker.port,
            "http://127.0.0.1:9",
            tmp_path / name,
            [energy("A"), energy("B")],
            {"client_id": name, "share": "plant", "receive_maximum": 10},
            fleet={"instance": name},
        )
    running = {name: spawn(data) for name, data in bridges.items()}
    for name in bridges:
        await until(lambda name=name: (tmp_path / name / "outbox.sqlite3").exists())
    await both_subscribed(broker)
    expected = []
    for part in range(6):
        numbers = range(part * 100, part * 100 + 100)
        serial = "AB"[part % 2]
        infos = [device.publish(*m) for m in numbered(serial, numbers)]
        if part == 2:
            os.kill(running["one"].pid, signal.SIGKILL)
        await asyncio.to_thread(device.settle, infos)
        expected += [(serial, T0 + n) for n in numbers]
    running["one"].wait()
    running["one"] = spawn(bridges["one"])

    def everything():
        return [row for name in bridges for row in outbox_readings(tmp_path / name)]

    try:
        await until(lambda: len(everything()) >= len(expected), 20)
    finally:
        for process in running.values():
            process.terminate()
            process.wait()
    assert sorted(everything()) == sorted(expected)
    assert all(outbox_readings(tmp_path / name) for name in bridges), "both took part"


async def both_subscribed(broker):
    """Wait until the broker's log shows both subscriptions."""
    log = broker.folder / "log"
    await until(lambda: log.read_text().count("connected") >= 2)
    await asyncio.sleep(0.5)


async def test_topics_of_a_former_configuration_are_unsubscribed(
    broker, device, erp, tmp_path
):
    both = [energy("A"), energy("B")]
    async with running_bridge(
        mqtt_config(broker.port, erp.url, tmp_path / "s", both)
    ) as bridge:
        await until(lambda: connected(bridge))
    config = mqtt_config(broker.port, erp.url, tmp_path / "s", [energy("A")])
    async with running_bridge(config) as bridge:
        await until(lambda: connected(bridge))
        gone = bridge.sources[0]._feed.connection
        calls, unsubscribe = [], gone.unsubscribe
        gone.unsubscribe = lambda topics: (calls.extend(topics), unsubscribe(topics))
        await published(device, numbered("B", [1]))
        await until(lambda: calls == ["m/B"])
    assert PLAIN["topic"] == "m/{device}"
