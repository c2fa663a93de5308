import io
from datetime import UTC, date, datetime
from decimal import Decimal

from pypdf import PdfReader

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import freeze_time, new_test_user, tagged

from .common import EnergyCase, add_point, credit, flat_version


class BillingCase(EnergyCase):
    """May 2026 by UTC, 0.275 a kWh with the levy of 10 %; the wallet is paid in."""

    def setUp(self):
        super().setUp()
        self.now("2026-06-01 06:00:00")
        self.begin = datetime(2026, 5, 1, tzinfo=UTC)

    def now(self, text):
        frozen = freeze_time(text)
        frozen.start()
        self.addCleanup(frozen.stop)

    def topup(self, amount, wallet=None):
        wizard = self.env["energy.topup"].create(
            {
                "wallet_id": (wallet or self.wallet).id,
                "amount": amount,
                "journal_id": self.journal.id,
            }
        )
        wizard.action_topup()

    def bill(self, until="2026-05-31", **values):
        run = self.env["energy.billing"].create(
            {"date_to": until, "send_mail": False, **values}
        )
        run.action_start()
        for _batch in range(100):
            if run.state == "done":
                return run
            run._work_batch(2)
        raise AssertionError("the run does not end")

    def prepaid(self, wallet=None):
        """The credit balance of the prepayments account, of a wallet's partner."""
        lines = self.env["account.move.line"].search(
            [
                ("account_id", "=", self.company.energy_prepayment_account_id.id),
                ("parent_state", "=", "posted"),
                ("partner_id", "=", (wallet or self.wallet).partner_id.id),
            ]
        )
        return -sum(
            (Decimal(repr(line.amount_currency)) for line in lines), Decimal(0)
        ).quantize(Decimal("0.01"))


@tagged("post_install", "-at_install")
class TestBilling(BillingCase):
    def test_a_month_becomes_one_invoice_that_the_wallet_has_paid(self):
        self.topup(100)
        self.ingest((0, "0"), (86400 * 10, "120"))
        run = self.bill()
        bill = run.bill_ids
        invoice = bill.move_id
        self.assertEqual(invoice.state, "posted")
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(invoice.amount_total, 33)
        self.assertEqual(invoice.invoice_date, date(2026, 5, 31))
        self.assertEqual(invoice.partner_id, self.tenant)
        self.assertEqual(invoice.energy_wallet_id, self.wallet)
        self.assertEqual((bill.amount_exact, bill.amount_billed), (33, 33))
        self.assertEqual(self.prepaid(), Decimal(67))
        self.assertEqual(self.exact_balance(), Decimal(67))
        texts = invoice.invoice_line_ids.mapped("name")
        self.assertIn(self.point.name, texts[0])
        self.assertIn("120.000 kWh × 0.25", texts[1])
        self.assertIn("Levy 10 %", texts[-1])

    def test_nothing_is_billed_twice(self):
        self.topup(100)
        self.ingest((0, "0"), (86400 * 10, "120"))
        first = self.bill()
        self.assertEqual(len(first.bill_ids), 1)
        self.assertFalse(self.bill().bill_ids)
        self.assertEqual(self.prepaid(), Decimal(67))

    def test_a_correction_of_a_billed_day_is_a_credit_note(self):
        self.topup(100)
        self.ingest((0, "0"), (86400 * 10, "120"))
        self.bill()
        self.env.cr.execute(
            "INSERT INTO energy_reading_override (meter_id, at, register) "
            "SELECT meter_id, at, 100 FROM energy_reading "
            "WHERE meter_id = %s AND register = 120",
            [self.meter.id],
        )
        self.env["energy.rerating.task"]._order_points(
            {self.point.id: datetime(2026, 5, 1)}, "The register was misread"
        )
        self.run_tasks()
        self.assertEqual(self.exact_balance(), Decimal("72.5"))
        note = self.bill().bill_ids.move_id
        self.assertEqual(note.move_type, "out_refund")
        self.assertEqual(note.amount_total, 5.5)
        self.assertEqual(note.amount_residual, 0)
        self.assertEqual(self.prepaid(), Decimal("72.5"))

    def test_fractions_of_a_cent_are_carried_and_not_lost(self):
        self.topup(100)
        exact = Decimal(0)
        self.ingest((0, "0"))
        for day in range(1, 7):
            self.ingest((86400 * day, f"{day * 0.02:.2f}"))  # 0.0055 a day
            self.bill(until=f"2026-05-{day:02}")
            exact += Decimal("0.0055")
            bills = self.env["energy.bill"].search([("wallet_id", "=", self.wallet.id)])
            billed = sum(
                (Decimal(repr(bill.amount_billed)) for bill in bills), Decimal(0)
            )
            self.assertLess(abs(exact - billed), Decimal("0.02"))
            self.assertEqual(self.prepaid(), 100 - billed)
            self.assertEqual(self.exact_balance(), 100 - exact)

    def test_taxes_come_from_the_levies(self):
        tax = self.env["account.tax"].create(
            {"name": "VAT 19", "amount": 19, "type_tax_use": "sale"}
        )
        self.tariff.version_ids = [
            Command.clear(),
            Command.create(
                {
                    **flat_version("2020-01-01", 0.5),
                    "levy_ids": [
                        Command.create(
                            {"name": "VAT", "percent": 19, "tax_id": tax.id}
                        ),
                        Command.create({"name": "Grid", "percent": 3}),
                    ],
                    "fixed_ids": [
                        Command.create({"name": "Meter", "amount": 2, "per": "day"})
                    ],
                }
            ),
        ]
        self.topup(100)
        self.ingest((0, "0"), (86400, "100"))
        invoice = self.bill().bill_ids.move_id
        self.assertEqual(invoice.amount_tax, 9.5)
        self.assertEqual(invoice.amount_untaxed, 51.5)
        self.assertEqual(self.prepaid(), self.exact_balance())

    def test_fees_are_billed_once_with_their_tax(self):
        self.company.energy_fee_tax_id = self.env["account.tax"].create(
            {"name": "VAT 25", "amount": 25, "type_tax_use": "sale"}
        )
        self.topup(100)
        with freeze_time("2026-05-20"):
            self.wallet._charge_fee(Decimal("12.5"), "Reminder", source_key="fee")
        invoice = self.bill().bill_ids.move_id
        self.assertEqual((invoice.amount_untaxed, invoice.amount_tax), (10, 2.5))
        self.assertIn("Reminder", invoice.invoice_line_ids.mapped("name"))
        self.assertFalse(self.bill().bill_ids)
        self.assertEqual(self.prepaid(), Decimal("87.5"))

    def test_the_day_must_be_over_and_the_date_open(self):
        with self.assertRaisesRegex(UserError, "not over"):
            self.bill(until="2026-06-01")
        self.company.sale_lock_date = "2026-05-31"
        with self.assertRaisesRegex(UserError, "locked"):
            self.bill()
        self.topup(100)
        self.ingest((0, "0"), (86400, "100"))
        run = self.bill(date="2026-06-01")
        self.assertEqual(run.bill_ids.move_id.date, date(2026, 6, 1))

    def test_consumption_after_the_day_waits(self):
        self.topup(100)
        self.ingest((0, "0"), (86400 * 2, "20"))
        self.assertEqual(self.bill(until="2026-05-01").bill_ids.amount_billed, 2.75)
        self.assertEqual(self.bill(until="2026-05-02").bill_ids.amount_billed, 2.75)

    def test_a_wallet_that_cannot_be_billed_does_not_stop_the_others(self):
        francs = self.env.ref("base.CHF")
        francs.active = True
        partner = self.env["res.partner"].create({"name": "Second"})
        second = self.env["energy.wallet"].create(
            {"name": "Second", "partner_id": partner.id}
        )
        add_point(self, "M-2", wallet_id=second.id)
        self.ingest((0, "0"), (0, "0", "M-2"), (3600, "4"), (3600, "4", "M-2"))
        Move = self.registry["account.move"]
        post = Move._post

        def refuse(moves, soft=True):
            if partner in moves.partner_id and moves.energy_wallet_id:
                raise UserError(self.env._("No such address"))
            return post(moves, soft)

        self.patch(Move, "_post", refuse)
        run = self.bill()
        self.assertEqual(run.bill_ids.wallet_id, self.wallet)
        self.assertIn("No such address", run.problem)
        self.assertIn("Second", run.problem)
        self.patch(Move, "_post", post)
        run.action_start()
        run._work_batch()
        self.assertEqual(run.bill_ids.wallet_id, self.wallet | second)
        self.assertFalse(run.problem)

    def test_closing_makes_the_last_invoice_possible(self):
        self.topup(100)
        self.ingest((0, "0"), (3600, "3.123"))
        self.wallet._close(journal=self.journal)
        self.assertEqual(self.exact_balance(), 0)
        self.bill()
        self.now("2026-07-01 06:00:00")
        self.bill(until="2026-06-30")
        bills = self.env["energy.bill"].search([("wallet_id", "=", self.wallet.id)])
        self.assertAlmostEqual(sum(bills.mapped("amount_billed")), 0.86)
        self.assertEqual(self.prepaid(), 0)

    def test_a_foreign_currency(self):
        francs = self.env.ref("base.CHF")
        francs.active = True
        self.env["res.currency.rate"].create(
            {"currency_id": francs.id, "name": "2026-01-01", "rate": 0.8}
        )
        tariff = self.tariff.copy({"name": "Francs", "currency_id": francs.id})
        wallet = self.env["energy.wallet"].create(
            {
                "name": "Francs",
                "partner_id": self.env["res.partner"].create({"name": "Swiss"}).id,
                "currency_id": francs.id,
            }
        )
        add_point(self, "M-CHF", wallet_id=wallet.id, tariff_id=tariff.id)
        self.topup(100, wallet)
        self.ingest((0, "0", "M-CHF"), (3600, "40", "M-CHF"))
        invoice = self.bill().bill_ids.move_id
        self.assertEqual(invoice.currency_id, francs)
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self.prepaid(wallet), self.exact_balance(wallet))

    def test_who_may_bill(self):
        clerk = new_test_user(
            self.env, "clerk", groups="prepaid_energy.group_energy_accountant"
        )
        self.topup(100)
        self.ingest((0, "0"), (86400, "100"))
        run = self.env["energy.billing"].with_user(clerk).create({"send_mail": False})
        run.action_start()
        run._work_batch()
        self.assertEqual(run.bill_ids.amount_billed, 27.5)

    def test_the_tenant_sees_the_invoice(self):
        self.topup(100)
        self.ingest((0, "0"), (86400, "100"))
        invoice = self.bill().bill_ids.move_id
        seen = self.env["account.move"].with_user(self.portal_user).search([])
        self.assertIn(invoice, seen)

    def test_invoices_are_queued_to_be_sent(self):
        self.tenant.email = "tenant@example.com"
        self.topup(100)
        self.ingest((0, "0"), (86400, "100"))
        run = self.bill(send_mail=True)
        invoice = run.bill_ids.move_id
        self.assertTrue(invoice.sending_data)
        Report = type(self.env["ir.actions.report"])
        render = Report._pre_render_qweb_pdf

        def forced(report, *args, **kwargs):  # tests render HTML otherwise
            report = report.with_context(force_report_rendering=True)
            return render(report, *args, **kwargs)

        self.patch(Report, "_pre_render_qweb_pdf", forced)
        cron = self.env.ref("account.ir_cron_account_move_send")
        with self.enter_registry_test_mode():
            cron.method_direct_trigger()
        self.env.invalidate_all()
        self.assertFalse(invoice.sending_data)
        message = invoice.message_ids.filtered(
            lambda one: self.tenant in one.partner_ids | one.notified_partner_ids
        )
        self.assertEqual(len(message), 1, "sent once, to the tenant")
        self.assertIn(invoice.name, message.subject)
        mail = self.env["mail.mail"].search([("mail_message_id", "=", message.id)])
        self.assertTrue(mail or message.notification_ids)
        pdf = message.attachment_ids.filtered(
            lambda one: one.mimetype == "application/pdf"
        )
        text = PdfReader(io.BytesIO(pdf.raw)).pages[0].extract_text()
        for word in (invoice.name, "Tenant Ltd", "27.50", "Point of M-1"):
            self.assertIn(word, text)


@tagged("post_install", "-at_install")
class TestLineCosts(BillingCase):
    def setUp(self):
        super().setUp()
        plans = self.env["account.analytic.plan"].create(
            [{"name": "Lines"}, {"name": "Departments"}]
        )
        line, department = self.env["account.analytic.account"].create(
            [
                {"name": "Line 1", "plan_id": plans[0].id},
                {"name": "Rolling", "plan_id": plans[1].id},
            ]
        )
        self.line = self.env["energy.wallet"].create(
            {
                "name": "Line 1",
                "kind": "line",
                "department_id": self.env["hr.department"]
                .create({"name": "Rolling", "energy_analytic_id": department.id})
                .id,
                "analytic_account_id": line.id,
            }
        )
        self.accounts = line | department
        add_point(self, "M-LINE", wallet_id=self.line.id)
        credit(self.line, "100", f"grant:{self.id()}")

    def test_consumption_becomes_analytic_cost(self):
        self.ingest((0, "0", "M-LINE"), (86400, "100", "M-LINE"))
        entry = self.bill().bill_ids.move_id
        cost = entry.line_ids.filtered("analytic_distribution")
        self.assertEqual(cost.debit, 27.5)
        self.assertEqual(cost.account_id, self.company.energy_expense_account_id)
        key = ",".join(map(str, self.accounts.ids))
        self.assertEqual(cost.analytic_distribution, {key: 100})
        self.assertEqual(
            (entry.line_ids - cost).account_id, self.company.energy_clearing_account_id
        )
        self.assertFalse(entry.line_ids.account_id & (
            self.company.energy_prepayment_account_id
        ))  # fmt: skip
        self.assertFalse(self.bill().bill_ids)

    def test_fractions_are_carried(self):
        self.ingest((0, "0", "M-LINE"))
        for day in range(1, 5):
            self.ingest((86400 * day, f"{day * 0.02:.2f}", "M-LINE"))
            self.bill(until=f"2026-05-{day:02}")
        bills = self.env["energy.bill"].search([("wallet_id", "=", self.line.id)])
        self.assertAlmostEqual(sum(bills.mapped("amount_billed")), 0.02)
