"""Shelly Gen2, Gen3 and later: JSON-RPC over ``<prefix>/events/rpc`` and ``…/rpc``.

Notifications carry what changed; they are laid over what is known. A register, a relay
state or an alarm counts only when the message itself has it: what is merely known may
be old. Energies come in Wh, powers in W, ``ts`` in epoch seconds UTC.
"""

import json
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field

from meter_bridge.mqtt import values
from meter_bridge.mqtt.meter import MqttMeter, Outgoing, Report, safe_topic
from meter_bridge.mqtt.rules import follow
from meter_bridge.store import Command

MILLI = Decimal("0.001")
# component type: where its energy stands
ENERGY = {
    "em": ("emdata", ("total_act",)),
    "em1": ("em1data", ("total_act_energy",)),
    "pm1": ("pm1", ("aenergy", "total")),
    "switch": ("switch", ("aenergy", "total")),
}
_SINGLE = {
    "v1": (("voltage",), Decimal(1)),
    "i1": (("current",), Decimal(1)),
    "pf": (("pf",), Decimal(1)),
    "f": (("freq",), Decimal(1)),
    "temperature": (("temperature", "tC"), Decimal(1)),
}
_SWITCHED = {**_SINGLE, "p": (("apower",), MILLI)}
TELEMETRY = {
    "em": {
        **{f"v{n}": ((f"{x}_voltage",), Decimal(1)) for n, x in enumerate("abc", 1)},
        **{f"i{n}": ((f"{x}_current",), Decimal(1)) for n, x in enumerate("abc", 1)},
        "p": (("total_act_power",), MILLI),
        "f": (("a_freq",), Decimal(1)),
    },
    "em1": {**_SINGLE, "p": (("act_power",), MILLI)},
    "pm1": _SWITCHED,
    "switch": _SWITCHED,
}
Component = Annotated[str, Field(pattern=r"^(em|em1|pm1|switch):\d+$")]


def news(document: Any) -> dict[str, Any]:
    """The components of a notification or of an answer; empty for other messages.

    Raises :class:`values.DecodeError` when it is no object.
    """
    document = values.mapping(document)
    if document.get("method") in ("NotifyStatus", "NotifyFullStatus"):
        return values.mapping(document.get("params"), "params")
    if "result" in document and isinstance(document["result"], dict):
        return document["result"]
    return {}


def overlay(status: dict, update: dict[str, Any]) -> dict:
    """``status`` with ``update`` laid over it, objects inside it too."""
    merged = {**status, **update}
    for key, value in update.items():
        if isinstance(value, dict) and isinstance(before := status.get(key), dict):
            merged[key] = overlay(before, value)
    return merged


def moment(update: dict[str, Any]) -> int | None:
    """Epoch seconds of an update; None while the device does not know the time."""
    stamp = update.get("ts") or follow(update, ("sys", "unixtime"))
    return None if stamp is None else values.seconds(stamp)


def read(update: dict, status: dict, component: str, relay: str) -> Report:
    """What ``update`` says of ``component`` (``em:0``) and its ``relay``
    (``switch:0``, or empty); raises :class:`values.DecodeError`."""
    kind, _, index = component.partition(":")
    data, path = ENERGY[kind]
    report = Report(time=moment(update))
    energy = follow(update, (f"{data}:{index}", *path))
    if energy is not None:
        report.register = values.register(energy, MILLI)
    if update.get(component):
        for name, (place, scale) in TELEMETRY[kind].items():
            value = follow(status, (component, *place))
            if value is not None:
                report.telemetry[name] = values.quantity(value, scale)
    state = update.get(relay) if relay else None
    if isinstance(state, dict):
        report.relay = values.on_off(state.get("output"), on=True, off=False)
        if "errors" in state:
            errors = state["errors"]
            tripped = isinstance(errors, list) and "overpower" in errors
            report.alarms["overload_trip"] = tripped
    return report


def complaint(document: Any) -> str:
    """The error in an answer to a call, or nothing."""
    error = document.get("error")
    if error is None:
        return ""
    return f"the device refuses: {str(follow(error, ('message',)) or error)[:200]}"


def call(method: str, params: dict, src: str, number: int = 1) -> str:
    """A call; the answer comes to the topic ``<src>/rpc``."""
    frame = {"id": number, "src": src, "method": method, "params": params}
    return json.dumps(frame)


class ShellyMeter(MqttMeter):
    """``topic`` is the device's MQTT prefix, by default its id. ``relay`` is the
    component that switches: by default ``component`` if it is a switch."""

    format: Literal["shelly"]
    topic: str = Field(min_length=1)
    component: Component = "em:0"
    relay: Annotated[str, Field(pattern=r"^(switch:\d+)?$")] | None = None

    @property
    def relay_component(self) -> str:
        """The switching component, or nothing."""
        if self.relay is None:
            return self.component if self.component.startswith("switch") else ""
        return self.relay

    def _src(self, client_id: str) -> str:
        return f"{client_id}/{safe_topic(self.serial)}"

    def topics(self, client_id: str) -> list[str]:
        """Notifications, and answers to the bridge."""
        return [f"{self.topic}/events/rpc", f"{self._src(client_id)}/rpc"]

    def merge(self, status: dict, document: Any) -> dict:
        """Lay the components of a message over what is known."""
        return overlay(status, news(document))

    def read(self, topic: str, document: Any, status: dict, received: float):
        """See :func:`read`."""
        update = news(document)
        if not update:
            note = complaint(document)
            return [Report(note=note)] if note else []
        return [read(update, status, self.component, self.relay_component)]

    @property
    def switchable(self) -> bool:
        """Whether there is a component that switches."""
        return bool(self.relay_component)

    def switch(self, command: Command, client_id: str, now: float) -> Outgoing:
        """``Switch.Set``."""
        index = int(self.relay_component.partition(":")[2])
        params = {"id": index, "on": self.closes(command)}
        payload = call("Switch.Set", params, self._src(client_id))
        return Outgoing(f"{self.topic}/rpc", payload)

    def ask(self, client_id: str) -> list[Outgoing]:
        """The whole status in one call."""
        payload = call("Shelly.GetStatus", {}, self._src(client_id), 2)
        return [Outgoing(f"{self.topic}/rpc", payload)]
