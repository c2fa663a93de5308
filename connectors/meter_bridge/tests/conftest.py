"""A real plant on loopback ports, a real HTTP server in the place of the ERP."""

import asyncio
import contextlib
import json

import pytest
from aiohttp import web

from meter_bridge import config as bridge_config
from meter_bridge.app import Bridge
from meter_bridge.outbox import Outbox
from meter_bridge.simulator.config import PlantConfig
from meter_bridge.simulator.running import RunningPlant

pytest_plugins = ["mqtt_tools"]


async def until(condition, seconds=15.0, what=""):
    """Wait until ``condition()`` is true and return its value."""
    deadline = asyncio.get_running_loop().time() + seconds
    while not (value := condition()):
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(what or "it never became true")
        await asyncio.sleep(0.02)
    return value


class FakeErp:
    """The protocol's server: idempotent by uid, unique by meter and time.

    ``script`` holds one behaviour for each coming ingest: an HTTP status, or
    ``commit_then_hang``, ``commit_then_500``, ``forget_one``, ``not_json``.
    """

    def __init__(self):
        self.rows, self.answers, self.uids = {}, {}, []
        self.script, self.always = [], None
        self.unknown, self.poison = set(), None
        self.commands, self.results, self.reported, self.events = [], [], [], []
        self.with_ingest, self.report_status, self.headers = [], 200, {}
        self.telemetry, self.reports = [], []
        self.meters, self.version, self.asked = [], "1", []
        self.holder, self.since, self.until, self.lease_s = None, 0, 0.0, 1.5
        self.given, self.handed = set(), set()
        self.server_time, self.duplicates = None, 0

    async def start(self):
        app = web.Application(client_max_size=10**8)
        app.router.add_post("/json/2/energy.gateway/{method}", self._handle)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def stop(self):
        await self._runner.cleanup()

    async def _handle(self, request):
        self.headers = dict(request.headers)
        if request.headers.get("Authorization") != "bearer good":
            return web.json_response({"message": "Invalid apikey"}, status=401)
        body = await request.json()
        return await getattr(self, "_" + request.match_info["method"])(body)

    async def _commands(self, body):
        lease = self._lend(body.get("instance"))
        if lease and lease["holder"] != body["instance"]:
            return web.json_response({"commands": [], "lease": lease})
        self.reports.append(body["reported"])
        known = {row["meter_serial"]: row for row in self.reported}
        known.update({row["meter_serial"]: row for row in body["reported"]})
        self.reported = list(known.values())
        handed = [{**c, "read_back": c["id"] in self.handed} for c in self.commands]
        if lease:
            self.given |= {command["id"] for command in self.commands}
        answer = handed if lease else self.commands
        return web.json_response({"commands": answer, "lease": lease})

    def _lend(self, instance):
        """The lease as the ERP grants it; a new holder gets what was handed over
        before with ``read_back``."""
        if instance is None:
            return None
        now = asyncio.get_running_loop().time()
        if self.holder != instance and now >= self.until:
            self.holder, self.since = instance, self.since + 1
            self.handed = set(self.given)
        if self.holder == instance:
            self.until = now + self.lease_s
        left = max(self.until - now, 0)
        return {"holder": self.holder, "since": str(self.since), "seconds": left}

    async def _configuration(self, body):
        self.asked.append(body["known"])
        answer = {"version": self.version}
        if body["known"] != self.version:
            answer["meters"] = self.meters
        return web.json_response(answer)

    async def _report(self, body):
        if self.report_status != 200:
            return web.json_response({"message": "no"}, status=self.report_status)
        self.results += body["results"]
        done = {result["id"] for result in body["results"]}
        self.commands = [c for c in self.commands if c["id"] not in done]
        return web.json_response(True)

    async def _ingest(self, body):
        batch = body["batch"]
        self.uids.append(batch["uid"])
        how = self.script.pop(0) if self.script else self.always
        if isinstance(how, int):
            return web.json_response({"message": "as scripted"}, status=how)
        if self.poison and any(self.poison in row for row in batch["readings"]):
            return web.json_response({"message": "poison"}, status=422)
        answer = self._commit(batch)
        if how == "commit_then_hang":
            await asyncio.sleep(30)
        if how == "commit_then_500":
            return web.Response(status=500, text="boom")
        if how == "forget_one":
            return web.json_response({**answer, "accepted": answer["accepted"] - 1})
        if how == "not_json":
            return web.Response(text="<html>")
        return web.json_response(answer)

    def _commit(self, batch):
        if batch["uid"] in self.answers:
            return self.answers[batch["uid"]]
        answer = {"accepted": 0, "duplicates": 0, "held": [], "rejected": []}
        for index, (serial, time, register, *_) in enumerate(batch["readings"]):
            if serial in self.unknown:
                reason = {"index": index, "reason": "unknown serial"}
                answer["rejected"].append(reason)
            elif (serial, time) in self.rows:
                answer["duplicates"] += 1
                self.duplicates += 1
            else:
                self.rows[serial, time] = register
                answer["accepted"] += 1
        self.events += batch.get("events", [])
        self.telemetry += batch.get("telemetry", [])
        answer["commands"], self.with_ingest = self.with_ingest, []
        answer["server_time"] = self.server_time
        self.answers[batch["uid"]] = answer
        return answer

    def registers(self, serial):
        """Stored registers of a meter in the order of time."""
        found = sorted(item for item in self.rows.items() if item[0][0] == serial)
        return [register for _, register in found]

    def outcome(self, command_id):
        """The reported result of a command, or None."""
        found = [item for item in self.results if item["id"] == command_id]
        return found[-1] if found else None


@pytest.fixture
async def erp():
    """A running fake ERP."""
    server = FakeErp()
    await server.start()
    yield server
    await server.stop()


@pytest.fixture
async def outbox(tmp_path):
    """An open outbox."""
    found = Outbox(tmp_path / "outbox.sqlite3")
    await found.open()
    yield found
    await found.close()


def meter(serial, device, profile="ddsy1352", **more):
    """A simulated meter of 36 kW: with factor 100 it counts 1 kWh a second."""
    base = {"serial": serial, "device": device, "profile": profile}
    return {**base, "nominal_kw": 36, "initial_kwh": "1000", **more}


def plant_config(lines, **more):
    """A plant on ports chosen by the system; ``lines`` maps names to meters."""
    return PlantConfig.model_validate(
        {
            "time_factor": 100,
            "tick": 0.02,
            "floor": 1.0,
            "control_port": 0,
            "line": [
                {"name": name, "port": 0, "meter": meters}
                for name, meters in lines.items()
            ],
            **more,
        }
    )


@pytest.fixture
async def plant():
    """One line "L" with meters M1, M2 (with relay) and M3 (without)."""
    meters = [meter("M1", 1), meter("M2", 2), meter("M3", 3, "sdm120")]
    async with RunningPlant(plant_config({"L": meters})) as running:
        yield running


def config_of(plant, erp_url, state_dir, **more):
    """The bridge's configuration for a running plant, fast for tests."""
    erp = {"url": erp_url, "database": "db", "api_key": "good"}
    erp.update({"commands_interval": 0.05, "send_interval": 0.02, "timeout": 1})
    erp.update({"retry_first": 0.05, "retry_max": 0.2})
    erp.update(more.pop("erp", {}))
    line = {"timeout": 0.25, "backoff_first": 0.2, "backoff_max": 1}
    line.update(more.pop("line", {}))
    keys = ("serial", "device", "profile")
    lines = [
        {
            "name": name,
            "host": "127.0.0.1",
            "port": server.port,
            **line,
            "meter": [{k: getattr(m, k) for k in keys} for m in server.config.meters],
        }
        for name, server in plant.lines.items()
    ]
    data = {"state_dir": str(state_dir), "poll_interval": 0.2, "erp": erp}
    return bridge_config.from_dict({**data, "verify_for": 1, "line": lines, **more})


@contextlib.asynccontextmanager
async def running_bridge(config):
    """A bridge that runs inside the block."""
    bridge = Bridge(config)
    task = asyncio.create_task(bridge.run())
    try:
        await until(lambda: bridge.delivery or task.done())
        if task.done():
            task.result()
        yield bridge
    finally:
        bridge.stop()
        await asyncio.wait([task], timeout=10)
        task.result()


@pytest.fixture
def relay_command():
    """Makes relay commands of the protocol."""

    def make(command_id, serial, value, generation=1, expires_at=4102444800):
        return {
            "id": command_id,
            "meter_serial": serial,
            "kind": "relay",
            "value": value,
            "generation": generation,
            "expires_at": expires_at,
        }

    return make


def toml_of(data):
    """Write nested tables as inline TOML (enough for the tests)."""
    return "\n".join(f"{key} = {_inline(value)}" for key, value in data.items())


def _inline(value):
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {_inline(item)}" for key, item in value.items())
        return "{" + inner + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_inline, value)) + "]"
    return json.dumps(value)
