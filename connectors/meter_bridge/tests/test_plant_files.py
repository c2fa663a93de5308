"""Plant files: many meters by few lines, curves by CSV, and mistakes that are named."""

import tomllib
from datetime import UTC, datetime
from importlib import resources

import aiohttp
import pytest
from conftest import meter, plant_config, toml_of
from test_cli import cli

from meter_bridge import config as bridge_config
from meter_bridge.simulator import curve
from meter_bridge.simulator.bridge_file import bridge_file
from meter_bridge.simulator.cli import cli as sim_program
from meter_bridge.simulator.config import PlantConfig, PlantError, load_plant
from meter_bridge.simulator.faults import KINDS, Faults
from meter_bridge.simulator.running import RunningPlant, plant_of

HALL = {
    "name": "hall-{line}",
    "count": 3,
    "port": 5020,
    "meter": [
        meter("H{line}-{n:03}", 1, count=200),
        meter("H{line}-FEED", 240, "sdm630", children=["H{line}-*"], nominal_kw=0),
    ],
}
NODES = {
    "name": "yard",
    "meter": [
        {
            "serial": "L-{n:02}",
            "count": 20,
            "first": 5,
            "kind": "chirpstack",
            "topic": "00000000000000{n:02x}",
        }
    ],
}
FAULT = {"kind": "silent", "meter": "M1"}


async def sim(*arguments):
    return await cli(*arguments, program=sim_program)


def test_six_hundred_meters_by_one_table():
    found = PlantConfig.model_validate({"line": [HALL], "mqtt": [NODES]})
    assert [line.name for line in found.lines] == ["hall-1", "hall-2", "hall-3"]
    assert [line.port for line in found.lines] == [5020, 5021, 5022]
    last = found.lines[2].meters
    assert (len(last), last[199].serial, last[199].device) == (201, "H3-200", 200)
    assert len(last[200].children) == 200
    assert last[200].children[0] == "H3-001"
    nodes = found.brokers[0].meters
    assert (nodes[0].serial, nodes[-1].topic) == ("L-05", "0000000000000018")


async def test_hundreds_of_meters_run():
    hall = {**HALL, "count": 2, "port": 0}
    async with RunningPlant(plant_config({}, line=[hall])) as plant:
        assert len({server.port for server in plant.lines.values()}) == 2
        url = f"http://127.0.0.1:{plant.control_port}/state"
        async with aiohttp.ClientSession() as http, http.get(url) as answer:
            state = await answer.json()
        assert len(state) == 402


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"meter": [meter("M", 1, count=2)]}, "line.0.meter.0.serial: 'M' needs {n}"),
        ({"meter": [meter("M{x}", 1)]}, r"line.0.meter.0.serial: 'M{x}' cannot"),
        ({"meter": [meter("M{n}", 100, count=200)]}, "line.0.meter.0.device: 200"),
        ({"count": 2}, "line.0.name: 'L' needs {line}"),
        ({"name": "L{line}", "count": 2}, "line.meter.serial 'M1' is given twice"),
        ({"meter": [meter("A", 1), meter("B", 1)]}, "line L: device number 1"),
        ({"meter": [meter("A", 1, children=["X-*"])]}, r"no meter 'X-\*'"),
        ({"fault": {**FAULT, "kind": "loud"}}, "fault.0.*unknown fault 'loud'"),
        ({"fault": {**FAULT, "meter": "M9"}}, "fault.0.meter: nothing is called 'M9'"),
        ({"fault": {**FAULT, "kind": "late"}}, "fault.0.*value: a value is needed"),
        ({"fault": {**FAULT, "value": 3}}, "fault.0.*value: it takes no value"),
        ({"fault": {**FAULT, "kind": "crc"}}, "fault.0.kind: 'crc' is no fault of M1"),
        ({"fault": {**FAULT, "kind": "clock", "value": 5}}, "fault.0.kind: 'clock'"),
        ({"fault": {**FAULT, "every": 5}}, "fault.0.*every: longer than for"),
        ({"fault": {**FAULT, "kind": "down"}}, "fault.0.meter: 'down' is a fault of"),
        ({"fault": {"kind": "silent"}}, "fault.0.*one of meter, line and broker"),
        (
            {"fault": {**FAULT, "kind": "exchange", "for": 3}},
            "fault.0.*for: 'exchange'",
        ),
        ({"fault": {**FAULT, "at": -1}}, "fault.0.at"),
        ({"fault": {**FAULT, "how": 1}}, "fault.0.how"),
    ],
)
def test_mistakes_are_named(tmp_path, table, says):
    line = {"name": "L", "port": 5020, "meter": [meter("M1", 1)], **table}
    fault = [line.pop("fault")] if "fault" in line else []
    file = tmp_path / "plant.toml"
    file.write_text(toml_of({"line": [line], "fault": fault}))
    with pytest.raises(PlantError, match=says):
        load_plant(file)


def test_no_rollover_without_an_end():
    line = [{"name": "L", "port": 0, "meter": [meter("M1", 1, "iem3000")]}]
    with pytest.raises(ValueError, match="iem3000 of M1 knows no rollover"):
        plant_config({}, line=line, fault=[{**FAULT, "kind": "rollover"}])


def test_every_lasting_kind_is_a_fault_of_a_meter():
    lasting = {name for name, kind in KINDS.items() if kind.lasts} - {"down"}
    assert lasting == set(vars(Faults()))


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def test_rows_of_a_day(tmp_path):
    (tmp_path / "day.csv").write_text("time,kw\n06:00,10\n22:00,1.5\n")
    found = curve.from_rows(tmp_path / "day.csv")
    for moment, kilowatts in (("05:59", 1.5), ("06:00", 10), ("23:00", 1.5)):
        assert found.kilowatts(99, at(f"2026-01-08T{moment}:00"), 7) == kilowatts


def test_rows_with_dates_begin_anew(tmp_path):
    text = "time,share\n2026-01-08T00:00,0.5\n2026-01-08T12:00,1\n"
    (tmp_path / "rows.csv").write_text(text)
    found = curve.from_rows(tmp_path / "rows.csv")
    for day in ("08", "09"):
        assert found.kilowatts(8, at(f"2026-01-{day}T11:59:59"), 0) == 4
        assert found.kilowatts(8, at(f"2026-01-{day}T12:00:00"), 0) == 8


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kw\n1\n", "line 1: the header"),
        ("time,kw\n06:00,1\n06:00,2\n", "line 3: times ascend"),
        ("time,kw\n06:00,x\n", "line 2: not a time and a number"),
        ("time,kw\n06:00,1\n2026-01-08T07:00,2\n", "line 3: times ascend in one form"),
        ("time,kw\n", "there is no load"),
    ],
)
def test_rows_with_mistakes(tmp_path, text, says):
    (tmp_path / "rows.csv").write_text(text)
    with pytest.raises(curve.CurveError, match=says):
        curve.from_rows(tmp_path / "rows.csv")


def test_a_meter_has_a_curve_of_its_own(tmp_path):
    (tmp_path / "press.csv").write_text("time,kw\n00:00,12.5\n")
    own = {"load_csv": "press.csv", "load_format": "rows"}
    line = {"name": "L", "port": 0, "meter": [meter("A", 1, **own), meter("B", 2)]}
    file = tmp_path / "plant.toml"
    file.write_text(toml_of({"line": [line], "floor": 1.0}))
    plant = plant_of(load_plant(file))
    assert plant.meters["A"].power == 12.5
    assert plant.meters["B"].power != 12.5


def with_devices(text):
    """The example with its commented ``[[mqtt]]`` tables switched on."""
    head, mark, rest = text.partition("# [[mqtt]]")
    tables, mark_2, rest = rest.partition("# Faults by")
    tables = (mark + tables).replace("\n#", "\n").removeprefix("# ")
    assert mark and mark_2
    return head + tables + mark_2 + rest


async def test_the_example_is_right_and_complete(tmp_path):
    shipped = resources.files("meter_bridge.simulator") / "example.toml"
    text = shipped.read_text(encoding="utf-8")
    status, said = await sim("example")
    assert (status, said) == (0, " ".join(text.split()))
    file = tmp_path / "plant.toml"
    file.write_text(with_devices(text))
    status, said = await sim("check", file)
    assert status == 0
    assert "line hall-2: 121 meters on 127.0.0.1:5022, rtu" in said
    assert "mqtt yard: 21 devices" in said
    assert "at 60 s: silent of H1-00? (9) for 30 s" in said
    plant = load_plant(file)
    written = bridge_file(plant)
    head = {"state_dir": str(tmp_path)}
    head["erp"] = {"url": "http://x", "database": "d", "api_key": "k"}
    bridge = bridge_config.from_dict({**head, **tomllib.loads(written)})
    ours = {m.serial for p in (*bridge.lines, *bridge.brokers) for m in p.meters}
    assert ours == {meter.serial for _, meter in plant.places()}
    assert bridge.brokers[0].port == 1884


async def test_the_command_line(tmp_path):
    status, said = await sim("--help")
    assert status == 0
    assert "example" in said and "check" in said
    status, said = await sim("faults")
    assert all(name in said for name in KINDS)
    for words in (("check", tmp_path / "none.toml"), (tmp_path / "none.toml",)):
        status, said = await sim(*words)
        assert status == 1
        assert "meter-bridge-sim:" in said and "none.toml" in said


async def test_faults_by_the_control_port():
    config = plant_config({"L": [meter("M1", 1), meter("M2", 2)]})
    async with RunningPlant(config) as plant, aiohttp.ClientSession() as http:
        url = f"http://127.0.0.1:{plant.control_port}/fault"
        faults = plant.plant.meters["M1"].faults
        for kind, value in (("late", 2), ("late", 5)):
            body = {"kind": kind, "value": value, "line": "L", "for": 60}
            async with http.post(url, json=body) as got:
                assert (await got.json())["of"] == ["M1", "M2"]
        async with http.get(url) as got:
            told = await got.json()
        assert [item["value"] for item in told] == [2, 5]
        assert faults.late == 5, "the one that began last"
        for body in ({}, {"kind": "late", "meter": "M1"}, {"kind": "x", "meter": "M1"}):
            async with http.post(url, json=body) as got:
                assert got.status == 400
                assert (await got.json())["error"]
        async with http.delete(url) as got:
            assert await got.json() == []
        assert plant.plant.meters["M1"].faults == Faults()
