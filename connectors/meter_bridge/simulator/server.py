"""Modbus servers of the simulated lines: one TCP port a line, several devices.

Written here instead of taken from the library, because a plant has to be silent,
late, cut short and wrong on demand. Requests of a line are answered one after the
other, as on two wires. A line answers in MBAP frames, or in RTU frames with CRC.
"""

import asyncio
import os
import struct

from meter_bridge.simulator.config import LineConfig, PlantError
from meter_bridge.simulator.plant import Plant, SimMeter

ILLEGAL_FUNCTION, ILLEGAL_ADDRESS, ILLEGAL_VALUE = 1, 2, 3


def crc16(data: bytes) -> bytes:
    """Modbus CRC of ``data``, low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ 0xA001 if crc & 1 else crc >> 1
    return crc.to_bytes(2, "little")


def respond(meter: SimMeter, request: bytes) -> bytes:
    """Answer one PDU by the meter's registers."""
    function = request[0]
    if meter.faults.exception:
        return bytes((function | 0x80, meter.faults.exception))
    try:
        if function in (3, 4):
            return _read(meter, function, *struct.unpack(">HH", request[1:5]))
        if function == 6:
            address, word = struct.unpack(">HH", request[1:5])
            if meter.write(6, address, [word]):
                return request[:5]
            return bytes((function | 0x80, ILLEGAL_ADDRESS))
        if function == 16:
            return _write(meter, request)
    except struct.error:
        return bytes((function | 0x80, ILLEGAL_VALUE))
    return bytes((function | 0x80, ILLEGAL_FUNCTION))


def _read(meter: SimMeter, function: int, address: int, count: int) -> bytes:
    image = meter.words(function)
    if not 1 <= count <= 125:
        return bytes((function | 0x80, ILLEGAL_VALUE))
    if not image or address < min(image) or address + count - 1 > max(image):
        return bytes((function | 0x80, ILLEGAL_ADDRESS))
    words = [image.get(address + offset, 0) for offset in range(count)]
    if meter.faults.short:
        words.pop()
    return struct.pack(f">BB{len(words)}H", function, 2 * len(words), *words)


def _write(meter: SimMeter, request: bytes) -> bytes:
    address, count, size = struct.unpack(">HHB", request[1:6])
    words = list(struct.unpack(f">{count}H", request[6 : 6 + size]))
    if meter.write(16, address, words):
        return request[:5]
    return bytes((0x90, ILLEGAL_ADDRESS))


class LineServer:
    """The TCP server of one line."""

    def __init__(self, config: LineConfig, plant: Plant):
        self.config = config
        self._devices = {m.device: plant.meters[m.serial] for m in config.meters}
        self._rtu = config.framing == "rtu"
        self._server: asyncio.Server | None = None
        self._port = config.port
        self._wires = asyncio.Lock()
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int:
        """The TCP port (the one chosen by the system when the file says 0)."""
        return self._server.sockets[0].getsockname()[1]

    async def start(self) -> None:
        """Listen; raises :class:`PlantError` when the port is taken."""
        host, port = self.config.host, self._port
        try:
            self._server = await asyncio.start_server(self._serve, host, port)
            self._port = self.port
        except OSError as error:
            raise PlantError(
                f"line {self.config.name}: cannot listen on {host}:{port}, "
                f"probably another program does ({os.strerror(error.errno)})"
            ) from error

    async def stop(self) -> None:
        """Close the port and all connections."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for writer in self._writers:
            writer.transport.abort()
        await server.wait_closed()

    async def set_down(self, down: bool) -> None:
        """Nobody listens, or somebody does again, on the same port."""
        if down:
            await self.stop()
        elif self._server is None:
            await self.start()

    async def _serve(self, reader: asyncio.StreamReader, writer) -> None:
        self._writers.add(writer)
        receive = self._receive_rtu if self._rtu else self._receive_tcp
        try:
            while True:
                number, unit, request = await receive(reader)
                async with self._wires:
                    answer = await self._answer(number, unit, request)
                if answer is not None:
                    writer.write(answer)
                    await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, ValueError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()

    async def _answer(self, number: bytes, unit: int, request: bytes) -> bytes | None:
        meter = self._devices.get(unit)
        if meter is None or meter.faults.silent:
            return None
        if meter.faults.late:
            await asyncio.sleep(meter.faults.late)
        faults = meter.faults
        frame = self._frame(number, unit + faults.wrong_id, respond(meter, request))
        if faults.crc and self._rtu:
            frame = frame[:-1] + bytes((frame[-1] ^ 0xFF,))
        return frame[: len(frame) // 2] if faults.truncated else frame

    @staticmethod
    async def _receive_tcp(reader) -> tuple[bytes, int, bytes]:
        head = await reader.readexactly(7)
        size = int.from_bytes(head[4:6], "big")
        if head[2:4] != b"\0\0" or not 2 <= size <= 254:
            raise ValueError("not MBAP")
        return head[:2], head[6], await reader.readexactly(size - 1)

    @staticmethod
    async def _receive_rtu(reader) -> tuple[bytes, int, bytes]:
        frame = await reader.readexactly(7)
        more = frame[6] + 2 if frame[1] == 16 else 1
        frame += await reader.readexactly(more)
        if crc16(frame[:-2]) != frame[-2:]:
            raise ValueError("wrong CRC")
        return b"", frame[0], frame[1:-2]

    def _frame(self, number: bytes, unit: int, answer: bytes) -> bytes:
        body = bytes((unit,)) + answer
        if self._rtu:
            return body + crc16(body)
        return number + b"\0\0" + len(body).to_bytes(2, "big") + body
