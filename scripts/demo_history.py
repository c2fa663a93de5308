"""Run in Odoo's shell: a rolling mill with a year of 15-minute readings behind it.

``values["path"]`` is a gzipped CSV of ``start_utc,kwh``; the year is moved by whole
weeks, so that it ends now and its weekdays stay, and to the park's clock. The readings
come in as a gateway hands them over, by the same code.
"""
# ruff: noqa: F821 (the shell has env and values)

import csv
import gzip
from datetime import datetime, timedelta
from decimal import Decimal

from dateutil.relativedelta import relativedelta

from odoo.addons.prepaid_energy.ingest.batch import Batch

WEEK = timedelta(weeks=1)
TO_PARK = timedelta(hours=15)  # midnight in Seoul to midnight in Chicago
BATCH = 8_000


def mill():
    """The mill's meter, read by a gateway of its own."""
    site = env.ref("prepaid_energy.site_riverside")
    department = env["hr.department"].create({"name": "Rolling Mill"})
    plan = env["account.analytic.plan"].create({"name": "Production"})
    account = env["account.analytic.account"].create(
        {"name": "Rolling mill", "plan_id": plan.id}
    )
    wallet = env["energy.wallet"].create(
        {
            "name": "Rolling mill",
            "kind": "line",
            "analytic_account_id": account.id,
            "department_id": department.id,
        }
    )
    point = env["energy.service.point"].create(
        {
            "name": "Rolling mill",
            "site_id": site.id,
            "tariff_id": env.ref("prepaid_energy.tariff_hall").id,
            "wallet_id": wallet.id,
        }
    )
    gateway = env["energy.gateway"].create({"name": "Mill archive", "site_id": site.id})
    meter = env["energy.meter"].create({"serial": "PE-MILL", "gateway_id": gateway.id})
    env["energy.meter.installation"].create(
        {
            "meter_id": meter.id,
            "service_point_id": point.id,
            "date_from": datetime.now() - 60 * WEEK,
        }
    )
    return wallet, gateway


def readings():
    """The readings [serial, time, register], moved to the year that ends now."""
    with gzip.open(values["path"], "rt") as stream:
        rows = [
            (datetime.fromisoformat(row["start_utc"][:16]), Decimal(row["kwh"]))
            for row in csv.DictReader(stream)
        ]
    last = rows[-1][0] + TO_PARK + timedelta(minutes=15)
    shift = TO_PARK + (datetime.now() - last) // WEEK * WEEK
    register = Decimal(0)
    yield ["PE-MILL", f"{rows[0][0] + shift}Z", "0"]
    for start, kwh in rows:
        register += kwh
        yield ["PE-MILL", f"{start + shift + timedelta(minutes=15)}Z", str(register)]


def plan(wallet):
    """A budget in kWh for the last ten months, as if it had been there all the time."""
    line = env["energy.line"].create(
        {
            "name": "Rolling mill",
            "site_id": env.ref("prepaid_energy.site_riverside").id,
            "department_id": wallet.department_id.id,
            "wallet_id": wallet.id,
            "area_m2": 2400,
            "head_count": 31,
        }
    )
    this_month = line._month()
    months = [this_month - relativedelta(months=n) for n in range(10, -1, -1)]
    usage = env["energy.usage"].search([("wallet_id", "=", wallet.id)])
    used = sum(usage.mapped("quantity"))
    env["energy.line.plan"].create(
        {
            "line_id": line.id,
            "date_from": months[0],
            "amount": round(used / 12, -2),
            "carry": "unused",
            "carry_percent": 10,
        }
    )
    for month in months:
        env["energy.quota"]._fill(line, month)
    line.quota_ids._cover()
    env["energy.quota"]._follow(line)


wallet, gateway = mill()
found = list(readings())
for number in range(0, len(found), BATCH):
    part = found[number : number + BATCH]
    answer = Batch(gateway, {"uid": f"mill-{number}", "readings": part}).run()
    assert answer["accepted"] == len(part), answer
while env["energy.usage"]._settle_batch(1000):
    pass
plan(wallet)
result = len(found)
