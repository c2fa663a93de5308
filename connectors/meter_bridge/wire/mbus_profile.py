"""Profiles of M-Bus meters: which record of the telegram is which value."""

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Literal

from pydantic import Field, model_validator

from meter_bridge import codec
from meter_bridge.wire import mbus
from meter_bridge.wire.base_profile import (
    REQUEST_COST,
    Access,
    BaseProfile,
    BaseValue,
    ProfileError,
)
from meter_bridge.wire.mbus_bus import Station

SECONDARY = re.compile(r"[0-9F]{8}([0-9A-F]{8})?")


class Value(BaseValue):
    """Which record: its quantity, and what else must be the same.

    ``extension`` are the VIFEs without their top bit, of which none is the usual
    record; ``vif`` (the first bytes of the VIB) tells records of one quantity apart.
    ``resolution`` in ``unit`` is for records that are floats; the others are exact.
    """

    quantity: str
    storage: int = Field(default=0, ge=0)
    tariff: int = Field(default=0, ge=0)
    subunit: int = Field(default=0, ge=0)
    function: Literal[mbus.FUNCTIONS] = "instantaneous"
    extension: tuple[int, ...] = ()
    vif: tuple[int, ...] | None = None
    resolution: Decimal | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _known(self):
        if self.quantity not in mbus.UNITS:
            raise ValueError(f"quantity: known are {', '.join(mbus.UNITS)}")
        if self.unit != mbus.UNITS[self.quantity]:
            raise ValueError(f"unit: {mbus.UNITS[self.quantity]} by the quantity")
        return self

    def is_record(self, record: mbus.Record) -> bool:
        """Whether the value stands in ``record``."""
        what, extensions = mbus.meaning(record.vif)
        if what is None or what.quantity != self.quantity:
            return False
        if self.vif is not None and record.vif[: len(self.vif)] != self.vif:
            return False
        place = (record.storage, record.tariff, record.subunit, record.function)
        mine = (self.storage, self.tariff, self.subunit, self.function)
        return place == mine and extensions == self.extension


class MBusProfile(BaseProfile):
    """One meter model on M-Bus; ``telegrams`` is how many are read in a poll."""

    protocol: Literal["mbus"]
    values: Mapping[str, Value]
    telegrams: int = Field(default=1, ge=1, le=16)

    def station(self, device: int | str, access: Access) -> Station:
        """Primary address 0 … 250 or 254, or secondary: 8 or 16 digits, F for any."""
        text = str(device).upper()
        if len(text) <= 3 and text.isdecimal() and int(text) in (*range(251), 254):
            return Station(int(text))
        if SECONDARY.fullmatch(text):
            return Station(identity=text.ljust(16, "F"))
        raise ProfileError(
            f"device: {device!r} is neither a primary address (0 … 250) "
            "nor a secondary one (8 or 16 digits)"
        )

    def requests(self, names=None, request_cost: float = REQUEST_COST) -> list[tuple]:
        """The telegrams, whatever is wanted of them."""
        return [(number,) for number in range(self.telegrams)]

    def describe(self, request: tuple) -> str:
        """The telegram, counted from 1."""
        return f"telegram {request[0] + 1}"

    def amount(self, name, answers, ct=Decimal(1), pt=Decimal(1)) -> Decimal | None:
        """See :meth:`BaseProfile.amount`; two records that fit are none."""
        value = self.values[name]
        records = [record for answer in answers.values() for record in answer]
        found = [record for record in records if value.is_record(record)]
        if not found and len(answers) < self.telegrams:
            return None
        if len(found) != 1:
            raise codec.DecodeError(f"{len(found)} records fit")
        amount = mbus.amount_of(found[0], value.resolution)
        return value.with_ratios(amount, ct, pt)

    def where(self, name: str) -> str:
        """The record."""
        value = self.values[name]
        return f"{value.quantity} {value.storage}/{value.tariff}/{value.subunit}"
