from datetime import timedelta
from decimal import Decimal

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged

from odoo.addons.account_payment.tests.common import AccountPaymentCommon
from odoo.addons.prepaid_energy.reports.statement import Statement

from .common import EnergyCase, set_up_park


@tagged("post_install", "-at_install")
class TestCounter(EnergyCase):
    def topup(self, amount, user=None, **values):
        Topup = self.env["energy.topup"].with_user(user or self.env.user)
        return Topup.create(
            {
                "wallet_id": self.wallet.id,
                "amount": amount,
                "journal_id": self.journal.id,
                **values,
            }
        )

    def test_a_payment_posts_to_the_liability_and_credits_once(self):
        self.topup(50).action_topup()
        payment = self.wallet.entry_ids.payment_id
        self.assertEqual(self.exact_balance(), Decimal(50))
        move = payment.move_id
        self.assertEqual(move.state, "posted")
        self.assertEqual(self.wallet.entry_ids.name, f"Top-up {move.name}")
        liability = move.line_ids.filtered(
            lambda line: line.account_id == self.company.energy_prepayment_account_id
        )
        self.assertEqual(liability.credit, 50)
        self.assertEqual(liability.partner_id, self.tenant)
        self.assertEqual(sum(move.line_ids.mapped("balance")), 0)
        self.assertFalse(
            move.line_ids.filtered(
                lambda line: line.account_id.account_type.startswith("income")
            ),
            "a top-up is no revenue",
        )
        payment._book_on_energy_wallet()
        self.assertEqual(self.exact_balance(), Decimal(50))

    def test_a_payment_posted_by_its_state_is_credited_too(self):
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_id": self.tenant.id,
                "amount": 20,
                "journal_id": self.journal.id,
                "energy_wallet_id": self.wallet.id,
            }
        )
        payment.action_validate()
        self.assertEqual(payment.move_id.state, "posted")
        self.assertEqual(self.exact_balance(), Decimal(20))

    def test_a_statement_names_it_in_the_language_of_who_looks(self):
        self.env["res.lang"]._activate_lang("es_ES")
        self.env["ir.module.module"]._load_module_terms(["prepaid_energy"], ["es_ES"])
        self.topup(50).action_topup()
        entry = self.wallet.entry_ids
        day = entry.at.date()
        first, last = day - timedelta(days=1), day + timedelta(days=1)
        for lang, words in (("en_US", "Top-up"), ("es_ES", "Recarga")):
            wallet = self.wallet.with_context(lang=lang)
            names = {line.name for line in Statement(wallet, first, last).lines()}
            self.assertIn(f"{words} {entry.payment_id.name}", names)

    def test_limits(self):
        for amount in (0, -5, 4.99, 500.01):
            with self.assertRaises(UserError):
                self.topup(amount).action_topup()

    def test_a_booked_payment_cannot_be_undone_by_editing(self):
        self.topup(50).action_topup()
        payment = self.wallet.entry_ids.payment_id
        for attempt in (
            payment.action_draft,
            payment.action_cancel,
            payment.move_id.button_draft,
            payment.unlink,
            lambda: payment.write({"state": "rejected"}),
            lambda: payment.write({"amount": 5}),
            lambda: payment.write({"energy_wallet_id": False}),
        ):
            with self.assertRaisesRegex(UserError, "refund"):
                attempt()

    def test_a_refund_debits_once(self):
        self.topup(50).action_topup()
        refund = self.env["account.payment"].create(
            {
                "payment_type": "outbound",
                "partner_type": "customer",
                "partner_id": self.tenant.id,
                "amount": 20,
                "journal_id": self.journal.id,
                "energy_wallet_id": self.wallet.id,
            }
        )
        refund.action_post()
        self.assertEqual(self.exact_balance(), Decimal(30))
        self.assertEqual(self.wallet.entry_ids[0].kind, "refund")

    def test_currency_and_account_are_needed(self):
        francs = self.env.ref("base.CHF")
        francs.active = True
        with self.assertRaisesRegex(ValidationError, "is kept in"):
            self.env["account.payment"].create(
                {
                    "partner_id": self.tenant.id,
                    "amount": 20,
                    "currency_id": francs.id,
                    "journal_id": self.journal.id,
                    "energy_wallet_id": self.wallet.id,
                }
            )
        self.company.energy_prepayment_account_id = False
        with self.assertRaisesRegex(UserError, "not set up"):
            self.topup(50).action_topup()
        with self.assertRaisesRegex(UserError, "prepayments account"):
            self.env["account.payment"].create(
                {
                    "partner_id": self.tenant.id,
                    "amount": 20,
                    "journal_id": self.journal.id,
                    "energy_wallet_id": self.wallet.id,
                }
            )

    def test_who_may_take_money(self):
        accountant = new_test_user(
            self.env, "cashier", groups="prepaid_energy.group_energy_accountant"
        )
        operator = new_test_user(
            self.env, "technician", groups="prepaid_energy.group_energy_operator"
        )
        with self.assertRaises(AccessError):
            self.topup(50, operator)
        with self.assertRaises(AccessError):
            self.topup(50, accountant).with_user(operator).action_topup()
        self.topup(50, accountant).sudo(False).action_topup()
        self.assertEqual(self.exact_balance(), Decimal(50))


@tagged("post_install", "-at_install")
class TestOnline(AccountPaymentCommon):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.env.user.group_ids |= cls.env.ref("prepaid_energy.group_energy_manager")
        cls.env = cls.env(context={**cls.env.context, "tracking_disable": True})
        set_up_park(cls)

    exact_balance = EnergyCase.exact_balance

    def transaction(self, **values):
        return self._create_transaction(
            "direct",
            amount=40.0,
            currency_id=self.wallet.currency_id.id,
            partner_id=self.portal_user.partner_id.id,
            energy_wallet_id=self.wallet.id,
            **values,
        )

    def test_post_processing_credits_once_however_often_it_runs(self):
        """Invariant 5."""
        self.enable_post_process_patcher = False
        transaction = self.transaction(reference="once")
        transaction._set_done()
        for _repeat in range(3):
            transaction._post_process()
        self.assertEqual(self.exact_balance(), Decimal(40))
        payment = transaction.payment_id
        self.assertEqual(payment.energy_wallet_id, self.wallet)
        self.assertEqual(payment.partner_id, self.tenant)
        self.assert_destination(payment)

    def assert_destination(self, payment):
        """The payment went to the prepayments."""
        account = self.company.energy_prepayment_account_id
        self.assertEqual(payment.destination_account_id, account)

    def test_pending_and_failed_payments_credit_nothing(self):
        for state in ("_set_pending", "_set_canceled"):
            transaction = self.transaction(reference=state)
            getattr(transaction, state)()
            transaction._post_process()
        self.assertEqual(self.exact_balance(), Decimal(0))

    def test_the_reference_names_the_wallet(self):
        reference = self.env["payment.transaction"]._compute_reference(
            self.provider.code, energy_wallet_id=self.wallet.id
        )
        self.assertTrue(reference.startswith(f"TX{self.wallet.reference}"), reference)

    def test_a_refund_of_the_provider_debits_once(self):
        transaction = self.transaction(reference="to-refund")
        transaction._set_done()
        transaction._post_process()
        refund = transaction._create_child_transaction(15, is_refund=True)
        refund._set_done()
        for _repeat in range(2):
            refund._post_process()
        self.assertEqual(self.exact_balance(), Decimal(25))
