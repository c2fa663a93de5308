"""Relays: written once, read back, reported as they are, never too late."""

import asyncio
import time

import pytest
from conftest import config_of, running_bridge, until

from meter_bridge.commands_store import CommandStore, parse


@pytest.fixture
async def bridge(plant, erp, tmp_path):
    """A bridge that polls the plant's line."""
    async with running_bridge(config_of(plant, erp.url, tmp_path)) as running:
        await until(lambda: {s for s, _ in erp.rows} >= {"M1", "M2", "M3"})
        yield running


def seed(path, command, state):
    """Leave a command in ``state``, as a killed bridge would."""
    store = CommandStore(path / "outbox.sqlite3")
    store.add_commands([parse(command)], time.time())
    if state != "received":
        store.begin_sending(parse(command))
        store.mark(str(command["id"]), state)
    store.close()


async def test_an_opened_relay_really_stops_the_count(
    plant, erp, bridge, relay_command
):
    erp.commands = [relay_command(11, "M1", "open", 5)]
    result = await until(lambda: erp.outcome(11))
    assert (result["outcome"], result["observed"]) == ("verified", "open")
    assert isinstance(result["at"], int)
    counted = plant.plant.meters["M1"].energy
    other = plant.plant.meters["M2"].energy
    await asyncio.sleep(0.2)
    assert plant.plant.meters["M1"].energy == counted
    assert plant.plant.meters["M2"].energy > other
    (event,) = await until(lambda: erp.events)
    assert (event["kind"], event["meter_serial"]) == ("relay_opened", "M1")
    assert event["data"] == {"command": 11}
    mine = {"meter_serial": "M1", "relay": "open", "generation": 5}
    await until(lambda: mine in erp.reported)
    erp.commands = [relay_command(12, "M1", "closed", 6)]
    await until(lambda: erp.outcome(12))
    await until(lambda: plant.plant.meters["M1"].energy > counted)
    assert [w["value"] for w in plant.plant.meters["M1"].writes] == ["open", "closed"]


async def test_only_meters_with_a_relay_are_reported(erp, bridge):
    await until(lambda: erp.reported)
    assert [item["meter_serial"] for item in erp.reported] == ["M1", "M2"]


async def test_a_command_of_an_ingest_answer_is_executed_once(
    plant, erp, bridge, relay_command
):
    order = relay_command(21, "M2", "open")
    erp.with_ingest, erp.commands = [order], [order]
    result = await until(lambda: erp.outcome(21))
    assert result["outcome"] == "verified"
    assert len(plant.plant.meters["M2"].writes) == 1


async def test_a_stuck_relay_is_reported_as_failed(plant, erp, bridge, relay_command):
    plant.plant.meters["M1"].faults.stuck_relay = True
    erp.commands = [relay_command(31, "M1", "open")]
    result = await until(lambda: erp.outcome(31))
    assert (result["outcome"], result["observed"]) == ("failed", "closed")
    assert len(plant.plant.meters["M1"].writes) == 1


@pytest.mark.parametrize("expires", [1, "2020-01-01T00:00:00Z"])
async def test_an_expired_command_never_executes(
    plant, erp, bridge, relay_command, expires
):
    erp.commands = [relay_command(41, "M1", "open", expires_at=expires)]
    assert (await until(lambda: erp.outcome(41)))["outcome"] == "expired"
    assert plant.plant.meters["M1"].writes == []


async def test_an_older_generation_never_executes(plant, erp, bridge, relay_command):
    erp.commands = [relay_command(52, "M1", "open", 9)]
    await until(lambda: erp.outcome(52))
    erp.commands = [relay_command(51, "M1", "closed", 8)]
    result = await until(lambda: erp.outcome(51))
    assert result["outcome"] == "expired"
    assert "newer generation" in result["detail"]
    assert plant.plant.meters["M1"].relay == "open"


async def test_of_two_commands_at_once_the_newest_generation_wins(
    plant, erp, bridge, relay_command
):
    erp.with_ingest = [
        relay_command(61, "M1", "closed", 2),
        relay_command(62, "M1", "open", 3),
    ]
    assert (await until(lambda: erp.outcome(62)))["outcome"] == "verified"
    assert (await until(lambda: erp.outcome(61)))["outcome"] == "expired"
    assert [w["value"] for w in plant.plant.meters["M1"].writes] == ["open"]


async def test_a_lost_answer_to_the_write_is_read_back_not_repeated(
    plant, erp, bridge, relay_command
):
    plant.plant.meters["M1"].faults.late = 0.4
    erp.commands = [relay_command(71, "M1", "open")]
    await until(lambda: plant.plant.meters["M1"].writes)
    plant.plant.meters["M1"].faults.late = 0
    assert (await until(lambda: erp.outcome(71)))["outcome"] == "verified"
    assert len(plant.plant.meters["M1"].writes) == 1


async def test_a_meter_that_went_silent_gives_unknown(
    plant, erp, bridge, relay_command
):
    plant.plant.meters["M1"].faults.silent = True
    erp.commands = [relay_command(81, "M1", "open")]
    result = await until(lambda: erp.outcome(81))
    assert (result["outcome"], result["observed"]) == ("unknown", None)
    assert "no answer" in result["detail"]


@pytest.mark.parametrize("state", ["sending", "sent"])
@pytest.mark.parametrize("really", ["open", "closed"])
async def test_after_a_restart_in_sending_the_relay_is_only_read_back(
    plant, erp, tmp_path, relay_command, state, really
):
    seed(tmp_path, relay_command(91, "M1", "open"), state)
    plant.plant.meters["M1"].relay = really
    async with running_bridge(config_of(plant, erp.url, tmp_path)):
        result = await until(lambda: erp.outcome(91))
    expected = "verified" if really == "open" else "failed"
    assert (result["outcome"], result["observed"]) == (expected, really)
    assert plant.plant.meters["M1"].writes == []


async def test_after_a_restart_a_received_command_is_executed_unless_expired(
    plant, erp, tmp_path, relay_command
):
    seed(tmp_path, relay_command(92, "M1", "open"), "received")
    seed(tmp_path, relay_command(93, "M2", "open", expires_at=1), "received")
    async with running_bridge(config_of(plant, erp.url, tmp_path)):
        assert (await until(lambda: erp.outcome(92)))["outcome"] == "verified"
        assert (await until(lambda: erp.outcome(93)))["outcome"] == "expired"
    assert plant.plant.meters["M2"].writes == []


async def test_while_the_line_is_down_a_command_waits_or_expires(
    plant, erp, bridge, relay_command
):
    server = plant.lines["L"]
    port = server.port
    await server.stop()
    await until(lambda: bridge.workers[0].down)
    soon = time.time() + 0.3
    erp.commands = [
        relay_command(101, "M1", "open", expires_at=soon),
        relay_command(102, "M2", "open"),
    ]
    assert (await until(lambda: erp.outcome(101)))["outcome"] == "expired"
    server.config.port = port
    await server.start()
    assert (await until(lambda: erp.outcome(102)))["outcome"] == "verified"
    assert plant.plant.meters["M1"].writes == []


async def test_what_cannot_be_done_is_reported_as_failed(erp, bridge, relay_command):
    erp.commands = [
        relay_command(111, "M3", "open"),
        relay_command(112, "NOBODY", "open"),
        relay_command(113, "M1", "ajar"),
        {**relay_command(114, "M1", 5), "kind": "load_limit"},
    ]
    for command_id, detail in (
        (111, "no relay"),
        (112, "no such meter"),
        (113, "neither open nor closed"),
        (114, "no load limit"),
    ):
        result = await until(lambda c=command_id: erp.outcome(c))
        assert result["outcome"] == "failed"
        assert detail in result["detail"]


async def test_read_now(plant, erp, bridge):
    plant.plant.time_factor = 0
    erp.commands = [
        {"id": "r1", "meter_serial": "M3", "kind": "read_now", "value": None}
    ]
    result = await until(lambda: erp.outcome("r1"))
    assert result["outcome"] == "verified"
    assert result["observed"] == plant.plant.meters["M3"].register()


async def test_a_relay_moved_by_hand_is_seen_and_told(plant, erp, bridge):
    plant.plant.meters["M2"].relay = "open"
    (event,) = await until(lambda: erp.events)
    assert (event["kind"], event["data"]) == ("relay_opened", {})
    mine = {"meter_serial": "M2", "relay": "open", "generation": 0}
    await until(lambda: mine in erp.reported)


async def test_a_report_that_the_erp_refuses_does_not_block_the_next(
    erp, bridge, relay_command
):
    erp.report_status = 422
    erp.commands = [relay_command(121, "M1", "open")]
    query = "SELECT reported FROM command WHERE state = 'verified'"

    def reported(store):
        return [row["reported"] for row in store._db.execute(query)]

    while await bridge.outbox.run(reported) != [2]:
        if bridge.outbox.outcomes.is_set():
            erp.commands = []  # else it comes, and is reported, again and again
        await asyncio.sleep(0.02)
    erp.report_status = 200
    erp.commands = [relay_command(122, "M2", "open")]
    await until(lambda: erp.outcome(122))
    assert erp.outcome(121) is None
