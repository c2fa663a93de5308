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

    def test_what_is_billed_is_not_accrued(self):
        self.topup(100)
        self.ingest((0, "0"), (86400 * 10, "120"))
        self.bill()
        with self.assertRaisesRegex(UserError, "is billed"):
            self.accrue()
        self.ingest((86400 * 20, "160"))
        self.assertEqual(self.accrue().revenue, 10)

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
