"""Run in Odoo's shell after ``ingest_world.py``'s definitions; see ingest_scale.py.

``values``: ``sizes`` in millions of stored readings, ascending.
"""
# ruff: noqa: F821 (the shell has env and values, and what ingest_world.py defines)

FILL = """
INSERT INTO energy_reading (meter_id, at, register)
SELECT meter.id, %(begin)s::timestamp - n * interval '15 minutes', (%(top)s - n) * 0.5
  FROM (SELECT id FROM energy_meter WHERE serial LIKE 'B%%' ORDER BY id) meter
 CROSS JOIN LATERAL (
    SELECT n FROM generate_series(%(low)s, %(high)s) n ORDER BY n DESC) quarter
"""
TOP = values["sizes"][-1] * 10**6 // METERS + 1  # of the register, in half kWh


def fill(low, high):
    """Store the quarter hours ``low`` to ``high`` before BEGIN, of all meters."""
    moments = [BEGIN - number * STEP for number in range(low, high + 1)]
    env["energy.reading"]._ensure_partitions(moments)
    env.cr.execute(FILL, {"begin": BEGIN, "low": low, "high": high, "top": TOP})
    env.cr.commit()


def late(gateway, number):
    """Milliseconds to take one late reading: it is judged by its neighbours."""
    at = BEGIN - number * STEP - STEP / 2
    rows = [["B1", f"{at}Z", str(Decimal((TOP - number) * 2 - 1) / 4)]]
    began = time.perf_counter()
    answer = Batch(gateway, {"uid": f"late-{at}", "readings": rows}).run()
    took = time.perf_counter() - began
    if answer["accepted"] != 1:
        raise AssertionError(str(answer)[:500])
    env.cr.rollback()
    return took * 1000


def processor():
    """Seconds that this process and its database's have worked; others do not count."""
    path = f"/proc/{env.cr.connection.info.backend_pid}/stat"
    with open(path, encoding="ascii") as file:
        parts = file.read().rpartition(")")[2].split()
    ticks = int(parts[11]) + int(parts[12])
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


first, second = world()
moment = BEGIN + STEP
ingest(first, 5000, 1, BEGIN, "open")
ingest(first, 5000, 1, moment, "warm")
back = datetime(2026, 2, 1)
curve, stored = [], 0
for size in values["sizes"]:
    quarters = size * 10**6 // METERS
    fill(stored + 1, quarters)
    stored = quarters
    env.cr.connection.autocommit = True
    env.cr.execute("VACUUM ANALYZE")
    env.cr.execute("CHECKPOINT")  # what filling left to be written is not measured
    env.cr.connection.autocommit = False
    runs, floors, worked = [], [], []
    for number in range(values["rounds"] + 2):
        before = processor()
        moment += STEP
        back += STEP
        rate = ingest(first, 5000, 1, moment, f"s{len(curve)}-{number}")
        worked.append((processor() - before) / (METERS // 2))
        runs.append(10**6 / rate)
        floors.append(10**6 / copy_floor(first, 5000, 1, back))
    lates = [late(first, stored * part // 6) for part in range(1, 6)]
    curve.append(
        {
            "million": size,
            "microseconds": statistics.median(runs[2:]),  # two to warm up
            "processor": statistics.fmean(worked[2:]) * 10**6,
            "floor": statistics.median(floors[2:]),
            "late_ms": statistics.median(lates),
        }
    )
    print(curve[-1], flush=True)
result = curve
