"""Run in Odoo's shell: makes a tenant with two wallets and a colleague who only looks.

For test_tenant.py: the first wallet has a meter with a month of hours behind it, the
second one is cut off. All comes in by the product's own ways.
"""
# ruff: noqa: F821 (the shell has env)

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from odoo.addons.prepaid_energy.ingest.batch import Batch

NOW = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)


def ref(name):
    return env.ref(f"prepaid_energy.{name}")


first = ref("wallet_t1").sudo()
second = env["energy.wallet"].create(
    {
        "name": "Second workshop",
        "partner_id": first.partner_id.id,
        "policy_id": first.policy_id.id,
    }
)
entries = env["energy.wallet.entry"].sudo()
entries._post(first, "topup", Decimal(300), source_key="test:first", name="Paid")
entries._post(second, "consumption", Decimal("-1"), source_key="test:2", name="Used")
point = first.service_point_ids[:1]
gateway = point.meter_id.gateway_id
dark = env["energy.service.point"].create(
    {
        "name": "Press shop",
        "site_id": point.site_id.id,
        "tariff_id": point.tariff_id.id,
        "wallet_id": second.id,
    }
)
meter = env["energy.meter"].create(
    {"serial": "PE-DARK", "gateway_id": gateway.id, "has_relay": True}
)
env["energy.meter.installation"].create(
    {
        "meter_id": meter.id,
        "service_point_id": dark.id,
        "date_from": NOW.replace(tzinfo=None) - timedelta(days=3),
    }
)
second._apply_policy()
meter._take_relay("open", dark.generation)
begin = point.meter_id.last_register or 0
readings = [
    [
        point.meter_id.serial,
        (NOW - timedelta(hours=48 - hour)).isoformat(),
        str(Decimal(str(begin)) + hour),
    ]
    for hour in range(1, 48)
]
Batch(gateway, {"uid": "tenant-test", "readings": readings}).run()
env["energy.interval"]._roll_up(point)
user = ref("user_t1")
env["energy.wallet"].with_user(user).browse(first.id)._invite(
    "Looker", "looker@example.com", "view"
)
looker = env["res.users"].search([("login", "=", "looker@example.com")])
looker.password = "looker@example.com"
for lang in ("es_ES", "zh_CN"):
    env["res.lang"]._activate_lang(lang)
modules = env["ir.module.module"].search([("name", "=like", "prepaid_energy%")])
modules._update_translations(["es_ES", "zh_CN"])
result = {"first": first.id, "second": second.id, "other": ref("wallet_t2").id}
