from datetime import UTC, datetime, timedelta
from decimal import Decimal

from odoo.exceptions import AccessError, UserError
from odoo.tests import freeze_time, new_test_user, tagged
from odoo.tools import format_date

from .common import EnergyCase, add_point, credit


@tagged("post_install", "-at_install")
class TestWalletOperations(EnergyCase):
    """Each operation books both sides; the liability equals the wallets after it."""

    def setUp(self):
        super().setUp()
        self.topup(50)
        self.neighbour = self.env["res.partner"].create({"name": "Neighbour Ltd"})
        self.other = self.env["energy.wallet"].create(
            {"name": "Neighbour", "partner_id": self.neighbour.id}
        )
        self.loss = self.env["account.account"].search(
            [
                ("account_type", "=", "expense"),
                ("company_ids", "in", self.company.id),
            ],
            limit=1,
        )

    def topup(self, amount, wallet=None):
        wizard = self.env["energy.topup"].create(
            {
                "wallet_id": (wallet or self.wallet).id,
                "amount": amount,
                "journal_id": self.journal.id,
            }
        )
        wizard.action_topup()
        return (wallet or self.wallet).entry_ids.payment_id.sorted("id")[-1:]

    def operate(self, operation, wallet=None, **values):
        wizard = self.env["energy.wallet.operation"].create(
            {
                "wallet_id": (wallet or self.wallet).id,
                "operation": operation,
                "reason": "Because",
                "journal_id": self.journal.id,
                "account_id": self.loss.id,
                **values,
            }
        )
        self.assertTrue(wizard.preview)
        promised = wizard._balance_after()
        wizard.action_confirm()
        self.assertEqual(wizard.wallet_id._exact_balance(), promised)
        return wizard

    def liability(self, partner=None):
        lines = self.env["account.move.line"].search(
            [
                ("account_id", "=", self.company.energy_prepayment_account_id.id),
                ("parent_state", "=", "posted"),
                ("partner_id", "=", partner.id) if partner else (1, "=", 1),
            ]
        )
        return -Decimal(str(round(sum(lines.mapped("balance")), 2)))

    def assert_books(self, **expected):
        """Balances by name of the wallet; the liability is their sum, by partner."""
        wallets = {"own": self.wallet, "other": self.other}
        for name, amount in expected.items():
            wallet = wallets[name]
            self.assertEqual(self.exact_balance(wallet), Decimal(amount), name)
            self.assertEqual(self.liability(wallet.partner_id), Decimal(amount), name)

    # ------------------------------------------------------------------ transfer

    def test_top_ups_to_choose_from_are_told_apart(self):
        payment = self.topup(70)
        self.assertEqual(payment.display_name, payment.name)
        name = payment.with_context(energy_day_and_amount=True).display_name
        self.assertIn(payment.name, name)
        self.assertIn("70.00", name)
        self.assertIn(format_date(self.env, payment.date), name)

    def test_a_transfer_moves_ledger_and_liability(self):
        wizard = self.operate("transfer", amount=20, other_wallet_id=self.other.id)
        self.assert_books(own="30", other="20")
        self.assertIn(self.other.name, wizard.preview)
        wizard.action_confirm()  # a double click
        self.assert_books(own="30", other="20")
        names = (self.wallet | self.other).entry_ids.filtered(
            lambda entry: entry.kind == "transfer"
        )
        self.assertEqual(len(names), 2)
        self.assertIn("Because", names[0].name)

    def test_a_transfer_within_a_partner_needs_no_entry(self):
        second = self.wallet.copy({"name": "Second"})
        before = self.env["account.move"].search_count([])
        self.operate("transfer", amount=20, other_wallet_id=second.id)
        self.assertEqual(self.exact_balance(second), Decimal(20))
        self.assertEqual(self.env["account.move"].search_count([]), before)

    def test_what_does_not_fit_is_refused(self):
        department = self.env["hr.department"].create({"name": "Rolling"})
        line = self.env["energy.wallet"].create(
            {"name": "Line", "kind": "line", "department_id": department.id}
        )
        for values, message in (
            ({"amount": 50.01, "other_wallet_id": self.other.id}, "more than that"),
            ({"amount": -1, "other_wallet_id": self.other.id}, "above zero"),
            ({"amount": 5, "other_wallet_id": self.wallet.id}, "another wallet"),
            ({"amount": 5, "other_wallet_id": line.id}, "do not mix"),
            ({"amount": 5}, "To Wallet is missing"),
        ):
            with self.assertRaisesRegex(UserError, message):
                self.operate("transfer", **values)
        self.assert_books(own="50", other="0")

    def test_a_locked_date_is_asked_and_not_moved(self):
        self.company.fiscalyear_lock_date = datetime.now(UTC).date()
        with self.assertRaisesRegex(UserError, "is locked"):
            self.operate("transfer", amount=20, other_wallet_id=self.other.id)

    # ------------------------------------------------------------------ money out

    def test_a_refund_pays_at_most_the_balance(self):
        with self.assertRaisesRegex(UserError, "more than that"):
            self.operate("refund", amount=51)
        self.operate("refund", amount=50)
        self.assert_books(own="0")

    def test_a_top_up_is_undone_once_even_below_zero(self):
        payment = self.wallet.entry_ids.payment_id
        credit(self.wallet, "-45", "spent")
        self.operate("reverse", payment_id=payment.id)
        self.assertEqual(self.exact_balance(), Decimal(-45))
        self.assertEqual(self.liability(self.tenant), 0)
        self.assertIn(f"Reversal of {payment.name}", self.wallet.entry_ids[0].name)
        for again in ("reverse", "wrong_wallet"):
            with self.assertRaisesRegex(UserError, "undone already"):
                self.operate(
                    again, payment_id=payment.id, other_wallet_id=self.other.id
                )

    def test_a_top_up_of_the_wrong_wallet_moves_as_a_whole(self):
        payment = self.wallet.entry_ids.payment_id
        self.operate("refund", amount=10)
        self.operate(
            "wrong_wallet", payment_id=payment.id, other_wallet_id=self.other.id
        )
        self.assert_books(own="-10", other="50")
        with self.assertRaisesRegex(UserError, "undone already"):
            self.operate("reverse", payment_id=payment.id)
        with self.assertRaisesRegex(UserError, "no top-up of this wallet"):
            self.operate("reverse", wallet=self.other, payment_id=payment.id)

    def test_a_wrong_wallet_is_left_with_nothing_of_the_fee(self):
        self.policy.topup_fee = 2
        payment = self.topup(100)
        self.operate(
            "wrong_wallet", payment_id=payment.id, other_wallet_id=self.other.id
        )
        self.assertEqual(self.exact_balance(), 50)
        self.assertEqual(self.exact_balance(self.other), 98)

    def test_a_top_up_is_undone_with_its_fee(self):
        self.policy.topup_fee = 2
        payment = self.topup(100)
        self.assertEqual(self.exact_balance(), 148)
        wizard = self.operate("reverse", payment_id=payment.id)
        self.assertIn("given back", wizard.preview)
        self.assertEqual(self.exact_balance(), 50)
        self.assertEqual(self.liability(self.tenant), 50)
        back = self.wallet.entry_ids.filtered(lambda row: row.kind == "fee")
        self.assertEqual(sorted(back.mapped("amount")), [-2, 2])

    def test_a_top_up_is_undone_and_its_fee_stays(self):
        self.policy.topup_fee = 2
        payment = self.topup(100)
        wizard = self.operate("reverse", payment_id=payment.id, fee_back=False)
        self.assertNotIn("given back", wizard.preview)
        self.assertEqual(self.exact_balance(), 48)

    # ------------------------------------------------------------------ chargebacks

    def bank_topup(self, amount):
        self.journal = self.env["account.journal"].create(
            {"name": "Cards", "type": "bank", "code": "TCRD"}
        )
        return self.topup(amount)

    def test_a_chargeback_takes_the_money_its_fee_and_the_emergency_credit(self):
        self.policy.emergency_credit = 30
        payment = self.bank_topup(40)
        credit(self.wallet, "-75", "spent")  # 15 are left: low
        self.wallet.action_emergency()
        wizard = self.operate("chargeback", payment_id=payment.id, bank_fee=15)
        self.assertIn("fee of the chargeback", wizard.preview)
        self.assertEqual(self.exact_balance(), -40)
        self.assertEqual(self.liability(self.tenant), 50, "the fee is on no bill yet")
        rows = {row.kind: row for row in self.wallet.entry_ids[:2]}
        self.assertEqual(rows["chargeback"].amount, -40)
        self.assertIn(f"Chargeback of {payment.name}", rows["chargeback"].name)
        self.assertIn("Because", rows["chargeback"].name)
        self.assertEqual(rows["fee"].amount, -15)
        self.assertFalse(self.wallet.emergency_active)
        self.assertEqual(self.wallet.level, "cut")
        with self.assertRaisesRegex(UserError, "charged back"):
            self.wallet.action_emergency()
        self.wallet.action_allow_emergency()
        self.wallet.action_emergency()
        with self.assertRaisesRegex(UserError, "undone already"):
            self.operate("chargeback", payment_id=payment.id, amount=1)

    def test_a_chargeback_of_a_part(self):
        payment = self.bank_topup(40)
        with self.assertRaisesRegex(UserError, "left to take back"):
            self.operate("chargeback", payment_id=payment.id, amount=40.01)
        self.operate("chargeback", payment_id=payment.id, amount=25)
        self.assert_books(own="65")
        self.operate("chargeback", payment_id=payment.id, amount=5)
        self.operate("reverse", payment_id=payment.id)
        self.assert_books(own="50")
        with self.assertRaisesRegex(UserError, "undone already"):
            self.operate("chargeback", payment_id=payment.id, amount=1)

    def test_cash_is_not_charged_back(self):
        payment = self.wallet.entry_ids.payment_id
        with self.assertRaisesRegex(UserError, "Cash is not charged back"):
            self.operate("chargeback", payment_id=payment.id)

    def test_only_managers_allow_emergency_credit_again(self):
        payment = self.bank_topup(40)
        self.operate("chargeback", payment_id=payment.id)
        clerk = new_test_user(
            self.env, "clerk_cb", groups="prepaid_energy.group_energy_accountant"
        )
        with self.assertRaises(AccessError):
            self.wallet.with_user(clerk).action_allow_emergency()
        for values in ({"emergency_blocked": False},):
            with self.assertRaisesRegex(UserError, "cannot be written"):
                self.wallet.with_user(clerk).write(values)

    def test_the_whole_balance_is_offered_for_paying_out(self):
        credit(self.wallet, "-37.652", "spent")
        wizard = self.env["energy.wallet.operation"].create(
            {
                "wallet_id": self.wallet.id,
                "operation": "refund",
                "reason": "Because",
                "journal_id": self.journal.id,
            }
        )
        wizard.action_confirm()
        self.assertEqual(self.exact_balance(), Decimal("0.008"), "rounded down")

    def test_a_second_click_pays_nothing_out(self):
        wizard = self.operate("refund", amount=20)
        wizard.action_confirm()
        self.assert_books(own="30")

    # ------------------------------------------------------------------ fees and debts

    def test_a_fee_waits_for_the_invoice(self):
        self.operate("fee", amount=12.5)
        self.assertEqual(self.exact_balance(), Decimal("37.5"))
        self.assertEqual(self.wallet.entry_ids[0].kind, "fee")
        self.assertEqual(self.liability(self.tenant), Decimal(50))

    def test_a_deferred_debt_is_paid_back_by_a_share_of_each_top_up(self):
        self.policy.debt_percent = 25
        credit(self.wallet, "-60.005", "spent")
        self.operate("defer")
        debt = self.wallet.debt_wallet_id
        self.assertEqual(self.exact_balance(), 0)
        self.assertEqual(self.exact_balance(debt), Decimal("-10.005"))
        self.topup(20)
        self.assertEqual(self.exact_balance(), Decimal(15))
        self.assertEqual(self.exact_balance(debt), Decimal("-5.005"))
        self.topup(100)
        self.assertEqual(self.exact_balance(debt), 0, "no more than is owed")
        self.topup(10)
        self.assertEqual(self.exact_balance(), Decimal("119.995"))
        with self.assertRaisesRegex(UserError, "above zero"):
            self.operate("defer")

    def test_a_debt_is_written_off_up_to_zero(self):
        credit(self.wallet, "-60", "spent")
        with self.assertRaisesRegex(UserError, "more than that"):
            self.operate("writeoff", amount=10.01)
        self.operate("writeoff", amount=10)
        self.assertEqual(self.exact_balance(), 0)
        self.assertEqual(self.liability(self.tenant), Decimal(60))

    def test_only_managers_give_up_money(self):
        accountant = new_test_user(
            self.env, "clerk", groups="prepaid_energy.group_energy_accountant"
        )
        credit(self.wallet, "-60", "spent")
        wizard = self.env["energy.wallet.operation"].with_user(accountant)
        for operation in ("writeoff", "defer", "close"):
            with self.assertRaisesRegex(UserError, "managers"):
                wizard.create(
                    {
                        "wallet_id": self.wallet.id,
                        "operation": operation,
                        "reason": "x",
                    }
                ).action_confirm()
        wizard.create(
            {
                "wallet_id": self.wallet.id,
                "operation": "fee",
                "amount": 1,
                "reason": "Reminder",
            }
        ).action_confirm()
        reader = new_test_user(
            self.env, "reader", groups="prepaid_energy.group_energy_user"
        )
        with self.assertRaises(AccessError):
            self.env["energy.wallet.operation"].with_user(reader).create(
                {"wallet_id": self.wallet.id, "operation": "fee"}
            )

    # ------------------------------------------------------------------ closing

    def test_closing_settles_pays_out_and_archives(self):
        pump, _meter = add_point(
            self, "M-PUMP", wallet_id=self.wallet.id, life_safety=True
        )
        servers, _meter = add_point(
            self,
            "M-SERVERS",
            wallet_id=self.wallet.id,
            essential=True,
            essential_reason="Server room",
        )
        self.ingest((0, "0"), (60, "3.123"))  # 0.858825 with the levy
        self.operate("close")
        self.assertFalse(self.wallet.active)
        self.assertTrue(self.wallet.closed_on)
        self.assertEqual(self.exact_balance(), 0)
        self.assertEqual(self.wallet.accrued, 0)
        self.assertFalse(self.point.wallet_id)
        self.assertEqual(self.point.desired_state, "open")
        self.assertEqual(pump.desired_state, "closed")
        self.assertEqual(servers.desired_state, "closed")
        payout = self.wallet.entry_ids.filtered(lambda row: row.kind == "refund")
        self.assertEqual(payout.amount, -49.14)

    def test_closing_below_zero_writes_off(self):
        credit(self.wallet, "-51.504", "spent")
        self.operate("close")
        self.assertEqual(self.exact_balance(), 0)
        self.assertEqual(self.liability(self.tenant), Decimal("51.50"))

    def test_closing_waits_for_the_deferred_debt(self):
        credit(self.wallet, "-60", "spent")
        self.operate("defer")
        with self.assertRaisesRegex(UserError, "still owes"):
            self.operate("close")

    def test_closing_a_production_line_touches_no_books(self):
        department = self.env["hr.department"].create({"name": "Rolling"})
        moves = self.env["account.move"].search_count([])
        for left in ("30.125", "-30.125"):
            line = self.env["energy.wallet"].create(
                {"name": left, "kind": "line", "department_id": department.id}
            )
            credit(line, left, f"budget {left}")
            for operation in ("refund", "writeoff", "defer"):
                with self.assertRaisesRegex(UserError, "a budget, no money"):
                    self.operate(operation, wallet=line, amount=1)
            self.operate("close", wallet=line)
            self.assertEqual(self.exact_balance(line), 0)
        self.assertEqual(self.env["account.move"].search_count([]), moves)

    def test_nobody_fills_a_closed_wallet(self):
        self.operate("close")
        with self.assertRaisesRegex(UserError, "is closed"):
            self.topup(20)
        self.topup(20, self.other)
        with self.assertRaisesRegex(UserError, "is closed"):
            self.operate(
                "transfer",
                wallet=self.other,
                amount=5,
                other_wallet_id=self.wallet.id,
            )

    def test_what_comes_after_closing_calls_a_person(self):
        self.ingest((0, "0"), (60, "4"), (1800, "8"))
        self.operate("close")
        at = self.begin.replace(tzinfo=None) + timedelta(seconds=1800)
        reading = self.env["energy.reading"].search(
            [("meter_id", "=", self.meter.id), ("at", "=", at)]
        )
        review = self.env["energy.reading.review"].browse(
            reading.action_review()["res_id"]
        )
        review.write({"note": "A typing error", "register_new": 6})
        review.action_correct()
        self.assertEqual(self.exact_balance(), Decimal("0.55"))
        for _run in range(2):
            self.env["energy.wallet"]._cron_policy()
        self.assertEqual(len(self.wallet.activity_ids), 1)
        self.operate("close")
        self.assertEqual(self.exact_balance(), 0)

    # ------------------------------------------------------------------ what is fixed

    def test_money_does_not_pass_to_another_tenant_or_kind(self):
        with self.assertRaisesRegex(UserError, "holds money of"):
            self.wallet.partner_id = self.neighbour
        department = self.env["hr.department"].create({"name": "Rolling"})
        with self.assertRaisesRegex(UserError, "keeps its kind"):
            self.wallet.write({"kind": "line", "department_id": department.id})
        branch = self.tenant.create({"name": "Branch", "parent_id": self.tenant.id})
        self.wallet.partner_id = branch
        self.other.partner_id = self.tenant

    def test_a_wallet_with_money_is_closed_not_archived(self):
        self.point.wallet_id = False
        with self.assertRaisesRegex(UserError, "close it"):
            self.wallet.active = False
        self.other.active = False


@tagged("post_install", "-at_install")
class TestStatement(EnergyCase):
    """By the clock of the tariff, UTC here; 0.275 a kWh with the levy."""

    @freeze_time("2026-05-06 12:00:00")
    def test_the_balance_at_any_instant(self):
        self.begin = datetime(2026, 5, 4, tzinfo=UTC)
        with freeze_time("2026-05-04 06:00:00"):
            credit(self.wallet, "100", "first")
        with freeze_time("2026-05-05 06:00:00"):
            credit(self.wallet, "10", "second")
        self.ingest((0, "0"), (86400 * 2, "96"))  # 2 kWh an hour
        self.run_tasks()
        hour = Decimal("0.55")
        moments = (
            ("2026-05-03 00:00:00", Decimal(0)),
            ("2026-05-04 06:00:00", Decimal(100) - 6 * hour),
            ("2026-05-04 06:30:00", Decimal(100) - Decimal("6.5") * hour),
            ("2026-05-05 00:00:00", Decimal(100) - 24 * hour),
            ("2026-05-05 05:59:59", Decimal(100) - hour * (108000 - 1) / 3600 + 0),
            ("2026-05-05 06:00:00", Decimal(110) - 30 * hour),
            ("2026-05-06 12:00:00", Decimal(110) - 48 * hour),
        )
        for settled in (False, True):
            if settled:
                self.env["energy.usage"]._settle_wallets(self.wallet)
            for text, expected in moments:
                found = self.wallet._balance_at(datetime.fromisoformat(text))
                self.assertAlmostEqual(found, expected, 9, f"{text} {settled}")
        self.assertEqual(
            self.wallet._balance_at(datetime(2026, 5, 6, 12)), self.exact_balance()
        )

    def test_days_of_23_and_25_hours(self):
        for day in ("2026-03-29", "2026-10-25"):
            with freeze_time(f"{day} 23:59:00"):
                tariff = self.tariff.copy({"name": day, "tz": "Europe/Berlin"})
                wallet = self.wallet.copy({"name": day})
                add_point(self, day, wallet_id=wallet.id, tariff_id=tariff.id)
                begin = datetime.fromisoformat(day) - timedelta(hours=4)
                self.begin = begin.replace(tzinfo=UTC)
                self.ingest((0, "0", day), (86400, "24", day))
                for hour in range(25):
                    found = wallet._balance_at(begin + timedelta(hours=hour))
                    self.assertAlmostEqual(found, -hour * Decimal("0.275"), 9)
