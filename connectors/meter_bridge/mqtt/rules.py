"""Paths into JSON documents, and rules for what stands there.

A path is ``$.a.b[0].c``; a key with odd letters is ``$['a b']``; ``*`` stands for the
key of the device (``$.*.energy``).
"""

import re
from decimal import Decimal
from functools import cache
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from meter_bridge.codec import DecodeError
from meter_bridge.meter_profile import ENERGY_UNITS, POWER_UNITS, TELEMETRY
from meter_bridge.mqtt import values

REGISTER_UNITS = {**ENERGY_UNITS, "m3": Decimal(1), "l": Decimal("0.001")}
SMALL_UNITS = {"V": Decimal(1), "A": Decimal(1), "Hz": Decimal(1), "C": Decimal(1)}
MILLI_UNITS = {"mV": Decimal("0.001"), "mA": Decimal("0.001")}
UNITS = {"1": Decimal(1), **REGISTER_UNITS, **POWER_UNITS, **SMALL_UNITS, **MILLI_UNITS}
DEVICE = "*"
_STEP = re.compile(r"\.(\*|[^.\[\]'*]+)|\[(\d+)\]|\['([^']+)'\]|\[(\*)\]")
Step = str | int


@cache
def steps_of(path: str) -> tuple[Step, ...]:
    """The keys and indices of a path; raises :class:`ValueError` for a wrong one."""
    if not path.startswith("$"):
        raise ValueError(f"the path {path!r} does not begin with $")
    place, found = 1, []
    while place < len(path):
        step = _STEP.match(path, place)
        if step is None:
            raise ValueError(f"the path {path!r} cannot be read from {path[place:]!r}")
        name, index, quoted, star = step.groups()
        found.append(int(index) if index else name or quoted or star)
        place = step.end()
    if found.count(DEVICE) > 1:
        raise ValueError(f"the path {path!r} has more than one *")
    return tuple(found)


def follow(document: Any, steps: tuple[Step, ...], device: str = "") -> Any:
    """What stands at the path; None when nothing does."""
    for step in steps:
        if isinstance(step, int):
            if not isinstance(document, list) or step >= len(document):
                return None
            document = document[step]
        else:
            if not isinstance(document, dict):
                return None
            document = document.get(device if step == DEVICE else step)
    return document


def _checked_path(path: str) -> str:
    steps_of(path)
    return path


def _checked_zone(name: str) -> str:
    try:
        ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:  # not found is a KeyError
        raise ValueError(f"no time zone {name!r}") from error
    return name


def _checked_unit(unit: str) -> str:
    if unit not in UNITS:
        raise ValueError(f"no unit {unit!r}; there are {', '.join(UNITS)}")
    return unit


def _telemetry_name(name: str) -> str:
    if name not in TELEMETRY:
        raise ValueError(f"no quantity {name!r}; there are {', '.join(TELEMETRY)}")
    return name


Path = Annotated[str, AfterValidator(_checked_path)]
Zone = Annotated[str, AfterValidator(_checked_zone)]
Unit = Annotated[str, AfterValidator(_checked_unit)]


class Strict(BaseModel):
    """A table of the configuration that knows its keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class _At(Strict):
    path: Path

    def find(self, document: Any, device: str = "") -> Any:
        """What stands at the path; None when nothing does."""
        return follow(document, steps_of(self.path), device)


class Quantity(_At):
    """A number: ``unit`` and ``scale`` bring it to kWh, kW, V, A, Hz, °C or m³."""

    unit: Unit = "1"
    scale: Decimal = Decimal(1)

    @property
    def factor(self) -> Decimal:
        """What the number is multiplied by."""
        return UNITS[self.unit] * self.scale

    def register(self, document: Any, device: str = "") -> str | None:
        """The register there, if any; raises :class:`DecodeError`."""
        value = self.find(document, device)
        return None if value is None else values.register(value, self.factor)

    def quantity(self, document: Any, device: str = "") -> float | None:
        """The quantity there, if any; raises :class:`DecodeError`."""
        value = self.find(document, device)
        return None if value is None else values.quantity(value, self.factor)


Telemetry = dict[Annotated[str, AfterValidator(_telemetry_name)], Quantity]


def telemetry(rules: Telemetry, document: Any, device: str = "") -> dict[str, float]:
    """The quantities that ``document`` has; raises :class:`DecodeError`."""
    found = {name: rule.quantity(document, device) for name, rule in rules.items()}
    return {name: value for name, value in found.items() if value is not None}


class RelayState(_At):
    """Which values of a field say that the relay is open, and which closed."""

    open: tuple[Any, ...] = ("OFF", "off", "open", 0, False)
    closed: tuple[Any, ...] = ("ON", "on", "closed", 1, True)

    def state(self, document: Any, device: str = "") -> str | None:
        """``open``, ``closed``, or None when the field is not there.

        Raises :class:`DecodeError` for a value that says neither.
        """
        value = self.find(document, device)
        if value is None:
            return None
        for state in ("open", "closed"):
            if any(_same(value, item) for item in getattr(self, state)):
                return state
        raise DecodeError(f"the relay is neither open nor closed: {str(value)[:60]!r}")


class Alarm(_At):
    """A field that announces an event of the protocol while it has such a value."""

    kind: Literal[
        "overload_trip", "tamper", "power_lost", "power_restored", "meter_exchanged"
    ]
    when: tuple[Any, ...] = (1, True)

    def active(self, document: Any, device: str = "") -> bool | None:
        """Whether it does; None when the field is not there."""
        value = self.find(document, device)
        if value is None:
            return None
        return any(_same(value, item) for item in self.when)


def _same(value: Any, wanted: Any) -> bool:
    """Equal, and true is not 1."""
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)


class Time(_At):
    """When it was measured. ``local`` is ISO 8601 without zone, or ``pattern``."""

    format: Literal["epoch_s", "epoch_ms", "iso"] = "iso"
    pattern: str = Field(default="", description="strptime pattern instead of ISO 8601")
    zone: Zone | None = None

    def moment(self, document: Any, received: float, device: str = "") -> int | None:
        """Whole epoch seconds; None when there is no time, or no clock behind it.

        Raises :class:`DecodeError`.
        """
        value = self.find(document, device)
        if value is None:
            return None
        if self.format != "iso":
            return values.seconds(value, 1000 if self.format == "epoch_ms" else 1)
        zone = ZoneInfo(self.zone) if self.zone else None
        return values.local_time(value, zone, received, self.pattern)


def alarms(rules: tuple[Alarm, ...], document: Any, device: str = "") -> dict:
    """Which announced events are on, of those that ``document`` speaks of."""
    found = {rule.kind: rule.active(document, device) for rule in rules}
    return {kind: active for kind, active in found.items() if active is not None}
