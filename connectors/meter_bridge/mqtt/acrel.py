"""Acrel's gateways, and their prepaid meter DDSY1352-IOT.

A message is of one meter: ``{"type": "data", "time": "20211124101800", "gwSN": …,
"meterSN": …, "ua": …, "ia": …, "p": …, "pt": 1, "ct": 40, "wh": 8.98}``. Energy (kWh)
and power (kW) are of the secondary side: × ct × pt; currents × ct, voltages × pt. The
time is the gateway's local one.

In FORCESWITCH 1 means on, the opposite of the Modbus register of the same meter. Not
verified on a real device: the field in which it reports its relay (``relay``), and the
units of ``wh`` and ``p``; all are configurable.
"""

import json
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from meter_bridge.codec import DecodeError
from meter_bridge.mqtt import rules, values
from meter_bridge.mqtt.meter import MqttMeter, Outgoing, Report
from meter_bridge.store import Command

_PHASES = {"u": ("v", "pt"), "i": ("i", "ct")}
_PLAIN = {"pf": "pf", "f": "f"}


def ratio(document: dict, name: str) -> Decimal:
    """The transformer ratio in a message, 1 where there is none.

    Raises :class:`DecodeError` for one that is not above 0.
    """
    found = values.number(document.get(name, 1))
    if found <= 0:
        raise DecodeError(f"{name} is not above 0: {found}")
    return found


def read(
    document: Any, energy: Decimal, power: Decimal, relay: str, zone, received: float
) -> Report:
    """What a message says; ``energy`` and ``power`` are the units' factors to kWh and
    kW, ``relay`` is the field of the switch, 1 = on; raises :class:`DecodeError`."""
    document = values.mapping(document)
    ratios = {"ct": ratio(document, "ct"), "pt": ratio(document, "pt")}
    both = ratios["ct"] * ratios["pt"]
    report = Report()
    if document.get("time") is not None:
        stamp = document["time"]
        report.time = values.local_time(stamp, zone, received, "%Y%m%d%H%M%S")
    if document.get("wh") is not None:
        report.register = values.register(document["wh"], both * energy)
    if document.get("p") is not None:
        report.telemetry["p"] = values.quantity(document["p"], both * power)
    for prefix, (letter, name) in _PHASES.items():
        for number, phase in enumerate("abc", 1):
            value = document.get(prefix + phase)
            if value is not None:
                quantity = values.quantity(value, ratios[name])
                report.telemetry[f"{letter}{number}"] = quantity
    for name, key in _PLAIN.items():
        if document.get(key) is not None:
            report.telemetry[name] = values.quantity(document[key])
    if relay and document.get(relay) is not None:
        number = values.number(document[relay])
        report.relay = values.on_off(number, on=1, off=0)
    return report


class AcrelMeter(MqttMeter):
    """``device`` is the meter's ``meterSN``; ``time_zone`` that of the gateway."""

    format: Literal["acrel"]
    topic: str = Field(min_length=1)
    device: str = Field(min_length=1)
    time_zone: rules.Zone | None = None
    energy_unit: Literal["kWh", "Wh", "MWh"] = "kWh"
    power_unit: Literal["kW", "W", "MW"] = "kW"
    relay: str = ""

    def topics(self, client_id: str) -> list[str]:
        """The gateway's topic."""
        return [self.topic]

    @property
    def device_key(self) -> str:
        """The meter's serial number at the gateway."""
        return self.device

    def devices(self, document: Any) -> Iterable[str]:
        """The meter that a message is of."""
        return [str(values.mapping(document).get("meterSN"))]

    def read(self, topic: str, document: Any, status: dict, received: float):
        """See :func:`read`; messages of another type than data say nothing."""
        if values.mapping(document).get("type", "data") != "data":
            return []
        zone = ZoneInfo(self.time_zone) if self.time_zone else None
        energy, power = rules.UNITS[self.energy_unit], rules.UNITS[self.power_unit]
        return [read(document, energy, power, self.relay, zone, received)]


class AcrelPrepaidMeter(AcrelMeter):
    """DDSY1352-IOT: ``gateway`` is the gateway's serial number, ``address`` the
    meter's, ``command_topic`` where the gateway listens."""

    format: Literal["acrel_prepaid"]
    command_topic: str = Field(min_length=1)
    gateway: str = Field(min_length=1)
    address: str = Field(min_length=1)
    meter_name: str = "DDSY1352-IOT"
    relay: str = "do1"

    @property
    def switchable(self) -> bool:
        """It has a relay."""
        return True

    def switch(self, command: Command, client_id: str, now: float) -> Outgoing:
        """FORCESWITCH; 1 means on."""
        on = int(self.closes(command))
        payload = {
            "addr": self.address,
            "do1": on,
            "forceSwitch": on,
            "meterName": self.meter_name,
            "method": "FORCESWITCH",
        }
        frame = {
            "method": "operate",
            "msgid": command.id,
            "sn": self.gateway,
            "timestamp": int(now * 1000),
            "payload": payload,
        }
        return Outgoing(self.command_topic, json.dumps(frame))
