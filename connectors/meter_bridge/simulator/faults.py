"""What can be wrong: the kinds of faults, and the ``[[fault]]`` tables of a plant file.

A kind is switched on and off (``silent``), or it happens (``exchange``). The control
port and the plant file use the same names.
"""

from dataclasses import dataclass
from typing import Any

from pydantic import Field, model_validator

from meter_bridge.simulator.load_config import Strict

MODBUS = ("modbus_tcp", "modbus_rtu")
MQTT = ("shelly", "tasmota", "chirpstack")
ANY = MODBUS + MQTT


@dataclass
class Faults:
    """What is wrong with a meter now."""

    silent: bool = False
    late: float = 0.0
    truncated: bool = False
    short: bool = False
    crc: bool = False
    wrong_id: bool = False
    repeated: bool = False
    exception: int = 0
    stuck_relay: bool = False
    frozen: bool = False
    clock: float = 0.0
    load_kw: float | None = None
    time_factor: float | None = None


@dataclass(frozen=True)
class Kind:
    """``on``: what it applies to. ``value``: the type of its value, None for none;
    ``default`` None: a value must be given. ``lasts``: it can end."""

    text: str
    on: tuple[str, ...] = ANY
    value: type | None = None
    default: Any = None
    lasts: bool = True

    def of(self, given: Any) -> Any:
        """The value that is meant; raises :class:`ValueError`."""
        if self.value is None:
            if given not in (None, True):
                raise ValueError("it takes no value")
            return True
        found = self.default if given is None else given
        if found is None:
            raise ValueError("a value is needed")
        if isinstance(found, bool) or isinstance(found, str) != (self.value is str):
            raise ValueError(f"{found!r} is no {self.value.__name__}")
        if self.value is str and found not in ("open", "closed"):
            raise ValueError("it is open or closed")
        return self.value(found)


KINDS = {
    "silent": Kind("it does not answer, or publish, or listen"),
    "late": Kind("it answers, or its message arrives, VALUE s later", value=float),
    "truncated": Kind("the frame or message ends in the middle"),
    "short": Kind("an answer with one register less than asked for", MODBUS),
    "crc": Kind(
        "RTU: a wrong checksum; LoRaWAN: the frame is lost in the air",
        ("modbus_rtu", "chirpstack"),
    ),
    "wrong_id": Kind("it answers or publishes as another device"),
    "repeated": Kind("each message is published twice", MQTT),
    "exception": Kind("it answers with exception VALUE", MODBUS, int),
    "stuck_relay": Kind("it takes orders, and its relay does not move"),
    "frozen": Kind("its register stands still while energy flows past it"),
    "clock": Kind("its clock is VALUE s ahead (below 0: behind)", MQTT, float),
    "load_kw": Kind("its load is VALUE kW, whatever its curve says", value=float),
    "time_factor": Kind("its register runs at VALUE times real time", value=float),
    "rollover": Kind(
        "its register jumps to VALUE kWh before its end, and rolls over",
        value=float,
        default=0.5,
        lasts=False,
    ),
    "exchange": Kind(
        "another meter in its place: its register shows VALUE kWh, its relay is closed",
        value=float,
        default=0,
        lasts=False,
    ),
    "relay": Kind("somebody moves its relay by hand to VALUE", value=str, lasts=False),
    "add_kwh": Kind("VALUE kWh flow through it at once", value=float, lasts=False),
    "down": Kind("line: nobody listens; broker: nobody reaches it", ("line", "broker")),
}


def kind_of(name: str, subject: str, what: str) -> Kind:
    """The kind ``name``; raises :class:`ValueError` when it is none of ``subject``,
    a meter or place called ``what``."""
    kind = KINDS.get(name)
    if kind is None:
        raise ValueError(f"kind: unknown fault {name!r}; there are {', '.join(KINDS)}")
    if subject not in kind.on:
        raise ValueError(
            f"kind: {name!r} is no fault of {what} ({subject}), "
            f"only of {', '.join(kind.on)}"
        )
    return kind


class FaultConfig(Strict):
    """A fault ``at`` seconds after the start (of real time), ``for`` some seconds or
    for ever, ``every`` so many seconds anew. ``meter``, ``line`` and ``broker`` take
    ``*`` and ``?``; a line or broker stands for all its meters."""

    kind: str
    meter: str | None = None
    line: str | None = None
    broker: str | None = None
    at: float = Field(default=0, ge=0)
    for_: float | None = Field(default=None, gt=0, alias="for")
    every: float | None = Field(default=None, gt=0)
    value: float | str | bool | None = None

    @model_validator(mode="after")
    def _consistent(self):
        named = [n for n in ("meter", "line", "broker") if getattr(self, n) is not None]
        if len(named) != 1:
            raise ValueError("one of meter, line and broker is needed")
        kind = KINDS.get(self.kind)
        if kind is None:
            kind_of(self.kind, "", "")
        try:
            kind.of(self.value)
        except ValueError as error:
            raise ValueError(f"value: {error}") from error
        if self.for_ is not None and not kind.lasts:
            raise ValueError(f"for: {self.kind!r} happens in a moment")
        if self.every is not None and kind.lasts:
            if self.for_ is None or self.for_ >= self.every:
                raise ValueError("every: longer than for, which is needed then")
        return self

    @property
    def target(self) -> str:
        """The pattern of its meters or places."""
        return self.meter or self.line or self.broker or ""
