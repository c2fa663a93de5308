"""One part of ``bridge_bus``: a paced serial line, or the bridge that reads it.

Runs in the bridge's environment: ``bus.py wires BAUD``, or
``bus.py bridge BAUD SECONDS``.
"""

import asyncio
import json
import os
import pty
import subprocess
import sys
import tempfile
import time
import tty
from pathlib import Path

from meter_bridge import meter_profile
from meter_bridge.device import Device
from meter_bridge.line import LineWorker
from meter_bridge.outbox import Outbox
from meter_bridge.wire import rtu
from meter_bridge.wire.line_config import Line
from meter_bridge.wire.lines import bus_of, request_cost_of

METERS = 32
BITS, GAP_CHARACTERS, TURNAROUND = 11, 3.5, 0.020
PIECE = 8  # bytes that a UART hands over at once
SPIN = 0.001  # seconds before a deadline in which sleeping is too coarse


def until(moment: float) -> None:
    """Return at ``moment`` of the monotonic clock."""
    left = moment - time.monotonic()
    if left > SPIN:
        time.sleep(left - SPIN)
    while time.monotonic() < moment:
        pass


class Wires:
    """32 meters on two wires: every byte takes its time, and every gap.

    ``busy`` is what the requests answered so far need at the least, ``hasty`` counts
    requests that came before the gap was over.
    """

    def __init__(self, baud: int, near: int):
        self.character = BITS / baud
        self.gap = GAP_CHARACTERS * self.character
        self.near, self.free = near, 0.0
        self.busy, self.requests, self.hasty, self.words = 0.0, 0, 0, 0

    def serve(self) -> None:
        """Answer one request."""
        request = os.read(self.near, 256)
        began = time.monotonic()
        self.hasty += began < self.free - 0.0002
        count = int.from_bytes(request[4:6], "big")
        body = bytes((request[1], 2 * count)) + bytes(2 * count)
        answer = rtu.frame(request[0], body)
        at = began + len(request) * self.character + self.gap + TURNAROUND
        for first in range(0, len(answer), PIECE):
            piece = answer[first : first + PIECE]
            at += len(piece) * self.character
            until(at)
            os.write(self.near, piece)
        self.free = at + self.gap
        needed = (len(request) + len(answer)) * self.character
        self.busy += needed + 2 * self.gap + TURNAROUND
        self.requests, self.words = self.requests + 1, self.words + count


def wires(baud: int) -> None:
    """Be the line: print the port's path, then counts after each line on stdin."""
    near, far = pty.openpty()
    tty.setraw(far)
    print(os.ttyname(far), flush=True)
    line = Wires(baud, near)
    while True:
        line.serve()
        if line.requests % 16 == 0:
            facts = [line.requests, line.words, line.busy, line.hasty, line.free]
            print(json.dumps(facts), flush=True)


async def read(path: str, baud: int, seconds: float) -> int:
    """Read 32 meters as fast as the line goes, telemetry with each poll."""
    profile = meter_profile.load("sdm630")
    line = Line(
        name="L",
        transport="rtu_serial",
        serial_port=path,
        baudrate=baud,
        stopbits=2,
    )
    cost = request_cost_of(line)
    meters = [
        Device(f"M{n}", n, profile, 0.001, telemetry_interval=0, request_cost=cost)
        for n in range(1, METERS + 1)
    ]
    with tempfile.TemporaryDirectory() as folder:
        outbox = Outbox(Path(folder) / "outbox.sqlite3")
        await outbox.open()
        task = asyncio.create_task(LineWorker("L", bus_of(line), meters, outbox).run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.wait([task])
        kept = await outbox.run(lambda store: store.counts())
        await outbox.close()
    return kept


def bridge(baud: int, seconds: float) -> None:
    """Measure: print the figures of one line as JSON."""
    command = [sys.executable, __file__, "wires", str(baud)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as line:
        path = line.stdout.readline().strip()
        kept = asyncio.run(read(path, baud, seconds))
        line.kill()
        reports = [json.loads(text) for text in line.stdout if text.endswith("]\n")]
    first, last = reports[0], reports[-1]
    requests, words, busy, hasty, elapsed = (
        b - a for a, b in zip(first, last, strict=True)
    )
    figures = {
        "ratio": busy / elapsed,
        "requests_per_s": requests / elapsed,
        "registers_per_request": words / requests,
        "gaps_cut_short": hasty,
        "outbox": kept,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    if sys.argv[1] == "wires":
        wires(int(sys.argv[2]))
    else:
        bridge(int(sys.argv[2]), float(sys.argv[3]))
