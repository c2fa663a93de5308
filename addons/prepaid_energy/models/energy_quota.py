from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

FIGURES = ("planned", "carried", "granted", "used", "forecast", "lapsed", "covered")
DIGITS = (18, 6)


class EnergyQuota(models.Model):
    """What a production line may consume in a month, in kWh or in money.

    Written by the product only: the plan fills it, approved requests grant more, the
    usage draws it down. The figures are exact numerics in the database.
    """

    _name = "energy.quota"
    _description = "Quota"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "month desc, line_id"
    _rec_name = "line_id"
    _mail_post_access = "read"  # heads and managers of lines only look, and comment
    _check_company_auto = True

    line_id = fields.Many2one(
        "energy.line",
        "Production Line",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    department_id = fields.Many2one(
        related="line_id.department_id", store=True, index=True
    )
    company_id = fields.Many2one(
        related="line_id.company_id", store=True, precompute=True, index=True
    )
    currency_id = fields.Many2one(related="line_id.currency_id")
    month = fields.Date(
        required=True, readonly=True, help="Its first day, by the clock of the site."
    )
    unit = fields.Selection(
        [("energy", "kWh"), ("money", "Money")], required=True, readonly=True
    )
    unit_name = fields.Char(compute="_compute_unit_name")
    hard = fields.Boolean(
        readonly=True, help="Used up, it cuts the points that may be cut."
    )
    planned = fields.Float(digits=DIGITS, readonly=True)
    carried = fields.Float(
        "Carried Over", digits=DIGITS, readonly=True, help="From the month before."
    )
    granted = fields.Float(
        digits=DIGITS, readonly=True, help="By approved requests and transfers."
    )
    total = fields.Float("Quota", digits=DIGITS, readonly=True)
    used = fields.Float(digits=DIGITS, readonly=True)
    remaining = fields.Float(digits=DIGITS, readonly=True)
    forecast = fields.Float(
        digits=DIGITS,
        readonly=True,
        help="What will have been used at the end of the month, at the line's usual "
        "load by weekday and hour.",
    )
    overrun = fields.Float(
        digits=DIGITS, readonly=True, help="By what the forecast exceeds the quota."
    )
    used_percent = fields.Float(
        "Used (%)", digits=(9, 1), readonly=True, aggregator="avg"
    )
    state = fields.Selection(
        [
            ("normal", "Normal"),
            ("warned", "Warned"),
            ("forecast_over", "Overrun Expected"),
            ("exhausted", "Used Up"),
            ("closed", "Month Over"),
        ],
        required=True,
        readonly=True,
        default="normal",
        index=True,
        tracking=True,
    )

    plan_id = fields.Many2one("energy.line.plan", readonly=True, ondelete="set null")
    carry = fields.Selection(
        [
            ("none", "Nothing"),
            ("unused", "What Is Left"),
            ("both", "What Is Left or Missing"),
        ],
        "Carry Over",
        readonly=True,
        help="What it takes over, by its plan when it was filled or last applied.",
    )
    carry_percent = fields.Float("At Most (%)", digits=(9, 2), readonly=True)
    grant_ids = fields.One2many("energy.quota.grant", "quota_id")
    bookings = fields.Integer(
        readonly=True, aggregator=None, help="Counts the ledger rows of plan and month."
    )
    lapsed = fields.Float(
        digits=DIGITS,
        readonly=True,
        help="What the next month was not given of what was left; below zero: what it "
        "was not charged of what was missing.",
    )
    covered = fields.Float(
        "Cost Covered",
        digits=DIGITS,
        readonly=True,
        help="What a quota in kWh has granted its wallet: what the energy cost.",
    )
    warned_percent = fields.Float(
        digits=(9, 2), readonly=True, aggregator=None, help="The last warning given."
    )
    forecast_warned = fields.Boolean(readonly=True)
    refreshed_at = fields.Datetime("Figures Of", readonly=True)

    _line_month_uniq = models.Constraint(
        "unique (line_id, month)", "The line has a quota for this month already."
    )

    @api.depends("unit", "currency_id")
    def _compute_unit_name(self):
        for quota in self:
            quota.unit_name = (
                "kWh" if quota.unit == "energy" else quota.currency_id.name
            )

    @api.depends("line_id", "month")
    def _compute_display_name(self):
        for quota in self:
            quota.display_name = f"{quota.line_id.name}, {quota.month:%Y-%m}"

    @api.model_create_multi
    def create(self, vals_list):
        """The plan fills quotas; nobody types one."""
        if not self.env.su:
            raise UserError(self.env._("A quota follows from the plan of its line."))
        return super().create(vals_list)

    def write(self, vals):
        """Only what people note on it, such as activities."""
        wrong = sorted({*vals} - {"activity_ids", "message_ids"})
        if wrong and not self.env.su:
            raise UserError(
                self.env._(
                    "%s: change the plan, or ask for more.",
                    ", ".join(wrong),
                )
            )
        return super().write(vals)

    # ------------------------------------------------------------------ figures

    def _exact(self):
        """The figures as they are in the database.

        :return: dict name -> Decimal, with ``total`` and ``remaining``; one quota.
        """
        self.ensure_one()
        self.flush_recordset()
        columns = SQL(", ").join(
            SQL("COALESCE(%s, 0)::text", SQL.identifier(name)) for name in FIGURES
        )
        row = self.env.execute_query(
            SQL("SELECT %s FROM energy_quota WHERE id = %s", columns, self.id)
        )[0]
        figures = dict(zip(FIGURES, map(Decimal, row), strict=True))
        figures["total"] = sum(figures[name] for name in FIGURES[:3])
        figures["remaining"] = figures["total"] - figures["used"]
        return figures

    def _grant(self, amount, source_key, name):
        """Add to the quota, once: money is granted to the line's wallet as well.

        :param Decimal amount: above zero, in the quota's unit.
        :param str source_key: names the cause; a known one changes nothing.
        :param str name: what the ledger and the chatter say.
        :return: whether it was added.
        """
        if amount <= 0:
            raise UserError(self.env._("The amount must be above zero."))
        return self._change_granted(amount, source_key, name)

    def _withdraw(self, amount, source_key, name):
        """Take from the quota, once; see :meth:`_grant`."""
        if amount <= 0:
            raise UserError(self.env._("The amount must be above zero."))
        return self._change_granted(-amount, source_key, name)

    def _change_granted(self, amount, source_key, name):
        """One row of ``energy.quota.grant``; the ledger row where it is money."""
        self.ensure_one()
        Grant = self.env["energy.quota.grant"].sudo()  # sudo: the caller checked rights
        if not Grant._record(self, amount, source_key, name):
            return False
        if self.unit == "money":
            self._book(amount, f"quota:{source_key}", name)
        self.sudo()._watch(margin=Decimal(0))  # sudo: what follows is the product's
        return True

    def _book(self, amount, source_key, name):
        """A grant in the ledger of the line's wallet, once.

        sudo: ledger rows are nobody's to write; the caller has checked rights.
        """
        return (
            self.env["energy.wallet.entry"]
            .sudo()
            ._post(
                self.line_id.sudo().wallet_id,
                "grant",
                amount,
                source_key=source_key,
                name=name,
            )
        )

    def _store(self, **values):
        """Write exact numbers past the ORM, which would round them. One quota."""
        self.flush_recordset()
        self.env.cr.execute(
            SQL(
                "UPDATE energy_quota SET %s WHERE id = %s",
                SQL(", ").join(
                    SQL("%s = %s", SQL.identifier(name), value)
                    for name, value in values.items()
                ),
                self.id,
            )
        )
        self.invalidate_recordset([*values])
