"""Every fault of a Modbus plant: what is stored is what the meters showed, once, and
the fault is seen where the documentation says."""

import asyncio
import contextlib
from decimal import Decimal

import aiohttp
import pytest
from conftest import config_of, meter, plant_config, running_bridge, until
from witness import Witness

from meter_bridge import web
from meter_bridge.simulator.running import RunningPlant

TRANSPORT = {"tcp": "modbus_tcp", "rtu": "rtu_over_tcp"}


@contextlib.asynccontextmanager
async def at_work(erp, tmp_path, framing="tcp", faults=(), **more):
    """A plant of M1, M2 and M3 on one line, its bridge, and a witness."""
    meters = [meter("M1", 1), meter("M2", 2), meter("M3", 3, "sdm120")]
    line = {"name": "L", "port": 0, "framing": framing, "meter": meters}
    settings = plant_config({}, line=[line], fault=list(faults), **more)
    async with RunningPlant(settings) as plant:
        witness = Witness(plant)
        wires = {"transport": TRANSPORT[framing]}
        config = config_of(plant, erp.url, tmp_path, line=wires)
        async with running_bridge(config) as bridge:
            await until(lambda: len({serial for serial, _ in erp.rows}) == 3)
            yield plant, bridge, witness


async def post(plant, path, **body):
    url = f"http://127.0.0.1:{plant.control_port}/{path}"
    async with aiohttp.ClientSession() as http, http.post(url, json=body) as answer:
        assert answer.status == 200, await answer.text()


async def more_of(erp, serial, count=2):
    have = len(erp.registers(serial))
    await until(lambda: len(erp.registers(serial)) >= have + count)


async def problems(bridge):
    return (await web.health(bridge))["problems"]


UNREADABLE = [
    ("tcp", {"kind": "silent"}),
    ("rtu", {"kind": "silent"}),
    ("tcp", {"kind": "late", "value": 0.4}),
    ("rtu", {"kind": "late", "value": 0.4}),
    ("tcp", {"kind": "truncated"}),
    ("rtu", {"kind": "truncated"}),
    ("tcp", {"kind": "short"}),
    ("rtu", {"kind": "short"}),
    ("rtu", {"kind": "crc"}),
    ("tcp", {"kind": "wrong_id"}),
    ("rtu", {"kind": "wrong_id"}),
]


@pytest.mark.parametrize(
    ("framing", "fault"), UNREADABLE, ids=[f"{f}-{x['kind']}" for f, x in UNREADABLE]
)
async def test_a_meter_that_cannot_be_read(erp, tmp_path, framing, fault):
    async with at_work(erp, tmp_path, framing) as (plant, bridge, witness):
        await post(plant, "fault", meter="M2", **fault)
        (worker,) = bridge.workers
        await until(lambda: worker.status()["silent"] == ["M2"], 20)
        assert await problems(bridge) == ["meter M2: silent"]
        have = len(erp.registers("M2"))
        await more_of(erp, "M1")
        await more_of(erp, "M3")
        assert len(erp.registers("M2")) <= have + 1, "nothing new of it"
        await plant.script.clear()
        await more_of(erp, "M2")
        assert await problems(bridge) == []
        witness.agrees(erp)


async def test_an_exception_is_no_reading_and_no_silence(erp, tmp_path):
    async with at_work(erp, tmp_path) as (plant, bridge, witness):
        await post(plant, "fault", meter="M2", kind="exception", value=4)
        await asyncio.sleep(0.6)
        have = len(erp.registers("M2"))
        await more_of(erp, "M1")
        assert len(erp.registers("M2")) == have
        assert await problems(bridge) == [], "it answers"
        await plant.script.clear()
        await more_of(erp, "M2")
        witness.agrees(erp)


async def test_a_script_begins_and_ends_by_itself(erp, tmp_path):
    script = [{"at": 2, "for": 3, "meter": "M[12]", "kind": "silent"}]
    async with at_work(erp, tmp_path, faults=script) as (plant, bridge, witness):
        (worker,) = bridge.workers
        await until(lambda: worker.status()["silent"] == ["M1", "M2"])
        await until(lambda: plant.script.faults[0].state == "over")
        await until(lambda: not worker.status()["silent"])
        await more_of(erp, "M1")
        witness.agrees(erp)


@pytest.mark.parametrize("framing", ["tcp", "rtu"])
async def test_a_line_that_is_down(erp, tmp_path, framing):
    async with at_work(erp, tmp_path, framing) as (plant, bridge, witness):
        await post(plant, "fault", line="L", kind="down", **{"for": 2})
        (worker,) = bridge.workers
        await until(lambda: worker.status()["down"])
        assert [text[:7] for text in await problems(bridge)] == ["line L:"]
        await until(lambda: not worker.status()["down"])
        await more_of(erp, "M1")
        witness.agrees(erp)


async def test_a_stuck_relay_fails(erp, tmp_path, relay_command):
    async with at_work(erp, tmp_path) as (plant, _bridge, witness):
        await post(plant, "fault", meter="M1", kind="stuck_relay")
        erp.commands = [relay_command(1, "M1", "open")]
        result = await until(lambda: erp.outcome(1))
        assert (result["outcome"], result["observed"]) == ("failed", "closed")
        assert len(plant.plant.meters["M1"].writes) == 1, "written once"
        await more_of(erp, "M1")
        witness.agrees(erp)


async def test_a_relay_moved_by_hand_is_told(erp, tmp_path):
    async with at_work(erp, tmp_path) as (plant, _bridge, witness):
        await post(plant, "fault", meter="M1", kind="relay", value="open")
        await until(lambda: [e["kind"] for e in erp.events] == ["relay_opened"])
        witness.agrees(erp)


async def test_a_rollover_is_told_as_it_is(erp, tmp_path):
    async with at_work(erp, tmp_path) as (plant, _bridge, witness):
        await post(plant, "fault", meter="M1", kind="rollover", value=2)
        await until(lambda: Decimal(erp.registers("M1")[-1]) > 999_990)
        await until(lambda: Decimal(erp.registers("M1")[-1]) < 100)
        witness.agrees(erp)


async def test_an_exchanged_meter_is_told_as_it_is(erp, tmp_path):
    async with at_work(erp, tmp_path) as (plant, _bridge, witness):
        await post(plant, "fault", meter="M1", kind="relay", value="open")
        await until(lambda: erp.events)
        await post(plant, "fault", meter="M1", kind="exchange", value=7)
        await until(lambda: Decimal(erp.registers("M1")[-1]) < 100)
        await until(lambda: erp.events[-1]["kind"] == "relay_closed")
        witness.agrees(erp)


async def test_a_frozen_register_is_told_while_the_feeder_counts(erp, tmp_path):
    async with at_work(erp, tmp_path) as (plant, bridge, witness):
        await post(plant, "fault", meter="M1", kind="frozen")
        await asyncio.sleep(0.3)
        shown = plant.plant.meters["M1"].register()
        await more_of(erp, "M1", 3)
        assert erp.registers("M1")[-2:] == [shown] * 2
        assert await problems(bridge) == []
        witness.agrees(erp)
