"""Readings a second of the ingest, in process and over HTTP, against two floors.

Run with ``python3 scripts bench ingest``. In a database of its own, with a tariff of
two seasons, bands and tiers and a wallet for every ten meters:

- in process: batches of one reading a meter, each in its transaction;
- floor (a): ORM create of rows as wide;
- floor (b): staged COPY, INSERT ON CONFLICT and a wallet update, without rating;
- over HTTP: one server process with one thread of work a request, 1 and 2 gateways,
  while the log-in page is asked for.

``BENCH_METERS`` (10000), ``BENCH_BATCH`` (5000), ``BENCH_ROUNDS`` (4).
"""

import json
import os
import sys
import threading
import time
import urllib.request
from datetime import datetime, timedelta
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import odoo_server  # noqa: E402
import postgres  # noqa: E402
import services  # noqa: E402
from layout import ODOO_PORT  # noqa: E402

DATABASE = "prepaid_bench"
PORT = ODOO_PORT + 200
METERS = int(os.environ.get("BENCH_METERS", "10000"))
BATCH = int(os.environ.get("BENCH_BATCH", "5000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "4"))
BEGIN = datetime(2026, 1, 5)
STEP = timedelta(minutes=15)


class Bridge(threading.Thread):
    """A gateway that sends rounds of readings, one batch after the other."""

    def __init__(self, number, key, rounds):
        super().__init__()
        self.number, self.key, self.rounds = number, key, rounds
        self.taken = 0
        self.error = None

    def run(self):
        """Send all rounds; note what was accepted."""
        try:
            for index in self.rounds:
                for batch in self.batches(index):
                    answer = self.post(batch)
                    if answer["accepted"] != len(batch["readings"]):
                        raise RuntimeError(f"{answer['held'][:3]}")
                    self.taken += answer["accepted"]
        except Exception as error:
            self.error = error

    def batches(self, index):
        """The batches of one round: each meter of the gateway once."""
        at = f"{BEGIN + index * STEP}Z"
        half = METERS // 2
        first = 1 + self.number * half
        rows = [[f"B{first + n}", at, str(index / 2)] for n in range(half)]
        for start in range(0, half, BATCH):
            uid = f"h{self.number}-{index}-{start}"
            yield {"uid": uid, "readings": rows[start : start + BATCH]}

    def post(self, batch):
        """Hand one batch over as the bridge does."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{PORT}/json/2/energy.gateway/ingest",
            json.dumps({"batch": batch}).encode(),
            {
                "Authorization": f"bearer {self.key}",
                "Content-Type": "application/json",
                "X-Odoo-Database": DATABASE,
            },
        )
        with urllib.request.urlopen(request, timeout=300) as response:
            return json.load(response)


def over_http(keys, rounds):
    """Readings a second with these gateways at once, and the page's worst answer."""
    bridges = [Bridge(number, key, rounds) for number, key in enumerate(keys)]
    began = time.perf_counter()
    for bridge in bridges:
        bridge.start()
    worst = 0.0
    while any(bridge.is_alive() for bridge in bridges):
        asked = time.perf_counter()
        with urllib.request.urlopen(f"http://127.0.0.1:{PORT}/web/login", timeout=300):
            worst = max(worst, time.perf_counter() - asked)
        time.sleep(0.2)
    took = time.perf_counter() - began
    for bridge in bridges:
        if bridge.error:
            raise bridge.error
    return sum(bridge.taken for bridge in bridges) / took, worst


def main():
    """Measure and print."""
    started = postgres.start()
    odoo_server.test_template()
    odoo_server.clone(odoo_server.TEST_DB, DATABASE)
    script = (ROOT / "benchmarks/odoo/ingest_world.py").read_text()
    numbers = odoo_server.shell(
        DATABASE, script, meters=METERS, batch=BATCH, rounds=ROUNDS
    )
    keys = numbers.pop("keys")
    try:
        odoo_server.start("bench-odoo", DATABASE, PORT, PORT + 3, "--workers=0")
        # the second gateway's meters have no reading yet
        over_http(keys[1:], [])
        base = ROUNDS + 1
        one, page_one = over_http(keys[:1], range(base, base + ROUNDS))
        both = range(base + ROUNDS, base + 2 * ROUNDS)
        two, page_two = over_http(keys, both)
    finally:
        services.stop("bench-odoo")
        if started:
            postgres.drop(DATABASE)
            postgres.stop()
    report(numbers, one, two, max(page_one, page_two))


def report(numbers, one, two, page):
    """Print the figures; the last line is JSON."""
    ratio = numbers["ingest"] / numbers["copy_floor"]
    print(f"{METERS} meters, batches of {BATCH}")
    print(f"in process          {numbers['ingest']:>10,.0f} readings/s")
    print(f"  rounds            {numbers['rounds']}")
    print(f"floor: ORM create   {numbers['orm_floor']:>10,.0f} rows/s")
    print(f"floor: COPY         {numbers['copy_floor']:>10,.0f} rows/s")
    print(f"HTTP, 1 gateway     {one:>10,.0f} readings/s")
    print(f"HTTP, 2 gateways    {two:>10,.0f} readings/s")
    print(f"log-in page meanwhile, worst {page:.2f} s")
    print(
        json.dumps(
            {
                "benchmark": "ingest",
                "ratio": round(ratio, 3),
                "of_orm_create": round(numbers["ingest"] / numbers["orm_floor"], 2),
                "in_process": round(numbers["ingest"]),
                "http_1": round(one),
                "http_2": round(two),
                "page_worst_s": round(page, 2),
                "memory_growth_mb": numbers["memory_growth_mb"],
                "meters": METERS,
                "batch": BATCH,
            }
        )
    )


if __name__ == "__main__":
    main()
