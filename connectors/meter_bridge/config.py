"""The bridge's configuration: one TOML file, secrets by environment or file."""

import os
import tomllib
from collections import Counter
from contextvars import ContextVar
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    InitSettingsSource,
    SettingsConfigDict,
)

from meter_bridge import meter_profile
from meter_bridge.mqtt.settings import PATHS, Broker
from meter_bridge.wire.base_profile import BaseProfile
from meter_bridge.wire.line_config import Line, Meter, Strict

_FILE: ContextVar[dict[str, Any]] = ContextVar("config_file")


class ConfigError(ValueError):
    """The configuration is wrong; the text names the key."""


def _web_address(value: str) -> str:
    if not value.startswith(("http://", "https://")):
        raise ValueError("must begin with http:// or https://")
    return value.rstrip("/")


class Erp(Strict):
    """Where readings go. Times in seconds."""

    url: Annotated[str, AfterValidator(_web_address)]
    database: str
    api_key: SecretStr | None = None
    api_key_file: Path | None = None
    timeout: float = Field(default=30, gt=0)
    commands_interval: float = Field(default=1, gt=0)
    full_report_interval: float = Field(default=30, gt=0)
    send_interval: float = Field(default=0.5, gt=0)
    retry_first: float = Field(default=1, gt=0)
    retry_max: float = Field(default=30, gt=0)
    batch_max: int = Field(default=10_000, ge=1, le=10_000)
    configuration_interval: float = Field(default=30, gt=0)

    @model_validator(mode="after")
    def _one_key(self):
        if bool(self.api_key) == bool(self.api_key_file):
            raise ValueError(
                "give either api_key_file, or the key in the environment variable "
                "METER_BRIDGE_ERP__API_KEY"
            )
        return self

    def key(self) -> str:
        """The API key, read anew so that a replaced file works without restart.

        Raises :class:`ConfigError` when the file is missing or empty.
        """
        if self.api_key:
            return self.api_key.get_secret_value()
        try:
            key = self.api_key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"erp.api_key_file: {error}") from error
        if not key:
            raise ConfigError(f"erp.api_key_file: {self.api_key_file} is empty")
        return key


class Fleet(Strict):
    """One of several bridges on the same meters, of which one is the master.

    ``instance`` is its name among them, unlike the others'.
    """

    instance: str = Field(min_length=1, max_length=64)


class Health(Strict):
    """Where ``/health`` and ``/metrics`` are served."""

    host: str = "127.0.0.1"
    port: int = Field(ge=1, le=65535)


class Config(BaseSettings):
    """All settings. ``METER_BRIDGE_ERP__URL=…`` in the environment wins."""

    model_config = SettingsConfigDict(
        env_prefix="METER_BRIDGE_",
        env_nested_delimiter="__",
        extra="forbid",
        populate_by_name=True,
    )

    state_dir: Path
    erp: Erp
    port_base: int = Field(default=0, ge=0, le=65535)
    poll_interval: float = Field(default=10, gt=0)
    telemetry_interval: float = Field(default=60, ge=0)
    verify_for: float = Field(default=15, gt=0)
    profile_dir: Path | None = None
    log_format: Literal["console", "json"] = "console"
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    health: Health | None = None
    fleet: Fleet | None = None
    meters: Literal["file", "erp"] = "file"
    lines: list[Line] = Field(default=[], alias="line")
    brokers: list[Broker] = Field(default=[], alias="mqtt")

    @classmethod
    def settings_customise_sources(cls, settings_cls, **sources):
        """The environment first, then the file."""
        file = InitSettingsSource(settings_cls, init_kwargs=_FILE.get({}))
        return sources["env_settings"], file

    @model_validator(mode="after")
    def _consistent(self):
        for line in self.lines:  # ports may be given relative to port_base
            if line.port is None:
                continue
            line.port += self.port_base
            if not 1 <= line.port <= 65535:
                raise ValueError(f"line {line.name}: port {line.port} does not exist")
        if not self.lines and not self.brokers:
            raise ValueError("line: at least one line or one broker (mqtt) is needed")
        names = [item.name for item in (*self.lines, *self.brokers)]
        self._unique("line.name", names)
        places = [line.place for line in self.lines]
        self._unique("line: two masters on one line at", places)
        meters = [m for place in (*self.lines, *self.brokers) for m in place.meters]
        self._unique("line.meter.serial", [meter.serial for meter in meters])
        self._check_shares()
        for line in self.lines:
            if bool(line.meters) == (self.meters == "erp"):
                need = "none, because" if line.meters else "at least one, unless"
                text = f'line.meter: {need} meters = "erp"'
                raise ValueError(f"line {line.name}: {text}")
            self.check_line(line.name, line.meters)
        return self

    def check_line(self, name: str, meters: list[Meter]) -> None:
        """Raise :class:`ValueError` unless these meters can hang on line ``name``."""
        line = next(line for line in self.lines if line.name == name)
        devices = [self._station(line, meter) for meter in meters]
        self._unique(f"line {line.name}: device", devices)

    def _station(self, line: Line, meter: Meter) -> str:
        try:
            return str(line.station(self.profile(meter), meter))
        except meter_profile.ProfileError as error:
            key = f"line {line.name}: meter {meter.serial}"
            raise ValueError(f"{key}: {error}") from error

    def _check_shares(self) -> None:
        for broker in self.brokers:
            if bool(broker.share) != bool(self.fleet):
                raise ValueError(
                    f"mqtt {broker.name}: share: bridges of one fleet share a broker's "
                    "messages: give both share and [fleet], or neither"
                )

    @staticmethod
    def _unique(key: str, values: list[str]):
        for value, count in Counter(values).items():
            if count > 1:
                raise ValueError(f"{key} {value!r} is given twice")

    def profile(self, meter: Meter) -> BaseProfile:
        """The profile of ``meter``; raises :class:`meter_profile.ProfileError`."""
        return meter_profile.load(meter.profile, self.profile_dir)

    @property
    def database(self) -> Path:
        """The outbox file."""
        return self.state_dir / "outbox.sqlite3"


def from_dict(data: dict[str, Any]) -> Config:
    """Build the configuration; raises :class:`ConfigError` that names the key."""
    token = _FILE.set(data)
    try:
        return Config()
    except ValidationError as error:
        raise ConfigError(meter_profile.explain(error)) from error
    finally:
        _FILE.reset(token)


def load(path: Path) -> Config:
    """Read the TOML file ``path``; relative paths in it are relative to it.

    Raises :class:`ConfigError` for a missing file, wrong TOML or a wrong key.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(f"{path}: {error}") from error
    _anchor(data, Path(os.path.abspath(path)).parent)
    try:
        return from_dict(data)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from error


def _anchor(data: dict[str, Any], folder: Path) -> None:
    erp = data.get("erp")
    lines, brokers = data.get("line"), data.get("mqtt")
    for table, key in (
        (data, "state_dir"),
        (data, "profile_dir"),
        (erp, "api_key_file"),
        *((line, "password_file") for line in lines or [] if isinstance(lines, list)),
        *(
            (broker, key)
            for broker in brokers or []
            if isinstance(brokers, list)
            for key in PATHS
        ),
    ):
        if isinstance(table, dict) and isinstance(table.get(key), str):
            table[key] = str(folder / table[key])
