"""Budgets from the production plan: what the month's orders usually take."""

from datetime import date, datetime
from decimal import Decimal

from odoo.tests import tagged

from .common import WorkCase

DECEMBER = date(2026, 12, 1)


@tagged("post_install", "-at_install")
class TestEnergyLinePlan(WorkCase):
    def plan(self, **values):
        return self.env["energy.line.plan"].create(
            {
                "line_id": self.line.id,
                "date_from": DECEMBER,
                "basis": "production",
                **values,
            }
        )

    def test_orders_of_a_month_are_its_budget(self):
        """3 orders took 1, 2 and 1 kWh a unit; 40 units are planned in December."""
        self.feed(*[10] * 4)
        for hour, minutes in enumerate((30, 60, 30)):
            self.make(60 * hour, 60 * hour + minutes)
        self.allocate()
        self.order(25, date_start=datetime(2026, 12, 3))
        self.order(15, date_start=datetime(2026, 12, 31, 23))
        self.order(99, date_start=datetime(2027, 1, 1))
        self.order(7, date_start=datetime(2026, 12, 4)).action_cancel()
        self.assertEqual(self.plan()._planned(DECEMBER), 40)

    def test_without_measured_orders_the_target_counts(self):
        self.profile.energy_target = 1.5
        self.order(10, date_start=datetime(2026, 12, 3))
        self.assertEqual(self.plan()._planned(DECEMBER), 15)

    def test_a_budget_in_money(self):
        self.profile.energy_target = 1.5
        self.order(10, date_start=datetime(2026, 12, 3))
        plan = self.plan(unit="money", per_unit=0.3)
        self.assertEqual(plan._planned(DECEMBER), Decimal("4.5"))

    def test_orders_of_other_lines_do_not_count(self):
        self.profile.energy_target = 1.5
        self.center.energy_line_id = False
        self.order(10, date_start=datetime(2026, 12, 3))
        self.assertEqual(self.plan()._planned(DECEMBER), 0)
