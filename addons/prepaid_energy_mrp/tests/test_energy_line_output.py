"""What orders make is the output of their line: once, and corrected by further rows."""

from datetime import date, timedelta

from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import freeze_time, new_test_user, tagged

from .common import SIX, WorkCase

MONDAY = date(2026, 11, 2)


@tagged("post_install", "-at_install")
class TestOutputOfOrders(WorkCase):
    def outputs(self, line=None):
        """[(day, product, quantity)] of a line."""
        rows = self.env["energy.line.output"].search(
            [("line_id", "=", (line or self.line).id)], order="id"
        )
        return [(row.day, row.product_id, row.quantity) for row in rows]

    def follow(self, hours=24):
        with freeze_time(SIX + timedelta(hours=hours)):
            self.env["energy.line.output"]._cron_orders()

    def unbuild(self, order, quantity, hours=30):
        with freeze_time(SIX + timedelta(hours=hours)):
            unbuild = self.env["mrp.unbuild"].create(
                {
                    "product_id": order.product_id.id,
                    "mo_id": order.id,
                    "product_qty": quantity,
                    "product_uom_id": order.product_uom_id.id,
                }
            )
            unbuild.action_unbuild()

    def test_a_finished_order_is_output_once(self):
        order = self.make(0, 60, 5)
        self.assertEqual(self.outputs(), [(MONDAY, self.profile, 5)])
        for _again in range(3):
            self.follow()
        self.assertEqual(self.outputs(), [(MONDAY, self.profile, 5)])
        row = self.env["energy.line.output"].search([("line_id", "=", self.line.id)])
        self.assertEqual(row.production_id, order)

    def test_the_day_is_that_of_the_site(self):
        self.site.tz = "Pacific/Auckland"  # thirteen hours ahead
        self.make(0, 6 * 60, 5)
        self.assertEqual(
            self.outputs(), [(MONDAY + timedelta(days=1), self.profile, 5)]
        )

    def test_two_orders_and_a_dozen(self):
        """Each order has its row; the unit is the product's."""
        dozen = self.env.ref("uom.product_uom_dozen")
        self.make(0, 60, 5)
        order = self.env["mrp.production"].create(
            {"bom_id": self.bom.id, "product_qty": 2, "product_uom_id": dozen.id}
        )
        order.action_confirm()
        self.finish(order, 120)
        self.assertEqual([row[2] for row in self.outputs()], [5, 24])

    def test_an_unbuild_order_is_a_correcting_row_of_the_same_day(self):
        order = self.make(0, 60, 5)
        self.unbuild(order, 2)
        self.follow(48)
        self.assertEqual(
            self.outputs(), [(MONDAY, self.profile, 5), (MONDAY, self.profile, -2)]
        )

    def test_a_changed_quantity_is_a_correcting_row(self):
        order = self.make(0, 60, 5)
        order.move_finished_ids.quantity = 4
        self.follow()
        self.follow()
        self.assertEqual([row[2] for row in self.outputs()], [5, -1])

    def test_another_line_of_the_work_center_takes_it_over(self):
        other = self.line.copy({"name": "Extruder 3"})
        self.make(0, 60, 5)
        self.center.energy_line_id = other
        self.follow()
        self.assertEqual([row[2] for row in self.outputs()], [5, -5])
        self.assertEqual([row[2] for row in self.outputs(other)], [5])

    def test_the_line_of_the_last_operation_has_it(self):
        """Counted once, though two lines have worked on it."""
        other = self.line.copy({"name": "Packing"})
        center = self.new_center("Packer", energy_line_id=other.id)
        self.bom.operation_ids = [
            Command.create(
                {
                    "name": "Pack it",
                    "workcenter_id": center.id,
                    "time_cycle_manual": 1,
                    "sequence": 200,
                }
            )
        ]
        order = self.order(5)
        self.finish(order, 60)
        self.assertEqual(self.outputs(), [])
        self.assertEqual([row[2] for row in self.outputs(other)], [5])

    def test_a_line_may_be_left_out(self):
        self.line.output_from_orders = False
        self.make(0, 60, 5)
        self.follow()
        self.assertEqual(self.outputs(), [])
        with freeze_time(SIX + timedelta(hours=24)):
            self.line.output_from_orders = True
        self.assertEqual([row[2] for row in self.outputs()], [5])

    def test_what_was_typed_is_not_counted_twice(self):
        Output = self.env["energy.line.output"]
        Output.create({"line_id": self.line.id, "day": MONDAY, "quantity": 9})
        self.make(0, 60, 5)
        self.follow()
        self.assertEqual([row[2] for row in self.outputs()], [9])
        Output.search([]).unlink()
        self.follow()
        self.assertEqual([row[2] for row in self.outputs()], [5])
        with self.assertRaisesRegex(ValidationError, "has reported the output"):
            Output.create({"line_id": self.line.id, "day": MONDAY, "quantity": 9})

    def test_nobody_types_over_it(self):
        self.make(0, 60, 5)
        operator = new_test_user(
            self.env, "output_op", groups="prepaid_energy.group_energy_operator"
        )
        row = self.env["energy.line.output"].with_user(operator).search([])
        for change in (lambda: row.write({"quantity": 1}), row.unlink):
            with self.assertRaisesRegex(UserError, "was not typed"):
                change()
        with self.assertRaises(UserError):
            row.create(
                {
                    "line_id": self.line.id,
                    "day": MONDAY,
                    "quantity": 1,
                    "source_key": "move:1",
                }
            )
        self.line.output_from_orders = False
        row.unlink()

    def test_who_finishes_an_order_need_not_see_energy(self):
        worker = new_test_user(
            self.env,
            "output_worker",
            groups="mrp.group_mrp_user,stock.group_stock_user",
        )
        order = self.order(5)
        self.finish(order.with_user(worker), 60)
        self.assertEqual([row[2] for row in self.outputs()], [5])

    def test_a_day_without_an_order_has_made_nothing(self):
        self.make(0, 60, 5)
        baseline = self.env["energy.baseline"].create(
            {
                "name": "By orders",
                "line_id": self.line.id,
                "date_from": MONDAY - timedelta(days=1),
                "date_to": MONDAY + timedelta(days=3),
                "use_output": True,
            }
        )
        with freeze_time(SIX + timedelta(days=2)):
            days = baseline._values_output(baseline.date_from, baseline.date_to)
        self.assertEqual(days, {MONDAY: 5, MONDAY + timedelta(days=1): 0})

    def test_units_do_not_add_up_in_the_report_of_orders(self):
        kilo = self.env.ref("uom.product_uom_kgm")
        granulate = self.env["product.product"].create(
            {"name": "Granulate", "is_storable": True, "uom_id": kilo.id}
        )
        self.feed(10, 20, 30)
        self.make(0, 60, 5)
        self.make(60, 120, 70, bom=self.new_bom(granulate))
        self.allocate()
        rows = self.env["energy.order.report"]._read_group(
            [("line_id", "=", self.line.id)], [], ["quantity:sum", "energy_unit:avg"]
        )
        self.assertEqual(rows, [(False, False)])
        rows = self.env["energy.order.report"]._read_group(
            [("line_id", "=", self.line.id)], ["uom_id"], ["quantity:sum"]
        )
        self.assertEqual(dict(rows)[kilo], 70)
