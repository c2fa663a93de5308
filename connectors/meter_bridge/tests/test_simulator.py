"""The plant: feeders add up, relays stop the flow, registers never go back."""

import gzip
from datetime import UTC, datetime

import aiohttp
import pytest
from conftest import meter, plant_config, toml_of

from meter_bridge.simulator import curve
from meter_bridge.simulator.config import PlantError, load_plant
from meter_bridge.simulator.plant import Plant
from meter_bridge.simulator.running import RunningPlant

FLAT = curve.LoadCurve([1.0], 900)
TREE = [
    meter("MAIN", 1, "sdm630", nominal_kw=0, children=["FEED"], loss=0.015),
    meter("FEED", 2, nominal_kw=0, children=["A", "B"], loss=0.02, leak_kw=1.5),
    meter("A", 3, nominal_kw=3),
    meter("B", 4, nominal_kw=5),
]


def tree(**more):
    return Plant(plant_config({"L": TREE}, time_factor=60, **more), FLAT)


def counted(plant, before):
    return {
        serial: round(meter.energy - before[serial], 9)
        for serial, meter in plant.meters.items()
    }


def test_feeders_count_their_children_losses_and_leaks():
    plant = tree()
    before = {serial: meter.energy for serial, meter in plant.meters.items()}
    plant.advance(60)  # at factor 60: one hour
    feed = 8 * 1.02 + 1.5
    expected = {"A": 3, "B": 5, "FEED": feed, "MAIN": feed * 1.015}
    assert counted(plant, before) == pytest.approx(expected)


def test_an_open_relay_stops_the_meter_and_its_share_of_the_feeder():
    plant = tree()
    plant.meters["B"].relay = "open"
    before = {serial: meter.energy for serial, meter in plant.meters.items()}
    plant.advance(60)
    feed = 3 * 1.02 + 1.5
    expected = {"A": 3, "B": 0, "FEED": feed, "MAIN": feed * 1.015}
    assert counted(plant, before) == pytest.approx(expected)
    assert plant.state()["B"]["power_kw"] == 0


def test_an_open_feeder_stops_everything_below():
    plant = tree()
    plant.meters["FEED"].relay = "open"
    before = {serial: meter.energy for serial, meter in plant.meters.items()}
    plant.advance(60)
    assert set(counted(plant, before).values()) == {0}


def test_registers_survive_a_restart(tmp_path):
    plant = tree(state=str(tmp_path / "plant.json"))
    plant.advance(1000)
    plant.meters["A"].relay = "open"
    plant.save()
    again = tree(state=str(tmp_path / "plant.json"))
    for serial, old in plant.meters.items():
        assert again.meters[serial].energy == old.energy
    assert again.meters["A"].relay == "open"
    (tmp_path / "plant.json").write_text("{")
    with pytest.raises(PlantError, match="plant.json"):
        tree(state=str(tmp_path / "plant.json"))


def test_rollover_of_the_register():
    plant = tree()
    plant.meters["A"].energy = 1000000.25
    assert plant.meters["A"].register() == "0.25"


def test_load_files(tmp_path):
    rows = "start_utc,kwh\n" + "".join(f"t,{n % 100}\n" for n in range(35040))
    with gzip.open(tmp_path / "year.csv.gz", "wt") as file:
        file.write(rows)
    load = curve.from_csv(tmp_path / "year.csv.gz", floor=0.1)
    assert load.at(0) == 0.1, "never below the floor"
    assert load.at(94 * 900) == 1.0, "nominal is the 95th percentile"
    assert load.at(50 * 900) == load.at(50 * 900 + 365 * 86400)
    (tmp_path / "bad.csv").write_text("a,b\n1,2\n1,x\n")
    with pytest.raises(curve.CurveError, match="bad.csv, line 3"):
        curve.from_csv(tmp_path / "bad.csv")
    with pytest.raises(curve.CurveError, match="none.csv"):
        curve.from_csv(tmp_path / "none.csv")


def test_the_generated_curve_is_high_by_day_and_low_on_sundays():
    load, hour = curve.generated(), 3600
    assert load.at(12 * hour) > 3 * load.at(2 * hour)
    assert load.at(12 * hour) > 3 * load.at(6 * 86400 + 12 * hour)


async def test_a_taken_port_is_told_in_a_sentence():
    async with RunningPlant(plant_config({"L": [meter("M1", 1)]})) as first:
        config = plant_config({"L": [meter("M1", 1)]})
        config.lines[0].port = first.lines["L"].port
        with pytest.raises(PlantError, match="line L: cannot listen on 127.0.0.1"):
            async with RunningPlant(config):
                pass
        config = plant_config({"L": [meter("M1", 1)]})
        config.control_port = first.control_port
        with pytest.raises(PlantError, match="control port: cannot listen"):
            async with RunningPlant(config):
                pass


async def test_the_control_port():
    config = plant_config({"L": TREE}, time_factor=0)
    async with RunningPlant(config) as plant, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{plant.control_port}"
        await http.post(f"{url}/meter/A", json={"load_kw": 9, "silent": True})
        await http.post(f"{url}/meter/A", json={"add_kwh": 10})
        async with http.get(f"{url}/state") as got:
            state = await got.json()
        assert state["A"]["power_kw"] == 9
        assert state["A"]["faults"]["silent"] is True
        assert state["A"]["register_kwh"] == "1010.00"
        assert state["FEED"]["register_kwh"] == "1010.20"
        for body in ({"nonsense": 1}, {"load_kw": "x"}, {"relay": "ajar"}, []):
            async with http.post(f"{url}/meter/A", json=body) as got:
                assert got.status == 400
        async with http.post(f"{url}/meter/NOBODY", json={}) as got:
            assert got.status == 404
        async with http.post(f"{url}/plant", json={"time_factor": 7}) as got:
            assert got.status == 200
        assert plant.plant.time_factor == 7


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"children": ["NOBODY"]}, "no meter 'NOBODY'"),
        ({"children": ["M1"]}, "feeds itself"),
        ({"profile": "nope"}, "no meter profile"),
        ({"device": 300}, "line.0.meter.0.device"),
        ({"colour": "red"}, "line.0.meter.0.colour"),
    ],
)
def test_plant_files_with_mistakes(tmp_path, change, says):
    file = tmp_path / "plant.toml"
    line = {"name": "L", "port": 0, "meter": [{**meter("M1", 1), **change}]}
    file.write_text(toml_of({"line": [line]}))
    with pytest.raises(PlantError, match=says):
        load_plant(file)


def test_plant_time_begins_where_it_is_told():
    plant = tree(begin="2026-01-08T09:00:00")
    began = datetime.fromtimestamp(plant.clock, UTC)
    assert began.isoformat() == "2026-01-08T09:00:00+00:00"
    plant.advance(60)
    assert plant.clock - began.timestamp() == 3600, "time factor 60"
