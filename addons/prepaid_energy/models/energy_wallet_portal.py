from datetime import timedelta
from decimal import ROUND_UP, Decimal

from odoo import fields, models
from odoo.tools import SQL, format_date, format_datetime, format_time, formatLang

from ..exchange.numbers import exact
from . import supply
from .clock import day_begin
from .day_words import DAY, day_words

FAR_DAYS = 90  # further ahead no day is named
# 4.5 : 1 and more on white
GAUGE_COLORS = {supply.NORMAL: "#146c43", supply.LOW: "#8a5a00", supply.CUT: "#b02a37"}
MOST_STEPS = 100  # a fee is a few cents off at most


class EnergyWallet(models.Model):
    """What a tenant wants to know now: how much, how long, why it is dark."""

    _inherit = "energy.wallet"

    def _portal_now(self):
        """What the page shows of this moment; in sudo mode, after the access check.

        :return: dict for the template ``portal_energy_now``.
        """
        self.ensure_one()
        clock = self._clocks()[self.id]
        balance = self._exact_balance()
        points = self.service_point_ids
        outages = points._outages()
        causes = {cause for cause, _text in outages.values()}
        days = None if self.level == supply.CUT else self._days().get(self.id)
        now = fields.Datetime.now()
        return {
            "wallet": self,
            "clock": clock,
            "asof": self.env._(
                "As of %s", format_time(self.env, now, tz=clock, time_format="short")
            ),
            "status": self._status_text(causes, clock),
            "restored": self._restore_text(),
            "balance": self._format(balance),
            "gauge": self._gauge(balance),
            "lasts": self._lasts_text(days),
            "lasts_until": self._lasts_until(days, clock),
            "uses": self._use_today(clock),
            "prices": points._prices_now(),
            "points": [point._portal_row(outages.get(point.id)) for point in points],
            "eager": bool(causes - {"unknown"}) or self.level == supply.CUT,
        }

    def _number(self, value):
        return formatLang(self.env, float(value), digits=1)

    def _lasts_text(self, days):
        """How long the balance lasts, as people say it; "" where nobody knows."""
        if days is None:
            return ""
        if days < 2:
            return self.env._("%s hours", formatLang(self.env, days * 24, digits=0))
        if days > FAR_DAYS:
            return self.env._("more than %s days", FAR_DAYS)
        return self.env._("%s days", self._number(days))

    def _status_text(self, causes, clock):
        """One sentence on how it stands.

        :param set causes: of missing supply, see ``energy.service.point._outages``.
        """
        if not self.active:
            day = format_date(self.env, self.closed_on or self.write_date)
            return self.env._("This wallet was closed on %s.", day)
        if not self.service_point_ids:
            return self.env._("No meter is on this wallet yet. You can pay in already.")
        outage = self._outage_text(clock)
        if outage:
            return outage
        if self.level == supply.LOW:
            return self.env._(
                "Your balance is running low. Supply is cut off at %s.",
                self._format(self._cutoff()),
            )
        if causes - {"unknown"}:
            return self.env._("Something is not supplied: see the meters below.")
        if causes:
            return self.env._("A meter has not been heard of: see the meters below.")
        return self.env._("You are supplied.")

    def _portal_level(self):
        """The word beside the name: normal, low, cut; or empty, or closed.

        Where nothing is supplied yet, nothing was cut off.
        """
        if not self.active:
            return "closed"
        if self.level == supply.CUT and not self.service_point_ids:
            return "empty"
        return self.level

    def _restore_text(self):
        """At which balance supply comes back, where it was cut."""
        if not self._is_cut() or not self.service_point_ids:
            return ""
        return self.env._(
            "It comes back by itself as soon as the balance reaches %s.",
            self._format(self.policy_id.restore_threshold),
        )

    def _lasts_until(self, days, clock):
        """The day on which the balance is used up, as people read it; "" if far."""
        if days is None or days > FAR_DAYS:
            return ""
        moment = fields.Datetime.now() + timedelta(days=days)
        zoned = self.with_context(tz=clock)
        day = fields.Datetime.context_timestamp(zoned, moment).date()
        return self.env._("until %s", day_words(self.env, day, DAY))

    # ------------------------------------------------------------------ times

    def _clock_text(self, moment, tz):
        """A moment by the clock ``tz``: the time alone where it is today's."""
        if not moment:
            return ""
        zoned = self.with_context(tz=tz or "UTC")
        local = fields.Datetime.context_timestamp(zoned, moment)
        today = fields.Datetime.context_timestamp(zoned, fields.Datetime.now())
        if local.date() == today.date():
            return format_time(self.env, moment, tz=tz or "UTC", time_format="short")
        return format_datetime(self.env, moment, tz=tz or "UTC", dt_format="short")

    # ------------------------------------------------------------------ outage

    def _topup_needed(self):
        """The smallest payment that brings a wallet that is cut back; in sudo mode.

        Fee and debt recovery are taken from what is paid, so it is more than what is
        missing to the restore threshold; it is not less than the smallest top-up.

        :return: Decimal in whole minor units; zero where nothing is to be paid.
        """
        self.ensure_one()
        policy = self.policy_id
        if self.level != supply.CUT:
            return Decimal(0)
        missing = exact(policy.restore_threshold, 6) - self._exact_balance()
        share = exact(policy.topup_fee_percent, 6) / 100
        debt = self.debt_wallet_id
        owed = max(-debt._exact_balance(), Decimal(0)) if debt else Decimal(0)
        if owed:
            share += exact(policy.debt_percent, 6) / 100
        least = exact(policy.topup_minimum, 6)
        unit = Decimal(1).scaleb(-self.currency_id.decimal_places)
        if share >= 1:  # all of it pays the debt back, until that is gone
            pay = missing + owed + exact(policy.topup_fee, 6)
        else:
            pay = (missing + exact(policy.topup_fee, 6)) / (1 - share)
            # the debt may be paid back before its share is taken in full
            whole = exact(policy.topup_fee_percent, 6) / 100
            other = (missing + owed + exact(policy.topup_fee, 6)) / (1 - whole)
            pay = min(pay, other) if owed else pay
        pay = max(self._cents(pay, ROUND_UP), self._cents(least, ROUND_UP))
        for _step in range(MOST_STEPS):
            if self._credited(pay, owed) >= missing:
                break
            pay += unit
        return pay

    def _credited(self, pay, owed):
        """What of a payment comes to the balance, as Decimal."""
        percent = exact(self.policy_id.debt_percent, 6)
        recovered = min(self._cents(pay * percent / 100), owed)
        return pay - self._topup_fee(float(pay)) - recovered

    def _outage_text(self, clock):
        """What was cut when, and what to pay to have it back; empty while it is not."""
        if self.level != supply.CUT or not self.service_point_ids:
            return ""
        values = {
            "balance": self._format(self._exact_balance()),
            "pay": self._format(self._topup_needed()),
        }
        since = self.level_since
        if not self.policy_id.armed:
            return self.env._(
                "The balance is used up: %(balance)s. Pay %(pay)s to be on the safe "
                "side.",
                **values,
            )
        if self.cut_from and self.cut_from > fields.Datetime.now():
            return self.env._(
                "The balance is used up: %(balance)s. Supply is cut off at %(time)s "
                "unless you pay %(pay)s before.",
                time=self._clock_text(self.cut_from, clock),
                **values,
            )
        moments = [moment for moment in (since, self.cut_from) if moment]
        return self.env._(
            "Cut at %(time)s: balance %(balance)s; pay %(pay)s to restore supply.",
            time=self._clock_text(max(moments, default=False), clock),
            **values,
        )

    # ------------------------------------------------------------------ gauge

    def _gauge(self, balance):
        """The balance as shares of a scale from the cut-off threshold up.

        :param Decimal balance: in the wallet's currency.
        :return: dict: share, warning (0 to 1), low and high ends as people read them.
        """
        policy, cutoff = self.policy_id, self._cutoff()
        warning = exact(policy.warning_threshold, 6) if policy else Decimal(0)
        high = cutoff + _round_end(max(4 * (warning - cutoff), balance - cutoff))
        below = _round_end(max(cutoff - balance, Decimal(1)))
        low = cutoff - below if balance < cutoff else cutoff
        return {
            "share": float((balance - low) / (high - low)),
            "warning": float(min(max((warning - low) / (high - low), 0), 1)),
            "low": self._format(low),
            "high": self._format(high),
            "warning_text": self._format(warning),
            "cutoff_text": self._format(cutoff),
            "color": GAUGE_COLORS[self.level],
            "label": self._gauge_label(balance, high, warning),
        }

    def _gauge_label(self, balance, high, warning):
        """The gauge in words, for who does not see it."""
        if not self.policy_id:
            return self.env._("Balance %s", self._format(balance))
        return self.env._(
            "Balance %(balance)s on a scale to %(high)s; warning at %(warning)s, "
            "cut off at %(cutoff)s.",
            balance=self._format(balance),
            high=self._format(high),
            warning=self._format(warning),
            cutoff=self._format(self._cutoff()),
        )

    # ------------------------------------------------------------------ use

    def _use_today(self, clock):
        """What was used today, and yesterday until the same time of day.

        Yesterday's part is read from the hourly roll-up, the hour under way in
        proportion; where it has no hours, yesterday is left out.

        :param str clock: time zone whose day it is.
        :return: list of dicts, one a unit: today and cost_today as exact Decimals;
            text and before (yesterday) as people read them.
        """
        self.ensure_one()
        self.env.flush_all()
        now = fields.Datetime.now()
        today = fields.Datetime.context_timestamp(self.with_context(tz=clock), now)
        today = today.date()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT commodity, uom_id, sum(quantity)::text, sum(amount_total)::text
                  FROM energy_usage
                 WHERE wallet_id = %s AND day = %s AND kind = 'energy'
                 GROUP BY 1, 2 ORDER BY sum(amount_total) DESC
                """,
                self.id,
                today,
            )
        )
        before = self._use_yesterday(today, clock, now)
        units = dict(
            self.env["uom.uom"]
            .search_fetch([("id", "in", [row[1] for row in rows])], ["name"])
            .mapped(lambda unit: (unit.id, unit.name))
        )
        return [
            {
                "today": Decimal(quantity),
                "cost_today": Decimal(cost),
                "text": f"{self._number(quantity)} {units.get(uom_id, '')}, "
                f"{self._format(Decimal(cost))}",
                "before": self._yesterday_text(before.get(commodity)),
            }
            for commodity, uom_id, quantity, cost in rows
        ]

    def _yesterday_text(self, used):
        if not used:
            return ""
        quantity, unit, cost = used
        return self.env._(
            "yesterday by this time %(quantity)s %(unit)s, %(cost)s",
            quantity=self._number(quantity),
            unit=unit,
            cost=self._format(cost),
        )

    def _use_yesterday(self, today, clock, now):
        """dict commodity -> (quantity, unit, cost) of yesterday until this time."""
        begin = day_begin(fields.Date.subtract(today, days=1), clock)
        elapsed = now - day_begin(today, clock)
        rows = self.env.execute_query(
            SQL(
                """
                SELECT commodity, sum(energy * part)::text, min(unit),
                       sum(amount * part)::text
                  FROM (SELECT interval.*, LEAST(1, EXTRACT(EPOCH FROM
                               %(end)s - interval.at) / 3600)::numeric AS part,
                               uom.name->>'en_US' AS unit
                          FROM energy_interval interval
                          JOIN energy_tariff tariff ON tariff.id = interval.tariff_id
                          JOIN uom_uom uom ON uom.id = tariff.register_uom_id
                         WHERE interval.wallet_id = %(wallet)s
                           AND interval.at >= %(begin)s AND interval.at < %(end)s
                       ) hours
                 GROUP BY 1
                """,
                wallet=self.id,
                begin=begin,
                end=begin + elapsed,
            )
        )
        return {
            commodity: (Decimal(energy or 0), unit, Decimal(amount or 0))
            for commodity, energy, unit, amount in rows
        }


def _round_end(length):
    """Where a scale of at least this length ends: at 1, 2 or 5, or ten times that …"""
    if length <= 0:
        return Decimal(1)
    ten = Decimal(1).scaleb(length.adjusted())
    return next(part * ten for part in (1, 2, 5, 10) if part * ten >= length)
