"""Readings a second of the ingest, in process and over HTTP, against two floors.

Run with ``python3 scripts bench ingest``. For 10,000 and for 100,000 meters, half of
them at each of two gateways, in a database of its own, with a tariff of two seasons,
bands and tiers and a wallet for every ten meters (all wallets have meters at both):

- in process: batches of 1,000 to 10,000 readings, one, four and ten of each meter, each
  batch in its transaction;
- floor (a): ORM create of rows as wide;
- floor (b): staged COPY, INSERT ON CONFLICT and a wallet update, without rating;
- over HTTP: one server process, 1 and 2 gateways with full outboxes, while a tenant's
  portal page is asked for.

Figures are medians of rounds; only ratios of one run mean anything.
``BENCH_METERS`` (10000,100000), ``BENCH_ROUNDS`` (5), for a quick run 10000 and 3.
"""

import http.cookiejar
import json
import os
import re
import statistics
import sys
import threading
import time
import urllib.parse
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
URL = f"http://127.0.0.1:{PORT}"
METERS = [int(n) for n in os.environ.get("BENCH_METERS", "10000,100000").split(",")]
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
SHAPES = [(1000, 1), (5000, 1), (10000, 1), (5000, 4), (5000, 10)]
MAIN = (5000, 1)
BEGIN = datetime(2026, 1, 5)
STEP = timedelta(minutes=15)


class Bridge(threading.Thread):
    """A gateway that sends its outbox, one batch after the other."""

    def __init__(self, number, key, meters, rounds):
        super().__init__()
        self.key = key
        self.outbox = [
            body for index in rounds for body in self.batches(number, meters, index)
        ]
        self.taken = 0
        self.error = None

    def run(self):
        """Send all batches; note what was accepted."""
        try:
            for body, count in self.outbox:
                answer = self.post(body)
                if answer["accepted"] != count:
                    raise RuntimeError(f"{answer['held'][:3]}")
                self.taken += count
        except Exception as error:
            self.error = error

    @staticmethod
    def batches(number, meters, index):
        """The batches of one round, ready to send: each meter of the gateway once."""
        at = f"{BEGIN + index * STEP}Z"
        half = meters // 2
        rows = [[f"B{1 + number * half + n}", at, str(index / 2)] for n in range(half)]
        for start in range(0, half, MAIN[0]):
            part = rows[start : start + MAIN[0]]
            batch = {"uid": f"h{number}-{index}-{start}", "readings": part}
            yield json.dumps({"batch": batch}).encode(), len(part)

    def post(self, body):
        """Hand one batch over as the bridge does."""
        request = urllib.request.Request(
            f"{URL}/json/2/energy.gateway/ingest",
            body,
            {
                "Authorization": f"bearer {self.key}",
                "Content-Type": "application/json",
                "X-Odoo-Database": DATABASE,
            },
        )
        with urllib.request.urlopen(request, timeout=300) as response:
            return json.load(response)


class Tenant:
    """A browser that is logged in to the portal."""

    def __init__(self, wallet):
        self.page = f"{URL}/my/energy/{wallet}"
        jar = urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar())
        self.opener = urllib.request.build_opener(jar)
        form = self.opener.open(f"{URL}/web/login", timeout=60).read().decode()
        token = re.search(r'name="csrf_token" value="(\w+)"', form)[1]
        values = {"login": "bench", "password": "bench-bench", "csrf_token": token}
        data = urllib.parse.urlencode(values).encode()
        self.opener.open(f"{URL}/web/login", data, timeout=60).read()
        self.look()

    def look(self):
        """Seconds until the wallet's page is there."""
        began = time.perf_counter()
        page = self.opener.open(self.page, timeout=300).read().decode()
        if "W0" not in page:
            raise RuntimeError("the portal does not show the wallet")
        return time.perf_counter() - began


def over_http(keys, meters, rounds, tenant):
    """Readings a second with these gateways at once; the page's seconds meanwhile."""
    bridges = [Bridge(number, key, meters, rounds) for number, key in keys]
    began = time.perf_counter()
    for bridge in bridges:
        bridge.start()
    pages = []
    while any(bridge.is_alive() for bridge in bridges):
        pages.append(tenant.look())
        for bridge in bridges:
            bridge.join(0.5)
    took = time.perf_counter() - began
    for bridge in bridges:
        if bridge.error:
            raise bridge.error
    return sum(bridge.taken for bridge in bridges) / took, pages


def measure(meters):
    """All figures for a number of meters, as a dict."""
    odoo_server.clone(odoo_server.TEST_DB, DATABASE)
    script = (ROOT / "benchmarks/odoo/ingest_world.py").read_text()
    numbers = odoo_server.shell(
        DATABASE, script, meters=meters, shapes=SHAPES, rounds=ROUNDS
    )
    keys = list(enumerate(numbers.pop("keys")))
    # enough rounds that it lasts some seconds; the first opens the second's meters
    rounds = max(2, ROUNDS * 4 * 10_000 // meters)
    begin = numbers.pop("until") + 1
    odoo_server.start("bench-odoo", DATABASE, PORT, PORT + 3, "--workers=0")
    try:
        tenant = Tenant(numbers.pop("wallet"))
        over_http(keys, meters, [begin], tenant)
        numbers["page_idle_s"] = statistics.median(tenant.look() for _n in range(5))
        one = range(begin + 1, begin + 1 + rounds)
        numbers["http_1"], pages = over_http(keys[:1], meters, one, tenant)
        two = range(begin + 1 + rounds, begin + 1 + rounds + rounds // 2)
        numbers["http_2"], more = over_http(keys, meters, two, tenant)
    finally:
        services.stop("bench-odoo")
    numbers["page_median_s"] = statistics.median(pages + more)
    numbers["page_worst_s"] = max(pages + more)
    return numbers


def report(meters, numbers):
    """Print the figures of one number of meters; return those of the main shape."""
    print(f"{meters:,} meters (figures in readings a second)")
    for shape in numbers["shapes"]:
        ratio = shape["rate"] / shape["floor"]
        print(
            f"  batch {shape['batch']:>6,}, {shape['depth']:>2} of a meter"
            f" {shape['rate']:>10,.0f}  floor COPY {shape['floor']:>10,.0f}"
            f"  ratio {ratio:.2f}"
        )
    print(f"  floor ORM create {numbers['orm_floor']:>25,.0f}")
    print(f"  HTTP, 1 gateway  {numbers['http_1']:>25,.0f}")
    print(f"  HTTP, 2 gateways {numbers['http_2']:>25,.0f}")
    print(
        f"  portal page: idle {numbers['page_idle_s']:.2f} s, meanwhile"
        f" {numbers['page_median_s']:.2f} s, worst {numbers['page_worst_s']:.2f} s"
    )
    print(f"  memory grew by {numbers['memory_growth_mb']} MB", flush=True)
    return next(s for s in numbers["shapes"] if (s["batch"], s["depth"]) == MAIN)


def main():
    """Measure and print; the last line is JSON."""
    started = not postgres.is_running()
    postgres.start()
    odoo_server.test_template()
    results = {}
    try:
        for meters in METERS:
            results[meters] = numbers = measure(meters)
            main_shape = report(meters, numbers)
            numbers["ratio"] = main_shape["rate"] / main_shape["floor"]
            numbers["of_orm_create"] = main_shape["rate"] / numbers["orm_floor"]
    finally:
        postgres.drop(DATABASE)
        if started:
            postgres.stop()
    ratio = results[METERS[0]]["ratio"]
    rounded = json.loads(json.dumps(results), parse_float=lambda n: round(float(n), 3))
    print(json.dumps({"benchmark": "ingest", "ratio": round(ratio, 3), **rounded}))


if __name__ == "__main__":
    main()
