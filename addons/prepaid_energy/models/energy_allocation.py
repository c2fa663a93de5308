from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL, format_date

from ..exchange.numbers import exact
from . import quotas
from .line_usage import line_usage
from .protected import refuse, without_defaults

DECIDED = {
    "state",
    "amount",
    "quantity",
    "move_id",
    "reversal_id",
    "left_out",
    "day_count",
}
INPUT = {
    "source",
    "service_point_id",
    "date_from",
    "date_to",
    "date",
    "key",
    "company_id",
}
USED = """
SELECT COALESCE(sum(quantity), 0)::text, COALESCE(sum(amount_total), 0)::text
  FROM energy_usage
 WHERE service_point_id = ANY(%s) AND day = ANY(%s) AND %s
"""
# what each wallet has paid of a service point's cost
PAYERS = """
SELECT wallet_id, sum(amount_total)::text FROM energy_usage
 WHERE service_point_id = %s AND day = ANY(%s) AND %s
 GROUP BY 1 HAVING sum(amount_total) > 0 ORDER BY 1 NULLS FIRST
"""
ALL = SQL("true")
MEASURED = SQL("kind = 'energy'")


class EnergyAllocation(models.Model):
    """Divides the cost of a common meter, or of losses, by a key: first simulated.

    Common meter: what it cost. Losses: what the feeder measured less what the points
    below it measured, at the feeder's mean price.
    """

    _name = "energy.allocation"
    _description = "Cost Allocation"
    _inherit = ["mail.thread"]
    _order = "date_to desc, id desc"
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    company_id = fields.Many2one(
        "res.company", required=True, index=True, default=lambda self: self.env.company
    )
    source = fields.Selection(
        [("meter", "A Common Meter"), ("losses", "Losses Below a Feeder")],
        required=True,
        default="meter",
    )
    service_point_id = fields.Many2one(
        "energy.service.point", required=True, check_company=True, ondelete="restrict"
    )
    date_from = fields.Date("From Day", required=True)
    date_to = fields.Date("Until Day", required=True)
    date = fields.Date("Accounting Date", required=True)
    key = fields.Selection(
        [
            ("energy", "Measured Consumption"),
            ("area", "Area"),
            ("heads", "Head Count"),
            ("fixed", "Fixed Per Cent"),
        ],
        required=True,
        default="energy",
        tracking=True,
    )
    line_ids = fields.One2many("energy.allocation.line", "allocation_id", copy=True)
    quantity = fields.Float("Consumption", digits=(18, 3), readonly=True, copy=False)
    amount = fields.Monetary(readonly=True, copy=False)
    currency_id = fields.Many2one(related="service_point_id.tariff_id.currency_id")
    state = fields.Selection(
        [
            ("draft", "Draft"),
            ("simulated", "Simulated"),
            ("posted", "Posted"),
            ("reversed", "Taken Back"),
        ],
        required=True,
        readonly=True,
        copy=False,
        default="draft",
        tracking=True,
    )
    move_id = fields.Many2one("account.move", "Entry", readonly=True, copy=False)
    reversal_id = fields.Many2one("account.move", readonly=True, copy=False)

    _days = models.Constraint(
        "CHECK (date_to >= date_from)", "The last day is before the first."
    )

    @api.model_create_multi
    def create(self, vals_list):
        """What is worked out is not typed."""
        for vals in vals_list:
            self._refuse(vals)
        clean = without_defaults(self, DECIDED)
        return super(EnergyAllocation, clean).create(vals_list)

    def write(self, vals):
        """A change makes it a draft again; what is posted stays."""
        self._refuse(vals)
        if not self.env.su and INPUT & {*vals}:
            self._check_open()
            self.sudo().write({"state": "draft"})  # sudo: see DECIDED
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_open(self):
        self._check_open()

    def _refuse(self, vals):
        refuse(self, vals, DECIDED, self.env._("%s: use the buttons."))

    def _check_open(self):
        if any(one.state in ("posted", "reversed") for one in self):
            raise UserError(
                self.env._("A posted allocation stays: take it back, make another.")
            )

    # ------------------------------------------------------------------ figures

    def _used(self, points, days, what=ALL):
        """(quantity, cost) of service points on these days, as Decimals."""
        rows = self.env.execute_query(SQL(USED, points.ids, days, what))
        return map(Decimal, rows[0])

    def _cost(self, days):
        """What is divided: (quantity, cost) as Decimals, not rounded.

        :param list days: see :meth:`_free_days`.
        :raise UserError: there is nothing.
        """
        point = self.service_point_id
        quantity, cost = self._used(point, days)
        if self.source == "losses":
            measured, price_cost = self._used(point, days, MEASURED)
            below, _cost = self._used(point.child_ids, days, MEASURED)
            price = price_cost / measured if measured else Decimal(0)
            quantity = measured - below
            cost = quantity * price
        if cost <= 0:
            raise UserError(
                self.env._(
                    "%(point)s has no cost to divide from %(first)s to %(last)s. "
                    "%(left_out)s",
                    point=point.name,
                    first=format_date(self.env, self.date_from),
                    last=format_date(self.env, self.date_to),
                    left_out=self.left_out or "",
                ).strip()
            )
        return quantity, cost

    def _energies(self, days):
        """kWh of each line on these days: dict line id -> Decimal."""
        rows = self.env.execute_query(
            SQL(
                "SELECT line_id, sum(energy)::text FROM (%s) used "
                "WHERE day = ANY(%s) AND service_point_id <> %s "
                "GROUP BY 1 HAVING sum(energy) > 0",
                line_usage(self.env),
                days,
                self.service_point_id.id,
            )
        )
        return {line_id: Decimal(energy) for line_id, energy in rows}

    def _payers(self, days):
        """Who has the cost already: [(wallet or none, its weight as Decimal)]."""
        what = MEASURED if self.source == "losses" else ALL
        rows = self.env.execute_query(SQL(PAYERS, self.service_point_id.id, days, what))
        # sudo: whoever allocates need not see each wallet
        wallets = self.env["energy.wallet"].sudo()
        return [(wallets.browse(wallet), Decimal(cost)) for wallet, cost in rows]

    # ------------------------------------------------------------------ actions

    def action_all_lines(self):
        """Divide among all production lines of the company."""
        for one in self:
            lines = self.env["energy.line"].search(
                [("company_id", "=", one.company_id.id)]
            )
            one.line_ids = [
                fields.Command.create({"line_id": line.id})
                for line in lines - one.line_ids.line_id
            ]

    def action_simulate(self):
        """Show what each gets, to the cent; nothing is posted."""
        for one in self:
            one.check_access("write")
            one._check_open()
            one._simulate()

    def _simulate(self):
        if not self.line_ids:
            raise UserError(self.env._("Enter among whom it is divided."))
        days = self._free_days()
        quantity, cost = self._cost(days)
        digits = self.currency_id.decimal_places
        amount = cost.quantize(Decimal(1).scaleb(-digits))
        weights = self.line_ids._weights(days)
        try:
            parts = quotas.allocate(amount, weights, digits)
        except ValueError:
            raise UserError(
                self.env._(
                    "The key gives nobody a share: enter areas, heads or per cent."
                )
            ) from None
        total = sum(weights)
        for line, weight, part in zip(self.line_ids, weights, parts, strict=True):
            line.sudo().write(  # sudo: what is worked out is not typed
                {
                    "weight": float(weight),
                    "percent": float(weight * 100 / total),
                    "amount": float(part),
                }
            )
        values = {"quantity": float(quantity), "amount": float(amount)}
        self.sudo().write({**values, "state": "simulated"})  # sudo: see DECIDED

    def action_post(self):
        """Post what was simulated, once.

        :raise UserError: it has changed since, a date is locked, the cost was divided
            already.
        """
        for one in self:
            one.check_access("write")
            one._lock()
            if one.state == "posted":
                continue
            if one.state != "simulated":
                raise UserError(self.env._("Simulate %s first.", one.name))
            before = one.line_ids.mapped("amount")
            one._simulate()
            if one.line_ids.mapped("amount") != before:
                raise UserError(
                    self.env._(
                        "The consumption of %s has changed since it was simulated: "
                        "simulate it again.",
                        one.name,
                    )
                )
            one._claim_days()
            one.sudo().write({"state": "posted", "move_id": one._post().id})  # as above

    def _lock(self):
        """Of two who post the same meter, one is worked after the other."""
        self.env.cr.execute(
            SQL(
                "SELECT id FROM energy_service_point WHERE id = ANY(%s) FOR UPDATE",
                self.service_point_id.ids,
            )
        )
        self.invalidate_recordset()

    def _post(self):
        """Debit each target's cost; credit the clearing account, or the line that has
        the meter's cost already."""
        company = self.company_id
        books = self.env["energy.books"].with_company(company)
        expense = company._energy_account("energy_expense_account_id")
        items = []
        for line in self.line_ids.filtered("amount"):
            item = self._item(line.amount, expense, line._distribution())
            items.append(item)
        items += self._credits()
        # parts in another currency are rounded each: the last one takes the cent
        gap = sum(exact(item["balance"], 6) for item in items)
        items[-1]["balance"] = float(exact(items[-1]["balance"], 6) - gap)
        return books._post(self, self.name, items, self.date)

    def _credits(self):
        """The items that give the cost back where it is now."""
        company = self.company_id
        expense = company._energy_account("energy_expense_account_id")
        clearing = company._energy_account("energy_clearing_account_id")
        digits = self.currency_id.decimal_places
        days = self.env["energy.allocation.day"].search(
            [("allocation_id", "=", self.id)]
        )
        payers = self._payers(days.mapped("day"))
        parts = quotas.allocate(
            exact(self.amount, digits), [weight for _payer, weight in payers], digits
        )
        for (holder, _weight), part in zip(payers, parts, strict=True):
            if not part:
                continue
            if holder:
                distribution = holder._analytic_distribution()
                yield self._item(float(-part), expense, distribution)
            else:
                yield self._item(float(-part), clearing, False)

    def _item(self, amount, account, distribution):
        company = self.company_id
        rate = self.env["energy.books"]._rate(self.currency_id, company, self.date)
        return {
            "name": self.name,
            "account_id": account.id,
            "currency_id": self.currency_id.id,
            "amount_currency": amount,
            "balance": company.currency_id.round(amount * rate),
            "analytic_distribution": distribution,
        }

    def action_reverse(self):
        """Take a posted allocation back, on its accounting date."""
        books = self.env["energy.books"]
        for one in self.filtered(lambda one: one.state == "posted"):
            one.check_access("write")
            company = one.company_id
            journal = company._energy_journal()
            books._check_lock_date(company, journal, one.date, has_tax=False)
            # sudo: as the entry itself, see energy.books
            reversal = one.move_id.sudo()._reverse_moves(
                [
                    {
                        "date": one.date,
                        "ref": self.env._("%s, taken back", one.name),
                        "journal_id": journal.id,
                    }
                ]
            )
            reversal._post()
            one._release_days()
            one.sudo().write({"state": "reversed", "reversal_id": reversal.id})
