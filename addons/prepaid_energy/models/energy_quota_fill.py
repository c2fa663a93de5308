from decimal import Decimal

from dateutil.relativedelta import relativedelta

from odoo import api, models
from odoo.tools import SQL

from ..exchange.numbers import exact
from . import quotas


class EnergyQuota(models.Model):
    """How a quota comes into being: by the plan, with what the month before left.

    All of it may run any number of times: a quota is made once, and what follows from
    figures that have changed since is booked as a difference.
    """

    _inherit = "energy.quota"

    @api.model
    def _fill(self, line, month=None):
        """The quota of a month, made by the plan where there is none yet.

        sudo mode: the caller has checked who asks, a cron or who may write the plan.

        :param recordset line: one ``energy.line``.
        :param date month: its first day; None: this month.
        :return: the quota, or none without a plan.
        """
        month = month or line._month()
        quota, plan = line._quota(month), line._plan(month)
        if quota or not plan:
            return quota
        self._alone(line)
        quota = self.sudo().create(
            {
                "line_id": line.id,
                "month": month,
                "unit": plan.unit,
                "hard": plan.hard,
                "plan_id": plan.id,
                **plan._carry_values(),
            }
        )
        line.invalidate_recordset(["quota_ids", "quota_id"])
        quota._set_planned(plan._planned(month))
        quota._before()._close()
        quota._carry_over()
        return quota

    def _alone(self, line):
        """Of two who fill a month at once, one begins anew and finds it filled.

        A row that was only locked would let the other go on with what it saw before,
        and fail at the unique key; one that was written is a lost race, which crons
        (``patiently``) and Odoo's requests run again.
        """
        self.env.cr.execute(
            SQL("UPDATE energy_line SET write_date = write_date WHERE id = %s", line.id)
        )

    def _apply_plan(self, plan):
        """Take the plan as it is now, where the unit is the same."""
        values = plan._carry_values() if self.unit == plan.unit else {}
        self.write({"hard": plan.hard, "plan_id": plan.id, **values})
        if self.unit == plan.unit:
            self._set_planned(plan._planned(self.month))
            self._carry_over()
        self._watch(margin=Decimal(0))

    def _set_planned(self, planned):
        """Change the planned amount; the wallet gets the difference."""
        more = planned - self._exact()["planned"]
        if not more:
            return
        self._store(planned=planned)
        if self.unit == "money":
            name = self.env._("Budget for %s", f"{self.month:%Y-%m}")
            self._book_next(more, name)

    def _book_next(self, amount, name):
        """A ledger row of this quota with a key of its own."""
        self._book(amount, f"quota:{self.id}:{self.bookings}", name)
        self.write({"bookings": self.bookings + 1})

    def _before(self):
        """The quota of the month before, or none."""
        month = self.month - relativedelta(months=1)
        return self.line_id.quota_ids.filtered(lambda quota: quota.month == month)

    def _after(self):
        month = self.month + relativedelta(months=1)
        return self.line_id.quota_ids.filtered(lambda quota: quota.month == month)

    def _carry_over(self):
        """Take over what the month before left, as the plan said when it was filled.

        Money that is not taken over lapses in the wallet (or is forgiven); so does all
        of it where the budget is in kWh from this month on. A late reading of the month
        before changes both by the difference.
        """
        before = self._before()
        if not before:
            return
        figures = before._exact()
        remaining = figures["remaining"]
        rule = self if self.carry else self.plan_id  # filled by an older version
        percent = exact(rule.carry_percent, 2)
        carried = quotas.carry(
            remaining,
            mode=(before.unit == self.unit and rule.carry) or "none",
            most=self._exact()["planned"] * percent / 100 if percent else None,
        )
        self._store(carried=carried)
        lapsed = remaining - carried
        change = lapsed - figures["lapsed"]
        if before.unit == "money" and change:
            before._store(lapsed=lapsed)
            name = self.env._("Not carried over from %s", f"{before.month:%Y-%m}")
            before._book_next(-change, name)

    def _cover(self):
        """Grant the wallet of a quota in kWh what its energy has cost.

        So the budget is in kWh alone, whatever the price, and the balance of the wallet
        is what is not settled yet.
        """
        for quota in self.filtered(lambda quota: quota.unit == "energy"):
            cost = Decimal(
                self.env.execute_query(
                    SQL(
                        """
                        SELECT COALESCE(-sum(amount), 0)::text
                          FROM energy_wallet_entry
                         WHERE wallet_id = %s AND day >= %s AND day < %s
                        """,
                        quota.line_id.wallet_id.id,
                        quota.month,
                        quota.month + relativedelta(months=1),
                    )
                )[0][0]
            )
            more = cost - quota._exact()["covered"]
            if more:
                quota._store(covered=cost)
                name = self.env._("Energy of %s", f"{quota.month:%Y-%m}")
                quota._book_next(more, name)

    def _close(self):
        """The month is over: nobody is warned of it any more."""
        for quota in self.filtered(lambda quota: quota.state != "closed"):
            quota._measure()
            quota.write({"state": "closed"})
            quota._forget_warnings(self.env._("The month is over."))
