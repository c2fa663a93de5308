"""What the profiles of all protocols share: units, commodity, what a line needs.

A worker knows nothing of protocols. It asks the profile for the requests of a poll,
hands each to the bus as ``bus.read(station, *request)``, and gives the answers back
to the profile, which knows what stands in them.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from meter_bridge import codec

ENERGY_UNITS = {"kWh": Decimal(1), "Wh": Decimal("0.001"), "MWh": Decimal(1000)}
POWER_UNITS = {"kW": Decimal(1), "W": Decimal("0.001"), "MW": Decimal(1000)}
VOLUME_UNITS = {"m3": Decimal(1), "l": Decimal("0.001")}
# 1 kWh = 3.6 MJ: not a finite decimal the other way, hence rounded to 0.001 kWh
JOULES_PER_KWH = {"MJ": Decimal("3.6"), "GJ": Decimal("0.0036")}
JOULE_RESOLUTION = Decimal("0.001")
TELEMETRY = ("v1", "v2", "v3", "i1", "i2", "i3", "p", "pf", "f", "temperature")
REQUEST_COST = 19.0  # in registers: one request at 9600 baud, see planner


class ProfileError(ValueError):
    """A profile is missing or wrong; the text names file and key."""


class Strict(BaseModel):
    """A table of a profile: no unknown keys, no change after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class BaseValue(Strict):
    """What every quantity has: a unit, and transformer ratios that multiply it."""

    unit: str
    apply: tuple[Literal["ct", "pt"], ...] = ()

    def with_ratios(self, amount: Decimal, ct: Decimal, pt: Decimal) -> Decimal:
        """``amount`` after CT × PT, exact."""
        for ratio in self.apply:
            amount = codec.scaled(amount, ct if ratio == "ct" else pt)
        return amount


class Access(Strict):
    """What a meter wants to know before it obeys; not every protocol uses each.

    ``password`` is kept out of every text that is made of this object.
    """

    password: str = Field(default="", repr=False)
    operator: str = Field(default="00000000", pattern=r"^\d{8}$")
    client: int = Field(default=16, ge=1, le=127)


class BaseProfile(Strict):
    """One meter model; a subclass a protocol."""

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    title: str
    notes: str = ""
    commodity: Literal["electricity", "water", "gas", "heat", "compressed_air"] = (
        "electricity"
    )
    protocol: str
    register_value: str = Field(alias="register")
    values: Mapping[str, Any]
    relay: Any = None
    load_limit: Any = None

    @model_validator(mode="after")
    def _register_is_billable(self):
        register = self.values.get(self.register_value)
        if register is None:
            raise ValueError(f"register: there is no value {self.register_value!r}")
        energy = ENERGY_UNITS.keys() | JOULES_PER_KWH.keys()
        if self.commodity in ("electricity", "heat") and register.unit not in energy:
            raise ValueError(f"register: {register.unit!r} is not an energy unit")
        if register.unit not in energy | VOLUME_UNITS.keys():
            raise ValueError(f"register: {register.unit!r} is no energy and no volume")
        return self

    def to_standard(self, name: str, amount: Decimal) -> Decimal:
        """Convert energy to kWh, power to kW, volume to m³; the rest stays as it is.

        Joules are rounded half-even to 0.001 kWh; all else is exact.
        """
        unit = self.values[name].unit
        if unit in JOULES_PER_KWH:
            return codec.divided(amount, JOULES_PER_KWH[unit], JOULE_RESOLUTION)
        for units in (ENERGY_UNITS, POWER_UNITS, VOLUME_UNITS):
            if unit in units and units[unit] != 1:
                return codec.scaled(amount, units[unit])
        return amount

    # -- what each protocol says for itself ---------------------------------------
    def station(self, device: int | str, access: Access) -> Any:
        """What ``bus.read`` addresses the meter by; :class:`ProfileError` if wrong."""
        raise NotImplementedError

    def requests(self, names=None, request_cost: float = REQUEST_COST) -> list[tuple]:
        """Requests that bring the values ``names`` (all when None) and the relay.

        The register's comes first, so that its time is close to the poll's beginning.
        ``request_cost`` is the time of one more request on the line, in the time of
        one 16-bit register.
        """
        raise NotImplementedError

    def _wanted(self, names) -> list[str]:
        """The register first, then the values ``names`` (all when None)."""
        first = self.register_value
        rest = [n for n in self.values if names is None or n in names]
        return [first, *(name for name in rest if name != first)]

    def describe(self, request: tuple) -> str:
        """The request, for people."""
        raise NotImplementedError

    def probe(self) -> tuple:
        """The short request that finds out whether the meter is there."""
        return self.requests(())[0]

    def amount(
        self,
        name: str,
        answers: Mapping[tuple, Any],
        ct: Decimal = Decimal(1),
        pt: Decimal = Decimal(1),
    ) -> Decimal | None:
        """Value ``name`` in the profile's unit after CT × PT; None when not read.

        Raises :class:`codec.DecodeError` when the answers hold no value.
        """
        raise NotImplementedError

    def where(self, name: str) -> str:
        """Where value ``name`` stands in the meter, for people."""
        raise NotImplementedError

    def where_relay(self) -> str:
        """Where the relay's state stands, for people."""
        raise NotImplementedError

    def relay_order(self, state: str) -> tuple:
        """Arguments of ``bus.write`` that bring the relay into ``state``.

        Raises :class:`ProfileError` when the profile forbids the write.
        """
        raise NotImplementedError

    def relay_request(self) -> tuple | None:
        """The request that reads the relay back; None when it cannot be read."""
        return None

    def relay_state(self, answer: Any) -> str:
        """``open``, ``closed`` or ``unknown`` by the answer to that request."""
        raise NotImplementedError

    def relay_of(self, answers: Mapping[tuple, Any]) -> str | None:
        """The relay's state by a poll's answers; None when it was not read."""
        request = self.relay_request()
        if request is None or request not in answers:
            return None
        return self.relay_state(answers[request])

    def limit_order(self, kw: str, ct: Decimal, pt: Decimal) -> tuple:
        """Arguments of ``bus.write`` that set the load limit to ``kw`` kilowatts.

        Raises :class:`ProfileError` when the meter cannot hold it.
        """
        raise NotImplementedError

    def limit_request(self) -> tuple:
        """The request that reads the load limit back."""
        raise NotImplementedError

    def limit_state(self, answer: Any, ct: Decimal, pt: Decimal) -> str:
        """The load limit in kW by the answer to that request.

        Raises :class:`codec.DecodeError`.
        """
        raise NotImplementedError

    def limit_of(
        self, answers: Mapping[tuple, Any], ct: Decimal, pt: Decimal
    ) -> str | None:
        """The load limit in kW by a poll's answers; None when it was not read."""
        return None


def explain(error: ValidationError) -> str:
    """One line a mistake, each beginning with the key it is about."""
    lines = []
    for item in error.errors():
        key = ".".join(str(part) for part in item["loc"])
        text = item["msg"].removeprefix("Value error, ")
        lines.append(f"{key}: {text}" if key else text)
    return "; ".join(lines)
