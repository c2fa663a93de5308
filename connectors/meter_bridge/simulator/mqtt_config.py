"""The ``[[mqtt]]`` tables of the plant file."""

import re
from typing import Literal

from pydantic import Field, field_validator

from meter_bridge.simulator.load_config import LoadConfig, Strict

APPLICATION = "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"


class MqttMeterConfig(LoadConfig):
    """One device. ``topic`` is its MQTT prefix, or a LoRaWAN node's device EUI.

    The register begins anew at ``rollover_kwh``. ``node_class``, ``f_port`` and
    ``confirmed`` (uplinks) are a LoRaWAN node's.
    """

    kind: Literal["shelly", "tasmota", "chirpstack"]
    topic: str = Field(min_length=1)
    rollover_kwh: float = Field(default=1_000_000, gt=0)
    node_class: Literal["A", "C"] = "A"
    f_port: int = Field(default=2, ge=1, le=223)
    confirmed: bool = False


class BrokerConfig(Strict):
    """A broker that runs already, and its devices; ``interval`` in seconds.

    ``proxy_port``: the broker can be reached here as well, until it is ``down``.
    """

    name: str = Field(min_length=1)
    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65535)
    proxy_host: str = "127.0.0.1"
    proxy_port: int | None = Field(default=None, ge=0, le=65535)
    client_id: str = "plant"
    interval: float = Field(default=10, gt=0)
    application: str = APPLICATION
    meters: list[MqttMeterConfig] = Field(alias="meter", min_length=1)

    @field_validator("application")
    @classmethod
    def _an_id(cls, text: str) -> str:
        if not re.fullmatch(r"[0-9a-fA-F-]+", text):
            raise ValueError("an application id is hexadecimal, with dashes")
        return text
