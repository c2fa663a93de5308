from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError


class EnergyTopup(models.TransientModel):
    """Fill a wallet: a tenant's by a payment at the counter, a line's by its budget."""

    _name = "energy.topup"
    _description = "Fill a Wallet"

    wallet_id = fields.Many2one("energy.wallet", required=True)
    kind = fields.Selection(related="wallet_id.kind")
    company_id = fields.Many2one(related="wallet_id.company_id")
    currency_id = fields.Many2one(related="wallet_id.currency_id")
    balance = fields.Monetary(related="wallet_id.balance")
    amount = fields.Monetary(required=True)
    fee = fields.Monetary(compute="_compute_fee")
    credited = fields.Monetary(
        compute="_compute_fee", help="What the wallet gets: the amount less the fee."
    )
    journal_id = fields.Many2one(
        "account.journal",
        compute="_compute_journal_id",
        store=True,
        readonly=False,
        domain="[('type', 'in', ('cash', 'bank')), ('company_id', '=', company_id)]",
    )
    memo = fields.Char()
    payment_id = fields.Many2one("account.payment", readonly=True)

    @api.depends("wallet_id", "amount")
    def _compute_fee(self):
        for wizard in self:
            wallet = wizard.wallet_id
            tenant = wallet.kind == "tenant"
            wizard.fee = float(wallet._topup_fee(wizard.amount)) if tenant else 0.0
            wizard.credited = wizard.amount - wizard.fee

    @api.depends("wallet_id")
    def _compute_journal_id(self):
        for wizard in self:
            wizard.journal_id = wizard.wallet_id.company_id._energy_counter_journal()

    def action_topup(self):
        """Fill the wallet; show the payment, or the line's ledger."""
        self.ensure_one()
        self.wallet_id.check_access("write")
        if self.wallet_id.kind == "line":
            return self._grant()
        return self._take_payment()

    def _take_payment(self):
        """Post a payment, which credits the wallet; a second click posts no second."""
        wallet = self.wallet_id
        if self.payment_id:
            return self.payment_id._get_records_action(name=self.env._("Top-up"))
        wallet._check_topup_amount(self.amount)
        if not self.journal_id:
            raise UserError(self.env._("Choose the cash or bank journal."))
        payment = self.env["account.payment"].create(
            {
                "payment_type": "inbound",
                "partner_type": "customer",
                "partner_id": wallet.partner_id.commercial_partner_id.id,
                "amount": self.amount,
                "currency_id": wallet.currency_id.id,
                "journal_id": self.journal_id.id,
                "memo": self.memo or wallet.reference,
                "energy_wallet_id": wallet.id,
                "energy_topup_fee": self.fee,
            }
        )
        payment.action_post()
        self.payment_id = payment
        return payment._get_records_action(name=self.env._("Top-up"))

    def _grant(self):
        """Book budget on a production line's wallet; no money moves."""
        if not self.env.user.has_group("prepaid_energy.group_energy_manager"):
            raise AccessError(self.env._("Only energy managers grant budget."))
        if self.currency_id.compare_amounts(self.amount, 0) <= 0:
            raise UserError(self.env._("The amount must be above zero."))
        # sudo: ledger rows are nobody's to write; rights were checked just above
        self.env["energy.wallet.entry"].sudo()._post(
            self.wallet_id.sudo(),
            "grant",
            Decimal(str(self.amount)),
            source_key=f"grant:energy.topup:{self.id}",
            name=self.memo or self.env._("Budget"),
            user_id=self.env.uid,
        )
        return self.wallet_id.action_view_entries()
