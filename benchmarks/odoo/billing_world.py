"""Run in Odoo's shell: tenants with a month of usage, billed by the run and plainly.

``values``: ``tenants``, ``batch``, ``days``.
Tenants and usage are made by SQL: making them is not what is measured. Both sides make
the same invoice lines in the same batches, by turns, so that neither has the quieter
minutes or the smaller tables.
"""
# ruff: noqa: F821 (the shell has env and values)

import gc
import os
import time
from datetime import date, datetime, timedelta

from odoo.tools import SQL

from odoo.addons.prepaid_energy.billing import Claims, TenantInvoices

TENANTS, BATCH, DAYS = values["tenants"], values["batch"], values["days"]
BEGIN = date(2026, 1, 1)
UNTIL = BEGIN + timedelta(days=DAYS - 1)
QUICK = env(context={**env.context, "tracking_disable": True})
# Copies of one record each that the ORM made.
WORLD = """
INSERT INTO res_partner
SELECT (jsonb_populate_record(partner, jsonb_build_object(
       'id', ids.id, 'commercial_partner_id', ids.id, 'name', 'Tenant ' || n,
       'complete_name', 'Tenant ' || n, 'email', 'tenant' || n || '@example.com'))).*
  FROM res_partner partner, generate_series(2, %(tenants)s) n
 CROSS JOIN LATERAL (SELECT nextval('res_partner_id_seq') + 0 * n AS id) ids
 WHERE partner.id = %(partner)s;
INSERT INTO energy_wallet
SELECT (jsonb_populate_record(wallet, jsonb_build_object(
       'id', nextval('energy_wallet_id_seq'), 'name', partner.name,
       'partner_id', partner.id, 'reference', 'BENCH' || partner.id))).*
  FROM energy_wallet wallet, res_partner partner
 WHERE wallet.id = %(wallet)s AND partner.email LIKE 'tenant%%@example.com';
INSERT INTO energy_service_point
SELECT (jsonb_populate_record(point, jsonb_build_object(
       'id', nextval('energy_service_point_id_seq'), 'name', 'Flat of ' || wallet.name,
       'wallet_id', wallet.id))).*
  FROM energy_service_point point, energy_wallet wallet
 WHERE point.id = %(point)s AND wallet.reference LIKE 'BENCH%%';
INSERT INTO energy_usage (service_point_id, wallet_id, company_id, currency_id,
       tariff_id, day, version_id, commodity, uom_id, kind, charge, band, tier,
       quantity, amount, amount_total, amount_settled, open)
SELECT point.id, wallet.id, point.company_id, wallet.currency_id, point.tariff_id,
       day, %(version)s, 'electricity', %(uom)s, price.kind, price.charge, price.band,
       price.tier, part.quantity, part.quantity * price.price,
       part.quantity * price.price * 1.19, 0, true
  FROM energy_service_point point JOIN energy_wallet wallet ON wallet.id = wallet_id
 CROSS JOIN generate_series(%(begin)s, %(until)s, interval '1 day') day
 CROSS JOIN (VALUES ('energy', NULL, 'peak', 1, 0.31),
                    ('energy', NULL, 'peak', 2, 0.35),
                    ('energy', NULL, 'night', 1, 0.21),
                    ('energy', NULL, 'night', 2, 0.25),
                    ('fixed', 'Meter', NULL, NULL, 0.2))
       price(kind, charge, band, tier, price)
 CROSS JOIN LATERAL (SELECT CASE price.kind WHEN 'fixed' THEN 1
       ELSE (point.id * 7 + price.tier * 131 + extract(day FROM day)) %% 97 / 7
        END::numeric(18, 3) AS quantity) part
 WHERE wallet.reference LIKE 'BENCH%%';
UPDATE energy_wallet wallet SET accrued = used.amount, balance = balance - used.amount
  FROM (SELECT wallet_id, sum(amount_total) AS amount FROM energy_usage GROUP BY 1) used
 WHERE wallet.id = used.wallet_id;
DELETE FROM energy_usage WHERE service_point_id = %(point)s;
"""


def tariff():
    """Two bands, two tiers, a fixed charge and a levy with an Odoo tax."""
    tax = QUICK["account.tax"].create(
        {"name": "VAT 19", "amount": 19, "type_tax_use": "sale"}
    )
    bands = QUICK["energy.tariff.band"].create([{"name": "peak"}, {"name": "night"}])
    version = {
        "valid_from": "2020-01-01",
        "default_band_id": bands[1].id,
        "tier_mode": "incremental",
        "threshold_ids": [(0, 0, {"up_to": 100})],
        "rule_ids": [(0, 0, {"band_id": bands[0].id, "hour_from": 6, "hour_to": 22})],
        "price_ids": [
            (0, 0, {"band_id": bands[b].id, "tier": t, "price": 0.27 - b / 10 + t / 25})
            for b in (0, 1)
            for t in (1, 2)
        ],
        "fixed_ids": [(0, 0, {"name": "Meter", "amount": 0.2, "per": "day"})],
        "levy_ids": [(0, 0, {"name": "VAT", "percent": 19, "tax_id": tax.id})],
    }
    return QUICK["energy.tariff"].create(
        {"name": "Bench", "tz": "UTC", "version_ids": [(0, 0, version)]}
    )


def world():
    """The tenants, their usage in the ledger."""
    env.company._ensure_energy_prepayment_account()
    env.company._energy_product()
    plan = tariff()
    partner = QUICK["res.partner"].create(
        {"name": "Tenant 1", "email": "tenant1@example.com"}
    )
    wallet = QUICK["energy.wallet"].create({"name": "Bench", "partner_id": partner.id})
    site = QUICK["energy.site"].create({"name": "Bench", "tz": "UTC"})
    point = QUICK["energy.service.point"].create(
        {"name": "Bench", "site_id": site.id, "tariff_id": plan.id}
    )
    env.flush_all()
    parameters = {
        "partner": partner.id,
        "wallet": wallet.id,
        "point": point.id,
        "version": plan.version_ids.id,
        "uom": plan.uom_id.id,
        "tenants": TENANTS,
        "begin": datetime.combine(BEGIN, datetime.min.time()),
        "until": datetime.combine(UNTIL, datetime.min.time()),
    }
    env.cr.execute(WORLD, parameters)
    env.invalidate_all()
    wallets = env["energy.wallet"].search([("reference", "like", "BENCH")], order="id")
    assert len(wallets) == TENANTS, wallets
    env["energy.usage"]._settle_wallets(wallets, UNTIL)
    env.cr.commit()
    env.cr._cnx.autocommit = True
    env.cr.execute("VACUUM ANALYZE")
    env.cr._cnx.autocommit = False
    return wallets


def lines_of(run, wallets):
    """The invoices the run would make of these wallets, as values of ``create``."""
    wallets = wallets.with_company(run.company_id)
    maker = TenantInvoices(Claims(wallets, UNTIL, run._end()), wallets, run.date)
    made = []
    for wallet in maker.wallets:
        values = maker._invoice(wallet, maker._lines(wallet))
        values.pop("energy_wallet_id")
        made.append(values)
    env.cr.rollback()
    return made


def plainly(invoices):
    """Create and post invoices as any Odoo code would; seconds."""
    began = time.perf_counter()
    moves = env["account.move"].with_company(env.company).create(invoices)
    moves._post(soft=False)
    env.cr.commit()
    return time.perf_counter() - began


def by_the_run(run):
    """One batch of the run; seconds."""
    began = time.perf_counter()
    run._work_batch(BATCH)
    env.cr.commit()
    return time.perf_counter() - began


def resident():
    """Memory of this process in MB; not its peak, which making the world has set."""
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def turns(run, wallets):
    """Both sides by turns; (seconds of the run, of the plain side, memory in MB).

    The first batch of both fills caches of the process and is not counted.
    """
    billed = plain = memory = 0
    for start in range(0, TENANTS, BATCH):
        invoices = lines_of(run, wallets[start : start + BATCH])
        gc.collect()
        first = plainly(invoices)
        gc.collect()
        second = by_the_run(run)
        if start:
            plain += first
            billed += second
        else:
            memory = resident()
    return billed, plain, resident() - memory


def same(wallets):
    """Assert that each wallet has one invoice, as large as its plain twin."""
    found = env.execute_query(
        SQL(
            """
            SELECT count(*), count(DISTINCT bill.wallet_id), sum(move.amount_total),
                   (SELECT sum(amount_total) FROM account_move
                     WHERE energy_wallet_id IS NULL AND move_type = 'out_invoice'
                       AND invoice_origin LIKE 'BENCH%%')
              FROM energy_bill bill JOIN account_move move ON move.id = bill.move_id
             WHERE move.state = 'posted' AND move.payment_state = 'paid'
            """
        )
    )[0]
    count, distinct, total, plain = found
    assert count == distinct == len(wallets), found
    assert abs(total - plain) < 1e-6, found


wallets = world()
run = env["energy.billing"].create({"date_to": UNTIL, "date": UNTIL})
run.action_start()
env.cr.commit()
billed, plain, grown = turns(run, wallets)
run._work_batch(BATCH)
assert run.state == "done", run.state
same(wallets)
counted = TENANTS - min(BATCH, TENANTS)
result = {
    "run": billed / counted * 1000,
    "plain": plain / counted * 1000,
    "memory_growth_mb": round(grown),
}
