"""What all simulated devices behind a broker have in common."""

import json
import time
from collections.abc import Callable

from meter_bridge.simulator.mqtt_config import BrokerConfig, MqttMeterConfig
from meter_bridge.simulator.plant import SimMeter


class Device:
    """One device; ``publish(topic, text, wait)`` sends for it, ``wait`` in seconds."""

    def __init__(
        self,
        config: MqttMeterConfig,
        broker: BrokerConfig,
        meter: SimMeter,
        publish: Callable[[str, str, float], None],
    ):
        self.config, self.broker = config, broker
        self.meter, self._publish = meter, publish

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
        """Publish, as well as its faults let it."""
        faults = self.meter.faults
        if faults.silent:
            return
        text = document if isinstance(document, str) else json.dumps(document)
        if faults.wrong_id:
            topic = topic.replace(self.config.topic, self._other_id())
        if faults.truncated:
            text = text[: len(text) // 2]
        for _ in range(1 + faults.repeated):
            self._publish(topic, text, faults.late)

    def _other_id(self) -> str:
        """An id of the same form that no numbered neighbour has."""
        mine = self.config.topic
        return ("e" if mine[0] == "f" else "f") + mine[1:]

    def now(self) -> float:
        """Its own clock, in epoch seconds."""
        return time.time() + self.meter.faults.clock

    @property
    def watt_hours(self) -> int:
        """The register, in whole Wh."""
        return round(float(self.meter.register()) * 1000)
