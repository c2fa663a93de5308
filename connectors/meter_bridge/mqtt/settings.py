"""The ``[[mqtt]]`` tables of the configuration: brokers and the meters behind them."""

import os
from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, model_validator

from meter_bridge.mqtt.acrel import AcrelMeter, AcrelPrepaidMeter
from meter_bridge.mqtt.chirpstack import ChirpStackMeter
from meter_bridge.mqtt.generic import JsonMeter, Mapping
from meter_bridge.mqtt.rules import Strict
from meter_bridge.mqtt.shelly import ShellyMeter
from meter_bridge.mqtt.tasmota import TasmotaMeter
from meter_bridge.mqtt.thingsboard import ThingsBoardMeter
from meter_bridge.mqtt.zigbee2mqtt import Zigbee2MqttMeter

Meter = Annotated[
    ShellyMeter
    | TasmotaMeter
    | Zigbee2MqttMeter
    | ThingsBoardMeter
    | AcrelMeter
    | AcrelPrepaidMeter
    | ChirpStackMeter
    | JsonMeter,
    Field(discriminator="format"),
]
PATHS = ("password_file", "ca_file", "cert_file", "key_file")  # relative to the file


class Broker(Strict):
    """One broker. Times in seconds.

    ``client_id`` is the name under which the broker keeps what this bridge has not
    acknowledged: its own, and always the same. ``share`` names a group of bridges
    that divide the messages among them.
    """

    name: str = Field(min_length=1)
    host: str = Field(min_length=1)
    port: int = Field(default=1883, ge=1, le=65535)
    client_id: str = Field(min_length=1, max_length=200, pattern=r"^[^+#]*$")
    username: str | None = None
    password: SecretStr | None = None
    password_file: Path | None = None
    password_env: str | None = None
    tls: bool = False
    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    share: str | None = Field(default=None, pattern=r"^[^/+#]+$")
    keepalive: int = Field(default=30, ge=5, le=3600)
    session_expiry: int = Field(default=7 * 86400, ge=60)
    receive_maximum: int = Field(default=500, ge=1, le=65535)
    silent_after: float = Field(default=3600, gt=0)
    mappings: tuple[Mapping, ...] = Field(default=(), alias="mapping")
    meters: tuple[Meter, ...] = Field(alias="meter", min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _mappings_into_meters(cls, data):
        """Put the rules of its mapping into each generic meter."""
        if not isinstance(data, dict):
            return data
        found = {
            item["name"]: item
            for item in data.get("mapping") or ()
            if isinstance(item, dict) and "name" in item
        }
        meters = []
        for meter in data.get("meter") or ():
            if isinstance(meter, dict) and meter.get("format") == "json":
                name = meter.get("mapping")
                if name not in found:
                    key = f"meter {meter.get('serial')}: mapping"
                    raise ValueError(f"{key}: there is no mapping {name!r}")
                meter = {**meter, "rules": found[name]}
            meters.append(meter)
        return {**data, "meter": meters}

    @model_validator(mode="after")
    def _consistent(self):
        given = [self.password, self.password_file, self.password_env]
        if sum(item is not None for item in given) > 1:
            raise ValueError("password: give one of password, _file and _env")
        if any(given) and self.username is None:
            raise ValueError("username: it goes with the password")
        if (self.ca_file or self.cert_file) and not self.tls:
            raise ValueError("tls: ca_file and cert_file need tls = true")
        if self.key_file and not self.cert_file:
            raise ValueError("cert_file: it goes with key_file")
        return self

    def secret(self) -> str | None:
        """The password, read anew; raises :class:`ValueError` that names the key."""
        key = f"mqtt {self.name}"
        if self.password is not None:
            return self.password.get_secret_value()
        if self.password_env:
            if self.password_env not in os.environ:
                raise ValueError(
                    f"{key}: password_env: {self.password_env} is not in the "
                    "environment"
                )
            return os.environ[self.password_env]
        if self.password_file:
            try:
                return self.password_file.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                raise ValueError(f"{key}: password_file: {error}") from error
        return None
