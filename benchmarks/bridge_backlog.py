"""A backlog of a million readings drains: readings a second, and peak memory.

Run with ``python3 scripts bench bridge_backlog``. The bridge's own delivery drains an
outbox file into a fast HTTP server in a process of its own, which parses each batch.
Floor in the same run, with the same file and server: read the rows, ``json.dumps``,
POST, without marking, confirming or deleting anything.

``BENCH_ROWS`` (1000000).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".local" / "bridge-venv" / "bin" / "python"
ROWS = int(os.environ.get("BENCH_ROWS", "1000000"))


def run(*words):
    """Run a part in the bridge's environment; returns its last line as JSON."""
    part = ROOT / "benchmarks" / "bridge" / "backlog.py"
    result = subprocess.run(
        [str(PYTHON), str(part), *map(str, words)],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(result.stdout.splitlines()[-1])


def main():
    """Measure and print."""
    bridge, floor = run("bridge", ROWS), run("floor", ROWS)
    ratio = bridge["per_second"] / floor["per_second"]
    print(f"{ROWS:,} readings")
    for name, part in (("bridge", bridge), ("floor", floor)):
        print(
            f"{name:8} {part['per_second']:>10,.0f} readings/s, peak "
            f"{part['peak_mb']:.0f} MB, {part['grown_mb']:.0f} MB above the start"
        )
    print(
        json.dumps(
            {
                "benchmark": "bridge_backlog",
                "ratio": round(ratio, 3),
                "readings_per_second": round(bridge["per_second"]),
                "floor_per_second": round(floor["per_second"]),
                "peak_mb": round(bridge["peak_mb"]),
                "grown_mb": round(bridge["grown_mb"]),
            }
        )
    )


if __name__ == "__main__":
    sys.exit(main())
