"""Messages to polls: which meters a topic speaks of, and what it says of each."""

import base64
import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from paho.mqtt.client import topic_matches_sub

from meter_bridge.codec import DecodeError
from meter_bridge.mqtt.meter import MqttMeter, Report
from meter_bridge.store import Letter, Poll

log = structlog.get_logger(__name__)
KIND = "mqtt"  # of dead letters


@dataclass(frozen=True, slots=True)
class Message:
    """A message as it came in; ``received`` in epoch seconds UTC.

    ``connection`` counts the connections: an acknowledgement belongs to one of them.
    """

    topic: str
    payload: bytes
    received: float
    mid: int = 0
    qos: int = 0
    dup: bool = False
    connection: int = 0


@dataclass(frozen=True)
class State:
    """What is remembered of a meter between messages."""

    status: dict = field(default_factory=dict)
    telemetry_at: int = 0  # epoch seconds of the last that was kept
    alarms: frozenset[str] = frozenset()


@dataclass
class Decoded:
    """What one message brought."""

    digest: bytes
    unique: bool = False  # the digest alone tells that it is a repetition
    claimed: bool = True  # it speaks of a known meter
    polls: list[Poll] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)  # serial, text
    letters: list[Letter] = field(default_factory=list)


class _Group:
    """The meters of one topic whose messages are read alike."""

    def __init__(self, sample: MqttMeter):
        self.sample = sample
        self.shared = sample.device_key is not None
        self.by_device: dict[str | None, list[MqttMeter]] = {}

    def meters(self, document: Any) -> Iterable[MqttMeter]:
        """The meters that ``document`` speaks of; raises :class:`DecodeError`."""
        if not self.shared:
            return self.by_device[None]
        keys = self.sample.devices(document)
        return [meter for key in keys for meter in self.by_device.get(key, ())]


class Decoder:
    """Decodes the messages for ``meters``; no input makes it raise.

    ``states`` is what it remembers; :meth:`decode` returns changes in the dictionary
    it is given, so that a commit that fails changes nothing.
    """

    def __init__(self, meters: Iterable[MqttMeter], client_id: str, telemetry_s=60.0):
        self.states: dict[str, State] = {}
        self._telemetry_s = telemetry_s
        self._exact: dict[str, dict[str, _Group]] = {}
        self._wild: dict[str, dict[str, _Group]] = {}
        for meter in meters:
            for topic in meter.topics(client_id):
                wild = "+" in topic or "#" in topic
                groups = (self._wild if wild else self._exact).setdefault(topic, {})
                group = groups.setdefault(meter.group, _Group(meter))
                group.by_device.setdefault(meter.device_key, []).append(meter)

    @property
    def topics(self) -> list[str]:
        """The topic filters to subscribe to."""
        return [*self._exact, *self._wild]

    def knows(self, topic: str) -> bool:
        """Whether a meter is heard on ``topic``."""
        return bool(self._groups(topic))

    def meters(self, topic: str) -> list[MqttMeter]:
        """The meters that are heard on ``topic``."""
        found = [group.by_device.values() for group in self._groups(topic)]
        return [meter for lists in found for meters in lists for meter in meters]

    def _groups(self, topic: str) -> list[_Group]:
        found = list(self._exact.get(topic, {}).values())
        for pattern, groups in self._wild.items():
            if topic_matches_sub(pattern, topic):
                found += groups.values()
        return found

    def decode(self, message: Message, changes: dict[str, State]) -> Decoded:
        """What a message says; what is undecodable in it becomes a dead letter."""
        told = message.topic.encode("utf-8", "surrogatepass") + b"\0" + message.payload
        result = Decoded(hashlib.blake2b(told, digest_size=8).digest(), claimed=False)
        for group in self._groups(message.topic):
            try:
                self._decode_group(group, message, changes, result)
            except Exception as error:  # noqa: BLE001 - a message must never stop it
                result.claimed = True
                self._bury(message, _reason(error), result)
        return result

    def _decode_group(self, group, message, changes, result) -> None:
        document = group.sample.parse(message.topic, message.payload)
        identity = group.sample.identity(document)
        if identity:
            told = message.topic.encode() + b"\0" + identity
            result.digest = hashlib.blake2b(told, digest_size=8).digest()
            result.unique = True
        for meter in group.meters(document):
            result.claimed = True
            try:
                self._decode_meter(meter, document, message, changes, result)
            except Exception as error:  # noqa: BLE001 - nor the meters beside it
                reason = f"meter {meter.serial}: {_reason(error)}"
                self._bury(message, reason, result)

    def _decode_meter(self, meter, document, message, changes, result) -> None:
        serial, received = meter.serial, message.received
        state = changes.get(serial) or self.states.get(serial) or State()
        status = meter.merge(state.status, document)
        reports = meter.read(message.topic, document, status, received)
        state = replace(state, status=status)
        for report in reports:
            poll, state = self._poll(meter, report, state, received)
            if poll.register or poll.relay or poll.telemetry or poll.events:
                result.polls.append(poll)
            if report.note:
                result.notes.append((serial, report.note))
        changes[serial] = state

    def _poll(self, meter, report: Report, state: State, received: float):
        moment = int(received) if report.time is None else report.time
        poll = Poll(meter.serial, moment, by_meter=report.time is not None)
        poll.register, poll.relay = report.register, meter.seen(report.relay)
        if report.telemetry and abs(moment - state.telemetry_at) >= self._telemetry_s:
            poll.telemetry = report.telemetry
            state = replace(state, telemetry_at=moment)
        for kind, active in report.alarms.items():
            if active and kind not in state.alarms:
                poll.events.append({"kind": kind, "data": {}})
            alarms = state.alarms | {kind} if active else state.alarms - {kind}
            state = replace(state, alarms=alarms)
        return poll, state

    @staticmethod
    def _bury(message: Message, reason: str, result: Decoded) -> None:
        try:
            body = {"topic": message.topic, "payload": message.payload.decode()}
        except UnicodeDecodeError:
            text = base64.b64encode(message.payload).decode()
            body = {"topic": message.topic, "base64": text}
        letter = (int(message.received), KIND, json.dumps(body), reason)
        result.letters.append(letter)
        log.warning("undecodable", topic=message.topic, reason=reason)


def _reason(error: Exception) -> str:
    if isinstance(error, DecodeError):
        return str(error)
    log.error("decoder_failed", exc_info=error)
    return f"{type(error).__name__}: {error}"[:300]
