"""Profiles of DLMS/COSEM meters: OBIS codes of registers and of the relay."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, Field, model_validator

from meter_bridge import codec
from meter_bridge.wire.base_profile import (
    REQUEST_COST,
    Access,
    BaseProfile,
    BaseValue,
    ProfileError,
    Strict,
)

REGISTER, DISCONNECT_CONTROL = 3, 70  # COSEM classes
OBIS = re.compile(r"(\d{1,3}\.){5}\d{1,3}")
# physical units of IEC 62056-6-2 that a value may have
UNITS = {9: "°C", 13: "m3", 14: "m3", 27: "W", 30: "Wh", 33: "A", 35: "V", 44: "Hz"}
NO_UNIT = 255
# control states of class 70; "ready for reconnection" still is without current
CONTROL_STATES = {0: "open", 1: "closed", 2: "open"}


class RegisterValue(NamedTuple):
    """A register as the meter says it: ``raw`` × 10^``scaler``, unit by code."""

    raw: Any
    scaler: int
    unit: int


@dataclass(frozen=True)
class Station:
    """A meter: its server address, and how the client presents itself."""

    server: int
    access: Access = field(default_factory=Access)

    def __str__(self) -> str:
        return str(self.server)


def _six_numbers(text: str) -> str:
    """Six numbers up to 255; raises :class:`ValueError`."""
    if not OBIS.fullmatch(text) or max(map(int, text.split("."))) > 255:
        raise ValueError(f"{text!r} is no OBIS code (six numbers)")
    return text


Obis = Annotated[str, AfterValidator(_six_numbers)]


class Value(BaseValue):
    """The register ``obis``; ``resolution`` is for meters that send floats."""

    obis: Obis
    resolution: Decimal | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _known_unit(self):
        if self.unit not in (*UNITS.values(), "1"):
            raise ValueError(f"unit: known are {', '.join(UNITS.values())} and 1")
        return self

    def amount(self, got: RegisterValue) -> Decimal:
        """Exactly what the meter says; raises :class:`DecodeError`.

        A meter that counts in another unit than the profile gives no value.
        """
        unit = UNITS.get(got.unit, "1" if got.unit == NO_UNIT else f"unit {got.unit}")
        if unit != self.unit:
            raise codec.DecodeError(f"the meter says {unit}, the profile {self.unit}")
        is_float = isinstance(got.raw, float)
        if isinstance(got.raw, bool) or not isinstance(got.raw, int | float):
            raise codec.DecodeError(f"not a number: {got.raw!r}")
        if is_float and self.resolution is None:
            raise codec.DecodeError("a float: the profile must state its resolution")
        raw = Decimal(got.raw)
        if not raw.is_finite() or not -128 <= got.scaler <= 127:
            raise codec.DecodeError(f"not a number: {got}")
        rounded = self.resolution if is_float else None
        return codec.scaled(raw, Decimal(1).scaleb(got.scaler), rounded)


class Relay(Strict):
    """A disconnect control: methods 1 to open, 2 to close."""

    obis: Obis = "0.0.96.3.10.255"
    settle_s: float = Field(default=1, ge=0, le=60)


class DlmsProfile(BaseProfile):
    """One meter model that speaks DLMS/COSEM."""

    protocol: Literal["dlms"]
    values: Mapping[str, Value]
    relay: Relay | None = None

    def station(self, device: int | str, access: Access) -> Station:
        """The server's address in the wrapper."""
        if not str(device).isdecimal() or not 1 <= int(device) <= 0x3FFF:
            raise ProfileError(
                f"device: {device!r} is no DLMS server address (1 … 16383)"
            )
        return Station(int(device), access)

    def requests(self, names=None, request_cost: float = REQUEST_COST) -> list[tuple]:
        """One request a register; see :meth:`BaseProfile.requests`."""
        wanted = [(REGISTER, self.values[name].obis) for name in self._wanted(names)]
        relay = self.relay_request()
        return list(dict.fromkeys(wanted + [relay] * bool(relay)))

    def describe(self, request: tuple) -> str:
        """Class and OBIS code."""
        return f"class {request[0]}: {request[1]}"

    def amount(self, name, answers, ct=Decimal(1), pt=Decimal(1)) -> Decimal | None:
        """See :meth:`BaseProfile.amount`."""
        value = self.values[name]
        got = answers.get((REGISTER, value.obis))
        return None if got is None else value.with_ratios(value.amount(got), ct, pt)

    def where(self, name: str) -> str:
        """The OBIS code."""
        return self.values[name].obis

    def where_relay(self) -> str:
        """The disconnect control's OBIS code."""
        return self.relay.obis

    def relay_order(self, state: str) -> tuple[int, str]:
        """Method and OBIS code."""
        return {"open": 1, "closed": 2}[state], self.relay.obis

    def relay_request(self) -> tuple[int, str] | None:
        """The control state."""
        return (DISCONNECT_CONTROL, self.relay.obis) if self.relay else None

    def relay_state(self, answer: Any) -> str:
        """By the control state; ``unknown`` for anything the standard does not name."""
        try:
            return CONTROL_STATES.get(int(answer), "unknown")
        except (TypeError, ValueError):
            return "unknown"
