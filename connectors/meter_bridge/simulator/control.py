"""The plant's HTTP port: what tests look at, and where they break things."""

import os

from aiohttp import web

from meter_bridge.simulator.config import PlantError
from meter_bridge.simulator.plant import Faults, Plant

_FLAGS = ("silent", "relay_stuck", "truncate", "wrong_id")
_NUMBERS = ("delay_s", "load_kw", "time_factor")


def change_meter(plant: Plant, serial: str, wish: dict) -> None:
    """Apply ``wish`` to a meter; raises :class:`ValueError` with what is wrong."""
    meter = plant.meters[serial]
    done = {}
    for key, value in wish.items():
        if key in _FLAGS:
            done[key] = bool(value)
        elif key in _NUMBERS:
            nothing = 0.0 if key == "delay_s" else None
            done[key] = nothing if value is None else float(value)
        elif key == "exception":
            done[key] = int(value or 0)
        elif key not in ("add_kwh", "relay", "clear"):
            raise ValueError(f"unknown fault {key!r}")
    if wish.get("relay", "open") not in ("open", "closed"):
        raise ValueError("relay is open or closed")
    if wish.get("clear"):
        meter.faults = Faults()
    for key, value in done.items():
        setattr(meter.faults, key, value)
    meter.relay = wish.get("relay", meter.relay)
    if "add_kwh" in wish:
        plant.add_energy(serial, float(wish["add_kwh"]))
    plant.advance(0)


def application(plant: Plant) -> web.Application:
    """``GET /state``, ``POST /meter/<serial>``, ``POST /plant``."""

    async def state(_request):
        return web.json_response(plant.state())

    async def meter(request):
        serial = request.match_info["serial"]
        if serial not in plant.meters:
            return web.json_response({"error": f"no meter {serial}"}, status=404)
        try:
            change_meter(plant, serial, await request.json())
        except (ValueError, TypeError, AttributeError) as error:
            return web.json_response({"error": str(error)}, status=400)
        return web.json_response(plant.state()[serial])

    async def whole(request):
        try:
            factor = float((await request.json())["time_factor"])
            if factor < 0:
                raise ValueError("time_factor is not below 0")
        except (ValueError, TypeError, KeyError) as error:
            return web.json_response({"error": str(error)}, status=400)
        plant.time_factor = factor
        return web.json_response({"time_factor": factor})

    app = web.Application()
    app.router.add_get("/state", state)
    app.router.add_post("/meter/{serial}", meter)
    app.router.add_post("/plant", whole)
    return app


async def serve(plant: Plant) -> web.AppRunner | None:
    """Start the control port when the plant file has one.

    Raises :class:`PlantError` when the port is taken.
    """
    host, port = plant.config.control_host, plant.config.control_port
    if port is None:
        return None
    runner = web.AppRunner(application(plant), access_log=None)
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
