from odoo import api, fields, models
from odoo.tools import format_datetime

from ..exchange.numbers import exact
from . import supply


class EnergyServicePoint(models.Model):
    """The state of supply in words: what is wanted, what the meter says, and why."""

    _inherit = "energy.service.point"

    has_relay = fields.Boolean(related="meter_id.has_relay", tracking=False)
    can_limit = fields.Boolean(related="meter_id.can_limit", tracking=False)
    relay_state = fields.Selection(related="meter_id.relay_state", string="Relay")
    reported_limit_kw = fields.Float(
        related="meter_id.load_limit_kw", string="Limit Reported (kW)"
    )
    cutoffs_stopped = fields.Boolean(related="site_id.cutoffs_stopped", tracking=False)
    stop_reason = fields.Char(related="site_id.stop_reason", tracking=False)
    supply_state = fields.Selection(
        [
            ("on", "On"),
            ("off", "Off"),
            ("moving", "Switching"),
            ("locked", "Locked Out"),
            ("tripped", "Tripped"),
            ("unknown", "Unknown"),
            ("none", "No Relay"),
        ],
        compute="_compute_supply_state",
    )
    why = fields.Char(compute="_compute_why", help="Why the relay is wanted as it is.")
    command_count = fields.Integer(compute="_compute_command_count")
    last_read_now = fields.Char(
        "Read Now",
        compute="_compute_last_read_now",
        help="What came of the last order to read the meter at once.",
    )

    @api.depends(
        "locked_out",
        "tripped",
        "desired_state",
        "meter_id.relay_state",
        "meter_id.has_relay",
    )
    def _compute_supply_state(self):
        for point in self:
            point.supply_state = point._supply_state()

    def _supply_state(self):
        return supply.supply_state(
            locked_out=self.locked_out,
            tripped=self.tripped,
            has_relay=self.meter_id.has_relay,
            relay=self.meter_id.relay_state,
            desired=self.desired_state,
        )

    def _compute_command_count(self):
        groups = self.env["energy.command"]._read_group(
            [("service_point_id", "in", self.ids)], ["service_point_id"], ["__count"]
        )
        counts = {point.id: count for point, count in groups}
        for point in self:
            point.command_count = counts.get(point.id, 0)

    def _compute_last_read_now(self):
        for point in self:
            last = self.env["energy.command"].search(
                [("service_point_id", "=", point.id), ("kind", "=", "read_now")],
                limit=1,
            )
            point.last_read_now = last._answer() if last else False

    # ------------------------------------------------------------------ why

    @api.depends_context("lang", "tz")
    @api.depends(
        "desired_state",
        "locked_out",
        "tripped",
        "rearm_at",
        "switched_off",
        "shed",
        "kept_on",
        "wallet_id.balance",
        "wallet_id.level",
        "wallet_id.cut_from",
        "site_id.cutoffs_stopped",
    )
    def _compute_why(self):
        for point in self:
            # sudo: the sentence names site, wallet and people that not all may read
            point.why = point.sudo()._why()

    def _why(self):
        """One sentence: what is wanted of the relay, and because of what."""
        if self.locked_out:
            return self._why_locked()
        if self.tripped:
            return self._why_tripped()
        if self.desired_state == supply.OPEN and self.switched_off:
            return self.env._(
                "Open, because %(user)s switched it off on %(time)s.",
                user=self.switched_user_id.name or self.env._("somebody"),
                time=self._when(self.switched_at),
            )
        if self.desired_state == supply.OPEN and self.shed:
            return self.env._(
                "Open, because a quota is used up: %(reason)s (since %(time)s).",
                reason=self.shed_reason,
                time=self._when(self.shed_at),
            )
        wallet = self.wallet_id
        if not wallet or wallet.level == supply.NORMAL:
            return self.env._("Closed: supply is due.")
        if self.desired_state == supply.OPEN:
            return self._why_cut(wallet)
        if wallet.level == supply.LOW:
            return self._why_low(wallet)
        return self._why_not_cut(wallet)

    def _why_locked(self):
        values = {
            "user": self.lockout_user_id.name,
            "time": self._when(self.lockout_at),
            "reason": self.lockout_reason or "",
        }
        if self.desired_state == supply.HOLD:
            return self.env._(
                "Hands off a life-safety load: %(user)s locked it out on %(time)s: "
                "%(reason)s",
                **values,
            )
        return self.env._(
            "Open, because %(user)s locked it out on %(time)s: %(reason)s", **values
        )

    def _why_tripped(self):
        when = self._when(self.tripped_at)
        if self.rearm_at:
            return self.env._(
                "Hands off: it tripped on overload on %(time)s and closes again by "
                "itself on %(rearm)s.",
                time=when,
                rearm=self._when(self.rearm_at),
            )
        return self.env._(
            "Hands off: it tripped on overload on %s. Somebody must look into it on "
            "site and confirm.",
            when,
        )

    def _why_cut(self, wallet):
        policy = wallet.policy_id
        missing = exact(policy.restore_threshold, 6) - exact(wallet.balance, 6)
        return self.env._(
            "Open, because the wallet %(wallet)s is at %(balance)s and used up since "
            "%(time)s; a top-up of %(missing)s restores supply.",
            wallet=wallet.name,
            balance=wallet._format(wallet.balance),
            time=self._when(wallet.level_since),
            missing=wallet._format_up(missing),
        )

    def _why_low(self, wallet):
        text = self.env._(
            "Closed; the balance of %(wallet)s is low: %(balance)s.",
            wallet=wallet.name,
            balance=wallet._format(wallet.balance),
        )
        if self.wanted_limit_kw and self.wanted_limit_kw != self.load_limit_kw:
            limit = self.env._("Supply is limited to %s kW.", self.wanted_limit_kw)
            return f"{text} {limit}"
        return text

    def _why_not_cut(self, wallet):
        """The wallet is used up, and still the relay is to be closed."""
        begin = self.env._(
            "Closed, though the wallet %(wallet)s is used up (%(balance)s):",
            wallet=wallet.name,
            balance=wallet._format(wallet.balance),
        )
        if self.kept_on:
            cause = self.env._("this point, or one that it feeds, is never cut.")
        elif self.cutoffs_stopped:
            cause = self.env._("all cut-offs are stopped at %s.", self.site_id.name)
        elif not wallet.policy_id.armed:
            cause = self.env._("the policy %s is not armed.", wallet.policy_id.name)
        elif wallet.cut_from:
            cause = self.env._(
                "it is cut off on %s unless it is topped up.",
                self._when(wallet.cut_from),
            )
        else:
            cause = self.env._("it is being decided anew.")
        return f"{begin} {cause}"

    def _when(self, moment):
        """A moment by the clock of who reads the sentence."""
        return self._local(moment, self.env.context.get("tz"))

    def _local(self, moment, tz=None):
        """A moment by the clock of the site, as this user's language writes it."""
        if not moment:
            return ""
        # sudo: tenants read no sites
        tz = tz or self.sudo().site_id.tz or "UTC"
        return format_datetime(self.env, moment, tz=tz, dt_format="short")
