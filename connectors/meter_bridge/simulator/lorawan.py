"""A LoRaWAN node, and what ChirpStack v4's MQTT integration makes of it.

A node of class A listens when it has just spoken: a downlink waits in ChirpStack's
queue until then, and the next uplink is the first that tells of it, and acknowledges
it when it was confirmed. One of class C hears at once. Downlink 00 opens, 01 closes.
"""

import base64
import json
import struct
import uuid
from datetime import UTC, datetime

from meter_bridge.simulator.mqtt_device import Device

# ids of the simulated tenant, profile and gateway; any will do
_NAMES = uuid.UUID("3c1c9c2f-24fb-4a75-9b8c-0a6c2a0e6f55")
GATEWAY_EUI = "0016c001f153a14c"


def _id(what: str) -> str:
    return str(uuid.uuid5(_NAMES, what))


class ChirpStackNode(Device):
    """One node."""

    def __init__(self, *args):
        super().__init__(*args)
        self._queue: list[dict] = []
        self._to_acknowledge: list[dict] = []
        self._frames, self._exchanges = -1, 0

    def _topic(self, what: str) -> str:
        place = f"application/{self.broker.application}/device"
        return f"{place}/{self.config.topic.lower()}/{what}"

    @property
    def command_topics(self) -> list[str]:
        """ChirpStack's queue of the device."""
        return [self._topic("command/down")]

    def _event(self) -> dict:
        """What all events begin with."""
        now = datetime.fromtimestamp(self.now(), UTC).isoformat()
        info = {
            "tenantId": _id("tenant"),
            "tenantName": "Plant",
            "applicationId": self.broker.application,
            "applicationName": self.broker.name,
            "deviceProfileId": _id("profile"),
            "deviceProfileName": "Simulated meter",
            "deviceName": self.config.serial,
            "devEui": self.config.topic.lower(),
            "deviceClassEnabled": f"CLASS_{self.config.node_class}",
            "tags": {},
        }
        return {
            "deduplicationId": str(uuid.uuid4()),
            "time": now.replace("+00:00", "Z"),
            "deviceInfo": info,
        }

    def _uplink(self) -> dict:
        relay = int(self.meter.relay == "closed")
        power = round(self.meter.power, 3)
        raw = struct.pack(">QBf", self.watt_hours, relay, power)
        event = self._event()
        radio = {"gatewayId": GATEWAY_EUI, "uplinkId": self._frames, "rssi": -87}
        radio.update({"nsTime": event["time"], "snr": 7.5, "crcStatus": "CRC_OK"})
        lora = {"bandwidth": 125000, "spreadingFactor": 7, "codeRate": "CR_4_5"}
        return {
            **event,
            "devAddr": _id(self.config.topic)[:8],
            "adr": True,
            "dr": 5,
            "fCnt": self._frames,
            "fPort": self.config.f_port,
            "confirmed": self.config.confirmed,
            "data": base64.b64encode(raw).decode(),
            "object": {"energy": self.watt_hours, "relay": relay, "power": power},
            "rxInfo": [radio],
            "txInfo": {"frequency": 868300000, "modulation": {"lora": lora}},
        }

    def speak(self) -> None:
        """An uplink; then what waits in the queue reaches the node."""
        if self._exchanges != self.meter.exchanges:  # a new node has joined
            self._exchanges, self._frames = self.meter.exchanges, -1
            self._to_acknowledge.clear()
        self._frames += 1
        faults = self.meter.faults
        if faults.silent or faults.crc:
            return
        self.say(self._topic("event/up"), self._uplink())
        for item in self._to_acknowledge:
            answer = {"queueItemId": item["id"], "acknowledged": True}
            answer["fCntDown"] = self._frames
            self.say(self._topic("event/ack"), {**self._event(), **answer})
        self._to_acknowledge.clear()
        self._send_down()

    def _send_down(self) -> None:
        now = datetime.now(UTC)
        while self._queue:
            item = self._queue.pop(0)
            expires = item.get("expiresAt")
            if expires is not None and datetime.fromisoformat(expires) <= now:
                continue
            self._receive(item)
            return

    def _receive(self, item: dict) -> None:
        answer = {"downlinkId": len(self.meter.writes), "queueItemId": item["id"]}
        answer.update({"fCntDown": self._frames, "gatewayId": GATEWAY_EUI})
        self.say(self._topic("event/txack"), {**self._event(), **answer})
        order = {b"\0": "open", b"\1": "closed"}.get(base64.b64decode(item["data"]))
        if order:
            self.meter.switch(order)
        if item.get("confirmed"):
            self._to_acknowledge.append(item)

    def obey(self, topic: str, payload: bytes) -> None:
        """Put a downlink into the queue, as ChirpStack does: for the right node, and
        with a port."""
        item = json.loads(payload)
        if item["devEui"].lower() != self.config.topic.lower():
            raise ValueError("another node's")
        if not 1 <= int(item["fPort"]) <= 223:
            raise ValueError("no port of an application")
        item.setdefault("id", str(uuid.uuid4()))
        self._queue.append(item)
        if self.config.node_class == "C":
            self._send_down()
