"""One part of ``bridge_tcp``: 1,000 devices, the bridge that reads them, or the floor.

Runs in the bridge's environment: ``tcp.py devices``, or
``tcp.py bridge|floor METERS LINES SECONDS``.
"""

import asyncio
import itertools
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace

from meter_bridge import device as device_module
from meter_bridge import meter_profile
from meter_bridge.device import Device
from meter_bridge.line import LineWorker
from meter_bridge.outbox import Outbox
from meter_bridge.wire.line_config import Line
from meter_bridge.wire.lines import bus_of
from pymodbus.client import AsyncModbusTcpClient

PROFILE = meter_profile.load("dds238")  # register and relay in one block
(BLOCK,) = PROFILE.requests(())  # as polled between two telemetries


class Devices(asyncio.Protocol):
    """Any device on any connection; all registers are zero."""

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        count = int.from_bytes(data[10:12], "big")
        size = 2 * count
        head = data[:4] + (3 + size).to_bytes(2, "big") + data[6:8]
        self.transport.write(head + bytes((size,)) + bytes(size))


async def devices() -> None:
    """Serve; print the port."""
    server = await asyncio.get_running_loop().create_server(Devices, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


async def bridge(port: int, meters: int, lines: int, seconds: float) -> float:
    """Polls a second that a bridge's workers have read, decoded and committed.

    The clock goes on by a second with each, so that none is left out.
    """
    each = meters // lines
    second = itertools.count(int(time.time()))  # a meter has one reading a second
    device_module.time = SimpleNamespace(time=lambda: next(second))
    with tempfile.TemporaryDirectory() as folder:
        outbox = Outbox(Path(folder) / "outbox.sqlite3")
        await outbox.open()
        tasks = []
        for number in range(lines):
            name = f"L{number}"
            line = Line(name=name, host="127.0.0.1", port=port)
            found = [Device(f"{name}-{n}", n + 1, PROFILE, 0.001) for n in range(each)]
            worker = LineWorker(name, bus_of(line), found, outbox)
            tasks.append(asyncio.create_task(worker.run()))
        kept, keep = 0, outbox.insist

        async def counted(method, polls):
            nonlocal kept
            stored = await keep(method, polls)
            kept += stored
            return stored

        outbox.insist = counted
        await asyncio.sleep(1)  # connections, first telemetry
        before, began = kept, time.perf_counter()
        await asyncio.sleep(seconds)
        rate = (kept - before) / (time.perf_counter() - began)
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
        await outbox.close()
    return rate


async def floor(port: int, meters: int, lines: int, seconds: float) -> float:
    """Blocks a second that bare pymodbus reads of the same devices, and forgets."""
    each, read, going = meters // lines, 0, True

    async def poll(client):
        nonlocal read
        await client.connect()
        while going:  # the library may swallow a cancellation
            for device in range(1, each + 1):
                await client.read_holding_registers(
                    BLOCK.address, count=BLOCK.count, device_id=device
                )
                read += 1

    clients = [AsyncModbusTcpClient("127.0.0.1", port=port) for _ in range(lines)]
    tasks = [asyncio.create_task(poll(client)) for client in clients]
    await asyncio.sleep(1)
    before, began = read, time.perf_counter()
    await asyncio.sleep(seconds)
    rate = (read - before) / (time.perf_counter() - began)
    going = False
    await asyncio.wait(tasks)
    for client in clients:
        client.close()
    return rate


def main() -> None:
    """Do one part."""
    if sys.argv[1] == "devices":
        asyncio.run(devices())
        return
    meters, lines, seconds = int(sys.argv[2]), int(sys.argv[3]), float(sys.argv[4])
    command = [sys.executable, __file__, "devices"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        port = int(server.stdout.readline())
        part = {"bridge": bridge, "floor": floor}[sys.argv[1]]
        rate = asyncio.run(part(port, meters, lines, seconds))
        server.kill()
    print(json.dumps({"rate": rate}))


if __name__ == "__main__":
    main()
