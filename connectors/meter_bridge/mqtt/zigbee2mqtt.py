"""Zigbee2MQTT: ``zigbee2mqtt/<name>``, ``…/set`` and ``…/get``.

Energy in kWh, power in W. ``last_seen`` dates the message where it is switched on (ISO
8601 or epoch milliseconds), else the time of receipt does.
"""

import json
from typing import Any, Literal

from pydantic import Field

from meter_bridge.mqtt import values
from meter_bridge.mqtt.meter import MqttMeter, Outgoing, Report
from meter_bridge.mqtt.shelly import MILLI
from meter_bridge.store import Command

_PLAIN = {
    "v1": "voltage",
    "i1": "current",
    "pf": "power_factor",
    "f": "ac_frequency",
    "temperature": "device_temperature",
}


def seen_at(last_seen: Any, received: float) -> int | None:
    """Epoch seconds of ``last_seen``; raises :class:`values.DecodeError`."""
    if last_seen is None:
        return None
    if isinstance(last_seen, str):
        return values.local_time(last_seen, None, received)
    return values.seconds(last_seen, 1000)


def read(document: Any, state_key: str, energy_key: str, received: float) -> Report:
    """What a message says; raises :class:`values.DecodeError`."""
    document = values.mapping(document)
    report = Report(time=seen_at(document.get("last_seen"), received))
    if document.get(energy_key) is not None:
        report.register = values.register(document[energy_key])
    if document.get("power") is not None:
        report.telemetry["p"] = values.quantity(document["power"], MILLI)
    for name, key in _PLAIN.items():
        if document.get(key) is not None:
            report.telemetry[name] = values.quantity(document[key])
    if state_key:
        report.relay = values.on_off(document.get(state_key))
    return report


class Zigbee2MqttMeter(MqttMeter):
    """``topic`` is base topic and friendly name; ``relay`` is the key of the state,
    ``state_l1`` and so on for devices with several."""

    format: Literal["zigbee2mqtt"]
    topic: str = Field(min_length=1)
    energy: str = "energy"
    relay: str = Field(default="state", pattern=r"^(state(_\w+)?)?$")

    def topics(self, client_id: str) -> list[str]:
        """The device's own topic."""
        return [self.topic]

    def read(self, topic: str, document: Any, status: dict, received: float):
        """See :func:`read`."""
        return [read(document, self.relay, self.energy, received)]

    @property
    def switchable(self) -> bool:
        """Whether it has a relay."""
        return bool(self.relay)

    def switch(self, command: Command, client_id: str, now: float) -> Outgoing:
        """``ON`` or ``OFF`` for the state's key."""
        payload = {self.relay: "ON" if self.closes(command) else "OFF"}
        return Outgoing(f"{self.topic}/set", json.dumps(payload))

    def ask(self, client_id: str) -> list[Outgoing]:
        """Ask the device for state and energy."""
        keys = [key for key in (self.relay, self.energy) if key]
        return [Outgoing(f"{self.topic}/get", json.dumps(dict.fromkeys(keys, "")))]
