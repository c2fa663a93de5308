"""Run in Odoo's shell: a hall with two months behind it, for test_people.py.

A feeder with three meters below it, read hourly by a gateway of its own: two tenants
who paid at the counter, and compressors that production line C pays. Since two weeks
somebody draws 7.5 kW at night past the three of them. Three readings of the last hour
are held. All comes in as a gateway hands it over, by the same code.
"""
# ruff: noqa: F821 (the shell has env and values)

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from odoo.addons.prepaid_energy.ingest.batch import Batch

HOUR = timedelta(hours=1)
NOW = datetime.now().replace(minute=0, second=0, microsecond=0)
ZONE = ZoneInfo("America/Chicago")
BEGIN = (NOW.replace(day=1, hour=6) - timedelta(days=1)).replace(day=1)
# kW in a working hour and in all others, and what the point can draw at most
LOADS = {"EH-PRESS": (42, 3, 60), "EH-PAINT": (27, 2, 40), "EH-COMP": (15, 4, 40)}
HOLE = Decimal("7.5")
TEST_RUN = 160  # kWh of the compressors in the last hour: true, yet not believed


def ref(name):
    return env.ref(f"prepaid_energy.{name}")


def tenant(name):
    """A tenant's wallet with money in it, paid at the counter before all began."""
    partner = env["res.partner"].create(
        {"name": name, "is_company": True, "email": "office@east.example.com"}
    )
    wallet = env["energy.wallet"].create(
        {"name": name, "partner_id": partner.id, "policy_id": ref("policy_tenants").id}
    )
    payment = env["account.payment"].create(
        {
            "payment_type": "inbound",
            "partner_type": "customer",
            "partner_id": partner.id,
            "amount": 6000,
            "date": BEGIN.date(),
            "journal_id": ref("journal_cash").id,
            "memo": "Paid at the counter",
            "energy_wallet_id": wallet.id,
        }
    )
    payment.action_post()
    return wallet


def point(serial, name, **point_values):
    """A service point with the meter ``serial`` since the beginning."""
    created = env["energy.service.point"].create(
        {"name": name, "site_id": ref("site_riverside").id, **point_values}
    )
    meter = env["energy.meter"].create({"serial": serial, "gateway_id": gateway.id})
    env["energy.meter.installation"].create(
        {
            "meter_id": meter.id,
            "service_point_id": created.id,
            "date_from": BEGIN - HOUR,
        }
    )
    return created


def local(at):
    return at.replace(tzinfo=UTC).astimezone(ZONE)


def load(serial, at):
    """kWh of a meter in the hour that begins at ``at``, UTC."""
    high, low, _most = LOADS[serial]
    busy = local(at).weekday() < 5 and 6 <= local(at).hour < 17
    kwh = Decimal(high if busy else low) * (100 + (at.day * 7 + at.hour * 3) % 11) / 100
    return kwh + (TEST_RUN if serial == "EH-COMP" and at == NOW - HOUR else 0)


def hole(at):
    night = local(at).hour >= 22 or local(at).hour < 5
    return HOLE if night and at > NOW - timedelta(days=14) else Decimal(0)


def readings():
    """All readings [serial, time, register], hour by hour."""
    register = dict.fromkeys([*LOADS, "EH-FEED"], Decimal(0))
    at = BEGIN
    while at <= NOW:
        for serial, total in register.items():
            yield [serial, at.isoformat() + "Z", str(total)]
        kwh = {serial: load(serial, at) for serial in LOADS}
        kwh["EH-FEED"] = sum(kwh.values()) * Decimal("1.02") + hole(at)
        for serial, amount in kwh.items():
            register[serial] += amount
        at += HOUR


def deliver(name, rows):
    answer = Batch(gateway, {"uid": f"people-{name}", "readings": rows}).run()
    return answer["accepted"]


def request(reason, amount):
    """The foreman asks for more for line C, and submits it."""
    asker = ref("user_foreman")
    quota = ref("line_c").quota_ids.sorted("month")[-1]
    made = (
        env["energy.quota.request"]
        .with_user(asker)
        .create({"quota_id": quota.id, "amount": amount, "reason": reason})
    )
    made.action_submit()
    return made


gateway = env["energy.gateway"].create(
    {"name": "East hall bridge", "site_id": ref("site_riverside").id}
)
feeder = point(
    "EH-FEED",
    "East hall feeder",
    tariff_id=ref("tariff_feeder").id,
    parent_id=ref("point_pe_main").id,
    loss_percent=2,
)
below = {"parent_id": feeder.id, "tariff_id": ref("tariff_workshops").id}
payers = [tenant("Eastgate Presses"), tenant("Quick Coat"), ref("wallet_lc")]
names = ["Press shop", "Paint shop", "Compressors"]
for (serial, (_high, _low, most)), wallet, name in zip(
    LOADS.items(), payers, names, strict=True
):
    point(serial, name, wallet_id=wallet.id, max_power_kw=most, **below)
*rows, press, paint, compressors, fed = readings()
half = (NOW - HOUR / 2).isoformat() + "Z"
result = {
    "accepted": deliver("all", [*rows, press, fed]),
    "rows": len(rows) + 2,
    "held": {"EH-COMP": compressors, "EH-PAINT": paint, "EH-PRESS": press},
}
odd = [
    [compressors[0], compressors[1], compressors[2]],  # as it was
    [paint[0], paint[1], str(Decimal(paint[2]) * 10)],  # a digit too many
    [press[0], half, "0"],  # the meter had no answer
]
assert deliver("odd", odd) == 0
# its plan was there in the month before as well
month = BEGIN.date().replace(day=1)
ref("plan_c").date_from = month
env["energy.quota"]._fill(ref("line_c"), month)
while env["energy.usage"]._settle_batch(1000):
    pass
env["energy.interval"]._roll_up()
env["energy.quota"]._follow(ref("line_c"))
asked = [
    request("A rush order for the mill, both shifts on Saturday", 80),
    request("Two days of test runs on the new press", 50),
    request("Drying ovens for the trade fair", 30),
]
result["requests"] = [one.id for one in asked]
