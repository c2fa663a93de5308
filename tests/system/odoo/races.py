"""Run in Odoo's shell: parallel processes move the same wallets; see test_races.py.

``values``: ``topups``, ``refunds`` and ``batches``, numbers for each of two workers.
Each worker is a process with an Odoo environment and cursors of its own. Whoever loses
a race is tried again by Odoo's own ``retrying``, with shorter pauses than Odoo makes;
who loses five times is asked once more from outside, as a bridge or a payer would.
"""
# ruff: noqa: F821 (the shell has env and values)

import json
import logging
import os
import random
import time
import traceback
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial

from psycopg2.errors import DeadlockDetected, SerializationFailure

import odoo.service.model
from odoo import api, sql_db
from odoo.modules.registry import Registry
from odoo.service.model import retrying
from odoo.tools import SQL

WALLETS, METERS = 4, 12  # of each gateway; all meters draw on the same four wallets
BEGIN = datetime.now().replace(minute=0, second=0, microsecond=0) - timedelta(hours=1)
DATABASE = env.cr.dbname


def make_world():
    """Four wallets, two gateways; the ids that the workers need."""
    site = env["energy.site"].create({"name": "Race", "tz": "UTC"})
    gateways = env["energy.gateway"].create(
        [{"name": f"Race {n}", "site_id": site.id} for n in range(2)]
    )
    for gateway in gateways:
        gateway.sudo().user_id = gateway._new_user()
    version = {
        "valid_from": "2020-01-01",
        "price_ids": [(0, 0, {"price": 0.25})],
        "levy_ids": [(0, 0, {"name": "Levy", "percent": 10})],
    }
    tariff = env["energy.tariff"].create(
        {"name": "Race", "tz": "UTC", "version_ids": [(0, 0, version)]}
    )
    partner = env["res.partner"].create({"name": "Race"})
    wallets = env["energy.wallet"].create(
        [{"name": f"Race {n}", "partner_id": partner.id} for n in range(WALLETS)]
    )
    for gateway in gateways:
        for number in range(METERS):
            serial = f"R{gateways.ids.index(gateway.id)}-{number}"
            wallet = wallets[number % WALLETS]
            add_meter(serial, site, gateway, tariff, wallet)
    return wallets.ids, gateways.user_id.ids


def add_meter(serial, site, gateway, tariff, wallet):
    point = env["energy.service.point"].create(
        {
            "name": serial,
            "site_id": site.id,
            "tariff_id": tariff.id,
            "wallet_id": wallet.id,
        }
    )
    meter = env["energy.meter"].create({"serial": serial, "gateway_id": gateway.id})
    env["energy.meter.installation"].create(
        {
            "meter_id": meter.id,
            "service_point_id": point.id,
            "date_from": "2024-01-01 00:00:00",
        }
    )


class Worker:
    """What one process does, each step in a transaction of its own."""

    def __init__(self, number):
        self.number = number
        self.pick = random.Random(number)
        sql_db._Pool = None  # the parent's connections are not ours
        self.registry = Registry(DATABASE)
        self.registry._db = sql_db.db_connect(DATABASE)

    def insist(self, work, user=api.SUPERUSER_ID):
        """``work(env)`` in a transaction that is committed; again if it lost races."""
        while True:
            with self.registry.cursor() as cr:
                mine = api.Environment(cr, user, {})
                try:
                    return retrying(partial(work, mine), mine)
                except (SerializationFailure, DeadlockDetected):
                    pass  # five times

    def post(self, kind, count, amount):
        """Entries of both workers of a kind have the same keys: each counts once."""
        order = list(range(count))
        self.pick.shuffle(order)
        for n in order:
            wallet_id = wallet_ids[n % WALLETS]

            def work(mine, n=n, wallet_id=wallet_id):
                wallet = mine["energy.wallet"].browse(wallet_id)
                mine["energy.wallet.entry"]._post(
                    wallet,
                    kind,
                    amount * (n + 1),
                    source_key=f"race:{kind}:{n}",
                    name="Race",
                )

            self.insist(work)

    def topups(self):
        self.post("topup", values["topups"], Decimal("0.01"))

    def refunds(self):
        self.post("refund", values["refunds"], Decimal("-0.003"))

    def batches(self):
        """Batch by batch a kWh more on each meter; now and then one again."""
        gateway = self.number % 2
        batch = None
        for step in range(values["batches"]):
            at = (BEGIN + timedelta(seconds=step)).isoformat() + "Z"
            rows = [[f"R{gateway}-{n}", at, str(step)] for n in range(METERS)]
            again = batch
            batch = {"uid": f"{gateway}-{step}", "readings": rows}
            self.ingest(batch, "accepted")
            if again and self.pick.random() < 0.3:
                self.ingest(again, "accepted")  # its answer got lost
                self.ingest({**again, "uid": f"again-{step}"}, "duplicates")

    def ingest(self, batch, expected):
        def work(mine):
            return mine["energy.gateway"].ingest(batch)

        answer = self.insist(work, user_ids[self.number % 2])
        if answer[expected] != METERS:
            raise AssertionError(json.dumps(answer)[:500])

    def settle(self):
        """Book usage into the ledger while it grows."""
        for _again in range(values["settlements"]):
            time.sleep(0.1)

            def work(mine):
                wallets = mine["energy.wallet"].browse(wallet_ids)
                mine["energy.usage"]._settle_wallets(wallets)

            self.insist(work)


JOBS = ["batches", "batches", "topups", "topups", "refunds", "refunds", "settle"]


def run(number):
    """A child process: do the job and leave without Odoo's own clean-up."""
    code = 1
    try:
        worker = Worker(number)
        getattr(worker, JOBS[number])()
        os.write(pipe[1], f"{len(naps)}\n".encode())
        code = 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def nap(seconds):
    """A shorter pause than Odoo's, which is up to two seconds after the first loss."""
    naps.append(seconds)
    sleep(seconds / 400)


wallet_ids, user_ids = make_world()
env.cr.commit()
logging.getLogger("odoo.sql_db").setLevel(logging.CRITICAL)  # thousands of lost races
sleep, naps = time.sleep, []
odoo.service.model.time = type("Time", (), {"sleep": staticmethod(nap)})
pipe = os.pipe()
began = time.monotonic()
children = []
for number in range(len(JOBS)):
    child = os.fork()
    if not child:
        run(number)
    children.append(child)
codes = [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children]
os.close(pipe[1])
lost = os.read(pipe[0], 10_000).split()
env.cr.rollback()  # a new snapshot
rows = env.execute_query(
    SQL(
        """
        SELECT wallet.balance::text, wallet.accrued::text,
               (SELECT sum(amount) FROM energy_wallet_entry
                 WHERE wallet_id = wallet.id)::text,
               (SELECT sum(amount_total - amount_settled) FROM energy_usage
                 WHERE wallet_id = wallet.id)::text
          FROM energy_wallet wallet WHERE id = ANY(%s) ORDER BY id
        """,
        wallet_ids,
    )
)
count = env.execute_query(
    SQL(
        "SELECT count(*) FROM energy_reading reading JOIN energy_meter meter "
        "ON meter.id = reading.meter_id WHERE meter.serial ~ '^R[01]-'"
    )
)[0][0]
deadlocks = env.execute_query(
    SQL("SELECT deadlocks FROM pg_stat_database WHERE datname = %s", DATABASE)
)[0][0]
result = {
    "codes": codes,
    "deadlocks": deadlocks,
    "lost": sum(map(int, lost)),
    "seconds": round(time.monotonic() - began, 1),
    "wallets": rows,
    "readings": count,
    "meters": METERS * 2,
}
