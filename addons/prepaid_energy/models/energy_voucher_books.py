from decimal import Decimal

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Command


class EnergyVoucher(models.Model):
    """Where a voucher's money is: sold, redeemed, paid back or kept.

    sudo mode is the caller's, who has checked rights: nobody writes vouchers by hand.
    """

    _inherit = "energy.voucher"

    def _total(self):
        return sum((Decimal(str(one.amount)) for one in self), Decimal(0))

    def _check_one_kind(self):
        """Raise UserError unless the vouchers are of one company and currency."""
        if len(self.company_id) != 1 or len(self.currency_id) != 1:
            raise UserError(
                self.env._("Choose vouchers of one company and one currency.")
            )

    def _payment(self, payment_type, journal, partner, memo):
        """Post a payment against the vouchers account."""
        self._check_one_kind()
        if not journal:
            raise UserError(self.env._("Choose the cash or bank journal."))
        payment = self.env["account.payment"].create(
            {
                "payment_type": payment_type,
                "partner_type": "customer",
                "partner_id": partner.id,
                "amount": float(self._total()),
                "currency_id": self.currency_id.id,
                "company_id": self.company_id.id,
                "journal_id": journal.id,
                "memo": memo,
                "energy_voucher_sale": True,
            }
        )
        payment.action_post()
        return payment

    def _sell(self, journal, partner):
        """Take the money for vouchers; from then on they can be redeemed.

        :return: the posted payment.
        """
        today = self._today()
        late = self.filtered(lambda one: one.expires_on and one.expires_on < today)
        if late:
            raise UserError(self.env._("Voucher %s has expired.", late[0].serial))
        memo = self.env._("Vouchers %s", ", ".join(self.mapped("serial")[:5]))
        payment = self._payment("inbound", journal, partner, memo)
        self._claim(("issued",), state="sold", payment_id=payment.id)
        return payment

    def _redeem_on(self, wallet):
        """Move the voucher's money to the wallet: books, ledger, state."""
        self.ensure_one()
        self._claim(
            ("sold",),
            state="redeemed",
            settled=True,
            wallet_id=wallet.id,
            redeemed_at=fields.Datetime.now(),
            redeemed_by=self.env.uid,
        )
        name = self.env._("Voucher %s", self.serial)
        amount = self._total()
        books = self.env["energy.books"].with_company(self.company_id)
        move = books._post(
            wallet,
            name,
            [
                self._liability(books, amount, name, self),
                books._line(wallet, books._prepayment_account(wallet), -amount, name),
            ],
        )
        self._settle_items(move)
        recovered = wallet._book_topup(
            amount,
            source_key=f"voucher:{self.id}",
            recovery_key=f"recovery:voucher:{self.id}",
            name=name,
            voucher_id=self.id,
        )
        Advance = self.env["energy.advance"]
        Advance._follow_topup(wallet, amount - recovered, move.date)

    def _liability(self, books, amount, name, voucher):
        """A journal item that takes ``amount`` off the vouchers account."""
        account = self.company_id._energy_voucher_account()
        return {
            **books._line(voucher, account, amount, name),
            "partner_id": voucher.payment_id.partner_id.id,
            "energy_wallet_id": False,
        }

    def _void(self, reason, *, journal=None, account=None):
        """End vouchers that are not redeemed.

        :param recordset journal: pays back what was paid for them.
        :param recordset account: of the income that keeps it instead.
        :return: the payments or journal entries that were posted.
        :raise UserError: one was sold, and it is not said what becomes of the money.
        """
        if not reason:
            raise UserError(self.env._("Write the reason."))
        sold = self.filtered("payment_id")
        if sold and not (journal or account):
            raise UserError(
                self.env._(
                    "Voucher %s was sold: choose the journal that pays it back, or the "
                    "account that keeps the money.",
                    sold[0].serial,
                )
            )
        self._claim(
            ("issued", "sold", "expired"),
            state="void",
            void_reason=reason,
            settled=True,
        )
        if not sold:
            return None
        memo = self.env._("Vouchers void: %s", reason)
        if account:
            return sold._keep(account, memo)
        return sold._pay_back(journal, memo)

    def _pay_back(self, journal, memo):
        """One payment to each buyer."""
        payments = self.env["account.payment"]
        for partner in {one.payment_id.partner_id for one in self}:
            part = self.filtered(lambda one, p=partner: one.payment_id.partner_id == p)
            payment = part._payment("outbound", journal, partner, memo)
            part._settle_items(payment.move_id)
            payments |= payment
        return payments

    def _keep(self, account, memo):
        """What nobody will ask for any more becomes income."""
        self._check_one_kind()
        books = self.env["energy.books"].with_company(self.company_id)
        lines = [
            self._liability(books, one._total(), f"{memo} {one.serial}", one)
            for one in self
        ]
        income = books._line(self[0], account, -self._total(), memo)
        lines.append({**income, "partner_id": False, "energy_wallet_id": False})
        move = books._post(self[0], memo, lines)
        self._settle_items(move)
        return move

    def _settle_items(self, move):
        """Reconcile what a voucher's sale owes with what ``move`` takes off it."""
        account = self.company_id.energy_voucher_account_id
        if not account.reconcile:
            return
        items = (self.payment_id.move_id | move).line_ids.filtered(
            lambda item: item.account_id == account and not item.reconciled
        )
        items.reconcile()

    def action_void(self):
        """Open the wizard that voids the chosen vouchers."""
        return self._wizard("energy.voucher.void", self.env._("Void Vouchers"))

    def action_sell(self):
        """Open the wizard that sells the chosen vouchers."""
        return self._wizard("energy.voucher.sale", self.env._("Sell Vouchers"))

    def _wizard(self, model, name):
        return {
            "type": "ir.actions.act_window",
            "name": name,
            "res_model": model,
            "view_mode": "form",
            "target": "new",
            "context": {"default_voucher_ids": [Command.set(self.ids)]},
        }
