from datetime import date, timedelta
from decimal import Decimal
from unittest.mock import patch

from odoo.exceptions import UserError
from odoo.tests import HttpCase, JsonRpcException, new_test_user, tagged
from odoo.tools import mute_logger

from .common import EnergyCase, set_up_park
from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestTopupHttp(MoneyCase, HttpCase):
    """A tenant pays online, as the browser does it, through the demo provider."""

    exact_balance = EnergyCase.exact_balance

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        cls.provider = cls.env.ref("payment.payment_provider_demo")
        cls.provider.write({"state": "test", "is_published": True})
        cls.method = cls.provider.payment_method_ids[:1]
        cls.method.active = True

    def setUp(self):
        super().setUp()
        self.authenticate("energy_tenant", "energy_tenant")

    def start(self, amount=40, wallet=None, **values):
        """The browser asks for a transaction; the record."""
        answer = self.make_jsonrpc_request(
            f"/my/energy/{(wallet or self.wallet).id}/transaction",
            {
                "provider_id": self.provider.id,
                "payment_method_id": self.method.id,
                "token_id": None,
                "amount": amount,
                "flow": "direct",
                "tokenization_requested": False,
                "landing_route": "https://elsewhere.example",
                **values,
            },
        )
        return self.env["payment.transaction"].search(
            [("reference", "=", answer["reference"])]
        )

    def simulate(self, transaction, state, **data):
        self.make_jsonrpc_request(
            "/payment/demo/simulate_payment",
            {"reference": transaction.reference, "simulated_state": state, **data},
        )
        self.env.invalidate_all()

    def poll(self):
        answer = self.make_jsonrpc_request("/payment/status/poll")
        self.env.invalidate_all()
        return answer

    def run_cron(self):
        self.env.ref("payment.cron_post_process_payment_tx").method_direct_trigger()
        self.env.invalidate_all()

    def page(self):
        return self.url_open(f"/my/energy/{self.wallet.id}").text

    def assert_refused(self, **values):
        before = self.env["payment.transaction"].search_count([])
        with mute_logger("odoo.http"), self.assertRaises(JsonRpcException):
            self.start(**values)
        self.assertEqual(self.env["payment.transaction"].search_count([]), before)

    # ------------------------------------------------------- what the page says

    def test_the_page_says_once_what_came_of_the_payment(self):
        for state, text in (
            ("done", "Paid: $\xa040.00"),
            ("pending", "is under way"),
            ("error", "did not go through"),
            ("cancel", "did not go through"),
        ):
            transaction = self.start()
            self.assertNotIn("alert-success", self.page(), "a draft is no news")
            self.simulate(transaction, state)
            page = self.page()
            self.assertIn(text, page)
            self.assertNotIn(text, self.page(), "only once")

    def test_the_button_names_what_was_saved_and_used_last(self):
        tokens = self.env["payment.token"].create(
            [
                {
                    "provider_id": self.provider.id,
                    "payment_method_id": self.method.id,
                    "partner_id": self.portal_user.partner_id.id,
                    "payment_details": details,
                    "provider_ref": details,
                    "demo_simulated_state": "done",
                }
                for details in ("1111", "2222")
            ]
        )
        for token in (*tokens, tokens[0]):
            paid = self.start(amount=30, flow="token", token_id=token.id)
            self.assertEqual(paid.state, "done")
            page = self.url_open(f"/my/energy/{self.wallet.id}?amount=30").text
            button = page.split('name="o_payment_submit_button"')[1].split("</")[0]
            self.assertIn("Pay $\xa030.00 with", button)
            self.assertIn(token.payment_details, button)

    # ------------------------------------------------------------------ states

    def test_paid_and_polled(self):
        transaction = self.start()
        self.assertEqual(transaction.energy_wallet_id, self.wallet)
        self.assertEqual(transaction.partner_id, self.portal_user.partner_id)
        self.assertIn(self.wallet.reference, transaction.reference)
        self.assertEqual(self.exact_balance(), 0, "a draft credits nothing")
        self.simulate(transaction, "done")
        answer = self.poll()
        self.assertEqual(answer["state"], "done")
        self.assertEqual(answer["landing_route"], f"/my/energy/{self.wallet.id}")
        self.assertEqual(self.exact_balance(), 40)
        self.assert_books()

    def test_credited_once_by_polls_cron_and_a_second_notice(self):
        """Invariant 5."""
        transaction = self.start()
        self.simulate(transaction, "done")
        for _repeat in range(2):
            self.poll()
        self.simulate(transaction, "done")
        transaction.is_post_processed = False
        self.env.flush_all()
        self.poll()
        transaction.write({"is_post_processed": False})
        self.run_cron()
        self.assertEqual(self.exact_balance(), 40)
        self.assertEqual(
            self.env["account.payment"].search_count(
                [("payment_transaction_id", "=", transaction.id)]
            ),
            1,
        )
        self.assert_books()

    def test_paid_on_a_locked_day_is_credited_all_the_same(self):
        transaction = self.start()
        self.simulate(transaction, "done")
        self.company.fiscalyear_lock_date = date.today()
        self.poll()
        self.assertEqual(self.exact_balance(), 40)
        self.assertGreater(transaction.payment_id.move_id.date, date.today())

    def test_a_closed_browser_is_no_problem_the_cron_credits(self):
        transaction = self.start()
        self.simulate(transaction, "done")
        self.run_cron()
        self.assertEqual(self.exact_balance(), 40)

    def test_pending_is_shown_and_credits_when_it_is_done(self):
        transaction = self.start()
        self.simulate(transaction, "pending")
        self.poll()
        self.assertEqual(self.exact_balance(), 0)
        self.assertIn("Under way", self.page())
        self.simulate(transaction, "done")
        transaction.is_post_processed = False
        self.poll()
        self.assertEqual(self.exact_balance(), 40)
        self.assertNotIn("Under way", self.page())
        self.assert_books()

    def test_an_error_that_becomes_done(self):
        transaction = self.start()
        self.simulate(transaction, "error")
        self.poll()
        self.assertEqual(transaction.state, "error")
        self.assertEqual(self.exact_balance(), 0)
        self.assertIn("Failed", self.page())
        self.simulate(transaction, "done")
        self.poll()
        self.assertEqual(self.exact_balance(), 40)
        self.assert_books()

    def test_cancelled_credits_nothing_even_if_done_is_claimed_later(self):
        transaction = self.start()
        self.simulate(transaction, "cancel")
        self.poll()
        self.assertIn("Cancelled", self.page())
        self.simulate(transaction, "done")
        self.poll()
        self.assertEqual(transaction.state, "cancel")
        self.assertEqual(self.exact_balance(), 0)
        self.assertFalse(transaction.payment_id)

    def test_a_refund_from_the_back_end_debits_once(self):
        transaction = self.start()
        self.simulate(transaction, "done")
        self.poll()
        payment = transaction.payment_id
        with self.assertRaisesRegex(UserError, "refund"):
            payment.action_draft()
        self.env["energy.wallet.operation"].create(
            {
                "wallet_id": self.wallet.id,
                "operation": "reverse",
                "payment_id": payment.id,
                "reason": "Paid twice",
            }
        ).action_confirm()
        self.run_cron()
        self.run_cron()
        self.assertEqual(self.exact_balance(), 0)
        refund = transaction.child_transaction_ids
        self.assertEqual((refund.state, refund.amount), ("done", -40))
        self.assert_books()

    # ------------------------------------------------------------------ tampering

    def test_the_amount_of_the_provider_must_be_ours(self):
        """Real providers say what was paid; less than asked for credits nothing."""
        transaction = self.start()
        said = {"amount": 4.0, "currency_code": transaction.currency_id.name}
        demo = type(self.env["payment.transaction"])
        with (
            patch.object(demo, "_extract_amount_data", lambda tx, data: said),
            mute_logger("odoo.addons.payment"),
        ):
            self.simulate(transaction, "done")
        self.poll()
        self.assertEqual(transaction.state, "error")
        self.assertEqual(self.exact_balance(), 0)

    def test_data_of_the_browser_changes_no_amount(self):
        transaction = self.start()
        self.simulate(transaction, "done", amount=400, energy_wallet_id=1)
        self.poll()
        self.assertEqual(self.exact_balance(), 40)
        for extra in ({"partner_id": 1}, {"currency_id": 1}, {"energy_topup_fee": -9}):
            self.assert_refused(**extra)

    def test_a_validation_is_no_way_around_the_amount(self):
        transaction = self.start(is_validation=True)
        self.assertEqual(
            (transaction.operation, transaction.amount), ("online_direct", 40)
        )

    def test_limits(self):
        for amount in (4.99, 500.01, -40, "nan", "1e400", None, [40]):
            self.assert_refused(amount=amount)

    def test_a_foreign_wallet(self):
        other = self.env["energy.wallet"].create(
            {
                "name": "Stranger",
                "partner_id": self.env["res.partner"].create({"name": "S"}).id,
            }
        )
        self.assert_refused(wallet=other)
        self.assert_refused(wallet=self.env["energy.wallet"].browse(2**30))

    def test_a_provider_that_is_not_offered(self):
        for values in ({"is_published": False}, {"state": "disabled"}):
            self.provider.write({"state": "test", "is_published": True})
            self.provider.write(values)
            self.assert_refused()
        self.provider.write({"state": "test", "is_published": True})
        self.provider.maximum_amount = 10
        self.assert_refused()
        self.assert_refused(provider_id=2**30)
        self.assert_refused(provider_id=None)

    def test_a_method_or_token_that_is_not_offered(self):
        self.assert_refused(payment_method_id=2**30)
        stranger = new_test_user(self.env, "stranger", groups="base.group_portal")
        token = self.env["payment.token"].create(
            {
                "provider_id": self.provider.id,
                "payment_method_id": self.method.id,
                "partner_id": stranger.partner_id.id,
                "provider_ref": "theirs",
                "demo_simulated_state": "done",
            }
        )
        self.assert_refused(flow="token", token_id=token.id)

    def test_a_provider_of_another_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        other = self.provider.sudo().copy({"company_id": company.id, "name": "Theirs"})
        other.with_company(company).write({"is_published": True, "state": "test"})
        self.assert_refused(provider_id=other.id)

    # ------------------------------------------------------------------ closed wallet

    def late(self):
        """The payment of a wallet that was closed while it was under way."""
        transaction = self.start()
        self.simulate(transaction, "pending")
        self.poll()
        self.wallet._close()
        self.simulate(transaction, "done")
        transaction.is_post_processed = False
        self.poll()
        return transaction.payment_id

    def proof(self):
        return self.env["energy.proof"].create({"company_id": self.company.id})

    def test_paid_after_closing_waits_for_a_person(self):
        payment = self.late()
        self.assertFalse(payment.energy_wallet_id)
        self.assertEqual(self.exact_balance(), 0)
        self.assertEqual(self.credit_of(self.company.energy_prepayment_account_id), 40)
        self.assertIn("closed", payment.activity_ids.summary)
        proof = self.proof()
        self.assertFalse(proof.proven)
        self.assertEqual(proof.cause_ids.move_id, payment.move_id)
        self.assertEqual(proof.cause_ids.wallet_id, self.wallet)
        self.assertIn("Paid after Tenant Ltd was closed", proof.cause_ids.text)

    def test_paid_after_closing_and_paid_back(self):
        payment = self.late()
        payment.action_energy_late_pay_back()
        self.poll()
        refund = payment.payment_transaction_id.child_transaction_ids
        if refund:  # by the provider
            self.run_cron()
        self.env.invalidate_all()
        self.assertFalse(payment.energy_late_open)
        self.assertFalse(payment.activity_ids)
        self.assertEqual(self.exact_balance(), 0)
        self.assertEqual(self.credit_of(self.company.energy_prepayment_account_id), 0)
        self.assert_books()
        with self.assertRaisesRegex(UserError, "no decision"):
            payment.action_energy_late_pay_back()

    def test_paid_after_closing_and_credited_to_another_wallet(self):
        payment = self.late()
        neighbour = self.env["res.partner"].create({"name": "Neighbour"})
        other = self.env["energy.wallet"].create(
            {"name": "Neighbour", "partner_id": neighbour.id}
        )
        with self.assertRaisesRegex(UserError, "Choose the wallet"):
            payment.action_energy_late_credit()
        payment.energy_late_target_id = self.wallet
        with self.assertRaisesRegex(UserError, "another wallet"):
            payment.action_energy_late_credit()
        payment.energy_late_target_id = other
        payment.action_energy_late_credit()
        self.assertEqual(self.exact_balance(other), 40)
        owed = self.env["account.move.line"].search(
            [
                ("account_id", "=", self.company.energy_prepayment_account_id.id),
                ("partner_id", "=", neighbour.id),
            ]
        )
        self.assertEqual(sum(owed.mapped("balance")), -40)
        self.assertFalse(payment.activity_ids)
        self.assert_books()
        with self.assertRaisesRegex(UserError, "no decision"):
            payment.action_energy_late_credit()

    # ------------------------------------------------------------------ fee, currency

    def test_the_fee_is_shown_before_and_taken_once(self):
        self.policy.write({"topup_fee": 0.5, "topup_fee_percent": 1.25})
        page = self.url_open(f"/my/energy/{self.wallet.id}?amount=40").text
        self.assertIn('id="o_energy_fee"', page)
        self.assertIn("39.00", page)
        transaction = self.start()
        self.assertEqual(transaction.energy_topup_fee, 1)
        self.policy.topup_fee = 3  # what was shown counts
        self.simulate(transaction, "done")
        self.poll()
        transaction.is_post_processed = False
        self.poll()
        self.assertEqual(self.exact_balance(), 39)
        fee = self.wallet.entry_ids.filtered(lambda row: row.kind == "fee")
        self.assertEqual(fee.amount, -1)
        self.assert_books()

    def test_paid_in_the_currency_of_the_wallet(self):
        francs = self.env.ref("base.CHF")
        francs.active = True
        self.point.wallet_id = False
        self.wallet.policy_id = False
        self.wallet.currency_id = francs
        transaction = self.start()
        self.assertEqual(transaction.currency_id, francs)
        self.simulate(transaction, "done")
        self.poll()
        self.assertEqual(self.exact_balance(), 40)
        item = transaction.payment_id.move_id.line_ids.filtered("credit")
        self.assertEqual((item.currency_id, item.amount_currency), (francs, -40))

    # ------------------------------------------------------------------ receipts

    def test_receipts_of_the_own_wallet_only(self):
        transaction = self.start()
        self.simulate(transaction, "done")
        self.poll()
        payment = transaction.payment_id
        self.assertIn(payment.name, self.page())
        link = f"/my/energy/{self.wallet.id}/receipt/{payment.id}"
        receipt = self.url_open(link)
        self.assertEqual(receipt.status_code, 200)
        self.assertIn("Balance after", receipt.text)
        self.assertIn("40.00", receipt.text)
        other = self.env["account.payment"].create(
            {"amount": 7, "payment_type": "inbound", "journal_id": self.journal.id}
        )
        other.action_post()
        for wallet_id, payment_id in (
            (self.wallet.id, other.id),
            (self.wallet.id, 2**30),
            (2**30, payment.id),
        ):
            link = f"/my/energy/{wallet_id}/receipt/{payment_id}"
            self.assertEqual(self.url_open(link).status_code, 404, link)
        new_test_user(
            self.env, "neighbour", groups="base.group_portal", password="neighbour"
        )
        self.authenticate("neighbour", "neighbour")
        link = f"/my/energy/{self.wallet.id}/receipt/{payment.id}"
        self.assertEqual(self.url_open(link).status_code, 404)

    def test_receipts_are_sorted_by_their_day(self):
        """A payment that was entered late is not the newest."""
        paid = {}
        for back in (0, 3):
            transaction = self.start()
            self.simulate(transaction, "done")
            self.poll()
            paid[back] = transaction.payment_id
        paid[3].date -= timedelta(days=3)
        page = self.page()
        self.assertLess(page.index(paid[0].name), page.index(paid[3].name))

    def test_the_payer_is_a_contact_the_books_name_the_tenant(self):
        branch = self.env["res.partner"].create(
            {"name": "Branch", "is_company": True, "parent_id": self.tenant.id}
        )
        self.wallet.partner_id = branch
        transaction = self.start()
        self.simulate(transaction, "done")
        self.poll()
        self.assertEqual(
            transaction.payment_id.partner_id, branch.commercial_partner_id
        )
        self.assertEqual(self.exact_balance(), Decimal(40))
