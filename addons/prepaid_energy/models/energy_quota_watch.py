from datetime import timedelta
from decimal import Decimal

from dateutil.relativedelta import relativedelta
from markupsafe import Markup

from odoo import SUPERUSER_ID, api, fields, models
from odoo.tools import SQL, formatLang

from ..exchange.numbers import exact
from . import quotas
from .clock import day_begin
from .line_usage import line_usage
from .patience import patiently

LATE = 2  # months: so long a late reading of a month that is over is taken over
MOST = Decimal("99999.9")  # per cent, of a quota of nothing


class EnergyQuota(models.Model):
    """What a quota has left and will have left: figures, warnings, cutting off."""

    _inherit = "energy.quota"

    cut_from = fields.Datetime(
        "Cuts Off From",
        compute="_compute_cut_from",
        help="A point is to be cut off, and waits for cut-off hours.",
    )

    def _compute_cut_from(self):
        now = fields.Datetime.now()
        for quota in self:
            due = quota.line_id.point_ids.filtered(
                lambda row, quota=quota: (
                    quota.hard
                    and quota.state != "closed"
                    and row.may_shed
                    and not (row.kept_on or row.shed)
                    and quota.used_percent >= row.shed_percent
                )
            )
            moments = [row._waits_until(now) for row in due]
            quota.cut_from = min((m for m in moments if m > now), default=False)

    # ------------------------------------------------------------------ by the clock

    @api.model
    def _cron_forecast(self):
        """Fill the quotas of a new month; forecast and warn. Runs each hour."""
        # those that were archived, or lost their plan, until their quotas have ended
        Line = self.env["energy.line"].with_context(active_test=False)
        lines = Line.search(
            [
                "|",
                ("quota_ids", "any", [("state", "!=", "closed")]),
                "&",
                ("active", "=", True),
                ("plan_ids", "!=", False),
            ]
        )
        self._work(lines, self._follow)
        self._restore_orphans()

    @api.model
    def _cron_shed(self):
        """Cut where a hard quota is used up, step by step; restore. Every few minutes.

        A point that comes back, because more was granted, does not wait for it.
        """
        quotas_ = self.search([("hard", "=", True), ("state", "!=", "closed")])
        self._work(quotas_, lambda quota: quota._watch(forecast=False))
        self._restore_orphans()

    def _work(self, records, work):
        """Do the work of each record in a transaction of its own."""
        for number, record in enumerate(records, 1):
            patiently(self.env, lambda one=record: work(one))
            if not self.env["ir.cron"]._commit_progress(
                1, remaining=len(records) - number
            ):
                return

    def _follow(self, line):
        """Everything of one line: quotas of months that are over, then this month's."""
        month = line._month()
        oldest = month - relativedelta(months=LATE)
        open_quotas = line.quota_ids.filtered(lambda quota: quota.month >= oldest)
        over = open_quotas.filtered(lambda quota: quota.month < month).sorted("month")
        over._measure()
        over._close()
        quota = self._fill(line) if line.active else line._quota(month)
        for one in over | quota:
            one._carry_over()
        (over | quota)._cover()
        quota._watch()

    @api.model
    def _restore_orphans(self):
        """What no hard quota of this month cuts any more comes back."""
        rows = self.env["energy.line.point"].search([("shed", "=", True)])
        rows.filtered(lambda row: not row.line_id._quota().hard)._set_shed(False)

    def _watch(self, forecast=True, margin=quotas.MARGIN):
        """Measure, warn, cut and restore.

        :param bool forecast: also forecast anew, which reads four weeks.
        :param Decimal margin: per cent points, see ``quotas.next_loads``.
        """
        self._measure(forecast)
        for quota in self.filtered(lambda quota: quota.state != "closed"):
            quota._warn()
            quota._shed(margin)

    # ------------------------------------------------------------------ figures

    def _measure(self, forecast=True):
        """Work out the figures anew from grants and usage."""
        if not self:
            return
        used, granted = self._sums()
        now = fields.Datetime.now()
        for quota in self:
            figures = quota._exact()
            total = figures["planned"] + figures["carried"] + granted[quota.id]
            expected = figures["forecast"]
            if forecast or expected < used[quota.id]:
                expected = used[quota.id] + (quota._to_come(now) if forecast else 0)
            percent = quotas.percent_of(used[quota.id], total)
            quota._store(
                granted=granted[quota.id],
                total=total,
                used=used[quota.id],
                remaining=total - used[quota.id],
                forecast=expected,
                overrun=max(expected - total, Decimal(0)),
                used_percent=min(max(percent, -MOST), MOST),
                refreshed_at=now,
            )

    def _sums(self):
        """What was used and granted: two dicts quota id -> Decimal."""
        self.env.flush_all()
        months = self.mapped("month")
        rows = self.env.execute_query(
            SQL(
                """
                SELECT quota.id, COALESCE(sum(CASE quota.unit WHEN 'energy'
                            THEN used.energy ELSE used.money END), 0)::text,
                       (SELECT COALESCE(sum(amount), 0) FROM energy_quota_grant
                         WHERE quota_id = quota.id)::text
                  FROM energy_quota quota
                  LEFT JOIN (SELECT * FROM (%s) part WHERE day >= %s AND day < %s) used
                    ON used.line_id = quota.line_id AND used.day >= quota.month
                   AND used.day < quota.month + interval '1 month'
                 WHERE quota.id = ANY(%s) GROUP BY quota.id
                """,
                line_usage(self.env, self.line_id),
                min(months),
                max(months) + relativedelta(months=1),
                self.ids,
            )
        )
        used = {quota_id: Decimal(amount) for quota_id, amount, _more in rows}
        return used, {quota_id: Decimal(more) for quota_id, _amount, more in rows}

    def _to_come(self, now):
        """What the line will use until the month's end, as Decimal in the unit."""
        tz = self.line_id.site_id.tz or "UTC"
        end = day_begin(self.month + relativedelta(months=1), tz)
        if now >= end:
            return Decimal(0)
        forecast = self.env["energy.line.forecast"]
        return forecast._to_come(self, now, end)

    # ------------------------------------------------------------------ warnings

    def _warn(self):
        """Warn head and manager, once at each level and once of the forecast."""
        figures = self._exact()
        percent = quotas.percent_of(figures["used"], figures["total"])
        levels = quotas.parse_levels(self.line_id.warning_levels)
        given = exact(self.warned_percent, 2) or None
        level = quotas.levels_given(percent, levels, given)
        over = quotas.is_over(
            figures["forecast"], figures["total"], self.forecast_warned
        )
        news = []
        if level and (given is None or level > given):
            news.append(self._level_text(percent))
        if over and not self.forecast_warned:
            news.append(self._forecast_text(figures))
        if not (level or over) and (given or self.forecast_warned):
            self._forget_warnings(self.env._("The quota is enough again."))
        values = {"state": self._state(percent, level, over)}
        if not (news and self._is_quiet()):  # then it is said when they have ended
            values["warned_percent"] = float(level or 0)
            values["forecast_warned"] = over
        else:
            news = []
        self.write(values)
        if news:
            self._tell(news)

    def _is_quiet(self):
        """Whether it is in the quiet hours in which nobody is warned."""
        now, tz = fields.Datetime.now(), self.line_id.site_id.tz or "UTC"
        return bool(self.line_id._hours_policy()._quiet_until(now, tz))

    def _state(self, percent, level, over):
        if percent >= 100:
            return "exhausted"
        if over:
            return "forecast_over"
        return "warned" if level else "normal"

    def _level_text(self, percent):
        return self.env._(
            "%(line)s has used %(percent)s %% of its quota for %(month)s: %(used)s of "
            "%(total)s.",
            line=self.line_id.name,
            percent=f"{min(percent, MOST):.1f}",
            month=f"{self.month:%Y-%m}",
            used=self._format(self.used),
            total=self._format(self.total),
        )

    def _forecast_text(self, figures):
        return self.env._(
            "%(line)s will use about %(forecast)s in %(month)s, %(over)s more than its "
            "quota of %(total)s.",
            line=self.line_id.name,
            forecast=self._format(self.forecast),
            month=f"{self.month:%Y-%m}",
            over=self._format(figures["forecast"] - figures["total"]),
            total=self._format(self.total),
        )

    def _format(self, amount):
        """An amount as people read it, with its unit."""
        if self.unit == "money":
            return self.line_id.wallet_id._format(amount)
        return f"{formatLang(self.env, float(amount), digits=0)} kWh"

    def _people(self):
        """Who is warned: the head and the manager, or whom the site calls."""
        line = self.line_id.sudo()
        return (line._head() | line.user_id) or line.site_id.user_id

    def _tell(self, news):
        """An activity for each of them, and a message by mail.

        Superuser: the product itself speaks, as in ``energy.alarm``.
        """
        quota = self.with_user(SUPERUSER_ID)
        people = quota._people()
        body = Markup('%s <a href="%s">%s</a>') % (
            " ".join(news),
            quota._ask_url(),
            self.env._("Ask for more"),
        )
        for user in people:
            quota.activity_schedule(
                "prepaid_energy.alarm_quota",
                summary=self.env._("Quota of %s", self.line_id.name),
                note=body,
                user_id=user.id,
            )
        quota.message_post(
            body=body,
            message_type="notification",
            subtype_xmlid="mail.mt_comment",
            partner_ids=people.partner_id.ids,
        )

    def _forget_warnings(self, note):
        """End the activities whose cause is gone."""
        kind = self.env.ref("prepaid_energy.alarm_quota")
        quota = self.with_user(SUPERUSER_ID)  # as above
        quota.activity_ids.filtered(
            lambda activity: activity.activity_type_id == kind
        ).action_feedback(feedback=note)

    # ------------------------------------------------------------------ cutting off

    def _shed(self, margin):
        """Cut one more point, or let points come back; see ``quotas.next_loads``."""
        line, figures = self.line_id, self._exact()
        if self.month != line._month():
            return
        rows = line.point_ids
        last = max(rows.filtered("shed").mapped("shed_at"), default=None)
        pause = timedelta(minutes=line.shed_minutes)
        now = fields.Datetime.now()
        cut, back = quotas.next_loads(
            [
                quotas.Load(
                    row,
                    row.sequence,
                    exact(row.shed_percent, 2),
                    row.may_shed,
                    row.kept_on,
                    row.shed,
                    row._waits_until(now) > now,
                )
                for row in rows
            ],
            quotas.percent_of(figures["used"], figures["total"]),
            hard=self.hard and line.active,
            rested=last is None or last + pause <= now,
            margin=margin,
        )
        for load in back:
            load.key._set_shed(False)
        if cut:
            cut.key._set_shed(True)
