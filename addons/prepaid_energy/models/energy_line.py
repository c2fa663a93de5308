from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from . import quotas
from .clock import local_day


class EnergyLine(models.Model):
    """A production line: what it consumes, whose budget that is, who answers for it.

    Its money is in a wallet of kind ``line``: made with the line, or taken over.
    """

    _name = "energy.line"
    _description = "Production Line"
    _inherit = ["energy.affiliated", "mail.thread", "mail.activity.mixin"]
    _order = "name, id"
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    site_id = fields.Many2one(
        "energy.site",
        required=True,
        ondelete="restrict",
        default=lambda self: self._default_site_id(),
        help="Its clock tells when a month begins.",
    )
    company_id = fields.Many2one(
        related="site_id.company_id", store=True, precompute=True, index=True
    )
    department_id = fields.Many2one(
        "hr.department",
        required=True,
        tracking=True,
        check_company=True,
        ondelete="restrict",
    )
    user_id = fields.Many2one(
        "res.users",
        "Line Manager",
        tracking=True,
        domain="[('share', '=', False)]",
        help="Warned together with the head of the department.",
    )
    analytic_account_id = fields.Many2one(
        "account.analytic.account",
        related="wallet_id.analytic_account_id",
        readonly=False,
        help="The line's energy cost goes here.",
    )
    wallet_id = fields.Many2one(
        "energy.wallet",
        check_company=True,
        copy=False,
        ondelete="restrict",
        domain="[('kind', '=', 'line'), ('line_ids', '=', False)]",
        help="Empty: one is made. A wallet that is there already is taken over, with "
        "its service points.",
    )
    currency_id = fields.Many2one(related="wallet_id.currency_id", store=True)
    balance = fields.Monetary(related="wallet_id.balance")
    point_ids = fields.One2many("energy.line.point", "line_id", copy=False)
    plan_ids = fields.One2many("energy.line.plan", "line_id", copy=True)
    quota_ids = fields.One2many("energy.quota", "line_id")
    output_ids = fields.One2many("energy.line.output", "line_id")
    quota_id = fields.Many2one(
        "energy.quota", "Quota of This Month", compute="_compute_quota_id"
    )
    area_m2 = fields.Float("Area (m²)", digits=(16, 2), help="A key of allocation.")
    head_count = fields.Float(
        digits=(16, 2), help="People working on it, a key of allocation."
    )
    warning_levels = fields.Char(
        required=True,
        default="80, 90, 100",
        help="Per cent of the quota, divided by commas. Head and manager are warned "
        "once at each.",
    )
    shed_minutes = fields.Integer(
        "Minutes Between Steps",
        default=15,
        help="Where a hard quota is used up, one more service point is cut off after "
        "this time, as long as that does not help.",
    )
    output_uom_id = fields.Many2one(
        "uom.uom",
        "Unit of Output",
        ondelete="restrict",
        help="In reports, what the line makes is converted to this unit where that is "
        "possible. Without it, each product counts in its own.",
    )
    hours_policy_id = fields.Many2one(
        "energy.policy",
        "Cut-off and Quiet Hours Of",
        check_company=True,
        ondelete="restrict",
        help="Quotas cut off and warn only in the cut-off hours, and outside of the "
        "quiet hours, of this policy. Empty: of the wallet's policy; without one, at "
        "any time. Its thresholds of money do not count here.",
    )
    active = fields.Boolean(default=True)

    _wallet_uniq = models.Constraint(
        "unique (wallet_id)", "This wallet is that of another production line."
    )
    _shed_minutes_positive = models.Constraint(
        "CHECK (shed_minutes >= 0)", "The time between steps is not negative."
    )

    @api.constrains("warning_levels")
    def _check_warning_levels(self):
        for line in self:
            try:
                quotas.parse_levels(line.warning_levels)
            except ValueError:
                raise ValidationError(
                    line.env._(
                        "%(line)s: the warning levels are numbers above 0 up to 1000, "
                        "such as 80, 90, 100; not “%(levels)s”.",
                        line=line.name,
                        levels=line.warning_levels,
                    )
                ) from None

    @api.constrains("wallet_id")
    def _check_wallet(self):
        for line in self:
            if line.wallet_id.kind != "line":
                raise ValidationError(
                    line.env._(
                        "%(wallet)s is no wallet of a production line.",
                        wallet=line.wallet_id.name,
                    )
                )

    def _default_site_id(self):
        """The site, where there is only one."""
        sites = self.env["energy.site"].search([], limit=2)
        return sites if len(sites) == 1 else False

    @api.depends("quota_ids.month")
    def _compute_quota_id(self):
        for line in self:
            line.quota_id = line._quota()

    @api.model_create_multi
    def create(self, vals_list):
        """Give each line its wallet, and its wallet's service points."""
        accounts = [vals.pop("analytic_account_id", False) for vals in vals_list]
        for vals, account in zip(vals_list, accounts, strict=True):
            if not vals.get("wallet_id"):
                vals["wallet_id"] = self._new_wallet(vals, account).id
        lines = super().create(vals_list)
        for line, account in zip(lines, accounts, strict=True):
            if account:
                line.wallet_id.analytic_account_id = account
        lines.wallet_id.service_point_ids._follow_wallet()
        return lines

    def write(self, vals):
        """The wallet stays; department and name are its own as well."""
        if "wallet_id" in vals and any(
            line.wallet_id.id != vals["wallet_id"] for line in self
        ):
            raise UserError(
                self.env._("A line keeps its wallet: make another line for another.")
            )
        if vals.get("active") is False:
            self.point_ids.filtered("shed")._set_shed(False)
        result = super().write(vals)
        shared = {key: vals[key] for key in ("department_id", "name") if key in vals}
        if shared:
            self.sudo().wallet_id.write(shared)  # sudo: it follows the line
        return result

    def _new_wallet(self, vals, account):
        site = self.env["energy.site"].browse(
            vals.get("site_id") or self._default_site_id()
        )
        company = (site.id and site.company_id) or self.env.company
        # sudo: it follows from the line, which the user may make
        return (
            self.env["energy.wallet"]
            .sudo()
            .create(
                {
                    "name": vals.get("name"),
                    "kind": "line",
                    "department_id": vals.get("department_id"),
                    "analytic_account_id": account,
                    "company_id": company.id,
                    "currency_id": company.currency_id.id,
                }
            )
        )

    def _plan(self, month):
        """The plan for a month, or none.

        :param date month: its first day.
        """
        return self.plan_ids.filtered(
            lambda plan: (
                plan.date_from <= month and (not plan.date_to or month <= plan.date_to)
            )
        )

    @api.constrains("wallet_id")
    def _check_policy(self):
        """A budget in kWh must not be cut because of prices."""
        for line in self:
            if line.wallet_id.policy_id and "energy" in line.plan_ids.mapped("unit"):
                raise ValidationError(
                    line.env._(
                        "%(line)s has a budget in kWh, but its wallet would be cut off "
                        "by money: take the policy %(policy)s off the wallet first.",
                        line=line.name,
                        policy=line.wallet_id.policy_id.name,
                    )
                )

    def _head(self):
        """Who decides on the line's quota: the head of its department, a user, or the
        stand-in while the head is away."""
        return self.department_id._energy_head()

    def _hours_policy(self):
        """Whose hours count for cut-offs and warnings; none: any time. sudo: the rule
        holds whoever works the quota."""
        line = self.sudo()
        return line.hours_policy_id or line.wallet_id.policy_id

    def _quota(self, month=None):
        """The quota of a month, or none.

        :param date month: its first day; None: this month.
        """
        month = month or self._month()
        return self.quota_ids.filtered(lambda quota: quota.month == month)

    def _month(self, moment=None):
        """The first day of the month by the clock of the site.

        :param datetime moment: naive UTC; None: now.
        """
        return self._today(moment).replace(day=1)

    def _today(self, moment=None):
        """The day by the clock of the site, see :meth:`_month`."""
        return local_day(self.site_id.tz, moment)

    def _shed_reason(self):
        """Why the line's quota cuts, for the audit."""
        quota = self._quota()
        return self.env._(
            "%(line)s has used %(percent)s %% of its quota for %(month)s",
            line=self.name,
            percent=f"{quota.used_percent:.1f}",
            month=f"{self._month():%Y-%m}",
        )
