from datetime import date
from decimal import Decimal

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import new_test_user
from odoo.tools import SQL

from .common import add_point
from .line_case import LineCase


class TestLines(LineCase):
    def test_a_line_gets_its_wallet(self):
        wallet = self.line_a.wallet_id
        self.assertEqual(wallet.kind, "line")
        self.assertEqual(wallet.department_id, self.department)
        self.assertEqual(self.line_a.point_ids.service_point_id, self.a1 | self.a2)
        self.line_a.name = "Extruder"
        self.assertEqual(wallet.name, "Extruder")

    def test_a_line_wallet_that_is_there_is_taken_over(self):
        wallet = self.env["energy.wallet"].create(
            {"name": "Old", "kind": "line", "department_id": self.department.id}
        )
        point, _meter = add_point(self, "OLD", wallet_id=wallet.id)
        self.assertFalse(point.line_point_ids)
        line = self.env["energy.line"].create(
            {
                "name": "Old line",
                "site_id": self.site.id,
                "department_id": self.department.id,
                "wallet_id": wallet.id,
            }
        )
        self.assertEqual(line.point_ids.service_point_id, point)
        self.assertEqual(line.point_ids.share, 100)
        with self.assertRaises(UserError):
            line.wallet_id = self.line_a.wallet_id

    def test_a_tenants_wallet_is_no_lines(self):
        with self.assertRaises(ValidationError):
            self.env["energy.line"].create(
                {
                    "name": "Wrong",
                    "site_id": self.site.id,
                    "department_id": self.department.id,
                    "wallet_id": self.wallet.id,
                }
            )

    def test_a_point_without_a_wallet_draws_from_the_lines(self):
        point, _meter = add_point(self, "NEW")
        self.line_a.point_ids = [Command.create({"service_point_id": point.id})]
        self.assertEqual(point.wallet_id, self.line_a.wallet_id)
        self.assertEqual(self.row(self.line_a, point).share, 100)
        self.row(self.line_a, point).unlink()
        self.assertFalse(point.wallet_id)

    def test_a_tenants_point_is_not_taken(self):
        with self.assertRaises(UserError) as caught:
            self.share(self.line_a, self.point, 50)
        self.assertIn("Tenant Ltd", str(caught.exception))

    def test_warning_levels_are_checked(self):
        with self.assertRaises(ValidationError):
            self.line_a.warning_levels = "80, many"

    def test_another_company_sees_nothing(self):
        self.plan(self.line_a, 100)
        other = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env,
            "stranger",
            groups="prepaid_energy.group_energy_manager",
            company_id=other.id,
            company_ids=[Command.set(other.ids)],
        )
        for model in (
            "energy.line",
            "energy.line.point",
            "energy.line.share",
            "energy.line.plan",
            "energy.line.plan.month",
            "energy.quota",
            "energy.quota.grant",
        ):
            records = self.env[model].search([])
            self.assertTrue(records or model == "energy.quota.grant", model)
            foreign = self.env[model].with_user(stranger)
            self.assertFalse(foreign.search([]), model)
            if records:
                with self.assertRaises(AccessError, msg=model):
                    records[:1].with_user(stranger).read(["id", "display_name"])

    def test_a_user_who_looks_changes_nothing(self):
        for record in (self.line_a, self.row(self.line_a, self.a1)):
            with self.assertRaises(AccessError):
                record.with_user(self.head).write({"sequence": 1, "name": "x"})

    def test_a_manager_does_not_type_what_the_product_decides(self):
        user = new_test_user(
            self.env, "boss", groups="prepaid_energy.group_energy_manager"
        )
        quota = self.plan(self.line_a, 100).with_user(user)
        with self.assertRaises(UserError):
            quota.write({"planned": 10**6})
        with self.assertRaises(UserError):
            quota.create({"line_id": self.line_a.id, "month": "2026-01-01"})
        row = self.row(self.line_a, self.a1).with_user(user)
        row.may_shed = True
        for record in (row, self.a1.with_user(user)):
            with self.assertRaises(UserError):
                record.write({"shed": True})


class TestShares(LineCase):
    def setUp(self):
        super().setUp()
        self.share(self.line_b, self.a1, 30)

    def shares(self, point=None):
        rows = (point or self.a1).line_point_ids
        return {row.line_id.name[-1]: row.share for row in rows}

    def test_the_line_with_the_wallet_has_what_the_others_leave(self):
        self.assertEqual(self.shares(), {"A": 70, "B": 30})
        self.row(self.line_b, self.a1).share = 12.5
        self.assertEqual(self.shares(), {"A": 87.5, "B": 12.5})
        self.row(self.line_b, self.a1).unlink()
        self.assertEqual(self.shares(), {"A": 100})

    def test_shares_that_are_not_100_per_cent_are_refused(self):
        with self.assertRaises(ValidationError) as caught:
            self.row(self.line_a, self.a1).share = 60
        self.assertIn("90 %", str(caught.exception))
        line_c = self.line_b.copy({"name": "Line C"})
        with self.assertRaises(ValidationError) as caught:
            self.share(line_c, self.a1, 71)
        self.assertIn("101 %", str(caught.exception))

    def test_the_line_with_the_wallet_does_not_leave_first(self):
        with self.assertRaises(UserError):
            self.row(self.line_a, self.a1).unlink()

    def test_another_wallet_another_keeper(self):
        self.a1.wallet_id = self.line_b.wallet_id
        self.assertEqual(self.shares(), {"B": 100})
        self.a1.wallet_id = self.wallet
        self.assertEqual(self.shares(), {})

    def balances(self):
        return self.exact_balance(self.line_a.wallet_id), self.exact_balance(
            self.line_b.wallet_id
        )

    def today(self, kwh, day="2026-06-16"):
        self.use(self.a1, kwh, day)

    def test_a_settled_day_is_divided_to_the_last_digit(self):
        self.use(self.a1, "100.001", "2026-06-16")
        with self.at_day("2026-06-17"):
            self.settle()
        cost = Decimal("100.001") / 4
        self.assertEqual(
            self.balances(), (-cost * Decimal("0.7"), -cost * Decimal("0.3"))
        )
        with self.at_day("2026-06-17"):
            self.settle()  # again: nothing
        self.assertEqual(sum(self.balances()), -cost)

    def test_a_correction_is_divided_as_a_difference(self):
        self.today("100")
        with self.at_day("2026-06-17"):
            self.settle()
            self.today("-20")
            self.settle()
        self.assertEqual(self.balances(), (Decimal(-14), Decimal(-6)))
        rows = self.line_b.wallet_id.entry_ids.filtered(lambda e: e.kind == "share")
        self.assertEqual(sorted(rows.mapped("amount")), [-7.5, 1.5])

    def test_a_late_reading_is_divided_by_the_shares_of_its_day(self):
        self.today("100")
        with self.at_day("2026-06-20"):
            self.row(self.line_b, self.a1).share = 90
            self.today("100")  # a late reading of the 16th
            self.use(self.a1, "100", "2026-06-20")
        with self.at_day("2026-06-21"):
            self.settle()
        self.assertEqual(
            self.balances(),
            (Decimal(-50) * 7 / 10 - Decimal("2.5"), -15 - Decimal("22.5")),
        )

    def test_before_the_first_share_was_another_time(self):
        """The shares were set up today, so yesterday is all of line A's."""
        self.use(self.a1, "100", "2026-06-15")
        self.settle()
        self.assertEqual(self.balances(), (Decimal(-25), Decimal(0)))

    def test_the_cost_entry_follows_the_shares(self):
        plan = self.env["account.analytic.plan"].create({"name": "Lines"})
        accounts = self.env["account.analytic.account"].create(
            [{"name": name, "plan_id": plan.id} for name in "AB"]
        )
        self.line_a.analytic_account_id, self.line_b.analytic_account_id = accounts
        account = self.env["account.account"].create(
            {"name": "Clearing", "code": "CLR1", "account_type": "liability_current"}
        )
        self.company.energy_clearing_account_id = account
        self.company.energy_expense_account_id = account.copy(
            {"code": "EXP1", "account_type": "expense"}
        )
        self.today("100")
        self.use(self.a1, "40", "2026-06-17")
        with self.at_day("2026-06-17"):
            bills = self.env["energy.bill"]._make(
                (self.line_b | self.line_a).wallet_id.sudo(),
                date(2026, 6, 16),
                self.env.cr.now(),
                date(2026, 6, 17),
            )
            again = self.env["energy.bill"]._make(
                (self.line_b | self.line_a).wallet_id.sudo(),
                date(2026, 6, 16),
                self.env.cr.now(),
                date(2026, 6, 17),
            )
        self.assertFalse(again.move_id, "each share is billed once")
        costs = {}
        for item in bills.move_id.line_ids.filtered("analytic_distribution"):
            for key, percent in item.analytic_distribution.items():
                costs[int(key)] = item.balance * percent / 100
        self.assertEqual(costs, {accounts[0].id: 17.5, accounts[1].id: 7.5})

    def test_nobody_types_the_history(self):
        share = self.env["energy.line.share"].search([], limit=1)
        user = new_test_user(
            self.env, "boss", groups="prepaid_energy.group_energy_manager"
        )
        with self.assertRaises(AccessError):
            share.with_user(user).share = 5

    def test_the_shares_of_each_day_are_100_per_cent(self):
        for day, percent in ((17, 10), (17, 20), (19, 50), (25, 0)):
            with self.at_day(f"2026-06-{day}"):
                self.row(self.line_b, self.a1).share = percent
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT day::date, sum(share)
                  FROM generate_series('2020-01-01'::date, '2026-07-01', '1 day') day
                  LEFT JOIN energy_line_share share ON date_from <= day
                   AND (date_to IS NULL OR day < date_to)
                   AND service_point_id = %s
                 GROUP BY 1 HAVING sum(share) IS DISTINCT FROM 100
                """,
                self.a1.id,
            )
        )
        self.assertEqual(rows, [])
