from datetime import date

from psycopg2 import IntegrityError

from odoo.exceptions import UserError
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import add_point, credit
from .test_billing import BillingCase


@tagged("post_install", "-at_install")
class TestAccrual(BillingCase):
    """0.25 a kWh net, 0.275 with the levy."""

    def accrue(self, day="2026-05-31"):
        Accrual = self.env["energy.accrual"]
        accrual = Accrual.search([("date", "=", day)]) or Accrual.create({"date": day})
        accrual.action_post()
        return accrual

    def test_what_is_not_billed_is_revenue_for_a_day(self):
        self.topup(100)
        self.ingest((0, "0"), (86400 * 10, "120"))
        accrual = self.accrue()
        self.assertEqual((accrual.revenue, accrual.cost), (30, 0))
        move, back = accrual.move_id, accrual.reversal_id
        self.assertEqual((move.date, back.date), (date(2026, 5, 31), date(2026, 6, 1)))
        self.assertEqual((move.state, back.state), ("posted", "posted"))
        unbilled = self.company.energy_accrual_account_id
        lines = (move | back).line_ids.filtered(lambda ln: ln.account_id == unbilled)
        self.assertEqual(sorted(lines.mapped("balance")), [-30, 30])
        self.assertEqual(self.exact_balance(), self.prepaid() - 33)
        self.assertTrue(self.env["energy.proof"].create({}).proven)

    def test_a_day_to_come_is_not_accrued(self):
        self.topup(100)
        self.ingest((0, "0"), (86400 * 10, "120"))
        with self.assertRaisesRegex(UserError, "2999-01-31 has not come yet"):
            self.accrue("2999-01-31")

    def test_what_is_billed_is_not_accrued(self):
        self.now("2026-05-01 06:00:00")
        self.topup(100)
        self.now("2026-06-01 06:00:00")
        self.ingest((0, "0"), (86400 * 10, "120"))
        self.bill()
        with self.assertRaisesRegex(UserError, "is billed"):
            self.accrue()
        self.ingest((86400 * 20, "160"))
        self.assertEqual(self.accrue().revenue, 10)

    def test_what_is_accrued_is_not_invoiced_on_the_same_day(self):
        self.topup(100)
        self.ingest((0, "0"), (86400 * 10, "120"))
        self.accrue()
        self.now("2026-06-02 06:00:00")
        run = self.env["energy.billing"].create({"date_to": "2026-05-31"})
        self.assertEqual(
            run.date, date(2026, 6, 1), "the day on which it is taken back"
        )
        run.date = "2026-05-31"
        with self.assertRaisesRegex(UserError, "accrual of 2026-05-31 counts"):
            run.action_start()
        run.date = "2026-06-01"
        run.action_start()
        self.assertEqual(run.state, "running")

    def test_a_line_accrues_cost_with_its_analytic_account(self):
        plan = self.env["account.analytic.plan"].create({"name": "Lines"})
        account = self.env["account.analytic.account"].create(
            {"name": "Line", "plan_id": plan.id}
        )
        line = self.env["energy.wallet"].create(
            {
                "name": "Line",
                "kind": "line",
                "department_id": self.env["hr.department"].create({"name": "D"}).id,
                "analytic_account_id": account.id,
            }
        )
        credit(line, "50", f"grant:{self.id()}")
        add_point(self, "M-LINE", wallet_id=line.id)
        self.ingest((0, "0", "M-LINE"), (86400, "40", "M-LINE"))
        accrual = self.accrue()
        self.assertEqual((accrual.revenue, accrual.cost), (0, 11))
        cost = accrual.move_id.line_ids.filtered("analytic_distribution")
        self.assertEqual(cost.analytic_distribution, {str(account.id): 100})

    def test_a_month_end_is_accrued_once_and_asks_for_locks(self):
        self.topup(100)
        self.ingest((0, "0"), (86400 * 10, "120"))
        accrual = self.accrue()
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
            with self.env.cr.savepoint():
                self.env["energy.accrual"].create({"date": accrual.date})
        with self.assertRaisesRegex(UserError, "stays"):
            accrual.unlink()
        self.company.fiscalyear_lock_date = "2026-05-31"
        with self.assertRaisesRegex(UserError, "locked"):
            self.accrue("2026-05-30")

    # ------------------------------------------------------------------ currencies

    def francs(self):
        """A wallet in another currency, paid in at 2 of it for 1 of the company's."""
        francs = self.env.ref("base.CHF")
        francs.active = True
        for day, rate in (("2026-01-01", 2.0), ("2026-05-31", 2.5)):
            self.env["res.currency.rate"].create(
                {"currency_id": francs.id, "name": day, "rate": rate}
            )
        wallet = self.env["energy.wallet"].create(
            {
                "name": "Swiss",
                "partner_id": self.tenant.id,
                "currency_id": francs.id,
            }
        )
        self.now("2026-05-10 06:00:00")
        self.topup(100, wallet)
        self.now("2026-06-01 06:00:00")
        return wallet

    def balance(self, day):
        lines = self.env["account.move.line"].search(
            [
                ("account_id", "=", self.company.energy_prepayment_account_id.id),
                ("parent_state", "=", "posted"),
                ("date", "<=", day),
            ]
        )
        return sum(lines.mapped("balance"))

    def test_prepayments_in_other_currencies_are_revalued_for_a_day(self):
        self.francs()
        self.assertEqual(self.balance("2026-05-31"), -50)
        accrual = self.env["energy.accrual"].create(
            {"date": "2026-05-31", "revalue": True}
        )
        accrual.action_post()
        self.assertEqual(self.balance("2026-05-31"), -40, "100 at 2.5")
        self.assertEqual(self.balance("2026-06-01"), -50, "taken back")
        self.assertEqual(accrual.exchange_difference, 10)
        self.assertEqual((accrual.revenue, accrual.cost), (0, 0))
        gain = self.company.income_currency_exchange_account_id
        items = accrual.move_id.line_ids.filtered(lambda ln: ln.account_id == gain)
        self.assertEqual(items.balance, -10)
        for day in ("2026-05-31", "2026-06-01"):
            self.assertTrue(self.env["energy.proof"].create({"date": day}).proven, day)

    def test_without_revaluing_there_is_nothing_to_post(self):
        self.francs()
        with self.assertRaisesRegex(UserError, "nothing to post"):
            self.accrue()

    def test_a_company_without_exchange_accounts_is_told(self):
        self.francs()
        self.company.income_currency_exchange_account_id = False
        accrual = self.env["energy.accrual"].create(
            {"date": "2026-05-31", "revalue": True}
        )
        with self.assertRaisesRegex(UserError, "no exchange gain or loss account"):
            accrual.action_post()

    # ------------------------------------------------------------------ below zero

    def owe(self, paid=20):
        """Paid 20 and invoiced 33 in May: 13 below zero."""
        self.now("2026-05-11 06:00:00")
        self.topup(paid)
        self.ingest((0, "0"), (86400 * 10, "120"))
        self.bill(until="2026-05-10", date="2026-05-11")
        self.now("2026-06-01 06:00:00")

    def prove(self, day):
        return self.env["energy.proof"].create({"date": day})

    def test_a_tenant_below_zero_is_a_receivable_for_a_day(self):
        self.owe()
        other = self.env["energy.wallet"].create(
            {
                "name": "Rich",
                "partner_id": self.env["res.partner"].create({"name": "Rich"}).id,
            }
        )
        self.now("2026-05-20 06:00:00")
        self.topup(50, other)
        self.now("2026-06-01 06:00:00")
        self.assertEqual(self.balance("2026-05-31"), -37)
        accrual = self.accrue()
        self.assertEqual((accrual.debts, accrual.revenue), (13, 0))
        self.assertEqual(self.balance("2026-05-31"), -50, "what is owed to others")
        self.assertEqual(self.balance("2026-06-01"), -37, "taken back")
        account = self.company.energy_receivable_account_id
        self.assertEqual(account.account_type, "asset_receivable")
        item = accrual.move_id.line_ids.filtered(lambda ln: ln.account_id == account)
        self.assertEqual((item.balance, item.partner_id), (13, self.tenant))
        moved = (accrual.move_id | accrual.reversal_id).line_ids
        self.assertTrue(all(moved.mapped("reconciled")), "nothing stays open")

    def test_the_proof_names_what_is_shown_as_a_receivable(self):
        self.owe()
        accrual = self.accrue()
        proof = self.prove("2026-05-31")
        self.assertTrue(proof.proven)
        line = proof.line_ids
        self.assertEqual(
            (line.wallets, line.unbilled, line.debts, line.liability), (-13, 0, 13, 0)
        )
        self.assertEqual(proof.cause_ids.move_id, accrual.move_id)
        self.assertEqual(proof.cause_ids.amount, 13)
        self.assertIn(self.tenant.name, proof.cause_ids.text)
        proof = self.prove("2026-06-01")
        self.assertTrue(proof.proven)
        self.assertEqual((proof.line_ids.debts, proof.line_ids.liability), (0, -13))
        self.assertFalse(proof.cause_ids)

    def test_debts_stay_where_the_accountant_unticks_it(self):
        self.owe()
        accrual = self.env["energy.accrual"].create(
            {"date": "2026-05-31", "reclassify": False}
        )
        with self.assertRaisesRegex(UserError, "nothing to post"):
            accrual.action_post()

    def test_what_is_consumed_and_not_billed_is_no_debt_yet(self):
        self.topup(20)
        self.ingest((0, "0"), (86400 * 10, "120"))
        self.assertEqual(self.exact_balance(), -13)
        self.assertEqual(self.accrue().debts, 0)

    def test_wallets_of_one_tenant_are_set_off(self):
        self.owe()
        second = self.env["energy.wallet"].create(
            {"name": "Second", "partner_id": self.tenant.id}
        )
        self.now("2026-05-20 06:00:00")
        self.topup(10, second)
        self.now("2026-06-01 06:00:00")
        self.assertEqual(self.accrue().debts, 3)

    def test_a_debt_in_francs_is_shown_at_the_rate_of_the_month_end(self):
        wallet = self.francs()
        self.now("2026-05-20 06:00:00")
        self.env["energy.wallet.operation"].create(
            {
                "wallet_id": wallet.id,
                "operation": "refund",
                "amount": 100,
                "journal_id": self.journal.id,
                "reason": "Gone",
            }
        ).action_confirm()
        self.manual_debit(wallet, 25)
        self.now("2026-06-01 06:00:00")
        accrual = self.accrue()
        self.assertEqual(accrual.debts, 10, "25 at 2.5")
        account = self.company.energy_receivable_account_id
        item = accrual.move_id.line_ids.filtered(lambda ln: ln.account_id == account)
        self.assertEqual((item.amount_currency, item.balance), (25, 10))

    def manual_debit(self, wallet, amount):
        """An entry that takes from the prepayments of a wallet's tenant."""
        books = self.env["energy.books"]
        prepayments = books._prepayment_account(wallet)
        bank = self.journal.default_account_id
        books._post(
            wallet,
            "By hand",
            [
                books._line(wallet, prepayments, amount, "By hand"),
                books._line(wallet, bank, -amount, "By hand"),
            ],
        )

    def test_its_entries_stay_together(self):
        self.owe()
        accrual = self.accrue()
        for move in (accrual.move_id, accrual.reversal_id):
            for undo in (move.button_draft, move.button_cancel):
                with self.assertRaisesRegex(UserError, "belongs to the energy accrual"):
                    undo()

    def test_reversed_once_more_by_hand_it_is_a_difference_with_a_cause(self):
        self.owe()
        accrual = self.accrue()
        again = accrual.move_id._reverse_moves([{"date": "2026-06-01"}])
        again.action_post()
        proof = self.prove("2026-06-01")
        self.assertEqual(proof.line_ids.difference, 13)
        self.assertEqual(proof.cause_ids.move_id, again)
