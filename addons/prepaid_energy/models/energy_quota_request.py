from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date

from .line_usage import line_usage

ASKED_HERE = {"quota_id", "amount", "until"}
EXPIRE_LIMIT = 200  # requests a run of the cron
PRICE_DAYS = 62  # of usage that tell what a kWh costs the line
OPEN_QUOTA = "[('state', '!=', 'closed')]"


class EnergyQuotaRequest(models.Model):
    """Asks for more than the quota of a line, until a day, for a reason.

    The head of the department decides; above the limits of the company the plant
    manager, above the next ones finance. Whoever asks does not decide.
    """

    _name = "energy.quota.request"
    _description = "Quota Request"
    _inherit = ["energy.affiliated", "energy.quota.decision"]
    _page = "approve"

    quota_id = fields.Many2one(
        "energy.quota",
        required=True,
        index=True,
        ondelete="restrict",
        domain=OPEN_QUOTA,
    )
    line_id = fields.Many2one(related="quota_id.line_id", store=True, index=True)
    department_id = fields.Many2one(related="line_id.department_id", store=True)
    company_id = fields.Many2one(
        related="quota_id.company_id", store=True, precompute=True, index=True
    )
    currency_id = fields.Many2one(related="quota_id.currency_id")
    unit_name = fields.Char(related="quota_id.unit_name", string="Unit")
    amount = fields.Float(digits=(18, 6), required=True, tracking=True)
    until = fields.Date(
        "Needed Until",
        required=True,
        compute="_compute_until",
        store=True,
        readonly=False,
        precompute=True,
        help="What is not used by the end of this day is taken back.",
    )
    estimated = fields.Monetary(
        "Estimated Cost",
        compute="_compute_estimated",
        help="At what a kWh has cost the line lately.",
    )
    percent = fields.Float(
        "Of the Quota (%)", digits=(16, 1), compute="_compute_estimated"
    )
    level = fields.Selection(
        [("1", "Head of Department"), ("2", "Plant Manager"), ("3", "Finance")],
        readonly=True,
        copy=False,
        help="Who decides, by the limits in the settings, at the time of submitting.",
    )
    # For reviewers chosen by a field, and to show who it is:
    head_ids = fields.Many2many("res.users", compute="_compute_approvers")
    plant_manager_ids = fields.Many2many("res.users", compute="_compute_approvers")
    finance_ids = fields.Many2many("res.users", compute="_compute_approvers")
    taken_back = fields.Float(
        digits=(18, 6),
        readonly=True,
        copy=False,
        help="Of the approved amount, what was not used in time.",
    )
    ended_on = fields.Date(readonly=True, copy=False)

    _amount_positive = models.Constraint(
        "CHECK (amount > 0)", "A request asks for more than nothing."
    )

    @api.depends("quota_id")
    def _compute_until(self):
        for request in self.filtered("quota_id"):
            request.until = fields.Date.end_of(request.quota_id.month, "month")

    @api.depends("quota_id", "amount")
    def _compute_estimated(self):
        for request in self:
            cost, percent = request.sudo()._weight() if request.quota_id else (0, 0)
            request.estimated = float(cost or 0)
            request.percent = float(min(percent, Decimal(999999)))

    @api.depends("line_id", "requester_id")
    def _compute_approvers(self):
        for request in self:
            sudo = request.sudo()  # sudo: it follows from departments and settings
            request.head_ids = sudo._level_users("1")
            request.plant_manager_ids = sudo._level_users("2")
            request.finance_ids = sudo._level_users("3")

    @api.model
    def _asked_fields(self):
        return super()._asked_fields() | ASKED_HERE

    def action_give_back(self):
        """End an approved request early: what is not used goes back now."""
        for request in self:
            if request.state != "approved" or request.ended_on:
                raise UserError(self.env._("%s gives nothing back.", request.name))
            self._check_requester(request)
            request.sudo()._end()  # sudo: quotas are nobody's to write

    # ------------------------------------------------------------------ weight

    def _exact_amount(self):
        """The amount as the database has it, as Decimal."""
        self.ensure_one()
        self.flush_recordset()
        [[text]] = self.env.execute_query(
            SQL("SELECT amount::text FROM energy_quota_request WHERE id = %s", self.id)
        )
        return Decimal(text)

    def _asked_before(self):
        """What other requests have got of the quota, or wait for, as Decimal."""
        self.env.flush_all()
        [[before]] = self.env.execute_query(
            SQL(
                """
                SELECT COALESCE(sum(amount - COALESCE(taken_back, 0)), 0)::text
                  FROM energy_quota_request
                 WHERE quota_id = %s AND id <> %s
                   AND state IN ('submitted', 'approved')
                """,
                self.quota_id.id,
                self.id,
            )
        )
        return Decimal(before)

    def _weight(self, before=Decimal(0)):
        """How much it is.

        :param Decimal before: what counts as well.
        :return: (cost as Decimal, or ``None`` where nothing tells the price of a kWh;
            per cent of the quota as Decimal).
        """
        amount = Decimal(repr(self.amount)) + before
        quota = self.quota_id
        total = Decimal(repr(quota.planned)) + Decimal(repr(quota.carried))
        percent = amount * 100 / total if total > 0 else Decimal("Infinity")
        if quota.unit == "money":
            return amount, percent
        price = self._unit_price()
        return (None if price is None else amount * price), percent

    def _unit_price(self):
        """What a kWh has cost the line lately, levies included; None: not known."""
        since = fields.Date.subtract(fields.Date.today(), days=PRICE_DAYS)
        self.env.flush_all()
        [[cost, quantity]] = self.env.execute_query(
            SQL(
                """
                SELECT sum(money), sum(energy) FROM (%s) used
                 WHERE line_id = %s AND day >= %s AND kind = 'energy'
                   AND commodity = 'electricity' AND energy IS NOT NULL
                """,
                line_usage(self.env, self.line_id),
                self.line_id.id,
                since,
            )
        )
        return Decimal(cost) / Decimal(quantity) if quantity else None

    def _needed_level(self):
        """Which level decides, by the limits of the company.

        Requests for the same quota count together, so that many small ones are no way
        around a limit. Where a limit of money is set and the cost is not known, it
        counts as above.
        """
        cost, percent = self._weight(self._asked_before())
        level = "1"
        for number, money, share in self.company_id._energy_request_limits():
            over = (money and (cost is None or cost > money)) or (
                share and percent > share
            )
            if over:
                level = number
        return level

    # ------------------------------------------------------------------ decision

    def _submitted_values(self):
        if self.quota_id.state == "closed":
            raise UserError(self.env._("%s is over.", self.quota_id.display_name))
        last = fields.Date.end_of(self.quota_id.month, "month")
        if not self.line_id._today() <= self.until <= last:
            raise UserError(
                self.env._(
                    "%(name)s: “needed until” is a day from today to %(last)s.",
                    name=self.name,
                    last=format_date(self.env, last),
                )
            )
        return {"level": self._needed_level()}

    def _deciders(self):
        users = self._level_users(self.level or "1")
        if self.escalated:
            users |= self._level_users(str(int(self.level or "1") + 1))
        return users

    def _level_users(self, level):
        """Who decides on a level: the next one where there is nobody but who asks.

        In sudo mode.
        """
        company = self.company_id
        ways = {
            "1": self._heads,
            "2": lambda: company.energy_plant_manager_ids,
            "3": lambda: company.energy_finance_ids,
        }
        for number, way in ways.items():
            users = way().filtered("active") - self.requester_id
            if number >= level and users:
                return users
        return self.env["res.users"]

    def _heads(self):
        """Head and stand-in of the first department upwards that has others than the
        requester."""
        department = self.department_id
        while department:
            users = department._energy_deciders() - self.requester_id
            if users:
                return users
            department = department.parent_id
        return self.env["res.users"]

    def _behalf(self, user):
        department = self.department_id
        while department:
            if user in department._energy_deciders():
                return department._energy_head_of() - user
            department = department.parent_id
        return super()._behalf(user)

    def _figures(self):
        return f"{self.quota_id.id}:{self._exact_amount()}:{self.until}"

    def _approve(self, note):
        """Grant the amount, which restores what the quota has cut; tell the requester.

        One transaction: all of it, or nothing.
        """
        if self.quota_id.state == "closed" or self.until < self.line_id._today():
            raise UserError(self.env._("%s: the time it was for is over.", self.name))
        self.quota_id._grant(
            self._exact_amount(),
            f"request:{self.id}",
            self.env._("%(name)s, approved by %(user)s", **self._names()),
        )
        self._close("approved", note)

    def _names(self):
        return {"name": self.name, "user": self.env.user.name}

    def _facts(self):
        cost, percent = self._weight()
        known = cost is not None
        quota = self.quota_id
        facts = [
            (self.env._("Line"), self.line_id.name),
            (self.env._("Requested"), self._quantity(self.amount)),
            (
                self.env._("Estimated cost"),
                self.currency_id.format(float(cost))
                if known
                else self.env._("unknown"),
            ),
            (self.env._("Quota"), self._quantity(quota.total)),
            (self.env._("Granted before"), self._quantity(quota.granted)),
            (self.env._("Used so far"), self._quantity(quota.used)),
            (self.env._("Expected at month's end"), self._quantity(quota.forecast)),
            (self.env._("Needed until"), format_date(self.env, self.until)),
        ]
        if percent.is_finite():
            facts.insert(3, (self.env._("Of the quota"), f"{percent:.1f} %"))
        return facts

    def _quantity(self, amount):
        """An amount with its unit, as people read it."""
        if self.quota_id.unit == "money":
            return self.currency_id.format(amount)
        text = self.env["ir.qweb.field.float"].value_to_html(amount, {"precision": 0})
        return f"{text} kWh"

    # ------------------------------------------------------------------ end

    @api.model
    def _cron_expire(self):
        """Expire what nobody decided; take back what was not used in time."""
        due = self.search(
            [
                ("until", "<", fields.Date.add(fields.Date.today(), days=1)),
                "|",
                ("state", "=", "submitted"),
                "&",
                ("state", "=", "approved"),
                ("ended_on", "=", False),
            ],
            order="until, id",
            limit=EXPIRE_LIMIT,
        )
        # by the clock of each site
        over = due.filtered(lambda request: request.until < request.line_id._today())
        for request in over:
            if request.state == "approved":
                request._end()
            else:
                request._lock("submitted")
                request._close("expired", "")

    def _end(self):
        """Take back what is not used of an approved request.

        What is left of the quota counts as not used: the extra is used up last. A month
        that is over is closed first, so that nobody is warned of what is taken back.
        """
        quota = self.quota_id
        if quota.state != "closed" and quota.month < self.line_id._month():
            quota._close()  # which ends this one as well
            return
        self._lock("approved")
        if self.ended_on:
            return
        quota._measure(forecast=False)
        left = max(quota._exact()["remaining"], Decimal(0))
        unused = min(self._exact_amount(), left)
        if unused:
            quota._withdraw(
                unused,
                f"request:{self.id}:end",
                self.env._("%s has ended, this was not used", self.name),
            )
        self._write_decided(
            {"ended_on": self.line_id._today(), "taken_back": float(unused)}
        )
        self._tell_requester(
            self.env._(
                "%(name)s has ended: %(unused)s of %(amount)s were not used and are "
                "taken back.",
                name=self.name,
                unused=self._quantity(float(unused)),
                amount=self._quantity(self.amount),
            )
        )
