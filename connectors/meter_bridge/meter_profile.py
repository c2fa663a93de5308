"""Meter profiles: what stands in which register of which model, as TOML data."""

import tomllib
from collections.abc import Mapping
from decimal import Decimal
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple

from pydantic import Field, ValidationError, model_validator

from meter_bridge import codec, planner
from meter_bridge.wire.base_profile import (
    ENERGY_UNITS,
    POWER_UNITS,
    REQUEST_COST,
    TELEMETRY,
    Access,
    BaseProfile,
    BaseValue,
    ProfileError,
    Strict,
    explain,
)
from meter_bridge.wire.dlms_profile import DlmsProfile
from meter_bridge.wire.dlt645_profile import Dlt645Profile
from meter_bridge.wire.load_limit import LoadLimit
from meter_bridge.wire.mbus_profile import MBusProfile

__all__ = ["ENERGY_UNITS", "POWER_UNITS", "TELEMETRY", "ProfileError", "explain"]
Function = Literal[3, 4]


class Read(NamedTuple):
    """A request of the Modbus bus: ``count`` registers from ``address``."""

    function: int
    address: int
    count: int


class Value(BaseValue):
    """One quantity: where it stands and how it is written."""

    address: int = Field(ge=0, le=0xFFFF)
    type: Literal["uint16", "int16", "uint32", "int32", "uint64", "int64", "float32"]
    scale: Decimal = Decimal(1)
    resolution: Decimal | None = Field(default=None, gt=0)
    function: Function | None = None
    word_order: Literal["big", "little"] | None = None
    invalid: tuple[int, ...] = ()
    rollover: Decimal | None = Field(default=None, gt=0)

    @model_validator(mode="after")
    def _float_needs_resolution(self):
        if self.type == "float32" and self.resolution is None:
            raise ValueError("a float32 value needs its resolution")
        return self

    @property
    def count(self) -> int:
        """Number of registers."""
        return codec.words_of(self.type)


class RelayRead(Strict):
    """How the relay's state is read back: one word that says open or closed."""

    function: Function = 3
    address: int = Field(ge=0, le=0xFFFF)
    count: int = Field(default=1, ge=1, le=8)
    word: int = Field(default=0, ge=0, lt=8)
    open: int
    closed: int

    @model_validator(mode="after")
    def _distinguishable(self):
        if self.open == self.closed:
            raise ValueError("open and closed must differ")
        if self.word >= self.count:
            raise ValueError("word lies outside count")
        return self

    def state(self, words: list[int]) -> str:
        """Return ``open``, ``closed`` or ``unknown`` for the words read."""
        if len(words) != self.count:
            return "unknown"
        word = words[self.word]
        if word == self.open:
            return "open"
        return "closed" if word == self.closed else "unknown"

    @cached_property
    def request(self) -> Read:
        """What is read."""
        return Read(self.function, self.address, self.count)


class Relay(Strict):
    """How the relay is switched, and how its state is read back."""

    address: int = Field(ge=0, le=0xFFFF)
    open: tuple[int, ...]
    closed: tuple[int, ...]
    settle_s: float = Field(default=0.3, ge=0, le=60)
    read: RelayRead | None = None

    def words(self, state: str) -> list[int]:
        """Registers to write for ``open`` or ``closed``."""
        return list({"open": self.open, "closed": self.closed}[state])


class Writable(Strict):
    """Registers that may be written; everything else may not."""

    address: int = Field(ge=0, le=0xFFFF)
    count: int = Field(ge=1, le=123)


class Profile(BaseProfile):
    """One meter model that speaks Modbus."""

    protocol: Literal["modbus"] = "modbus"
    function: Function = 3
    word_order: Literal["big", "little"] = "big"
    max_block: int = Field(default=60, ge=1, le=125)
    max_hole: int = Field(default=30, ge=0, le=125)
    write_function: Literal[6, 16] = 16
    values: Mapping[str, Value]
    relay: Relay | None = None
    load_limit: LoadLimit | None = None
    writable: tuple[Writable, ...] = ()

    @model_validator(mode="after")
    def _consistent(self):
        for name, value in self.values.items():
            if value.count > self.max_block:
                raise ValueError(f"values.{name}: larger than max_block")
        if self.relay:
            self._check_relay()
        limit = self.load_limit
        if limit and not self.may_write(limit.address, limit.count):
            raise ValueError("load_limit: its registers are not in the list writable")
        return self

    def _check_relay(self):
        if len(self.relay.open) != len(self.relay.closed):
            raise ValueError("relay: open and closed differ in length")
        if not self.may_write(self.relay.address, len(self.relay.open)):
            raise ValueError("relay: its registers are not in the list writable")
        if self.write_function == 6 and len(self.relay.open) != 1:
            raise ValueError("relay: function 6 writes one register")

    def may_write(self, address: int, count: int) -> bool:
        """Whether ``count`` registers from ``address`` are on the whitelist."""
        return any(
            item.address <= address and address + count <= item.address + item.count
            for item in self.writable
        )

    def function_of(self, value: Value) -> int:
        """Modbus function that reads ``value``."""
        return value.function or self.function

    def station(self, device: int | str, access: Access) -> int:
        """The Modbus address."""
        if not str(device).isdigit() or not 1 <= int(device) <= 247:
            raise ProfileError(f"device: {device!r} is no Modbus address (1 … 247)")
        return int(device)

    def blocks(
        self, names=None, request_cost: float = REQUEST_COST
    ) -> list[tuple[int, planner.Span]]:
        """Return the (function, span) reads for the values ``names`` (all when None).

        The relay's read-back registers are always among them, those of the load limit
        when ``load_limit`` is among the names. The block of the register comes first,
        so that its time is close to the poll's beginning.
        """
        wanted: dict[int, list[tuple[int, int]]] = {}
        for name, value in self.values.items():
            if names is None or name in names or name == self.register_value:
                spans = wanted.setdefault(self.function_of(value), [])
                spans.append((value.address, value.count))
        if self.relay and self.relay.read:
            read = self.relay.read
            wanted.setdefault(read.function, []).append((read.address, read.count))
        if self.load_limit and (names is None or "load_limit" in names):
            function, *span = self.limit_request()
            wanted.setdefault(function, []).append(tuple(span))
        blocks = [
            (function, span)
            for function, spans in wanted.items()
            for span in planner.plan(spans, self.max_block, self.max_hole, request_cost)
        ]
        first = self.values[self.register_value]
        return sorted(blocks, key=lambda item: not self._covers(item, first))

    def _covers(self, block, value: Value) -> bool:
        function, span = block
        return (
            function == self.function_of(value)
            and span.address <= value.address
            and value.address + value.count <= span.end
        )

    def requests(self, names=None, request_cost: float = REQUEST_COST) -> list[Read]:
        """See :meth:`BaseProfile.requests`."""
        return [Read(f, *span) for f, span in self.blocks(names, request_cost)]

    def describe(self, request: Read) -> str:
        """Function and registers."""
        last = request.address + request.count - 1
        return f"function {request.function}: {request.address:#06x} … {last:#06x}"

    def probe(self) -> Read:
        """The register alone."""
        value = self.values[self.register_value]
        return Read(self.function_of(value), value.address, value.count)

    def amount(self, name, answers, ct=Decimal(1), pt=Decimal(1)) -> Decimal | None:
        """See :meth:`BaseProfile.amount`."""
        value = self.values[name]
        words = _words(answers, self.function_of(value), value.address, value.count)
        return None if words is None else self.decode(name, words, ct, pt)

    def where(self, name: str) -> str:
        """The value's first register."""
        return f"{self.values[name].address:#06x}"

    def where_relay(self) -> str:
        """The first read-back register."""
        return f"{self.relay.read.address:#06x}"

    def relay_order(self, state: str) -> tuple[int, int, list[int]]:
        """Function, address and registers to write."""
        words = self.relay.words(state)
        if not self.may_write(self.relay.address, len(words)):
            raise ProfileError("the profile forbids the write")
        return self.write_function, self.relay.address, words

    def relay_request(self) -> Read | None:
        """The read-back registers."""
        read = self.relay.read if self.relay else None
        return read and read.request

    def relay_state(self, answer: list[int]) -> str:
        """See :meth:`RelayRead.state`."""
        return self.relay.read.state(answer)

    def relay_of(self, answers) -> str | None:
        """See :meth:`BaseProfile.relay_of`; the registers may be part of a block."""
        request = self.relay_request()
        words = request and _words(answers, *request)
        return self.relay_state(words) if words else None

    def limit_order(self, kw, ct: Decimal, pt: Decimal) -> tuple[int, int, list[int]]:
        """Function, address and registers to write."""
        limit = self.load_limit
        words = limit.words(kw, self.word_order, ct, pt)
        return self.write_function, limit.address, words

    def limit_request(self) -> Read:
        """The limit's registers."""
        return Read(3, self.load_limit.address, self.load_limit.count)

    def limit_state(self, answer: list[int], ct: Decimal, pt: Decimal) -> str:
        """See :meth:`LoadLimit.kw`."""
        return self.load_limit.kw(answer, self.word_order, ct, pt)

    def limit_of(self, answers, ct: Decimal, pt: Decimal) -> str | None:
        """See :meth:`BaseProfile.limit_of`; the registers may be part of a block."""
        words = self.load_limit and _words(answers, *self.limit_request())
        return self.limit_state(words, ct, pt) if words else None

    def decode(
        self,
        name: str,
        words: list[int],
        ct: Decimal = Decimal(1),
        pt: Decimal = Decimal(1),
    ) -> Decimal:
        """Return value ``name`` in the profile's unit after scale and CT × PT.

        Raises :class:`codec.DecodeError` when the words hold no value.
        """
        value = self.values[name]
        order = value.word_order or self.word_order
        raw = codec.decode(words, value.type, order, value.invalid)
        amount = codec.scaled(raw, value.scale, value.resolution)
        return value.with_ratios(amount, ct, pt)

    def encode(self, name: str, amount: Decimal) -> list[int]:
        """Registers of ``amount`` (profile's unit, before CT × PT), rolled over."""
        value = self.values[name]
        if value.rollover is not None:
            amount %= value.rollover
        order = value.word_order or self.word_order
        return codec.encode(amount / value.scale, value.type, order)


def _words(answers, function: int, address: int, count: int) -> list[int] | None:
    """The registers asked for, out of whichever block has them."""
    for read, words in answers.items():
        offset = address - read.address
        inside = 0 <= offset and offset + count <= len(words)
        if read.function == function and inside:
            return words[offset : offset + count]
    return None


PROTOCOLS: dict[str, type[BaseProfile]] = {
    "modbus": Profile,
    "mbus": MBusProfile,
    "dlt645": Dlt645Profile,
    "dlms": DlmsProfile,
}


def parse(text: str, origin: str) -> BaseProfile:
    """Read a profile from TOML ``text``; :class:`ProfileError` names ``origin``."""
    try:
        data = tomllib.loads(text, parse_float=Decimal)
        protocol = data.get("protocol", "modbus")
        if protocol not in PROTOCOLS:
            known = ", ".join(PROTOCOLS)
            raise ProfileError(f"{origin}: protocol: {protocol!r}, known: {known}")
        return PROTOCOLS[protocol].model_validate(data)
    except tomllib.TOMLDecodeError as error:
        raise ProfileError(f"{origin}: not TOML: {error}") from error
    except ValidationError as error:
        raise ProfileError(f"{origin}: {explain(error)}") from error


def load_file(path: Path) -> BaseProfile:
    """Read the profile file ``path``; raises :class:`ProfileError`."""
    try:
        return parse(path.read_text(encoding="utf-8"), str(path))
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path}: {error}") from error


def names() -> list[str]:
    """Names of the profiles that are shipped with the bridge."""
    folder = resources.files("meter_bridge.profiles")
    files = (item.name for item in folder.iterdir())
    return sorted(name[:-5] for name in files if name.endswith(".toml"))


@cache
def load(name: str, folder: Path | None = None) -> BaseProfile:
    """Return profile ``name``, from the site's own ``folder`` first.

    Raises :class:`ProfileError` with the list of known names.
    """
    if folder and (folder / f"{name}.toml").exists():
        return load_file(folder / f"{name}.toml")
    if name not in names():
        known = ", ".join(names())
        raise ProfileError(
            f"profile: there is no meter profile {name!r}; known: {known}"
        )
    item = resources.files("meter_bridge.profiles") / f"{name}.toml"
    return parse(item.read_text(encoding="utf-8"), item.name)


def named(name: str) -> BaseProfile:
    """The shipped profile ``name``, or that of a file if it ends with ``.toml``.

    Raises :class:`ProfileError`.
    """
    return load_file(Path(name)) if name.endswith(".toml") else load(name)
