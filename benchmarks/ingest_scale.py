"""What a reading costs when many are stored already: the curve should be flat.

Run with ``python3 scripts bench ingest_scale``. The monthly partitions are filled to 1,
10, 30 and 100 million readings, a quarter hour each; at each size batches of 5,000
readings are taken in process, and single late ones, judged by their neighbours. The
floor of ``ingest.py`` (COPY without rating) and the time that the two processes really
work are measured beside each, so that a busy machine is not taken for a slope.

A day's later readings cost more than its first ones, whatever is stored, since there
are more rows of usage by then. So the same readings are taken in a second database in
which nothing more is stored from size to size; the ratio is that of growth to growth.

100 million take some 11 GB of disk; sizes for which there is no room are left out and
named. ``BENCH_MILLIONS`` (1,10,30,100), ``BENCH_METERS`` (10000), ``BENCH_ROUNDS`` (9).
"""

import json
import os
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "scripts"))

import odoo_server  # noqa: E402
import postgres  # noqa: E402
from layout import LOCAL  # noqa: E402

DATABASE = "prepaid_bench_scale"
MILLIONS = [int(n) for n in os.environ.get("BENCH_MILLIONS", "1,10,30,100").split(",")]
METERS = int(os.environ.get("BENCH_METERS", "10000"))
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "9"))
BYTES_PER_READING = 110  # row and key; as much again is left for the write-ahead log
SPARE = 10 * 10**9


def fitting():
    """The sizes that the disk has room for."""
    free = shutil.disk_usage(LOCAL).free - SPARE
    sizes = [n for n in MILLIONS if n * 10**6 * BYTES_PER_READING < free]
    for size in sorted({*MILLIONS} - {*sizes}):
        print(f"no room on the disk for {size} million readings: left out")
    return sizes


def main():
    """Measure and print; the last line is JSON."""
    started = not postgres.is_running()
    postgres.start()
    odoo_server.test_template()
    sizes = fitting()
    try:
        control = measure([sizes[0]] * len(sizes))
        curve = measure(sizes)
    finally:
        postgres.drop(DATABASE)
        if started:
            postgres.stop()
    for point, same in zip(curve, control, strict=True):
        bar = "#" * round(point["processor"])
        print(
            f"{point['million']:>5} million stored {point['microseconds']:>6.1f} µs a"
            f" reading, {point['processor']:>5.1f} of work (same readings with"
            f" {same['million']} million: {same['processor']:.1f}), floor"
            f" {point['floor']:>4.1f}, late one {point['late_ms']:>4.1f} ms  {bar}"
        )
    ratio = growth(curve) / growth(control)
    result = {"ratio": round(ratio, 3), "curve": curve, "control": control}
    rounded = json.loads(json.dumps(result), parse_float=lambda n: round(float(n), 3))
    print(json.dumps({"benchmark": "ingest_scale", **rounded}))


def measure(sizes):
    """The curve over these sizes, in a new database."""
    odoo_server.clone(odoo_server.TEST_DB, DATABASE)
    folder = ROOT / "benchmarks/odoo"
    script = (folder / "ingest_world.py").read_text().partition("\n\nfirst, second")[0]
    script += "\n" + (folder / "ingest_scale.py").read_text()
    values = {"meters": METERS, "shapes": [], "rounds": ROUNDS, "sizes": sizes}
    return odoo_server.shell(DATABASE, script, **values)


def growth(curve):
    """How much more work a reading is at the end of a curve than at its beginning."""
    return curve[-1]["processor"] / curve[0]["processor"]


if __name__ == "__main__":
    main()
