"""Run in Odoo's shell: a billing run whose processes are killed; see the test.

``values``: ``wallets``, ``kills``, ``seed``.
Each worker is a process of its own with Odoo's registry and a cursor of its own; it
works the run off by the cron's own method until it is done, or killed.
"""
# ruff: noqa: F821 (the shell has env and values)

import logging
import os
import random
import signal
import time
import traceback
from datetime import date, timedelta

from psycopg2.errors import SerializationFailure

from odoo import api, sql_db
from odoo.modules.registry import Registry
from odoo.tools import SQL

WALLETS, KILLS = values["wallets"], values["kills"]
UNTIL = date.today() - timedelta(days=1)
PAID = 100
BATCH = 10  # wallets a transaction, so that a run has many
DATABASE = env.cr.dbname
# An amount with seven digits: its fractions of a cent are carried.
USAGE = """
INSERT INTO energy_usage (service_point_id, wallet_id, company_id, currency_id,
       tariff_id, day, version_id, commodity, uom_id, kind, band, tier,
       quantity, amount, amount_total, amount_settled, open)
SELECT point.id, wallet.id, point.company_id, wallet.currency_id, point.tariff_id,
       %(day)s, %(version)s, 'electricity', %(uom)s, 'energy', 'all', 1,
       part.quantity, part.quantity * 0.2537, part.quantity * 0.2537 * 1.1, 0, true
  FROM energy_service_point point JOIN energy_wallet wallet ON wallet.id = wallet_id
 CROSS JOIN LATERAL
       (SELECT (1 + wallet.id %% 89 / 7.0)::numeric(18, 3) AS quantity) part
 WHERE wallet.id = ANY(%(wallets)s);
UPDATE energy_wallet wallet
   SET accrued = accrued + used.amount, balance = balance - used.amount
  FROM (SELECT wallet_id, sum(amount_total) AS amount FROM energy_usage
         WHERE day = %(day)s GROUP BY 1) used
 WHERE wallet.id = used.wallet_id AND wallet.id = ANY(%(wallets)s);
"""


def make_world():
    """Tenants with a point each, who have paid in; (wallets, tariff)."""
    quick = env(context={**env.context, "tracking_disable": True})
    site = quick["energy.site"].create({"name": "Kill", "tz": "UTC"})
    version = {
        "valid_from": "2020-01-01",
        "price_ids": [(0, 0, {"price": 0.2537})],
        "levy_ids": [(0, 0, {"name": "Levy", "percent": 10})],
    }
    tariff = quick["energy.tariff"].create(
        {"name": "Kill", "tz": "UTC", "version_ids": [(0, 0, version)]}
    )
    partners = quick["res.partner"].create(
        [{"name": f"Kill {n}"} for n in range(WALLETS)]
    )
    wallets = quick["energy.wallet"].create(
        [{"name": one.name, "partner_id": one.id} for one in partners]
    )
    quick["energy.service.point"].create(
        [
            {
                "name": wallet.name,
                "site_id": site.id,
                "tariff_id": tariff.id,
                "wallet_id": wallet.id,
            }
            for wallet in wallets
        ]
    )
    pay_in(wallets)
    return wallets, tariff


def pay_in(wallets):
    """100 for each wallet: the ledger's rows, and one entry in the books."""
    for wallet in wallets:
        wallet.env["energy.wallet.entry"]._post(
            wallet, "topup", PAID, source_key=f"kill:{wallet.id}", name="Kill"
        )
    books = env["energy.books"]
    account = wallets.company_id.energy_prepayment_account_id
    bank = env["account.account"].search([("account_type", "=", "asset_cash")], limit=1)
    lines = [books._line(wallet, account, -PAID, "Paid in") for wallet in wallets]
    lines.append(books._line(wallets[0], bank, PAID * len(wallets), "Paid in"))
    books._post(wallets[0], "Paid in", lines)


def consume(day, wallets):
    """Usage of each wallet on ``day``."""
    values = {
        "day": day,
        "version": tariff.version_ids.id,
        "uom": tariff.uom_id.id,
        "wallets": wallets.ids,
    }
    env.cr.execute(USAGE, values)
    env.invalidate_all()


def new_run(until):
    run = env["energy.billing"].create({"date_to": until, "date": until})
    run.action_start()
    env.cr.commit()
    return run


def work(run_id):
    """A child process: work the run off and leave without Odoo's own clean-up."""
    code = 1
    try:
        sql_db._Pool = None  # the parent's connections are not ours
        registry = Registry(DATABASE)
        registry._db = sql_db.db_connect(DATABASE)
        with registry.cursor() as cr:
            mine = api.Environment(cr, api.SUPERUSER_ID, {})
            in_small_batches(registry["energy.billing"])
            code = 0 if mine["energy.billing"].browse(run_id)._work() else 2
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(code)


def in_small_batches(model):
    """Let the run take few wallets at once, and tell of races that were lost."""
    batch = model._work_batch

    def work_batch(run):
        try:
            return batch(run, BATCH)
        except SerializationFailure:
            os.write(pipe[1], b"lost\n")
            raise

    model._work_batch = work_batch


def fork(run_id):
    child = os.fork()
    if not child:
        work(run_id)
    return child


def code_of(child):
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def count_bills(run_id):
    env.cr.rollback()  # a new snapshot
    query = SQL("SELECT count(*) FROM energy_bill WHERE billing_id = %s", run_id)
    return env.execute_query(query)[0][0]


def kill_and_finish(run):
    """Kill ``KILLS`` workers, each in the midst of its work; then let one finish.

    :return: how many bills there were after each kill, the last one's exit code.
    """
    seen = []
    for _again in range(KILLS):
        child = fork(run.id)
        before = count_bills(run.id)
        while count_bills(run.id) == before and not os.waitpid(child, os.WNOHANG)[0]:
            time.sleep(0.01)
        time.sleep(pick.random() * pause)
        os.kill(child, signal.SIGKILL)
        assert code_of(child) == -signal.SIGKILL
        seen.append(count_bills(run.id))
    return seen, code_of(fork(run.id))


def state(run_ids, wallets):
    """What the books say: one row a wallet, exact numbers as text."""
    env.cr.rollback()
    return env.execute_query(
        SQL(
            """
            SELECT (SELECT count(*) FROM energy_bill
                     WHERE wallet_id = wallet.id AND billing_id = ANY(%(runs)s)),
                   (SELECT sum(amount_total) FROM energy_usage
                     WHERE wallet_id = wallet.id)::text,
                   (SELECT sum(amount_exact) FROM energy_bill
                     WHERE wallet_id = wallet.id)::text,
                   (SELECT sum(amount_billed) FROM energy_bill
                     WHERE wallet_id = wallet.id)::text,
                   (SELECT sum(amount_total) FROM account_move
                     WHERE energy_wallet_id = wallet.id AND state = 'posted'
                       AND payment_state = 'paid')::text,
                   (SELECT -sum(balance) FROM account_move_line line
                     WHERE line.energy_wallet_id = wallet.id
                       AND line.account_id = %(account)s
                       AND parent_state = 'posted')::text,
                   wallet.balance::text
              FROM energy_wallet wallet WHERE id = ANY(%(wallets)s) ORDER BY id
            """,
            runs=run_ids,
            account=wallets.company_id.energy_prepayment_account_id.id,
            wallets=wallets.ids,
        )
    )


pick = random.Random(values["seed"])
pause = 1.5  # seconds; about two batches
logging.getLogger("odoo.sql_db").setLevel(logging.CRITICAL)  # lost races
pipe = os.pipe()
wallets, tariff = make_world()
consume(UNTIL - timedelta(days=1), wallets)
first = new_run(UNTIL - timedelta(days=1))
seen, last = kill_and_finish(first)
after_kills = state(first.ids, wallets)
some = wallets[: WALLETS // 4]
consume(UNTIL, some)
second = new_run(UNTIL)
os.write(pipe[1], b"two begin\n")  # so that reading does not wait
codes = [code_of(child) for child in [fork(second.id), fork(second.id)]]
result = {
    "seen": seen,
    "last": last,
    "after_kills": after_kills,
    "together": codes,
    "lost": os.read(pipe[0], 10_000).count(b"lost"),
    "states": [first.state, second.state],
    "problems": [first.problem, second.problem],
    "done": [first.wallet_done, second.wallet_done],
    "in_the_end": state(second.ids, some),
}
