"""Run in Odoo's shell: many meters, and the ingest in process against two floors.

``values``: ``meters``; ``shapes``, pairs of readings in a batch and readings of a meter
in it; ``rounds``.
Rows are made by SQL, since making 100,000 meters by the ORM is not what is measured.
"""
# ruff: noqa: F821 (the shell has env and values)

import io
import os
import statistics
import time
from datetime import datetime, timedelta
from decimal import Decimal

from odoo.addons.prepaid_energy.ingest.batch import Batch

METERS, ROUNDS = values["meters"], values["rounds"]
BEGIN = datetime(2026, 1, 5)
STEP = timedelta(minutes=15)
QUICK = env(context={**env.context, "tracking_disable": True})
# Copies of one row that the ORM made, with the following ids and some other values.
COPIES = """
INSERT INTO %(table)s
SELECT copy.* FROM %(table)s source
 CROSS JOIN generate_series(1, %(count)s - 1) n
 CROSS JOIN LATERAL jsonb_populate_record(
    source, jsonb_build_object('id', source.id + n, %(values)s)) copy
 WHERE source.id = %(source)s;
SELECT setval('%(table)s_id_seq', %(source)s + %(count)s);
"""


def tariff():
    """Peak and night in two seasons, two tiers."""
    season = QUICK["energy.tariff.season"].create([{"name": "warm"}, {"name": "cold"}])
    band = QUICK["energy.tariff.band"].create([{"name": "peak"}, {"name": "night"}])
    halves = (("4", 1, "9", 30), ("10", 1, "3", 31))
    return QUICK["energy.tariff"].create(
        {
            "name": "Bench",
            "tz": "Europe/Berlin",
            "version_ids": [
                (
                    0,
                    0,
                    {
                        "valid_from": "2020-01-01",
                        "default_band_id": band[1].id,
                        "tier_mode": "incremental",
                        "period_ids": [
                            (
                                0,
                                0,
                                {
                                    "season_id": season[n].id,
                                    "month_from": half[0],
                                    "day_from": half[1],
                                    "month_to": half[2],
                                    "day_to": half[3],
                                },
                            )
                            for n, half in enumerate(halves)
                        ],
                        "rule_ids": [
                            (
                                0,
                                0,
                                {"band_id": band[0].id, "hour_from": 6, "hour_to": 22},
                            )
                        ],
                        "threshold_ids": [(0, 0, {"up_to": 100})],
                        "price_ids": [
                            (
                                0,
                                0,
                                {
                                    "season_id": season[s].id,
                                    "band_id": band[b].id,
                                    "tier": t,
                                    "price": 0.1 + s / 10 + b / 20 + t / 50,
                                },
                            )
                            for s in (0, 1)
                            for b in (0, 1)
                            for t in (1, 2)
                        ],
                        "levy_ids": [(0, 0, {"name": "VAT", "percent": 19})],
                    },
                )
            ],
        }
    )


def multiply(record, count, others):
    """Make ``count`` rows of one record; ``others`` is SQL with n from 1 on."""
    words = {
        "table": record._table,
        "source": record.id,
        "count": count,
        "values": others,
    }
    env.cr.execute(COPIES % words)


def world():
    """Two gateways with half of the meters each."""
    company = env.company
    site = QUICK["energy.site"].create({"name": "Bench", "tz": "UTC"})
    first, second = QUICK["energy.gateway"].create(
        [{"name": name, "site_id": site.id} for name in ("First", "Second")]
    )
    policy = QUICK["energy.policy"].create({"name": "Bench", "armed": True})
    wallet = QUICK["energy.wallet"].create(
        {
            "name": "W0",
            "partner_id": company.partner_id.id,
            "policy_id": policy.id,
        }
    )
    point = QUICK["energy.service.point"].create(
        {
            "name": "P1",
            "site_id": site.id,
            "tariff_id": tariff().id,
            "wallet_id": wallet.id,
        }
    )
    meter = QUICK["energy.meter"].create(
        {"serial": "B1", "gateway_id": first.id, "has_relay": True}
    )
    installation = QUICK["energy.meter.installation"].create(
        {"meter_id": meter.id, "service_point_id": point.id, "date_from": "2025-01-01"}
    )
    QUICK["energy.wallet.entry"]._post(
        wallet, "grant", Decimal(1_000_000), source_key="bench", name="Bench"
    )
    env.flush_all()
    wallets = max(METERS // 10, 1)
    multiply(wallet, wallets, "'name', 'W' || n, 'reference', 'BENCH' || n")
    multiply(
        point,
        METERS,
        f"'name', 'P' || n + 1, 'wallet_id', {wallet.id} + n % {wallets}, "
        "'meter_id', null",
    )
    multiply(
        meter,
        METERS,
        f"'serial', 'B' || n + 1, 'service_point_id', {point.id} + n, 'gateway_id', "
        f"CASE WHEN n < {METERS // 2} THEN {first.id} ELSE {second.id} END",
    )
    multiply(
        installation,
        METERS,
        f"'meter_id', {meter.id} + n, 'service_point_id', {point.id} + n",
    )
    multiply(
        point.term_ids,
        METERS,
        f"'service_point_id', {point.id} + n, 'wallet_id', {wallet.id} + n % {wallets}",
    )
    env.cr.execute(
        "UPDATE energy_service_point point SET meter_id = meter.id "
        "FROM energy_meter meter WHERE meter.service_point_id = point.id"
    )
    env.cr.execute("ANALYZE")
    env.cr.commit()
    env.invalidate_all()
    return first, second


def batches(gateway, size, depth, moment, uid):
    """Batches of ``size`` readings; each of the gateway's meters is in one of them.

    :param int depth: readings of one meter, as after an outage.
    :param datetime moment: of the last one.
    """
    times = [moment - back * STEP for back in reversed(range(depth))]
    reads = [
        (f"{at}Z", str((at - BEGIN).total_seconds() / 1800))  # two kWh an hour
        for at in times
    ]
    meters = size // depth
    for start in range(0, METERS // 2, meters):
        names = [f"B{1 + n}" for n in range(start, min(start + meters, METERS // 2))]
        rows = [[name, at, register] for name in names for at, register in reads]
        yield {"uid": f"{uid}-{start}", "readings": rows}


def ingest(gateway, size, depth, moment, uid):
    """Readings a second of one round in process."""
    ready = list(batches(gateway, size, depth, moment, uid))
    count = 0
    began = time.perf_counter()
    for batch in ready:
        answer = Batch(gateway, batch).run()
        if answer["accepted"] != len(batch["readings"]):
            raise AssertionError(str(answer)[:500])
        count += answer["accepted"]
        env.cr.commit()
    return count / (time.perf_counter() - began)


def orm_floor(gateway, count=2000):
    """ORM create of rows as wide as a reading; rows a second."""
    meter = env["energy.meter"].search([("gateway_id", "=", gateway.id)], limit=1)
    rows = [
        {
            "gateway_id": gateway.id,
            "uid": f"f{n}",
            "meter_id": meter.id,
            "at": BEGIN,
            "kind": "clock_step",
            "data": {"register": "1.5"},
        }
        for n in range(count)
    ]
    began = time.perf_counter()
    env["energy.event"].create(rows)
    env.flush_all()
    took = time.perf_counter() - began
    env.cr.rollback()
    return count / took


def copy_floor(gateway, size, depth, moment):
    """Staged COPY, INSERT ON CONFLICT and a wallet update, no rating; rows a second."""
    meters = env.execute_query_dict(
        odoo_sql(
            "SELECT id FROM energy_meter WHERE gateway_id = %s ORDER BY id", gateway.id
        )
    )
    env["energy.reading"]._ensure_partitions([moment])
    env.cr.commit()
    began = time.perf_counter()
    for start in range(0, len(meters), size // depth):
        part = meters[start : start + size // depth]
        env.cr.execute(
            "CREATE TEMP TABLE stage (meter_id int, at timestamp, register numeric) "
            "ON COMMIT DROP"
        )
        lines = "".join(
            f"{row['id']}\t{moment - back * STEP}\t5.25\n"
            for row in part
            for back in range(depth)
        )
        env.cr.copy_expert("COPY stage FROM STDIN", io.StringIO(lines))
        env.cr.execute(
            "INSERT INTO energy_reading (meter_id, at, register) "
            "SELECT * FROM stage ON CONFLICT DO NOTHING"
        )
        env.cr.execute(
            """
            UPDATE energy_wallet wallet SET balance = balance - used.amount
              FROM (SELECT point.wallet_id, sum(stage.register) * 0.25 AS amount
                      FROM stage JOIN energy_meter meter ON meter.id = stage.meter_id
                      JOIN energy_service_point point
                        ON point.id = meter.service_point_id GROUP BY 1) used
             WHERE wallet.id = used.wallet_id
            """
        )
        env.cr.commit()
    return len(meters) * depth / (time.perf_counter() - began)


def odoo_sql(text, *arguments):
    from odoo.tools import SQL

    return SQL(text, *arguments)


def memory():
    """Megabytes of this process in memory now."""
    with open("/proc/self/statm", encoding="ascii") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20


def measure(gateway):
    """Rounds of each shape, the floor after each: dicts of medians."""
    moment, back = BEGIN + STEP, datetime(2025, 6, 1)
    ingest(gateway, 5000, 1, BEGIN, "open")
    ingest(gateway, 5000, 1, moment, "warm")
    found, before = [], None
    for size, depth in values["shapes"]:
        runs, floors = [], []
        for number in range(ROUNDS):
            moment += depth * STEP
            back += depth * STEP
            uid = f"r{size}-{depth}-{number}"
            runs.append(ingest(gateway, size, depth, moment, uid))
            floors.append(copy_floor(gateway, size, depth, back))
            before = before or memory()
        rate, floor = statistics.median(runs), statistics.median(floors)
        found.append({"batch": size, "depth": depth, "rate": rate, "floor": floor})
    return found, moment, memory() - before


def tenant():
    """A portal user of the first wallet, whose page is asked for meanwhile."""
    wallet = env["energy.wallet"].search([("name", "=", "W0")])
    user = QUICK["res.users"].create(
        {
            "name": "Bench",
            "login": "bench",
            "password": "bench-bench",
            "group_ids": [(6, 0, [env.ref("base.group_portal").id])],
        }
    )
    wallet.partner_id = user.partner_id
    return wallet.id


first, second = world()
shapes, moment, growth = measure(first)
orm = statistics.median(orm_floor(first) for _again in range(3))
result = {
    "keys": [gateway._new_api_key() for gateway in (first, second)],
    "wallet": tenant(),
    "shapes": shapes,
    "orm_floor": orm,
    "memory_growth_mb": round(growth, 1),
    "until": (moment - BEGIN) // STEP,
}
