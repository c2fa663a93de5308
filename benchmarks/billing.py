"""Seconds per 1,000 invoices of a billing run against plain ``account.move``.

Run with ``python3 scripts bench billing``. In a database of its own, with tenants that
have used energy for a month by two bands and two tiers, with a fixed charge and a levy
that is an Odoo tax:

- the run: claims, invoices, settlement entry, reconciliation, bills, mail queue, by the
  run's own transactions;
- plain: ``account.move`` create and post of the same lines in the same batches, and
  nothing else.

``BENCH_TENANTS`` (2000), ``BENCH_BATCH`` (that of the run), ``BENCH_DAYS`` (30).
"""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import odoo_server  # noqa: E402
import postgres  # noqa: E402

DATABASE = "prepaid_bench_billing"
TENANTS = int(os.environ.get("BENCH_TENANTS", "2000"))
BATCH = int(os.environ.get("BENCH_BATCH", "100"))
DAYS = int(os.environ.get("BENCH_DAYS", "30"))


def main():
    """Measure and print; the last line is JSON."""
    started = postgres.start()
    odoo_server.test_template()
    odoo_server.clone(odoo_server.TEST_DB, DATABASE)
    script = (ROOT / "benchmarks/odoo/billing_world.py").read_text()
    try:
        numbers = odoo_server.shell(
            DATABASE, script, tenants=TENANTS, batch=BATCH, days=DAYS
        )
    finally:
        postgres.drop(DATABASE)
        if started:
            postgres.stop()
    ratio = numbers["run"] / numbers["plain"]
    print(f"{TENANTS} tenants, batches of {BATCH}, {DAYS} days of usage")
    print(f"billing run   {numbers['run']:8.2f} s per 1,000 invoices")
    print(f"plain         {numbers['plain']:8.2f} s per 1,000 invoices")
    print(f"memory growth {numbers['memory_growth_mb']:8} MB after the first batch")
    print(
        json.dumps(
            {
                "benchmark": "billing",
                "ratio": round(ratio, 3),
                "run_s_per_1000": round(numbers["run"], 2),
                "plain_s_per_1000": round(numbers["plain"], 2),
                "memory_growth_mb": numbers["memory_growth_mb"],
                "tenants": TENANTS,
                "batch": BATCH,
            }
        )
    )


if __name__ == "__main__":
    main()
