from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.tools import SQL

from .account_payment import POSTED

SUMS = ("topups", "voucher_sales", "other_in", "payouts", "other_out")
FIXED = {"company_id", "state", "closed_at", "closed_by", "line_id", "name"}


class EnergyCashierClosing(models.Model):
    """The count of a cash drawer: what should be in it, what is, and why not the same.

    It counts every payment of the cash journal, not only top-ups: the drawer has only
    one content. What was counted is locked and is not counted again. A difference is
    booked in the cash journal against its loss or profit account.
    """

    _name = "energy.cashier.closing"
    _description = "Cashier Closing"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _check_company_auto = True

    name = fields.Char(readonly=True, copy=False, default="/")
    company_id = fields.Many2one(
        "res.company", related="journal_id.company_id", store=True, index=True
    )
    journal_id = fields.Many2one(
        "account.journal",
        "Cash Journal",
        required=True,
        index=True,
        domain="[('type', '=', 'cash')]",
        default=lambda self: self._only_cash_journal(),
    )
    currency_id = fields.Many2one("res.currency", compute="_compute_currency_id")
    user_id = fields.Many2one(
        "res.users", "Cashier", help="Only payments that this user took. Empty: all."
    )
    date_from = fields.Date(
        required=True,
        compute="_compute_date_from",
        store=True,
        readonly=False,
        precompute=True,
    )
    date_to = fields.Date(required=True, default=fields.Date.context_today)
    state = fields.Selection(
        [("draft", "Counting"), ("closed", "Closed")],
        required=True,
        readonly=True,
        copy=False,
        default="draft",
        tracking=True,
    )
    opening = fields.Monetary(
        compute="_compute_opening",
        store=True,
        readonly=False,
        precompute=True,
        help="In the drawer at the beginning: what the closing before has counted.",
    )
    topups = fields.Monetary("Top-ups", compute="_compute_sums")
    voucher_sales = fields.Monetary(compute="_compute_sums")
    other_in = fields.Monetary("Other Receipts", compute="_compute_sums")
    payouts = fields.Monetary("Pay-outs", compute="_compute_sums")
    other_out = fields.Monetary("Other Payments", compute="_compute_sums")
    expected = fields.Monetary(compute="_compute_sums")
    payment_count = fields.Integer("Payments", compute="_compute_sums")
    older_count = fields.Integer(
        compute="_compute_sums", help="Earlier payments that no closing has counted."
    )
    counted = fields.Monetary(tracking=True, copy=False)
    difference = fields.Monetary(compute="_compute_sums")
    reason = fields.Char("Reason of the Difference", copy=False, tracking=True)
    payment_ids = fields.One2many(
        "account.payment", "energy_closing_id", readonly=True, copy=False
    )
    line_id = fields.Many2one(
        "account.bank.statement.line", "Difference Posted", readonly=True, copy=False
    )
    closed_at = fields.Datetime(readonly=True, copy=False)
    closed_by = fields.Many2one("res.users", readonly=True, copy=False)

    _one_at_a_time = models.UniqueIndex(
        "(journal_id) WHERE state = 'draft'",
        "This cash journal is being counted: finish or delete that closing first.",
    )

    @api.depends("journal_id")
    def _compute_currency_id(self):
        for closing in self:
            journal = closing.journal_id
            closing.currency_id = journal.currency_id or journal.company_id.currency_id

    @api.depends("journal_id", "user_id")
    def _compute_date_from(self):
        for closing in self:
            first = self.env["account.payment"].search(
                closing._open_domain(), order="date", limit=1
            )
            closing.date_from = first.date or fields.Date.context_today(closing)

    @api.depends("journal_id", "user_id")
    def _compute_opening(self):
        for closing in self:
            closing.opening = closing._before().counted

    @api.depends(
        "journal_id", "user_id", "date_from", "date_to", "opening", "counted", "state"
    )
    def _compute_sums(self):
        for closing in self:
            sums = closing._sums()
            total = sums["topups"] + sums["voucher_sales"] + sums["other_in"]
            total -= sums["payouts"] + sums["other_out"]
            expected = Decimal(repr(closing.opening)) + total
            for name in SUMS:
                closing[name] = float(sums[name])
            closing.expected = float(expected)
            closing.difference = float(Decimal(repr(closing.counted)) - expected)
            payments = closing._counted_payments()
            closing.payment_count = len(payments)
            closing.older_count = (
                0
                if closing.state == "closed" or not closing.date_from
                else self.env["account.payment"].search_count(
                    [*closing._open_domain(), ("date", "<", closing.date_from)]
                )
            )

    @api.model
    def _only_cash_journal(self):
        """The company's cash journal, where there is no choice."""
        journals = self.env["account.journal"].search(
            [("type", "=", "cash"), ("company_id", "=", self.env.company.id)], limit=2
        )
        return journals if len(journals) == 1 else journals.browse()

    def _before(self):
        """The closing before this one, of the same drawer and cashier."""
        domain = [
            ("journal_id", "=", self.journal_id.id),
            ("user_id", "=", self.user_id.id),
            ("state", "=", "closed"),
        ]
        if self._origin.id:
            domain.append(("id", "<", self._origin.id))
        return self.search(domain, limit=1)

    def _open_domain(self):
        """Payments of the drawer that no closing has counted."""
        domain = [
            ("journal_id", "=", self.journal_id.id),
            ("state", "in", POSTED),
            ("energy_closing_id", "=", False),
        ]
        if self.user_id:
            domain.append(("create_uid", "=", self.user_id.id))
        return domain

    def _counted_payments(self):
        """The payments that this closing counts, or has counted."""
        if self.state == "closed":
            return self.payment_ids
        return self.env["account.payment"].search(
            [
                *self._open_domain(),
                ("date", ">=", self.date_from),
                ("date", "<=", self.date_to),
            ]
        )

    def _sums(self):
        """Exact sums of the payments by what they were: dict name -> Decimal."""
        sums = dict.fromkeys(SUMS, Decimal(0))
        for payment in self._counted_payments():
            inbound = payment.payment_type == "inbound"
            if payment.energy_wallet_id:
                name = "topups" if inbound else "payouts"
            elif payment.energy_voucher_sale:
                name = "voucher_sales" if inbound else "payouts"
            else:
                name = "other_in" if inbound else "other_out"
            sums[name] += Decimal(repr(payment.amount))
        return sums

    # ------------------------------------------------------------------ CRUD

    @api.model_create_multi
    def create(self, vals_list):
        """Begin in the state of counting, whatever the values say."""
        for vals in vals_list:
            for name in FIXED & {*vals}:
                del vals[name]
        clean = {f"default_{name}" for name in FIXED}
        context = {k: v for k, v in self.env.context.items() if k not in clean}
        return super(
            EnergyCashierClosing,
            self.with_context(context),  # pylint: disable=context-overridden
        ).create(vals_list)

    def write(self, vals):
        """Refuse to change a closed closing."""
        done = self.filtered(lambda closing: closing.state == "closed")
        if done and not {*vals} <= {"message_main_attachment_id"}:
            raise UserError(self.env._("%s is closed.", done[0].name))
        if FIXED & {*vals}:
            raise UserError(self.env._("Closing is done by its button."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_while_counting(self):
        for closing in self.filtered(lambda one: one.state == "closed"):
            raise UserError(self.env._("%s is closed.", closing.name))

    # ------------------------------------------------------------------ closing

    def action_close(self):  # pylint: disable=missing-return
        """Lock what was counted, and book the difference.

        :raise UserError: a difference without a reason, or one that cannot be booked.
        """
        self.ensure_one()
        self.check_access("write")
        if self.state != "draft":
            raise UserError(self.env._("%s is closed.", self.name))
        self._lock()
        gap = self.currency_id.round(self.difference)
        if gap and not self.reason:
            raise UserError(
                self.env._(
                    "%s differs from what was counted: write the reason.",
                    self.currency_id.format(self.expected),
                )
            )
        payments = self._counted_payments()
        # sudo: who closes the drawer need not be able to edit posted payments
        if not self.env["account.payment"].sudo()._claim_for_closing(self, payments):
            raise UserError(self.env._("A payment was counted by another closing."))
        # sudo: numbers come from a sequence, the difference from the count
        number = self.env["ir.sequence"].sudo().next_by_code("energy.cashier.closing")
        values = {
            "name": number,
            "line_id": self._book_difference(gap, number).id if gap else False,
            "closed_at": fields.Datetime.now(),
            "closed_by": self.env.uid,
            "state": "closed",
        }
        super().write(values)

    def _lock(self):
        """Take the row: of two clicks at the same time, one closes."""
        self.flush_recordset()
        self.env.execute_query(
            SQL(
                "SELECT id FROM energy_cashier_closing WHERE id = %s FOR UPDATE",
                self.id,
            )
        )

    def _book_difference(self, gap, number):
        """Book what is missing or too much, as Odoo's point of sale does.

        :param float gap: above zero for too much, in the journal's currency.
        :return: the line in the cash journal.
        """
        journal = self.journal_id
        account = journal.profit_account_id if gap > 0 else journal.loss_account_id
        if not account:
            raise UserError(
                self.env._(
                    "%s has no account for cash differences: set its profit and loss "
                    "accounts.",
                    journal.display_name,
                )
            )
        self.env["energy.books"]._check_lock_date(
            self.company_id, journal, self.date_to, False
        )
        # sudo: a cashier books this difference, and nothing else
        Line = self.env["account.bank.statement.line"].sudo()
        return Line.create(
            {
                "journal_id": journal.id,
                "date": self.date_to,
                "amount": gap,
                "payment_ref": f"{number}: {self.reason}",
                "counterpart_account_id": account.id,
            }
        )

    def action_print(self):
        """Print the closing."""
        return self.env.ref(
            "prepaid_energy.cashier_closing_action_report"
        ).report_action(self)
