"""Tasmota: ``tele/<t>/SENSOR`` and ``STATE``, ``stat/<t>/…``, ``cmnd/<t>/…``.

Energies in kWh, powers in W. Its time is local and usually has no zone: without
``time_zone`` the time of receipt counts.
"""

from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from meter_bridge.codec import DecodeError
from meter_bridge.mqtt import values
from meter_bridge.mqtt.meter import MqttMeter, Outgoing, Report
from meter_bridge.mqtt.rules import Zone
from meter_bridge.mqtt.shelly import MILLI
from meter_bridge.store import Command

_ONE = {"pf": "Factor", "f": "Frequency"}
_PHASES = {"v": "Voltage", "i": "Current"}


def _one(value: Any, channel: int | None) -> Any:
    """One value of a quantity that devices with channels give as a list."""
    if not isinstance(value, list):
        return value
    if channel is None:
        raise DecodeError("the device has several channels: channel is not configured")
    if channel >= len(value):
        raise DecodeError(f"the device has no channel {channel}")
    return value[channel]


def energy(sensor: Any, channel: int | None = None) -> Report:
    """Register and telemetry of an ``ENERGY`` object; ``channel`` counts from 0.

    Raises :class:`DecodeError`.
    """
    report = Report()
    sensor = values.mapping(sensor, "ENERGY")
    if sensor.get("Total") is not None:
        report.register = values.register(_one(sensor["Total"], channel))
    power = sensor.get("Power")
    if isinstance(power, list) and channel is None:
        power = sum(values.number(item) for item in power)
    if power is not None:
        report.telemetry["p"] = values.quantity(_one(power, channel), MILLI)
    for name, key in _ONE.items():
        value = sensor.get(key)
        if value is not None and not (isinstance(value, list) and channel is None):
            report.telemetry[name] = values.quantity(_one(value, channel))
    for letter, key in _PHASES.items():
        value = sensor.get(key)
        phases = value if isinstance(value, list) and channel is None else [value]
        for number, item in enumerate(phases[:3], 1):
            if item is not None:
                item = _one(item, channel)
                report.telemetry[f"{letter}{number}"] = values.quantity(item)
    return report


def read(document: Any, relay: str, channel, zone, received: float) -> list[Report]:
    """What a message says: ``ENERGY`` of SENSOR and STATUS10, and the relay named
    ``relay`` (``POWER``, ``POWER2``); raises :class:`DecodeError`."""
    document = values.mapping(document)
    document = document.get("StatusSNS", document)
    document = values.mapping(document, "StatusSNS")
    report = Report()
    if "ENERGY" in document:
        report = energy(document["ENERGY"], channel)
    if relay and relay in document:
        report.relay = values.on_off(document[relay])
    if report == Report():
        return []
    if "Time" in document:
        report.time = values.local_time(document["Time"], zone, received)
    return [report]


class TasmotaMeter(MqttMeter):
    """``topic`` is the device's topic; ``full_topic`` as it is set in the device."""

    format: Literal["tasmota"]
    topic: str = Field(min_length=1)
    full_topic: str = Field(default="%prefix%/%topic%/", pattern="%prefix%")
    relay: str = Field(default="POWER", pattern=r"^(POWER[1-8]?)?$")
    channel: int | None = Field(default=None, ge=0, le=7)
    time_zone: Zone | None = None

    def _topic(self, prefix: str, name: str) -> str:
        place = self.full_topic.replace("%prefix%", prefix)
        return place.replace("%topic%", self.topic).rstrip("/") + "/" + name

    def topics(self, client_id: str) -> list[str]:
        """Telemetry, the answer to a status call, and the relay."""
        names = [("tele", "SENSOR"), ("tele", "STATE"), ("stat", "STATUS10")]
        if self.relay:
            names.append(("stat", self.relay))
        return [self._topic(*name) for name in names]

    def parse(self, topic: str, payload: bytes) -> Any:
        """A relay's topic has plain text, the others JSON."""
        if self.relay and topic == self._topic("stat", self.relay):
            return {self.relay: payload.decode("ascii", "replace")}
        return values.parse_json(payload)

    def read(self, topic: str, document: Any, status: dict, received: float):
        """See :func:`read`."""
        zone = ZoneInfo(self.time_zone) if self.time_zone else None
        return read(document, self.relay, self.channel, zone, received)

    @property
    def switchable(self) -> bool:
        """Whether it has a relay."""
        return bool(self.relay)

    def switch(self, command: Command, client_id: str, now: float) -> Outgoing:
        """``ON`` or ``OFF``."""
        payload = "ON" if self.closes(command) else "OFF"
        return Outgoing(self._topic("cmnd", self.relay), payload)

    def ask(self, client_id: str) -> list[Outgoing]:
        """Ask for the energy, and for the relay by a command without a value."""
        asked = [Outgoing(self._topic("cmnd", "STATUS"), "10")]
        if self.relay:
            asked.append(Outgoing(self._topic("cmnd", self.relay), ""))
        return asked
