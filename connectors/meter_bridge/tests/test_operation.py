"""What operators use: dead letters, status, scan, metrics, systemd."""

import asyncio
import csv
import json
import re
import socket
import sys
import threading
import tomllib

import aiohttp
import pytest
from conftest import config_of, meter, plant_config, running_bridge, until
from test_cli import cli
from test_delivery import write_config
from wire_stubs import PtyStub

from meter_bridge import config, meter_profile, scan
from meter_bridge.commands_store import CommandStore
from meter_bridge.sd_notify import Notifier
from meter_bridge.simulator.running import RunningPlant, plant_of
from meter_bridge.simulator.server import respond
from meter_bridge.store import Poll
from meter_bridge.wire import rtu


@pytest.fixture
def letters(plant, erp, tmp_path):
    """The bridge's file; its outbox has three dead letters and one reading."""
    file = write_config(plant, erp, tmp_path)
    (tmp_path / "state").mkdir()
    store = CommandStore(tmp_path / "state" / "outbox.sqlite3")
    for second in range(3):
        store.add_poll(Poll("M1", 1000 + second, f"{second}.00"))
    batch = store.next_batch(10, 0)
    reasons = [(index, "unknown_serial") for index in range(3)]
    store.confirm(batch.uid, reasons, 1777888800)
    store.add_poll(Poll("M2", 5, "7.00"))
    store.close()
    return file


def registers(file):
    """Registers in the outbox in the order in which they are sent."""
    store = CommandStore(config.load(file).database)
    batch = store.next_batch(100, 0)
    store.close()
    return [row[2] for row in batch.readings]


async def test_dead_letters_go_back_behind_what_waits(letters):
    code, text = await cli("dead-letter", "retry", "2", "1", "-c", letters)
    assert (code, "2 rows" in text) == (0, True)
    assert registers(letters) == ["7.00", "0.00", "1.00"]
    code, text = await cli("dead-letter", "list", "-c", letters)
    assert "3: 2026-05-04T10:00:00+00:00 reading ['M1', 1002, '2.00']" in text
    assert "1002" in text and "1001" not in text


async def test_retry_wants_to_know_what(letters):
    assert (await cli("dead-letter", "retry", "-c", letters))[0] == 2
    assert (await cli("dead-letter", "retry", "--all", "1", "-c", letters))[0] == 2
    code, text = await cli("dead-letter", "retry", "1", "77", "-c", letters)
    assert (code, "1 of the numbers" in text) == (1, True)
    assert (await cli("dead-letter", "retry", "--all", "-c", letters))[0] == 0
    assert (await cli("dead-letter", "list", "-c", letters))[1] == "no dead letters"


async def test_a_running_bridge_sends_what_is_retried(letters, plant, erp, tmp_path):
    settings = config_of(plant, erp.url, tmp_path / "state")
    async with running_bridge(settings):
        await until(lambda: erp.registers("M2"))
        await cli("dead-letter", "retry", "--all", "-c", letters)
        await until(lambda: "2.00" in erp.registers("M1"))


async def test_export(letters, tmp_path):
    code, text = await cli("dead-letter", "export", "-c", letters)
    first = json.loads(text.split("} {")[0] + "}")
    assert (code, first["body"]) == (0, ["M1", 1000, "0.00"])
    assert (first["at"], first["id"]) == ("2026-05-04T10:00:00+00:00", 1)
    out = tmp_path / "out.csv"
    words = ["--format", "csv", "--output", out, "-c", letters]
    assert (await cli("dead-letter", "export", *words))[0] == 0
    rows = list(csv.DictReader(out.open(newline="")))
    found = [(r["meter_serial"], r["time"], r["value"], r["reason"]) for r in rows]
    assert found[2] == ("M1", "1002", "2.00", "unknown_serial")
    assert len(found) == 3


async def test_status_says_which_meters_are_late(letters):
    code, text = await cli("status", "-c", letters)
    assert code == 0
    assert "line L 3 meters, read" in text
    assert "late M1 1970-01-01T00:16:42+00:00" in text
    assert "late M3 never read" in text
    assert "oldest reading 1970-01-01T00:00:05" in text


async def test_check_asks_the_erp_for_its_meters(plant, erp, tmp_path):
    file = write_config(plant, erp, tmp_path)
    data = tomllib.loads(file.read_text())
    line = data["line"][0]
    text = f'state_dir = "state"\nmeters = "erp"\n[erp]\nurl = "{erp.url}"\n'
    text += 'database = "db"\napi_key_file = "key"\n[[line]]\nname = "L"\n'
    text += f'host = "127.0.0.1"\nport = {line["port"]}\n'
    file.write_text(text)
    base = {"profile": "ddsy1352", "address": "1", "ct": "1", "pt": "1"}
    erp.meters = [{**base, "serial": "M1", "line": "L"}]
    code, text = await cli("check", "-c", file)
    assert (code, "M1: answers as" in text) == (0, True)
    erp.meters = [{**base, "serial": "M1", "line": "nowhere"}]
    code, text = await cli("check", "-c", file)
    assert (code, "line 'nowhere'" in text) == (1, True)


MODBUS = [item.name for item in scan.modbus_profiles()]


async def test_scan_finds_each_model_and_prints_the_tables():
    meters = [meter(f"M{n}", n, name) for n, name in enumerate(MODBUS, 1)]
    async with RunningPlant(plant_config({"L": meters}, time_factor=0)) as plant:
        port, last = plant.lines["L"].port, len(meters) + 1
        plant.plant.meters["M2"].faults.silent = True
        words = ["127.0.0.1", "--port", port, "--last", last, "--timeout", "0.2"]
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "meter_bridge", "scan", *map(str, words)),
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, _ = await process.communicate()
    assert process.returncode == 0
    (line,) = tomllib.loads(out.decode())["line"]
    assert (line["port"], line["transport"]) == (port, "modbus_tcp")
    found = {item["device"]: item["profile"] for item in line["meter"]}
    expected = {n: name for n, name in enumerate(MODBUS, 1) if n != 2}
    alike = out.decode()
    for device, name in expected.items():
        ours = next(t for t in alike.split("[[") if f"device = {device}\n" in t + "\n")
        assert found[device] == name or f" {name}" in ours, f"{name} is not named"


async def test_scan_of_a_serial_port_prints_tables_that_work():
    """By a pty: what is printed can be read with, as it is."""
    plan = plant_config({"L": [meter("M1", 2, "sdm120")]}, time_factor=0)
    plant = plant_of(plan)
    plant.advance(1)
    simulated = plant.meters["M1"]

    def answer(request):
        if request[0] != 2:
            return []
        return [(0, rtu.frame(2, respond(simulated, request[1:-2])))]

    port = PtyStub(answer)
    words = [port.path, "--first", 1, "--last", 3, "--timeout", 0.2]
    code, text = await cli("scan", *words, "--baudrate", 19200, "--parity", "N")
    assert code == 0
    tables = text[text.index("[[line]]") :]
    assert f'serial_port = "{port.path}" baudrate = 19200 parity = "N"' in tables
    assert 'transport = "rtu_serial"' in tables
    assert re.search(r'profile = "\w+".* device = 2', tables)
    assert "sdm120" in tables
    words = [port.path, "--profile", "sdm120", "--device", 2, "--baudrate", 19200]
    code, text = await cli("read", *words, "--once")
    port.stop()
    assert (code, simulated.register() in text) == (0, True)


async def test_scan_says_when_nobody_answers(plant):
    words = ["--first", 9, "--last", 9, "--timeout", "0.1"]
    port = plant.lines["L"].port
    code, text = await cli("scan", "127.0.0.1", "--port", port, *words)
    assert (code, "no device answers" in text) == (1, True)


def test_implausible_values_speak_against_a_model():
    profile = meter_profile.load("sdm120")
    (request, *_) = requests = profile.requests()
    assert scan.points(profile, {r: [0] * r.count for r in requests}) <= 0
    assert scan.points(profile, {}) == 0
    assert request.function == 4


async def test_metrics(plant, erp, tmp_path, unused_tcp_port):
    health = {"host": "127.0.0.1", "port": unused_tcp_port}
    settings = config_of(plant, erp.url, tmp_path, health=health)
    erp.script, erp.unknown = [500], {"M2"}
    plant.plant.meters["M3"].faults.silent = True
    url = f"http://127.0.0.1:{unused_tcp_port}/metrics"

    async def values():
        async with aiohttp.ClientSession() as http, http.get(url) as got:
            lines = (await got.text()).splitlines()
        pairs = [line.rpartition(" ") for line in lines if line[0] != "#"]
        return {name: float(value) for name, _, value in pairs}

    async with running_bridge(settings) as bridge:
        before = await values()
        erp.commands = [
            {"id": 1, "meter_serial": "M1", "kind": "relay", "value": "open"}
        ]
        await until(lambda: erp.outcome(1))
        await until(lambda: bridge.workers[0].status()["silent"])
        await until(lambda: len(erp.registers("M1")) > 2)
        after = await values()

    def grown(name):
        return after[f"meter_bridge_{name}"] - before.get(f"meter_bridge_{name}", 0)

    assert grown("readings_committed_total") >= 3
    assert grown('readings_delivered_total{as="accepted"}') >= 2
    assert grown('readings_delivered_total{as="rejected"}') >= 1
    assert grown('batches_total{outcome="confirmed"}') >= 1
    assert grown('polls_total{line="L",result="ok"}') >= 3
    assert grown('polls_total{line="L",result="missed"}') >= 2
    assert grown('commands_total{kind="relay",outcome="verified"}') == 1
    assert grown('erp_seconds_count{method="ingest"}') >= 2
    assert after['meter_bridge_meters{line="L",state="silent"}'] == 1
    assert after["meter_bridge_dead_letters"] >= 1
    assert 0 <= after['meter_bridge_last_answer_age_seconds{line="L"}'] < 10
    assert after["meter_bridge_holder"] == 1
    assert "meter_bridge_outbox_oldest_seconds" in after


@pytest.fixture(params=["path", "abstract"])
def systemd(request, tmp_path):
    """A datagram socket as systemd has it, and its name in the environment."""
    name = str(tmp_path / "notify")
    if request.param == "abstract":
        name = f"@meter-bridge-{tmp_path.name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as link:
        link.bind(name.replace("@", "\0"))
        link.settimeout(10)
        yield link, name


async def test_systemd_hears_ready_alive_and_stopping(
    plant, erp, tmp_path, systemd, monkeypatch
):
    link, name = systemd
    monkeypatch.setenv("NOTIFY_SOCKET", name)
    monkeypatch.setenv("WATCHDOG_USEC", "100000")

    async def hear():
        return (await asyncio.to_thread(link.recv, 1000)).decode()

    async with running_bridge(config_of(plant, erp.url, tmp_path)):
        assert await hear() == "READY=1"
        for _ in range(3):
            assert (await hear()).startswith("WATCHDOG=1\nSTATUS=3 meters")
    words = [await hear()]
    while words[-1] != "STOPPING=1":
        words.append(await hear())
    assert set(words[:-1]) <= {"WATCHDOG=1\nSTATUS=3 meters, ERP: ok"}


async def test_a_stuck_outbox_gives_no_sign_of_life(plant, erp, tmp_path, systemd):
    link, name = systemd
    environment = {"NOTIFY_SOCKET": name, "WATCHDOG_USEC": "20000"}
    async with running_bridge(config_of(plant, erp.url, tmp_path)) as bridge:
        hanging = threading.Event()
        blocked = asyncio.create_task(bridge.outbox.run(lambda _: hanging.wait(20)))
        task = asyncio.create_task(bridge._tell_systemd(Notifier(environment)))
        assert (await asyncio.to_thread(link.recv, 1000)) == b"READY=1"
        link.settimeout(0.3)
        with pytest.raises(TimeoutError):
            await asyncio.to_thread(link.recv, 1000)
        hanging.set()
        await blocked
        task.cancel()


def test_without_systemd_nothing_is_said():
    quiet = Notifier({})
    quiet.ready()
    assert quiet.interval is None
    assert Notifier({"WATCHDOG_USEC": "30000000"}).interval == 15
    assert Notifier({"WATCHDOG_USEC": "3", "WATCHDOG_PID": "1"}).interval is None
    Notifier({"NOTIFY_SOCKET": "/nowhere/at/all"}).alive("a socket that is gone")
