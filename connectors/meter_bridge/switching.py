"""Executing commands: write once, read back, tell the truth about it.

:class:`Switchboard` knows the rules, whatever the meters hang on; a subclass knows how
to write and how to read back there. :class:`BusSwitchboard` does it on a line.
"""

import sqlite3
import time
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any

import structlog

from meter_bridge import codec, metrics
from meter_bridge.commands_store import CommandStore
from meter_bridge.device import Device
from meter_bridge.store import Command
from meter_bridge.transport import BusError, LineDown, NoAnswer, Refused
from meter_bridge.wire.base_profile import ProfileError

log = structlog.get_logger(__name__)
# a relay that does not follow is read again after these shares of verify_for
READ_BACK_SHARES = (1 / 30, 1 / 15, 2 / 15)


class Forbidden(Exception):
    """The relay must not be written."""


@dataclass
class Verification:
    """A write whose effect is still to be read back; loop times in seconds."""

    command: Command
    device: Any
    due: float
    deadline: float
    detail: str = ""
    tries: int = 0
    since: float = field(default_factory=time.time)  # epoch seconds
    observed: str | None = None


class Switchboard:
    """The commands of some meters: those to execute, and those to verify.

    ``clock`` gives the loop's time, ``verify_for`` is in seconds.
    """

    def __init__(self, outbox, devices: dict, clock, verify_for=15.0):
        self._outbox, self._devices = outbox, devices
        self._clock, self._verify_for = clock, verify_for
        self._waiting: list[Command] = []
        self._verifying: list[Verification] = []

    def submit(self, command: Command) -> None:
        """Take a command. One that may have been written already is only read back."""
        device = self._devices[command.serial]
        begun = command.state in ("sending", "sent") and command.kind != "read_now"
        if begun and not self._cannot(command, device):
            self._await_read_back(command, device, 0, "found after a restart")
        else:
            self._waiting.append(command)

    def release(self, serial: str) -> list[Command]:
        """Take out a meter's commands; what was written says ``sent``."""
        written = [v.command for v in self._verifying if v.command.serial == serial]
        result = [c for c in self._waiting if c.serial == serial]
        result += [replace(command, state="sent") for command in written]
        self._waiting = [c for c in self._waiting if c.serial != serial]
        self._verifying = [v for v in self._verifying if v.command.serial != serial]
        return result

    def forget(self) -> None:
        """Drop all commands; nobody is told an outcome."""
        self._waiting.clear()
        self._verifying.clear()

    @property
    def waiting(self) -> bool:
        """Whether a command is to be executed."""
        return bool(self._waiting)

    def next_verification(self) -> Verification | None:
        """The verification that is due first, due or not."""
        if not self._verifying:  # looked at before every block
            return None
        return min(self._verifying, key=lambda item: item.due)

    async def execute(self) -> None:
        """Execute the next command: of one meter's the relay, the newest generation."""
        serial = self._waiting[0].serial
        mine = [command for command in self._waiting if command.serial == serial]
        command = max(mine, key=lambda item: (item.kind == "relay", item.generation))
        await self._execute(command, self._devices[serial])
        if command in self._waiting:
            self._waiting.remove(command)

    @staticmethod
    def _expired(command: Command) -> bool:
        return command.expires_at is not None and time.time() >= command.expires_at

    async def _execute(self, command: Command, device: Device) -> None:
        if self._expired(command):
            await self._finish(command, "expired", None, "came too late")
        elif command.kind == "read_now":
            await self._read_now(command, device)
        elif reason := self._cannot(command, device):
            await self._finish(command, "failed", None, reason)
        else:
            await self._switch(command, device)

    def _cannot(self, command: Command, device) -> str:
        """Why the meter cannot do that; empty when it can."""
        if command.kind == "relay":
            return "" if self._has_relay(device) else "the meter has no relay"
        if command.kind == "load_limit":
            can = self._has_limit(device)
            return "" if can else "the meter's profile has no load limit"
        return f"this bridge cannot do {command.kind!r}"

    async def _switch(self, command: Command, device: Device) -> None:
        await self._connect()
        if not await self._outbox.run(CommandStore.begin_sending, command):
            detail = "a newer generation was executed"
            await self._finish(command, "expired", None, detail)
            return
        await self._supersede(command)
        detail, outcome = await self._write(command, device)
        log.info(
            "written",
            meter=command.serial,
            what=command.kind,
            value=command.value,
            note=detail,
        )
        if outcome is None:
            wait = self._settle(device)
            self._await_read_back(command, device, wait, detail)
        else:
            await self._finish(command, outcome, None, detail)

    async def _write(self, command: Command, device) -> tuple[str, str | None]:
        """Write once; returns what was odd about it, and an outcome if it has one.

        The command leaves the queue before the write, whatever happens then: only
        a write that was certainly not sent may come back.
        """
        self._waiting.remove(command)
        try:
            detail = await self._put(command, device)
        except Forbidden as error:
            return str(error), "failed"
        except LineDown:
            self._waiting.insert(0, command)
            await self._outbox.run(CommandStore.mark, command.id, "received")
            raise
        if not detail:
            try:
                await self._outbox.run(CommandStore.mark, command.id, "sent")
            except sqlite3.Error as error:  # it stays "sending", which is as true
                log.error("outbox_write_failed", reason=str(error))
        return detail, None

    async def _supersede(self, command: Command) -> None:
        same = (command.serial, command.kind)
        for old in self._verifying[:]:
            if (old.command.serial, old.command.kind) != same:
                continue
            detail = f"generation {command.generation} came before the read-back"
            await self._finish(old.command, "unknown", None, detail)
            self._verifying.remove(old)

    def _await_read_back(self, command, device, wait: float, detail: str) -> None:
        begin = self._clock() + wait
        deadline = begin + self._patience(device)
        self._verifying.append(Verification(command, device, begin, deadline, detail))

    async def verify(self, item: Verification) -> None:
        """Read one relay back; finish its command, or try again a little later."""
        outcome, observed = await self._read_back(item)
        if outcome is None:
            share = READ_BACK_SHARES[min(item.tries, len(READ_BACK_SHARES) - 1)]
            item.tries += 1
            item.due = self._clock() + share * self._patience(item.device)
            return
        if item in self._verifying:  # else it was forgotten meanwhile
            await self._finish(item.command, outcome, observed, item.detail)
            self._verifying.remove(item)

    async def _finish(self, command: Command, outcome, observed, detail: str) -> None:
        at = int(time.time())
        await self._outbox.run(
            CommandStore.finish, command, outcome, observed, at, detail
        )
        metrics.COMMANDS.labels(command.kind, outcome).inc()
        self._outbox.outcomes.set()
        self._outbox.fresh.set()
        log.info(
            "command_finished",
            meter=command.serial,
            command=command.wire_id,
            outcome=outcome,
            observed=observed,
            detail=detail,
        )

    # -- what depends on where the meters hang ----------------------------------
    def _has_relay(self, device) -> bool:
        raise NotImplementedError

    def _has_limit(self, device) -> bool:
        """Whether the meter takes a load limit."""
        return False

    def _settle(self, device) -> float:
        """Seconds after a write in which the meter is not asked for its relay."""
        return 0

    def _patience(self, device) -> float:
        """Seconds in which the relay may be read back."""
        return self._verify_for

    async def _connect(self) -> None:
        """Raise :class:`LineDown` when nothing can be written now."""
        raise NotImplementedError

    async def _put(self, command: Command, device) -> str:
        """Write the relay, once; returns what was odd about the answer.

        Raises :class:`LineDown` when it was certainly not sent, and
        :class:`Forbidden` when it must not be.
        """
        raise NotImplementedError

    async def _read_back(self, item: Verification) -> tuple[str | None, str | None]:
        """Outcome and observed state; an outcome of None means: try again."""
        raise NotImplementedError

    async def _read_now(self, command: Command, device) -> None:
        """Take a command to read the meter at once."""
        raise NotImplementedError


class BusSwitchboard(Switchboard):
    """The commands of the meters on one line."""

    def __init__(self, bus, outbox, devices: dict[str, Device], clock, verify_for=15.0):
        super().__init__(outbox, devices, clock, verify_for)
        self._bus = bus

    def _has_relay(self, device: Device) -> bool:
        return device.profile.relay is not None

    def _has_limit(self, device: Device) -> bool:
        return device.profile.load_limit is not None

    def _settle(self, device: Device) -> float:
        switch = device.profile.relay or device.profile.load_limit
        return switch.settle_s

    async def _connect(self) -> None:
        await self._bus.connect()

    async def _put(self, command: Command, device: Device) -> str:
        profile = device.profile
        try:
            if command.kind == "load_limit":
                order = profile.limit_order(command.value, device.ct, device.pt)
            else:
                order = profile.relay_order(command.value)
            await self._bus.write(device.address, *order)
        except ProfileError as error:
            raise Forbidden(str(error)) from error
        except (NoAnswer, Refused) as error:
            return str(error)
        return ""

    async def _read_now(self, command: Command, device: Device) -> None:
        device.read_now.append(command)
        device.due = self._clock()

    async def _read_back(self, item: Verification) -> tuple[str | None, str | None]:
        request = self._request(item)
        if request is None:
            item.detail = item.detail or "the relay of this meter cannot be read back"
            return "unknown", None
        late = self._clock() >= item.deadline
        try:
            answer = await self._bus.read(item.device.address, *request)
        except BusError as error:
            item.detail = f"{item.detail}; read-back: {error}".lstrip("; ")[:300]
            if late or isinstance(error, Refused):
                return "unknown", None
            if isinstance(error, LineDown):
                raise
            return None, None
        state = self._state(item, answer)
        if state == item.command.value:
            return "verified", state
        if item.tries < len(READ_BACK_SHARES) and not late:
            return None, None
        return ("unknown" if state == "unknown" else "failed"), state

    @staticmethod
    def _request(item: Verification) -> tuple | None:
        profile, limits = item.device.profile, item.command.kind == "load_limit"
        return profile.limit_request() if limits else profile.relay_request()

    @staticmethod
    def _state(item: Verification, answer) -> str:
        """What was read back, in the command's own words where it is the same."""
        device, command = item.device, item.command
        if command.kind != "load_limit":
            return device.profile.relay_state(answer)
        try:
            held = device.profile.limit_state(answer, device.ct, device.pt)
        except codec.DecodeError:
            return "unknown"
        return command.value if Decimal(held) == Decimal(command.value) else held

    async def done_reading(self, device: Device, register: str | None) -> None:
        """Finish the ``read_now`` commands of a meter that was just read."""
        while device.read_now:
            command = device.read_now[0]
            outcome = "failed" if register is None else "verified"
            await self._finish(command, outcome, register, "")
            device.read_now.pop(0)
