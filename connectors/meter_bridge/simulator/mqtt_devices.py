"""Simulated devices behind a real broker: Shelly, Tasmota, and LoRaWAN by ChirpStack.

Each speaks every ``interval`` seconds, obeys its command topic, and its relay stops the
flow in the plant. A LoRaWAN node is of class A: a downlink reaches it when it has just
spoken, so that its next uplink is the first that tells of it.
"""

import asyncio
import base64
import json
import time
import uuid
from datetime import UTC, datetime

from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5

from meter_bridge.simulator.mqtt_config import BrokerConfig, MqttMeterConfig
from meter_bridge.simulator.plant import Plant, SimMeter

APPLICATION = "52f14cd4-c6f1-4fbd-8f87-4025e1d49242"


class Device:
    """One device; ``publish(topic, payload)`` sends for it."""

    def __init__(self, config: MqttMeterConfig, meter: SimMeter, publish):
        self.config, self.meter, self._publish = config, meter, publish

    @property
    def command_topics(self) -> list[str]:
        """Where it listens."""
        raise NotImplementedError

    def speak(self) -> None:
        """Publish its registers and its relay."""
        raise NotImplementedError

    def obey(self, topic: str, payload: bytes) -> None:
        """Do what a message says."""
        raise NotImplementedError

    def say(self, topic: str, document) -> None:
        """Publish, unless it is silent."""
        if not self.meter.faults.silent:
            text = document if isinstance(document, str) else json.dumps(document)
            self._publish(topic, text)

    @property
    def watt_hours(self) -> int:
        """The register, in whole Wh."""
        return round(float(self.meter.register()) * 1000)


class Shelly(Device):
    """A Gen2 or Gen3 switch with power metering, ``switch:0``."""

    @property
    def command_topics(self) -> list[str]:
        """Its RPC topic."""
        return [f"{self.config.topic}/rpc"]

    def _status(self) -> dict:
        power = round(self.meter.power * 1000, 1)
        return {
            "id": 0,
            "output": self.meter.relay == "closed",
            "apower": power,
            "voltage": 230.0,
            "aenergy": {"total": float(self.watt_hours)},
        }

    def speak(self) -> None:
        """A full notification."""
        self._notify({"switch:0": self._status()})

    def _notify(self, components: dict) -> None:
        params = {"ts": round(time.time(), 2), **components}
        frame = {"src": self.config.topic, "dst": f"{self.config.topic}/events"}
        frame.update({"method": "NotifyStatus", "params": params})
        self.say(f"{self.config.topic}/events/rpc", frame)

    def obey(self, topic: str, payload: bytes) -> None:
        """``Switch.Set`` and ``Shelly.GetStatus``."""
        call = json.loads(payload)
        answer = {"id": call["id"], "src": self.config.topic, "dst": call["src"]}
        if call["method"] == "Switch.Set":
            was_on = self.meter.relay == "closed"
            self.meter.switch("closed" if call["params"]["on"] else "open")
            answer["result"] = {"was_on": was_on}
            self.say(f"{call['src']}/rpc", answer)
            on = self.meter.relay == "closed"
            self._notify({"switch:0": {"id": 0, "output": on}})
        elif call["method"] == "Shelly.GetStatus":
            sys = {"unixtime": int(time.time())}
            answer["result"] = {"switch:0": self._status(), "sys": sys}
            self.say(f"{call['src']}/rpc", answer)


class Tasmota(Device):
    """A plug with Tasmota: local time without zone, ``POWER``."""

    @property
    def command_topics(self) -> list[str]:
        """All its commands."""
        return [f"cmnd/{self.config.topic}/+"]

    def _sensor(self) -> dict:
        power = round(self.meter.power * 1000)
        energy = {"Total": self.watt_hours / 1000, "Power": power, "Voltage": 230}
        now = datetime.now().isoformat(timespec="seconds")
        return {"Time": now, "ENERGY": energy}

    @property
    def _power(self) -> str:
        return "ON" if self.meter.relay == "closed" else "OFF"

    def speak(self) -> None:
        """SENSOR and STATE."""
        sensor = self._sensor()
        self.say(f"tele/{self.config.topic}/SENSOR", sensor)
        state = {"Time": sensor["Time"], "POWER": self._power}
        self.say(f"tele/{self.config.topic}/STATE", state)

    def obey(self, topic: str, payload: bytes) -> None:
        """``POWER`` with or without a value, and ``STATUS 10``."""
        name = topic.rpartition("/")[2]
        if name == "POWER":
            if payload in (b"ON", b"OFF"):
                self.meter.switch("closed" if payload == b"ON" else "open")
            self.say(f"stat/{self.config.topic}/RESULT", {"POWER": self._power})
            self.say(f"stat/{self.config.topic}/POWER", self._power)
        elif name == "STATUS" and payload == b"10":
            answer = {"StatusSNS": self._sensor()}
            self.say(f"stat/{self.config.topic}/STATUS10", answer)


class ChirpStackNode(Device):
    """A class A node, and what ChirpStack makes of it. Downlink 00 opens, 01 closes."""

    def __init__(self, *args):
        super().__init__(*args)
        self._queue: list[dict] = []
        self._frames = 0

    def _topic(self, what: str) -> str:
        return f"application/{APPLICATION}/device/{self.config.topic}/{what}"

    @property
    def command_topics(self) -> list[str]:
        """ChirpStack's queue of the device."""
        return [self._topic("command/down")]

    def _event(self) -> dict:
        now = datetime.now(UTC).isoformat().replace("+00:00", "Z")
        info = {"devEui": self.config.topic, "deviceName": self.config.serial}
        identity = str(uuid.uuid4())
        return {"deduplicationId": identity, "time": now, "deviceInfo": info}

    def speak(self) -> None:
        """An uplink; then a waiting downlink is received and acknowledged."""
        self._frames += 1
        relay = int(self.meter.relay == "closed")
        found = {"energy": self.watt_hours, "relay": relay, "power": self.meter.power}
        uplink = {**self._event(), "fCnt": self._frames, "fPort": 2, "object": found}
        self.say(self._topic("event/up"), uplink)
        now = datetime.now(UTC)
        while self._queue and not self.meter.faults.silent:
            item = self._queue.pop(0)
            expires = item.get("expiresAt")
            if expires is None or datetime.fromisoformat(expires) > now:
                self._receive(item)
                return

    def _receive(self, item: dict) -> None:
        data = base64.b64decode(item["data"])
        self.meter.switch("closed" if data == b"\1" else "open")
        answer = {"queueItemId": item["id"], "acknowledged": True}
        self.say(self._topic("event/ack"), {**self._event(), **answer})

    def obey(self, topic: str, payload: bytes) -> None:
        """Queue a downlink, and tell that a gateway took it."""
        item = json.loads(payload)
        self._queue.append(item)
        answer = {**self._event(), "queueItemId": item["id"]}
        self.say(self._topic("event/txack"), answer)


KINDS = {"shelly": Shelly, "tasmota": Tasmota, "chirpstack": ChirpStackNode}


class MqttDevices:
    """All devices of one broker, over one connection."""

    def __init__(self, config: BrokerConfig, plant: Plant):
        self.config = config
        self.devices = [
            KINDS[item.kind](item, plant.meters[item.serial], self._publish)
            for item in config.meters
        ]
        self._speaking: list[asyncio.Task] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = Client(
            CallbackAPIVersion.VERSION2, config.client_id, protocol=MQTTv5
        )
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 5)

    def _publish(self, topic: str, text: str) -> None:
        self._client.publish(topic, text, qos=1)

    def _on_connect(self, client, *_) -> None:
        topics = [topic for item in self.devices for topic in item.command_topics]
        client.subscribe([(topic, 0) for topic in topics])

    def _on_message(self, _client, _userdata, message) -> None:
        arguments = message.topic, bytes(message.payload)
        self._loop.call_soon_threadsafe(self._obey, *arguments)

    def _obey(self, topic: str, payload: bytes) -> None:
        for item in self.devices:
            heard = (pattern.replace("/+", "/") for pattern in item.command_topics)
            if item.meter.faults.silent or not any(map(topic.startswith, heard)):
                continue
            try:
                item.obey(topic, payload)
            except (ValueError, KeyError, TypeError):
                pass  # a device does not die of a wrong message

    async def start(self) -> None:
        """Connect (for ever, if need be) and let the devices speak."""
        self._loop = asyncio.get_running_loop()
        self._client.connect_async(self.config.host, self.config.port)
        self._client.loop_start()
        self._speaking = [asyncio.create_task(self._speak(d)) for d in self.devices]

    async def _speak(self, device: Device) -> None:
        while True:
            await asyncio.sleep(self.config.interval)
            if self._client.is_connected():
                device.speak()

    async def stop(self) -> None:
        """Let them fall silent."""
        for task in self._speaking:
            task.cancel()
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
