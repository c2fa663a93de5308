"""A month as the accountant lives it: what the wallets hold is what the books owe."""

from datetime import date
from decimal import Decimal

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import freeze_time, new_test_user, tagged

from odoo.addons.account_payment.tests.common import AccountPaymentCommon

from .common import flat_version
from .test_billing import BillingCase
from .test_voucher import VoucherCase


class OpeningCase(BillingCase):
    def setUp(self):
        super().setUp()
        neighbour = self.env["res.partner"].create({"name": "Neighbour Ltd"})
        self.other = self.env["energy.wallet"].create(
            {"name": "Neighbour", "partner_id": neighbour.id}
        )
        self.clerk = new_test_user(
            self.env,
            "opening_clerk",
            groups="prepaid_energy.group_energy_accountant",
        )
        self.takeover = self.env["account.account"].create(
            {"name": "Take-over", "code": "999100", "account_type": "equity"}
        )

    def opening(self, wallet, amount, day="2026-05-01", **values):
        return self.env["energy.opening"].create(
            {
                "wallet_id": wallet.id,
                "amount": amount,
                "date": day,
                "account_id": self.takeover.id,
                **values,
            }
        )

    def prove(self, day=None):
        proof = self.env["energy.proof"].create({"date": day} if day else {})
        self.assertTrue(proof.proven, proof.cause_ids.mapped("display_name"))
        return proof


@tagged("post_install", "-at_install")
class TestOpening(OpeningCase):
    def test_what_was_paid_and_what_was_owed_before(self):
        openings = self.opening(self.wallet, 120.5) | self.opening(self.other, -30)
        openings.action_post()
        move = openings.move_id
        self.assertEqual(len(move), 1, "one entry of them")
        self.assertEqual((move.date, move.state), (date(2026, 5, 1), "posted"))
        items = move.line_ids.filtered(lambda item: item.account_id == self.takeover)
        self.assertEqual(sum(items.mapped("balance")), 90.5)
        self.assertEqual(self.exact_balance(), Decimal("120.5"))
        self.assertEqual(self.exact_balance(self.other), -30)
        self.assertEqual(self.wallet.entry_ids.kind, "opening")
        self.assertEqual(self.prepaid(), Decimal("120.5"))
        for day in ("2026-04-30", "2026-05-01", None):
            self.prove(day)

    def test_once(self):
        opening = self.opening(self.wallet, 50)
        opening.action_post()
        opening.action_post()
        self.assertEqual(self.exact_balance(), 50)
        mine = opening.with_user(self.clerk)
        more = self.opening(self.other, 5).with_user(self.clerk)
        for change in (
            lambda: mine.write({"amount": 5}),
            mine.unlink,
            lambda: more.write({"state": "posted"}),
            lambda: mine.copy({"wallet_id": self.other.id, "state": "posted"}),
        ):
            with self.assertRaises(UserError):
                change()

    def test_what_is_no_opening_balance(self):
        line = self.env["energy.wallet"].create(
            {
                "name": "Line",
                "kind": "line",
                "department_id": self.env["hr.department"].create({"name": "D"}).id,
            }
        )
        with self.assertRaisesRegex(ValidationError, "no open wallet"):
            self.opening(line, 5)
        with self.assertRaisesRegex(ValidationError, "not come yet"):
            self.opening(self.wallet, 5, "2026-07-01")
        with self.assertRaisesRegex(ValidationError, "other side"):
            account = self.company.energy_prepayment_account_id
            self.opening(self.other, 5, account_id=account.id)

    def test_a_locked_date_posts_nothing(self):
        opening = self.opening(self.wallet, 50)
        self.company.fiscalyear_lock_date = "2026-05-31"
        with self.assertRaisesRegex(UserError, "locked"), self.env.cr.savepoint():
            opening.action_post()
        self.env.invalidate_all()
        self.assertEqual(opening.state, "draft")
        self.assertEqual(self.exact_balance(), 0)

    def test_a_list_is_imported(self):
        answer = (
            self.env["energy.opening"]
            .with_user(self.clerk)
            .load(
                ["wallet_id/.id", "amount", "date", "account_id/.id"],
                [
                    [self.wallet.id, "10.25", "2026-05-01", self.takeover.id],
                    [self.other.id, "-3", "2026-05-01", self.takeover.id],
                ],
            )
        )
        self.assertFalse(answer["messages"])
        openings = (
            self.env["energy.opening"].with_user(self.clerk).browse(answer["ids"])
        )
        openings.action_post()
        self.assertEqual(self.exact_balance(), Decimal("10.25"))
        self.prove()

    def test_operators_take_nothing_over(self):
        operator = new_test_user(
            self.env, "opening_op", groups="prepaid_energy.group_energy_operator"
        )
        with self.assertRaises(AccessError):
            self.opening(self.wallet, 5).with_user(operator).action_post()


class Payments(AccountPaymentCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.user.group_ids |= cls.env.ref("prepaid_energy.group_energy_manager")


@tagged("post_install", "-at_install")
class TestMonthEnd(VoucherCase, OpeningCase, Payments):
    """May: taken over, paid in by each way, used, paid out, charged back, closed."""

    def setUp(self):
        super().setUp()
        self.tax = self.env["account.tax"].create(
            {"name": "VAT 19", "amount": 19, "type_tax_use": "sale"}
        )
        self.tariff.version_ids = [
            Command.clear(),
            Command.create(
                {
                    **flat_version("2020-01-01", 0.2137),
                    "levy_ids": [
                        Command.create(
                            {"name": "VAT", "percent": 19, "tax_id": self.tax.id}
                        )
                    ],
                }
            ),
        ]
        self.bank = self.env["account.journal"].create(
            {"name": "Bank", "type": "bank", "code": "TBNK"}
        )

    def operate(self, operation, **values):
        wizard = self.env["energy.wallet.operation"].create(
            {
                "wallet_id": self.wallet.id,
                "operation": operation,
                "reason": "Because",
                "journal_id": self.bank.id,
                **values,
            }
        )
        wizard.action_confirm()
        return wizard

    def by_card(self, amount):
        """Online, as the provider's notice ends it."""
        self.enable_post_process_patcher = False
        transaction = self._create_transaction(
            "direct",
            amount=amount,
            partner_id=self.portal_user.partner_id.id,
            currency_id=self.wallet.currency_id.id,
            energy_wallet_id=self.wallet.id,
            reference=f"{self.wallet.reference}-card",
        )
        transaction._set_done()
        transaction._post_process()
        return transaction.payment_id

    def by_bank(self, amount, day):
        line = self.env["account.bank.statement.line"].create(
            {
                "journal_id": self.bank.id,
                "amount": amount,
                "date": day,
                "payment_ref": f"Energy {self.wallet.reference}",
            }
        )
        self.assertTrue(line.energy_credited)

    def live_through_may(self):
        with freeze_time("2026-05-01 08:00:00"):
            self.opening(self.wallet, 41.37).action_post()
        with freeze_time("2026-05-04 08:00:00"):
            self.by_bank(100.05, "2026-05-04")
        with freeze_time("2026-05-05 08:00:00"):
            self.topup(60)
        with freeze_time("2026-05-06 08:00:00"):
            _vouchers, codes = self.sold(1, amount=25)
            self.assertFalse(self.redeem(codes[0]))
        with freeze_time("2026-05-07 08:00:00"):
            self.card = self.by_card(33.33)
        self.ingest((0, "0"), (86400 * 10, "333.333"), (86400 * 30, "777.777"))
        with freeze_time("2026-05-20 08:00:00"):
            self.operate("refund", amount=12.34)
        with freeze_time("2026-05-25 08:00:00"):
            self.operate(
                "chargeback", payment_id=self.card.id, amount=33.33, bank_fee=7.5
            )

    def balance(self, account, day):
        items = self.env["account.move.line"].search(
            [
                ("account_id", "=", account.id),
                ("parent_state", "=", "posted"),
                ("date", "<=", day),
            ]
        )
        return round(sum(items.mapped("balance")), 2)

    def test_the_month_reconciles_to_the_cent_whatever_comes_later(self):
        self.live_through_may()
        self.prove()
        self.prove("2026-05-31")
        accrual = self.env["energy.accrual"].create({"date": "2026-05-31"})
        accrual.action_post()
        self.assertEqual(accrual.revenue, 166.21, "777.777 kWh x 0.2137")
        self.prove("2026-05-31")
        self.company.fiscalyear_lock_date = "2026-05-31"
        self.company.tax_lock_date = "2026-05-31"
        unbilled = self.company.energy_accrual_account_id
        closed = self.balance(unbilled, "2026-05-31")
        run = self.bill()
        self.assertEqual(run.date, date(2026, 6, 1))
        invoice = run.bill_ids.move_id
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self.balance(unbilled, "2026-06-01"), 0)
        self.prove()
        self.prove("2026-05-31")

        # a reading of May is corrected in June, when May is locked
        self.now("2026-06-10 06:00:00")
        frozen = self.balance(self.company.energy_prepayment_account_id, "2026-05-31")
        before = self.exact_balance()
        reading = self.env["energy.reading"].search(
            [("meter_id", "=", self.meter.id)], order="at desc", limit=1
        )
        self.correct(reading, "700")
        for task in self.env["energy.rerating.task"].sudo().search([]):
            task._run()  # as the scheduled action does
        self.env.invalidate_all()
        after = self.exact_balance()
        kwh = Decimal("777.777") - 700
        self.assertEqual(after - before, kwh * Decimal("0.2137") * Decimal("1.19"))
        self.prove()
        note = self.bill(date="2026-06-10").bill_ids.move_id
        self.assertEqual(note.move_type, "out_refund")
        self.assertEqual(note.date, date(2026, 6, 10), "May stays closed")
        self.prove()
        account = self.company.energy_prepayment_account_id
        self.assertEqual(self.balance(account, "2026-05-31"), frozen)
        self.assertEqual(self.balance(unbilled, "2026-05-31"), closed)

    def correct(self, reading, register):
        self.env.cr.execute(
            "INSERT INTO energy_reading_override (meter_id, at, register) "
            "VALUES (%s, %s, %s)",
            [self.meter.id, reading.at, register],
        )
        self.env["energy.rerating.task"]._order_points(
            {self.point.id: reading.at}, "The register was misread"
        )
