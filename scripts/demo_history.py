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
            "policy_id": env.ref("prepaid_energy.policy_lines").id,
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


wallet, gateway = mill()
env["energy.wallet.entry"]._post(
    wallet, "grant", Decimal(250_000), source_key="demo:mill", name="Budget of the year"
)
found = list(readings())
for number in range(0, len(found), BATCH):
    part = found[number : number + BATCH]
    answer = Batch(gateway, {"uid": f"mill-{number}", "readings": part}).run()
    assert answer["accepted"] == len(part), answer
while env["energy.usage"]._settle_batch(1000):
    pass
result = len(found)
