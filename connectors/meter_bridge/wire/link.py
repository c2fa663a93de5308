"""A line as a stream of bytes: a request out, one whole answer in, nothing left over.

Protocols without transaction numbers cannot tell a late answer from the one they wait
for. So nothing is sent before what came unasked was thrown away, and after every lost
or odd answer the line stays quiet for as long as the slowest meter may take. A byte
behind the end of an answer makes the answer odd, too.

Times in seconds. A link is for one task at a time.
"""

import asyncio
import errno
import termios
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from pymodbus.transport.serialtransport import create_serial_connection

from meter_bridge.transport import BadAnswer, LineDown, NoAnswer

# How many bytes a whole answer has, by its first bytes; 0 while that is not known.
# Raises BadAnswer for bytes that cannot become an answer.
SizeOf = Callable[[bytes], int]
# The answer in what came so far; None while it is not whole. Raises BadAnswer.
Whole = Callable[[bytes], bytes | None]


def exactly(size_of: SizeOf, data: bytes) -> bytes | None:
    """``data`` if it is one whole answer and nothing else."""
    size = size_of(data)
    if size and len(data) > size:
        raise BadAnswer("more bytes came than the answer has")
    return data if size and len(data) == size else None


@dataclass(frozen=True)
class Timing:
    """What a line needs.

    ``timeout`` until a meter begins to answer, ``quiet`` after a lost answer, ``gap``
    between the last byte heard and the next request, ``character`` for one byte on the
    wire (0 where the transmission is not felt).
    """

    timeout: float = 1.0
    quiet: float = 1.0
    gap: float = 0.0
    character: float = 0.0


class _Connection(asyncio.Protocol):
    """What one connection delivers; nobody listens to it once it is replaced."""

    def __init__(self):
        self.buffer = bytearray()
        self.heard = 0.0  # loop time of the last byte
        self.broken = False
        self.loop = asyncio.get_running_loop()
        self._whole: Whole = lambda data: None
        self._answer: asyncio.Future | None = None  # that somebody waits for
        self._deadline = 0.0
        self._alarm: asyncio.TimerHandle | None = None

    def expect(self, whole: Whole, seconds: float) -> asyncio.Future:
        """The whole answer to what is sent now; what came before is thrown away.

        The future ends with :class:`BadAnswer`, with :class:`NoAnswer` when the
        connection breaks off, and with :class:`TimeoutError`. One alarm serves many
        requests: it is set anew only when it goes off too early.
        """
        self.buffer.clear()
        self._whole, self._answer = whole, self.loop.create_future()
        self._deadline = self.loop.time() + seconds
        if self._alarm and self._alarm.when() > self._deadline:
            self._alarm.cancel()
            self._alarm = None
        if self._alarm is None:
            self._alarm = self.loop.call_at(self._deadline, self._late)
        return self._answer

    def _late(self) -> None:
        self._alarm = None
        if self._answer is None or self._answer.done():
            return
        if self.loop.time() < self._deadline:
            self._alarm = self.loop.call_at(self._deadline, self._late)
        else:
            self._answer.set_exception(TimeoutError())

    def data_received(self, data: bytes) -> None:
        """Take what came; what nobody asked for stays in the buffer until then."""
        self.buffer += data
        self.heard = self.loop.time()
        if self._answer is None or self._answer.done():
            return
        try:
            found = self._whole(bytes(self.buffer))
        except Exception as error:  # noqa: BLE001 - it is for the one who waits
            self._answer.set_exception(error)
        else:
            if found is not None:
                self._answer.set_result(found)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end is gone; a request that waits ends now."""
        self.broken = True
        if self._alarm:
            self._alarm.cancel()
        if self._answer and not self._answer.done():
            text = "the connection broke off before the answer"
            self._answer.set_exception(NoAnswer(text))


class Link:
    """What TCP and serial lines share."""

    def __init__(self, name: str, timing: Timing):
        self.name, self.timing = name, timing
        self._transport: asyncio.Transport | None = None
        self._connection: _Connection | None = None
        self._quiet_until = 0.0
        self.opened = 0  # how many connections there have been

    async def _open(self, connection: _Connection) -> asyncio.Transport:
        raise NotImplementedError

    async def connect(self) -> None:
        """Open unless open, and wait until the line may be used.

        Raises :class:`LineDown`.
        """
        if self._transport is not None and self._connection.broken:
            self.close()
        if self._transport is None:
            self._connection = _Connection()
            self._transport = await self._open(self._connection)
            self.opened += 1
        connection = self._connection
        free = max(self._quiet_until, connection.heard + self.timing.gap)
        wait = free - connection.loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        if connection.broken:
            raise LineDown(f"{self.name}: the connection was closed")

    def close(self) -> None:
        """Close the line; opened again by the next request."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None

    async def ask(self, request: bytes, size_of: SizeOf, expected: int = 0) -> bytes:
        """Send ``request``, return the whole answer; ``expected`` is its usual size.

        Raises :class:`LineDown` when nothing was sent, :class:`NoAnswer` when it was
        and nothing usable came back.
        """
        return await self.exchange(request, partial(exactly, size_of), expected)

    async def exchange(self, request: bytes, whole: Whole, expected: int = 0) -> bytes:
        """As :meth:`ask`; ``whole`` finds the answer in what comes."""
        await self.connect()
        on_the_wire = (len(request) + expected) * self.timing.character
        seconds = self.timing.timeout + on_the_wire
        answer = self._connection.expect(whole, seconds)
        self._transport.write(request)
        try:
            return await answer
        except TimeoutError:
            self.abandon()
            raise NoAnswer(f"no answer within {self.timing.timeout} s") from None
        except BaseException:  # odd bytes, or cancelled: the answer may yet come
            self.abandon()
            raise

    def abandon(self) -> None:
        """Distrust the line for a while: a late answer must meet no request."""
        now = asyncio.get_running_loop().time()
        self._quiet_until = now + self.timing.quiet


class TcpLink(Link):
    """A converter that passes bytes between TCP and its wires unchanged."""

    def __init__(self, host: str, port: int, timing: Timing):
        super().__init__(f"{host}:{port}", timing)
        self._host, self._port = host, port

    async def _open(self, connection: _Connection) -> asyncio.Transport:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(max(self.timing.timeout, 1)):
                opened = await loop.create_connection(
                    lambda: connection, self._host, self._port
                )
        except OSError as error:  # a TimeoutError is one
            raise LineDown(f"nothing answers at {self.name}: {error}") from error
        return opened[0]

    def abandon(self) -> None:
        """Also close: a connection that the converter has forgotten gives no error."""
        self.close()
        super().abandon()


class SerialLink(Link):
    """A serial port, for this program alone.

    ``parity`` is N, E or O. The port stays open after a lost answer, for closing it
    would give the lock away.
    """

    def __init__(
        self, path: str, timing: Timing, *, baudrate=9600, parity="N", stopbits=1
    ):
        super().__init__(path, timing)
        self._settings = {
            "baudrate": baudrate,
            "bytesize": 8,
            "parity": parity,
            "stopbits": stopbits,
        }

    async def _open(self, connection: _Connection) -> asyncio.Transport:
        loop = asyncio.get_running_loop()
        try:
            opened = await create_serial_connection(
                loop, lambda: connection, self.name, timeout=0, **self._settings
            )
        except (OSError, ValueError, termios.error) as error:
            if getattr(error, "errno", None) == errno.EWOULDBLOCK:
                text = f"{self.name}: another program is master on this port"
                raise LineDown(text) from error
            raise LineDown(f"{self.name}: {error}") from error
        await asyncio.sleep(0)  # the transport sets itself up in the next round
        return opened[0]
