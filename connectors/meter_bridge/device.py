"""One meter on a line: when to read it next, what is being read, how it is."""

import time
from dataclasses import dataclass, field
from decimal import Decimal

import structlog

from meter_bridge import codec
from meter_bridge.meter_profile import TELEMETRY, Profile
from meter_bridge.planner import Span
from meter_bridge.store import Command, Poll

log = structlog.get_logger(__name__)
MISSES_UNTIL_DEAD = 2


@dataclass
class Device:
    """A meter and its place in the schedule; times on the loop's clock, in seconds."""

    serial: str
    address: int
    profile: Profile
    interval: float
    telemetry_interval: float = 60
    ct: Decimal = Decimal(1)
    pt: Decimal = Decimal(1)
    backoff_first: float = 5
    backoff_max: float = 300
    due: float = 0
    telemetry_due: float = 0
    misses: int = 0
    read_now: list[Command] = field(default_factory=list)

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

    def probe(self) -> tuple[int, Span]:
        """The short read that finds out whether the meter is back."""
        value = self.profile.values[self.profile.register_value]
        return self.profile.function_of(value), Span(value.address, value.count)


@dataclass
class Reading:
    """A poll in progress: blocks that are still to be read, words that came."""

    device: Device
    blocks: list[tuple[int, Span]]
    full: bool
    words: dict[tuple[int, int], int] = field(default_factory=dict)
    time: int = 0

    @classmethod
    def start(cls, device: Device, now: float) -> "Reading":
        """Begin a poll; with telemetry when its interval has passed."""
        full = now >= device.telemetry_due
        if full:
            device.telemetry_due = now + device.telemetry_interval
        return cls(device, device.profile.blocks(None if full else ()), full)

    def take(self, function: int, span: Span, words: list[int]) -> None:
        """Keep a block's words; the first block is the register's: it dates the
        poll, in whole epoch seconds UTC."""
        if not self.words:
            self.time = int(time.time())
        for offset, word in enumerate(words):
            self.words[function, span.address + offset] = word

    def result(self) -> Poll:
        """What the poll brought, decoded."""
        poll = Poll(self.device.serial, self.time)
        poll.register = self._register()
        poll.relay = self._relay()
        if self.full:
            poll.telemetry = self._telemetry() or None
        return poll

    def _decode(self, name: str) -> Decimal | None:
        device, value = self.device, self.device.profile.values[name]
        function = device.profile.function_of(value)
        places = range(value.address, value.address + value.count)
        words = [self.words.get((function, place)) for place in places]
        if None in words:
            return None
        try:
            amount = device.profile.decode(name, words, device.ct, device.pt)
        except codec.DecodeError as error:
            log.warning("no_value", meter=device.serial, value=name, reason=str(error))
            return None
        return device.profile.to_standard(name, amount)

    def _register(self) -> str | None:
        amount = self._decode(self.device.profile.register_value)
        return None if amount is None else codec.plain(amount)

    def _telemetry(self) -> dict[str, float]:
        values = self.device.profile.values
        amounts = {name: self._decode(name) for name in TELEMETRY if name in values}
        return {name: float(x) for name, x in amounts.items() if x is not None}

    def _relay(self) -> str | None:
        relay = self.device.profile.relay
        if relay is None or relay.read is None:
            return None
        read = relay.read
        places = range(read.address, read.address + read.count)
        words = [self.words.get((read.function, place)) for place in places]
        return None if None in words else read.state(words)
