"""MQTT messages a second, from the broker to the acknowledged commit, against paho.

Run with ``python3 scripts bench bridge_mqtt``. A mosquitto of its own holds the
messages of 1,000 Shelly switches in a session (QoS 1). The floor takes them by paho
alone, which acknowledges each when its callback returns, and counts. The bridge decodes
register, relay and telemetry, commits to the outbox file (WAL, FULL) and acknowledges
after the commit. Both have the same receive maximum, run in turn, each in a process of
its own; the ratio is that of the medians.

``BENCH_METERS`` (1000), ``BENCH_MESSAGES`` (20 a meter), ``BENCH_ROUNDS`` (5).
"""

import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import system  # noqa: E402

PYTHON = ROOT / ".local" / "bridge-venv" / "bin" / "python"
METERS = os.environ.get("BENCH_METERS", "1000")
MESSAGES = os.environ.get("BENCH_MESSAGES", "20")
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


def run(part):
    """Messages a second of ``floor`` or ``bridge``."""
    file = ROOT / "benchmarks" / "bridge" / "mqtt.py"
    words = [str(PYTHON), str(file), part, METERS, MESSAGES]
    environment = {**os.environ, "MOSQUITTO": str(system.MOSQUITTO)}
    result = subprocess.run(
        words, stdout=subprocess.PIPE, check=True, text=True, env=environment
    )
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
        print(
            f"{part:>7}  {median[part]:8,.0f} messages/s ({least:,.0f} … {most:,.0f})"
        )
    figures = {
        "benchmark": "bridge_mqtt",
        "ratio": round(median["bridge"] / median["floor"], 3),
        "bridge_per_s": round(median["bridge"]),
        "floor_per_s": round(median["floor"]),
        "meters": int(METERS),
        "messages": int(METERS) * int(MESSAGES),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
