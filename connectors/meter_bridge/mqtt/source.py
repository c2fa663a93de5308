"""The meters behind one broker: their messages in, their commands out."""

import asyncio
import sqlite3
import time
from collections.abc import Callable

import structlog

from meter_bridge import metrics
from meter_bridge.lease import Lease
from meter_bridge.mqtt.connection import Connection
from meter_bridge.mqtt.decoder import Decoder
from meter_bridge.mqtt.intake import Intake, Kept, Trim
from meter_bridge.mqtt.settings import Broker
from meter_bridge.mqtt.switchboard import MqttSwitchboard
from meter_bridge.outbox import Outbox
from meter_bridge.store import Command
from meter_bridge.transport import LineDown

log = structlog.get_logger(__name__)
AT_ONCE = 500  # messages in one commit
STAND_BY_S = 0.5


class Feed:
    """A connection whose messages are decoded, committed, and then acknowledged."""

    def __init__(self, name: str, connection: Connection, intake: Intake, outbox):
        self._name, self._intake, self._outbox = name, intake, outbox
        self.connection = connection

    async def run(self, committed: Callable[[Kept], None]) -> None:
        """Work until cancelled; ``committed`` is told of each commit.

        A full disk stops it: nothing is acknowledged until the commit works.
        """
        connection = self.connection
        connection.start()
        try:
            while True:
                await connection.arrived.wait()
                connection.arrived.clear()
                while messages := connection.take(AT_ONCE):
                    kept = await self._outbox.insist(self._keep, messages)
                    connection.acknowledge(messages)
                    connection.unsubscribe(kept.unknown_topics)
                    self._count(kept)
                    committed(kept)
        finally:
            await connection.stop()

    def _keep(self, store, messages) -> Kept:
        return self._intake.keep(store, messages)

    def _count(self, kept: Kept) -> None:
        metrics.READINGS_COMMITTED.inc(kept.readings)
        for what in ("messages", "undecodable", "repeated", "unclaimed"):
            metrics.MQTT.labels(self._name, what).inc(getattr(kept, what))
        if kept.polls:
            self._outbox.fresh.set()


class Source:
    """Runs beside the lines, and speaks like a line worker to the rest.

    In a share group the messages are divided among the bridges, but a relay's state
    has to reach the bridge that switches it: a second connection, without session and
    outside the group, hears everything and keeps nothing but relay states. Only the
    master stores those, or a change would be told twice.
    """

    def __init__(
        self, broker: Broker, outbox: Outbox, *, verify_for, telemetry_s, lease
    ):
        self.name = broker.name
        self.devices = {meter.serial: meter for meter in broker.meters}
        self._broker, self._outbox = broker, outbox
        self._lease: Lease = lease
        trim = Trim(lease, shared=broker.share is not None)
        self._heard: dict[str, float] = {}
        self._began = time.time()
        self._wake = asyncio.Event()
        self._feed = self._make_feed(telemetry_s, trim.readings)
        self._states = None
        if broker.share:
            self._states = self._make_feed(telemetry_s, trim.states, states=True)
        self._board = MqttSwitchboard(
            self._feed.connection,
            broker.client_id,
            outbox,
            self.devices,
            self._now,
            verify_for,
        )

    def _make_feed(self, telemetry_s: float, trimmed, states: bool = False) -> Feed:
        broker = self._broker
        meters = [m for m in broker.meters if m.switchable or not states]
        decoder = Decoder(meters, broker.client_id, telemetry_s)
        repeats = 0 if states else broker.receive_maximum
        intake = Intake(self.name, decoder, repeats, trimmed)
        connection = Connection(
            broker,
            decoder.topics,
            client_id=f"{broker.client_id}-states" if states else broker.client_id,
            share=None if states else broker.share,
            session=not states,
        )
        return Feed(self.name, connection, intake, self._outbox)

    @staticmethod
    def _now() -> float:
        return asyncio.get_running_loop().time()

    # -- like a line worker -----------------------------------------------------
    def submit(self, command: Command) -> None:
        """Take a command for one of the meters."""
        self._board.submit(command)
        self._wake.set()

    def forget_commands(self) -> None:
        """Another bridge is the master now."""
        self._board.forget()

    def with_relay(self) -> list[str]:
        """The meters whose relay state is reported."""
        return [serial for serial, meter in self.devices.items() if meter.switchable]

    def status(self) -> dict:
        """For ``/health``: which meters are silent, when anything was heard last."""
        late = time.time() - self._broker.silent_after
        silent = [s for s in self.devices if self._heard.get(s, self._began) < late]
        connection = self._feed.connection
        down = connection.down
        if not down and connection.refused:
            down = f"the broker refuses {', '.join(connection.refused[:3])}"
        return {
            "meters": len(self.devices),
            "silent": silent,
            "down": down,
            "last_answer": int(max(self._heard.values(), default=0)) or None,
            "dropped": connection.dropped,
        }

    async def run(self) -> None:
        """Work until cancelled; what is committed then is acknowledged."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._feed.run(self._committed))
            group.create_task(self._switch_forever())
            if self._states:
                group.create_task(self._states.run(self._observe))

    # -- messages ---------------------------------------------------------------
    def _committed(self, kept: Kept) -> None:
        now = time.time()
        for poll in kept.polls:
            self._heard[poll.serial] = now
        self._observe(kept)

    def _observe(self, kept: Kept) -> None:
        for serial, text in kept.notes:
            self._board.note(serial, text)
        if any([self._board.observe(poll) for poll in kept.polls]):
            self._wake.set()

    # -- commands ---------------------------------------------------------------
    async def _switch_forever(self) -> None:
        while True:
            wait = 0.0
            try:
                wait = await self._switch_once()
            except LineDown as error:
                log.warning("cannot_switch", broker=self.name, reason=str(error))
                wait = STAND_BY_S
            except sqlite3.Error as error:
                log.error("outbox_write_failed", broker=self.name, reason=str(error))
                await asyncio.sleep(1)
            if wait:
                await self._sleep(wait)

    async def _switch_once(self) -> float:
        """Do the most urgent; returns for how long there is nothing to do."""
        if self._board.waiting and self._lease.may_switch:
            await self._board.execute()
            return 0
        check = self._board.next_verification()
        if check and check.due <= self._now():
            await self._board.verify(check)
            return 0
        wait = check.due - self._now() if check else 3600.0
        return max(min(wait, STAND_BY_S) if self._board.waiting else wait, 0.001)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wake.wait()
        except TimeoutError:
            pass
        self._wake.clear()
