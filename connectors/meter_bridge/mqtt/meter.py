"""What every format has in common: what comes out of a message, what goes out."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pydantic import Field

from meter_bridge.codec import DecodeError
from meter_bridge.mqtt import values
from meter_bridge.mqtt.rules import Strict
from meter_bridge.store import Command

FLIPPED = {"open": "closed", "closed": "open", None: None}


@dataclass
class Report:
    """What a message says about one meter.

    ``time`` in whole epoch seconds UTC; None means: when it was received. ``register``
    is in the meter's unit, telemetry in V, A, kW, Hz, °C. ``alarms`` tells of events
    whether they are on; ``note`` is for the outcome of the running command.
    """

    time: int | None = None
    register: str | None = None
    telemetry: dict[str, float] = field(default_factory=dict)
    relay: str | None = None
    alarms: dict[str, bool] = field(default_factory=dict)
    note: str = ""


@dataclass(frozen=True)
class Outgoing:
    """A message to a device."""

    topic: str
    payload: str


class MqttMeter(Strict):
    """One meter behind a broker. ``inverted``: the contactor opens when it is on.

    ``verify_for``: seconds in which the relay has to be seen in its new state.
    """

    format: str
    serial: str = Field(min_length=1)
    inverted: bool = False
    verify_for: float | None = Field(default=None, gt=0)

    # -- incoming ---------------------------------------------------------------
    def topics(self, client_id: str) -> list[str]:
        """Topic filters on which the meter is heard."""
        raise NotImplementedError

    @property
    def device_key(self) -> str | None:
        """Its name among the devices of a topic, where several share one."""
        return None

    @property
    def group(self) -> str:
        """Meters of one topic and one group share ``parse`` and ``devices``."""
        return self.format

    def devices(self, document: Any) -> Iterable[str]:
        """The device keys that a message of a shared topic speaks of."""
        return ()

    def parse(self, topic: str, payload: bytes) -> Any:
        """The document of a message; raises :class:`DecodeError`."""
        return values.parse_json(payload)

    def merge(self, status: dict, document: Any) -> dict:
        """What is known of the device after ``document``, for partial updates."""
        return status

    def read(self, topic: str, document: Any, status: dict, received: float):
        """The list of :class:`Report` in a document; raises :class:`DecodeError`.

        ``status`` comes from :meth:`merge`, ``received`` is in epoch seconds.
        """
        raise NotImplementedError

    def identity(self, document: Any) -> bytes | None:
        """What tells a message from a repetition of it, where the format has such."""
        return None

    # -- outgoing ---------------------------------------------------------------
    @property
    def switchable(self) -> bool:
        """Whether its relay can be switched."""
        return False

    def switch(self, command: Command, client_id: str, now: float) -> Outgoing:
        """The message that executes a relay command; ``now`` in epoch seconds."""
        raise NotImplementedError

    def ask(self, client_id: str) -> list[Outgoing]:
        """Messages upon which the device tells its state; none where it cannot."""
        return []

    # -- polarity ---------------------------------------------------------------
    def seen(self, relay: str | None) -> str | None:
        """The state of the supply behind a relay that reports ``relay``."""
        return FLIPPED[relay] if self.inverted else relay

    def closes(self, command: Command) -> bool:
        """Whether the device is to be told "on"."""
        return (command.value == "closed") != self.inverted


def safe_topic(text: str) -> str:
    """``text`` as one level of a topic."""
    return "".join("_" if letter in "/+#\0" else letter for letter in text)


__all__ = ["DecodeError", "MqttMeter", "Outgoing", "Report", "safe_topic"]
