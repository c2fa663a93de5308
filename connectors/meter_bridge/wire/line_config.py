"""The tables ``[[line]]`` and ``[[line.meter]]`` of the configuration."""

import os
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from meter_bridge.wire.base_profile import Access, BaseProfile, ProfileError
from meter_bridge.wire.lines import TRANSPORTS


class Strict(BaseModel):
    """A table of the configuration: unknown keys are mistakes."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


class Meter(Strict):
    """One meter on a line. ``poll_interval`` in seconds.

    ``device`` is its address there, as the protocol has it; the profile checks it.
    """

    serial: str = Field(min_length=1)
    profile: str
    device: int | str
    ct: Decimal = Field(default=Decimal(1), gt=0)
    pt: Decimal = Field(default=Decimal(1), gt=0)
    poll_interval: float | None = Field(default=None, gt=0)


class Line(Strict):
    """One line with its meters: one worker, one master. Times in seconds.

    ``password_file``, ``operator`` and ``client`` are for the protocols that ask for
    them, the same for all meters of the line.
    """

    name: str = Field(min_length=1)
    transport: Literal[tuple(TRANSPORTS)] = "modbus_tcp"
    host: str | None = None
    port: int | None = Field(default=None, ge=0, le=65535)
    serial_port: str | None = None
    baudrate: int | None = Field(default=None, ge=300, le=921600)
    parity: Literal["N", "E", "O"] | None = None
    stopbits: Literal[1, 2] = 1
    timeout: float = Field(default=1, gt=0)
    quiet_after_timeout: float | None = Field(default=None, ge=0)
    settle: float = Field(default=0, ge=0)
    backoff_first: float = Field(default=5, gt=0)
    backoff_max: float = Field(default=300, gt=0)
    password_file: Path | None = None
    operator: str = Field(default="00000000", pattern=r"^\d{8}$")
    client: int = Field(default=16, ge=1, le=127)
    meters: list[Meter] = Field(default=[], alias="meter")

    @model_validator(mode="after")
    def _has_a_place(self):
        serial = TRANSPORTS[self.transport].serial
        needed, others = ("serial_port",), ("host", "port")
        if not serial:
            needed, others = others, needed
        for key in needed:
            if getattr(self, key) is None:
                raise ValueError(f"{key}: {self.transport} needs it")
        for key in others:
            if getattr(self, key) is not None:
                raise ValueError(f"{key}: {self.transport} has none")
        if TRANSPORTS[self.transport].protocol == "dlms" and not find_spec(
            "gurux_dlms"
        ):
            raise ValueError(
                "transport: DLMS needs the extra: pip install 'meter-bridge[dlms]'"
            )
        return self

    @property
    def place(self) -> str:
        """What two lines must not share: the port, whatever name it goes by."""
        if self.serial_port:
            return os.path.realpath(self.serial_port)
        return f"{self.host}:{self.port}"

    def access(self) -> Access:
        """The line's access data; raises :class:`ProfileError` for an unreadable file.

        The password file is read anew, so that a replaced one works.
        """
        password = ""
        if self.password_file:
            try:
                password = self.password_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ProfileError(f"password_file: {error}") from error
        return Access(password=password, operator=self.operator, client=self.client)

    def station(self, profile: BaseProfile, meter: Meter):
        """What the line's bus finds ``meter`` by; raises :class:`ProfileError`."""
        protocol = TRANSPORTS[self.transport].protocol
        if profile.protocol != protocol:
            mine, line = profile.protocol, f"transport {self.transport} {protocol}"
            raise ProfileError(f"profile: it speaks {mine}, {line}")
        return profile.station(meter.device, self.access())
