"""The running plant: servers, control port, and time that passes."""

import asyncio
from pathlib import Path

from meter_bridge.simulator import curve
from meter_bridge.simulator.config import PlantConfig
from meter_bridge.simulator.control import serve
from meter_bridge.simulator.mqtt_devices import MqttDevices
from meter_bridge.simulator.plant import Plant
from meter_bridge.simulator.server import LineServer


def plant_of(config: PlantConfig) -> Plant:
    """Build the plant of a plant file; raises :class:`curve.CurveError`."""
    if config.load_csv:
        load = curve.from_csv(Path(config.load_csv), config.floor)
    else:
        load = curve.generated(config.floor)
    return Plant(config, load)


class RunningPlant:
    """The plant's servers; an async context manager, also for tests."""

    def __init__(self, config: PlantConfig):
        self.config = config
        self.plant = plant_of(config)
        self.lines = {line.name: LineServer(line, self.plant) for line in config.lines}
        self.brokers = [MqttDevices(item, self.plant) for item in config.brokers]
        self._control = None
        self._started: list[LineServer | MqttDevices] = []
        self._passing: asyncio.Task | None = None

    async def __aenter__(self):
        try:
            for server in (*self.lines.values(), *self.brokers):
                await server.start()
                self._started.append(server)
            self._control = await serve(self.plant)
        except BaseException:
            await self._close()
            raise
        self._passing = asyncio.create_task(self._pass_time())
        return self

    async def __aexit__(self, *_):
        await self._close()
        self.plant.save()

    async def _close(self) -> None:
        if self._passing:
            self._passing.cancel()
        for server in self._started:
            await server.stop()
        if self._control:
            await self._control.cleanup()

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
