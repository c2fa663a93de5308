"""The making of what a list of meters and tenants would make of a site.

A plain class: :meth:`SetupPlan.judge` only reads, :meth:`SetupPlan.carry_out` makes
what was judged, in batches. Preview and import both begin with ``judge``, so that what
is written was seen to fit the records of that moment.
"""

from odoo import fields

from .setup_entry import METER_FIELDS, NEW, UPDATE, fold
from .setup_judgement import SetupJudgement

QUIET = {
    "tracking_disable": True,
    "mail_create_nosubscribe": True,
    "mail_create_nolog": True,
}


class SetupPlan(SetupJudgement):
    """How to use: ``plan = SetupPlan(…); plan.judge(); plan.carry_out()``."""

    def carry_out(self):
        """Make what was judged; rows with errors are left out.

        :return: the wallets of the rows' tenants.
        """
        entries = [e for e in self.entries if e.state in (NEW, UPDATE)]
        if not self.gateway and any(e.values.get("line") for e in entries):
            self.gateway = self.env["energy.gateway"].create(
                {"name": self.env._("Bridge"), "site_id": self.site.id}
            )
        wallets = self._write_wallets(entries)
        self._write_points(entries)
        self._write_meters(entries)
        self._write_changes(entries)
        self.gateway._add_lines()
        return wallets

    def _write_wallets(self, entries):
        env = self.env
        tenants = {}
        for entry in entries:
            name = entry.values.get("tenant")
            if name and fold(name) not in tenants:
                tenants[fold(name)] = name
        missing = [
            key for key in tenants if not self.wallets[key] and not self.partners[key]
        ]
        # sudo: whoever sets up energy need not be allowed to make contacts otherwise
        made = (
            env["res.partner"]
            .sudo()
            .with_context(**QUIET)
            .create(
                [
                    {
                        "name": tenants[key],
                        "is_company": True,
                        "email": self.emails.get(key),
                        "company_id": self.company.id,
                    }
                    for key in missing
                ]
            )
        )
        for key, partner in zip(missing, made.with_env(env), strict=True):
            self.partners[key] = partner
        without = [key for key in tenants if not self.wallets[key]]
        wallets = env["energy.wallet"].with_context(**QUIET)
        wallets = wallets.create(
            [
                {
                    "name": tenants[key],
                    "partner_id": self.partners[key].id,
                    "company_id": self.company.id,
                    "currency_id": self.tariff.currency_id.id,
                    "policy_id": self.policy.id,
                }
                for key in without
            ]
        )
        for key, wallet in zip(without, wallets, strict=True):
            self.wallets[key] = wallet
        for key in tenants:
            partner = self.wallets[key][:1].partner_id
            email = self.emails.get(key)
            if email and not partner.email and not self._logs_in(partner):
                partner.sudo().email = email  # sudo: as above
        return env["energy.wallet"].union(*(self.wallets[key] for key in tenants))

    def _write_points(self, entries):
        """New points, feeders before what they feed: one batch a level."""
        waiting = [entry for entry in entries if not entry.point]
        Point = self.env["energy.service.point"].with_context(**QUIET)
        while waiting:
            ready = [
                entry
                for entry in waiting
                if not entry.values.get("feeder")
                or fold(entry.values["feeder"]) in self.points
            ]
            points = Point.create([self._point_values(entry) for entry in ready])
            for entry, point in zip(ready, points, strict=True):
                entry.point = point
                self.points[fold(point.name)] = point
            waiting = [entry for entry in waiting if not entry.point]

    def _point_values(self, entry):
        values = entry.values
        feeder = self.points.get(fold(values.get("feeder")))
        return {
            "name": values["point"],
            "site_id": self.site.id,
            "parent_id": feeder.id if feeder else False,
            "tariff_id": self.tariff.id,
            "commodity": self.tariff.commodity,
            "wallet_id": self._wallet_of(entry).id,
            "life_safety": values.get("life_safety", False),
        }

    def _wallet_of(self, entry):
        return entry.wallet or self.wallets[fold(entry.values.get("tenant"))][:1]

    def _write_meters(self, entries):
        with_meter = [entry for entry in entries if entry.values.get("serial")]
        fresh = [entry for entry in with_meter if not entry.meter]
        Meter = self.env["energy.meter"].with_context(**QUIET)
        meters = Meter.create([self._meter_values(entry) for entry in fresh])
        for entry, meter in zip(fresh, meters, strict=True):
            entry.meter = meter
        now = fields.Datetime.now()
        self.env["energy.meter.installation"].create(
            [
                {
                    "meter_id": entry.meter.id,
                    "service_point_id": entry.point.id,
                    "date_from": now,
                    "opening_register": float(entry.values.get("opening") or 0),
                    "opening_counts": "opening" in entry.values,
                }
                for entry in with_meter
                if not entry.meter.service_point_id
            ]
        )

    def _meter_values(self, entry):
        values = entry.values
        given = {
            field: values[column]
            for column, field in METER_FIELDS.items()
            if column in values
        }
        return {
            **given,
            "serial": values["serial"],
            "company_id": self.company.id,
            "gateway_id": self.gateway.id if values.get("line") else False,
        }

    def _write_changes(self, entries):
        for entry in entries:
            meter, point = entry.changes["meter"], entry.changes["point"]
            if meter.get("gateway_id"):
                meter["gateway_id"] = self.gateway.id
            if meter:
                entry.meter.write(meter)
            feeder = self.points.get(fold(entry.values.get("feeder")))
            if feeder and entry.point.parent_id != feeder:
                point["parent_id"] = feeder.id
            wallet = self._wallet_of(entry)
            if wallet and not entry.point.wallet_id:
                point["wallet_id"] = wallet.id
            if point:
                entry.point.write(point)
