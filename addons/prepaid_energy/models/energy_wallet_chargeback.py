from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError


class EnergyWallet(models.Model):
    """Chargebacks: the payer's bank takes the money of a top-up back.

    It is no mistake of the office, as an undone top-up is: it has a kind of its own in
    the ledger, the bank's fee may be passed on, and whoever took money back has no
    emergency credit until a manager allows it again.
    """

    _inherit = "energy.wallet"

    emergency_blocked = fields.Boolean(
        "No Emergency Credit",
        readonly=True,
        copy=False,
        tracking=True,
        help="A chargeback blocks it until an energy manager allows it again.",
    )

    @api.depends("emergency_blocked")
    def _compute_emergency_offered(self):  # pylint: disable=missing-return
        super()._compute_emergency_offered()

    def _charge_back(self, payment, amount, journal, reason, fee=None):
        """Book what the bank took back, and the fee that it asks for.

        :param recordset payment: the top-up, ``account.payment``.
        :param Decimal amount: above zero, at most what is left of the top-up.
        :param recordset journal: the bank's, ``account.journal``.
        :param Decimal fee: what the tenant is charged for it, or None.
        :return: the posted ``account.payment``.
        """
        self.ensure_one()
        if payment.journal_id.type == "cash":
            raise UserError(self.env._("Cash is not charged back: pay it out."))
        taken = self._refund(
            amount, journal, reason, reverses=payment, energy_chargeback=True
        )
        if fee:
            self._charge_fee(
                fee,
                self.env._("Fee of the chargeback of %s", payment.name),
                source_key=f"fee:chargeback:{taken.id}",
            )
        # sudo: see DECIDED_BY_LEDGER
        self.sudo()._write_decided(
            {"emergency_blocked": True, "emergency_active": False}
        )
        self._apply_policy()
        return taken

    def _no_emergency(self):
        """As before; and not after a chargeback."""
        if self.emergency_blocked:
            return self.env._(
                "A payment was charged back: please ask the park's office."
            )
        return super()._no_emergency()

    def action_allow_emergency(self):
        """Allow emergency credit again after a chargeback.

        :raise AccessError: the user is no energy manager.
        """
        if not self.env.user.has_group("prepaid_energy.group_energy_manager"):
            raise AccessError(
                self.env._("Only energy managers allow emergency credit again.")
            )
        self.check_access("write")
        self._write_decided({"emergency_blocked": False})
