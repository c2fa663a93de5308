"""The ``[[mqtt]]`` tables of the plant file."""

from typing import Literal

from pydantic import Field

from meter_bridge.simulator.load_config import LoadConfig, Strict


class MqttMeterConfig(LoadConfig):
    """One device. ``topic`` is its MQTT prefix, or a LoRaWAN node's device EUI."""

    kind: Literal["shelly", "tasmota", "chirpstack"]
    topic: str = Field(min_length=1)


class BrokerConfig(Strict):
    """A broker that runs already, and its devices; ``interval`` in seconds."""

    name: str
    host: str = "127.0.0.1"
    port: int = Field(default=1883, ge=1, le=65535)
    client_id: str = "plant"
    interval: float = Field(default=10, gt=0)
    meters: list[MqttMeterConfig] = Field(alias="meter", min_length=1)
