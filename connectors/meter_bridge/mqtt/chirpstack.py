"""LoRaWAN by ChirpStack v4: uplinks, acknowledgements, downlinks, as JSON.

``application/<id>/device/<eui>/event/up`` carries the decoded ``object``; ``time`` is
when the gateway received it. A downlink waits in the network server until the node
listens. ``txack`` (a gateway took it) proves nothing and is not even subscribed to; an
``ack`` is noted; what counts is the relay field of a later uplink.
"""

import base64
import json
import uuid
from datetime import UTC, datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from meter_bridge.codec import DecodeError
from meter_bridge.mqtt import rules, values
from meter_bridge.mqtt.meter import MqttMeter, Outgoing, Report
from meter_bridge.store import Command

# the id of a command's downlink is derived, so that it is known after a restart
_DOWNLINKS = uuid.UUID("5f0d1c6e-6f0e-4b1f-9a52-0f3f0f6b7c11")


def downlink_id(command_id: str) -> str:
    """The id of the downlink that executes a command."""
    return str(uuid.uuid5(_DOWNLINKS, command_id))


def decoded(document: Any) -> Any:
    """The decoded object of an uplink; raises :class:`DecodeError`."""
    found = values.mapping(document).get("object")
    if not isinstance(found, dict):
        raise DecodeError("no decoded object: the device profile has no codec")
    return found


def acknowledgement(document: Any) -> str:
    """What an ``ack`` event says; raises :class:`DecodeError`."""
    document = values.mapping(document)
    said = "acknowledged" if document.get("acknowledged") else "did not acknowledge"
    return f"the node {said} downlink {str(document.get('queueItemId'))[:36]}"


class Downlink(rules.Strict):
    """The bytes (hexadecimal) that open and close the relay, and their port."""

    f_port: int = Field(ge=1, le=223)
    open: str
    closed: str

    @field_validator("open", "closed")
    @classmethod
    def _hexadecimal(cls, text: str) -> str:
        bytes.fromhex(text)
        return text


class ChirpStackMeter(MqttMeter):
    """``application`` and ``device`` as ChirpStack shows them. Paths begin at the
    decoded object. The relay is given an hour: a node listens when it has spoken."""

    format: Literal["chirpstack"]
    application: str = Field(pattern=r"^[0-9a-fA-F-]+$")
    device: str = Field(pattern=r"^[0-9a-fA-F]{16}$")
    register_rule: rules.Quantity = Field(
        default=rules.Quantity(path="$.energy", unit="kWh"), alias="register"
    )
    telemetry: rules.Telemetry = {}
    relay: rules.RelayState | None = None
    alarms: tuple[rules.Alarm, ...] = ()
    downlink: Downlink | None = None
    verify_for: float = Field(default=3600, gt=0)

    def _topic(self, what: str) -> str:
        return f"application/{self.application}/device/{self.device.lower()}/{what}"

    def topics(self, client_id: str) -> list[str]:
        """Uplinks, and acknowledgements where there are downlinks."""
        events = ["event/up", "event/ack"] if self.switchable else ["event/up"]
        return [self._topic(event) for event in events]

    def identity(self, document: Any) -> bytes | None:
        """ChirpStack's own id of a deduplicated uplink."""
        found = values.mapping(document).get("deduplicationId")
        return found.encode() if isinstance(found, str) and found else None

    def read(self, topic: str, document: Any, status: dict, received: float):
        """An uplink, or the note of an acknowledgement."""
        if topic.endswith("/ack"):
            return [Report(note=acknowledgement(document))]
        found = decoded(document)
        report = Report()
        if document.get("time") is not None:
            report.time = values.local_time(document["time"], None, received)
        report.register = self.register_rule.register(found)
        report.telemetry = rules.telemetry(self.telemetry, found)
        report.relay = self.relay.state(found) if self.relay else None
        report.alarms = rules.alarms(self.alarms, found)
        return [report]

    @property
    def switchable(self) -> bool:
        """Whether there are bytes for it, and a field in which to see it."""
        return self.downlink is not None and self.relay is not None

    def switch(self, command: Command, client_id: str, now: float) -> Outgoing:
        """A confirmed downlink that expires with its command."""
        data = self.downlink.closed if self.closes(command) else self.downlink.open
        frame = {
            "id": downlink_id(command.id),
            "devEui": self.device.lower(),
            "confirmed": True,
            "fPort": self.downlink.f_port,
            "data": base64.b64encode(bytes.fromhex(data)).decode(),
        }
        if command.expires_at is not None:
            moment = datetime.fromtimestamp(command.expires_at, UTC)
            frame["expiresAt"] = moment.isoformat().replace("+00:00", "Z")
        return Outgoing(self._topic("command/down"), json.dumps(frame))
