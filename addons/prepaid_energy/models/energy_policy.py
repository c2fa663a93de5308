from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

DECIDING = {"armed", "warning_threshold", "cutoff_threshold", "restore_threshold"}


class EnergyPolicy(models.Model):
    """At which balances a wallet is warned, cut off and restored."""

    _name = "energy.policy"
    _description = "Prepayment Policy"
    _inherit = ["mail.thread"]
    _order = "name, id"

    name = fields.Char(required=True)
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    armed = fields.Boolean(
        tracking=True,
        help="Unarmed, the policy warns but opens no relay: use it to watch first.",
    )
    warning_threshold = fields.Monetary(
        default=20.0,
        tracking=True,
        help="At or below this balance the tenant is warned, once.",
    )
    cutoff_threshold = fields.Monetary(
        default=0.0,
        tracking=True,
        help="At or below this balance the relays of the wallet's points are opened.",
    )
    restore_threshold = fields.Monetary(
        default=5.0,
        tracking=True,
        help="A wallet that was cut off is restored at or above this balance.",
    )
    topup_minimum = fields.Monetary(string="Smallest Top-up", default=5.0)
    topup_maximum = fields.Monetary(string="Largest Top-up", default=10000.0)
    wallet_ids = fields.One2many("energy.wallet", "policy_id")
    active = fields.Boolean(default=True)

    @api.constrains("warning_threshold", "cutoff_threshold", "restore_threshold")
    def _check_thresholds(self):
        for policy in self:
            if policy.restore_threshold <= policy.cutoff_threshold:
                raise ValidationError(
                    policy.env._(
                        "%(name)s: the restore threshold (%(restore)s) must be above "
                        "the cut-off threshold (%(cutoff)s), or a relay would chatter.",
                        name=policy.name,
                        restore=policy.restore_threshold,
                        cutoff=policy.cutoff_threshold,
                    )
                )
            if policy.warning_threshold < policy.cutoff_threshold:
                raise ValidationError(
                    policy.env._(
                        "%(name)s: the warning threshold (%(warning)s) must not be "
                        "below the cut-off threshold (%(cutoff)s).",
                        name=policy.name,
                        warning=policy.warning_threshold,
                        cutoff=policy.cutoff_threshold,
                    )
                )

    @api.constrains("topup_minimum", "topup_maximum")
    def _check_topup_limits(self):
        for policy in self:
            if not 0 < policy.topup_minimum <= policy.topup_maximum:
                raise ValidationError(
                    policy.env._(
                        "%(name)s: the smallest top-up must be above zero and not "
                        "above the largest one.",
                        name=policy.name,
                    )
                )

    def write(self, vals):
        """Apply changed thresholds to the wallets at once."""
        if vals.get("active") is False and self.sudo().wallet_ids:
            raise UserError(self.env._("Take the policy off its wallets first."))
        result = super().write(vals)
        if DECIDING & {*vals}:
            self.sudo().wallet_ids._apply_policy()  # sudo: wallets follow their policy
        return result
