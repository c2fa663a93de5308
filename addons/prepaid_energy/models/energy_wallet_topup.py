from decimal import Decimal

from odoo import models
from odoo.exceptions import UserError

from ..exchange.numbers import exact


class EnergyWallet(models.Model):
    """Money in: limits and fee of a top-up, and the ledger rows of one."""

    _inherit = "energy.wallet"

    def action_topup(self):
        """Open the counter's top-up wizard."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Top Up %s", self.name),
            "res_model": "energy.topup",
            "view_mode": "form",
            "target": "new",
            "context": {"default_wallet_id": self.id},
        }

    def action_redeem_voucher(self):
        """Open the wizard that redeems a voucher on this wallet."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Redeem a Voucher"),
            "res_model": "energy.voucher.redeem",
            "view_mode": "form",
            "target": "new",
            "context": {"default_wallet_id": self.id},
        }

    def _check_topup_amount(self, amount):
        """Refuse a top-up outside the policy's limits.

        :param float amount: in the wallet's currency.
        :raise UserError: names the limit that was missed.
        """
        self.ensure_one()
        if not self.active:
            raise UserError(self.env._("%s is closed.", self.name))
        if not self.sudo().company_id.energy_prepayment_account_id:  # sudo: as below
            raise UserError(
                self.env._("Top-ups are not set up yet; please ask the park's office.")
            )
        policy = self.sudo().policy_id  # sudo: a paying tenant may not read policies
        compare = self.currency_id.compare_amounts
        low = policy.topup_minimum or self.currency_id.rounding
        if compare(amount, low) < 0:
            raise UserError(
                self.env._("The smallest top-up is %s.", self.currency_id.format(low))
            )
        if policy and compare(amount, policy.topup_maximum) > 0:
            raise UserError(
                self.env._(
                    "The largest top-up is %s.",
                    self.currency_id.format(policy.topup_maximum),
                )
            )

    def _topup_fee(self, amount):
        """The policy's fee for a top-up, which is taken from what is paid.

        :param float amount: that is paid, in the wallet's currency.
        :return: Decimal in whole minor units, not above the amount.
        """
        self.ensure_one()
        policy = self.sudo().policy_id  # sudo: as above
        paid = exact(amount or 0.0, 6)
        share = paid * exact(policy.topup_fee_percent, 6) / 100
        fee = self._cents(exact(policy.topup_fee, 6) + share)
        return max(min(fee, paid), Decimal(0))

    def _book_topup(self, amount, *, source_key, recovery_key, name, **extra):
        """Credit a top-up and take the policy's share of it for a deferred debt.

        sudo mode is the caller's: the ledger follows from a payment, a bank line or a
        voucher, whoever handed it in.

        :param Decimal amount: above zero, in the wallet's currency.
        :param str source_key: names the cause; a known one books nothing.
        :param extra: see ``energy.wallet.entry._post``.
        :return: what of it has paid back a debt, as Decimal; None where a known
            ``source_key`` has booked nothing.
        """
        Entry = self.env["energy.wallet.entry"]
        booked = Entry._post(
            self, "topup", amount, source_key=source_key, name=name, **extra
        )
        if not booked:
            return None
        if not self.debt_wallet_id:
            return Decimal(0)
        return self._recover_debt(amount, source_key=recovery_key)
