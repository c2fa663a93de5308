"""What the tests of money share: the equations that hold after each flow."""

from decimal import Decimal

from odoo.tools import SQL

UNBILLED = ("consumption", "correction", "fee")  # ledger rows that an invoice follows


class MoneyCase:
    """Mixin for test cases with ``env`` and ``company``."""

    def one(self, query, **values):
        """The single number that a query gives, as Decimal."""
        self.env.flush_all()
        return Decimal(self.env.execute_query(SQL(query, **values))[0][0] or 0)

    def credit_of(self, account):
        """The posted credit balance of an account, in the company's currency."""
        return self.one(
            """
            SELECT (-COALESCE(sum(balance), 0))::text FROM account_move_line
             WHERE account_id = %(account)s AND parent_state = 'posted'
            """,
            account=account.id or 0,
        )

    def assert_books(self):
        """Wallets and books agree, for a company that has invoiced nothing yet.

        Sum of prepaid wallets = credit of the prepayments account less what is rated
        and not invoiced; vouchers that are owed = credit of the vouchers account.
        """
        company = self.company
        wallets = self.one(
            """
            SELECT COALESCE(sum(balance), 0)::text FROM energy_wallet
             WHERE company_id = %(company)s AND kind IN ('tenant', 'debt')
               AND currency_id = %(currency)s
            """,
            company=company.id,
            currency=company.currency_id.id,
        )
        unbilled = self.one(
            """
            SELECT (COALESCE((SELECT sum(accrued) FROM energy_wallet
                               WHERE company_id = %(company)s
                                 AND kind IN ('tenant', 'debt')), 0)
                  - COALESCE((SELECT sum(entry.amount) FROM energy_wallet_entry entry
                                JOIN energy_wallet wallet
                                  ON wallet.id = entry.wallet_id
                               WHERE wallet.company_id = %(company)s
                                 AND wallet.kind IN ('tenant', 'debt')
                                 AND entry.kind IN %(kinds)s), 0))::text
            """,
            company=company.id,
            kinds=UNBILLED,
        )
        prepaid = self.credit_of(company.energy_prepayment_account_id)
        self.assertEqual(wallets, prepaid - unbilled, "wallets and prepayments")
        self.assert_proven()
        owed = self.one(
            """
            SELECT COALESCE(sum(amount), 0)::text FROM energy_voucher
             WHERE company_id = %(company)s AND payment_id IS NOT NULL
               AND settled IS NOT TRUE AND currency_id = %(currency)s
            """,
            company=company.id,
            currency=company.currency_id.id,
        )
        vouchers = self.credit_of(company.energy_voucher_account_id)
        self.assertEqual(owed, vouchers, "vouchers owed and their account")

    def assert_proven(self):
        """The product's own proof, by partner and currency, says the same."""
        proof = self.env["energy.proof"].create({"company_id": self.company.id})
        self.assertTrue(proof.proven, proof.cause_ids.mapped("display_name"))
