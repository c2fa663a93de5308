"""Seconds and memory of a statement's workbook, against xlsxwriter alone.

Run with ``python3 scripts bench statement``. In a database of its own: a year of 20
wallets, consumption by day and service point and top-ups, ``BENCH_ROWS`` (100000) rows.

- the export: from the database through a cursor into a workbook of three sheets;
- floor: xlsxwriter in constant memory writes as many rows from a generator.
"""

import json
import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import odoo_server  # noqa: E402
import postgres  # noqa: E402

DATABASE = "prepaid_bench_statement"
ROWS = int(os.environ.get("BENCH_ROWS", "100000"))


def main():
    """Measure and print; the last line is JSON."""
    was_running = postgres.is_running()
    postgres.start()
    odoo_server.test_template()
    odoo_server.clone(odoo_server.TEST_DB, DATABASE)
    script = (ROOT / "benchmarks/odoo/statement_world.py").read_text()
    try:
        found = odoo_server.shell(DATABASE, script, rows=ROWS)
    finally:
        postgres.drop(DATABASE)
        if not was_running:
            postgres.stop()
    print(f"{found['rows']:,} rows, {found['bytes'] / 10**6:.1f} MB")
    print(f"workbook         {found['seconds']:>8.2f} s")
    print(f"floor            {found['floor_seconds']:>8.2f} s")
    print(f"csv              {found['csv_seconds']:>8.2f} s")
    print(
        f"memory           {found['peak_mb']:>8.0f} MB (was {found['before_mb']:.0f})"
    )
    print(
        json.dumps(
            {
                "benchmark": "statement",
                "ratio": round(found["floor_seconds"] / found["seconds"], 3),
                "seconds": round(found["seconds"], 2),
                "peak_mb": round(found["peak_mb"]),
                "rows": found["rows"],
            }
        )
    )


if __name__ == "__main__":
    main()
