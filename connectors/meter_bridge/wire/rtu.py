"""Modbus RTU over a link: frames by MODBUS over Serial Line V1.02, chapter 2.5.1.

Every answer is checked for CRC, device, function, and count or address; the library's
client checks the device only, and would hand one block's registers out for another's.
"""

from collections.abc import Sequence

from pymodbus.framer.rtu import FramerRTU

from meter_bridge.transport import BadAnswer
from meter_bridge.wire.modbus import (
    ModbusBus,
    data_of,
    read_body,
    registers_in,
    write_body,
)


def frame(device: int, body: bytes) -> bytes:
    """``body`` (function and data) with address and CRC."""
    data = bytes((device,)) + body
    return data + FramerRTU.compute_CRC(data).to_bytes(2, "big")


def read_request(device: int, function: int, address: int, count: int) -> bytes:
    """Ask for ``count`` registers from ``address`` by function 3 or 4."""
    return frame(device, read_body(function, address, count))


def write_request(
    device: int, function: int, address: int, words: Sequence[int]
) -> bytes:
    """Write registers by function 6 (the first only) or 16."""
    return frame(device, write_body(function, address, words))


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
    return data_of(answer[0], answer[1:-2], device, function)


def registers_of(answer: bytes, device: int, function: int, count: int) -> list[int]:
    """The registers of an answer to a read; raises as :func:`body_of`."""
    return registers_in(body_of(answer, device, function), count)


class RtuBus(ModbusBus):
    """The Modbus RTU master on one link."""

    _data = staticmethod(body_of)

    async def _exchange(self, device: int, body: bytes, expected: int) -> bytes:
        return await self.link.ask(frame(device, body), size_of, expected + 3)
