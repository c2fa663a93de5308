"""The command line: what an installer sees, right and wrong."""

import asyncio
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from string import Template
from xml.etree import ElementTree

import aiohttp
from conftest import config_of, running_bridge, until
from test_delivery import write_config
from test_wire_dlt645 import Meter as Meter645
from test_wire_mbus import Meter as HeatMeter
from typer.testing import CliRunner
from wire_stubs import PtyStub, TcpStub

from meter_bridge import config, meter_profile
from meter_bridge.cli import cli as cli_program
from meter_bridge.meter_list import placed
from meter_bridge.simulator.bridge_file import bridge_file
from meter_bridge.simulator.cli import cli as sim_program
from meter_bridge.simulator.config import load_plant

DEMO = Path(__file__).parent.parent / "demo"
ADDON = Path(__file__).parents[3] / "addons" / "prepaid_energy"
DEMO_DATA = ADDON / "demo" / "energy_demo_park.xml"


async def cli(*arguments, program=cli_program):
    """Run a command beside the test's event loop; returns status and output."""
    words = [str(word) for word in arguments]
    result = await asyncio.to_thread(CliRunner().invoke, program, words)
    return result.exit_code, " ".join(result.output.split())


async def run_bridge(file):
    """Run the bridge as a process until it ends; returns status and output."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "meter_bridge", "run", "-c", str(file)),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    return process.returncode, " ".join(output.decode().split())


async def test_check_status_and_dead_letters(plant, erp, tmp_path):
    file = write_config(plant, erp, tmp_path)
    code, text = await cli("check", "-c", file)
    assert code == 0
    assert "M3: answers as Eastron SDM120" in text
    assert "accepts the API key" in text
    assert "has not run yet" in (await cli("status", "-c", file))[1]
    (tmp_path / "key").write_text("bad")
    plant.plant.meters["M2"].faults.silent = True
    code, text = await cli("check", "-c", file)
    assert code == 1
    assert "M2: no answer" in text
    assert "refuses this gateway's API key" in text
    plant.plant.meters["M2"].faults.silent = False
    erp.unknown = {"M2"}
    settings = config_of(plant, erp.url, tmp_path / "state")
    async with running_bridge(settings):
        await until(lambda: erp.registers("M1"))
        code, text = await run_bridge(file)
        assert code == 1
        assert "another meter-bridge already uses" in text
    code, text = await cli("status", "-c", file)
    assert (code, "relay M1 closed" in text) == (0, True)
    code, text = await cli("dead-letter", "list", "-c", file)
    assert code == 0
    assert "unknown serial" in text


async def test_read_shows_the_meters_values(plant):
    plant.plant.time_factor = 0
    port = plant.lines["L"].port
    arguments = ["127.0.0.1", "--port", port, "--profile", "ddsy1352", "--once"]
    code, text = await cli("read", *arguments, "--device", 1)
    assert code == 0
    assert plant.plant.meters["M1"].register() in text
    assert re.search(r"relay .*0x0057.* closed", text)
    assert "read-back register unverified" in text
    code, text = await cli("read", *arguments, "--device", 9)
    assert (code, "no answer" in text) == (1, True)
    arguments[4] = "sdm63O"
    assert "known: abb_b23" in (await cli("read", *arguments))[1]


async def test_read_speaks_the_profiles_protocol(tmp_path):
    water = PtyStub(HeatMeter(primary=254))
    (tmp_path / "own.toml").write_text(
        Path(meter_profile.__file__)
        .with_name("profiles")
        .joinpath("mbus_heat.toml")
        .read_text(encoding="utf-8")
    )
    arguments = [water.path, "--profile", tmp_path / "own.toml", "--parity", "N"]
    code, text = await cli("read", *arguments, "--once")
    water.stop()
    assert (code, "12345678" in text, "8504.27" in text) == (0, True, True)
    china = await TcpStub(Meter645()).start()
    arguments = ["127.0.0.1", "--profile", "dlt645_1p", "--once"]
    code, text = await cli("read", *arguments, "--port", china.port)
    assert (code, "123456.78" in text, "refused" in text) == (0, True, True)
    assert re.search(r"relay .*04000503 .*closed", text)
    china.stop()
    code, text = await cli("read", *arguments)
    assert (code, "port" in text) == (1, True)
    code, text = await cli("read", *arguments, "--port", 1, "--device", "12")
    assert (code, "twelve digits" in text) == (1, True)


async def test_profile_check(tmp_path):
    shipped = Path(meter_profile.__file__).parent / "profiles" / "sdm630.toml"
    code, text = await cli("profile", "check", shipped)
    assert (code, "Eastron SDM630" in text) == (0, True)
    for name, line in (
        ("mbus_gas", "telegram 1"),
        ("dlt645_3p", "item 0201FF00"),
        ("dlms_electricity", "class 70: 0.0.96.3.10.255"),
        ("adl3000", "note: scales of voltage, current and frequency unverified"),
    ):
        code, text = await cli("profile", "check", shipped.with_name(f"{name}.toml"))
        assert (code, line in text) == (0, True), text
    (tmp_path / "own.toml").write_text("schema = 1")
    code, text = await cli("profile", "check", tmp_path / "own.toml")
    assert (code, "register" in text) == (1, True)


async def test_mistakes_end_with_one_sentence(tmp_path):
    code, text = await run_bridge(tmp_path / "none.toml")
    assert (code, "none.toml" in text, "Traceback" in text) == (2, True, False)
    code, text = await cli(tmp_path / "none.toml", program=sim_program)
    assert (code, "none.toml" in text, "Traceback" in text) == (1, True, False)


async def test_health(plant, erp, tmp_path, unused_tcp_port):
    health = {"host": "127.0.0.1", "port": unused_tcp_port}
    settings = config_of(plant, erp.url, tmp_path, health=health)
    url = f"http://127.0.0.1:{unused_tcp_port}/health"
    async with running_bridge(settings), aiohttp.ClientSession() as http:
        await until(lambda: len(erp.rows) > 3)
        async with http.get(url) as got:
            body = await got.json()
        assert (got.status, body["status"], body["problems"]) == (200, "ok", [])
        assert body["lines"]["L"]["meters"] == 3
        assert body["erp_last_ok"]


def test_the_demo_park(tmp_path):
    """The ERP's list, the plant and the bridge agree on every one of its meters."""
    values = {
        "ODOO_URL": "http://127.0.0.1:8069",
        "ODOO_DB": "demo",
        "API_KEY_FILE": "/nowhere/key",
        "STATE_DIR": str(tmp_path),
        "PLANT_HOST": "127.0.0.1",
        "PORT_BASE": "28020",
        "TIME_FACTOR": "60",
        "LOAD_CSV": "",
        "CONTROL_PORT": "28030",
        "HEALTH_PORT": "28031",
        "MQTT_HOST": "127.0.0.1",
        "MQTT_PORT": "28083",
        "PARK": "demo",
        "APPLICATION": "52f14cd4-c6f1-4fbd-8f87-4025e1d49242",
    }
    for name in ("plant", "bridge"):
        text = Template((DEMO / f"{name}.toml.in").read_text()).substitute(values)
        (tmp_path / f"{name}.toml").write_text(text)
    plant = load_plant(tmp_path / "plant.toml")
    bridge = config.load(tmp_path / "bridge.toml")
    meters, problems = placed(bridge, demo_meters())
    assert not problems
    ours = {
        (line.port, meter.device, meter.serial, meter.profile)
        for line in bridge.lines
        for meter in meters[line.name]
    }
    simulated = {
        (line.port, meter.device, meter.serial, meter.profile)
        for line in plant.lines
        for meter in line.meters
    }
    assert simulated == ours
    assert len(simulated) == 20
    heard = by_serial(tomllib.loads((tmp_path / "bridge.toml").read_text()))
    assert heard == by_serial(tomllib.loads(bridge_file(plant)))
    known = {
        (row["serial"], row["profile"], row["line"])
        for row in demo_meters()
        if row["line"] not in meters
    }
    listed = {
        (meter.serial, meter.format, broker.name)
        for broker in bridge.brokers
        for meter in broker.meters
    }
    assert known == listed
    assert len(known) == 3
    assert {line.port for line in plant.lines} == {28020, 28021, 28022}


def by_serial(tables):
    """The ``[[mqtt.meter]]`` tables of a file, by serial number."""
    return {one["serial"]: one for table in tables["mqtt"] for one in table["meter"]}


def demo_meters():
    """The meters of the ERP's demo data, as its protocol hands them out."""
    rows = []
    for record in ElementTree.parse(DEMO_DATA).iter("record"):
        if record.get("model") == "energy.meter":
            rows.append({item.get("name"): item.text for item in record.iter("field")})
    return rows
