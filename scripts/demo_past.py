"""Run in Odoo's shell: gives the demo park some weeks behind it, day by day.

The clock is moved from day to day, and each day happens by the product's own methods:
tenants top up at the counter, the gateway hands over hourly readings, orders are made,
finished days are settled. The registers end where the simulated plant begins, so the
live readings go on from there. Nothing is random: a seed decides.

``values["registers"]``: serial -> kWh of the plant's meters at its begin.
"""
# ruff: noqa: F821 (the shell has env and values)

from datetime import UTC, datetime, timedelta

from dateutil.relativedelta import relativedelta
from freezegun import freeze_time

from odoo.addons.prepaid_energy.demo.park_load import (
    DRIFT,
    TENANTS,
    ParkLoad,
    day_of,
    local,
)
from odoo.addons.prepaid_energy.ingest.batch import Batch

RUN_UP = 6  # days before last month: there is something to accrue at its end
ORDERS = 14  # days of manufacturing orders
real_now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)


def ref(name):
    return env.ref(f"prepaid_energy.{name}")


def month_begin(months_ago):
    return today.replace(day=1) - relativedelta(months=months_ago)


today = day_of(real_now)
first = month_begin(1) - timedelta(days=RUN_UP)


def ingest(name, rows, telemetry=()):
    batch = {"uid": name, "readings": rows, "telemetry": list(telemetry)}
    return Batch(ref("gateway_riverside"), batch).run()


# ------------------------------------------------------------------------ the days


def go(moment):
    """Move the clock; also the one that dates records, which is the transaction's."""
    env.flush_all()
    clock.move_to(moment)
    env.cr._now = moment


def pay(wallet, amount, day):
    payment = env["account.payment"].create(
        {
            "payment_type": "inbound",
            "partner_type": "customer",
            "partner_id": wallet.partner_id.id,
            "amount": float(amount),
            "date": day,
            "journal_id": ref("journal_cash").id,
            "memo": "Top-up at the counter",
            "energy_wallet_id": wallet.id,
        }
    )
    payment.action_post()


def top_up(day):
    """Who has little left pays; the openings of the demo data are of today."""
    for tenant in TENANTS:
        wallet = ref(f"wallet_{tenant}")
        amount = load.top_up(tenant, day, wallet._exact_balance() - opening[tenant])
        if amount:
            pay(wallet, amount, day)


def make(day):
    """An order of drive shafts on line A, with the times of its work orders."""
    bom = env.ref("prepaid_energy_mrp.bom_shaft")
    order = env["mrp.production"].create(
        {
            "product_id": env.ref("prepaid_energy_mrp.product_shaft").id,
            "bom_id": bom.id,
            "product_qty": load.pieces[day],
        }
    )
    order.action_confirm()
    turn, grind = order.workorder_ids.sorted("id")
    for hour, minute, press in (
        (6, 5, turn.button_start),
        (8, 10, grind.button_start),
        (13, 30, turn.button_pending),
        (13, 55, grind.button_pending),
    ):
        go(local(day, hour, minute))
        press()
        env.flush_all()
    order.qty_producing = order.product_qty
    order.move_raw_ids.picked = True
    order.with_context(skip_backorder=True).button_mark_done()
    env.flush_all()
    assert order.state == "done", order.name


def live_through(day):
    go(min(local(day, 5, 30), real_now))
    top_up(day)
    working = load.pieces[day] and day < today
    if working and (today - day).days <= ORDERS:
        make(day)
    else:  # before there were orders, the output was typed
        env["energy.line.output"].create(
            {"line_id": ref("line_a").id, "day": day, "quantity": load.pieces[day]}
        )
    env["energy.degree.day"].create(
        {"site_id": site.id, "day": day, "mean": load.temperature[day]}
    )
    go(min(local(day + timedelta(days=1), 0, 1), real_now))
    answer = ingest(f"past-{day}", rows[day], telemetry[day])
    assert answer["accepted"] == len(rows[day]), answer
    while env["energy.usage"]._settle_batch(1000):
        pass


# ------------------------------------------------------------------ what came of it


def hold():
    """Readings that a person has to look at."""
    yesterday = today - timedelta(days=1)
    at = f"{local(yesterday, 11, 30)}Z"
    ingest("past-wrong", [["PE-T4", at, "112.5"], ["PE-T9", at, "8841.0"]])


def baseline():
    found = env["energy.baseline"].create(
        {
            "name": "Line A by output and weather",
            "line_id": ref("line_a").id,
            "date_from": first + timedelta(days=1),
            "date_to": today - timedelta(days=DRIFT + 1),
            "use_output": True,
            "use_heating": True,
            "target_percent": 3,
        }
    )
    found.action_fit()
    env["energy.baseline"]._cron_follow()


def ask():
    """Requests for more: the head has granted one, the other one waits."""
    for name, amount, reason in (
        ("line_a", 200, "Order of Nordhaven: 120 shafts more than planned."),
        ("line_b", 900, "Rush order: a night shift until the end of the month."),
    ):
        line = ref(name)
        quota = line.quota_ids.filtered_domain([("month", "=", line._month())])
        request = (
            env["energy.quota.request"]
            .with_user(ref("user_foreman"))
            .create({"quota_id": quota.id, "amount": amount, "reason": reason})
        )
        request.action_submit()
        if name == "line_a":
            request.with_user(ref("user_head")).action_approve()


def close_month():
    """Accrue the month before last, bill until the end of last month."""
    env["energy.accrual"].create(
        {"date": month_begin(1) - timedelta(days=1)}
    ).action_post()
    run = env["energy.billing"].create(
        {"date_to": month_begin(0) - timedelta(days=1), "send_mail": False}
    )
    run.action_start()
    run._cron_run()
    assert not run.problem, run.problem
    proof = env["energy.proof"].create({})
    assert proof.proven, proof.line_ids.read()


def first_pages():
    """Who logs in begins where there is something for them to do."""
    for login, action in (
        ("operator", "energy_board_action"),
        ("accountant", "energy_wallet_action"),
        ("manager", "energy_leak_report_action"),
        ("head", "energy_quota_request_action"),
        ("foreman", "energy_quota_action"),
    ):
        ref(f"user_{login}").action_id = ref(action).id


load = ParkLoad(first, real_now)
days = load.days
site = ref("site_riverside")
opening = {tenant: ref(f"wallet_{tenant}")._exact_balance() for tenant in TENANTS}
rows = load.readings(values["registers"])
telemetry = load.currents()
installations = env["energy.meter.installation"].search(
    [("meter_id.gateway_id", "=", ref("gateway_riverside").id)]
)
installations.write({"date_from": local(first, 0)})
with freeze_time(local(first, 0)) as clock:
    for day in days:
        live_through(day)
env.cr.commit()  # and with it the time is the real one again
hold()
env["energy.interval"]._cron_roll_up()
env["energy.work"]._cron_allocate()
baseline()
env["energy.quota"]._cron_forecast()
ask()
close_month()
env["energy.forecast"]._cron_learn()
env["energy.service.point"]._cron_watch_losses()
env["energy.notice"]._cron_notices()
first_pages()
result = len(load.hours) * len(load.used)
