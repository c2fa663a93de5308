from datetime import date, timedelta

from psycopg2.errors import UniqueViolation

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import mute_logger

from .common import EnergyCase
from .money import MoneyCase


@tagged("post_install", "-at_install")
class TestCashierClosing(MoneyCase, EnergyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.clerk = new_test_user(
            cls.env, "clerk", groups="prepaid_energy.group_energy_accountant"
        )

    def topup(self, amount, user=None):
        wizard = self.env["energy.topup"].with_user(user or self.env.user)
        wizard = wizard.create(
            {
                "wallet_id": self.wallet.id,
                "amount": amount,
                "journal_id": self.journal.id,
            }
        )
        wizard.action_topup()
        return wizard.payment_id

    def payment(self, payment_type, amount, **values):
        payment = self.env["account.payment"].create(
            {
                "payment_type": payment_type,
                "amount": amount,
                "journal_id": self.journal.id,
                "partner_id": self.tenant.id,
                **values,
            }
        )
        payment.action_post()
        return payment

    def closing(self, user=None, **values):
        Closing = self.env["energy.cashier.closing"].with_user(user or self.env.user)
        return Closing.create({"journal_id": self.journal.id, **values})

    def test_every_payment_of_the_drawer_is_counted_once(self):
        self.topup(50)
        self.topup(30)
        self.wallet._refund(20, self.journal, "x")
        self.payment("inbound", 7)
        self.payment("outbound", 4)
        closing = self.closing(counted=63)
        self.assertEqual(closing.payment_count, 5)
        self.assertEqual(
            (closing.topups, closing.payouts, closing.other_in, closing.other_out),
            (80, 20, 7, 4),
        )
        self.assertEqual((closing.expected, closing.difference), (63, 0))
        closing.action_close()
        self.assertEqual(closing.state, "closed")
        self.assertFalse(closing.line_id)
        self.assertEqual(len(closing.payment_ids), 5)
        self.assertEqual((closing.expected, closing.topups), (63, 80))
        following = self.closing()
        self.assertEqual((following.opening, following.payment_count), (63, 0))
        self.topup(10)
        following.invalidate_recordset()
        self.assertEqual(following.expected, 73)

    def test_cents_add_up_exactly(self):
        for _number in range(30):
            self.payment("inbound", 0.1)
        closing = self.closing(counted=3)
        self.assertEqual((closing.expected, closing.difference), (3.0, 0.0))
        closing.action_close()

    def test_a_difference_needs_a_reason_and_is_booked(self):
        for counted, account in (
            (48.5, self.journal.loss_account_id),
            (101, self.journal.profit_account_id),
        ):
            self.topup(50)
            closing = self.closing(counted=counted)
            with self.assertRaisesRegex(UserError, "reason"):
                closing.action_close()
            closing.reason = "Wrong change"
            gap = closing.difference
            closing.action_close()
            item = closing.line_id.move_id.line_ids.filtered(
                lambda one, account=account: one.account_id == account
            )
            self.assertEqual(item.balance, -gap)
            self.assertIn("Wrong change", closing.line_id.payment_ref)
            self.assertEqual(closing.difference, gap, "it stays what it was")
        self.assert_books()

    def test_a_difference_that_cannot_be_booked_closes_nothing(self):
        self.topup(50)
        closing = self.closing(counted=49, reason="x")
        self.company.fiscalyear_lock_date = date.today()
        with self.assertRaisesRegex(UserError, "locked"), self.cr.savepoint():
            closing.action_close()
        self.env.invalidate_all()
        self.assertEqual(closing.state, "draft")
        self.assertFalse(closing.payment_ids)
        self.company.fiscalyear_lock_date = False
        self.journal.loss_account_id = False
        with self.assertRaisesRegex(UserError, "profit and loss"), self.cr.savepoint():
            closing.action_close()

    def test_one_closing_at_a_time(self):
        self.closing()
        with (
            mute_logger("odoo.sql_db"),
            self.assertRaises(UniqueViolation),
            self.cr.savepoint(),
        ):
            self.closing()
            self.env.flush_all()

    def test_a_closed_closing_and_its_payments_stay(self):
        payment = self.payment("inbound", 7)
        closing = self.closing(counted=7)
        closing.action_close()
        for attempt in (
            closing.action_close,
            closing.unlink,
            lambda: closing.write({"counted": 8}),
            payment.action_draft,
            payment.action_cancel,
            lambda: payment.write({"date": "2020-01-01"}),
        ):
            with self.assertRaisesRegex(UserError, "closed|was counted"):
                attempt()
        again = self.closing()
        self.assertEqual(again.payment_count, 0)
        claim = self.env["account.payment"]._claim_for_closing
        self.assertFalse(claim(again, payment), "counted by another closing")

    def test_a_cashier_and_days(self):
        self.topup(50)
        self.topup(30, self.clerk)
        self.payment("inbound", 9, date=date.today() - timedelta(days=3))
        mine = self.closing(user_id=self.clerk.id, counted=30)
        self.assertEqual((mine.expected, mine.payment_count), (30, 1))
        mine.action_close()
        rest = self.closing()
        self.assertEqual(rest.date_from, date.today() - timedelta(days=3))
        self.assertEqual(rest.expected, 59)
        rest.date_from = date.today()
        self.assertEqual((rest.expected, rest.older_count), (50, 1))

    def test_it_is_printed(self):
        self.topup(50, self.clerk)
        closing = self.closing(self.clerk, counted=49, reason="Wrong change")
        closing.action_close()
        html, _type = (
            self.env["ir.actions.report"]
            .with_user(self.clerk)
            ._render_qweb_html("prepaid_energy.cashier_closing", closing.ids)
        )
        for text in (closing.name, "Wrong change", "50.00", "49.00", self.clerk.name):
            self.assertIn(text, html.decode())

    def test_who_may_count(self):
        self.topup(50, self.clerk)
        closing = self.closing(self.clerk, counted=50)
        reader = new_test_user(
            self.env, "reader", groups="prepaid_energy.group_energy_user"
        )
        for user in (reader, self.portal_user):
            with self.assertRaises(AccessError):
                closing.with_user(user).read(["counted"])
            with self.assertRaises(AccessError):
                closing.with_user(user).action_close()
        forged = {"state": "closed", "name": "X", "closed_by": self.clerk.id}
        with self.assertRaisesRegex(UserError, "button"):
            closing.write(forged)
        closing.action_close()
        new = self.closing(self.clerk, **forged)
        self.assertEqual((new.state, new.name), ("draft", "/"))
        new.unlink()
        context = {"default_state": "closed"}
        new = self.closing(self.clerk).with_context(**context)
        self.assertEqual(new.state, "draft")
