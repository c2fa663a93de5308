from decimal import Decimal

from dateutil.relativedelta import relativedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tools import SQL

from ..exchange.numbers import exact
from . import quotas
from .line_usage import line_usage

MONTHS = 12


class EnergyLinePlan(models.Model):
    """The budget of a production line: what fills its quota each month, and how hard.

    A month's amount is the amount of the plan times the month's factor, or the planned
    output times the amount for a unit of it.
    """

    _name = "energy.line.plan"
    _description = "Budget Plan of a Production Line"
    _inherit = ["energy.affiliated", "mail.thread"]
    _order = "line_id, date_from desc"
    _rec_name = "line_id"
    _check_company_auto = True

    line_id = fields.Many2one(
        "energy.line",
        "Production Line",
        required=True,
        index=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one(
        related="line_id.company_id", store=True, precompute=True, index=True
    )
    currency_id = fields.Many2one(related="line_id.currency_id")
    date_from = fields.Date(
        "From Month",
        required=True,
        tracking=True,
        default=lambda self: fields.Date.today().replace(day=1),
    )
    date_to = fields.Date(
        "Until Month", tracking=True, help="The last month. Empty: until another plan."
    )
    unit = fields.Selection(
        [("energy", "kWh"), ("money", "Money")],
        required=True,
        default="energy",
        tracking=True,
        help="A budget in kWh is not used up sooner when prices rise.",
    )
    hard = fields.Boolean(
        "Cuts Off",
        tracking=True,
        help="When the quota is used up, the service points that may be cut are cut, "
        "in the order of shedding. Otherwise people are only warned.",
    )
    basis = fields.Selection(
        [("amount", "Amount a Month"), ("output", "Planned Output")],
        required=True,
        default="amount",
        tracking=True,
    )
    amount = fields.Float(
        "Amount a Month",
        digits=(18, 6),
        tracking=True,
        help="Times the month's factor.",
    )
    per_unit = fields.Float(
        "For a Unit of Output",
        digits=(18, 6),
        tracking=True,
        help="Times the month's planned output.",
    )
    carry = fields.Selection(
        [
            ("none", "Nothing"),
            ("unused", "What Is Left"),
            ("both", "What Is Left or Missing"),
        ],
        "Carried Over",
        required=True,
        default="none",
        tracking=True,
    )
    carry_percent = fields.Float(
        "At Most (%)",
        digits=(9, 2),
        help="Of the month's plan. 0: no limit.",
    )
    change_percent = fields.Float(
        "Change (%)",
        digits=(9, 2),
        help="When last year is copied: 5 is five per cent more, -5 less.",
    )
    month_ids = fields.One2many(
        "energy.line.plan.month", "plan_id", default=lambda self: self._twelve()
    )
    year_total = fields.Float(
        "Twelve Months", digits=(18, 3), compute="_compute_year_total"
    )

    _positive = models.Constraint(
        "CHECK (amount >= 0 AND per_unit >= 0 AND carry_percent >= 0)",
        "Amounts and limits of a plan are not negative.",
    )

    @api.constrains("date_from", "date_to", "line_id")
    def _check_months(self):
        for plan in self:
            if any(d and d.day != 1 for d in (plan.date_from, plan.date_to)):
                raise ValidationError(
                    plan.env._("A plan is for whole months: enter their first days.")
                )
            others = plan.line_id.plan_ids - plan
            if plan.date_to and plan.date_to < plan.date_from:
                raise ValidationError(
                    plan.env._(
                        "The plan of %s ends before it begins.", plan.line_id.name
                    )
                )
            for other in others:
                if (not plan.date_to or other.date_from <= plan.date_to) and (
                    not other.date_to or plan.date_from <= other.date_to
                ):
                    raise ValidationError(
                        plan.env._(
                            "%(line)s has another plan from %(month)s on: end that "
                            "one first.",
                            line=plan.line_id.name,
                            month=f"{other.date_from:%Y-%m}",
                        )
                    )

    @api.constrains("unit", "line_id")
    def _check_policy(self):
        self.line_id._check_policy()

    @api.constrains("month_ids")
    def _check_twelve(self):
        for plan in self:
            if len({row.month for row in plan.month_ids}) != MONTHS:
                raise ValidationError(
                    plan.env._("The plan of %s needs 12 months.", plan.line_id.name)
                )

    @api.depends("month_ids.planned")
    def _compute_year_total(self):
        for plan in self:
            plan.year_total = sum(plan.month_ids.mapped("planned"))

    def _twelve(self):
        return [Command.create({"month": str(n)}) for n in range(1, MONTHS + 1)]

    # ------------------------------------------------------------------ amounts

    def _planned(self, month):
        """What the plan gives for a month, as Decimal in the plan's unit.

        :param date month: its first day.
        """
        self.ensure_one()
        if self.basis == "output":
            each = exact(self.per_unit, quotas.DIGITS)
            return quotas.rounded(self._planned_output(month) * each)
        return quotas.rounded(exact(self.amount, quotas.DIGITS) * self._factor(month))

    def _row(self, month):
        return self.month_ids.filtered(lambda row: row.month == str(month.month))

    def _factor(self, month):
        return exact(self._row(month).factor, quotas.DIGITS)

    def _planned_output(self, month):
        """The planned output of a month as Decimal; manufacturing may know better.

        :param date month: its first day.
        """
        return exact(self._row(month).output, quotas.DIGITS)

    def _carry_values(self):
        """What a quota keeps of the plan when it is filled."""
        return {"carry": self.carry, "carry_percent": self.carry_percent}

    # ------------------------------------------------------------------ actions

    def action_copy_last_year(self):
        """Take last year's consumption, month by month, with the change in per cent.

        Months without any consumption get the mean of the others.

        :raise UserError: the line has not consumed anything last year.
        """
        for plan in self:
            plan.check_access("write")
            months = plan._last_year()
            if not months:
                raise UserError(
                    plan.env._(
                        "%(line)s has no consumption in the year before %(month)s.",
                        line=plan.line_id.name,
                        month=f"{plan.date_from:%Y-%m}",
                    )
                )
            mean = sum(months.values(), Decimal(0)) / len(months)
            more = 1 + exact(plan.change_percent, 2) / 100
            plan.basis = "amount"
            plan.amount = float(quotas.rounded(mean * more))
            for row in plan.month_ids:
                known = months.get(int(row.month))
                row.factor = float(quotas.rounded(known / mean)) if known else 1.0
            missing = sorted({*range(1, MONTHS + 1)} - {*months})
            if missing:
                plan.message_post(
                    body=plan.env._(
                        "Last year was copied. These months had no consumption and "
                        "have the mean of the others: %s",
                        ", ".join(map(str, missing)),
                    )
                )

    def _last_year(self):
        """Consumption in the year before the plan, by month number, above zero."""
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT extract(month FROM day)::int, sum(%s)::text
                  FROM (%s) used
                 WHERE line_id = %s AND day >= %s AND day < %s
                 GROUP BY 1 HAVING sum(%s) > 0
                """,
                SQL.identifier(self.unit),
                line_usage(self.env, self.line_id),
                self.line_id.id,
                self.date_from - relativedelta(years=1),
                self.date_from,
                SQL.identifier(self.unit),
            )
        )
        return {month: Decimal(amount) for month, amount in rows}

    def action_apply(self):
        """Use the plan as it is now for the quota of this month as well."""
        self.check_access("write")
        for plan in self:
            quota = self.env["energy.quota"].sudo()._fill(plan.line_id)  # see there
            if quota:
                quota._apply_plan(plan)
