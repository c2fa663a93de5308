"""Every fault of devices behind a broker: what is stored is what they showed, once, and
the fault is seen where the documentation says."""

import asyncio
import contextlib
import json
from decimal import Decimal

import pytest
from conftest import plant_config, running_bridge, until
from mqtt_tools import Publisher, mqtt_config
from test_faults import post, problems
from witness import Witness

from meter_bridge import metrics
from meter_bridge.commands_store import CommandStore
from meter_bridge.simulator.mqtt_config import APPLICATION
from meter_bridge.simulator.running import RunningPlant

DEVICES = {
    "S": ("shelly", "shellyplus1pm-aa"),
    "T": ("tasmota", "plug"),
    "L": ("chirpstack", "0102030405060708"),
}
METERS = [
    {"serial": "S", "format": "shelly", "topic": "shellyplus1pm-aa"},
    {"serial": "T", "format": "tasmota", "topic": "plug"},
    {
        "serial": "L",
        "format": "chirpstack",
        "application": APPLICATION,
        "device": "0102030405060708",
        "register": {"path": "$.energy", "unit": "Wh"},
        "relay": {"path": "$.relay"},
        "downlink": {"f_port": 2, "open": "00", "closed": "01"},
        "verify_for": 4,
    },
]
METERS[0]["component"] = "switch:0"


@contextlib.asynccontextmanager
async def at_work(broker, erp, tmp_path, **more):
    """S, T and L behind a gate, their bridge, and a witness."""
    meters = [
        {"serial": serial, "kind": kind, "topic": topic, "nominal_kw": 36}
        for serial, (kind, topic) in DEVICES.items()
    ]
    for item in meters:
        item.update({"initial_kwh": "1000", **more})
    table = {"name": "hall", "port": broker.port, "interval": 0.4, "meter": meters}
    table["proxy_port"] = 0
    async with RunningPlant(plant_config({}, mqtt=[table])) as plant:
        witness = Witness(plant)
        gate = plant.brokers[0].gate.port
        silent = {"silent_after": 2}
        where = gate, erp.url, tmp_path / "s", METERS
        async with running_bridge(mqtt_config(*where, broker=silent)) as bridge:
            await until(lambda: len({serial for serial, _ in erp.rows}) == 3)
            yield plant, bridge, witness


async def more_of(erp, serial, count=2):
    have = len(erp.registers(serial))
    await until(lambda: len(erp.registers(serial)) >= have + count)


UNHEARD = [(serial, kind) for serial in DEVICES for kind in ("silent", "wrong_id")]


@pytest.mark.parametrize(("serial", "kind"), [*UNHEARD, ("L", "crc")])
async def test_a_device_that_is_not_heard(broker, erp, tmp_path, serial, kind):
    async with at_work(broker, erp, tmp_path) as (plant, bridge, witness):
        await post(plant, "fault", meter=serial, kind=kind)
        await until(lambda: bridge.sources[0].status()["silent"] == [serial])
        assert await problems(bridge) == [f"meter {serial}: silent"]
        await plant.script.clear()
        await more_of(erp, serial)
        assert await problems(bridge) == []
        witness.agrees(erp)


@pytest.mark.parametrize("serial", DEVICES)
async def test_a_cut_message_is_a_dead_letter(broker, erp, tmp_path, serial):
    async with at_work(broker, erp, tmp_path) as (plant, bridge, witness):
        await post(plant, f"meter/{serial}", truncated=True)
        letters = []
        while not letters:
            await asyncio.sleep(0.05)
            letters = await bridge.outbox.run(CommandStore.dead_letters)
        await post(plant, f"meter/{serial}", truncated=None)
        await more_of(erp, serial)
        witness.agrees(erp)


@pytest.mark.parametrize("serial", DEVICES)
async def test_a_repetition_counts_once(broker, erp, tmp_path, serial):
    async with at_work(broker, erp, tmp_path) as (plant, _bridge, witness):
        repeated = metrics.MQTT.labels("hall", "repeated")
        before = repeated._value.get()
        await post(plant, f"meter/{serial}", repeated=True)
        await more_of(erp, serial, 3)
        witness.agrees(erp)
        if serial == "L":  # the others' carry no id: known by the second
            assert repeated._value.get() > before


@pytest.mark.parametrize("serial", ["S", "L"])
async def test_late_messages_bear_their_own_time(broker, erp, tmp_path, serial):
    async with at_work(broker, erp, tmp_path) as (plant, _bridge, witness):
        await post(plant, f"meter/{serial}", late=3)
        await more_of(erp, serial, 3)
        witness.agrees(erp)


async def test_a_late_message_without_zone_is_dated_by_its_receipt(
    broker, erp, tmp_path
):
    async with at_work(broker, erp, tmp_path) as (plant, _bridge, _witness):
        await post(plant, "meter/T", late=1)
        await more_of(erp, "T", 2)
    assert erp.duplicates == 0
    found = [Decimal(register) for register in erp.registers("T")]
    assert found == sorted(found)


@pytest.mark.parametrize("serial", ["S", "L"])
async def test_a_wrong_clock_is_not_corrected(broker, erp, tmp_path, serial):
    async with at_work(broker, erp, tmp_path) as (plant, _bridge, witness):
        await post(plant, f"meter/{serial}", clock=3600)
        await asyncio.sleep(0.5)
        erp.rows.clear()
        await more_of(erp, serial, 3)
        for other in DEVICES.keys() - {serial}:
            erp.rows = {key: v for key, v in erp.rows.items() if key[0] != other}
        witness.agrees(erp, clock=3600)


@pytest.mark.parametrize("serial", DEVICES)
async def test_rollover_and_exchange_are_told_as_they_are(
    broker, erp, tmp_path, serial
):
    async with at_work(broker, erp, tmp_path) as (plant, _bridge, witness):
        await post(plant, "fault", meter=serial, kind="rollover", value=3)
        await until(lambda: Decimal(erp.registers(serial)[-1]) > 999_990)
        await until(lambda: Decimal(erp.registers(serial)[-1]) < 500)
        await post(plant, "fault", meter=serial, kind="exchange", value=5000)
        await until(lambda: Decimal(erp.registers(serial)[-1]) >= 5000)
        witness.agrees(erp)


@pytest.mark.parametrize("serial", DEVICES)
async def test_a_stuck_relay_fails(broker, erp, tmp_path, relay_command, serial):
    async with at_work(broker, erp, tmp_path) as (plant, _bridge, witness):
        await post(plant, "fault", meter=serial, kind="stuck_relay")
        erp.commands = [relay_command(1, serial, "open")]
        result = await until(lambda: erp.outcome(1))
        assert (result["outcome"], result["observed"]) == ("failed", "closed")
        assert len(plant.plant.meters[serial].writes) == 1
        witness.agrees(erp)


async def test_a_broker_that_is_down(broker, erp, tmp_path, relay_command):
    async with at_work(broker, erp, tmp_path) as (plant, bridge, witness):
        await post(plant, "fault", broker="hall", kind="down", **{"for": 2})
        (source,) = bridge.sources
        await until(lambda: source.status()["down"])
        assert (await problems(bridge))[0].startswith("line hall:")
        have = {serial: len(erp.registers(serial)) for serial in DEVICES}
        await until(lambda: not source.status()["down"])
        await until(lambda: all(len(erp.registers(s)) > have[s] + 1 for s in have))
        erp.commands = [relay_command(2, "L", "open")]
        assert (await until(lambda: erp.outcome(2)))["outcome"] == "verified"
        witness.agrees(erp)


async def test_what_chirpstack_says(broker, erp, tmp_path):
    """The uplink's fields as ChirpStack v4 has them; a downlink of class A waits."""
    more = {"f_port": 7, "confirmed": True}
    topic = f"application/{APPLICATION}/device/0102030405060708"
    async with at_work(broker, erp, tmp_path, **more) as (plant, _bridge, _witness):
        heard = Publisher(broker.port, "listener", [f"{topic}/event/+"])
        order = {"devEui": "0102030405060708", "confirmed": True, "fPort": 7}
        order.update({"id": "3", "data": "AA=="})
        heard.publish(f"{topic}/command/down", order)
        events = []
        while "ack" not in [kind for kind, _ in events]:
            where, text = await asyncio.to_thread(heard.seen.get, True, 10)
            events.append((where.rpartition("/")[2], json.loads(text)))
        heard.stop()
    kinds = [kind for kind, _ in events]
    assert kinds[kinds.index("txack") :] == ["txack", "up", "ack"]
    uplinks = [event for kind, event in events if kind == "up"]
    assert [u["object"]["relay"] for u in uplinks[-2:]] == [1, 0]
    assert (uplinks[-1]["fPort"], uplinks[-1]["confirmed"]) == (7, True)
    assert uplinks[-1]["fCnt"] == uplinks[-2]["fCnt"] + 1
    assert uplinks[-1]["deviceInfo"]["devEui"] == "0102030405060708"
    assert uplinks[-1]["rxInfo"] and uplinks[-1]["txInfo"]
    assert events[-1][1]["acknowledged"] is True
