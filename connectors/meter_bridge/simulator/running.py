"""The running plant: servers, control port, and time that passes."""

import asyncio
from functools import cache
from pathlib import Path

from meter_bridge.simulator import curve
from meter_bridge.simulator.config import PlantConfig
from meter_bridge.simulator.control import serve
from meter_bridge.simulator.faults import FaultConfig
from meter_bridge.simulator.mqtt_devices import MqttDevices
from meter_bridge.simulator.plant import Plant
from meter_bridge.simulator.script import Script
from meter_bridge.simulator.server import LineServer


def plant_of(config: PlantConfig) -> Plant:
    """Build the plant of a plant file; raises :class:`curve.CurveError`."""
    read = cache(curve.from_file)
    load = curve.generated(config.floor)
    if config.load_csv:
        load = read(Path(config.load_csv), config.load_format, config.floor)
    own = {
        meter.serial: read(meter.load_csv, meter.load_format, config.floor)
        for _, meter in config.places()
        if meter.load_csv
    }
    return Plant(config, load, own)


class RunningPlant:
    """The plant's servers; an async context manager, also for tests."""

    def __init__(self, config: PlantConfig):
        self.config = config
        self.plant = plant_of(config)
        self.lines = {line.name: LineServer(line, self.plant) for line in config.lines}
        self.brokers = [MqttDevices(item, self.plant) for item in config.brokers]
        self.script = Script(self)
        self._control = None
        self._started: list[LineServer | MqttDevices] = []
        self._passing: asyncio.Task | None = None

    async def __aenter__(self):
        try:
            for server in (*self.lines.values(), *self.brokers):
                await server.start()
                self._started.append(server)
            self._control = await serve(self)
        except BaseException:
            await self._close()
            raise
        self._passing = asyncio.create_task(self._pass_time())
        for fault in self.config.faults:
            self.script.add(fault)
        return self

    async def __aexit__(self, *_):
        await self._close()
        self.plant.save()

    async def _close(self) -> None:
        if self._passing:
            self._passing.cancel()
        self.script.stop()
        for server in self._started:
            await server.stop()
        if self._control:
            await self._control.cleanup()

    def place(self, fault: FaultConfig, name: str) -> LineServer | MqttDevices:
        """The line or broker that a fault is about."""
        if fault.line:
            return self.lines[name]
        return next(item for item in self.brokers if item.config.name == name)

    @property
    def control_port(self) -> int:
        """The control port (the one chosen by the system when the file says 0)."""
        return self._control.addresses[0][1]

    async def _pass_time(self) -> None:
        clock = asyncio.get_running_loop().time
        last = saved = clock()
        while True:
            await asyncio.sleep(self.config.tick)
            now = clock()
            self.plant.advance(now - last)
            last = now
            if now - saved >= self.config.save_every:
                saved = now
                self.plant.save()
