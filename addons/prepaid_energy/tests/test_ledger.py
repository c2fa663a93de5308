from decimal import Decimal

from psycopg2.errors import RaiseException

from odoo.exceptions import UserError, ValidationError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import EnergyCase, credit


@tagged("post_install", "-at_install")
class TestLedger(EnergyCase):
    def test_a_source_is_booked_once(self):
        credit(self.wallet, "10", "cause")
        credit(self.wallet, "10", "cause")
        self.assertEqual(self.exact_balance(), Decimal(10))

    def test_amounts_are_exact(self):
        for number in range(10):
            credit(self.wallet, "0.1", f"dime:{number}")
        credit(self.wallet, "-0.333333333", "third")
        self.assertEqual(self.exact_balance(), Decimal("0.666666667"))

    def test_the_database_refuses_update_and_delete(self):
        credit(self.wallet, "10", "cause")
        for statement in (
            "UPDATE energy_wallet_entry SET amount = 99 WHERE wallet_id = %s",
            "DELETE FROM energy_wallet_entry WHERE wallet_id = %s",
        ):
            with self.assertRaises(RaiseException), mute_logger("odoo.sql_db"):
                with self.env.cr.savepoint():
                    self.env.cr.execute(statement, [self.wallet.id])
        self.assertEqual(self.exact_balance(), Decimal(10))

    def test_the_orm_refuses_with_a_reason(self):
        credit(self.wallet, "10", "cause")
        entry = self.wallet.entry_ids
        for attempt in (
            lambda: entry.write({"amount": 99}),
            entry.unlink,
            lambda: entry.copy(),
            lambda: self.wallet.write({"balance": 99}),
            lambda: self.wallet.write({"level": "normal"}),
            lambda: self.wallet.copy({"balance": 5}),
        ):
            with self.assertRaises(UserError):
                attempt()

    def test_a_wallet_with_rows_keeps_its_currency(self):
        credit(self.wallet, "10", "cause")
        with self.assertRaises(UserError):
            self.wallet.currency_id = self.env.ref("base.CHF")

    def test_owner_and_policy_currency_are_checked(self):
        with self.assertRaisesRegex(ValidationError, "needs the tenant"):
            self.env["energy.wallet"].create({"name": "Nobody's"})
        with self.assertRaisesRegex(ValidationError, "needs a department"):
            self.env["energy.wallet"].create({"name": "Line", "kind": "line"})
        francs = self.env.ref("base.CHF")
        francs.active = True
        with self.assertRaisesRegex(ValidationError, "same currency"):
            self.env["energy.wallet"].create(
                {
                    "name": "Francs",
                    "partner_id": self.tenant.id,
                    "currency_id": francs.id,
                    "policy_id": self.policy.id,
                }
            )

    def test_policy_thresholds_explain_themselves(self):
        for field, value, message in (
            ("restore_threshold", 0, "chatter"),
            ("warning_threshold", -1, "warning threshold"),
            ("topup_minimum", 0, "top-up"),
        ):
            with self.assertRaisesRegex(ValidationError, message):
                with self.env.cr.savepoint():
                    self.policy[field] = value
            self.policy.invalidate_recordset()

    def test_the_tenant_is_told_once_a_level(self):
        credit(self.wallet, "100", "rich")
        before = len(self.wallet.message_ids)
        credit(self.wallet, "-85", "spend")
        credit(self.wallet, "-1", "spend more")
        messages = self.wallet.message_ids
        self.assertEqual(len(messages), before + 1)
        self.assertIn("please top up", messages[0].body)
        self.assertIn(self.tenant, messages[0].notified_partner_ids)
        credit(self.wallet, "-20", "dry")
        self.assertIn("being cut off", self.wallet.message_ids[0].body)
        credit(self.wallet, "30", "again")
        self.assertIn("being restored", self.wallet.message_ids[0].body)

    def test_wallets_are_numbered(self):
        other = self.wallet.copy()
        self.assertTrue(other.reference)
        self.assertNotEqual(other.reference, self.wallet.reference)
        self.assertEqual(other.balance, 0)

    def test_a_line_is_filled_by_a_grant(self):
        department = self.env["hr.department"].create({"name": "Rolling"})
        line = self.env["energy.wallet"].create(
            {"name": "Line", "kind": "line", "department_id": department.id}
        )
        wizard = self.env["energy.topup"].create({"wallet_id": line.id, "amount": 300})
        wizard.action_topup()
        wizard.action_topup()
        self.assertEqual(self.exact_balance(line), Decimal(300))
        self.assertEqual(line.entry_ids.kind, "grant")
        self.assertFalse(line.entry_ids.payment_id)
