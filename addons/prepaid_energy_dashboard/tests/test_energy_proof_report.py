from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from odoo.addons.prepaid_energy.tests.test_billing import BillingCase

from ..reports.energy_proof_report import AMOUNTS


@tagged("post_install", "-at_install")
class TestEnergyProofReport(BillingCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.user = new_test_user(
            cls.env,
            "proof_reader",
            groups="base.group_user,prepaid_energy.group_energy_accountant",
        )

    def row(self):
        """The report's row of the company, as the accountant reads it."""
        self.env.invalidate_all()
        return (
            self.env["energy.proof.report"]
            .with_user(self.user)
            .search(
                [
                    ("company_id", "=", self.company.id),
                    ("currency_id", "=", self.wallet.currency_id.id),
                ]
            )
        )

    def same_as_proof(self):
        """The report's row, after a look that the wizard says the same."""
        row, proof = self.row(), self.env["energy.proof"].create({})
        line = proof.line_ids.filtered(
            lambda line: line.currency_id == self.wallet.currency_id
        )
        self.assertTrue(row)
        for name in AMOUNTS:
            self.assertAlmostEqual(row[name], line[name], 6, name)
        self.assertEqual(row.date, proof.date)
        return row

    def test_the_sums_of_the_proof(self):
        before = self.same_as_proof() if self.row() else None
        self.assertFalse(before and before.difference)
        self.topup(100)
        self.ingest((0, "0"), (86400 * 10, "120.004"))
        row = self.same_as_proof()
        self.assertEqual((row.liability, row.wallets, row.unbilled), (100, 67, 33))
        self.bill()
        row = self.same_as_proof()
        self.assertEqual((row.liability, row.unbilled, row.difference), (67, 0, 0))

    def test_a_manual_entry_is_a_difference(self):
        self.topup(100)
        account = self.company.energy_prepayment_account_id
        cash = self.journal.default_account_id
        self.env["account.move"].create(
            {
                "move_type": "entry",
                "line_ids": [
                    (0, 0, {"account_id": account.id, "credit": 7}),
                    (0, 0, {"account_id": cash.id, "debit": 7}),
                ],
            }
        ).action_post()
        self.assertEqual(self.same_as_proof().difference, -7)

    def test_debts_that_an_accrual_shows_as_receivables_are_no_difference(self):
        self.topup(20)
        self.ingest((0, "0"), (86400 * 10, "120"))
        self.bill()
        self.env["energy.accrual"].create({"date": "2026-06-01"}).action_post()
        row = self.same_as_proof()
        self.assertEqual((row.debts, row.liability, row.difference), (13, 0, 0))

    def test_of_the_chosen_companies_and_for_accountants_only(self):
        self.topup(100)
        other = self.env["res.company"].create({"name": "Other park"})
        rows = self.env["energy.proof.report"].with_user(self.user)
        self.assertEqual(rows.search([]).company_id, self.company)
        rows = rows.with_context(allowed_company_ids=[other.id])
        with self.assertRaises(AccessError):
            rows.search([])
        operator = new_test_user(
            self.env,
            "proof_operator",
            groups="base.group_user,prepaid_energy.group_energy_operator",
        )
        with self.assertRaises(AccessError):
            rows.with_user(operator).search([])
