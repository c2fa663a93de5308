"""Energy of work orders: what flowed while they were worked on, to the last digit."""

from datetime import timedelta
from decimal import Decimal

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import freeze_time, new_test_user, tagged
from odoo.tools import SQL

from odoo.addons.prepaid_energy.tests.common import add_point

from .common import SIX, WorkCase

PRICE = Decimal("0.275")  # with the levy


@tagged("post_install", "-at_install")
class TestEnergyWork(WorkCase):
    def test_an_order_has_what_flowed_while_it_was_worked_on(self):
        """7:30 to 9:15: half of 20, all of 30, a quarter of 40."""
        self.feed(10, 20, 30, 40, 50, 60)
        order = self.make(90, 195)
        self.allocate()
        self.assertEqual(
            self.rows(),
            {
                (self.center.id, order.id): (50, 50 * PRICE),
                (self.center.id, None): (160, 160 * PRICE),
            },
        )
        self.assertEqual((order.energy_kwh, order.energy_cost), (50, 13.75))
        self.assertEqual((order.energy_unit, order.energy_cost_unit), (10, 2.75))
        self.assertEqual(order.workorder_ids.energy_kwh, 50)
        self.assertEqual(order.energy_measured, 100)

    def test_pauses_are_idle(self):
        self.feed(10, 20, 30)
        order = self.order()
        self.work(order, 0, 30)
        self.work(order, 120, 150)
        self.finish(order, 180)
        self.allocate()
        self.assertEqual(order.energy_kwh, 20)
        with freeze_time(SIX + timedelta(days=20)):
            self.assertAlmostEqual(self.center.energy_idle_share, 66.7, 1)
        self.center.invalidate_recordset()
        with freeze_time(SIX + timedelta(days=40)):
            self.assertEqual(self.center.energy_idle_share, 0, "too long ago")

    def test_a_breakdown_is_idle(self):
        """Time that is logged on an order, and was none of work."""
        self.feed(10, 20, 30)
        order = self.make(0, 120)
        log = order.workorder_ids.time_ids[:1]
        log.copy(
            {
                "loss_id": self.env.ref("mrp.block_reason1").id,
                "date_start": SIX + timedelta(hours=2),
                "date_end": SIX + timedelta(hours=3),
            }
        )
        self.allocate()
        self.assertEqual(order.energy_kwh, 30)

    def test_two_work_centers_share_by_their_loads(self):
        """Both work from 7 to 8; the other one has three times the load."""
        other = self.new_center("Big press", energy_weight=3)
        bom = self.new_bom(
            self.env["product.product"].create({"name": "Plate"}), center=other
        )
        self.feed(10, 20, 30, 40)
        first = self.make(0, 120)
        second = self.make(60, 180, bom=bom)
        self.allocate()
        self.assertEqual((first.energy_kwh, second.energy_kwh), (15, 45))
        rows = self.rows()
        self.assertEqual(rows[self.center.id, None][0], 10)  # 40 are idle, a quarter
        self.assertEqual(rows[other.id, None][0], 30)

    def test_all_parts_add_up_to_the_consumption(self):
        """Odd times, odd readings, a third of a common meter: nothing is lost."""
        common, _meter = add_point(self, "C-1")
        boss = self.env["energy.line"].create(
            {
                "name": "Owner of the common meter",
                "site_id": self.site.id,
                "department_id": self.line.department_id.id,
            }
        )
        self.env["energy.line.point"].create(
            [
                {"line_id": boss.id, "service_point_id": common.id},
                {
                    "line_id": self.line.id,
                    "service_point_id": common.id,
                    "share": 33.3333,
                },
            ]
        )
        self.feed("7.123456", "11.1", "13.000001")
        self.feed("1.7", "2.9", "3.1", serial="C-1")
        self.new_center("Second", energy_weight=1.7)
        for start, stop in ((7, 53), (61, 99), (101, 163)):
            self.make(start, stop, quantity=3)
        self.allocate()
        total = sum(energy for energy, _amount in self.rows().values())
        self.assertEqual(
            total, Decimal("31.223457") + Decimal("7.7") * Decimal("0.333333")
        )
        money = self.env.execute_query(SQL("SELECT sum(amount)::text FROM energy_work"))
        paid = self.env.execute_query(
            SQL(
                """
                SELECT sum(amount * CASE service_point_id WHEN %s THEN 0.333333
                                                          ELSE 1 END)::text
                  FROM energy_interval WHERE service_point_id = ANY(%s)
                """,
                common.id,
                [common.id, self.line_point.id],
            )
        )
        self.assertEqual(Decimal(money[0][0]), Decimal(paid[0][0]))

    def test_days_are_those_of_the_site(self):
        self.site.tz = "Asia/Seoul"
        self.feed(*[2] * 12)
        order = self.order()
        self.work(order, 480, 600)  # 23:00 to 1:00 in Seoul
        self.finish(order, 600)
        self.allocate()
        rows = self.env["energy.work"].search([("production_id", "=", order.id)])
        self.assertEqual(
            {(str(row.day), row.energy, row.hours) for row in rows},
            {("2026-11-02", 2, 1), ("2026-11-03", 2, 1)},
        )

    # ------------------------------------------------------------------ changes

    def test_what_comes_late_is_shared_out_again(self):
        """Readings of the last hours, then a corrected time; and nothing twice."""
        self.feed(10, 20)
        order = self.make(90, 195)
        self.allocate()
        self.assertEqual(order.energy_kwh, 10)
        self.assertLess(order.energy_measured, 30)
        self.ingest(
            (3 * 3600, "60", "L-1"), (4 * 3600, "100", "L-1"), uid="the-late-ones"
        )
        self.env["energy.interval"]._roll_up()
        self.allocate()
        order.invalidate_recordset()
        self.assertEqual((order.energy_kwh, order.energy_measured), (50, 100))
        with freeze_time(SIX + timedelta(hours=30)):
            self.assertFalse(self.env["energy.work"]._due())
        order.workorder_ids.time_ids.filtered(
            lambda log: log.date_start == SIX + timedelta(minutes=90)
        ).date_start = SIX + timedelta(minutes=60)
        self.allocate()
        order.invalidate_recordset()
        self.assertEqual(order.energy_kwh, 60)

    def test_a_work_center_that_leaves_the_line(self):
        self.feed(10, 20)
        order = self.make(0, 60)
        self.allocate()
        self.center.energy_line_id = False
        self.allocate()
        order.invalidate_recordset()
        self.assertFalse(order.energy_kwh)
        self.assertEqual(self.rows(), {})

    def test_the_cron_shares_out(self):
        self.feed(10, 20)
        order = self.make(0, 60)
        with (
            freeze_time(SIX + timedelta(hours=30)),
            self.enter_registry_test_mode(),
        ):
            self.env.ref("prepaid_energy_mrp.cron_allocate").method_direct_trigger()
        order.invalidate_recordset()
        self.assertEqual(order.energy_kwh, 10)

    # ------------------------------------------------------------------ valuation

    def value(self, order):
        move = order.move_finished_ids.filtered(lambda move: move.state == "done")
        return move.price_unit

    def test_the_cost_becomes_part_of_the_value(self):
        self.company.energy_cost_in_extra = True
        self.feed(10, 20, 30, 40)
        order = self.order()
        order.extra_cost = 1  # typed by hand
        self.work(order, 90, 195)
        self.finish(order, 195)
        self.assertAlmostEqual(order.extra_cost, 3.75)
        self.assertAlmostEqual(self.value(order), 3.75)
        self.assertEqual(order.energy_valued, 13.75)

    def test_a_posted_valuation_stays(self):
        self.company.energy_cost_in_extra = True
        self.feed(10, 20)
        order = self.make(90, 195)
        self.assertAlmostEqual(self.value(order), 0.55)  # 10 kWh are known by then
        self.ingest(
            (3 * 3600, "60", "L-1"), (4 * 3600, "100", "L-1"), uid="the-late-ones"
        )
        self.env["energy.interval"]._roll_up()
        self.allocate()
        order.invalidate_recordset()
        self.assertAlmostEqual(order.extra_cost, 0.55)
        self.assertAlmostEqual(self.value(order), 0.55)
        self.assertEqual((order.energy_cost, order.energy_valued), (13.75, 2.75))
        self.assertEqual(order.energy_unvalued, 11)

    def test_what_comes_only_after_the_posting_is_shown(self):
        self.company.energy_cost_in_extra = True
        order = self.make(90, 195)
        self.assertEqual((order.energy_valued, order.energy_unvalued), (0, 0))
        self.feed(10, 20, 30, 40)
        self.allocate()
        order.invalidate_recordset()
        self.assertEqual((order.energy_valued, order.energy_unvalued), (0, 13.75))

    def test_nobody_types_what_is_valued(self):
        worker = new_test_user(self.env, "worker", groups="mrp.group_mrp_manager")
        order = self.order().with_user(worker)
        with self.assertRaisesRegex(UserError, "the posting decides it"):
            order.write({"energy_valued": 0})
        clean = self.env["mrp.production"].with_user(worker)
        order = clean.with_context(default_energy_valued=5).create(
            {"product_id": self.profile.id, "bom_id": self.bom.id}
        )
        self.assertEqual(order.energy_valued, 0)

    def test_a_backorder_does_not_take_the_energy_along(self):
        self.company.energy_cost_in_extra = True
        self.feed(10, 20, 30, 40)
        order = self.order(quantity=5)
        order.extra_cost = 1
        self.work(order, 0, 60)
        order.energy_extra_unit, order.extra_cost = 0.5, 1.5
        with freeze_time(SIX + timedelta(hours=1)):
            order.qty_producing = 2
            order.move_raw_ids.picked = True
            order.with_context(
                skip_backorder=True, mo_ids_to_backorder=order.ids
            ).button_mark_done()
        rest = order.production_group_id.production_ids - order
        self.assertEqual(rest.product_qty, 3)
        self.assertEqual((rest.extra_cost, rest.energy_extra_unit), (1, 0))
        self.assertAlmostEqual(order.extra_cost, 1 + 2.75 / 2)
        self.work(rest, 60, 120)
        self.finish(rest, 120)
        self.assertAlmostEqual(rest.extra_cost, 1 + 5.5 / 3, 5)

    def test_no_value_unless_it_is_wanted(self):
        self.feed(10, 20, 30, 40)
        order = self.make(90, 195)
        self.assertEqual((order.extra_cost, order.energy_valued), (0, 0))
        self.company.energy_cost_in_extra = True
        self.profile.categ_id.property_cost_method = "standard"
        order = self.make(90, 195)
        self.assertEqual((order.extra_cost, order.energy_valued), (0, 0))

    # ------------------------------------------------------------------ comparison

    def test_the_usual_is_the_median_of_earlier_orders(self):
        self.feed(*[10] * 8)
        orders = [
            self.make(60 * hour, 60 * hour + minutes)
            for hour, minutes in enumerate((30, 60, 30, 42))
        ]
        self.allocate()
        self.env.invalidate_all()
        self.assertEqual([order.energy_unit for order in orders], [1, 2, 1, 1.4])
        self.assertEqual([order.energy_usual for order in orders], [0, 0, 0, 1])
        self.assertEqual(orders[3].energy_change, 40)
        template = self.profile.product_tmpl_id
        template.energy_target = 0.9
        self.assertEqual(orders[3].energy_target, 0.9)
        self.assertEqual(template.energy_order_count, 4)
        self.assertEqual(
            (template.energy_unit, template.energy_cost_unit), (1.35, 0.3713)
        )

    def test_what_a_unit_took_is_a_quotient_of_sums(self):
        """Not the mean of an order of 1 and one of 9."""
        self.feed(10, 10)
        self.make(0, 60, quantity=1)
        self.make(60, 120, quantity=9)
        self.allocate()
        Report = self.env["energy.order.report"]
        self.assertEqual(
            Report._read_group([], aggregates=["energy_unit:avg", "quantity:sum"]),
            [(2, 10)],
        )
        plate = self.env["product.product"].create({"name": "Plate"})
        self.make(120, 180, bom=self.new_bom(plate))
        self.allocate()
        self.assertFalse(Report._read_group([], aggregates=["energy_unit:avg"])[0][0])

    # ------------------------------------------------------------------ rights

    def test_who_may_look(self):
        self.feed(10, 20)
        order = self.make(0, 60)
        self.allocate()
        worker = new_test_user(self.env, "worker", groups="mrp.group_mrp_user")
        self.assertEqual(order.with_user(worker).energy_kwh, 10)
        self.assertTrue(self.env["energy.work"].with_user(worker).search([]))
        with self.assertRaises(AccessError):
            self.env["energy.work"].with_user(worker).search([]).write({"energy": 1})
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "work_stranger",
            groups="mrp.group_mrp_user,prepaid_energy.group_energy_manager",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        for model in ("energy.work", "energy.order.report"):
            self.assertFalse(self.env[model].with_user(stranger).search([]))
            with self.assertRaises(AccessError):
                self.env[model].with_user(self.portal_user).search([])

    def test_a_worker_finishes_an_order_with_its_energy(self):
        self.company.energy_cost_in_extra = True
        self.feed(10, 20)
        worker = new_test_user(self.env, "worker", groups="mrp.group_mrp_user")
        order = self.order()
        self.work(order.with_user(worker), 0, 60)
        self.finish(order.with_user(worker), 60)
        self.assertEqual(order.energy_valued, 2.75)
