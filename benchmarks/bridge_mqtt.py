"""MQTT messages a second, from the broker to the acknowledged commit, against paho.

Run with ``python3 scripts bench bridge_mqtt``. A mosquitto of its own holds the
messages of 1,000 Shelly switches in a session (QoS 1). The floor takes them by paho
alone, which acknowledges each when its callback returns, and counts. The bridge decodes
register, relay and telemetry, commits to the outbox file (WAL, FULL) and acknowledges
after the commit. Both have the same receive maximum, run in turn, each in a process of
its own; the ratio is that of the medians.

``BENCH_METERS`` (1000), ``BENCH_MESSAGES`` (20 a meter), ``BENCH_ROUNDS`` (5).
"""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))
sys.path.insert(0, str(ROOT / "benchmarks" / "bridge"))

import system  # noqa: E402
from turns import compare  # noqa: E402

METERS = os.environ.get("BENCH_METERS", "1000")
MESSAGES = os.environ.get("BENCH_MESSAGES", "20")

if __name__ == "__main__":
    compare(
        "bridge_mqtt",
        "mqtt.py",
        [METERS, MESSAGES],
        "messages",
        environment={"MOSQUITTO": str(system.MOSQUITTO)},
        meters=int(METERS),
        messages=int(METERS) * int(MESSAGES),
    )
