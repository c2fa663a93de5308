"""The plant file of the simulator."""

import tomllib
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, model_validator

from meter_bridge.meter_profile import ProfileError, explain, named
from meter_bridge.simulator.load_config import LoadConfig, Strict
from meter_bridge.simulator.mqtt_config import BrokerConfig


class PlantError(ValueError):
    """The plant file is wrong; the text names the key."""


class MeterConfig(LoadConfig):
    """One simulated meter on a Modbus line."""

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
    """One TCP port: a line of meters behind a gateway."""

    name: str
    host: str = "127.0.0.1"
    port: int = Field(ge=0, le=65535)
    framing: Literal["tcp", "rtu"] = "tcp"
    meters: list[MeterConfig] = Field(alias="meter", min_length=1)


class PlantConfig(Strict):
    """The whole plant; ``tick`` and ``save_every`` in seconds of real time."""

    state: Path | None = None
    control_host: str = "127.0.0.1"
    control_port: int | None = Field(default=None, ge=0, le=65535)
    port_base: int = Field(default=0, ge=0, le=65535)
    time_factor: float = Field(default=1, ge=0)
    utc_offset_h: float = 0
    begin: datetime | None = None  # plant time at first start, local; else now
    load_csv: str = ""
    floor: float = Field(default=0.1, ge=0)
    tick: float = Field(default=0.2, gt=0)
    save_every: float = Field(default=3, gt=0)
    lines: list[LineConfig] = Field(default=[], alias="line")
    brokers: list[BrokerConfig] = Field(default=[], alias="mqtt")

    @model_validator(mode="after")
    def _consistent(self):
        places = (*self.lines, *self.brokers)
        meters = [meter for place in places for meter in place.meters]
        if not meters:
            raise ValueError("line: at least one line or one broker (mqtt) is needed")
        serials = [meter.serial for meter in meters]
        for serial in serials:
            if serials.count(serial) > 1:
                raise ValueError(f"line.meter.serial {serial!r} is given twice")
        for line in self.lines:
            line.port += self.port_base  # ports may be given relative to it
            devices = [meter.device for meter in line.meters]
            if len(set(devices)) < len(devices):
                raise ValueError(f"line {line.name}: a device number is given twice")
        for meter in meters:
            for child in meter.children:
                if child not in serials:
                    raise ValueError(f"{meter.serial}.children: no meter {child!r}")
        _refuse_loops({meter.serial: meter.children for meter in meters})
        return self


def _refuse_loops(children: dict[str, tuple[str, ...]]) -> None:
    def walk(serial: str, above: tuple[str, ...]):
        if serial in above:
            raise ValueError(f"{serial}.children: it feeds itself")
        for child in children[serial]:
            walk(child, (*above, serial))

    for serial in children:
        walk(serial, ())


def load_plant(path: Path) -> PlantConfig:
    """Read the plant file; raises :class:`PlantError` that names the key."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
        return PlantConfig.model_validate(data)
    except ValidationError as error:
        raise PlantError(f"{path}: {explain(error)}") from error
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PlantError(f"{path}: {error}") from error
