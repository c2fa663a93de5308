"""Run in Odoo's shell: gives the demo park some weeks behind it, day by day.

The clock is moved from day to day, and each day happens by the product's own methods:
tenants top up at the counter, the gateway hands over hourly readings, orders are made,
finished days are settled. The registers end where the simulated plant begins, so the
live readings go on from there. Nothing is random: a seed decides.

``values["registers"]``: serial -> kWh of the plant's meters at its begin.
"""
# ruff: noqa: F821 (the shell has env and values)

import math
import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from dateutil.relativedelta import relativedelta
from freezegun import freeze_time

from odoo.addons.prepaid_energy.ingest.batch import Batch

HOUR = timedelta(hours=1)
RUN_UP = 6  # days before last month: there is something to accrue at its end
DRIFT = 18  # days since when line A needs more than it did
LEAK = 10  # days since when the workshops' feeder leaks, as the simulated one does
ORDERS = 14  # days of manufacturing orders
PRICE = Decimal("0.26")  # of a kWh by the workshops' tariff, with its levy
ZONE = ZoneInfo("America/Chicago")
TENANTS = {  # wallet: meters, what is paid in each time
    "t1": (("PE-T1",), 30),
    "t2": (("PE-T2", "PE-T2B"), 150),
    "t3": (("PE-T3",), 50),
    "t4": (("PE-T4",), 100),
    "t5": (("PE-T5", "PE-T5B"), 250),
    "t6": (("PE-T6",), 60),
    "t7": (("PE-T7",), 40),
    "t8": (("PE-T8", "PE-T8B"), 90),
}
SHIFTS = {  # meter: kW at night, kW at work, first and last hour of work
    "PE-T1": (0.3, 2.2, 7, 16),
    "PE-T2": (0.8, 4.1, 6, 21),
    "PE-T2B": (0.3, 1.5, 8, 17),
    "PE-T3": (0.15, 1.6, 7, 15),
    "PE-T4": (0.5, 3.1, 9, 18),
    "PE-T5": (2.4, 3.6, 5, 19),
    "PE-T5B": (1.2, 1.9, 5, 19),
    "PE-T6": (0.4, 1.8, 2, 9),
    "PE-T7": (0.1, 1.3, 5, 13),
    "PE-T8": (0.2, 1.9, 8, 19),
    "PE-T8B": (0.05, 0.6, 9, 17),
    "PE-LB": (0.7, 4.2, 6, 21),
    "PE-LB-AUX": (0.2, 0.7, 6, 21),
    "PE-LC": (0.4, 2.9, 6, 13),
    "PE-LC-AUX": (0.2, 0.6, 6, 13),
    "PE-VENT": (2.9, 3.2, 6, 21),
    "PE-PUMP": (1.1, 1.2, 0, 23),
    "PE-LIGHT": (0.0, 0.0, 0, 23),
}
FEEDS = {
    "PE-FEED-W": [s for meters, _paid in TENANTS.values() for s in meters],
    "PE-FEED-H": ["PE-LA", "PE-LA-AUX", "PE-LB", "PE-LB-AUX", "PE-LC", "PE-LC-AUX"],
}
# How the feeders' load is shared out over the phases, as in the simulated plant.
PHASES = {"PE-MAIN": (1, 1, 1), "PE-FEED-W": (1.5, 0.9, 0.6), "PE-FEED-H": (1, 1, 1)}
VOLT = 230 * 0.95
chance = random.Random(8)
real_now = datetime.now(UTC).replace(tzinfo=None, microsecond=0)
today = real_now.replace(tzinfo=UTC).astimezone(ZONE).date()


def ref(name):
    return env.ref(f"prepaid_energy.{name}")


def local(day, hour, minute=0):
    """A moment by the park's clock as naive UTC."""
    moment = datetime(day.year, day.month, day.day, hour, minute, tzinfo=ZONE)
    return moment.astimezone(UTC).replace(tzinfo=None)


def month_begin(months_ago):
    return today.replace(day=1) - relativedelta(months=months_ago)


first = month_begin(1) - timedelta(days=RUN_UP)
days = [first + timedelta(days=n) for n in range((today - first).days + 1)]
temperature = {
    day: round(
        11 - 13 * math.cos((day.timetuple().tm_yday - 20) / 58.1) + chance.gauss(0, 3),
        1,
    )
    for day in days
}
pieces = {day: chance.randint(20, 36) * (day.weekday() < 5) for day in days}


def power(serial, at):
    """kW of a meter in an hour, by the park's clock."""
    day, working = at.date(), at.weekday() < 5
    if serial == "PE-LA":
        drift = 1.14 if (today - day).days < DRIFT else 1
        made = pieces[day] * 1.7 / 8 if 6 <= at.hour < 14 else 0
        return (0.9 + made) * drift
    if serial == "PE-LA-AUX":
        return 0.25 + 0.03 * max(0, 15 - temperature[day])
    if serial == "PE-LIGHT":
        return 0.9 if at.hour < 7 or at.hour > 17 else 0.05
    night, work, begin, end = SHIFTS[serial]
    open_now = working or (serial == "PE-T6" and at.weekday() == 5)
    return work if open_now and begin <= at.hour <= end else night


def consumption():
    """Serial -> kWh of each hour as Decimals, and the hours' beginnings."""
    hours, at = [], local(first, 0)
    while at + HOUR <= real_now:
        hours.append(at)
        at += HOUR
    used = {serial: [] for serial in values["registers"]}
    for hour in hours:
        at = hour.replace(tzinfo=UTC).astimezone(ZONE)
        row = {}
        for serial in used:
            if serial != "PE-MAIN" and serial not in FEEDS:
                row[serial] = power(serial, at) * chance.uniform(0.93, 1.07)
        leak = 1.5 if (today - at.date()).days < LEAK else 0
        for feeder, below in FEEDS.items():
            row[feeder] = 1.02 * sum(row[serial] for serial in below)
        row["PE-FEED-W"] += leak
        own = ("PE-FEED-W", "PE-FEED-H", "PE-VENT", "PE-PUMP", "PE-LIGHT")
        row["PE-MAIN"] = 1.015 * sum(row[serial] for serial in own)
        for serial, energy in row.items():
            used[serial].append(Decimal(f"{energy:.3f}"))
    return hours, used


def readings():
    """Local day -> rows [serial, time, register], the last ones of today."""
    found = {day: [] for day in days}
    for serial, energies in used.items():
        register = Decimal(values["registers"][serial]) - sum(energies)
        assert register > 0, f"{serial}: the plant begins with too little"
        found[first].append([serial, f"{hours[0]}Z", str(register)])
        for hour, energy in zip(hours, energies, strict=True):
            register += energy
            day = hour.replace(tzinfo=UTC).astimezone(ZONE).date()
            found[day].append([serial, f"{hour + HOUR}Z", str(register)])
    return found


def currents():
    """Local day -> telemetry of the feeders, once an hour."""
    found = {day: [] for day in days}
    for serial, shares in PHASES.items():
        for hour, energy in zip(hours, used[serial], strict=True):
            even = 1000 * float(energy) / 3 / VOLT
            values = {
                f"i{number}": round(even * share * chance.uniform(0.94, 1.06), 2)
                for number, share in enumerate(shares, 1)
            }
            day = hour.replace(tzinfo=UTC).astimezone(ZONE).date()
            at = f"{hour + HOUR / 2}Z"
            found[day].append([serial, at, {"p": float(energy), **values}])
    return found


def ingest(name, rows, telemetry=()):
    batch = {"uid": name, "readings": rows, "telemetry": list(telemetry)}
    return Batch(ref("gateway_riverside"), batch).run()


# ------------------------------------------------------------------------ the days


def go(moment):
    """Move the clock; also the one that dates records, which is the transaction's."""
    env.flush_all()
    clock.move_to(moment)
    env.cr._now = moment


def needed(tenant, since):
    """What the tenant's hours from a day on will cost."""
    meters, _paid = TENANTS[tenant]
    begin = local(since, 0)
    energy = sum(
        amount
        for serial in meters
        for hour, amount in zip(hours, used[serial], strict=True)
        if hour >= begin
    )
    return energy * PRICE


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
    """Who has little left pays; the openings of the demo data are of today.

    The last time, a week ago, tenant1 pays so that two are left today.
    """
    for tenant, (_meters, paid) in TENANTS.items():
        wallet = ref(f"wallet_{tenant}")
        left = wallet._exact_balance() - opening[tenant]
        ahead = needed(tenant, day)
        if tenant == "t1" and day == days[-7]:
            rest = (ahead - left).quantize(Decimal("0.01"))
            pay(wallet, max(rest, Decimal(5)), day)
        elif tenant == "t1" and day > days[-7]:
            continue
        elif left < needed(tenant, day) - needed(tenant, day + timedelta(days=2)):
            pay(wallet, paid, day)


def make(day):
    """An order of drive shafts on line A, with the times of its work orders."""
    bom = env.ref("prepaid_energy_mrp.bom_shaft")
    order = env["mrp.production"].create(
        {
            "product_id": env.ref("prepaid_energy_mrp.product_shaft").id,
            "bom_id": bom.id,
            "product_qty": pieces[day],
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
    working = pieces[day] and day < today
    if working and (today - day).days <= ORDERS:
        make(day)
    else:  # before there were orders, the output was typed
        env["energy.line.output"].create(
            {"line_id": ref("line_a").id, "day": day, "quantity": pieces[day]}
        )
    env["energy.degree.day"].create(
        {"site_id": site.id, "day": day, "mean": temperature[day]}
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
        if not quota:
            continue  # in the hours in which only the server has the next month
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


site = ref("site_riverside")
opening = {tenant: ref(f"wallet_{tenant}")._exact_balance() for tenant in TENANTS}
hours, used = consumption()
rows = readings()
telemetry = currents()
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
result = len(hours) * len(used)
