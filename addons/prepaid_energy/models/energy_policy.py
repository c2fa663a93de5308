from datetime import UTC, timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

DECIDING = {
    "armed",
    "warning_threshold",
    "cutoff_threshold",
    "restore_threshold",
    "emergency_credit",
}
CALENDAR_DAYS = 60  # so far ahead cut-off hours are looked for


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
    warning_days = fields.Integer(
        tracking=True,
        help="Warn, once, when the balance lasts fewer days than this. 0: never.",
    )
    grace_hours = fields.Float(
        "Grace (h)",
        tracking=True,
        help="So long after the threshold is reached the supply stays on.",
    )
    calendar_id = fields.Many2one(
        "resource.calendar",
        "Cut-off Hours",
        tracking=True,
        help="Supply is cut off only in these working hours: not at night, on weekends "
        "or on days off that are in it. Empty: at any time.",
    )
    emergency_credit = fields.Monetary(
        tracking=True,
        help="A tenant whose balance is low may go below the cut-off threshold by so "
        "much, once until the wallet is restored.",
    )
    debt_percent = fields.Float(
        "Debt Recovery %",
        digits=(5, 2),
        tracking=True,
        help="This share of each top-up pays back the tenant's debt wallet.",
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

    @api.constrains("grace_hours", "warning_days", "emergency_credit", "debt_percent")
    def _check_not_negative(self):
        for policy in self:
            if (
                min(policy.grace_hours, policy.warning_days, policy.emergency_credit)
                < 0
            ):
                raise ValidationError(
                    policy.env._(
                        "%s: hours, days and credit are not negative.", policy.name
                    )
                )
            if not 0 <= policy.debt_percent <= 100:
                raise ValidationError(
                    policy.env._("%s: the share for debts is 0 to 100 %%.", policy.name)
                )

    def _cut_moment(self, now):
        """When a cut-off that is due now takes effect.

        :param datetime now: naive UTC.
        :return: naive UTC: after the grace time, in cut-off hours; a year ahead where
            the schedule has none.
        """
        moment = now + timedelta(hours=self.grace_hours)
        if not self.calendar_id:
            return moment
        begin = moment.replace(tzinfo=UTC)
        end = begin + timedelta(days=CALENDAR_DAYS)
        intervals = self.calendar_id._work_intervals_batch(begin, end)[False]
        for start, stop, _records in intervals:
            if stop > begin:
                found = max(start, begin).astimezone(UTC)
                return found.replace(tzinfo=None)
        return now + timedelta(days=365)

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
