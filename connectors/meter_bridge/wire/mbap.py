"""Modbus TCP over a link: frames by MODBUS Messaging on TCP/IP V1.0b, chapter 3.1.3.

Each request has a number of its own, and only the answer with that number is its
answer: one that was given up, and one that a gateway sends twice, is thrown away.
"""

import struct
from functools import partial

from meter_bridge.transport import BadAnswer
from meter_bridge.wire.modbus import ModbusBus, data_of

HEADER = struct.Struct(">HHH")  # number, protocol, bytes that follow
LEAST, MOST = 3, 254  # bytes that follow: unit, function, data


def find(number: int, data: bytes) -> bytes | None:
    """The frame with ``number`` in ``data``; None while it is not there.

    Raises :class:`BadAnswer` for bytes that are no frames.
    """
    at = 0
    while len(data) - at >= HEADER.size:
        told, protocol, size = HEADER.unpack_from(data, at)
        if protocol or not LEAST <= size <= MOST:
            raise BadAnswer("the answer is no Modbus TCP frame")
        end = at + HEADER.size + size
        if len(data) < end:
            return None
        if told == number:
            return data[at:end]
        at = end
    return None


class TcpBus(ModbusBus):
    """The Modbus TCP master on one link."""

    def __init__(self, link):
        super().__init__(link)
        self._number = 0

    async def _exchange(self, device: int, body: bytes, expected: int) -> bytes:
        self._number = number = (self._number + 1) & 0xFFFF
        head = HEADER.pack(number, 0, len(body) + 1)
        request = b"%b%c%b" % (head, device, body)
        whole = partial(find, number)
        return await self.link.exchange(request, whole, len(head) + 1 + expected)

    @staticmethod
    def _data(answer: bytes, device: int, function: int) -> bytes:
        return data_of(answer[6], answer[7:], device, function)

    def _checked(self, check, answer: bytes, *about):
        """A gateway that reports a silent meter has answered: nothing is late."""
        try:
            return check(answer, *about)
        except BadAnswer:
            self.link.abandon()
            raise
