"""Readings from the plant to the ERP: exact, dated, once; dead meters aside."""

import asyncio
import time
from decimal import Decimal

from conftest import config_of, meter, plant_config, running_bridge, until

from meter_bridge import web
from meter_bridge.simulator.running import RunningPlant


async def test_registers_arrive_exactly_as_the_meter_shows_them(plant, erp, tmp_path):
    plant.plant.time_factor = 0
    before = time.time()
    plant.plant.add_energy("M1", 234.56)
    async with running_bridge(config_of(plant, erp.url, tmp_path)):
        await until(lambda: len({serial for serial, _ in erp.rows}) == 3)
    assert set(erp.registers("M1")) == {"1234.56"}
    assert set(erp.registers("M3")) == {"1000.00"}
    assert all(int(before) <= at <= time.time() for _, at in erp.rows)
    assert all(isinstance(at, int) for _, at in erp.rows)
    assert erp.headers["X-Odoo-Database"] == "db"
    (values,) = [row[2] for row in erp.telemetry if row[0] == "M1"]
    assert set(values) == {"v1", "i1", "p", "pf"}
    assert values["p"] == 32.767, "36 kW do not fit into its signed register"


async def test_registers_only_grow_and_reach_the_plants_truth(plant, erp, tmp_path):
    async with running_bridge(config_of(plant, erp.url, tmp_path)):
        await until(lambda: len(erp.registers("M1")) >= 2)
        plant.plant.time_factor = 0
        shown = plant.plant.meters["M1"].register()
        await until(lambda: shown in erp.registers("M1"))
    found = [Decimal(register) for register in erp.registers("M1")]
    assert found == sorted(found)
    assert found[-1] > found[0]


async def test_ct_ratio_multiplies_without_rounding(erp, tmp_path):
    one = meter("M1", 1, ct="40", initial_kwh="49382.40")
    async with RunningPlant(plant_config({"L": [one]}, time_factor=0)) as plant:
        config = config_of(plant, erp.url, tmp_path)
        config.lines[0].meters[0].ct = Decimal(40)
        async with running_bridge(config):
            await until(lambda: erp.registers("M1"))
    assert erp.registers("M1")[0] == "49382.40"


async def test_a_dead_meter_does_not_stall_the_others(erp, tmp_path):
    meters = [meter(f"M{n}", n) for n in range(1, 9)]
    async with RunningPlant(plant_config({"L": meters})) as plant:
        plant.plant.meters["M3"].faults.silent = True
        async with running_bridge(config_of(plant, erp.url, tmp_path)) as bridge:
            (worker,) = bridge.workers
            await until(lambda: worker.status()["silent"] == ["M3"])
            health = await web.health(bridge)
            assert "meter M3: silent" in health["problems"]
            others = ("M1", "M2", "M8")
            have = {serial: len(erp.registers(serial)) for serial in others}
            await until(lambda: all(len(erp.registers(s)) > have[s] for s in others))
            assert not erp.registers("M3")
            plant.plant.meters["M3"].faults.silent = False
            await until(lambda: erp.registers("M3"))
            assert not worker.status()["silent"]


async def test_a_dead_meter_is_probed_ever_more_rarely(erp, tmp_path):
    async with RunningPlant(plant_config({"L": [meter("M1", 1)]})) as plant:
        plant.plant.meters["M1"].faults.silent = True
        config = config_of(plant, erp.url, tmp_path, line={"timeout": 0.05})
        async with running_bridge(config) as bridge:
            device = bridge.workers[0].devices["M1"]
            await until(lambda: device.misses >= 5)
            wait = device.due - asyncio.get_running_loop().time()
            assert 0.5 < wait <= 1, "backoff_max is 1 s"


async def test_the_same_device_number_on_two_lines_is_two_meters(erp, tmp_path):
    lines = {"A": [meter("A1", 1)], "B": [meter("B1", 1, initial_kwh="7000")]}
    async with RunningPlant(plant_config(lines)) as plant:
        plant.plant.meters["A1"].faults.silent = True
        async with running_bridge(config_of(plant, erp.url, tmp_path)) as bridge:
            await until(lambda: bridge.workers[0].devices["A1"].dead)
            assert not bridge.workers[1].devices["B1"].dead
            assert erp.registers("B1")


async def test_a_line_that_is_down_comes_back(plant, erp, tmp_path):
    server = plant.lines["L"]
    async with running_bridge(config_of(plant, erp.url, tmp_path)) as bridge:
        (worker,) = bridge.workers
        await until(lambda: erp.registers("M1"))
        port = server.port
        await server.stop()
        await until(lambda: worker.down)
        assert not any(device.dead for device in worker.devices.values())
        server.config.port = port
        await server.start()
        have = len(erp.registers("M1"))
        await until(lambda: len(erp.registers("M1")) > have)
        assert not worker.down


async def test_a_refused_relay_block_does_not_cost_the_reading(erp, tmp_path):
    """A real meter may not have the read-back register that the profile names."""
    async with RunningPlant(plant_config({"L": [meter("M1", 1)]})) as plant:
        simulated = plant.plant.meters["M1"]
        relay = simulated.profile.relay.model_copy(update={"read": None})
        simulated.profile = simulated.profile.model_copy(update={"relay": relay})
        async with running_bridge(config_of(plant, erp.url, tmp_path)):
            await until(lambda: erp.registers("M1"))
            await until(lambda: erp.reported)
    assert erp.reported[0]["relay"] == "unknown"


async def test_a_register_without_value_is_no_reading(erp, tmp_path):
    lines = {"L": [meter("M1", 1, "abb_b23"), meter("M2", 2)]}
    async with RunningPlant(plant_config(lines)) as plant:
        plant.plant.meters["M1"].energy = float(2**64)
        async with running_bridge(config_of(plant, erp.url, tmp_path)):
            await until(lambda: len(erp.registers("M2")) > 1)
    assert not erp.registers("M1")
