"""Memory of a bridge with 10,000 meters that are all read: at most 300 MB.

Run with ``python3 scripts bench bridge_memory``. A real bridge process reads real
Modbus servers (another process) and delivers to a fast HTTP server until each meter
was read twice. Floor in the same run: the same program with ten meters.

``BENCH_METERS`` (10000).
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".local" / "bridge-venv" / "bin" / "python"
METERS = int(os.environ.get("BENCH_METERS", "10000"))
LIMIT_MB = 300


def run(meters):
    """Memory in MB of a bridge with so many meters, and how long it took."""
    part = ROOT / "benchmarks" / "bridge" / "memory.py"
    words = [str(PYTHON), str(part), str(meters)]
    result = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def main():
    """Measure and print; exit 1 above the limit."""
    small, large = run(10), run(METERS)
    per_meter = (large["peak_mb"] - small["peak_mb"]) * 1024 / (METERS - 10)
    print(f"{10:>6,} meters  {small['peak_mb']:6.1f} MB")
    print(
        f"{METERS:>6,} meters  {large['peak_mb']:6.1f} MB, {per_meter:.1f} kB a meter"
    )
    figures = {
        "benchmark": "bridge_memory",
        "ratio": round(small["peak_mb"] / large["peak_mb"], 3),
        "meters": METERS,
        "peak_mb": round(large["peak_mb"], 1),
        "floor_mb": round(small["peak_mb"], 1),
        "kb_per_meter": round(per_meter, 2),
        "readings": large["readings"],
        "seconds": round(large["seconds"], 1),
    }
    print(json.dumps(figures))
    return int(large["peak_mb"] > LIMIT_MB)


if __name__ == "__main__":
    sys.exit(main())
