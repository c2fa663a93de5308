"""Any JSON: where register, time, telemetry and relay stand is said by rules.

``[[mqtt.mapping]]`` is written once for a kind of device; its meters name it. In
``topic`` and in the command, ``{device}`` is the meter's ``device``; where the topic
has no ``{device}``, the message names its devices: by the key at which ``*`` stands in
the paths, or by the field that ``device`` points to.
"""

from collections.abc import Iterable
from typing import Any, Literal

from pydantic import Field, model_validator

from meter_bridge.mqtt import rules, values
from meter_bridge.mqtt.meter import MqttMeter, Outgoing, Report
from meter_bridge.store import Command


class Order(rules.Strict):
    """The message that switches: ``{value}`` in the payload becomes ``open`` or
    ``closed``. ``ask_topic`` and ``ask_payload`` make the device tell its state."""

    topic: str = Field(min_length=1)
    payload: str = "{value}"
    open: str = "OFF"
    closed: str = "ON"
    ask_topic: str = ""
    ask_payload: str = ""


class Mapping(rules.Strict):
    """How one kind of device writes its messages."""

    name: str = Field(min_length=1)
    topic: str = Field(min_length=1)
    device: rules.Path | None = None
    register_rule: rules.Quantity | None = Field(default=None, alias="register")
    time: rules.Time | None = None
    telemetry: rules.Telemetry = {}
    relay: rules.RelayState | None = None
    alarms: tuple[rules.Alarm, ...] = ()
    command: Order | None = None

    @model_validator(mode="after")
    def _sensible(self):
        if not self.register_rule and not self.relay and not self.telemetry:
            raise ValueError("neither register nor telemetry nor relay is given")
        if self.command and not self.relay:
            raise ValueError("command needs relay: a switch has to be read back")
        stars = {path for path in self._paths() if rules.DEVICE in rules.steps_of(path)}
        ways = [bool(stars), "{device}" in self.topic, self.device is not None]
        if sum(ways) > 1:
            raise ValueError(
                "the device is named in more than one way: by * in paths, by "
                "{device} in topic, by device"
            )
        return self

    def _paths(self) -> list[str]:
        found = [self.register_rule, self.time, self.relay]
        found += [*self.telemetry.values(), *self.alarms]
        return [rule.path for rule in found if rule]

    @property
    def star(self) -> tuple[rules.Step, ...] | None:
        """The path to the object whose keys are devices, if there is a ``*``."""
        for path in self._paths():
            steps = rules.steps_of(path)
            if rules.DEVICE in steps:
                return steps[: steps.index(rules.DEVICE)]
        return None

    def devices(self, document: Any) -> Iterable[str]:
        """The devices that a message speaks of, where it names them."""
        if self.device:
            return [str(rules.follow(document, rules.steps_of(self.device)))]
        found = rules.follow(document, self.star)
        return values.mapping(found, "the object of devices")

    def read(self, document: Any, device: str, received: float) -> Report:
        """What a message says of ``device``; raises :class:`values.DecodeError`."""
        report = Report()
        if self.time:
            report.time = self.time.moment(document, received, device)
        if self.register_rule:
            report.register = self.register_rule.register(document, device)
        report.telemetry = rules.telemetry(self.telemetry, document, device)
        report.relay = self.relay.state(document, device) if self.relay else None
        report.alarms = rules.alarms(self.alarms, document, device)
        return report


class JsonMeter(MqttMeter):
    """A meter of the ``mapping`` of that name; ``rules`` is put in from there."""

    format: Literal["json"]
    mapping: str
    device: str = ""
    rules: Mapping | None = Field(default=None, exclude=True)

    def _fill(self, text: str) -> str:
        return text.replace("{device}", self.device)

    def topics(self, client_id: str) -> list[str]:
        """The mapping's topic."""
        return [self._fill(self.rules.topic)]

    @property
    def device_key(self) -> str | None:
        """The device's name, where messages name their devices."""
        named = self.rules.device or self.rules.star is not None
        return self.device if named else None

    @property
    def group(self) -> str:
        """The mapping."""
        return f"json {self.mapping}"

    def devices(self, document: Any) -> Iterable[str]:
        """See :meth:`Mapping.devices`."""
        return self.rules.devices(document)

    def read(self, topic: str, document: Any, status: dict, received: float):
        """See :meth:`Mapping.read`."""
        return [self.rules.read(document, self.device, received)]

    @property
    def switchable(self) -> bool:
        """Whether the mapping has a command."""
        return self.rules.command is not None

    def switch(self, command: Command, client_id: str, now: float) -> Outgoing:
        """The command of the mapping, filled in."""
        order = self.rules.command
        value = order.closed if self.closes(command) else order.open
        payload = self._fill(order.payload).replace("{value}", value)
        return Outgoing(self._fill(order.topic), payload)

    def ask(self, client_id: str) -> list[Outgoing]:
        """The question of the mapping, if it has one."""
        order = self.rules.command
        if not order or not order.ask_topic:
            return []
        return [Outgoing(self._fill(order.ask_topic), self._fill(order.ask_payload))]
