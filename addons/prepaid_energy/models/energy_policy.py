from datetime import UTC, timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..exchange.numbers import exact
from .protected import refuse, without_defaults
from .supply import LIMIT_DIGITS

DECIDING = {
    "armed",
    "warning_threshold",
    "cutoff_threshold",
    "restore_threshold",
    "emergency_credit",
    "low_limit_kw",
}
PROTECTED = ("armed",)
DAYS_MARGIN = 1  # so much more than a level must be left before it is warned anew
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
        readonly=True,
        copy=False,
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
    level_ids = fields.One2many(
        "energy.policy.level", "policy_id", "Further Warnings", copy=True
    )
    low_limit_kw = fields.Float(
        "Limit When Low (kW)",
        digits=(16, LIMIT_DIGITS),
        tracking=True,
        help="While the balance is low, meters that can limit are set to this. "
        "0: no limit.",
    )
    overload_rearms = fields.Integer(
        "Re-arms After a Trip",
        tracking=True,
        help="So often a point that tripped on overload closes again by itself, since "
        "somebody last confirmed on site. 0: never; a person looks first.",
    )
    rearm_minutes = fields.Integer(
        "Re-arm After (min)", default=5, tracking=True, help="At least 1."
    )
    stopped_site_ids = fields.Many2many(
        "energy.site",
        compute="_compute_stopped_site_ids",
        help="Sites of its wallets where all cut-offs are stopped.",
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
    topup_fee = fields.Monetary(
        help="Taken from each payment in the portal and at the counter, and shown "
        "before paying; not from bank transfers and vouchers."
    )
    topup_fee_percent = fields.Float(
        "Top-up Fee %", digits=(5, 2), help="Of what is paid, beside the fixed fee."
    )
    topup_maximum = fields.Monetary(string="Largest Top-up", default=10000.0)
    wallet_ids = fields.One2many("energy.wallet", "policy_id")
    active = fields.Boolean(default=True)

    _rearms_sensible = models.Constraint(
        "CHECK (overload_rearms BETWEEN 0 AND 10 AND rearm_minutes >= 1)",
        "Re-arms are 0 to 10, each after at least a minute.",
    )
    _low_limit_positive = models.Constraint(
        "CHECK (low_limit_kw >= 0)", "A load limit is not negative."
    )

    @api.depends("wallet_ids.service_point_ids.site_id.cutoffs_stopped")
    def _compute_stopped_site_ids(self):
        stopped = self.env["energy.site"].search([("cutoffs_stopped", "=", True)])
        for policy in self:
            # sudo: points of wallets that this user may not see count as well
            points = policy.sudo().wallet_ids.service_point_ids
            policy.stopped_site_ids = points.site_id & stopped if stopped else stopped

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

    def _levels(self):
        """The levels at which to warn: {"balance": […], "days": […]} as Decimal."""
        levels = {"balance": [exact(self.warning_threshold, 6)], "days": []}
        if self.warning_days:
            levels["days"].append(exact(self.warning_days, 1))
        for level in self.level_ids:
            digits = 6 if level.basis == "balance" else 1
            levels[level.basis].append(exact(level[level.basis], digits))
        return levels

    def _margins(self):
        """By how much it must be better than a level before it is warned anew."""
        balance = self.restore_threshold - self.cutoff_threshold
        return {"balance": exact(balance, 6), "days": exact(DAYS_MARGIN, 1)}

    def _cut_moment(self, now, grace=True):
        """When a cut-off that is due now takes effect.

        :param datetime now: naive UTC.
        :param bool grace: whether the grace time is still to come.
        :return: naive UTC: after the grace time, in cut-off hours; a year ahead where
            the schedule has none.
        """
        moment = now + timedelta(hours=self.grace_hours if grace else 0)
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

    def _in_cut_hours(self, now):
        """Whether supply may be cut off at ``now``; without a policy always."""
        return self._cut_moment(now, grace=False) <= now

    @api.constrains("topup_fee", "topup_fee_percent", "topup_minimum")
    def _check_topup_fee(self):
        for policy in self:
            share = policy.topup_minimum * policy.topup_fee_percent / 100
            if (
                min(policy.topup_fee, policy.topup_fee_percent) < 0
                or policy.topup_fee + share >= policy.topup_minimum
            ):
                raise ValidationError(
                    policy.env._(
                        "%s: the fee is not negative, and less than the smallest "
                        "top-up.",
                        policy.name,
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

    @api.model_create_multi
    def create(self, vals_list):
        """A policy is armed by the drill's button only."""
        for vals in vals_list:
            self._refuse_armed(vals)
        clean = without_defaults(self, PROTECTED)
        return super(EnergyPolicy, clean).create(vals_list)

    def _refuse_armed(self, vals):
        message = self.env._("%s: use the buttons; arming begins with the drill.")
        refuse(self, vals, PROTECTED, message)

    def write(self, vals):
        """Apply changed thresholds to the wallets at once."""
        self._refuse_armed(vals)
        if vals.get("active") is False and self.sudo().wallet_ids:
            raise UserError(self.env._("Take the policy off its wallets first."))
        result = super().write(vals)
        if DECIDING & {*vals}:
            self.sudo().wallet_ids._apply_policy()  # sudo: wallets follow their policy
        return result

    def action_arm(self):
        """Show the drill first; its button arms."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_drill_action"
        )
        context = {"default_policy_id": self.id, "dialog_size": "extra-large"}
        return {**action, "context": context}

    def action_disarm(self):
        """Cut nobody any more; what this policy has cut comes back."""
        self.check_access("write")
        for policy in self.filtered("armed"):
            policy.sudo().armed = False  # sudo: see PROTECTED
            policy.message_post(body=self.env._("Disarmed: it cuts nobody."))

    def _arm(self, note):
        """Let the policy cut off from now on.

        Grace time and cut-off hours begin now for wallets that are used up already.

        :param str note: what the drill said, for the chatter.
        """
        self.ensure_one()
        self.check_access("write")
        if self.armed:
            raise UserError(self.env._("%s is armed already.", self.name))
        wallets = self.sudo().wallet_ids  # sudo: wallets follow their policy
        wallets._wait_for_hours(grace=True)
        self.sudo().armed = True  # sudo: see PROTECTED
        wallets._announce_cut()
        self.message_post(body=note)
