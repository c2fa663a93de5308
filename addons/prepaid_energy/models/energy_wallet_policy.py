from datetime import UTC, timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, float_round, format_datetime

from .. import forecast
from ..exchange.numbers import exact
from ..rating.clock import zone
from . import supply

USE_DAYS = 7  # over which the daily use is averaged
SHORTEST = timedelta(hours=1)


class EnergyWallet(models.Model):
    """What the policy makes of a wallet's balance: warnings, cut-off, restore."""

    _inherit = "energy.wallet"

    days_left = fields.Float(
        compute="_compute_days_left",
        digits=(16, 1),
        help="Until the cut-off threshold: by the usual week of this wallet, or at the "
        "use of the last seven days where that is the better guess. Empty where "
        "nothing was used.",
    )
    warned = fields.Json(
        readonly=True,
        copy=False,
        help="The lowest levels of which the tenant was warned: balance and days.",
    )
    emergency_offered = fields.Boolean(compute="_compute_emergency_offered")

    @api.depends("level", "emergency_active", "policy_id.emergency_credit")
    def _compute_emergency_offered(self):
        for wallet in self:
            wallet.emergency_offered = not wallet._no_emergency()

    def _compute_days_left(self):
        days = self._days()
        for wallet in self:
            wallet.days_left = days.get(wallet.id, False)

    def _days(self):
        """Days until the cut-off threshold: dict wallet id -> float, where used."""
        uses, balances = self._daily_use(), self._exact_balances()
        profiles = self.env["energy.forecast"]._profiles(self)
        result = {}
        for wallet in self:
            left = balances[wallet.id] - wallet._cutoff()
            days = None
            if wallet.id in profiles:
                days = _days_by_profile(float(left), *profiles[wallet.id])
            if days is None and wallet.id in uses:
                days = max(float(left / uses[wallet.id]), 0.0)
            if days is not None:
                result[wallet.id] = days
        return result

    def _daily_use(self):
        """What each wallet pays a day, over the last seven days or since its first.

        :return: dict wallet id -> Decimal per day, without wallets that paid nothing.
        """
        if not self:
            return {}
        self.env.flush_all()
        now = fields.Datetime.now()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT used.wallet_id, sum(used.amount_total)::text,
                       min(used.day::timestamp AT TIME ZONE tariff.tz
                           AT TIME ZONE 'UTC')
                  FROM energy_usage used
                  JOIN energy_tariff tariff ON tariff.id = used.tariff_id
                 WHERE used.wallet_id = ANY(%(wallets)s)
                   AND used.day > %(now)s::date - %(days)s - 1
                   AND used.day > (%(now)s::timestamp AT TIME ZONE 'UTC'
                                   AT TIME ZONE tariff.tz)::date - %(days)s
                 GROUP BY 1 HAVING sum(used.amount_total) > 0
                """,
                wallets=self.ids,
                now=now,
                days=USE_DAYS,
            )
        )
        uses = {}
        for wallet_id, amount, first in rows:
            elapsed = now - first
            seconds = int(max(elapsed, SHORTEST).total_seconds())
            uses[wallet_id] = Decimal(amount) * 86400 / seconds
        return uses

    # ------------------------------------------------------------------ levels

    def _apply_policy(self):
        """Move each wallet to the level its balance asks for, and act on the change."""
        balances = self._exact_balances()
        for wallet in self:
            level = wallet._level_at(balances[wallet.id])
            if level != wallet.level:
                wallet._change_level(level, balances[wallet.id])
        self._warn("balance", balances)
        # sudo: the relay follows the money, whoever moved it
        self.sudo().service_point_ids._converge()

    def _cutoff(self):
        """The balance at or below which the wallet is cut off, as Decimal."""
        policy = self.sudo().policy_id  # sudo: a paying tenant may not read policies
        cutoff = exact(policy.cutoff_threshold, 6)
        if self.emergency_active:
            cutoff -= exact(policy.emergency_credit, 6)
        return cutoff

    def _level_at(self, balance):
        policy = self.sudo().policy_id  # sudo: a paying tenant may not read policies
        if not policy:
            return supply.NORMAL
        return supply.wallet_level(
            balance,
            self.level,
            warning=exact(policy.warning_threshold, 6),
            cutoff=self._cutoff(),
            restore=exact(policy.restore_threshold, 6),
        )

    def _change_level(self, level, balance):  # pylint: disable=missing-return
        before = self.level
        now = fields.Datetime.now()
        policy = self.sudo().policy_id  # sudo: as above
        values = {"level": level, "level_since": now, "cut_from": False}
        if level == supply.CUT:
            values["cut_from"] = policy._cut_moment(now)
        elif balance >= exact(policy.restore_threshold, 6):
            values["emergency_active"] = False
        self._write_decided(values)
        spoken = self._in_words_of_tenant()
        body = spoken._level_message(before, level, spoken._format(balance))
        if body:
            spoken._tell(body, "supply", level_before=before)

    def _is_cut(self, now=None):
        """Whether the wallet's relays are to be open now."""
        now = now or fields.Datetime.now()
        return (
            self.level == supply.CUT
            and self.policy_id.armed
            and (not self.cut_from or self.cut_from <= now)
        )

    def _level_message(self, before, level, balance):
        """What the tenant reads when the level changes; empty when there is no news."""
        if level == supply.CUT and self.sudo().policy_id.armed:
            if self.cut_from > fields.Datetime.now():
                return self.env._(
                    "Balance %(balance)s: used up. Supply will be cut off on %(time)s "
                    "unless you top up.",
                    balance=balance,
                    time=self._local_text(self.cut_from),
                )
            return self.env._(
                "Balance %s: supply is being cut off. Top up to restore it.", balance
            )
        if level == supply.CUT:
            return self.env._(
                "Balance %s: used up (the cut-off policy is not armed).", balance
            )
        if before == supply.CUT:
            return self.env._("Balance %s: supply is being restored.", balance)
        return ""

    def _announce_cut(self):
        """Tell tenants whose wallets were used up before the policy was armed."""
        for wallet in self.filtered(lambda wallet: wallet.level == supply.CUT):
            spoken = wallet._in_words_of_tenant()
            balance = spoken._format(wallet.balance)
            message = spoken._level_message(supply.CUT, supply.CUT, balance)
            spoken._tell(message, "supply", level_before=supply.CUT)

    def _wait_for_hours(self, grace=False):
        """Let cut-offs that are about to be made anew wait for cut-off hours again.

        Wallets of which a relay is open already stay as they are.

        :param bool grace: whether the grace time begins anew as well.
        """
        now = fields.Datetime.now()
        waiting = self.filtered(
            lambda wallet: (
                wallet.level == supply.CUT
                and "open" not in wallet.service_point_ids.mapped("desired_state")
            )
        )
        for policy, wallets in waiting.grouped("policy_id").items():
            moment = policy._cut_moment(now, grace=grace)
            if grace or moment > now:
                wallets._write_decided({"cut_from": moment})

    def _format_up(self, amount):
        """A Decimal amount as people read it, rounded up to what can be paid."""
        rounded = float_round(
            float(amount),
            precision_rounding=self.currency_id.rounding,
            rounding_method="UP",
        )
        return self.currency_id.format(rounded)

    def _local_text(self, moment):
        """A moment as this language writes it, by the clock of the site."""
        # sudo: tenants read no sites
        tz = self.sudo().service_point_ids[:1].site_id.tz or "UTC"
        return format_datetime(self.env, moment, tz=tz, dt_format="short")

    # ------------------------------------------------------------------ by the clock

    @api.model
    def _cron_policy(self):
        """Cut what waited for its grace time or for cut-off hours; warn."""
        now = fields.Datetime.now()
        due = self.search([("level", "=", supply.CUT), ("cut_from", "<=", now)])
        due._wait_for_hours()  # a day off may have been entered since
        due.service_point_ids._converge()
        self._warn_by_balance()
        self._warn_by_days()
        self._report_closed()

    # ------------------------------------------------------------------ warnings

    @api.model
    def _warn_by_balance(self):
        """Warn at the further levels; the first one is warned of with the level."""
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT DISTINCT wallet.id
                  FROM energy_wallet wallet
                  LEFT JOIN energy_policy policy ON policy.id = wallet.policy_id
                  LEFT JOIN LATERAL (
                    SELECT balance FROM energy_policy_level
                     WHERE policy_id = policy.id AND basis = 'balance'
                     UNION ALL
                    SELECT balance FROM energy_wallet_level
                     WHERE wallet_id = wallet.id AND basis = 'balance') level ON true
                 WHERE wallet.active
                   AND (wallet.balance <= level.balance
                        AND level.balance < COALESCE(
                            (wallet.warned->>'balance')::numeric, 'infinity')
                        OR wallet.balance > (wallet.warned->>'balance')::numeric
                            + COALESCE(policy.restore_threshold
                                       - policy.cutoff_threshold, 0))
                """
            )
        )
        wallets = self.browse([row[0] for row in rows])
        wallets._warn("balance", wallets._exact_balances())

    @api.model
    def _warn_by_days(self):
        """Warn when few days are left."""
        wallets = self.search(
            [
                "|",
                "|",
                ("policy_id.warning_days", ">", 0),
                ("policy_id.level_ids.basis", "=", "days"),
                ("own_level_ids.basis", "=", "days"),
            ]
        )
        days = wallets._days()
        wallets._warn(
            "days", {key: Decimal(repr(value)) for key, value in days.items()}
        )

    def _warn(self, basis, values):
        """Warn each wallet once at each level, anew after it was better by a margin.

        :param str basis: ``balance`` or ``days``.
        :param dict values: wallet id -> Decimal; without one there is nothing to fear.
        """
        for wallet in self:
            policy = wallet.sudo().policy_id  # sudo: as above
            levels = wallet._warning_levels()[basis]
            given = (wallet.warned or {}).get(basis)
            given = None if given is None else Decimal(given)
            value = values.get(wallet.id, Decimal("Infinity"))
            now = supply.warnings_given(value, levels, given, policy._margins()[basis])
            if now == given:
                continue
            warned = dict(wallet.warned or {})
            warned[basis] = None if now is None else str(now)
            wallet._write_decided({"warned": warned})
            fresh = now is not None and (given is None or now < given)
            if fresh and wallet.level != supply.CUT:
                spoken = wallet._in_words_of_tenant()
                spoken._tell(spoken._warning(basis, value), "warning", basis=basis)

    def _warning(self, basis, value):
        """What the tenant reads."""
        balance = self._format(self.balance)
        if basis == "balance":
            return self.env._("Balance %s: please top up soon.", balance)
        return self.env._(
            "Balance %(balance)s: at your use of the last days it lasts %(days).1f "
            "more days.",
            balance=balance,
            days=float(value),
        )

    # ------------------------------------------------------------------ emergency

    def action_emergency(self):
        """Let a wallet use its policy's emergency credit, once until it is restored.

        The tenant may ask, over the portal, and who may write the wallet in the office.

        :raise UserError: there is none, it is in use, or it is not needed yet.
        :raise AccessError: not one's own wallet, or only allowed to look.
        """
        self.check_access("read")
        self._check_may_pay()
        if self.env.user._is_internal():
            self.check_access("write")
        for wallet in self:
            problem = wallet._no_emergency()
            if problem:
                raise UserError(problem)
            # sudo: the tenant, or the office, asks; the policy has allowed it
            wallet = wallet.sudo()
            wallet._write_decided({"emergency_active": True})
            amount = wallet._format(wallet.policy_id.emergency_credit)
            wallet.message_post(
                body=self.env._(
                    "Emergency credit of %(amount)s taken by %(user)s.",
                    amount=amount,
                    user=self.env.user.name,
                )
            )
            wallet._leave_cut()

    def _no_emergency(self):
        """Why there is no emergency credit to take now; empty where there is."""
        policy = self.sudo().policy_id  # sudo: tenants read no policies
        if not policy.emergency_credit:
            return self.env._("There is no emergency credit here.")
        if self.emergency_active:
            return self.env._("The emergency credit is in use already.")
        if self.level == supply.NORMAL:
            return self.env._("The balance is not low.")
        return ""

    def _leave_cut(self):
        """A lower threshold counts at once, without waiting for the restore level."""
        balance = self._exact_balances()[self.id]
        if self.level == supply.CUT and balance > self._cutoff():
            self._change_level(supply.LOW, balance)
        self._apply_policy()


def _days_by_profile(left, profile, tz, holidays):
    """How long ``left`` lasts from now on, by the clock ``tz``; holidays are dates."""
    now = fields.Datetime.now().replace(tzinfo=UTC).astimezone(zone(tz or "UTC"))
    slot = now.weekday() * 24 + now.hour
    into = (now.minute * 60 + now.second) / 3600
    days = range((max(holidays, default=now.date()) - now.date()).days + 1)
    off = [now.date() + timedelta(days=number) in holidays for number in days]
    free = [holiday for holiday in off for _hour in range(24)][now.hour :]
    return forecast.days_until(left, profile, slot, into, free if any(off) else [])
