"""Run in Odoo's shell: a site with feeders, each with fifty meters of tenants.

``values``: ``points``.
"""
# ruff: noqa: F821 (the shell has env and values)

from decimal import Decimal

QUICK = env(context={**env.context, "tracking_disable": True})
COMPANY = QUICK.company
COMPANY._ensure_energy_prepayment_account()
BELOW = 50  # meters of a feeder

site = QUICK["energy.site"].create({"name": f"Site of {values['points']}", "tz": "UTC"})
gateway = QUICK["energy.gateway"].create({"name": "Bridge", "site_id": site.id})
tariff = QUICK["energy.tariff"].create(
    {
        "name": "Flat",
        "tz": "UTC",
        "version_ids": [
            (
                0,
                0,
                {"valid_from": "2020-01-01", "price_ids": [(0, 0, {"price": 0.25})]},
            )
        ],
    }
)
number = values["points"]
feeders = -(-number // BELOW)


def add(points):
    """Points with their meters, the meters named after the points."""
    points = QUICK["energy.service.point"].create(
        [{"site_id": site.id, "tariff_id": tariff.id, **point} for point in points]
    )
    meters = QUICK["energy.meter"].create(
        [
            {
                "serial": f"B-{point.id}",
                "gateway_id": gateway.id,
                "has_relay": bool(point.wallet_id),
            }
            for point in points
        ]
    )
    QUICK["energy.meter.installation"].create(
        [
            {
                "meter_id": meter.id,
                "service_point_id": point.id,
                "date_from": "2024-01-01 00:00:00",
            }
            for point, meter in zip(points, meters, strict=True)
        ]
    )
    return points


top = add([{"name": "Main incomer"}])
branches = add(
    [{"name": f"Feeder {n + 1}", "parent_id": top.id} for n in range(feeders)]
)
partner = QUICK["res.partner"].create({"name": "Tenant"})
wallets = QUICK["energy.wallet"].create(
    [{"name": f"Tenant {n + 1}", "partner_id": partner.id} for n in range(number)]
)
for wallet in wallets:  # none gets low while it is watched
    QUICK["energy.wallet.entry"]._post(
        wallet, "topup", Decimal(10000), source_key=f"bench:{wallet.id}", name="Bench"
    )
leaves = add(
    [
        {
            "name": f"Unit {n + 1}",
            "parent_id": branches[n // BELOW].id,
            "wallet_id": wallet.id,
            "max_power_kw": 40,
        }
        for n, wallet in enumerate(wallets)
    ]
)
result = {
    "site": site.id,
    "top": top.meter_id.serial,
    "feeders": branches.mapped("meter_id.serial"),
    "leaves": leaves.mapped("meter_id.serial"),
    "key": gateway._new_api_key(),
}
