from unittest.mock import patch

from psycopg2 import IntegrityError

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import new_test_user
from odoo.tools import mute_logger

from .common import add_point
from .line_case import LineCase


class TestAllocation(LineCase):
    """The compressor is a meter without a wallet: 1,000.01 kWh, 250.00."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.compressor, _meter = add_point(cls, "AIR")
        plan = cls.env["account.analytic.plan"].create({"name": "Lines"})
        accounts = cls.env["account.analytic.account"].create(
            [{"name": name, "plan_id": plan.id} for name in "ABT"]
        )
        cls.line_a.analytic_account_id = accounts[0]
        cls.line_b.analytic_account_id = accounts[1]
        cls.tenant_account = accounts[2]
        cls.line_c = cls.env["energy.line"].create(
            {
                "name": "Line C",
                "site_id": cls.site.id,
                "department_id": cls.department.id,
            }
        )
        cls.accountant = new_test_user(
            cls.env, "clerk", groups="prepaid_energy.group_energy_accountant"
        )

    def setUp(self):
        super().setUp()
        self.use(self.compressor, "1000.01")

    def use(self, point, kwh, day="2026-06-10", **values):
        """Also of points without a wallet."""
        if not point.wallet_id and "wallet_id" not in values:
            values = {"currency_id": point.tariff_id.currency_id.id, "wallet_id": None}
        return super().use(point, kwh, day, **values)

    def allocation(self, lines, key="energy", **values):
        values = {
            "name": "Air, June",
            "service_point_id": self.compressor.id,
            "date_from": "2026-06-01",
            "date_to": "2026-06-15",
            "date": "2026-06-15",
            "key": key,
            "line_ids": [Command.create(line) for line in lines],
            **values,
        }
        Allocation = self.env["energy.allocation"].with_user(self.accountant)
        return Allocation.create(values)

    def by_lines(self, key="energy", **values):
        lines = self.line_a | self.line_b | self.line_c
        return self.allocation([{"line_id": line.id} for line in lines], key, **values)

    def costs(self, move):
        """What each analytic account has of the entry."""
        costs = {}
        for item in move.line_ids.filtered("analytic_distribution"):
            for key, percent in item.analytic_distribution.items():
                account = self.env["account.analytic.account"].browse(int(key))
                part = item.balance * percent / 100
                costs[account.name] = round(costs.get(account.name, 0) + part, 2)
        return costs

    def test_by_measured_consumption(self):
        self.use(self.a1, 200)
        self.use(self.b1, 100)
        self.use(self.b1, 900, "2026-06-16")  # after the period
        allocation = self.by_lines()
        allocation.action_simulate()
        self.assertEqual(allocation.state, "simulated")
        self.assertEqual(allocation.line_ids.mapped("amount"), [166.67, 83.33, 0])
        self.assertFalse(allocation.move_id)
        allocation.action_post()
        self.assertEqual(self.costs(allocation.move_id), {"A": 166.67, "B": 83.33})
        clearing = self.company.energy_clearing_account_id
        credit = allocation.move_id.line_ids.filtered("credit")
        self.assertEqual(credit.account_id, clearing)

    def test_by_area_heads_and_fixed_per_cent(self):
        self.line_a.area_m2, self.line_b.area_m2 = 300, 100
        self.line_a.head_count, self.line_c.head_count = 1, 1
        area = self.by_lines("area")
        area.action_simulate()
        self.assertEqual(area.line_ids.mapped("amount"), [187.5, 62.5, 0])
        area.key = "heads"
        self.assertEqual(area.state, "draft", "another key, another simulation")
        area.action_simulate()
        self.assertEqual(area.line_ids.mapped("amount"), [125, 0, 125])
        area.key = "fixed"
        with self.assertRaises(UserError):
            area.action_simulate()
        percents = (33.3333, 33.3333, 33.3334)
        for line, percent in zip(area.line_ids, percents, strict=True):
            line.fixed_percent = percent
        area.action_simulate()
        self.assertAlmostEqual(sum(area.line_ids.mapped("amount")), 250, 6)

    def test_a_tenants_part_needs_an_account(self):
        self.use(self.a1, 100)
        self.use(self.point, 300)
        with self.assertRaises(ValidationError):
            self.allocation([{"wallet_id": self.wallet.id}])
        allocation = self.allocation(
            [
                {"line_id": self.line_a.id},
                {
                    "wallet_id": self.wallet.id,
                    "analytic_account_id": self.tenant_account.id,
                },
            ]
        )
        allocation.action_simulate()
        allocation.action_post()
        self.assertEqual(self.costs(allocation.move_id), {"A": 62.5, "T": 187.5})

    def test_losses_below_a_feeder(self):
        feeder, _meter = add_point(self, "FEED")
        (self.a1 | self.b1).parent_id = feeder
        self.use(feeder, 440)
        self.use(self.a1, 300)
        self.use(self.b1, 100)
        losses = self.by_lines(source="losses", service_point_id=feeder.id)
        losses.action_simulate()
        self.assertEqual((losses.quantity, losses.amount), (40, 10))
        self.assertEqual(losses.line_ids.mapped("amount"), [7.5, 2.5, 0])
        self.use(self.b1, 50)
        with self.assertRaises(UserError):
            losses.action_simulate()

    def test_the_line_that_has_the_cost_hands_it_on(self):
        self.use(self.a1, 400)
        allocation = self.by_lines("fixed", service_point_id=self.a1.id)
        for line, percent in zip(allocation.line_ids, (50, 50, 0), strict=True):
            line.fixed_percent = percent
        allocation.action_simulate()
        allocation.action_post()
        self.assertEqual(self.costs(allocation.move_id), {"A": -50, "B": 50})

    def test_days_on_which_lines_share_the_meter_are_left_out(self):
        self.share(self.line_b, self.a1, 40)  # from June 16th on
        self.use(self.a1, 400)
        self.use(self.a1, 80, "2026-06-16")
        self.line_c.head_count = 1
        for source in ("meter", "losses"):
            allocation = self.by_lines(
                "heads",
                service_point_id=self.a1.id,
                source=source,
                date_to="2026-06-18",
            )
            with self.at_day("2026-06-19"):
                allocation.action_simulate()
            self.assertEqual((allocation.amount, allocation.day_count), (100, 15))
            self.assertIn("06/16/2026 – 06/18/2026: ", allocation.left_out)
            self.assertIn("shared by Line A, Line B", allocation.left_out)
            allocation.date_from = "2026-06-16"
            with self.at_day("2026-06-19"), self.assertRaisesRegex(UserError, "shared"):
                allocation.action_simulate()

    def test_days_after_the_shares_have_ended_are_divided(self):
        self.share(self.line_b, self.a1, 40)
        with self.at_day("2026-06-20"):
            self.row(self.line_b, self.a1).unlink()
        self.use(self.a1, 40, "2026-06-19")
        self.use(self.a1, 400, "2026-06-20")
        self.line_c.head_count = 1
        period = {"date_from": "2026-06-18", "date_to": "2026-06-25"}
        allocation = self.by_lines("heads", service_point_id=self.a1.id, **period)
        with self.at_day("2026-06-26"):
            allocation.action_simulate()
            self.assertEqual(allocation.amount, 100)
            self.assertEqual(allocation.left_out.count("\n"), 0)
            allocation.date_to = "2026-06-19"
            with self.assertRaises(UserError):
                allocation.action_simulate()

    def test_a_day_that_is_not_over_is_left_out(self):
        self.use(self.compressor, 4, "2026-06-16")  # today
        allocation = self.by_lines("heads", date_to="2026-06-30")
        self.line_a.head_count = 1
        allocation.line_ids.filtered(
            lambda part: part.line_id == self.line_a
        ).head_count = 1
        allocation.action_simulate()
        self.assertEqual(allocation.amount, 250)
        self.assertRegex(allocation.left_out, "^06/16/2026 – 06/30/2026: not over yet")

    def test_the_free_days_of_a_period_that_was_divided_in_part(self):
        """Consumption of the key counts on these days only, and the cost as well."""
        self.use(self.a1, 200)
        first = self.by_lines()
        first.action_simulate()
        first.action_post()
        with self.at_day("2026-07-01"):
            self.use(self.compressor, 40, "2026-06-20")
            self.use(self.b1, 7, "2026-06-20")
            second = self.by_lines(date_to="2026-06-30", name="Air, all of June")
            second.action_simulate()
            self.assertEqual((second.amount, second.day_count), (10, 15))
            self.assertEqual(second.line_ids.mapped("amount"), [0, 10, 0])
            self.assertEqual(
                second.left_out,
                "06/01/2026 – 06/15/2026: divided already by “Air, June”.",
            )
            second.action_post()
            days = self.env["energy.allocation.day"].search(
                [("service_point_id", "=", self.compressor.id)]
            )
            self.assertEqual(len(days), 30)
            third = self.by_lines(source="losses", date_to="2026-06-30")
            with self.assertRaisesRegex(UserError, "no day"):
                third.action_simulate()
            first.action_reverse()
            third.source = "meter"
            third.action_simulate()
            self.assertEqual((third.amount, third.day_count), (250, 15))

    def test_no_day_is_divided_twice_by_two_at_once(self):
        """The second one has not seen the days of the first."""
        self.use(self.a1, 200)
        first, second = self.by_lines(), self.by_lines()
        (first | second).action_simulate()
        first.action_post()
        judged = [*self.env["energy.allocation.day"].search([]).mapped("day")], []
        with (
            patch.object(type(second), "_judge_days", lambda one: judged),
            mute_logger("odoo.sql_db"),
            self.assertRaises(IntegrityError),
        ):
            second.action_post()

    def test_days_that_a_tenant_has_paid_are_left_out(self):
        self.use(self.a1, 400, "2026-06-09", wallet_id=self.wallet.id)
        self.use(self.a1, 40, "2026-06-10")
        self.line_c.head_count = 1
        allocation = self.by_lines("heads", service_point_id=self.a1.id)
        allocation.action_simulate()
        self.assertEqual(allocation.amount, 10)
        self.assertIn(self.wallet.name, allocation.left_out)

    def test_each_line_that_had_the_cost_hands_it_on(self):
        """The meter was Line B's until the 9th, and nobody's before the 5th."""
        self.line_c.analytic_account_id = self.tenant_account
        self.line_c.head_count = 1
        self.use(self.compressor, 20, "2026-06-04")
        wallet = self.line_b.wallet_id
        values = {"wallet_id": wallet.id, "currency_id": wallet.currency_id.id}
        self.use(self.compressor, 40, "2026-06-09", **values)
        allocation = self.by_lines("heads", date_to="2026-06-09")
        allocation.action_simulate()
        allocation.action_post()
        self.assertEqual(self.costs(allocation.move_id), {"T": 15, "B": -10})
        clearing = self.company.energy_clearing_account_id
        item = allocation.move_id.line_ids.filtered(
            lambda item: item.account_id == clearing
        )
        self.assertEqual(item.credit, 5)

    def test_a_tenants_meter_is_not_divided(self):
        self.use(self.point, 300)
        allocation = self.by_lines(service_point_id=self.point.id)
        with self.assertRaises(UserError):
            allocation.action_simulate()

    def test_posted_once_and_taken_back(self):
        self.use(self.a1, 200)
        allocation, other = self.by_lines(), self.by_lines(date_from="2026-06-15")
        with self.assertRaises(UserError):
            allocation.action_post()
        allocation.action_simulate()
        allocation.action_post()
        move = allocation.move_id
        allocation.action_post()
        self.assertEqual(allocation.move_id, move)
        for change in (
            lambda: allocation.write({"key": "area"}),
            lambda: allocation.line_ids[0].unlink(),
            allocation.unlink,
            allocation.action_simulate,
        ):
            with self.assertRaises(UserError):
                change()
        self.use(self.compressor, 1, "2026-06-15")
        self.use(self.a1, 1, "2026-06-15")
        with self.assertRaisesRegex(UserError, "divided already"):
            other.action_simulate()
        allocation.action_reverse()
        self.assertEqual(allocation.state, "reversed")
        self.assertEqual(allocation.reversal_id.reversed_entry_id, move)
        other.action_simulate()
        other.action_post()

    def test_what_changed_since_the_simulation_is_not_posted(self):
        self.use(self.a1, 200)
        allocation = self.by_lines()
        allocation.action_simulate()
        self.use(self.compressor, 100)
        with self.assertRaises(UserError):
            allocation.action_post()

    def test_a_locked_date_is_refused(self):
        self.use(self.a1, 200)
        allocation = self.by_lines()
        allocation.action_simulate()
        self.company.fiscalyear_lock_date = "2026-06-15"
        with self.assertRaises(UserError):
            allocation.action_post()
        self.assertEqual(allocation.state, "simulated")

    def test_no_part_is_moved_into_a_posted_one(self):
        self.use(self.a1, 200)
        posted, other = self.by_lines(), self.by_lines()
        posted.action_simulate()
        posted.action_post()
        with self.assertRaisesRegex(UserError, "posted"):
            other.line_ids[0].write({"allocation_id": posted.id})

    def test_amounts_and_states_are_not_typed(self):
        with self.assertRaises(UserError):
            self.by_lines().write({"state": "posted"})
        with self.assertRaises(UserError):
            self.by_lines().line_ids[0].write({"amount": 5})
        with self.assertRaises(AccessError):
            self.by_lines().with_user(self.head).action_simulate()
