from odoo import api, fields, models


class PaymentTransaction(models.Model):
    _inherit = "payment.transaction"

    energy_wallet_id = fields.Many2one(
        "energy.wallet", readonly=True, index="btree_not_null"
    )
    energy_topup_fee = fields.Monetary(
        "Top-up Fee", readonly=True, help="What the payer was shown before paying."
    )

    @api.model
    def _compute_reference_prefix(self, separator, **values):
        """Name the wallet in the reference of a top-up.

        With letters before it: on a bank statement, the provider's pay-out must not
        read like a transfer to the wallet.
        """
        wallet = self.env["energy.wallet"].browse(values.get("energy_wallet_id"))
        if wallet.exists():
            return f"TX{wallet.reference}"
        return super()._compute_reference_prefix(separator, **values)

    def _create_payment(self, **extra_create_values):
        """Lead the payment of a top-up, or of its refund, to the wallet.

        However often post-processing runs, there is one payment, and posting it books
        once (invariant 5).
        """
        source = self.source_transaction_id
        wallet = self.energy_wallet_id or source.energy_wallet_id
        if source.energy_wallet_id and source.state == "done" and not source.payment_id:
            source._create_payment()  # a refund must not come before its top-up
        late = self._energy_late(wallet)
        if late:
            extra_create_values.update(
                energy_late_wallet_id=wallet.id,
                partner_id=wallet.partner_id.commercial_partner_id.id,
            )
        elif wallet:
            extra_create_values.update(
                energy_wallet_id=wallet.id,
                partner_id=wallet.partner_id.commercial_partner_id.id,
            )
            if self.operation != "refund":
                fee = self.energy_topup_fee or source.energy_topup_fee
                extra_create_values["energy_topup_fee"] = fee
        payment = super()._create_payment(**extra_create_values)
        if late and payment.payment_type == "inbound":
            payment._report_late()
        return payment

    def _energy_late(self, wallet):
        """Whether no wallet gets the money: it was closed, or it is a refund of such.

        A capture in parts follows its first part.
        """
        source = self.source_transaction_id.payment_id
        if self.operation == "refund" and source:
            return bool(source.energy_late_wallet_id and not source.energy_wallet_id)
        return bool(wallet and not wallet.active)

    def _log_message_on_linked_documents(self, message):  # pylint: disable=missing-return
        """Tell the wallet's chatter as well."""
        super()._log_message_on_linked_documents(message)
        author = self.env.user.partner_id
        for transaction in self.filtered("energy_wallet_id"):
            transaction.energy_wallet_id.message_post(body=message, author_id=author.id)
