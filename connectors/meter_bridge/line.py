"""One worker a line: the only master, one request at a time, the urgent first.

Order: commands, verification of commands, the poll that has begun, due polls, probes
of dead meters. The choice is made anew after every block, so that a command waits
for at most one block and one time-out. A probe that has waited ``PROBE_PATIENCE``
counts as a due poll: a line that is always busy still finds its meters again.
"""

import asyncio
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Callable
from operator import attrgetter

import structlog

from meter_bridge import metrics
from meter_bridge.device import Device, Reading
from meter_bridge.lease import Lease
from meter_bridge.store import Command
from meter_bridge.switching import BusSwitchboard
from meter_bridge.transport import BusError, LineDown, NoAnswer, Refused

log = structlog.get_logger(__name__)
PROBE_PATIENCE = 60.0
LINE_BACKOFF = (0.5, 10.0)
STAND_BY_S = 0.5
# polls of a line that may wait for the disk while it goes on: a commit is slower than
# some lines, and a full disk must stop them
KEEPING_MOST = 32
_due = attrgetter("due")
Step = Callable[[], Awaitable[None]]


class LineWorker:
    """Polls the ``devices`` of one line over ``bus`` and executes their commands.

    ``settle`` is the pause in seconds before another device is addressed;
    ``several_masters`` says that the line takes another master beside this one.
    """

    def __init__(
        self,
        name,
        bus,
        devices: list[Device],
        outbox,
        *,
        settle=0.0,
        lease: Lease | None = None,
        several_masters: bool = True,
        **kw,
    ):
        self.name = name
        self.devices = {device.serial: device for device in devices}
        self.last_answer = 0.0  # epoch seconds
        self.down = ""
        self._lease, self._several_masters = lease or Lease(), several_masters
        self._bus, self._outbox = bus, outbox
        self._settle, self._addressed = settle, None
        self._board = BusSwitchboard(bus, outbox, self.devices, self._now, **kw)
        self._reading: Reading | None = None
        self._keeping: deque[asyncio.Future] = deque()  # polls on their way to disk
        self._polled = metrics.POLLS.labels(name, "ok")
        self._wake = asyncio.Event()
        self._failures = 0
        self.turn = asyncio.Lock()  # held during a step

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    def submit(self, command: Command) -> None:
        """Take a command for one of the line's meters."""
        self._board.submit(command)
        self._wake.set()

    def forget_commands(self) -> None:
        """Another bridge is the master now: its commands are not this one's."""
        self._board.forget()

    def with_relay(self) -> list[str]:
        """The meters whose relay state or load limit is reported."""
        profiles = {serial: device.profile for serial, device in self.devices.items()}
        return [serial for serial, p in profiles.items() if p.relay or p.load_limit]

    def status(self) -> dict:
        """For ``/health``: which meters are silent, when anything answered last."""
        silent = [item.serial for item in self.devices.values() if item.dead]
        return {
            "meters": len(self.devices),
            "silent": silent,
            "down": self.down,
            "last_answer": int(self.last_answer) or None,
        }

    def replace(self, devices: list[Device]) -> list[Command]:
        """Have these meters from now on. To be called with :attr:`turn` held.

        A meter that is the same as before keeps its place in the schedule. A read in
        progress is finished. Returns the unfinished commands of meters that went or
        changed; what may have been written is to be read back where they are now.
        """
        released, new = [], {device.serial: device for device in devices}
        for serial, old in self.devices.items():
            if old.same_as(new.get(serial)):
                new[serial] = old
                continue
            released += self._board.release(serial) + old.read_now
            old.read_now = []
        self.devices.clear()
        self.devices.update(new)
        self._wake.set()
        return released

    async def run(self) -> None:
        """Work until cancelled. Errors of line, meters and disk never end it."""
        me = asyncio.current_task()
        try:
            while not me.cancelling():  # a library may swallow a cancellation
                async with self.turn:
                    pause = await self._step()
                if pause:
                    await self._sleep(pause)
        finally:
            self._bus.close()

    async def _step(self) -> float:
        """Do what is most urgent; returns the seconds to wait before the next."""
        step, wait = self._next()
        if step is None:
            return wait
        try:
            await step()
        except LineDown as error:
            return self._line_down(error)
        except sqlite3.Error as error:
            metrics.OUTBOX_ERRORS.inc()
            log.error("outbox_write_failed", line=self.name, reason=str(error))
            return 1
        self._failures = 0
        return 0

    async def _sleep(self, seconds: float) -> None:
        self._wake.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass

    def _line_down(self, error: LineDown) -> float:
        self._reading = None
        if not self.down:
            log.warning("line_down", line=self.name, reason=str(error))
        self.down = str(error)
        first, most = LINE_BACKOFF
        wait = min(first * 2 ** min(self._failures, 10), most)
        self._failures += 1
        return wait

    def _next(self) -> tuple[Step | None, float]:
        """The most urgent step, or how many seconds there is nothing to do."""
        if self._board.waiting and self._lease.may_switch:
            return self._board.execute, 0
        if not self._lease.may_read(self._several_masters):
            return None, STAND_BY_S
        now = self._now()
        check = self._board.next_verification()
        if check and check.due <= now:
            return lambda: self._board.verify(check), 0
        if self._reading:
            return self._read_block, 0
        wait = check.due - now if check else 3600.0
        if self._board.waiting:  # for the lease
            wait = min(wait, STAND_BY_S)
        if not self.devices:
            return None, wait
        device = self._most_urgent(now)
        if device.due > now:
            return None, min(wait, device.due - now)
        if device.dead:
            return lambda: self._probe(device), 0
        self._reading = Reading.start(device, now)
        return self._read_block, 0

    def _most_urgent(self, now: float) -> Device:
        """A due meter before a due probe, unless the probe has waited too long."""
        first = min(self.devices.values(), key=_due)
        if not first.dead:  # the usual case: nothing was due before it
            return first

        def urgency(device: Device):
            if device.due > now:
                return (2, device.due)
            patience = PROBE_PATIENCE if device.dead else 0
            starving = device.due + patience > now and device.dead
            return (1 if starving else 0, device.due + patience)

        return min(self.devices.values(), key=urgency)

    async def _ask(self, device: Device, request: tuple):
        if self._settle and self._addressed not in (None, device.address):
            await asyncio.sleep(self._settle)
        self._addressed = device.address
        answer = await self._bus.read(device.address, *request)
        self._heard(device)
        return answer

    def _heard(self, device: Device) -> None:
        if self.down:
            log.info("line_up", line=self.name)
        self.down = ""
        self.last_answer = time.time()
        device.answered(self._now())

    async def _read_block(self) -> None:
        reading, device = self._reading, self._reading.device
        request = reading.requests.pop(0)
        try:
            reading.take(request, await self._ask(device, request))
        except Refused as error:
            self._heard(device)
            log.warning(
                "block_refused",
                meter=device.serial,
                request=request,
                reason=str(error),
            )
        except NoAnswer as error:
            if not reading.answers:
                await self._silent(device, error)
                return
            reading.requests.clear()
        if not reading.requests:
            await self._deliver(reading)

    async def _silent(self, device: Device, error: BusError) -> None:
        self._reading = None
        metrics.POLLS.labels(self.name, "missed").inc()
        device.schedule(self._now())
        device.missed(self._now(), str(error))
        await self._board.done_reading(device, None)

    async def _deliver(self, reading: Reading) -> None:
        self._reading = None
        device = reading.device
        device.schedule(self._now())
        if not reading.answers:
            await self._board.done_reading(device, None)
            return
        poll = reading.result()
        self._polled.inc()
        self._keeping.append(self._outbox.put(poll))
        if device.read_now:  # its outcome is told once the reading is on the disk
            await self._kept(0)
            await self._board.done_reading(device, poll.register)
        else:
            await self._kept(KEEPING_MOST)

    async def _kept(self, most: int) -> None:
        """Wait for the disk until ``most`` polls are on their way there."""
        while self._keeping and (self._keeping[0].done() or len(self._keeping) > most):
            await self._outbox.wait_for(self._keeping[0])
            self._keeping.popleft()

    async def _probe(self, device: Device) -> None:
        try:
            await self._ask(device, device.profile.probe())
        except Refused:
            self._heard(device)
        except NoAnswer as error:
            device.missed(self._now(), str(error))
            await self._board.done_reading(device, None)
