"""Relays by MQTT: one message, the device's own word, never too late."""

import asyncio
import json
import time

import pytest
from conftest import plant_config, running_bridge, until
from mqtt_tools import Publisher, mqtt_config
from test_switching import seed

from meter_bridge.simulator.mqtt_config import APPLICATION
from meter_bridge.simulator.running import RunningPlant

EUI = "0102030405060708"
METERS = [
    {
        "serial": "S",
        "format": "shelly",
        "topic": "shellyplus1pm-aa",
        "component": "switch:0",
    },
    {"serial": "T", "format": "tasmota", "topic": "plug"},
    {
        "serial": "L",
        "format": "chirpstack",
        "application": APPLICATION,
        "device": EUI,
        "register": {"path": "$.energy", "unit": "Wh"},
        "relay": {"path": "$.relay"},
        "downlink": {"f_port": 2, "open": "00", "closed": "01"},
        "verify_for": 2.5,
    },
]
KINDS = {"S": "shelly", "T": "tasmota", "L": "chirpstack"}
TOPICS = {"S": "shellyplus1pm-aa", "T": "plug", "L": EUI}


@pytest.fixture
async def plant(broker):
    """A Shelly S, a Tasmota plug T and a LoRaWAN node L of 36 kW each."""
    meters = [
        {
            "serial": serial,
            "kind": kind,
            "topic": TOPICS[serial],
            "nominal_kw": 36,
            "initial_kwh": "1000",
        }
        for serial, kind in KINDS.items()
    ]
    table = {"name": "hall", "port": broker.port, "interval": 0.3, "meter": meters}
    async with RunningPlant(plant_config({}, mqtt=[table])) as running:
        yield running


def configured(broker, erp, tmp_path, **more):
    return mqtt_config(broker.port, erp.url, tmp_path / "s", METERS, **more)


@pytest.fixture
async def bridge(broker, plant, erp, tmp_path):
    """A bridge that has heard all three."""
    async with running_bridge(configured(broker, erp, tmp_path)) as running:
        await until(lambda: {serial for serial, _ in erp.rows} >= set(KINDS))
        yield running


def writes(plant, serial):
    return [item["value"] for item in plant.plant.meters[serial].writes]


@pytest.mark.parametrize("serial", KINDS)
async def test_an_opened_relay_really_stops_the_count(
    plant, erp, bridge, relay_command, serial
):
    meter = plant.plant.meters[serial]
    erp.commands = [relay_command(11, serial, "open", 5)]
    result = await until(lambda: erp.outcome(11))
    assert (result["outcome"], result["observed"]) == ("verified", "open")
    counted = meter.energy
    await asyncio.sleep(0.1)
    assert meter.energy == counted
    (event,) = await until(lambda: erp.events)
    assert (event["kind"], event["meter_serial"]) == ("relay_opened", serial)
    erp.commands = [relay_command(12, serial, "closed", 6)]
    assert (await until(lambda: erp.outcome(12)))["outcome"] == "verified"
    await until(lambda: meter.energy > counted)
    assert writes(plant, serial) == ["open", "closed"]
    assert erp.registers(serial)[-1].replace(".", "").isdigit()


@pytest.mark.parametrize("serial", KINDS)
async def test_a_stuck_relay_is_reported_as_failed(
    plant, erp, bridge, relay_command, serial
):
    plant.plant.meters[serial].faults.stuck_relay = True
    erp.commands = [relay_command(21, serial, "open")]
    result = await until(lambda: erp.outcome(21))
    assert (result["outcome"], result["observed"]) == ("failed", "closed")
    assert writes(plant, serial) == ["open"]


async def test_an_acknowledged_downlink_is_not_verified_by_that(
    plant, erp, bridge, relay_command
):
    plant.plant.meters["L"].faults.stuck_relay = True
    erp.commands = [relay_command(22, "L", "open")]
    result = await until(lambda: erp.outcome(22))
    assert result["outcome"] == "failed"
    assert "acknowledged" in result["detail"]


async def test_a_silent_device_gives_unknown(plant, erp, bridge, relay_command):
    plant.plant.meters["S"].faults.silent = True
    erp.commands = [relay_command(31, "S", "open")]
    result = await until(lambda: erp.outcome(31))
    assert (result["outcome"], result["observed"]) == ("unknown", None)


async def test_expired_and_older_commands_never_execute(
    plant, erp, bridge, relay_command
):
    erp.commands = [relay_command(41, "T", "open", expires_at=1)]
    assert (await until(lambda: erp.outcome(41)))["outcome"] == "expired"
    assert writes(plant, "T") == []
    erp.commands = [relay_command(43, "T", "open", 9)]
    await until(lambda: erp.outcome(43))
    erp.commands = [relay_command(42, "T", "closed", 8)]
    assert (await until(lambda: erp.outcome(42)))["outcome"] == "expired"
    assert writes(plant, "T") == ["open"]


@pytest.mark.parametrize("state", ["sending", "sent"])
@pytest.mark.parametrize("really", ["open", "closed"])
async def test_after_a_restart_in_sending_the_device_is_only_asked(
    broker, plant, erp, tmp_path, relay_command, state, really
):
    (tmp_path / "s").mkdir()
    seed(tmp_path / "s", relay_command(51, "T", "open"), state)
    plant.plant.meters["T"].relay = really
    async with running_bridge(configured(broker, erp, tmp_path)):
        result = await until(lambda: erp.outcome(51))
    expected = "verified" if really == "open" else "failed"
    assert (result["outcome"], result["observed"]) == (expected, really)
    assert writes(plant, "T") == []


async def test_without_a_broker_a_command_waits_or_expires(
    broker, plant, erp, bridge, relay_command
):
    broker.kill()
    await until(lambda: bridge.sources[0].status()["down"])
    soon = time.time() + 0.3
    erp.commands = [
        relay_command(61, "S", "open", expires_at=soon),
        relay_command(62, "T", "open"),
    ]
    assert (await until(lambda: erp.outcome(61)))["outcome"] == "expired"
    broker.start()
    assert (await until(lambda: erp.outcome(62), 20))["outcome"] == "verified"
    assert (writes(plant, "S"), writes(plant, "T")) == ([], ["open"])


async def test_a_withdrawn_command_never_executes(broker, plant, erp, bridge):
    broker.kill()
    await until(lambda: bridge.sources[0].status()["down"])
    order = {"id": 71, "meter_serial": "S", "kind": "relay", "value": "open"}
    erp.commands = [{**order, "generation": 3, "expires_at": 4102444800}]
    await until(lambda: bridge.sources[0]._board.waiting)
    erp.commands = []
    assert (await until(lambda: erp.outcome(71)))["outcome"] == "expired"
    broker.start()
    await until(lambda: not bridge.sources[0].status()["down"], 20)
    assert writes(plant, "S") == []


async def test_read_now_asks_the_device(plant, erp, bridge):
    plant.plant.add_energy("S", 500)
    order = {"id": 81, "meter_serial": "S", "kind": "read_now", "value": None}
    erp.commands = [{**order, "generation": 0, "expires_at": 4102444800}]
    result = await until(lambda: erp.outcome(81))
    assert result["outcome"] == "verified"
    assert float(result["observed"]) >= 1500


async def test_a_generic_switch_is_told_by_its_template(
    broker, erp, tmp_path, relay_command
):
    mapping = {
        "name": "acme",
        "topic": "acme/{device}/state",
        "register": {"path": "$.kwh"},
        "relay": {"path": "$.sw", "open": [0], "closed": [1]},
        "command": {
            "topic": "acme/{device}/set",
            "payload": '{"sw": {value}}',
            "open": "0",
            "closed": "1",
        },
    }
    meter = {"serial": "G", "format": "json", "mapping": "acme", "device": "d7"}
    config = mqtt_config(
        broker.port, erp.url, tmp_path / "s", [meter], {"mapping": [mapping]}
    )
    device = Publisher(broker.port, topics=["acme/d7/set"])
    async with running_bridge(config) as bridge:
        await until(lambda: not bridge.sources[0].status()["down"])
        erp.commands = [relay_command(91, "G", "open")]
        topic, payload = await asyncio.to_thread(device.seen.get, True, 10)
        assert (topic, json.loads(payload)) == ("acme/d7/set", {"sw": 0})
        device.publish("acme/d7/state", {"kwh": 1, "sw": 0})
        assert (await until(lambda: erp.outcome(91)))["outcome"] == "verified"
    device.stop()


async def test_in_a_share_group_the_master_alone_switches_and_tells(
    broker, plant, erp, tmp_path, relay_command
):
    """Readings are divided; relay states reach the master whoever gets them."""
    erp.lease_s = 10
    configs = [
        mqtt_config(
            broker.port,
            erp.url,
            tmp_path / name,
            METERS,
            {"client_id": name, "share": "plant"},
            fleet={"instance": name},
        )
        for name in ("one", "two")
    ]
    async with running_bridge(configs[0]) as one, running_bridge(configs[1]) as two:
        await until(lambda: {serial for serial, _ in erp.rows} >= set(KINDS))
        await until(lambda: one.lease.may_switch or two.lease.may_switch)
        for number, serial in enumerate(("S", "T"), 1):
            erp.commands = [relay_command(number, serial, "open")]
            result = await until(lambda number=number: erp.outcome(number))
            assert (result["outcome"], result["observed"]) == ("verified", "open")
        count = len(erp.rows)
        await until(lambda: len(erp.rows) > count + 5)
    assert (writes(plant, "S"), writes(plant, "T")) == (["open"], ["open"])
    told = sorted((event["meter_serial"], event["kind"]) for event in erp.events)
    assert told == [("S", "relay_opened"), ("T", "relay_opened")]
