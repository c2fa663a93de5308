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

import json
import os
import statistics
import subprocess
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".local" / "bridge-venv" / "bin" / "python"
METERS = os.environ.get("BENCH_METERS", "1000")
LINES = os.environ.get("BENCH_LINES", "50")
SECONDS = os.environ.get("BENCH_SECONDS", "5")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


def run(part):
    """Meters a second of ``floor`` or ``bridge``."""
    file = ROOT / "benchmarks" / "bridge" / "tcp.py"
    words = [str(PYTHON), str(file), part, METERS, LINES, SECONDS]
    result = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(result.stdout.splitlines()[-1])["rate"]


def main():
    """Measure in turn and print."""
    rates = {"floor": [], "bridge": []}
    for _ in range(ROUNDS):
        for part, found in rates.items():
            found.append(run(part))
    median = {part: statistics.median(found) for part, found in rates.items()}
    for part, found in rates.items():
        least, most = min(found), max(found)
        print(f"{part:>7}  {median[part]:8,.0f} meters/s ({least:,.0f} … {most:,.0f})")
    figures = {
        "benchmark": "bridge_tcp",
        "ratio": round(median["bridge"] / median["floor"], 3),
        "bridge_per_s": round(median["bridge"]),
        "floor_per_s": round(median["floor"]),
        "meters": int(METERS),
        "lines": int(LINES),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
