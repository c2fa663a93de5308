from datetime import date
from decimal import Decimal

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged

from .common import EnergyCase
from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestCounterMoney(MoneyCase, EnergyCase):
    """The counter: finding the wallet, fee, receipt, ways of paying."""

    def take(self, amount, **values):
        wizard = self.env["energy.topup"].create(
            {
                "wallet_id": self.wallet.id,
                "amount": amount,
                "journal_id": self.journal.id,
                **values,
            }
        )
        wizard.action_topup()
        return wizard.payment_id

    def receipt(self, payment):
        html, _type = self.env["ir.actions.report"]._render_qweb_html(
            "prepaid_energy.topup_receipt", payment.ids
        )
        return " ".join(html.decode().split())

    def test_cash_card_and_bank(self):
        for name in ("cash", "bank", "bank"):
            journal = self.env["account.journal"].create(
                {"name": f"Counter {name}", "type": name}
            )
            payment = self.take(20, journal_id=journal.id)
            self.assertIn(journal.name, self.receipt(payment))
        self.assertEqual(self.exact_balance(), 60)
        self.assert_books()

    def test_a_double_click_takes_the_money_once(self):
        wizard = self.env["energy.topup"].create(
            {
                "wallet_id": self.wallet.id,
                "amount": 20,
                "journal_id": self.journal.id,
            }
        )
        wizard.action_topup()
        wizard.action_topup()
        self.assertEqual(self.exact_balance(), 20)

    def test_a_locked_day_takes_no_money(self):
        self.company.fiscalyear_lock_date = date.today()
        with self.assertRaisesRegex(UserError, "locked"), self.cr.savepoint():
            self.take(20)
        self.env.invalidate_all()
        self.assertEqual(self.exact_balance(), 0)

    def test_the_fee_is_shown_and_taken(self):
        self.policy.write({"topup_fee": 1, "topup_fee_percent": 0.333})
        wizard = self.env["energy.topup"].new(
            {"wallet_id": self.wallet.id, "amount": 50}
        )
        self.assertEqual((wizard.fee, wizard.credited), (1.17, 48.83))
        payment = self.take(50)
        self.assertEqual(self.exact_balance(), Decimal("48.83"))
        self.assert_books()
        payment._book_on_energy_wallet()
        self.assertEqual(self.exact_balance(), Decimal("48.83"))
        with self.assertRaisesRegex(UserError, "refund"):
            payment.energy_topup_fee = 0
        self.assertIn("Fee in it", self.receipt(payment))

    def test_a_fee_above_the_smallest_top_up_is_refused(self):
        for values in (
            {"topup_fee": 5},
            {"topup_fee": 4, "topup_fee_percent": 20},
            {"topup_fee": -1},
            {"topup_fee_percent": -1},
        ):
            with self.assertRaisesRegex(ValidationError, "fee"):
                self.policy.write(values)

    def test_a_receipt_has_the_balance_right_after_it(self):
        self.ingest((0, "0"), (60, "4"))  # 1.10 with the levy
        first = self.take(50)
        text = self.receipt(first)
        for part in ("48.90", "50.00", self.wallet.reference, first.name):
            self.assertIn(part, text)
        self.assertNotIn("Fee in it", text)

    def test_a_receipt_of_a_payment_by_another_currency_symbol(self):
        payout = self.env["energy.wallet.operation"]
        self.take(50)
        payout.create(
            {
                "wallet_id": self.wallet.id,
                "operation": "refund",
                "amount": 20,
                "journal_id": self.journal.id,
                "reason": "Moving out",
            }
        ).action_confirm()
        payment = self.wallet.entry_ids.payment_id.filtered(
            lambda one: one.payment_type == "outbound"
        )
        text = self.receipt(payment)
        self.assertIn("Pay-out", text)
        self.assertIn("30.00", text)
        self.assert_books()

    def test_a_wallet_is_found_by_what_people_say(self):
        Wallet = self.env["energy.wallet"]
        spaced = f"{self.wallet.reference[:4]} {self.wallet.reference[4:].lower()}"
        for said in ("M-1", self.wallet.reference, spaced, "Tenant L"):
            found = [one[0] for one in Wallet.name_search(said)]
            self.assertIn(self.wallet.id, found, said)
        self.assertFalse(Wallet.name_search("M-99"))
        self.assertFalse(Wallet.name_search("RF00EW999999"))
