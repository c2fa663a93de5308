from decimal import Decimal

from odoo import fields
from odoo.exceptions import UserError
from odoo.tests import Form, freeze_time, tagged

from .quota_case import QuotaCase, add_line


@tagged("post_install", "-at_install")
class TestQuotaTransfer(QuotaCase):
    def transfer(self, amount=100, user=None, **values):
        transfer = (
            self.env["energy.quota.transfer"]
            .with_user(user or self.asker)
            .create(
                {
                    "from_quota_id": self.quota.id,
                    "to_quota_id": self.other_quota.id,
                    "amount": amount,
                    "reason": "We have less to do",
                    **values,
                }
            )
        )
        transfer.action_submit()
        return transfer

    def assert_moved(self, amount):
        moved = Decimal(str(amount))
        self.assertEqual(self.granted(), -moved)
        self.assertEqual(self.granted(self.other_quota), moved)

    def test_both_heads_agree(self):
        transfer = self.transfer(0.1)
        self.assertEqual(transfer.decider_ids, self.head | self.other_head)
        transfer.with_user(self.head).action_approve()
        self.assert_moved(0)
        self.assertEqual(transfer.decider_ids, self.other_head)
        self.assertEqual(transfer.activity_ids.user_id, self.other_head)
        with self.assertRaisesRegex(UserError, "is decided by other_head"):
            transfer.with_user(self.head).action_approve()
        transfer.with_user(self.other_head).action_approve()
        self.assertEqual(transfer.state, "approved")
        self.assertEqual(transfer.from_agreed_id, self.head)
        self.assertEqual(transfer.to_agreed_id, self.other_head)
        self.assert_moved("0.1")
        with self.assertRaisesRegex(UserError, "approved already"):
            transfer.with_user(self.other_head).action_approve()

    def test_the_form_of_a_new_one_is_filled_in(self):
        form = Form(self.env["energy.quota.transfer"].with_user(self.asker))
        form.from_quota_id, form.to_quota_id = self.quota, self.other_quota
        form.amount = 5
        form.reason = "We have less to do"
        self.assertEqual(form.save().requester_id, self.asker)

    def test_a_head_who_asks_has_agreed(self):
        transfer = self.transfer(user=self.head)
        self.assertEqual(transfer.decider_ids, self.other_head)
        self.assert_moved(0)
        transfer.with_user(self.other_head).action_approve()
        self.assert_moved(100)

    def test_it_ends_with_its_month(self):
        transfer = self.transfer()
        with freeze_time(fields.Date.add(self.quota.month, months=1, days=1)):
            transfer.sudo()._follow_up()
        self.assertEqual(transfer.state, "expired")
        self.assertFalse(transfer.activity_ids)
        self.assert_moved(0)

    def test_one_head_of_both_needs_nobody_else(self):
        self.other_line.department_id = self.line.department_id
        self.transfer(user=self.head)
        self.assert_moved(100)

    def test_each_of_them_may_refuse(self):
        for user in (self.head, self.other_head):
            transfer = self.transfer()
            transfer.with_user(user)._decide(False, "No")
            self.assertEqual(transfer.state, "refused")
        transfer = self.transfer()
        with self.assertRaisesRegex(UserError, "is decided by"):
            transfer.with_user(self.stranger)._decide(False, "No")
        self.assert_moved(0)

    def test_not_more_than_is_unused(self):
        self.use(self.line, 900)
        with self.assertRaisesRegex(UserError, "has 100.00 kWh left"):
            self.transfer(100.01)
        transfer = self.transfer(100)
        self.use(self.line, 901)
        transfer.with_user(self.head).action_approve()
        with self.assertRaisesRegex(UserError, "has 99.00 kWh left"):
            transfer.with_user(self.other_head)._decide(True)

    def test_only_like_with_like(self):
        _line, money = add_line(self, "Press", self.head, unit="money")
        with self.assertRaisesRegex(UserError, "not of one company, month and unit"):
            self.transfer(to_quota_id=money.id)

    def test_money_moves_between_the_wallets(self):
        lines = [
            add_line(self, name, head, unit="money")
            for name, head in (("Press", self.head), ("Saw", self.other_head))
        ]
        (giver, one), (receiver, other) = lines
        transfer = self.transfer(30, from_quota_id=one.id, to_quota_id=other.id)
        transfer.with_user(self.head).action_approve()
        transfer.with_user(self.other_head).action_approve()
        self.assertEqual(giver.wallet_id.balance, -30)
        self.assertEqual(receiver.wallet_id.balance, 30)

    def test_consent_is_nobodys_to_write(self):
        for name in ("from_agreed_id", "to_agreed_id", "state"):
            value = "approved" if name == "state" else self.head.id
            with self.assertRaisesRegex(UserError, "cannot be written"):
                self.transfer(**{name: value})
            transfer = self.transfer()
            with self.assertRaisesRegex(UserError, "cannot be written"):
                transfer.write({name: value})
