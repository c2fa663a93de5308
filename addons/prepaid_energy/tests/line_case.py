"""Two production lines with usage on chosen days, for the tests of quotas."""

from datetime import date, timedelta
from decimal import Decimal

from odoo.tests import freeze_time, new_test_user
from odoo.tools import SQL

from .common import EnergyCase, add_point

NOW = "2026-06-16 12:00:00"  # a Tuesday
MONTH = date(2026, 6, 1)


class LineCase(EnergyCase):
    """Line A with the points A-1 and A-2, line B with B-1; 0.25 a kWh, no levy."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        frozen = freeze_time(NOW)
        frozen.start()
        cls.addClassCleanup(frozen.stop)
        cls.head, cls.manager_a = (
            new_test_user(cls.env, login, groups="prepaid_energy.group_energy_user")
            for login in ("head", "manager_a")
        )
        employee = cls.env["hr.employee"].create(
            {"name": "Head", "user_id": cls.head.id}
        )
        cls.department = cls.env["hr.department"].create(
            {"name": "Extrusion", "manager_id": employee.id}
        )
        cls.line_a, cls.line_b = (
            cls.env["energy.line"].create(
                {
                    "name": f"Line {name}",
                    "site_id": cls.site.id,
                    "department_id": cls.department.id,
                    "user_id": cls.manager_a.id,
                }
            )
            for name in "AB"
        )
        cls.a1, cls.a2, cls.b1 = (
            add_point(cls, serial, wallet_id=line.wallet_id.id)[0]
            for serial, line in (
                ("A-1", cls.line_a),
                ("A-2", cls.line_a),
                ("B-1", cls.line_b),
            )
        )

    def row(self, line, point):
        return line.point_ids.filtered(lambda row: row.service_point_id == point)

    def share(self, line, point, percent):
        """Let a line have a share of another one's point."""
        return self.env["energy.line.point"].create(
            {"line_id": line.id, "service_point_id": point.id, "share": percent}
        )

    def use(self, point, kwh, day="2026-06-10", **values):
        """Usage as the ingest writes it, at 0.25 for each kWh."""
        amount = Decimal(kwh) / 4
        row = {
            "service_point_id": point.id,
            "wallet_id": point.wallet_id.id,
            "company_id": point.company_id.id,
            "currency_id": point.wallet_id.currency_id.id,
            "tariff_id": point.tariff_id.id,
            "version_id": point.tariff_id.version_ids[:1].id,
            "day": day,
            "commodity": "electricity",
            "uom_id": point.tariff_id.uom_id.id,
            "kind": "energy",
            "band": "",
            "tier": 0,
            "quantity": Decimal(kwh),
            "amount": amount,
            "amount_total": amount,
            "amount_settled": 0,
            "open": True,
            **values,
        }
        self.env.flush_all()
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO energy_usage AS usage (%s) VALUES %s
                    ON CONFLICT (service_point_id, day, wallet_id, tariff_id,
                       version_id, kind, season, band, tier, charge)
                    DO UPDATE SET quantity = usage.quantity + excluded.quantity,
                       amount = usage.amount + excluded.amount, open = true,
                       unbilled = true,
                       amount_total = usage.amount_total + excluded.amount_total
                """,
                SQL(", ").join(map(SQL.identifier, row)),
                tuple(row.values()),
            )
        )
        self.env.cr.execute(
            SQL(
                "UPDATE energy_wallet SET accrued = accrued + %(amount)s, "
                "balance = balance - %(amount)s WHERE id = %(id)s",
                amount=row["amount_total"],
                id=row["wallet_id"],
            )
        )
        self.env.invalidate_all()

    def settle(self):
        while self.env["energy.usage"]._settle_batch(100):
            pass
        self.env.invalidate_all()

    def plan(self, line, amount, **values):
        """A plan from June on, and the quota of June."""
        values = {"date_from": MONTH, "unit": "energy", **values}
        self.env["energy.line.plan"].create(
            {"line_id": line.id, "amount": amount, **values}
        )
        return self.fill(line)

    def fill(self, line):
        quota = self.env["energy.quota"].sudo()._fill(line)
        quota._watch()
        return quota

    def cron(self, name):
        """Run a scheduled action as Odoo does."""
        self.env.flush_all()
        with self.enter_registry_test_mode():
            self.env.ref(f"prepaid_energy.cron_quota_{name}").method_direct_trigger()
        self.env.invalidate_all()

    def at_day(self, day, hour=12):
        """Go to a day of another month."""
        return freeze_time(f"{day} {hour:02}:00:00")

    def days(self, point, first, count, kwh):
        """The same usage on each of some days."""
        for number in range(count):
            self.use(point, kwh, date.fromisoformat(first) + timedelta(days=number))
