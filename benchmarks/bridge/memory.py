"""One part of ``bridge_memory``: ``memory.py METERS`` in the bridge's environment."""

import asyncio
import json
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

from aiohttp import web
from meter_bridge.simulator.config import PlantConfig
from meter_bridge.simulator.running import RunningPlant

A_LINE = 200
ROUNDS = 2
PATIENCE_S = 300


class Erp:
    """A fast server that counts each meter's readings."""

    def __init__(self):
        self.read = Counter()

    async def answer(self, request):
        """Answer any method of the protocol."""
        body = json.loads(await request.read())
        if "batch" not in body:
            return web.json_response({"commands": []})
        readings = body["batch"]["readings"]
        self.read.update(row[0] for row in readings)
        return web.json_response({"accepted": len(readings)})

    async def start(self):
        """Listen on a free port; returns the address."""
        app = web.Application(client_max_size=10**8)
        app.router.add_post("/json/2/energy.gateway/{method}", self.answer)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"


def plant_of(meters):
    """A plant of so many meters, which stand still."""
    lines = []
    for first in range(0, meters, A_LINE):
        serials = range(first, min(first + A_LINE, meters))
        rows = [
            {"serial": f"METER-{n:05}", "device": n - first + 1, "profile": "ddsy1352"}
            for n in serials
        ]
        lines.append({"name": f"L{first // A_LINE}", "port": 0, "meter": rows})
    return PlantConfig.model_validate({"time_factor": 0, "tick": 60, "line": lines})


def config_of(plant, url, folder):
    """The bridge's file for a running plant."""
    text = [f'state_dir = "{folder}"', "poll_interval = 20", 'log_level = "warning"']
    text += ["[erp]", f'url = "{url}"', 'database = "db"']
    text += [f'api_key_file = "{folder}/key"']
    for name, server in plant.lines.items():
        text += ["[[line]]", f'name = "{name}"', 'host = "127.0.0.1"']
        text += [f"port = {server.port}"]
        for meter in server.config.meters:
            text += ["[[line.meter]]", f'serial = "{meter.serial}"']
            text += [f'profile = "{meter.profile}"', f"device = {meter.device}"]
    (folder / "key").write_text("key")
    file = folder / "bridge.toml"
    file.write_text("\n".join(text))
    return file


def peak_mb(pid):
    """Most memory that process has had, in MB."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("the bridge has ended")


async def measure(meters, folder):
    """Run plant, server and bridge until each meter was read ``ROUNDS`` times."""
    erp = Erp()
    url, began = await erp.start(), time.monotonic()
    async with RunningPlant(plant_of(meters)) as plant:
        file = config_of(plant, url, folder)
        words = [sys.executable, "-m", "meter_bridge", "run", "--config", file]
        with subprocess.Popen(words, stdout=subprocess.DEVNULL) as bridge:
            try:
                while len(erp.read) < meters or min(erp.read.values()) < ROUNDS:
                    if time.monotonic() - began > PATIENCE_S:
                        raise SystemExit(f"only {len(erp.read)} of {meters} were read")
                    await asyncio.sleep(0.5)
                memory = peak_mb(bridge.pid)
            finally:
                bridge.terminate()
                await asyncio.to_thread(bridge.wait)
                await asyncio.sleep(0.2)  # its connections end
    readings, took = erp.read.total(), time.monotonic() - began
    return {"peak_mb": memory, "readings": readings, "seconds": took}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name:
        result = asyncio.run(measure(int(sys.argv[1]), Path(name)))
    print(json.dumps(result))
