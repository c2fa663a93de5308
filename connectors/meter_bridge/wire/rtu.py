"""Modbus RTU over a link: frames by MODBUS over Serial Line V1.02, chapter 2.5.1.

Every answer is checked for CRC, device, function, and count or address; the library's
client checks the device only, and would hand one block's registers out for another's.
"""

import struct
from collections.abc import Sequence

from pymodbus.framer.rtu import FramerRTU

from meter_bridge.transport import BadAnswer, NoAnswer, Refused
from meter_bridge.wire.link import Link

GATEWAY_SAYS_SILENT = (10, 11)


def frame(device: int, body: bytes) -> bytes:
    """``body`` (function and data) with address and CRC."""
    data = bytes((device,)) + body
    return data + FramerRTU.compute_CRC(data).to_bytes(2, "big")


def read_request(device: int, function: int, address: int, count: int) -> bytes:
    """Ask for ``count`` registers from ``address`` by function 3 or 4."""
    return frame(device, struct.pack(">BHH", function, address, count))


def write_request(
    device: int, function: int, address: int, words: Sequence[int]
) -> bytes:
    """Write registers by function 6 (the first only) or 16."""
    if function == 6:
        return frame(device, struct.pack(">BHH", 6, address, words[0]))
    head = struct.pack(">BHHB", 16, address, len(words), 2 * len(words))
    return frame(device, head + struct.pack(f">{len(words)}H", *words))


def size_of(data: bytes) -> int:
    """Size of the answer that begins with ``data``; 0 while unknown."""
    if len(data) < 3:
        return 0
    function = data[1]
    if function & 0x80:
        return 5
    if function in (3, 4):
        return 5 + data[2]
    if function in (6, 16):
        return 8
    raise BadAnswer(f"an answer with function {function}")


def body_of(answer: bytes, device: int, function: int) -> bytes:
    """The data behind the function code of an answer, checked.

    Raises :class:`BadAnswer`, and :class:`Refused` for an exception answer.
    """
    if len(answer) < 5 or frame(answer[0], answer[1:-2]) != answer:
        raise BadAnswer("an answer with a wrong CRC")
    if answer[0] != device or answer[1] & 0x7F != function:
        raise BadAnswer(f"an answer of device {answer[0]}, function {answer[1]}")
    if answer[1] & 0x80:
        if answer[2] in GATEWAY_SAYS_SILENT:
            raise NoAnswer(f"the gateway reports no answer (exception {answer[2]})")
        raise Refused(answer[2])
    return answer[2:-2]


def registers_of(answer: bytes, device: int, function: int, count: int) -> list[int]:
    """The registers of an answer to a read; raises as :func:`body_of`."""
    body = body_of(answer, device, function)
    if body[0] != 2 * count or len(body) != 1 + 2 * count:
        raise BadAnswer(f"asked for {count} registers, got {body[0] / 2:g}")
    return list(struct.unpack(f">{count}H", body[1:]))


class RtuBus:
    """The Modbus master on one link."""

    def __init__(self, link: Link):
        self.link = link
        self.connect, self.close = link.connect, link.close

    async def read(
        self, device: int, function: int, address: int, count: int
    ) -> list[int]:
        """Read ``count`` registers; raises a :class:`BusError`."""
        request = read_request(device, function, address, count)
        answer = await self.link.ask(request, size_of, 5 + 2 * count)
        return self._checked(registers_of, answer, device, function, count)

    async def write(
        self, device: int, function: int, address: int, words: Sequence[int]
    ) -> None:
        """Write registers once by function 6 or 16; raises a :class:`BusError`.

        After :class:`LineDown` nothing was written; after :class:`NoAnswer` nobody
        knows: read back, never write again.
        """
        request = write_request(device, function, address, words)
        answer = await self.link.ask(request, size_of, 8)
        body = self._checked(body_of, answer, device, function)
        if body[:2] != address.to_bytes(2, "big"):
            self.link.abandon()
            raise BadAnswer("the answer is about another register")

    def _checked(self, check, answer: bytes, *about):
        try:
            return check(answer, *about)
        except NoAnswer:
            self.link.abandon()
            raise
