"""Simulated devices behind a real broker: Shelly, Tasmota, and LoRaWAN by ChirpStack.

Each speaks every ``interval`` seconds, obeys its command topic, and its relay stops the
flow in the plant.
"""

import asyncio
import json
from datetime import datetime

from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5

from meter_bridge.simulator.gate import BrokerGate
from meter_bridge.simulator.lorawan import ChirpStackNode
from meter_bridge.simulator.mqtt_config import BrokerConfig
from meter_bridge.simulator.mqtt_device import Device
from meter_bridge.simulator.plant import Plant


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
        params = {"ts": round(self.now(), 2), **components}
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
            sys = {"unixtime": int(self.now())}
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
        now = datetime.fromtimestamp(self.now()).isoformat(timespec="seconds")
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


KINDS = {"shelly": Shelly, "tasmota": Tasmota, "chirpstack": ChirpStackNode}


class MqttDevices:
    """All devices of one broker, over one connection."""

    def __init__(self, config: BrokerConfig, plant: Plant):
        self.config = config
        self.devices = [
            KINDS[item.kind](item, config, plant.meters[item.serial], self._publish)
            for item in config.meters
        ]
        self.gate = BrokerGate(config) if config.proxy_port is not None else None
        self.down = False
        self._listeners: dict[str, list[Device]] = {}
        for device in self.devices:
            for topic in device.command_topics:
                self._listeners.setdefault(topic, []).append(device)
        self._speaking: list[asyncio.Task] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client = Client(
            CallbackAPIVersion.VERSION2, config.client_id, protocol=MQTTv5
        )
        self._client.on_connect = self._on_connect
        self._client.on_message = self._on_message
        self._client.reconnect_delay_set(1, 5)

    def _publish(self, topic: str, text: str, wait: float) -> None:
        if wait:
            self._loop.call_later(wait, self._publish, topic, text, 0)
        elif self._client.is_connected():
            self._client.publish(topic, text, qos=1)

    def _on_connect(self, client, *_) -> None:
        topics = [topic for item in self.devices for topic in item.command_topics]
        for begin in range(0, len(topics), 100):
            client.subscribe([(topic, 0) for topic in topics[begin : begin + 100]])

    def _on_message(self, _client, _userdata, message) -> None:
        arguments = message.topic, bytes(message.payload)
        self._loop.call_soon_threadsafe(self._obey, *arguments)

    def _obey(self, topic: str, payload: bytes) -> None:
        for item in self._listeners.get(topic, ()) or self._listeners_below(topic):
            if item.meter.faults.silent:
                continue
            try:
                item.obey(topic, payload)
            except (ValueError, KeyError, TypeError):
                pass  # a device does not die of a wrong message

    def _listeners_below(self, topic: str) -> list[Device]:
        return self._listeners.get(topic.rpartition("/")[0] + "/+", [])

    async def start(self) -> None:
        """Connect (for ever, if need be) and let the devices speak."""
        self._loop = asyncio.get_running_loop()
        if self.gate:
            await self.gate.open()
        self._connect()
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
        await self.set_down(True)

    def _connect(self) -> None:
        self._client.connect_async(self.config.host, self.config.port)
        self._client.loop_start()

    async def set_down(self, down: bool) -> None:
        """The devices, and whoever comes by the gate, lose the broker or have it back.

        What a device says meanwhile is lost, as it is with a device.
        """
        self.down = down
        if not down:
            if self.gate:
                await self.gate.open()
            self._connect()
            return
        if self.gate:
            await self.gate.shut()
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)
