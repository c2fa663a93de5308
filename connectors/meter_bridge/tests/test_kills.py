"""Kill -9, again and again: the ERP has what was committed, each reading once."""

import asyncio
import contextlib
import json
import os
import random
import signal
import sys
from pathlib import Path

import pytest
from conftest import meter, plant_config, toml_of, until
from nursery import POINTS

from meter_bridge.commands_store import CommandStore
from meter_bridge.simulator.running import RunningPlant

KILLS = 200
FAULTS = (500, 429, 401, 413, "commit_then_hang", "commit_then_500", "forget_one")
UNKNOWN = "M9"  # the ERP rejects this one


class Nursery:
    """The process that starts bridges; see :mod:`nursery`."""

    def __init__(self, process):
        self._process = process

    async def _ask(self, **order) -> int:
        self._process.stdin.write(json.dumps(order).encode() + b"\n")
        return int(await self._process.stdout.readline())

    async def start(self, config: Path, told: Path, **order) -> int:
        """Start a bridge; returns its pid."""
        return await self._ask(config=str(config), told=str(told), **order)

    async def end(self, pid: int, signal_=signal.SIGKILL) -> None:
        """Send a signal and wait for the end."""
        os.kill(pid, signal_)
        await self._ask(wait=pid)


@pytest.fixture
async def nursery():
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, Path(__file__).parent / "nursery.py"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    yield Nursery(process)
    process.stdin.close()
    await process.wait()


@pytest.fixture
async def plant():
    """Nine meters; what each was read as is kept in ``plant.served``."""
    meters = [meter(f"M{n}", n) for n in range(1, 10)]
    async with RunningPlant(plant_config({"L": meters})) as running:
        running.served = set()
        for item in running.plant.meters.values():
            _record(item, running.served)
        yield running


def _record(item, served):
    words, serial = item.words, item.config.serial

    def recorded(function):
        served.add((serial, item.register()))
        return words(function)

    item.words = recorded


def write_config(plant, erp, folder, name="bridge", **more):
    """A fast bridge's file, with a state directory of its own."""
    server = plant.lines["L"]
    keys = ("serial", "device", "profile")
    meters = [{k: getattr(m, k) for k in keys} for m in server.config.meters]
    line = {"name": "L", "host": "127.0.0.1", "port": server.port, "meter": meters}
    link = {"url": erp.url, "database": "db", "api_key_file": f"{folder}/key"}
    link |= {"send_interval": 0.02, "timeout": 0.4, "commands_interval": 0.05}
    link |= {"retry_first": 0.02, "retry_max": 0.1}
    data = {"state_dir": name, "poll_interval": 0.05, "telemetry_interval": 1}
    (folder / "key").write_text("good")
    file = folder / f"{name}.toml"
    file.write_text(toml_of({**data, **more, "erp": link, "line": [line]}))
    return file


def told(path):
    """What bridges have told to be committed: (serial, time, register)."""
    with contextlib.suppress(FileNotFoundError):
        return {tuple(json.loads(line)) for line in path.read_text().splitlines()}
    return set()


def kept(folder):
    """Readings in the outbox and in the dead letters, as (serial, time, register)."""
    store = CommandStore(folder / "outbox.sqlite3", read_only=True)
    rows = store._db.execute("SELECT body FROM item WHERE kind = 'reading'").fetchall()
    letters = store.dead_letters(10**6)
    store.close()
    assert {letter["kind"] for letter in letters} <= {"reading"}
    waiting = {tuple(json.loads(row["body"])) for row in rows}
    return waiting, {tuple(letter["body"]) for letter in letters}


async def kill_once(nursery, file, path, chance):
    """Run a bridge until it is killed, by itself at a point or from outside.

    Returns the point at which it killed itself, or None.
    """
    point = chance.choice([*POINTS, None])
    order = {"point": point, "nth": chance.randint(1, 4)} if point else {}
    pid = await nursery.start(file, path, **order)
    patience = 0.5 if point else chance.uniform(0.05, 0.4)
    over = asyncio.get_running_loop().time() + patience
    dead = False
    while not dead and asyncio.get_running_loop().time() < over:
        await asyncio.sleep(0.01)
        dead = Path(f"/proc/{pid}/stat").read_text().split()[2] == "Z"
    await nursery.end(pid)
    return point if dead else None


async def test_200_kills_lose_and_double_nothing(nursery, plant, erp, tmp_path):
    chance = random.Random(20260504)
    erp.unknown, path = {UNKNOWN}, tmp_path / "told"
    file = write_config(plant, erp, tmp_path)
    points = set()
    for number in range(KILLS):
        if number % 3 == 0:
            erp.script = chance.choices([*FAULTS, None], k=3)
        points.add(await kill_once(nursery, file, path, chance))
    assert points == {*POINTS, None}, "each was met"
    erp.script = []
    pid = await nursery.start(file, path)
    await until(lambda: len(kept(tmp_path / "bridge")[0]) < 9, 30)
    await nursery.end(pid, signal.SIGTERM)
    waiting, letters = kept(tmp_path / "bridge")
    stored = {(*place, register) for place, register in erp.rows.items()}
    committed = told(path)
    assert len(committed) > KILLS / 2, "it got to read at all"
    assert committed <= stored | letters | waiting, "committed and lost"
    unheard = (stored | letters) - committed
    assert len(unheard) <= KILLS, "at most the one whose commit was cut off each time"
    assert {(s, r) for s, _, r in stored | letters} <= plant.served, "made up"
    assert {serial for serial, _, _ in letters} == {UNKNOWN}
    places = [(serial, time) for serial, time, _ in stored | letters]
    assert len(places) == len(set(places)), "two registers for one moment"
    assert sum(answer["accepted"] for answer in erp.answers.values()) == len(erp.rows)
