"""Run in Odoo's shell: many meters, and the ingest in process against two floors.

``values``: ``meters``, ``batch``, ``rounds``.
Rows are made by SQL, since making 100,000 meters by the ORM is not what is measured.
"""
# ruff: noqa: F821 (the shell has env and values)

import io
import resource
import time
from datetime import datetime, timedelta
from decimal import Decimal

from odoo.addons.prepaid_energy.ingest.batch import Batch

METERS, BATCH, ROUNDS = values["meters"], values["batch"], values["rounds"]
BEGIN = datetime(2026, 1, 5)
STEP = timedelta(minutes=15)
QUICK = env(context={**env.context, "tracking_disable": True})
WORLD = """
INSERT INTO energy_wallet (name, kind, company_id, currency_id, partner_id, policy_id,
       balance, accrued, level, active, reference)
SELECT 'W' || n, 'tenant', %(company)s, %(currency)s, %(partner)s, %(policy)s,
       1000000, 0, 'normal', true, 'BENCH' || n
  FROM generate_series(1, %(wallets)s) n;
INSERT INTO energy_service_point (name, site_id, company_id, tariff_id, wallet_id,
       commodity, active, life_safety, never_cut, locked_out, tripped, switched_off,
       desired_state, generation)
SELECT 'P' || n, %(site)s, %(company)s, %(tariff)s,
       (SELECT min(id) FROM energy_wallet WHERE reference = 'BENCH1')
       + n %% %(wallets)s, 'electricity', true, false, false, false, false, false,
       'closed', 0
  FROM generate_series(1, %(meters)s) n;
INSERT INTO energy_meter (serial, company_id, gateway_id, register_digits, has_relay,
       relay_state, active, service_point_id)
SELECT 'B' || n, %(company)s,
       CASE WHEN n <= %(meters)s / 2 THEN %(first)s ELSE %(second)s END,
       8, true, 'closed', true,
       (SELECT min(id) FROM energy_service_point WHERE name = 'P1') + n - 1
  FROM generate_series(1, %(meters)s) n;
INSERT INTO energy_meter_installation
       (meter_id, service_point_id, company_id, date_from)
SELECT id, service_point_id, company_id, '2025-01-01' FROM energy_meter
 WHERE serial LIKE 'B%%';
UPDATE energy_service_point point SET meter_id = meter.id
  FROM energy_meter meter WHERE meter.service_point_id = point.id;
INSERT INTO energy_supply_term (service_point_id, company_id, tariff_id, wallet_id)
SELECT id, company_id, tariff_id, wallet_id FROM energy_service_point
 WHERE name LIKE 'P%%';
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


def world():
    """Two gateways with half of the meters each."""
    company = env.company
    site = QUICK["energy.site"].create({"name": "Bench", "tz": "UTC"})
    first, second = QUICK["energy.gateway"].create(
        [{"name": name, "site_id": site.id} for name in ("First", "Second")]
    )
    policy = QUICK["energy.policy"].create({"name": "Bench", "armed": True})
    env.flush_all()
    parameters = {
        "company": company.id,
        "currency": company.currency_id.id,
        "partner": company.partner_id.id,
        "policy": policy.id,
        "site": site.id,
        "tariff": tariff().id,
        "first": first.id,
        "second": second.id,
        "meters": METERS,
        "wallets": max(METERS // 10, 1),
    }
    env.flush_all()
    env.cr.execute(WORLD, parameters)
    env.cr.execute("ANALYZE")
    env.cr.commit()
    env.invalidate_all()
    return first, second


def batches(gateway, first, count, begin, uid):
    """Batches in which each of ``count`` meters is read once."""
    at = f"{begin}Z"
    hours = (begin - BEGIN).total_seconds() / 3600
    register = str(Decimal(int(hours * 2000)) / 1000)
    rows = [[f"B{first + n}", at, register] for n in range(count)]
    for start in range(0, count, BATCH):
        yield {"uid": f"{uid}-{start}", "readings": rows[start : start + BATCH]}


def ingest(gateway, moment, uid):
    """Take one round of readings in process; seconds."""
    count = 0
    began = time.perf_counter()
    for batch in batches(gateway, 1, METERS // 2, moment, uid):
        answer = Batch(gateway, batch).run()
        assert answer["accepted"] == len(batch["readings"]), answer["held"][:3]
        count += answer["accepted"]
        env.cr.commit()
    return count, time.perf_counter() - began


def orm_floor(gateway, count=2000):
    """ORM create of rows as wide as a reading; seconds."""
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
    return count, took


def copy_floor(gateway, moment):
    """Staged COPY, INSERT ON CONFLICT and a wallet update, without rating; seconds."""
    meters = env.execute_query_dict(
        odoo_sql(
            "SELECT id FROM energy_meter WHERE gateway_id = %s ORDER BY id", gateway.id
        )
    )
    env["energy.reading"]._ensure_partitions([moment])
    env.cr.commit()
    began = time.perf_counter()
    for start in range(0, len(meters), BATCH):
        part = meters[start : start + BATCH]
        env.cr.execute(
            "CREATE TEMP TABLE stage (meter_id int, at timestamp, register numeric) "
            "ON COMMIT DROP"
        )
        lines = "".join(f"{row['id']}\t{moment}\t5.25\n" for row in part)
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
    return len(meters), time.perf_counter() - began


def odoo_sql(text, *arguments):
    from odoo.tools import SQL

    return SQL(text, *arguments)


def best(runs):
    """Readings a second of the best run."""
    return max(count / took for count, took in runs)


first, second = world()
ingest(first, BEGIN, "open")
memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
runs, floors = [], []
for number in range(1, ROUNDS + 1):
    runs.append(ingest(first, BEGIN + number * STEP, f"r{number}"))
    floors.append(copy_floor(first, datetime(2025, 6, 1) + number * STEP))
orm = best([orm_floor(first) for _again in range(3)])
growth = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - memory
keys = [gateway._new_api_key() for gateway in (first, second)]
result = {
    "keys": keys,
    "ingest": best(runs),
    "copy_floor": best(floors),
    "orm_floor": orm,
    "rounds": [round(count / took) for count, took in runs],
    "memory_growth_mb": growth // 1024,
}
