"""Use of an RS-485 line at 9600 and 19200 baud against what its physics allow.

Run with ``python3 scripts bench bridge_bus``. A bridge's worker with its outbox reads
32 meters (Eastron SDM630, telemetry in each poll) over a pty behind which a process
delays every byte as wires do: 11 bits a character, 3.5 characters of silence before
each frame, 20 ms until a meter answers. The floor is the sum of these times over the
requests that were answered; the ratio is floor / elapsed time, of the worse line.

``BENCH_SECONDS`` (20) for each baud rate.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PYTHON = ROOT / ".local" / "bridge-venv" / "bin" / "python"
SECONDS = os.environ.get("BENCH_SECONDS", "20")
BAUD_RATES = (9600, 19200)
AIM = 0.95


def run(baud):
    """Figures of the line at ``baud``."""
    part = ROOT / "benchmarks" / "bridge" / "bus.py"
    words = [str(PYTHON), str(part), "bridge", str(baud), SECONDS]
    result = subprocess.run(words, stdout=subprocess.PIPE, check=True, text=True)
    return json.loads(result.stdout.splitlines()[-1])


def main():
    """Measure and print; exit 1 below the aim."""
    lines = {baud: run(baud) for baud in BAUD_RATES}
    for baud, line in lines.items():
        print(
            f"{baud:>6} baud  {line['ratio']:6.1%} of the line, "
            f"{line['requests_per_s']:.1f} requests/s of "
            f"{line['registers_per_request']:.0f} registers, "
            f"{line['gaps_cut_short']} gaps cut short"
        )
    ratio = min(line["ratio"] for line in lines.values())
    figures = {"benchmark": "bridge_bus", "ratio": round(ratio, 3)}
    for baud, line in lines.items():
        figures[f"ratio_{baud}"] = round(line["ratio"], 3)
        figures[f"requests_per_s_{baud}"] = round(line["requests_per_s"], 1)
        figures[f"gaps_cut_short_{baud}"] = line["gaps_cut_short"]
    print(json.dumps(figures))
    return int(ratio < AIM)


if __name__ == "__main__":
    sys.exit(main())
