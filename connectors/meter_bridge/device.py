"""One meter on a line: when to read it next, what is being read, how it is."""

import time
from dataclasses import dataclass, field, fields
from decimal import Decimal
from functools import cached_property
from typing import Any

import structlog

from meter_bridge import codec
from meter_bridge.store import Command, Poll
from meter_bridge.wire.base_profile import REQUEST_COST, TELEMETRY, BaseProfile

log = structlog.get_logger(__name__)
MISSES_UNTIL_DEAD = 2


@dataclass
class Device:
    """A meter and its place in the schedule; times on the loop's clock, in seconds.

    ``address`` is what the line's bus finds it by, ``request_cost`` the cost of one
    more request on that line (see :mod:`planner`).
    """

    serial: str
    address: Any
    profile: BaseProfile
    interval: float
    telemetry_interval: float = 60
    ct: Decimal = Decimal(1)
    pt: Decimal = Decimal(1)
    backoff_first: float = 5
    backoff_max: float = 300
    request_cost: float = REQUEST_COST
    due: float = 0
    telemetry_due: float = 0
    misses: int = 0
    read_now: list[Command] = field(default_factory=list)

    def same_as(self, other: "Device | None") -> bool:
        """Whether ``other`` is the same meter, read in the same way."""
        return other is not None and all(
            getattr(self, name) == getattr(other, name) for name in _SETTINGS
        )

    @cached_property
    def requests(self) -> dict[bool, list[tuple]]:
        """The requests of a poll, with telemetry (True) and without; planned once."""
        plan, cost = self.profile.requests, self.request_cost
        full = (*TELEMETRY, "load_limit")
        return {True: plan(full, cost), False: plan((), cost)}

    @property
    def dead(self) -> bool:
        """Whether it missed so often that it is only probed."""
        return self.misses >= MISSES_UNTIL_DEAD

    def answered(self, now: float) -> None:
        """It is alive; a dead one comes back into the schedule at once."""
        if self.dead:
            log.info("meter_back", meter=self.serial)
            self.due = now
        self.misses = 0

    def missed(self, now: float, reason: str) -> None:
        """It did not answer: after two misses it is probed ever more rarely."""
        self.misses += 1
        if not self.dead:
            return
        over = min(self.misses - MISSES_UNTIL_DEAD, 30)
        wait = min(self.backoff_first * 2**over, self.backoff_max)
        self.due = now + wait
        if self.misses == MISSES_UNTIL_DEAD:
            log.warning("meter_silent", meter=self.serial, reason=reason)

    def schedule(self, now: float) -> None:
        """Next poll one interval after the last due time, never in the past."""
        self.due = max(self.due + self.interval, now)


_STATE = {"due", "telemetry_due", "misses", "read_now"}
_SETTINGS = [item.name for item in fields(Device) if item.name not in _STATE]


@dataclass
class Reading:
    """A poll in progress: requests that are still to be made, answers that came."""

    device: Device
    requests: list[tuple]
    full: bool
    answers: dict[tuple, Any] = field(default_factory=dict)
    time: int = 0

    @classmethod
    def start(cls, device: Device, now: float) -> "Reading":
        """Begin a poll; with telemetry when its interval has passed."""
        full = now >= device.telemetry_due
        if full:
            device.telemetry_due = now + device.telemetry_interval
        return cls(device, list(device.requests[full]), full)

    def take(self, request: tuple, answer: Any) -> None:
        """Keep an answer; the first request is the register's: it dates the poll,
        in whole epoch seconds UTC."""
        if not self.answers:
            self.time = int(time.time())
        self.answers[request] = answer

    def result(self) -> Poll:
        """What the poll brought, decoded."""
        poll = Poll(self.device.serial, self.time)
        amount = self._decode(self.device.profile.register_value)
        poll.register = None if amount is None else codec.plain(amount)
        poll.relay = self.device.profile.relay_of(self.answers)
        if self.full:
            poll.telemetry = self._telemetry() or None
            device = self.device
            poll.load_limit_kw = device.profile.limit_of(
                self.answers, device.ct, device.pt
            )
        return poll

    def _decode(self, name: str) -> Decimal | None:
        device = self.device
        try:
            amount = device.profile.amount(name, self.answers, device.ct, device.pt)
        except codec.DecodeError as error:
            log.warning("no_value", meter=device.serial, value=name, reason=str(error))
            return None
        return None if amount is None else device.profile.to_standard(name, amount)

    def _telemetry(self) -> dict[str, float]:
        values = self.device.profile.values
        amounts = {name: self._decode(name) for name in TELEMETRY if name in values}
        return {name: float(x) for name, x in amounts.items() if x is not None}
