"""One connection to a broker: paho's thread on one side, asyncio on the other.

MQTT 5 with a session that the broker keeps, and acknowledgement by hand. Messages wait
in :attr:`Connection.inbox`, and are still to be kept when the connection is lost: a
broker that was killed may have forgotten them. When it sends them again, the new one
takes the place of the old.

The inbox is bounded: by the receive maximum, as far as the broker obeys it (mosquitto
2.0.11 oversteps it while it works off a backlog), and by ``INBOX_MOST``. When that is
reached, messages of QoS 1 make paho's thread wait, and with it the broker; those of QoS
0, which promises nothing, are dropped and counted.
"""

import asyncio
import threading
import time
from collections.abc import Iterable
from itertools import islice

import structlog
from paho.mqtt.client import CallbackAPIVersion, Client, MQTTv5
from paho.mqtt.enums import MQTTErrorCode
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from meter_bridge.mqtt.decoder import Message
from meter_bridge.mqtt.meter import Outgoing
from meter_bridge.mqtt.settings import Broker
from meter_bridge.transport import LineDown

log = structlog.get_logger(__name__)
INBOX_MOST = 10_000  # messages
PACKET_MOST = 1 << 20  # bytes
TOPICS_AT_ONCE = 200
RECONNECT_S = (1, 30)
REFUSED = "refused"


def _properties(kind: int, **values) -> Properties:
    made = Properties(kind)
    for name, value in values.items():
        setattr(made, name, value)
    return made


class Connection:
    """Connects to ``broker`` and subscribes to ``topics``, for ever, in a thread.

    :attr:`arrived` is set when messages came. With ``session=False`` the broker keeps
    nothing and messages need no acknowledgement. Raises :class:`ValueError` for a
    password or certificate file that cannot be read.
    """

    def __init__(
        self,
        broker: Broker,
        topics: list[str],
        *,
        client_id: str,
        share: str | None = None,
        session: bool = True,
    ):
        self.inbox: dict[int, Message] = {}  # by number, the oldest first
        self._places: dict[tuple[str, bytes], int] = {}  # of QoS 1, by content
        self._count, self._stopping = 0, False
        self.arrived = asyncio.Event()
        self.down = "not connected yet"
        self.refused: list[str] = []  # topics
        self.dropped = 0  # messages that the broker does not repeat
        self._broker, self._topics = broker, topics
        self._prefix = f"$share/{share}/" if share else ""
        self._session, self._number = session, 0
        self._lock = threading.RLock()
        self._room = threading.Condition(self._lock)
        self._waking = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._subscribing: dict[int, list[str]] = {}
        self._client = self._make(client_id)

    def _make(self, client_id: str) -> Client:
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=client_id,
            protocol=MQTTv5,
            manual_ack=self._session,
        )
        client.on_connect = self._on_connect
        client.on_connect_fail = self._on_connect_fail
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        client.reconnect_delay_set(*RECONNECT_S)
        broker = self._broker
        if broker.username is not None:
            client.username_pw_set(broker.username, broker.secret())
        if broker.tls:
            try:
                client.tls_set(broker.ca_file, broker.cert_file, broker.key_file)
            except OSError as error:  # SSLError too
                raise ValueError(f"mqtt {broker.name}: ca_file: {error}") from error
        return client

    def start(self) -> None:
        """Begin to connect."""
        broker, client = self._broker, self._client
        self._loop = asyncio.get_running_loop()
        properties = _properties(
            PacketTypes.CONNECT,
            ReceiveMaximum=broker.receive_maximum,
            MaximumPacketSize=PACKET_MOST,
            SessionExpiryInterval=broker.session_expiry if self._session else 0,
        )
        client.connect_async(
            broker.host,
            broker.port,
            broker.keepalive,
            clean_start=not self._session,
            properties=properties,
        )
        client.loop_start()

    async def stop(self) -> None:
        """Disconnect; the broker keeps the session."""
        with self._lock:
            self._stopping = True
            self._room.notify()
        self._client.disconnect()
        await asyncio.to_thread(self._client.loop_stop)

    @property
    def settled(self) -> bool:
        """Whether it is known how the broker takes it."""
        return not self.down or self.down.startswith(REFUSED)

    # -- in paho's thread -------------------------------------------------------
    def _on_connect(self, client, _userdata, _flags, reason, _properties) -> None:
        if reason.is_failure:
            self._lost(f"{REFUSED}: {reason}")
            return
        for at in range(0, len(self._topics), TOPICS_AT_ONCE):
            self._subscribe(self._topics[at : at + TOPICS_AT_ONCE])
        self.down = ""
        log.info("broker_connected", broker=self._broker.name)
        self._wake()

    def _subscribe(self, topics: list[str]) -> None:
        options = SubscribeOptions(
            qos=1, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND
        )
        wanted = [(self._prefix + topic, options) for topic in topics]
        _, mid = self._client.subscribe(wanted)
        self._subscribing[mid] = topics

    def _on_subscribe(self, _client, _userdata, mid, reasons, _properties) -> None:
        topics = self._subscribing.pop(mid, [])
        refused = [
            t for t, code in zip(topics, reasons, strict=False) if code.value > 2
        ]
        self.refused = [t for t in self.refused if t not in topics] + refused
        if refused:
            log.error("subscription_refused", topics=refused, reason=str(reasons[0]))

    def _on_connect_fail(self, _client, _userdata) -> None:
        tls = ", or its certificate does not hold" if self._broker.tls else ""
        self._lost(f"cannot be reached{tls}")

    def _on_disconnect(self, _client, _userdata, _flags, reason, _properties) -> None:
        refused = self.down.startswith(REFUSED)  # that is why it is lost
        self._lost(self.down if refused else f"connection lost: {reason}")

    def _lost(self, why: str) -> None:
        """What waits can no longer be acknowledged, it is still to be kept."""
        with self._lock:
            self._number += 1
        if why != self.down:
            log.warning("broker_down", broker=self._broker.name, reason=why)
        self.down = why

    def _on_message(self, _client, _userdata, item) -> None:
        received, mid, qos = time.time(), item.mid, item.qos
        payload, topic = bytes(item.payload), item.topic
        if item.retain:  # it may be of any age
            self._client.ack(mid, qos)
            return
        with self._lock:
            number = self._number
            message = Message(topic, payload, received, mid, qos, item.dup, number)
            self._put(message)
        self._wake()

    def _put(self, message: Message) -> None:
        content = message.topic, message.payload
        waiting = self._places.get(content) if message.dup else None
        if waiting and self.inbox[waiting].connection != message.connection:
            self.inbox[waiting] = message
            return
        if message.qos == 0 and len(self.inbox) >= INBOX_MOST:
            self.dropped += 1
            return
        self._room.wait_for(lambda: len(self.inbox) < INBOX_MOST or self._stopping)
        self._count += 1
        self.inbox[self._count] = message
        if message.qos:
            self._places[content] = self._count

    def _wake(self) -> None:
        if not self._waking:
            self._waking = True
            try:
                self._loop.call_soon_threadsafe(self._woken)
            except RuntimeError:  # the loop has ended
                pass

    # -- in the event loop ------------------------------------------------------
    def _woken(self) -> None:
        self._waking = False
        self.arrived.set()

    def take(self, most: int) -> list[Message]:
        """Up to ``most`` messages, the oldest first."""
        with self._lock:
            numbers = list(islice(self.inbox, most))
            taken = [self.inbox.pop(number) for number in numbers]
            for number, message in zip(numbers, taken, strict=True):
                content = message.topic, message.payload
                if self._places.get(content) == number:
                    del self._places[content]
            self._room.notify()
            return taken

    def acknowledge(self, messages: Iterable[Message]) -> None:
        """Acknowledge what is committed, as far as it is of this connection."""
        with self._lock:
            for message in messages:
                if message.qos and message.connection == self._number:
                    self._client.ack(message.mid, message.qos)

    def unsubscribe(self, topics: Iterable[str]) -> None:
        """No longer hear topics of a former configuration, that the session kept."""
        wanted = {self._prefix + topic for topic in topics} - {""}
        if wanted and not self.down:
            self._client.unsubscribe(list(wanted))

    def require(self) -> None:
        """Raise :class:`LineDown` without a connection."""
        if self.down:
            raise LineDown(f"broker {self._broker.name}: {self.down}")

    def send(self, outgoing: Outgoing, expires_in: float) -> None:
        """Send at most once (QoS 0), dead after ``expires_in`` seconds.

        Not QoS 1: paho and broker would repeat it later, when it may no longer be
        wanted. Raises :class:`LineDown` when it was certainly not sent.
        """
        self.require()
        seconds = max(int(expires_in), 1)
        properties = _properties(PacketTypes.PUBLISH, MessageExpiryInterval=seconds)
        info = self._client.publish(
            outgoing.topic, outgoing.payload, qos=0, properties=properties
        )
        if info.rc == MQTTErrorCode.MQTT_ERR_NO_CONN:
            raise LineDown(f"broker {self._broker.name}: not connected")
