"""The plant's HTTP port: what tests look at, and where they break things."""

import json
import os
from typing import TYPE_CHECKING

from aiohttp import web
from pydantic import ValidationError

from meter_bridge.meter_profile import explain
from meter_bridge.simulator.config import PlantError
from meter_bridge.simulator.faults import KINDS, FaultConfig, Faults, kind_of
from meter_bridge.simulator.plant import Plant

if TYPE_CHECKING:
    from meter_bridge.simulator.running import RunningPlant

NOTHING = Faults()


def change_meter(plant: Plant, serial: str, wish: dict) -> None:
    """Apply ``wish`` to a meter; raises :class:`ValueError` with what is wrong.

    ``{"late": 2}`` begins a fault, ``{"late": null}`` ends it, ``clear`` ends all.
    """
    meter, faults, moments = plant.meters[serial], {}, {}
    for key, value in wish.items():
        if key == "clear":
            continue
        kind = kind_of(key, meter.subject, serial)
        try:
            if not kind.lasts:
                moments[key] = kind.of(value)
            elif value is None or value is False:
                faults[key] = getattr(NOTHING, key)
            else:
                faults[key] = kind.of(value)
        except ValueError as error:
            raise ValueError(f"{key}: {error}") from error
    if "rollover" in moments and meter.end_kwh is None:
        raise ValueError(f"rollover: the register of {serial} knows none")
    if wish.get("clear"):
        meter.faults = Faults()
    for key, value in faults.items():
        setattr(meter.faults, key, value)
    for key, value in moments.items():
        plant.happen(serial, key, value)
    plant.advance(0)


class Control:
    """The port's answers."""

    def __init__(self, running: "RunningPlant"):
        self._running, self._plant = running, running.plant

    async def state(self, _request) -> web.Response:
        """What each meter shows."""
        return web.json_response(self._plant.state())

    async def kinds(self, _request) -> web.Response:
        """The kinds of faults, what they mean and befall."""
        told = {
            name: {"on": kind.on, "text": kind.text} for name, kind in KINDS.items()
        }
        return web.json_response(told)

    async def faults(self, _request) -> web.Response:
        """The faults of the script, and whether they wait, last or are over."""
        return web.json_response([item.told() for item in self._running.script.faults])

    async def add_fault(self, request) -> web.Response:
        """Take a fault as in the plant file, ``at`` counted from now."""
        fault = FaultConfig.model_validate(await request.json())
        return web.json_response(self._running.script.add(fault).told())

    async def clear_faults(self, _request) -> web.Response:
        """End all faults, also those to come."""
        await self._running.script.clear()
        return web.json_response([])

    async def meter(self, request) -> web.Response:
        """Begin and end faults of one meter."""
        serial = request.match_info["serial"]
        if serial not in self._plant.meters:
            return web.json_response({"error": f"no meter {serial}"}, status=404)
        wish = await request.json()
        if not isinstance(wish, dict):
            raise ValueError("an object is expected")
        change_meter(self._plant, serial, wish)
        return web.json_response(self._plant.state()[serial])

    async def whole(self, request) -> web.Response:
        """Let time run faster or slower."""
        wish = await request.json()
        if not isinstance(wish, dict) or set(wish) != {"time_factor"}:
            raise ValueError("time_factor is expected")
        factor = float(wish["time_factor"])
        if not factor >= 0:
            raise ValueError("time_factor is not below 0")
        self._plant.time_factor = factor
        return web.json_response({"time_factor": factor})


@web.middleware
async def told_what_is_wrong(request, handler):
    """Answer 400 with a sentence to whatever cannot be understood."""
    try:
        return await handler(request)
    except ValidationError as error:
        return web.json_response({"error": explain(error)}, status=400)
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        return web.json_response({"error": f"not JSON: {error}"}, status=400)
    except (ValueError, TypeError) as error:
        return web.json_response({"error": str(error)}, status=400)


def application(running: "RunningPlant") -> web.Application:
    """The routes of the control port."""
    control = Control(running)
    app = web.Application(middlewares=[told_what_is_wrong])
    app.router.add_get("/state", control.state)
    app.router.add_get("/kinds", control.kinds)
    app.router.add_get("/fault", control.faults)
    app.router.add_post("/fault", control.add_fault)
    app.router.add_delete("/fault", control.clear_faults)
    app.router.add_post("/meter/{serial}", control.meter)
    app.router.add_post("/plant", control.whole)
    return app


async def serve(running: "RunningPlant") -> web.AppRunner | None:
    """Start the control port when the plant file has one.

    Raises :class:`PlantError` when the port is taken.
    """
    host, port = running.config.control_host, running.config.control_port
    if port is None:
        return None
    runner = web.AppRunner(application(running), access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
    except OSError as error:
        await runner.cleanup()
        raise PlantError(
            f"control port: cannot listen on {host}:{port}, probably another "
            f"program does ({os.strerror(error.errno)})"
        ) from error
    return runner
