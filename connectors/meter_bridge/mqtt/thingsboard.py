"""Gateway telemetry of ThingsBoard: ``{"Device A": [{"ts": …, "values": {…}}]}``.

``ts`` is in epoch milliseconds UTC; entries without it are dated by their receipt. The
paths of register, telemetry and relay begin at ``values``.
"""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field

from meter_bridge.codec import DecodeError
from meter_bridge.mqtt import rules, values
from meter_bridge.mqtt.meter import MqttMeter, Report


def entries(document: Any, device: str) -> list[tuple[int | None, Any]]:
    """Time (epoch seconds) and values of each entry of ``device``, in their order.

    Raises :class:`DecodeError`.
    """
    found = values.mapping(document).get(device)
    if found is None:
        return []
    if not isinstance(found, list):
        raise DecodeError("a device's telemetry is not a list")
    result = []
    for entry in found:
        entry = values.mapping(entry, "an entry")
        stamp = entry.get("ts")
        moment = None if stamp is None else values.seconds(stamp, 1000)
        result.append((moment, entry.get("values", entry)))
    return result


class ThingsBoardMeter(MqttMeter):
    """``device`` is the device's name in the gateway's messages."""

    format: Literal["thingsboard"]
    device: str = Field(min_length=1)
    topic: str = "v1/gateway/telemetry"
    register_rule: rules.Quantity = Field(
        default=rules.Quantity(path="$.energy", unit="kWh"), alias="register"
    )
    telemetry: rules.Telemetry = {}
    relay: rules.RelayState | None = None

    def topics(self, client_id: str) -> list[str]:
        """The gateway's topic."""
        return [self.topic]

    @property
    def device_key(self) -> str:
        """The device's name."""
        return self.device

    def devices(self, document: Any) -> Iterable[str]:
        """The names in a message."""
        return values.mapping(document)

    def read(self, topic: str, document: Any, status: dict, received: float):
        """One report an entry."""
        reports = []
        for moment, found in entries(document, self.device):
            report = Report(time=moment, register=self.register_rule.register(found))
            report.telemetry = rules.telemetry(self.telemetry, found)
            report.relay = self.relay.state(found) if self.relay else None
            reports.append(report)
        return reports
