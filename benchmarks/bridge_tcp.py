"""Meters a second over Modbus TCP with 1,000 devices, against bare pymodbus.

Run with ``python3 scripts bench bridge_tcp``. 1,000 devices behind 50 connections, in
a process of their own, answer at once. The floor reads one block of each device again
and again by pymodbus alone and forgets it. The bridge's workers read the same block,
decode register and relay to decimals, schedule, and commit each reading to the outbox
file (WAL, FULL); telemetry is read and decoded once a minute, as configured. Both run
in turn, and the ratio is that of the medians.

``BENCH_METERS`` (1000), ``BENCH_LINES`` (50), ``BENCH_SECONDS`` (5), ``BENCH_ROUNDS``
(5).
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks" / "bridge"))

from turns import compare  # noqa: E402

METERS = os.environ.get("BENCH_METERS", "1000")
LINES = os.environ.get("BENCH_LINES", "50")
SECONDS = os.environ.get("BENCH_SECONDS", "5")

if __name__ == "__main__":
    compare(
        "bridge_tcp",
        "tcp.py",
        [METERS, LINES, SECONDS],
        "meters",
        meters=int(METERS),
        lines=int(LINES),
    )
