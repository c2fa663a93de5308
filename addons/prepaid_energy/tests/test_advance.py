import random
from datetime import date
from decimal import Decimal

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from . import test_proof, test_topup, test_wallet_operations
from .common import flat_version
from .test_billing import BillingCase


def new_tax(company, percent, account):
    """A sales tax with its account."""
    lines = [
        Command.create({"repartition_type": "base"}),
        Command.create({"repartition_type": "tax", "account_id": account.id}),
    ]
    return company.env["account.tax"].create(
        {
            "name": f"VAT {percent} of the test",
            "amount": percent,
            "type_tax_use": "sale",
            "company_id": company.id,
            "invoice_repartition_line_ids": lines,
            "refund_repartition_line_ids": lines,
        }
    )


def tax_at_topup(company, percent):
    """Let tax be due when it is paid; returns the tax."""
    account = company._new_energy_account("VAT due", "221000", "liability_current")
    tax = new_tax(company, percent, account)
    company.write({"energy_tax_point": "topup", "energy_advance_tax_id": tax.id})
    return tax


class AdvanceCase(BillingCase):
    """Tax of 20 % due when it is paid; 0.25 net a kWh, so 0.30 with it."""

    RATE = 20

    def setUp(self):
        super().setUp()
        self.tax = tax_at_topup(self.company, self.RATE)
        self.vat = self.tax.repartition_line_ids.account_id
        self.use_tariff_tax(self.tax)

    def use_tariff_tax(self, tax):
        levy = {"name": tax.name, "percent": tax.amount, "tax_id": tax.id}
        self.tariff.version_ids = [
            Command.clear(),
            Command.create(
                {**flat_version("2020-01-01", 0.25), "levy_ids": [Command.create(levy)]}
            ),
        ]

    def advances(self, wallet=None):
        return self.env["energy.advance"].search(
            [("wallet_id", "=", (wallet or self.wallet).id)], order="id"
        )

    def balance_of(self, account):
        """The balance of an account in the company's currency, credits positive."""
        lines = self.env["account.move.line"].search(
            [("account_id", "=", account.id), ("parent_state", "=", "posted")]
        )
        total = sum((Decimal(repr(line.balance)) for line in lines), Decimal(0))
        return -total.quantize(Decimal("0.01"))

    def assert_books(self, *, prepaid, vat, waiting, wallet=None):
        """The liability, the tax due, and the tax that waits in open advances."""
        self.assertEqual(self.prepaid(wallet), Decimal(prepaid))
        self.assertEqual(self.balance_of(self.vat), Decimal(vat))
        account = self.company.energy_advance_vat_account_id
        self.assertEqual(self.balance_of(account), -Decimal(waiting))
        self.assertEqual(self.receivable(), 0, "nothing is left to be paid")

    def receivable(self):
        account = self.tenant.property_account_receivable_id
        return self.balance_of(account)

    def refund(self, operation, **values):
        wizard = self.env["energy.wallet.operation"].create(
            {
                "wallet_id": self.wallet.id,
                "operation": operation,
                "reason": "Because",
                "journal_id": self.journal.id,
                **values,
            }
        )
        wizard.action_confirm()

    def credit_note(self):
        return self.env["account.move"].search(
            [("move_type", "=", "out_refund"), ("state", "=", "posted")]
        )


@tagged("post_install", "-at_install")
class TestAdvance(AdvanceCase):
    # ------------------------------------------------------------------ money in

    def test_a_top_up_makes_an_advance_invoice_that_it_pays(self):
        self.topup(120)
        invoice = self.advances().move_id
        self.assertEqual(invoice.state, "posted")
        self.assertEqual((invoice.amount_total, invoice.amount_tax), (120, 20))
        self.assertEqual(invoice.amount_residual, 0)
        payment = self.wallet.entry_ids.payment_id
        self.assertEqual(payment.reconciled_invoice_ids, invoice)
        self.assertEqual(self.exact_balance(), 120)
        self.assert_books(prepaid=120, vat=20, waiting=20)

    def test_billing_deducts_it(self):
        self.topup(120)
        self.ingest((0, "0"), (86400, "120"))
        self.assertEqual(self.exact_balance(), 84)
        bill = self.bill().bill_ids
        invoice = bill.move_id
        self.assertEqual(bill.amount_billed, 36)
        self.assertEqual((invoice.amount_total, invoice.amount_tax), (0, 0))
        self.assertEqual(invoice.payment_state, "paid")
        lines = invoice.invoice_line_ids[-3:]
        advance = f"Advance {self.advances().move_id.name} of 2026-06-01"
        self.assertEqual(
            lines.mapped("name"),
            [advance, f"Tax in {advance}", f"Tax in {advance}"],
        )
        self.assertEqual(lines.mapped("price_subtotal"), [-30, -6, 6])
        self.assertEqual(self.advances().amount_open, 84)
        self.assert_books(prepaid=84, vat=20, waiting=14)

    def test_what_is_beyond_the_advances_is_taxed_at_consumption(self):
        self.topup(12)
        self.ingest((0, "0"), (86400, "120"))
        invoice = self.bill().bill_ids.move_id
        self.assertEqual((invoice.amount_total, invoice.amount_tax), (24, 4))
        self.assertEqual(invoice.payment_state, "paid")
        self.assertEqual(self.exact_balance(), -24)
        self.assert_books(prepaid=-24, vat=6, waiting=0)
        self.topup(60)  # 24 of it pay for what was invoiced with its tax
        self.assertEqual(self.advances()[-1].amount, 36)
        self.assertEqual(self.exact_balance(), 36)
        self.assert_books(prepaid=36, vat=12, waiting=6)

    def test_a_top_up_that_only_pays_debts_has_no_tax(self):
        self.ingest((0, "0"), (86400, "120"))
        self.bill()
        self.topup(20)
        self.assertFalse(self.advances())
        self.assert_books(prepaid=-16, vat=6, waiting=0)

    def test_consumption_that_is_not_invoiced_is_no_debt_of_the_tax(self):
        self.ingest((0, "0"), (86400, "120"))
        self.topup(36)
        self.assertEqual(self.advances().amount, 36)
        self.assertEqual(self.exact_balance(), 0)
        self.bill()
        self.assert_books(prepaid=0, vat=6, waiting=0)

    def test_the_oldest_advance_is_used_first(self):
        for day in (10, 11, 12):
            self.now(f"2026-05-{day} 06:00:00")
            self.topup(12)
        self.now("2026-06-01 06:00:00")
        self.ingest((0, "0"), (86400, "60"))
        self.bill()
        self.assertEqual(self.advances().mapped("amount_open"), [0, 6, 12])
        self.assert_books(prepaid=18, vat=6, waiting=3)

    def test_a_deferred_debt_takes_its_share_untaxed(self):
        self.policy.debt_percent = 25
        self.ingest((0, "0"), (86400, "120"))
        self.bill()
        self.wallet._defer_debt("Because", source_key="defer")
        self.topup(24)
        self.assertEqual(self.advances().amount, 18)
        self.assertEqual(self.exact_balance(), 18)
        self.assert_books(prepaid=-12, vat=9, waiting=3)

    # ------------------------------------------------------------------ money out

    def test_a_refund_makes_a_credit_note(self):
        self.topup(120)
        self.refund("refund", amount=60)
        note = self.credit_note()
        self.assertEqual((note.amount_total, note.amount_tax), (60, 10))
        self.assertEqual(note.amount_residual, 0)
        self.assertIn(self.advances().move_id.name, note.invoice_line_ids[0].name)
        self.assertEqual(self.advances().amount_open, 60)
        self.assert_books(prepaid=60, vat=10, waiting=10)

    def test_an_undone_top_up_credits_its_own_advance(self):
        self.topup(120)
        payment = self.wallet.entry_ids.payment_id
        self.topup(60)
        self.refund("reverse", payment_id=payment.id)
        self.assertEqual(self.advances().mapped("amount_open"), [0, 60])
        self.assert_books(prepaid=60, vat=10, waiting=10)

    def test_a_chargeback_credits_the_advance(self):
        self.journal = self.env["account.journal"].create(
            {"name": "Cards", "type": "bank", "code": "TCRD"}
        )
        self.topup(120)
        payment = self.wallet.entry_ids.payment_id
        self.refund("chargeback", payment_id=payment.id, amount=90)
        self.assertEqual(self.credit_note().amount_total, 90)
        self.assertEqual(self.advances().amount_open, 30)
        self.assert_books(prepaid=30, vat=5, waiting=5)

    def test_money_for_a_closed_wallet_is_taxed_when_a_wallet_has_it(self):
        closed = self.wallet.copy({"name": "Closed"})
        closed._close()
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": self.tenant.id,
                "amount": 120,
                "journal_id": self.journal.id,
                "energy_late_wallet_id": closed.id,
            }
        )
        payment.action_post()
        self.assert_books(prepaid=120, vat=0, waiting=0)
        payment.energy_late_target_id = self.wallet
        payment.action_energy_late_credit()
        self.assertEqual(self.advances().amount_open, 120)
        self.assert_books(prepaid=120, vat=20, waiting=20)
        self.assertTrue(self.env["energy.proof"].create({}).proven)

    def test_a_top_up_undone_after_it_was_consumed(self):
        self.topup(36)
        payment = self.wallet.entry_ids.payment_id
        self.ingest((0, "0"), (86400, "120"))
        self.bill()
        self.refund("reverse", payment_id=payment.id)
        self.assertFalse(self.credit_note(), "its tax is that of the consumption")
        self.assertEqual(self.exact_balance(), -36)
        self.assert_books(prepaid=-36, vat=6, waiting=0)

    def test_a_refund_leaves_what_consumption_needs(self):
        self.topup(120)
        self.ingest((0, "0"), (86400, "120"))
        self.refund("refund", amount=84)
        self.assertEqual(self.advances().amount_open, 36)
        self.bill()
        self.assertEqual(self.exact_balance(), 0)
        self.assert_books(prepaid=0, vat=6, waiting=0)

    def test_a_transfer_takes_the_advance_along(self):
        other = self.env["energy.wallet"].create(
            {
                "name": "Neighbour",
                "partner_id": self.env["res.partner"].create({"name": "Nb"}).id,
            }
        )
        self.topup(120)
        self.refund("transfer", amount=30, other_wallet_id=other.id)
        self.assertEqual(self.credit_note().amount_total, 30)
        self.assertEqual(self.advances().amount_open, 90)
        self.assertEqual(self.advances(other).amount_open, 30)
        self.assertEqual(self.advances(other).move_id.partner_id, other.partner_id)
        self.assertEqual(self.prepaid(other), 30)
        self.assert_books(prepaid=90, vat=20, waiting=20)

    def test_wallets_of_one_tenant_share_documents(self):
        second = self.env["energy.wallet"].create(
            {"name": "Second", "partner_id": self.tenant.id}
        )
        self.topup(120)
        self.refund("transfer", amount=30, other_wallet_id=second.id)
        self.assertFalse(self.credit_note())
        self.assertEqual(self.advances().amount_open, 90)
        handed = self.advances(second)
        self.assertEqual((handed.amount_open, handed.amount_tax), (30, 5))
        self.assertEqual(handed.move_id, self.advances().move_id)
        self.assert_books(prepaid=120, vat=20, waiting=20)
        self.ingest((0, "0"), (86400, "300"))
        self.assertEqual(self.bill().bill_ids.move_id.amount_tax, 0)
        self.assert_books(prepaid=30, vat=20, waiting=5)

    # ------------------------------------------------------------------ rates and rules

    def test_another_rate_of_the_consumption(self):
        self.topup(120)
        self.use_tariff_tax(new_tax(self.company, 10, self.vat))
        self.ingest((0, "0"), (86400, "120"))  # 30 net, 33 with 10 %
        invoice = self.bill().bill_ids.move_id
        # deducted: 27.50 with 5.50 of tax; due: 3 for the consumption
        self.assertEqual((invoice.amount_total, invoice.amount_tax), (0, -2.5))
        self.assertEqual(self.exact_balance(), 87)
        self.assert_books(prepaid=87, vat="17.5", waiting="14.5")

    def test_a_changed_setting_changes_nothing_old(self):
        self.company.energy_tax_point = "consumption"
        self.topup(12)
        self.assertFalse(self.advances())
        self.company.energy_tax_point = "topup"
        self.topup(24)
        self.assertEqual(self.advances().amount, 24)
        draft = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_id": self.tenant.id,
                "amount": 5,
                "journal_id": self.journal.id,
                "energy_wallet_id": self.wallet.id,
            }
        )
        self.company.energy_tax_point = "consumption"
        draft.action_post()
        self.topup(7)
        self.assertEqual(self.advances().amount, 24)
        self.assert_books(prepaid=48, vat=4, waiting=4)
        self.ingest((0, "0"), (86400, "120"))
        invoice = self.bill().bill_ids.move_id
        self.assertEqual(invoice.amount_total, 12)
        self.assertEqual(self.exact_balance(), 12)
        self.assert_books(prepaid=12, vat=6, waiting=0)

    def test_a_correction_is_a_credit_note_and_leaves_advances(self):
        self.topup(120)
        self.ingest((0, "0"), (86400, "120"))
        self.bill()
        fee = "fee"
        self.wallet._book("correction", Decimal(6), source_key=fee, name="Goodwill")
        self.now("2026-07-01 06:00:00")
        note = self.bill(until="2026-06-30").bill_ids.move_id
        self.assertEqual((note.move_type, note.amount_total), ("out_refund", 6))
        self.assertEqual(self.advances().amount_open, 84)
        self.assertEqual(self.exact_balance(), 90)
        self.assert_books(prepaid=90, vat=20, waiting=14)

    def test_a_locked_date_is_asked(self):
        self.company.sale_lock_date = date(2026, 6, 1)
        with self.assertRaisesRegex(UserError, "locked"):
            self.topup(120)

    def test_documents_of_advances_stay(self):
        self.topup(36)
        self.ingest((0, "0"), (86400, "60"))
        final = self.bill().bill_ids.move_id
        self.refund("refund", amount=18)
        for move in self.advances().move_id | final | self.credit_note():
            with self.assertRaisesRegex(UserError, "advance"):
                move.button_draft()
            with self.assertRaisesRegex(UserError, "advance"):
                move._reverse_moves()

    def test_the_tax_must_fit(self):
        with self.assertRaisesRegex(ValidationError, "tax on advances"):
            self.company.energy_advance_tax_id = False
        tax = new_tax(self.company, 7, self.vat)
        for change in ({"price_include_override": "tax_included"}, {"account": False}):
            bad = tax.copy({"name": str(change)})
            if "account" in change:
                bad.invoice_repartition_line_ids.account_id = False
            else:
                bad.write(change)
            with self.assertRaisesRegex(ValidationError, "tax on advances"):
                self.company.energy_advance_tax_id = bad

    def test_a_foreign_currency(self):
        francs = self.env.ref("base.CHF")
        francs.active = True
        self.env["res.currency.rate"].create(
            {"currency_id": francs.id, "name": "2026-01-01", "rate": 0.8}
        )
        swiss = self.env["energy.wallet"].create(
            {
                "name": "Francs",
                "partner_id": self.env["res.partner"].create({"name": "Swiss"}).id,
                "currency_id": francs.id,
            }
        )
        self.topup(120, swiss)
        self.assertEqual(self.advances(swiss).move_id.currency_id, francs)
        self.assert_books(prepaid=120, vat=25, waiting=25, wallet=swiss)

    def test_rights(self):
        clerk = new_test_user(
            self.env, "clerk", groups="prepaid_energy.group_energy_accountant"
        )
        wizard = self.env["energy.topup"].with_user(clerk)
        wizard.create(
            {
                "wallet_id": self.wallet.id,
                "amount": 120,
                "journal_id": self.journal.id,
            }
        ).action_topup()
        advance = self.advances().with_user(clerk)
        self.assertEqual(advance.amount_open, 120)
        with self.assertRaises(AccessError):
            advance.write({"amount": 1})
        reader = new_test_user(
            self.env, "reader", groups="prepaid_energy.group_energy_user"
        )
        with self.assertRaises(AccessError):
            advance.with_user(reader).read(["amount"])


@tagged("post_install", "-at_install")
class TestOperationsWithAdvances(test_wallet_operations.TestWalletOperations):
    """All operations on wallets leave the books equal where tax is due on top-ups."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tax_at_topup(cls.company, 20)


@tagged("post_install", "-at_install")
class TestOnlineWithAdvances(test_topup.TestOnline):
    """Payments through a provider, with an advance invoice each."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tax_at_topup(cls.company, 20)

    def assert_destination(self, payment):
        """The payment pays its advance invoice."""
        invoice = payment.reconciled_invoice_ids
        self.assertEqual(invoice.amount_total, payment.amount)
        self.assertEqual(invoice.payment_state, "paid")


@tagged("post_install", "-at_install")
class TestHistoriesWithAdvances(test_proof.TestHistories):
    """Random histories where tax is due on top-ups: proof and advances are right."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        tax_at_topup(cls.company, 19)

    def _check(self, seed):  # pylint: disable=missing-return
        super()._check(seed)
        Advance = self.env["energy.advance"]
        for wallet in self.wallets:
            advances = Advance.search([("wallet_id", "=", wallet.id)])
            still = sum(Decimal(repr(advance.amount_open)) for advance in advances)
            owed = max(Advance._position(wallet), Decimal(0))
            self.assertLessEqual(still, owed, f"seed {seed}: {self.done[-12:]}")


@tagged("post_install", "-at_install")
class TestAdvanceRounding(AdvanceCase):
    RATE = 19

    def test_odd_cents_in_any_order(self):
        """In whatever order, the liability and the tax that waits are right."""
        chance = random.Random(7)
        register, exact = Decimal(0), self.exact_balance
        self.ingest((0, "0"))
        for day in range(1, 25):
            self.topup(chance.randint(500, 1500) / 100)
            register += Decimal(chance.randint(1, 7000)) / 100
            self.ingest((86400 * day, str(register)))
            if chance.random() < 0.3 and exact() > 1:
                self.refund("refund", amount=chance.randint(1, 99) / 100)
            if chance.random() < 0.4:
                self.bill(until=f"2026-05-{day:02}")
            self.check()
        self.bill()
        self.check()

    def check(self):
        advances = self.advances()
        waiting = sum(
            Decimal(repr(a.amount_tax)) - Decimal(repr(a.tax_used)) for a in advances
        )
        account = self.company.energy_advance_vat_account_id
        self.assertEqual(-self.balance_of(account), waiting.quantize(Decimal("0.01")))
        position = self.env["energy.advance"]._position(self.wallet)
        self.assertEqual(self.prepaid(), position)
        still = sum(Decimal(repr(a.amount_open)) for a in advances)
        self.assertLessEqual(still, max(position, Decimal(0)))
        self.assertEqual(self.receivable(), 0)
        for advance in advances:
            if not advance.amount_open:
                self.assertEqual(advance.net_used, advance.amount_net)
                self.assertEqual(advance.tax_used, advance.amount_tax)
