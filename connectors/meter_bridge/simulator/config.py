"""The plant file of the simulator."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from meter_bridge.meter_profile import ProfileError, explain, named
from meter_bridge.simulator.faults import FaultConfig, kind_of
from meter_bridge.simulator.load_config import LoadConfig, Strict
from meter_bridge.simulator.mqtt_config import BrokerConfig
from meter_bridge.simulator.templates import lines_of, meters_of


class PlantError(ValueError):
    """The plant file is wrong; the text names the key."""


class MeterConfig(LoadConfig):
    """One simulated meter on a Modbus line; with ``count``, ``device`` counts up."""

    device: int = Field(ge=1, le=247)
    profile: str
    ct: Decimal = Field(default=Decimal(1), gt=0)
    pt: Decimal = Field(default=Decimal(1), gt=0)

    @model_validator(mode="after")
    def _known_profile(self):
        try:
            if named(self.profile).protocol != "modbus":
                raise ValueError(f"profile {self.profile}: only Modbus is simulated")
        except ProfileError as error:
            raise ValueError(str(error)) from error
        return self


class LineConfig(Strict):
    """One TCP port: a line of meters behind a gateway. With ``count`` there are so many
    lines, on one port after the other; {line} counts from 1."""

    name: str = Field(min_length=1)
    count: int = Field(default=1, ge=1, le=1000)
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    framing: Literal["tcp", "rtu"] = "tcp"
    meters: list[MeterConfig] = Field(alias="meter", min_length=1)

    @property
    def subject(self) -> str:
        """What its meters are to a fault."""
        return f"modbus_{self.framing}"


class PlantConfig(Strict):
    """The whole plant; ``tick`` and ``save_every`` in seconds of real time."""

    state: Path | None = None
    control_host: str = "127.0.0.1"
    control_port: int | None = Field(default=None, ge=0, le=65535)
    port_base: int = Field(default=0, ge=0, le=65535)
    time_factor: float = Field(default=1, ge=0)
    utc_offset_h: float = 0
    begin: datetime | None = None  # plant time at first start, local; else now
    load_csv: Path | Literal[""] | None = None
    load_format: Literal["year", "rows"] = "year"
    floor: float = Field(default=0.1, ge=0)
    tick: float = Field(default=0.2, gt=0)
    save_every: float = Field(default=3, gt=0)
    lines: list[LineConfig] = Field(default=[], alias="line")
    brokers: list[BrokerConfig] = Field(default=[], alias="mqtt")
    faults: list[FaultConfig] = Field(default=[], alias="fault")

    @model_validator(mode="after")
    def _consistent(self):
        self.lines = lines_of(self.lines, self.port_base)
        for number, broker in enumerate(self.brokers):
            broker.meters = meters_of(broker.meters, number + 1, f"mqtt.{number}")
        if not self.lines and not self.brokers:
            raise ValueError("line: at least one line or one broker (mqtt) is needed")
        self._find_children()
        self._refuse_doubles()
        _refuse_loops({m.serial: m.children for _, m in self.places()})
        for number, fault in enumerate(self.faults):
            try:
                self.targets(fault)
            except ValueError as error:
                raise ValueError(f"fault.{number}.{error}") from error
        return self

    def places(self) -> Iterator[tuple[LineConfig | BrokerConfig, LoadConfig]]:
        """All meters, each with where it is."""
        for place in (*self.lines, *self.brokers):
            for meter in place.meters:
                yield place, meter

    def _refuse_doubles(self) -> None:
        _once("line.meter.serial", (meter.serial for _, meter in self.places()))
        _once("line.name", (line.name for line in self.lines))
        _once("mqtt.name", (broker.name for broker in self.brokers))
        _once("line.port", (line.port for line in self.lines if line.port))
        for line in self.lines:
            if line.port > 65535:
                raise ValueError(f"line {line.name}: port {line.port} is too high")
            _once(f"line {line.name}: device number", (m.device for m in line.meters))
        for broker in self.brokers:
            _once("mqtt.meter.topic", (meter.topic for meter in broker.meters))

    def _find_children(self) -> None:
        """Put serials in the place of patterns such as ``H1-*``."""
        serials = [meter.serial for _, meter in self.places()]
        known = set(serials)
        for _, meter in self.places():
            found = []
            for child in meter.children:
                wild = "*" in child or "?" in child
                names = [s for s in serials if fnmatchcase(s, child)] if wild else []
                if not wild and child in known:
                    names = [child]
                if not names:
                    raise ValueError(f"{meter.serial}.children: no meter {child!r}")
                found += [name for name in names if not wild or name != meter.serial]
            meter.children = tuple(dict.fromkeys(found))

    def targets(self, fault: FaultConfig) -> list[str]:
        """The serials of the meters, or names of the places, that a fault is about.

        Raises :class:`ValueError` when there are none or it cannot befall them.
        """
        if fault.kind == "down":
            return self._places_down(fault)
        found = []
        for place, meter in self.places():
            key = "line" if isinstance(place, LineConfig) else "broker"
            where = getattr(fault, key)
            name, pattern = (
                (place.name, where) if where else (meter.serial, fault.meter)
            )
            if pattern and fnmatchcase(name, pattern):
                kind_of(fault.kind, subject_of(place, meter), meter.serial)
                if fault.kind == "rollover":
                    _refuse_endless(meter)
                found.append(meter.serial)
        if not found:
            key = next(k for k in ("meter", "line", "broker") if getattr(fault, k))
            raise ValueError(f"{key}: nothing is called {fault.target!r}")
        return found

    def _places_down(self, fault: FaultConfig) -> list[str]:
        if fault.meter:
            raise ValueError("meter: 'down' is a fault of a line or a broker")
        key, places = ("line", self.lines) if fault.line else ("broker", self.brokers)
        names = [place.name for place in places]
        found = [name for name in names if fnmatchcase(name, fault.target)]
        if not found:
            raise ValueError(f"{key}: nothing is called {fault.target!r}")
        return found


def subject_of(place: LineConfig | BrokerConfig, meter) -> str:
    """What a meter is to a fault: ``modbus_tcp`` … ``chirpstack``."""
    return place.subject if isinstance(place, LineConfig) else meter.kind


def _refuse_endless(meter) -> None:
    if isinstance(meter, MeterConfig):
        profile = named(meter.profile)
        if profile.values[profile.register_value].rollover is None:
            raise ValueError(
                f"kind: profile {meter.profile} of {meter.serial} knows no rollover"
            )


def _once(key: str, names) -> None:
    for name, count in Counter(names).items():
        if count > 1:
            raise ValueError(f"{key} {name!r} is given twice")


def _refuse_loops(children: dict[str, tuple[str, ...]]) -> None:
    def walk(serial: str, above: tuple[str, ...]):
        if serial in above:
            raise ValueError(f"{serial}.children: it feeds itself")
        for child in children[serial]:
            walk(child, (*above, serial))

    for serial in children:
        walk(serial, ())


def load_plant(path: Path) -> PlantConfig:
    """Read the plant file; raises :class:`PlantError` that names the key.

    Files named in it are found from its own folder.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        config = PlantConfig.model_validate(data)
    except ValidationError as error:
        raise PlantError(f"{path}: {explain(error)}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PlantError(f"{path}: {error}") from error
    for table in (config, *(meter for _, meter in config.places())):
        if table.load_csv:
            table.load_csv = path.parent / table.load_csv
    if config.state:
        config.state = path.parent / config.state
    return config
