from decimal import Decimal

from odoo import models


class EnergyAdvance(models.Model):
    """Reconciles the payments of advances with their documents."""

    _inherit = "energy.advance"

    def _receivables(self, moves):
        return moves.line_ids.filtered(
            lambda line: (
                line.account_id.account_type == "asset_receivable"
                and not line.reconciled
            )
        )

    def _clear(self, wallet, lines, date):
        """Reconcile receivables; what is left goes to the prepayments.

        :param recordset lines: ``account.move.line`` of payments and documents.
        """
        for account, group in lines.grouped("account_id").items():
            rest = {
                "amount_currency": _sum(group.mapped("amount_residual_currency")),
                "balance": _sum(group.mapped("amount_residual")),
            }
            if rest["amount_currency"]:
                group |= self._move_rest(
                    wallet, account, group[0].partner_id, rest, date
                )
            group.reconcile()

    def _move_rest(self, wallet, account, partner, rest, date):
        """Post what is left on a receivable to the prepayments.

        :param dict rest: amount_currency and balance, Decimals.
        :return: the receivable's journal item.
        """
        books = self.env["energy.books"].with_company(wallet.company_id)
        prepayment = books._prepayment_account(wallet)
        name = self.env._("Prepayment of %s", wallet.reference)
        common = {
            "name": name,
            "partner_id": partner.id,
            "currency_id": wallet.currency_id.id,
            "energy_wallet_id": wallet.id,
        }
        lines = [
            {**common, "account_id": one.id}
            | {key: float(sign * value) for key, value in rest.items()}
            for one, sign in ((account, -1), (prepayment, 1))
        ]
        entry = books._post(wallet, name, lines, date)
        return entry.line_ids.filtered(lambda line: line.account_id == account)


def _sum(amounts):
    """Floats of whole cents as an exact Decimal sum."""
    return sum((Decimal(repr(amount)) for amount in amounts), Decimal(0))
