"""The bus: late, cut, foreign and missing answers never become readings."""

import asyncio
from types import SimpleNamespace

import pytest
from conftest import meter, plant_config
from wire_stubs import line_of

from meter_bridge.simulator.running import RunningPlant
from meter_bridge.transport import BadAnswer, LineDown, NoAnswer, Refused
from meter_bridge.wire.lines import bus_of


@pytest.fixture(params=["tcp", "rtu"])
async def bus(request):
    """A bus to two meters that show 1000 and 2000 kWh, standing still."""
    framing = request.param
    meters = [meter("M1", 1), meter("M2", 2, initial_kwh="2000")]
    line = {"name": "L", "port": 0, "framing": framing, "meter": meters}
    config = plant_config({}, time_factor=0, line=[line])
    async with RunningPlant(config) as plant:
        transport = {"tcp": "modbus_tcp", "rtu": "rtu_over_tcp"}[framing]
        bus = bus_of(line_of(transport, plant.lines["L"], timeout=0.25))
        bus.plant = plant.plant
        yield bus
        bus.close()


async def total(bus, device):
    high, low = await bus.read(device, 3, 0, 2)
    return (high << 16 | low) / 100


async def test_an_answer_after_its_time_out_never_meets_the_next_request(bus):
    bus.plant.meters["M1"].faults.late = 0.35
    for _ in range(3):
        with pytest.raises(NoAnswer):
            await total(bus, 1)
        assert await total(bus, 2) == 2000
    bus.plant.meters["M1"].faults.late = 0
    assert await total(bus, 1) == 1000


async def test_a_cancelled_request_leaves_no_answer_behind(bus):
    bus.plant.meters["M1"].faults.late = 0.1
    task = asyncio.create_task(total(bus, 1))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.wait([task])
    assert await total(bus, 2) == 2000


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"silent": True}, NoAnswer),
        ({"short": True}, BadAnswer),
        ({"wrong_id": True}, NoAnswer),
        ({"exception": 2}, Refused),
        ({"exception": 11}, NoAnswer),
    ],
)
async def test_faults(bus, fault, error):
    for key, value in fault.items():
        setattr(bus.plant.meters["M1"].faults, key, value)
    with pytest.raises(error):
        await total(bus, 1)
    assert await total(bus, 2) == 2000


async def test_a_lost_answer_to_a_write_is_written_once(bus):
    """The library's retries would write again."""
    first = bus.plant.meters["M1"]
    first.faults.late = 0.6
    with pytest.raises(NoAnswer):
        await bus.write(1, 16, 0x57, [1, 1])
    await asyncio.sleep(0.6)
    assert first.relay == "open"
    assert len(first.writes) == 1


async def test_six_dead_requests_do_not_close_the_link_for_others(bus):
    bus.plant.meters["M1"].faults.silent = True
    for _ in range(6):
        with pytest.raises(NoAnswer):
            await total(bus, 1)
    assert await total(bus, 2) == 2000


async def test_nobody_listens():
    with pytest.raises(LineDown):
        await bus_of(line_of("modbus_tcp", SimpleNamespace(port=1))).read(1, 3, 0, 1)
