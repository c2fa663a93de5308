"""A small park for the tests: one tenant, one meter with a relay, one gateway."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from odoo.fields import Command
from odoo.tests import TransactionCase, new_test_user
from odoo.tools import SQL


class EnergyCase(TransactionCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env = cls.env(context={**cls.env.context, "tracking_disable": True})
        set_up_park(cls)

    def setUp(self):
        super().setUp()
        self.begin = datetime.now(UTC).replace(microsecond=0) - timedelta(hours=1)
        self.batch_number = 0

    def at(self, seconds):
        """RFC 3339 time ``seconds`` after the test's own beginning, an hour ago."""
        return (self.begin + timedelta(seconds=seconds)).isoformat()

    def ingest(self, *readings, uid=None, **extra):
        """Hand over readings ``(seconds, register[, serial])`` as the gateway does."""
        self.batch_number += 1
        rows = [
            [reading[2] if len(reading) > 2 else "M-1", self.at(reading[0]), reading[1]]
            for reading in readings
        ]
        batch = {"uid": uid or f"batch-{self.batch_number}", "readings": rows, **extra}
        return self.bridge.ingest(batch)

    def run_tasks(self):
        """Work off what waits to be rated again."""
        while task := self.env["energy.rerating.task"].search(
            [("problem", "=", False)], limit=1
        ):
            task._run()
        self.env.invalidate_all()

    def exact_balance(self, wallet=None):
        """The balance as the database has it, and as invariant 3 says."""
        wallet = wallet or self.wallet
        row = self.env.execute_query(
            SQL(
                """
                SELECT balance::text, (SELECT COALESCE(sum(amount), 0)
                          FROM energy_wallet_entry WHERE wallet_id = %(id)s)::text,
                       (SELECT COALESCE(sum(amount_total - amount_settled), 0)
                          FROM energy_usage WHERE wallet_id = %(id)s)::text,
                       accrued::text
                  FROM energy_wallet WHERE id = %(id)s
                """,
                id=wallet.id,
            )
        )[0]
        balance, entries, open_usage, accrued = map(Decimal, row)
        self.assertEqual(balance, entries - open_usage, "invariant 3")
        self.assertEqual(accrued, open_usage)
        return balance


def set_up_park(cls):
    """Make the records; HTTP cases, which cannot inherit the above, use it too."""
    cls.company = cls.env.company
    cls.company._ensure_energy_prepayment_account()
    cls.site = cls.env["energy.site"].create({"name": "Test park", "tz": "UTC"})
    cls.gateway = cls.env["energy.gateway"].create(
        {"name": "Test bridge", "site_id": cls.site.id}
    )
    cls.gateway.sudo().user_id = cls.gateway._new_user()
    cls.bridge = cls.env["energy.gateway"].with_user(cls.gateway.user_id)
    cls.tariff = cls.env["energy.tariff"].create(
        {
            "name": "Flat",
            "tz": "UTC",
            "version_ids": [
                Command.create(flat_version("2020-01-01", 0.25, levy=10)),
            ],
        }
    )
    # sudo: the drill arms a policy otherwise
    policy = (
        cls.env["energy.policy"]
        .sudo()
        .create(
            {
                "name": "Tenants",
                "armed": True,
                "warning_threshold": 20,
                "cutoff_threshold": 0,
                "restore_threshold": 5,
                "topup_minimum": 5,
                "topup_maximum": 500,
            }
        )
    )
    cls.policy = policy.with_env(cls.env)
    cls.tenant = cls.env["res.partner"].create(
        {"name": "Tenant Ltd", "is_company": True}
    )
    cls.wallet = cls.env["energy.wallet"].create(
        {
            "name": "Tenant Ltd",
            "partner_id": cls.tenant.id,
            "policy_id": cls.policy.id,
        }
    )
    cls.point, cls.meter = add_point(cls, "M-1", wallet_id=cls.wallet.id)
    cls.portal_user = new_test_user(
        cls.env,
        "energy_tenant",
        groups="base.group_portal",
        password="energy_tenant",
    )
    cls.portal_user.partner_id.parent_id = cls.tenant
    cls.journal = cls.env["account.journal"].create(
        {"name": "Counter", "type": "cash", "code": "TCSH"}
    )


def flat_version(valid_from, price, levy=0, **values):
    """The values of a version with one price, and a levy in percent."""
    return {
        "valid_from": valid_from,
        "price_ids": [Command.create({"price": price})],
        "levy_ids": [Command.create({"name": "Levy", "percent": levy})] if levy else [],
        **values,
    }


def add_point(cls, serial, has_relay=True, **values):
    """A service point with its meter.

    :return: (service point, meter).
    """
    point = cls.env["energy.service.point"].create(
        {
            "name": f"Point of {serial}",
            "site_id": cls.site.id,
            "tariff_id": cls.tariff.id,
            **values,
        }
    )
    meter = cls.env["energy.meter"].create(
        {"serial": serial, "gateway_id": cls.gateway.id, "has_relay": has_relay}
    )
    cls.env["energy.meter.installation"].create(
        {
            "meter_id": meter.id,
            "service_point_id": point.id,
            "date_from": "2024-01-01 00:00:00",
        }
    )
    return point, meter


def credit(wallet, amount, key):
    """Book a top-up without a payment."""
    wallet.env["energy.wallet.entry"]._post(
        wallet, "topup", Decimal(amount), source_key=key, name="Top-up"
    )


def leave_out_missing_file(env):
    """Debian's package of Odoo lacks this file; a page that misses it logs an error."""
    env["ir.asset"].create(
        {
            "name": "what is missing",
            "bundle": "web.assets_backend",
            "directive": "remove",
            "path": "mail/static/lib/selfie_segmentation/selfie_segmentation.js",
        }
    )
