"""Run in Odoo's shell: a statement of many rows as a workbook, against xlsxwriter.

``values``: ``rows``. Rows are made by SQL, since booking them is not what is measured.
"""
# ruff: noqa: F821 (the shell has env and values)

import resource
import tempfile
import time
from datetime import date

import xlsxwriter

from odoo.addons.prepaid_energy.reports.statement import Statement
from odoo.addons.prepaid_energy.reports.statement_files import csv_file, xlsx_file

ROWS = values["rows"]
DAYS = 365
POINTS = ROWS * 9 // 10 // DAYS + 1
WALLETS = 20
TOPUPS = ROWS - POINTS * DAYS
WORLD = """
INSERT INTO energy_wallet (name, kind, company_id, currency_id, partner_id, balance,
       accrued, level, active, reference)
SELECT 'Bench ' || n, 'tenant', %(company)s, %(currency)s, %(partner)s, 0, 0, 'normal',
       true, 'BENCH' || n
  FROM generate_series(1, %(wallets)s) n;
INSERT INTO energy_service_point (name, site_id, company_id, tariff_id, wallet_id,
       commodity, active, life_safety, never_cut, locked_out, tripped, switched_off,
       desired_state, generation)
SELECT 'Bench point ' || n, %(site)s, %(company)s, %(tariff)s,
       (SELECT min(id) FROM energy_wallet WHERE reference = 'BENCH1')
       + n %% %(wallets)s, 'electricity', true, false, false, false, false, false,
       'closed', 0
  FROM generate_series(1, %(points)s) n;
INSERT INTO energy_supply_term (service_point_id, company_id, tariff_id, wallet_id)
SELECT id, company_id, tariff_id, wallet_id FROM energy_service_point
 WHERE name LIKE 'Bench point%%';
INSERT INTO energy_usage (service_point_id, wallet_id, company_id, currency_id,
       tariff_id, day, commodity, uom_id, kind, band, tier, quantity, amount,
       amount_total, amount_settled, open)
SELECT point.id, point.wallet_id, point.company_id, %(currency)s, point.tariff_id,
       date '2025-01-01' + day, 'electricity', %(unit)s, 'energy', band, 0,
       1 + day * 0.137, 1 + day * 0.0217, 1 + day * 0.02387, 1 + day * 0.02387, false
  FROM energy_service_point point, generate_series(0, %(days)s - 1) day,
       (VALUES ('peak'), ('night')) bands(band)
 WHERE point.name LIKE 'Bench point%%';
INSERT INTO energy_wallet_entry (wallet_id, company_id, currency_id, kind, amount, at,
       name, source_key)
SELECT (SELECT min(id) FROM energy_wallet WHERE reference = 'BENCH1')
       + n %% %(wallets)s, %(company)s, %(currency)s, 'topup', 25.5,
       timestamp '2025-01-01' + n * interval '1 minute', 'Top-up ' || n, 'bench:' || n
  FROM generate_series(1, %(topups)s) n;
ANALYZE;
"""


def peak():
    """The most memory that this process has had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def timed(work):
    """Seconds of a call, and its result."""
    began = time.perf_counter()
    found = work()
    return time.perf_counter() - began, found


def floor(rows):
    """xlsxwriter alone: the same number of rows and cells out of a generator."""
    stream = tempfile.TemporaryFile()
    book = xlsxwriter.Workbook(stream, {"constant_memory": True})
    sheet = book.add_worksheet()
    money = book.add_format({"num_format": "#,##0.00"})
    day = book.add_format({"num_format": "yyyy-mm-dd"})
    generated = (
        ("Bench", 45000 + n % 365, "Consumption", "Bench point", n * 0.137, "kWh", n, n)
        for n in range(rows)
    )
    for number, row in enumerate(generated):
        sheet.write_string(number, 0, row[0])
        sheet.write_number(number, 1, row[1], day)
        sheet.write_string(number, 2, row[2])
        sheet.write_string(number, 3, row[3])
        sheet.write_number(number, 4, row[4], money)
        sheet.write_string(number, 5, row[5])
        sheet.write_number(number, 6, row[6], money)
        sheet.write_number(number, 7, row[7], money)
        sheet.write_string(number, 8, "USD")
    book.close()


site = env["energy.site"].create({"name": "Bench", "tz": "UTC"})
tariff = env["energy.tariff"].create(
    {
        "name": "Bench",
        "tz": "UTC",
        "version_ids": [
            (0, 0, {"valid_from": "2020-01-01", "price_ids": [(0, 0, {"price": 0.25})]})
        ],
    }
)
env.flush_all()
env.cr.execute(
    WORLD,
    {
        "company": env.company.id,
        "currency": env.company.currency_id.id,
        "partner": env.company.partner_id.id,
        "site": site.id,
        "tariff": tariff.id,
        "unit": tariff.uom_id.id,
        "wallets": WALLETS,
        "points": POINTS,
        "days": DAYS,
        "topups": TOPUPS,
    },
)
env.cr.commit()
wallets = env["energy.wallet"].search([("reference", "like", "BENCH%")])
statement = Statement(wallets, date(2025, 1, 1), date(2025, 12, 31))
result = {"rows": statement.count(), "before_mb": peak()}
floor(1000)  # warm
result["seconds"], book = timed(lambda: xlsx_file(statement))
result["peak_mb"] = peak()
result["bytes"] = book.seek(0, 2)
result["floor_seconds"], _ = timed(lambda: floor(result["rows"]))
result["csv_seconds"], _ = timed(lambda: csv_file(statement))
