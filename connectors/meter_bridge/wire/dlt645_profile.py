"""Profiles of meters that speak DL/T 645-2007."""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from meter_bridge import codec
from meter_bridge.wire import dlt645
from meter_bridge.wire.base_profile import (
    REQUEST_COST,
    Access,
    BaseProfile,
    BaseValue,
    ProfileError,
    Strict,
)
from meter_bridge.wire.dlt645_bus import Station

Item = int  # DI3 DI2 DI1 DI0 as one number


class Value(BaseValue):
    """``size`` bytes of BCD from ``offset`` in a data item."""

    item: Item = Field(ge=0, le=0xFFFFFFFF)
    offset: int = Field(default=0, ge=0, lt=200)
    size: int = Field(ge=1, le=8)
    scale: Decimal = Decimal(1)
    signed: bool = False


class RelayRead(Strict):
    """The bit of a status word that says whether the relay is open."""

    item: Item = Field(ge=0, le=0xFFFFFFFF)
    size: int = Field(default=2, ge=1, le=4)
    bit: int = Field(ge=0, le=31)
    open: Literal[0, 1]

    @model_validator(mode="after")
    def _inside(self):
        if self.bit >= 8 * self.size:
            raise ValueError("bit lies outside size")
        return self


class Relay(Strict):
    """Control kinds of order 1Ch; ``valid_minutes`` by the meter's clock."""

    open: int = Field(default=0x1A, ge=0, le=0xFF)
    closed: int = Field(default=0x1B, ge=0, le=0xFF)
    valid_minutes: int = Field(default=10, ge=1, le=1440)
    settle_s: float = Field(default=1, ge=0, le=60)
    read: RelayRead | None = None


class Dlt645Profile(BaseProfile):
    """One meter model that speaks DL/T 645-2007."""

    protocol: Literal["dlt645"]
    values: Mapping[str, Value]
    relay: Relay | None = None

    def station(self, device: int | str, access: Access) -> Station:
        """The meter's twelve digits; ``AAAAAAAAAAAA`` is the only meter there is."""
        try:
            dlt645.address_bytes(str(device))
        except ValueError as error:
            raise ProfileError(f"device: {error}") from error
        return Station(str(device), access)

    def requests(self, names=None, request_cost: float = REQUEST_COST) -> list[tuple]:
        """One request a data item; see :meth:`BaseProfile.requests`."""
        items = [self.values[name].item for name in self._wanted(names)]
        relay = self.relay_request()
        return list(dict.fromkeys([(item,) for item in items] + [relay] * bool(relay)))

    def describe(self, request: tuple) -> str:
        """The data item."""
        return f"item {request[0]:08X}"

    def amount(self, name, answers, ct=Decimal(1), pt=Decimal(1)) -> Decimal | None:
        """See :meth:`BaseProfile.amount`."""
        value = self.values[name]
        data = answers.get((value.item,))
        if data is None:
            return None
        part = data[value.offset : value.offset + value.size]
        if len(part) != value.size:
            raise codec.DecodeError(f"{value.item:08X} has {len(data)} bytes only")
        raw = Decimal(dlt645.number(part, value.signed))
        return value.with_ratios(codec.scaled(raw, value.scale), ct, pt)

    def where(self, name: str) -> str:
        """The data item."""
        return f"{self.values[name].item:08X}"

    def where_relay(self) -> str:
        """The status word's data item."""
        return f"{self.relay.read.item:08X}"

    def relay_order(self, state: str) -> tuple[int, timedelta]:
        """Control kind, and how long the order stays in force."""
        kind = {"open": self.relay.open, "closed": self.relay.closed}[state]
        return kind, timedelta(minutes=self.relay.valid_minutes)

    def relay_request(self) -> tuple[int] | None:
        """The status word."""
        read = self.relay.read if self.relay else None
        return read and (read.item,)

    def relay_state(self, answer: bytes) -> str:
        """By the bit of the status word; ``unknown`` when the word has another size."""
        read = self.relay.read
        if len(answer) != read.size:
            return "unknown"
        bit = int.from_bytes(answer, "little") >> read.bit & 1
        return "open" if bit == read.open else "closed"
