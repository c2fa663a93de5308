from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError


class EnergySupplyBill(models.Model):
    """Posting the variance where the accountant says; see ``energy_books.py``."""

    _inherit = "energy.supply.bill"

    date = fields.Date(
        "Accounting Date",
        compute="_compute_date",
        store=True,
        readonly=False,
        required=True,
        precompute=True,
        copy=False,
    )
    account_id = fields.Many2one(
        "account.account",
        "Variance Account",
        check_company=True,
        help="Takes the parts of the variance that have no account of their own.",
    )
    loss_account_id = fields.Many2one(
        "account.account",
        check_company=True,
        help="Takes the losses at the purchase price. Empty: they stay where the bill "
        "was booked.",
    )
    counter = fields.Selection(
        [
            ("clearing", "Energy clearing account"),
            ("expense", "Expense account of the bill"),
        ],
        "Taken From",
        required=True,
        default="clearing",
        help="Where the bill was booked.",
    )
    counter_account_id = fields.Many2one(
        "account.account",
        compute="_compute_counter_account_id",
        store=True,
        readonly=False,
        check_company=True,
    )
    entry_ids = fields.One2many(
        "account.move", "energy_supply_bill_id", "Entries", readonly=True
    )
    entry_id = fields.Many2one(
        "account.move", "Journal Entry", readonly=True, copy=False, ondelete="restrict"
    )

    @api.depends("move_id")
    def _compute_date(self):
        for bill in self:
            today = fields.Date.context_today(bill)
            bill.date = bill.move_id.date or bill.date or today

    @api.depends("counter", "move_id")
    def _compute_counter_account_id(self):
        for bill in self:
            if bill.counter == "clearing":
                bill.counter_account_id = bill.company_id._energy_account(
                    "energy_clearing_account_id"
                )
            else:
                lines = bill._energy_lines() or bill._product_lines()
                largest = lines.sorted(lambda line: -abs(line.balance))[:1]
                bill.counter_account_id = largest.account_id

    # ------------------------------------------------------------------ buttons

    def action_post(self):
        """Post the variance, and the losses where an account was chosen for them.

        :raise UserError: names what is missing, or the lock that forbids the date.
        """
        for bill in self:
            bill.check_access("write")
            bill._check_ready()
            lines = bill._entry_lines()
            entry = self.env["account.move"]
            if lines:
                name = self.env._("Variance of the utility's bill %s", bill.name)
                books = self.env["energy.books"].with_company(bill.company_id)
                entry = books._post(
                    bill, name, lines, bill.date, energy_supply_bill_id=bill.id
                )
            # sudo: the buttons alone change the state; rights were checked above
            bill.sudo().write({"state": "posted", "entry_id": entry.id})

    def action_reverse(self):
        """Reverse the entry today; the comparison can be changed and posted again.

        :raise UserError: today is locked.
        """
        for bill in self.filtered(lambda one: one.state == "posted"):
            bill.check_access("write")
            if bill.entry_id:
                bill._reverse_entry()
            # sudo: as above
            bill.sudo().write({"state": "draft", "entry_id": False})

    def action_view_entries(self):
        """Open what was posted and reversed."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "account.action_move_journal_line"
        )
        return {**action, "domain": [("id", "in", self.entry_ids.ids)], "context": {}}

    # ------------------------------------------------------------------ the entry

    def _check_ready(self):
        self.ensure_one()
        if self.state == "posted":
            raise UserError(self.env._("%s is posted already.", self.name))
        if self.move_id.state != "posted":
            raise UserError(self.env._("Post the vendor bill first."))
        if not self.quantity_metered:
            raise UserError(
                self.env._("The feeders' meters show nothing: there is no comparison.")
            )
        compared = self._others() + self._money(self.amount_billed)
        if abs(compared) > abs(self._total()):
            raise UserError(
                self.env._(
                    "More is compared than the bill has: %(compared)s of %(total)s.",
                    compared=self.currency_id.format(float(compared)),
                    total=self.currency_id.format(float(self._total())),
                )
            )
        if not self.counter_account_id:
            raise UserError(
                self.env._("Choose the account that the bill was booked on.")
            )

    def _entry_lines(self):
        """Values of the journal items; they add up to zero. None where none is due."""
        labels = dict(
            self.variance_ids._fields["kind"]._description_selection(self.env)
        )
        parts = [
            (labels[row.kind], row.account_id or self.account_id, row.amount)
            for row in self.variance_ids
        ]
        if self.loss_account_id:
            parts.append((labels["loss"], self.loss_account_id, self.loss_amount))
        parts = [
            (name, account, self._money(amount)) for name, account, amount in parts
        ]
        parts = [part for part in parts if part[2]]
        for name, account, _amount in parts:
            if not account:
                raise UserError(self.env._("Choose the account of: %s", name))
        lines = [self._entry_line(*part) for part in parts]
        total = sum((amount for _name, _account, amount in parts), Decimal(0))
        if total:
            lines.append(self._entry_line(self.name, self.counter_account_id, -total))
        return lines

    def _entry_line(self, name, account, amount):
        return {
            "name": name,
            "account_id": account.id,
            "partner_id": self.partner_id.commercial_partner_id.id,
            "balance": float(amount),
        }

    def _reverse_entry(self):
        books = self.env["energy.books"].with_company(self.company_id)
        today = books._today(self.company_id)
        books._check_lock_date(
            self.company_id, self.entry_id.journal_id, today, has_tax=False
        )
        # sudo: the entry follows from the comparison, whose rights were checked
        self.entry_id.sudo()._reverse_moves(
            [
                {
                    "date": today,
                    "ref": self.env._("Reversal of %s", self.entry_id.ref),
                    "energy_supply_bill_id": self.id,
                }
            ],
            cancel=True,
        )
