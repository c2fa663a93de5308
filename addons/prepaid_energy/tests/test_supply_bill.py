from datetime import date
from decimal import Decimal

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged

from ..purchase import Purchase, split
from .common import add_point, flat_version
from .test_billing import BillingCase


class SupplyBillCase(BillingCase):
    """A feeder of 1,000 kWh at 0.20 and 1 a day; 600 sold, 300 on a line, 20 own use.

    So 80 kWh are lost. The utility bills 1,050 kWh at 0.21 and 40 of fixed charges.
    """

    def setUp(self):
        super().setUp()
        self.purchase = self.env["energy.tariff"].create(
            {
                "name": "Purchase",
                "tz": "UTC",
                "version_ids": [
                    Command.create(
                        flat_version(
                            "2020-01-01",
                            0.2,
                            fixed_ids=[
                                Command.create(
                                    {"name": "Grid", "amount": 1, "per": "day"}
                                )
                            ],
                        )
                    )
                ],
            }
        )
        department = self.env["hr.department"].create({"name": "Rolling"})
        self.line_wallet = self.env["energy.wallet"].create(
            {"name": "Line 1", "kind": "line", "department_id": department.id}
        )
        self.feeder, _meter = add_point(
            self, "M-MAIN", name="Incomer", tariff_id=self.purchase.id
        )
        self.point.parent_id = self.feeder
        self.line, _meter = add_point(
            self, "M-LINE", parent_id=self.feeder.id, wallet_id=self.line_wallet.id
        )
        self.gate, _meter = add_point(self, "M-GATE", parent_id=self.feeder.id)
        self.utility = self.env["res.partner"].create({"name": "Utility"})
        self.accounts = {
            kind: self.company._new_energy_account(kind, "610000", "expense")
            for kind in ("purchase", "variance", "price", "loss")
        }

    def read_meters(self, main="1000", tenant="600", line="300", gate="20"):
        """A month from its first to its last instant."""
        self.ingest(*((0, "0", s) for s in ("M-MAIN", "M-1", "M-LINE", "M-GATE")))
        rows = (("M-MAIN", main), ("M-1", tenant), ("M-LINE", line), ("M-GATE", gate))
        self.ingest(*((86400 * 31, text, serial) for serial, text in rows if text))
        self.env.flush_all()
        self.env.cr.execute(
            "UPDATE energy_service_point SET charged_from = '2026-04-30', "
            "charged_until = '2026-04-30', closed_until = '2026-04-30' WHERE id = %s",
            [self.feeder.id],
        )
        self.env.invalidate_all()
        self.feeder._charge_until(date(2026, 5, 31))
        self.env.invalidate_all()

    def vendor_bill(self, quantity=1050, price=0.21, fixed=40, unit=None, **values):
        kwh = self.env.ref("uom.product_uom_kwh")
        product = self.env["product.product"].create(
            {"name": "Electricity", "type": "service", "uom_id": (unit or kwh).id}
        )
        account = self.accounts["purchase"].id
        common = {"account_id": account, "tax_ids": [Command.clear()]}
        move = self.env["account.move"].create(
            {
                "move_type": "in_invoice",
                "partner_id": self.utility.id,
                "invoice_date": "2026-06-01",
                "date": "2026-06-01",
                "ref": "U-1",
                "invoice_line_ids": [
                    Command.create(
                        {
                            "product_id": product.id,
                            "product_uom_id": (unit or kwh).id,
                            "quantity": quantity,
                            "price_unit": price,
                            **common,
                        }
                    ),
                    Command.create({"name": "Grid", "price_unit": fixed, **common}),
                ],
                **values,
            }
        )
        move.action_post()
        return move

    def match(self, move=None, **values):
        return self.env["energy.supply.bill"].create(
            {
                "move_id": (move or self.vendor_bill()).id,
                "feeder_ids": [Command.set(self.feeder.ids)],
                "account_id": self.accounts["variance"].id,
                **values,
            }
        )

    def rows(self, lines, *names):
        return {line.kind: tuple(line[name] for name in names) for line in lines}

    def balance_of(self, account):
        lines = self.env["account.move.line"].search(
            [("account_id", "=", account.id), ("parent_state", "=", "posted")]
        )
        return sum(
            (Decimal(repr(line.balance)) for line in lines), Decimal(0)
        ).quantize(Decimal("0.01"))


@tagged("post_install", "-at_install")
class TestSupplyBill(SupplyBillCase):
    def test_the_bill_is_taken_over(self):
        self.read_meters()
        bill = self.match()
        self.assertEqual(
            (bill.date_from, bill.date_to), (date(2026, 5, 1), date(2026, 5, 31))
        )
        self.assertEqual(bill.quantity_billed, 1050)
        self.assertEqual((bill.amount_energy, bill.amount_other), (220.5, 40))
        self.assertEqual(bill.amount_billed, 260.5)
        self.assertFalse(bill.notes)

    def test_a_bill_in_megawatt_hours(self):
        self.read_meters()
        unit = self.env.ref("prepaid_energy.uom_mwh")
        bill = self.match(self.vendor_bill(1.05, 210, unit=unit))
        self.assertEqual((bill.quantity_billed, bill.amount_energy), (1050, 220.5))

    def test_where_the_energy_went_adds_up(self):
        self.read_meters()
        bill = self.match()
        self.assertEqual(
            self.rows(bill.balance_ids, "quantity", "percent", "amount", "charged"),
            {
                "tenant": (600, 60, 120, 150),
                "line": (300, 30, 60, 75),
                "own": (20, 2, 4, 0),
                "loss": (80, 8, 16, 0),
            },
        )
        self.assertEqual(bill.quantity_metered, 1000)
        self.assertEqual((bill.metered_energy, bill.metered_other), (200, 31))
        self.assertEqual((bill.loss_quantity, bill.loss_percent), (80, 8))
        self.assertEqual(bill.loss_amount, 16)

    def test_the_variance_adds_up(self):
        self.read_meters()
        bill = self.match()
        self.assertEqual(bill.variance, 29.5)  # 260.50 billed, 231 by own meters
        self.assertEqual(
            self.rows(bill.variance_ids, "amount"),
            {"quantity": (10,), "price": (10,), "mixed": (0.5,), "other": (9,)},
        )

    def test_losses_at_each_feeder_and_boards_without_a_meter(self):
        board = self.env["energy.service.point"].create(
            {
                "name": "Board",
                "site_id": self.site.id,
                "tariff_id": self.purchase.id,
                "parent_id": self.feeder.id,
            }
        )
        sub, _meter = add_point(
            self, "M-SUB", name="Hall", parent_id=board.id, tariff_id=self.purchase.id
        )
        (self.point | self.line).parent_id = sub
        self.ingest((0, "0", "M-SUB"), (86400 * 31, "950", "M-SUB"))
        self.read_meters()
        bill = self.match()
        nodes = {
            row.service_point_id: (row.quantity, row.outflow, row.amount)
            for row in bill.node_ids
        }
        self.assertEqual(nodes, {self.feeder: (1000, 970, 6), sub: (950, 900, 10)})
        self.assertEqual(bill.loss_quantity, 80)
        self.assertFalse(bill.notes)

    def test_missing_readings_are_named_and_no_loss(self):
        self.read_meters(line=None)
        bill = self.match()
        rows = self.rows(bill.balance_ids, "quantity")
        self.assertEqual(rows["unknown"], (380,))
        self.assertEqual(rows["loss"], (0,))
        self.assertIn("Point of M-LINE: no readings", bill.notes)
        self.ingest((86400 * 31, "300", "M-LINE"))
        bill.action_match()
        self.assertEqual(bill.loss_quantity, 80)
        self.assertFalse(bill.notes)

    def test_estimated_readings_are_named(self):
        self.read_meters()
        self.env.cr.execute(
            "UPDATE energy_reading SET quality = 'estimated' WHERE meter_id = %s "
            "AND register = 600",
            [self.meter.id],
        )
        bill = self.match()
        self.assertIn("Point of M-1: estimated, 600 kWh spread", bill.notes)

    def test_a_point_without_a_meter_is_named(self):
        self.read_meters()
        self.env["energy.service.point"].create(
            {
                "name": "Kiosk",
                "site_id": self.site.id,
                "tariff_id": self.tariff.id,
                "parent_id": self.feeder.id,
            }
        )
        self.assertIn("Kiosk has no meter", self.match().notes)

    def test_sub_meters_that_show_more_are_named(self):
        self.read_meters(main="900")
        bill = self.match()
        self.assertEqual(bill.loss_quantity, -20)
        self.assertIn("shows less than its sub-meters", bill.notes)

    def test_levies_that_are_no_input_tax_are_part_of_the_price(self):
        tax = self.env["account.tax"].create(
            {"name": "VAT", "amount": 20, "type_tax_use": "sale"}
        )
        self.purchase.version_ids.levy_ids = [
            Command.create({"name": "Grid levy", "percent": 10}),
            Command.create({"name": "VAT", "percent": 20, "tax_id": tax.id}),
        ]
        self.read_meters()
        self.assertAlmostEqual(self.match().metered_other, 54.1)  # 31 + 10 % of 231

    # ------------------------------------------------------------------ posting

    def test_it_is_posted_where_the_accountant_says(self):
        self.read_meters()
        bill = self.match(loss_account_id=self.accounts["loss"].id)
        price = bill.variance_ids.filtered(lambda row: row.kind == "price")
        bill.variance_ids = [
            Command.update(price.id, {"account_id": self.accounts["price"].id})
        ]
        bill.action_post()
        self.assertEqual(self.balance_of(self.accounts["variance"]), Decimal("19.50"))
        self.assertEqual(self.balance_of(self.accounts["price"]), Decimal(10))
        self.assertEqual(self.balance_of(self.accounts["loss"]), Decimal(16))
        clearing = self.company.energy_clearing_account_id
        self.assertEqual(self.balance_of(clearing), Decimal("-45.50"))
        self.assertEqual(bill.entry_id.date, date(2026, 6, 1))
        self.assertEqual(bill.entry_id.journal_id, self.company.energy_journal_id)

    def test_against_the_expense_of_the_bill(self):
        self.read_meters()
        bill = self.match(counter="expense")
        bill.action_post()
        self.assertEqual(self.balance_of(self.accounts["purchase"]), Decimal("231.00"))

    def test_reversed_and_posted_again(self):
        self.read_meters()
        bill = self.match()
        bill.action_post()
        for change in ({"amount_other": 1}, {"date_to": "2026-05-30"}):
            with self.assertRaisesRegex(UserError, "reverse it first"):
                bill.write(change)
        with self.assertRaisesRegex(UserError, "reverse that first"):
            bill.move_id.button_draft()
        with self.assertRaisesRegex(UserError, "reverse that first"):
            bill.entry_id.button_draft()
        with self.assertRaisesRegex(UserError, "already"):
            bill.action_post()
        bill.action_reverse()
        self.assertEqual(bill.state, "draft")
        self.assertEqual(self.balance_of(self.accounts["variance"]), 0)
        self.assertEqual(len(bill.entry_ids), 2)
        with self.assertRaisesRegex(UserError, "kept"):
            bill.unlink()
        bill.action_post()
        self.assertEqual(self.balance_of(self.accounts["variance"]), Decimal("29.50"))

    def test_lock_dates_are_asked(self):
        self.read_meters()
        bill = self.match()
        self.company.fiscalyear_lock_date = "2026-06-01"
        with self.assertRaisesRegex(UserError, "locked"):
            bill.action_post()
        bill.date = "2026-06-02"
        bill.action_post()
        self.assertEqual(bill.entry_id.date, date(2026, 6, 2))
        with self.assertRaisesRegex(UserError, "locked"):
            bill.action_reverse()
        self.assertEqual(bill.state, "posted")

    def test_what_is_missing_is_named(self):
        bill = self.match()
        with self.assertRaisesRegex(UserError, "show nothing"):
            bill.action_post()
        self.read_meters()
        bill.action_match()
        bill.account_id = False
        with self.assertRaisesRegex(UserError, "Choose the account of"):
            bill.action_post()
        with self.assertRaisesRegex(ValidationError, "feeders"):
            self.match(bill.move_id, feeder_ids=False)
        both = [Command.set((self.feeder | self.point).ids)]
        with self.assertRaisesRegex(ValidationError, "count twice"):
            self.match(bill.move_id, feeder_ids=both)

    def test_a_bill_is_not_compared_twice(self):
        self.read_meters()
        bill = self.match(amount_other=10, quantity_billed=1050, amount_energy=220.5)
        self.assertIn("30.00", bill.notes)
        second = self.match(bill.move_id)
        self.assertEqual(second.amount_energy, 220.5)
        self.assertEqual(second.amount_other, -190.5)
        second.write({"amount_energy": 31, "amount_other": 0})
        with self.assertRaisesRegex(UserError, "More is compared"):
            second.action_post()

    def test_no_difference_posts_nothing(self):
        self.read_meters()
        bill = self.match(self.vendor_bill(1000, 0.2, 31))
        bill.action_post()
        self.assertEqual((bill.state, bill.variance), ("posted", 0))
        self.assertFalse(bill.entry_id)
        bill.action_reverse()

    def test_the_form(self):
        self.read_meters()
        context = self.vendor_bill().action_energy_match()["context"]
        clerk = new_test_user(
            self.env, "clerk", groups="prepaid_energy.group_energy_accountant"
        )
        Bill = self.env["energy.supply.bill"].with_user(clerk)
        with Form(Bill.with_context(**context)) as form:
            self.assertEqual(form.amount_other, 260.5)  # no feeder, no unit of energy
            form.feeder_ids.add(self.feeder)
            self.assertEqual(form.quantity_billed, 1050)
            self.assertEqual((form.amount_energy, form.amount_other), (220.5, 40))
            form.amount_other = 30
        self.assertEqual(form.record.variance, 19.5)
        with Form(form.record) as form, form.variance_ids.edit(0) as row:
            row.account_id = self.accounts["price"]
        form.record.action_match()
        chosen = form.record.variance_ids.filtered("account_id")
        self.assertEqual(chosen.mapped("kind"), ["quantity"])

    def test_the_button_on_the_vendor_bill(self):
        self.read_meters()
        move = self.vendor_bill()
        action = move.action_energy_match()
        self.assertEqual(action["context"]["default_move_id"], move.id)
        bill = self.match(move)
        self.assertEqual(move.action_energy_match()["res_id"], bill.id)

    # ------------------------------------------------------------------ rights

    def test_who_may_see_and_post(self):
        self.read_meters()
        move = self.vendor_bill()
        clerk = new_test_user(
            self.env, "clerk", groups="prepaid_energy.group_energy_accountant"
        )
        bill = self.match(move).with_user(clerk)
        bill.action_match()
        bill.action_post()
        self.assertEqual(bill.state, "posted")
        reader = new_test_user(
            self.env, "reader", groups="prepaid_energy.group_energy_user"
        )
        with self.assertRaises(AccessError):
            bill.with_user(reader).read(["variance"])

    def test_figures_are_not_typed(self):
        self.read_meters()
        clerk = new_test_user(
            self.env, "clerk", groups="prepaid_energy.group_energy_accountant"
        )
        bill = self.match().with_user(clerk)
        row = bill.variance_ids[0]
        for record, values in (
            (bill, {"state": "posted"}),
            (bill, {"variance": 1}),
            (row, {"amount": 1}),
            (bill, {"line_ids": [Command.update(row.id, {"amount": 1})]}),
        ):
            with self.assertRaisesRegex(UserError, "cannot be written"):
                record.write(values)
        with self.assertRaisesRegex(UserError, "cannot be written"):
            row.create({"bill_id": bill.id, "section": "variance", "kind": "price"})
        fresh = bill.with_context(default_state="posted").create(
            {"move_id": bill.move_id.id, "feeder_ids": [Command.set(self.feeder.ids)]}
        )
        self.assertEqual(fresh.state, "draft")
        row.account_id = self.accounts["price"]
        bill.action_post()
        with self.assertRaisesRegex(UserError, "reverse it first"):
            row.account_id = False

    def test_another_company_sees_nothing(self):
        self.read_meters()
        bill = self.match()
        other = self.env["res.company"].create({"name": "Other"})
        stranger = new_test_user(
            self.env,
            "stranger",
            groups="prepaid_energy.group_energy_accountant",
            company_id=other.id,
            company_ids=[Command.set(other.ids)],
        )
        for model in ("energy.supply.bill", "energy.supply.bill.line"):
            self.assertFalse(self.env[model].with_user(stranger).search([]))
        with self.assertRaises(AccessError):
            bill.with_user(stranger).action_post()


@tagged("post_install", "-at_install")
class TestVariance(BillingCase):
    def test_rounding_stays_in_one_part(self):
        bill = Purchase(Decimal("1000.333"), Decimal("210.07"), Decimal("1"))
        own = Purchase(Decimal("999.111"), Decimal("199.8222"), Decimal("1.005"))
        parts = split(bill, own)
        self.assertEqual(
            [part.amount for part in parts],
            [Decimal("0.24"), Decimal("9.99"), Decimal("0.02"), Decimal("-0.01")],
        )
        self.assertEqual(
            sum(part.amount for part in parts), Decimal("211.07") - Decimal("200.83")
        )

    def test_nothing_metered_is_all_quantity(self):
        parts = split(
            Purchase(Decimal(10), Decimal(2), Decimal(0)),
            Purchase(Decimal(0), Decimal(0), Decimal(0)),
        )
        self.assertEqual([part.amount for part in parts], [2, 0, 0, 0])
