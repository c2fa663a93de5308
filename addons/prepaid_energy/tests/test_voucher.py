import csv
import io
import threading
from collections import Counter
from datetime import date, timedelta
from decimal import Decimal

from psycopg2.errors import SerializationFailure

from odoo import api
from odoo.exceptions import AccessError, UserError
from odoo.orm.models import NO_ACCESS
from odoo.tests import HttpCase, freeze_time, new_test_user, tagged
from odoo.tools import mute_logger

from ..models import energy_voucher_attempt
from .common import EnergyCase, set_up_park
from .money import MoneyCase
from .test_advance import tax_at_topup


class VoucherCase(MoneyCase):
    """What the tests of vouchers share."""

    def issue(self, count=1, amount=25, **values):
        """Issue as a manager does.

        :return: (vouchers, codes) in the same order.
        """
        wizard = self.env["energy.voucher.issue"].create(
            {"count": count, "amount": amount, **values}
        )
        wizard.action_issue()
        rows = list(csv.DictReader(io.StringIO(wizard._take_codes())))
        vouchers = wizard.voucher_ids.sorted("id")
        self.assertEqual([row["serial"] for row in rows], vouchers.mapped("serial"))
        return vouchers, [row["code"] for row in rows]

    def sell(self, vouchers, **values):
        wizard = self.env["energy.voucher.sale"].create(
            {
                "voucher_ids": [(6, 0, vouchers.ids)],
                "journal_id": self.journal.id,
                **values,
            }
        )
        wizard.action_sell()
        return vouchers.payment_id

    def sold(self, count=1, **values):
        vouchers, codes = self.issue(count, **values)
        self.sell(vouchers)
        return vouchers, codes

    def void(self, vouchers, **values):
        self.env["energy.voucher.void"].create(
            {
                "voucher_ids": [(6, 0, vouchers.ids)],
                "reason": "Lost",
                "journal_id": self.journal.id,
                **values,
            }
        ).action_void()

    def redeem(self, code, wallet=None, user=None):
        """The problem that the redemption met; empty if it was redeemed."""
        wallet = (wallet or self.wallet).with_user(user or self.env.user).sudo()
        Voucher = self.env["energy.voucher"].with_user(user or self.env.user)
        return Voucher._redeem(code, wallet)[1]


@tagged("post_install", "-at_install")
class TestVoucher(VoucherCase, EnergyCase):
    # ------------------------------------------------------------------ codes

    def test_codes_are_long_checked_different_and_not_stored(self):
        vouchers, codes = self.issue(200)
        Voucher = self.env["energy.voucher"]
        self.assertEqual(len(set(codes)), 200)
        for code in codes:
            self.assertRegex(code, r"^\d{4}( \d{4}){4}$")
            self.assertTrue(Voucher._is_code(code))
            digits = code.replace(" ", "")
            for at in (0, 7, 18):
                wrong = str((int(digits[at]) + 1) % 10)
                self.assertFalse(
                    Voucher._is_code(digits[:at] + wrong + digits[at + 1 :])
                )
        seen = Counter("".join(codes))
        self.assertTrue(all(seen[digit] > 200 for digit in "0123456789"), seen)
        self.env.flush_all()
        self.env.cr.execute(
            "SELECT to_jsonb(v)::text FROM energy_voucher v WHERE id = ANY(%s)",
            [vouchers.ids],
        )
        stored = "".join(row[0] for row in self.env.cr.fetchall())
        for code in codes:
            self.assertNotIn(code, stored)
            self.assertNotIn(code.replace(" ", ""), stored)

    def test_codes_are_fetched_once(self):
        wizard = self.env["energy.voucher.issue"].create({"count": 2, "amount": 5})
        wizard.action_issue()
        self.assertEqual(wizard._take_codes().count("\n"), 3)
        self.assertIsNone(wizard._take_codes())
        with self.assertRaisesRegex(UserError, "already"):
            wizard.action_issue()
        self.assertEqual(len(wizard.voucher_ids), 2)
        self.assertEqual(wizard._fields["codes"].groups, NO_ACCESS)
        with self.assertRaises(AccessError):
            wizard.with_user(self.env.ref("base.user_admin")).read(["codes"])

    def test_what_cannot_be_issued(self):
        yesterday = date.today() - timedelta(days=1)
        for values in (
            {"count": 0},
            {"count": 5001},
            {"amount": 0},
            {"amount": -5},
            {"expires_on": yesterday},
        ):
            with self.assertRaises(UserError, msg=values):
                self.issue(**values)

    # ------------------------------------------------------------------ life

    def test_sold_redeemed_and_booked(self):
        vouchers, codes = self.issue(3)
        self.assert_books()
        payment = self.sell(vouchers)
        self.assertEqual((payment.amount, payment.move_id.state), (75, "posted"))
        self.assertEqual(set(vouchers.mapped("state")), {"sold"})
        account = self.company.energy_voucher_account_id
        self.assertEqual(self.credit_of(account), 75)
        self.assert_books()
        self.assertEqual(self.redeem(codes[1]), "")
        voucher = vouchers[1]
        self.assertEqual((voucher.state, voucher.wallet_id), ("redeemed", self.wallet))
        self.assertEqual(self.exact_balance(), 25)
        entry = self.wallet.entry_ids
        self.assertEqual((entry.kind, entry.voucher_id), ("topup", voucher))
        self.assertEqual(self.credit_of(account), 50)
        self.assert_books()
        item = payment.move_id.line_ids.filtered(lambda one: one.account_id == account)
        self.assertEqual(item.amount_residual, -50, "what is open is owed")

    def test_redeemed_once(self):
        _vouchers, codes = self.sold()
        self.assertEqual(self.redeem(codes[0].replace(" ", "-")), "")
        for _repeat in range(2):
            self.assertIn("redeemed already", self.redeem(codes[0]))
        with self.assertRaisesRegex(UserError, "sold, used or voided"):
            _vouchers.sudo()._redeem_on(self.wallet)
        self.assertEqual(self.exact_balance(), 25)
        self.assert_books()

    def test_only_what_was_sold_is_valid(self):
        vouchers, codes = self.issue(2)
        self.assertIn("not valid", self.redeem(codes[0]))
        self.void(vouchers[1])
        self.assertIn("not valid", self.redeem(codes[1]))
        with (
            self.assertRaisesRegex(UserError, "sold, used or voided"),
            self.cr.savepoint(),
        ):
            self.sell(vouchers)
        self.env.invalidate_all()
        self.assertEqual(vouchers[0].state, "issued", "all or none")
        self.assertEqual(self.exact_balance(), 0)

    def test_a_double_click_sells_once(self):
        vouchers, _codes = self.issue()
        wizard = self.env["energy.voucher.sale"].create(
            {"voucher_ids": [(6, 0, vouchers.ids)], "journal_id": self.journal.id}
        )
        wizard.action_sell()
        with self.assertRaises(UserError), self.cr.savepoint():
            wizard.action_sell()
        self.assert_books()

    def test_it_expires(self):
        vouchers, codes = self.sold(expires_on=date.today() + timedelta(days=2))
        with freeze_time(date.today() + timedelta(days=4)):
            self.assertIn("expired on", self.redeem(codes[0]))
            self.env["energy.voucher"].sudo()._cron_expire()
            self.assertEqual(vouchers.state, "expired")
            self.assertIn("not valid", self.redeem(codes[0]))
        self.assertEqual(self.exact_balance(), 0)
        self.assert_books()

    def test_it_is_valid_on_its_last_day(self):
        _vouchers, codes = self.sold(expires_on=date.today())
        self.env["energy.voucher"].sudo()._cron_expire()
        self.assertEqual(self.redeem(codes[0]), "")

    def test_currency_company_and_kind_of_wallet(self):
        francs = self.env.ref("base.CHF")
        francs.active = True
        partner = {"partner_id": self.tenant.id}
        _vouchers, codes = self.sold()
        Wallet = self.env["energy.wallet"]
        foreign = Wallet.create({"name": "F", "currency_id": francs.id, **partner})
        self.assertIn("USD", self.redeem(codes[0], foreign))
        department = self.env["hr.department"].create({"name": "D"})
        line = Wallet.create(
            {"name": "L", "kind": "line", "department_id": department.id}
        )
        self.assertIn("no vouchers", self.redeem(codes[0], line))
        company = self.env["res.company"].create({"name": "Elsewhere"})
        theirs = Wallet.create({"name": "T", "company_id": company.id, **partner})
        self.assertIn("no voucher", self.redeem(codes[0], theirs))
        self.assertEqual(self.redeem(codes[0]), "")

    def test_a_share_pays_a_deferred_debt_back(self):
        self.policy.debt_percent = 20
        self.env["energy.wallet.entry"]._post(
            self.wallet, "topup", Decimal(-10), source_key="debt", name="Debt"
        )
        self.wallet._defer_debt("Before", source_key="defer")
        _vouchers, codes = self.sold()
        self.redeem(codes[0])
        self.assertEqual(self.exact_balance(), 20)

    def test_tax_at_the_top_up_is_due_when_it_is_redeemed(self):
        tax_at_topup(self.company, 25)
        _vouchers, codes = self.sold()
        advances = [("wallet_id", "=", self.wallet.id)]
        self.assertFalse(self.env["energy.advance"].search(advances))
        self.redeem(codes[0])
        advance = self.env["energy.advance"].search(advances)
        self.assertEqual((advance.amount, advance.amount_net), (25, 20))
        self.assert_proven()

    def test_a_locked_date_redeems_nothing(self):
        vouchers, codes = self.sold()
        self.company.fiscalyear_lock_date = date.today()
        with self.assertRaisesRegex(UserError, "locked"), self.cr.savepoint():
            self.redeem(codes[0])
        self.env.invalidate_all()
        self.assertEqual(vouchers.state, "sold")

    # ------------------------------------------------------------------ void, undo

    def test_void_and_paid_back(self):
        vouchers, codes = self.sold(2)
        with self.assertRaisesRegex(UserError, "was sold"), self.cr.savepoint():
            self.void(vouchers, journal_id=False)
        self.void(vouchers[0])
        self.assertEqual(vouchers.mapped("state"), ["void", "sold"])
        self.assertEqual(vouchers[0].void_reason, "Lost")
        self.assertEqual(
            self.credit_of(self.company.energy_voucher_account_id), Decimal(25)
        )
        self.assertIn("not valid", self.redeem(codes[0]))
        with self.assertRaisesRegex(UserError, "sold, used or voided"):
            self.void(vouchers[0])
        self.assert_books()

    def test_expired_money_becomes_income_by_a_manager(self):
        vouchers, _codes = self.sold(2, expires_on=date.today())
        income = self.env["account.account"].search(
            [("account_type", "=", "income"), ("company_ids", "in", self.company.id)],
            limit=1,
        )
        before = self.credit_of(income)
        values = {"settle": "keep", "account_id": income.id}
        clerk = new_test_user(
            self.env, "clerk", groups="prepaid_energy.group_energy_accountant"
        )
        with freeze_time(date.today() + timedelta(days=2)):
            self.env["energy.voucher"].sudo()._cron_expire()
            wizard = self.env["energy.voucher.void"].with_user(clerk)
            wizard = wizard.create(
                {
                    "voucher_ids": [(6, 0, vouchers.ids)],
                    "reason": "Expired",
                    **values,
                }
            )
            with self.assertRaisesRegex(AccessError, "managers"):
                wizard.action_void()
            self.void(vouchers, **values)
        self.assertEqual(self.credit_of(income) - before, 50)
        self.assert_books()

    def test_a_redeemed_voucher_is_not_voided(self):
        vouchers, codes = self.sold()
        self.redeem(codes[0])
        with self.assertRaisesRegex(UserError, "sold, used or voided"):
            self.void(vouchers)

    def test_a_sale_is_not_undone_by_editing(self):
        vouchers, _codes = self.sold()
        payment = vouchers.payment_id
        for attempt in (
            payment.action_draft,
            payment.action_cancel,
            payment.move_id.button_draft,
            payment.unlink,
            lambda: payment.write({"amount": 1}),
            lambda: payment.write({"energy_voucher_sale": False}),
        ):
            with self.assertRaisesRegex(UserError, "void them"):
                attempt()
        with self.assertRaisesRegex(UserError, "never deleted"):
            vouchers.sudo().unlink()

    def test_the_drawer_has_the_sales(self):
        vouchers, _codes = self.sold(2)
        self.void(vouchers[0])
        closing = self.env["energy.cashier.closing"].create(
            {"journal_id": self.journal.id, "counted": 25}
        )
        self.assertEqual((closing.voucher_sales, closing.payouts), (50, 25))
        closing.action_close()

    # ------------------------------------------------------------------ attempts

    def test_guessing_is_stopped_by_user_and_hour(self):
        _vouchers, codes = self.sold(2)
        limit = energy_voucher_attempt.LIMIT
        Voucher = self.env["energy.voucher"]
        with freeze_time("2026-05-04 10:10:00"):
            self.assertIn("digit is wrong", self.redeem("1234"))
            for _attempt in range(limit):
                self.assertIn("no voucher", self.redeem(Voucher._new_code()))
            self.assertIn("Too many", self.redeem(codes[0]), "a right one too")
            self.assertEqual(self.redeem(codes[1], user=self.portal_user), "")
        with freeze_time("2026-05-04 11:00:00"):
            self.assertEqual(self.redeem(codes[0]), "")

    def test_the_wizard_counts_too_and_raises_nothing(self):
        wizard = self.env["energy.voucher.redeem"].create({"wallet_id": self.wallet.id})
        for _attempt in range(energy_voucher_attempt.LIMIT + 1):
            wizard.code = self.env["energy.voucher"]._new_code()
            wizard.action_redeem()
        self.assertIn("Too many", wizard.problem)
        self.assertFalse(wizard.code, "it is not kept")

    def test_two_sessions_redeem_once(self):
        """Two real transactions; Odoo works the loser again, who sees it is used."""
        registry = self.env.registry
        values = (self.company.id, self.company.currency_id.id)
        # the outer test transaction must hold no lock on what the others need
        with registry.cursor() as cr:
            cr.execute(
                "INSERT INTO energy_voucher "
                "(serial, company_id, currency_id, amount, state, code_hash) "
                "VALUES ('RACE', %s, %s, 5, 'sold', 'race') RETURNING id",
                values,
            )
            voucher_id = cr.fetchone()[0]
        first, second, outcome = registry.cursor(), registry.cursor(), []
        try:
            vouchers = [
                api.Environment(cr, self.env.uid, {})["energy.voucher"]
                .browse(voucher_id)
                .sudo()
                for cr in (first, second)
            ]
            for one in vouchers:
                self.assertEqual(one.state, "sold")  # both have looked

            def late():
                try:
                    with mute_logger("odoo.sql_db"):
                        vouchers[1]._claim(("sold",), state="redeemed")
                    outcome.append("redeemed twice")
                except SerializationFailure:
                    outcome.append("again")

            vouchers[0]._claim(("sold",), state="redeemed")
            thread = threading.Thread(target=late)
            thread.start()
            first.commit()
            thread.join(20)
            self.assertEqual(outcome, ["again"])
            second.rollback()
            self.env.invalidate_all()
            vouchers[1].invalidate_recordset()
            with self.assertRaisesRegex(UserError, "sold, used"):
                vouchers[1]._claim(("sold",), state="redeemed")
        finally:
            first.close()
            second.close()
            with registry.cursor() as cr:
                cr.execute("DELETE FROM energy_voucher WHERE id = %s", [voucher_id])


@tagged("post_install", "-at_install")
class TestVoucherPortal(VoucherCase, HttpCase):
    exact_balance = EnergyCase.exact_balance

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        stranger = cls.env["res.partner"].create({"name": "Stranger"})
        cls.other = cls.env["energy.wallet"].create(
            {"name": "Stranger's", "partner_id": stranger.id}
        )

    def setUp(self):
        super().setUp()
        self.authenticate("energy_tenant", "energy_tenant")

    def enter(self, code, wallet=None, token=True):
        data = {"code": code}
        page = self.url_open(f"/my/energy/{self.wallet.id}")
        if token:
            mark = 'name="csrf_token" value="'
            data["csrf_token"] = page.text.split(mark)[1].split('"')[0]
        wallet = wallet or self.wallet
        answer = self.url_open(f"/my/energy/{wallet.id}/voucher", data=data)
        self.env.invalidate_all()
        return answer

    def test_a_tenant_redeems_in_the_portal(self):
        _vouchers, codes = self.sold()
        page = self.enter(codes[0])
        self.assertIn("was added to your balance", page.text)
        self.assertIn("25.00", page.text)
        self.assertEqual(self.exact_balance(), 25)
        self.assertIn("redeemed already", self.enter(codes[0]).text)
        self.assertNotIn(
            "redeemed already", self.url_open(f"/my/energy/{self.wallet.id}").text
        )
        self.assertEqual(self.exact_balance(), 25)
        self.assert_books()

    def test_wrong_codes_are_told_counted_and_stopped(self):
        _vouchers, codes = self.sold()
        self.assertIn("digit is wrong", self.enter("1234 5678").text)
        self.assertIn("digit is wrong", self.enter("<script>").text)
        for _attempt in range(energy_voucher_attempt.LIMIT):
            code = self.env["energy.voucher"]._new_code()
            self.assertIn("no voucher", self.enter(code).text)
        self.assertIn("Too many", self.enter(codes[0]).text)
        self.assertEqual(self.exact_balance(), 0)
        attempt = self.env["energy.voucher.attempt"].search(
            [("user_id", "=", self.portal_user.id)]
        )
        self.assertEqual(attempt.failed, energy_voucher_attempt.LIMIT)

    def test_not_on_a_foreign_wallet_and_not_by_another_site(self):
        vouchers, codes = self.sold()
        self.enter(codes[0], self.other)
        self.assertEqual(vouchers.state, "sold")
        with mute_logger("odoo.http"):
            answer = self.enter(codes[0], token=False)
        self.assertEqual(answer.status_code, 400)
        self.assertEqual(vouchers.state, "sold")

    def test_codes_are_fetched_by_their_manager_once(self):
        manager = new_test_user(
            self.env,
            "issuer",
            groups="prepaid_energy.group_energy_manager",
            password="issuer",
        )
        wizard = self.env["energy.voucher.issue"].with_user(manager)
        wizard = wizard.create({"count": 2, "amount": 5})
        wizard.action_issue()
        link = wizard.action_fetch()["url"]
        with mute_logger("odoo.http"):
            self.assertEqual(self.url_open(link).status_code, 403)
            self.authenticate("admin", "admin")
            self.assertEqual(self.url_open(link).status_code, 403)
        self.authenticate("issuer", "issuer")
        first = self.url_open(link)
        self.assertEqual((first.status_code, first.text.count("\n")), (200, 3))
        self.assertEqual(self.url_open(link).status_code, 410)
