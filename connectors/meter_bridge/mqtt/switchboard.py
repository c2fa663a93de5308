"""Relays by MQTT: one message out, and the device's own word that it did it."""

import time

from meter_bridge.mqtt.meter import MqttMeter
from meter_bridge.store import Command, Poll
from meter_bridge.switching import Switchboard, Verification

# a state that is dated so much before the command may still be newer than it
CLOCK_SKEW_S = 10


class MqttSwitchboard(Switchboard):
    """The commands of the meters behind one broker.

    What they are told goes over ``connection``.
    """

    def __init__(
        self, connection, client_id: str, outbox, meters, clock, verify_for=15.0
    ):
        super().__init__(outbox, meters, clock, verify_for)
        self._connection, self._client_id = connection, client_id

    def observe(self, poll: Poll) -> bool:
        """A meter said something; whether a verification waits for just that."""
        found = False
        for item in self._verifying:
            reading = item.command.kind == "read_now"
            told = poll.register if reading else poll.relay
            done = told and (reading or told == item.command.value)
            slack = CLOCK_SKEW_S if done else 1  # an old "no" is no answer
            fresh = poll.time >= item.since - slack
            if item.command.serial != poll.serial or not told or not fresh:
                continue
            item.observed = told
            if done:
                item.due, found = self._clock(), True
        return found

    def note(self, serial: str, text: str) -> None:
        """What the device or its network said of the running command."""
        for item in self._verifying:
            if item.command.serial == serial and text not in item.detail:
                item.detail = f"{item.detail}; {text}".lstrip("; ")[:300]

    def _has_relay(self, device: MqttMeter) -> bool:
        return device.switchable

    def _patience(self, device: MqttMeter) -> float:
        return device.verify_for or self._verify_for

    async def _connect(self) -> None:
        self._connection.require()

    async def _put(self, command: Command, device: MqttMeter) -> str:
        now = time.time()
        outgoing = device.switch(command, self._client_id, now)
        expires_in = self._patience(device)
        if command.expires_at is not None:
            expires_in = min(expires_in, command.expires_at - now)
        self._connection.send(outgoing, expires_in)
        return ""

    async def _read_now(self, command: Command, device: MqttMeter) -> None:
        self._await_read_back(command, device, 0, "")

    def _ask(self, device: MqttMeter) -> None:
        for outgoing in device.ask(self._client_id):
            self._connection.send(outgoing, self._patience(device))

    async def _read_back(self, item: Verification) -> tuple[str | None, str | None]:
        reading = item.command.kind == "read_now"
        if item.observed and (reading or item.observed == item.command.value):
            return "verified", item.observed
        if self._clock() >= item.deadline:
            wrong = item.observed or reading
            return ("failed" if wrong else "unknown"), item.observed
        self._ask(item.device)
        return None, None
