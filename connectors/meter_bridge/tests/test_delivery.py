"""Whatever the ERP does, each reading arrives once or has a reason."""

import asyncio
import os
import signal
import subprocess
import sys

import pytest
from conftest import config_of, running_bridge, toml_of, until

from meter_bridge import web
from meter_bridge.commands_store import CommandStore
from meter_bridge.erp import BadReply, receipt


async def waiting(bridge):
    """What is in the outbox."""
    return await bridge.outbox.run(CommandStore.counts)


@pytest.mark.parametrize("fault", [500, 429, "not_json", "forget_one"])
async def test_nothing_is_deleted_before_it_is_confirmed(plant, erp, tmp_path, fault):
    erp.always = fault
    async with running_bridge(config_of(plant, erp.url, tmp_path)) as bridge:
        await until(lambda: len(erp.uids) >= 2)
        assert erp.uids[0] == erp.uids[1], "a retry has the same uid"
        while (counts := await waiting(bridge))["batches_unanswered"] != 1:
            await asyncio.sleep(0.02)
        assert counts["reading"] >= 3
        assert counts["dead_letters"] == 0
        erp.always = None
        plant.plant.time_factor = 0
        shown = plant.plant.meters["M1"].register()
        await until(lambda: shown in erp.registers("M1"))


@pytest.mark.parametrize("fault", ["commit_then_hang", "commit_then_500"])
async def test_a_lost_answer_after_the_commit_doubles_nothing(
    plant, erp, tmp_path, fault
):
    erp.script = [fault]
    async with running_bridge(config_of(plant, erp.url, tmp_path)):
        await until(lambda: len(erp.uids) >= 3)
    assert erp.uids[0] == erp.uids[1] != erp.uids[2]
    assert sum(a["accepted"] for a in erp.answers.values()) == len(erp.rows)
    assert sum(a["duplicates"] for a in erp.answers.values()) == 0


async def test_a_wrong_key_is_named_and_nothing_is_lost(plant, erp, tmp_path):
    key = tmp_path / "key"
    key.write_text("bad")
    more = {"api_key": None, "api_key_file": str(key)}
    config = config_of(plant, erp.url, tmp_path, erp=more)
    async with running_bridge(config) as bridge:
        await until(lambda: bridge.link.error)
        assert "API key" in bridge.link.error
        assert str(key) in bridge.link.error
        before = 0
        while before < 4:
            before = (await waiting(bridge))["reading"]
            await asyncio.sleep(0.05)
        assert (await web.health(bridge))["status"] == "degraded"
        assert not erp.rows
        key.write_text("good")
        await until(lambda: len(erp.rows) >= before)
        await until(lambda: not bridge.link.error)


async def test_a_wrong_address_loses_nothing(plant, erp, tmp_path):
    config = config_of(plant, erp.url + "/nowhere", tmp_path)
    async with running_bridge(config) as bridge:
        await until(lambda: "erp.url" in bridge.link.error)
        await asyncio.sleep(0.3)
        counts = await waiting(bridge)
        assert counts["reading"] >= 3
        assert counts["dead_letters"] == 0


async def test_rejected_readings_are_kept_with_the_reason(plant, erp, tmp_path):
    erp.unknown = {"M2"}
    async with running_bridge(config_of(plant, erp.url, tmp_path)) as bridge:
        await until(lambda: len(erp.registers("M1")) >= 2)
        await until(lambda: not bridge.outbox.fresh.is_set())
        letters = await bridge.outbox.run(CommandStore.dead_letters)
        assert {letter["body"][0] for letter in letters} == {"M2"}
        assert {letter["reason"] for letter in letters} == {"unknown serial"}
        assert not erp.registers("M2")


async def test_one_reading_that_breaks_the_server_does_not_hold_up_the_rest(
    plant, erp, tmp_path
):
    erp.poison = "M2"
    async with running_bridge(config_of(plant, erp.url, tmp_path)) as bridge:
        await until(lambda: len(erp.registers("M1")) >= 2)
        await until(lambda: len(erp.registers("M3")) >= 2)
        for _ in range(300):
            letters = await bridge.outbox.run(CommandStore.dead_letters)
            if letters:
                break
            await asyncio.sleep(0.02)
        assert letters[0]["body"][0] == "M2"
        assert "poison" in letters[0]["reason"]


async def test_the_backlog_of_an_outage_arrives_whole(plant, erp, tmp_path):
    url, _ = erp.url, await erp.stop()
    config = config_of(plant, url, tmp_path, poll_interval=1)
    async with running_bridge(config) as bridge:
        while (await waiting(bridge))["reading"] < 6:
            await asyncio.sleep(0.05)
        assert "readings" not in bridge.link.error
    stored = CommandStore(config.database)
    backlog = stored.counts()["reading"]
    stored.close()
    await erp.start()
    async with running_bridge(config_of(plant, erp.url, tmp_path)):
        await until(lambda: len(erp.rows) > backlog)


async def test_a_bridge_killed_with_9_goes_on_where_it_was(plant, erp, tmp_path):
    """Process and kill are real: the plant's counts arrive, none twice."""
    config = write_config(plant, erp, tmp_path)
    command = [sys.executable, "-m", "meter_bridge", "run", "-c", str(config)]
    for _ in range(3):
        have = len(erp.rows)
        with open(tmp_path / "log", "ab") as log:
            process = subprocess.Popen(command, stderr=log)
        try:
            log = (tmp_path / "log").read_text
            await until(lambda n=have: len(erp.rows) > n + 2, what=log())
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
    plant.plant.time_factor = 0
    shown = plant.plant.meters["M1"].register()
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    await until(lambda: shown in erp.registers("M1"))
    process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(process.wait, 10) == 0
    assert sum(a["accepted"] for a in erp.answers.values()) == len(erp.rows)
    store = CommandStore(tmp_path / "state" / "outbox.sqlite3")
    assert store.counts()["dead_letters"] == 0
    store.close()


def write_config(plant, erp, tmp_path):
    """The bridge's file for a running plant."""
    (tmp_path / "key").write_text("good")
    server = plant.lines["L"]
    meters = [
        {"serial": m.serial, "device": m.device, "profile": m.profile}
        for m in server.config.meters
    ]
    line = {"name": "L", "host": "127.0.0.1", "port": server.port, "meter": meters}
    link = {"url": erp.url, "database": "db", "api_key_file": "key"}
    link["send_interval"] = 0.05
    data = {"state_dir": "state", "poll_interval": 0.3, "erp": link, "line": [line]}
    file = tmp_path / "bridge.toml"
    file.write_text(toml_of(data))
    return file


@pytest.mark.parametrize(
    "answer",
    [
        None,
        [],
        {},
        {"accepted": 1},
        {"accepted": 3},
        {"accepted": True, "duplicates": 1},
        {"accepted": 1, "rejected": [{"index": 2, "reason": "x"}]},
        {"accepted": 0, "held": [{"index": 0}, {"index": 0}]},
        {"accepted": 1, "held": ["x"]},
        {"accepted": "many"},
    ],
)
def test_an_answer_that_does_not_add_up_confirms_nothing(answer):
    with pytest.raises(BadReply):
        receipt(answer, 2)


def test_answers_that_add_up():
    held = [{"index": 1, "reason": "spike"}]
    assert receipt({"accepted": 1, "duplicates": 1, "held": held}, 3).held
    assert receipt({"accepted": 0}, 0).commands == []
