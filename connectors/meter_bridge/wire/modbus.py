"""What Modbus RTU and Modbus TCP share: requests, and the strict look at an answer.

Every answer is checked for device, function, and count or address. Written after the
MODBUS Application Protocol V1.1b3: a body is the function code and its data.
"""

import struct
from collections.abc import Sequence

from meter_bridge.transport import BadAnswer, NoAnswer, Refused

GATEWAY_SAYS_SILENT = (10, 11)
_READ = struct.Struct(">BHH")


def read_body(function: int, address: int, count: int) -> bytes:
    """Ask for ``count`` registers from ``address`` by function 3 or 4."""
    return _READ.pack(function, address, count)


def write_body(function: int, address: int, words: Sequence[int]) -> bytes:
    """Write registers by function 6 (the first only) or 16."""
    if function == 6:
        return _READ.pack(6, address, words[0])
    head = struct.pack(">BHHB", 16, address, len(words), 2 * len(words))
    return head + struct.pack(f">{len(words)}H", *words)


def data_of(station: int, body: bytes, device: int, function: int) -> bytes:
    """The data of an answer by ``station``, to a request to ``device``.

    Raises :class:`BadAnswer`, and :class:`Refused` for an exception answer.
    """
    if station != device or body[0] & 0x7F != function:
        raise BadAnswer(f"an answer of device {station}, function {body[0]}")
    if body[0] & 0x80:
        if len(body) != 2:
            raise BadAnswer(f"an exception of {len(body)} bytes")
        if body[1] in GATEWAY_SAYS_SILENT:
            raise NoAnswer(f"the gateway reports no answer (exception {body[1]})")
        raise Refused(body[1])
    return body[1:]


def registers_in(data: bytes, count: int) -> list[int]:
    """The registers in the data of an answer to a read of ``count``."""
    if not data or data[0] != 2 * count or len(data) != 1 + 2 * count:
        told = data[0] / 2 if data else 0
        raise BadAnswer(f"asked for {count} registers, got {told:g}")
    return list(struct.unpack_from(f">{count}H", data, 1))


class ModbusBus:
    """The Modbus master on one link; subclasses know the frames."""

    def __init__(self, link):
        self.link = link
        self.connect, self.close = link.connect, link.close

    async def read(
        self, device: int, function: int, address: int, count: int
    ) -> list[int]:
        """Read ``count`` registers; raises a :class:`BusError`."""
        body = read_body(function, address, count)
        answer = await self._exchange(device, body, 2 + 2 * count)
        return self._checked(self._registers, answer, device, function, count)

    async def write(
        self, device: int, function: int, address: int, words: Sequence[int]
    ) -> None:
        """Write registers once by function 6 or 16; raises a :class:`BusError`.

        After :class:`LineDown` nothing was written; after :class:`NoAnswer` nobody
        knows: read back, never write again.
        """
        body = write_body(function, address, words)
        answer = await self._exchange(device, body, 5)
        data = self._checked(self._data, answer, device, function)
        if data[:2] != address.to_bytes(2, "big"):
            self.link.abandon()
            raise BadAnswer("the answer is about another register")

    async def _exchange(self, device: int, body: bytes, expected: int) -> bytes:
        """Send a body, return the whole frame of the answer; its body usually has
        ``expected`` bytes."""
        raise NotImplementedError

    @staticmethod
    def _data(answer: bytes, device: int, function: int) -> bytes:
        """:func:`data_of` of a whole frame."""
        raise NotImplementedError

    @classmethod
    def _registers(cls, answer: bytes, device: int, function: int, count: int):
        return registers_in(cls._data(answer, device, function), count)

    def _checked(self, check, answer: bytes, *about):
        try:
            return check(answer, *about)
        except NoAnswer:
            self.link.abandon()
            raise
