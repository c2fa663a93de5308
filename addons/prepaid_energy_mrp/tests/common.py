"""A line with one work centre and a bill of materials; real orders, real times."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

from odoo.fields import Command
from odoo.tests import Form, freeze_time
from odoo.tools import SQL

from odoo.addons.prepaid_energy.tests.common import EnergyCase, add_point

SIX = datetime(2026, 11, 2, 6)  # naive UTC, a Monday


class WorkCase(EnergyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.user.group_ids += cls.env.ref("mrp.group_mrp_routings")
        cls.line = cls.env["energy.line"].create(
            {
                "name": "Extruder 2",
                "site_id": cls.site.id,
                "department_id": cls.env["hr.department"]
                .create({"name": "Extrusion"})
                .id,
            }
        )
        cls.line_point, cls.line_meter = add_point(cls, "L-1")
        cls.env["energy.line.point"].create(
            {"line_id": cls.line.id, "service_point_id": cls.line_point.id}
        )
        cls.center = cls.new_center("Press")
        category = cls.env["product.category"].create(
            {"name": "Profiles", "property_cost_method": "average"}
        )
        cls.profile, cls.blank = cls.env["product.product"].create(
            [
                {"name": "Profile", "is_storable": True, "categ_id": category.id},
                {"name": "Blank", "is_storable": True},
            ]
        )
        cls.bom = cls.new_bom(cls.profile)
        cls.stock = cls.env["stock.warehouse"].search(
            [("company_id", "=", cls.company.id)], limit=1
        )
        cls.env["stock.quant"]._update_available_quantity(
            cls.blank, cls.stock.lot_stock_id, 1000
        )

    @classmethod
    def new_center(cls, name, **values):
        return cls.env["mrp.workcenter"].create(
            {"name": name, "energy_line_id": cls.line.id, "costs_hour": 0, **values}
        )

    @classmethod
    def new_bom(cls, product, center=None):
        return cls.env["mrp.bom"].create(
            {
                "product_tmpl_id": product.product_tmpl_id.id,
                "product_qty": 1,
                "consumption": "flexible",
                "bom_line_ids": [
                    Command.create({"product_id": cls.blank.id, "product_qty": 1})
                ],
                "operation_ids": [
                    Command.create(
                        {
                            "name": "Press it",
                            "workcenter_id": (center or cls.center).id,
                            "time_cycle_manual": 10,
                        }
                    )
                ],
            }
        )

    def setUp(self):
        super().setUp()
        self.begin = SIX.replace(tzinfo=UTC)

    def feed(self, *energies, serial="L-1", first=0):
        """Hourly readings from six o'clock on."""
        register, rows = Decimal(0), []
        for number, energy in enumerate((0, *energies)):
            register += Decimal(energy)
            rows.append(((first + number) * 3600, str(register), serial))
        self.assertEqual(self.ingest(*rows)["accepted"], len(rows))
        self.env["energy.interval"]._roll_up()

    def order(self, quantity=5, bom=None, **values):
        form = Form(self.env["mrp.production"])
        form.bom_id = bom or self.bom
        form.product_qty = quantity
        order = form.save()
        order.action_confirm()
        order.write(values)
        return order

    def work(self, order, start, stop):
        """Start and stop the work order by its buttons, at minutes after six."""
        with freeze_time(SIX + timedelta(minutes=start)):
            order.workorder_ids.button_start()
            self.env.flush_all()
        with freeze_time(SIX + timedelta(minutes=stop)):
            order.workorder_ids.button_pending()
            self.env.flush_all()

    def finish(self, order, minutes, quantity=None):
        with freeze_time(SIX + timedelta(minutes=minutes)):
            order.qty_producing = quantity or order.product_qty
            order.move_raw_ids.picked = True
            order.with_context(skip_backorder=True).button_mark_done()
            self.env.flush_all()
        self.assertEqual(order.state, "done")

    def make(self, start, stop, quantity=5, **values):
        """A whole order, from confirmation to stock."""
        order = self.order(quantity, **values)
        self.work(order, start, stop)
        self.finish(order, stop)
        return order

    def allocate(self):
        """Share out what is due, as the cron does, at noon of the next day."""
        with freeze_time(SIX + timedelta(hours=30)):
            self.env["energy.work"]._allocate()

    def rows(self):
        """{(work centre, order or None): (kWh, amount)} exact."""
        found = self.env.execute_query(
            SQL(
                "SELECT workcenter_id, production_id, energy::text, amount::text "
                "FROM energy_work ORDER BY id"
            )
        )
        return {
            (center, order): (Decimal(energy), Decimal(amount))
            for center, order, energy, amount in found
        }
