"""Faults that come and go by the clock, from the plant file or the control port."""

import asyncio
from typing import TYPE_CHECKING, Any

from meter_bridge.simulator.faults import KINDS, FaultConfig, Faults

if TYPE_CHECKING:
    from meter_bridge.simulator.running import RunningPlant

NOTHING = Faults()


class Running:
    """A fault of the script, and how it is: ``waits``, ``lasts`` or ``over``."""

    def __init__(self, fault: FaultConfig, targets: list[str]):
        self.fault, self.targets, self.state = fault, targets, "waits"

    def told(self) -> dict[str, Any]:
        """For the control port."""
        table = self.fault.model_dump(by_alias=True, exclude_none=True)
        return {**table, "state": self.state, "of": self.targets}


class Script:
    """The faults of a running plant.

    Where two of a kind overlap, the one that began last counts until it ends.
    """

    def __init__(self, running: "RunningPlant"):
        self._running = running
        self.faults: list[Running] = []
        self._tasks: set[asyncio.Task] = set()
        self._lasting: dict[tuple[str, str], list[Running]] = {}

    def add(self, fault: FaultConfig) -> Running:
        """Take a fault, ``at`` so many seconds from now; raises :class:`ValueError`."""
        found = Running(fault, self._running.config.targets(fault))
        self.faults.append(found)
        task = asyncio.create_task(self._run(found))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return found

    def stop(self) -> None:
        """Let nothing more begin or end."""
        for task in self._tasks:
            task.cancel()

    async def clear(self) -> None:
        """End all, and what was to come; meters are as if nothing had been."""
        self.stop()
        for found in self.faults:
            if found.state == "lasts" and found.fault.kind == "down":
                await self._end(found)
        self.faults.clear()
        self._lasting.clear()
        for meter in self._running.plant.meters.values():
            meter.faults = Faults()

    async def _run(self, found: Running) -> None:
        fault, kind = found.fault, KINDS[found.fault.kind]
        await asyncio.sleep(fault.at)
        while True:
            await self._begin(found)
            if kind.lasts and fault.for_ is None:
                return
            if kind.lasts:
                await asyncio.sleep(fault.for_)
                await self._end(found)
            if fault.every is None:
                found.state = "over"
                return
            await asyncio.sleep(fault.every - (fault.for_ or 0))

    async def _begin(self, found: Running) -> None:
        kind, value = found.fault.kind, KINDS[found.fault.kind].of(found.fault.value)
        found.state = "lasts" if KINDS[kind].lasts else "over"
        for target in found.targets:
            if kind == "down":
                await self._running.place(found.fault, target).set_down(True)
            elif not KINDS[kind].lasts:
                self._running.plant.happen(target, kind, value)
            else:
                self._lasting.setdefault((target, kind), []).append(found)
                self._set(target, kind)

    async def _end(self, found: Running) -> None:
        kind, found.state = found.fault.kind, "waits"
        for target in found.targets:
            if kind == "down":
                await self._running.place(found.fault, target).set_down(False)
            else:
                self._lasting[target, kind].remove(found)
                self._set(target, kind)

    def _set(self, serial: str, kind: str) -> None:
        lasting = self._lasting[serial, kind]
        value = getattr(NOTHING, kind)
        if lasting:
            value = KINDS[kind].of(lasting[-1].fault.value)
        setattr(self._running.plant.meters[serial].faults, kind, value)
