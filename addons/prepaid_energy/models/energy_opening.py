from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .clock import day_begin
from .energy_wallet import PREPAID
from .protected import refuse, without_defaults

DECIDED = {"state", "move_id"}


class EnergyOpening(models.Model):
    """What a tenant had paid, or owed, when the wallet was taken over from elsewhere.

    Entered or imported as a list, posted once: a ledger row for each wallet, and one
    journal entry for each company, day and account, against the account that has the
    total from the books before.
    """

    _name = "energy.opening"
    _description = "Opening Balance"
    _inherit = ["energy.affiliated"]
    _order = "state, date desc, id"
    _rec_name = "wallet_id"
    _check_company_auto = True

    wallet_id = fields.Many2one(
        "energy.wallet",
        required=True,
        index=True,
        ondelete="restrict",
        domain="[('kind', '=', 'tenant')]",
    )
    company_id = fields.Many2one(
        related="wallet_id.company_id", store=True, precompute=True, index=True
    )
    currency_id = fields.Many2one(related="wallet_id.currency_id")
    amount = fields.Monetary(
        required=True, help="Paid in and not used; below zero: what the tenant owes."
    )
    date = fields.Date(
        required=True,
        default=fields.Date.context_today,
        help="The accounting date, and the day of the row in the wallet's ledger.",
    )
    account_id = fields.Many2one(
        "account.account",
        required=True,
        check_company=True,
        default=lambda self: self._default_account_id(),
        domain="[('account_type', 'not in', ('asset_cash', 'off_balance'))]",
        help="Which has the total from the books before: that of their opening entry.",
    )
    reason = fields.Char(help="The tenant reads it. Empty: Opening Balance.")
    state = fields.Selection(
        [("draft", "Draft"), ("posted", "Posted")],
        required=True,
        readonly=True,
        copy=False,
        default="draft",
    )
    move_id = fields.Many2one("account.move", "Entry", readonly=True, copy=False)

    _wallet_uniq = models.Constraint(
        "unique (wallet_id)", "This wallet has an opening balance already."
    )
    _amount_not_zero = models.Constraint(
        "CHECK (amount <> 0)", "An opening balance of zero needs no row."
    )

    def _default_account_id(self):
        """That of the last one, or the profits of earlier years."""
        last = self.search([("company_id", "=", self.env.company.id)], limit=1)
        return last.account_id or self.env["account.account"].search(
            [
                *self.env["account.account"]._check_company_domain(self.env.company),
                ("account_type", "=", "equity_unaffected"),
            ],
            limit=1,
        )

    @api.constrains("wallet_id", "account_id", "date")
    def _check_opening(self):
        for opening in self:
            wallet = opening.wallet_id
            if wallet.kind not in PREPAID or not wallet.active:
                raise ValidationError(
                    opening.env._("%s is no open wallet of a tenant.", wallet.name)
                )
            if opening.account_id == opening.company_id.energy_prepayment_account_id:
                raise ValidationError(
                    opening.env._(
                        "%s: the prepayments account is the other side of the entry.",
                        wallet.name,
                    )
                )
            if opening.date > opening.env["energy.books"]._today(opening.company_id):
                raise ValidationError(
                    opening.env._(
                        "%(wallet)s: %(day)s has not come yet.",
                        wallet=wallet.name,
                        day=opening.date,
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        """The button posts."""
        for vals in vals_list:
            self._refuse(vals)
        clean = without_defaults(self, DECIDED)
        return super(EnergyOpening, clean).create(vals_list)

    def write(self, vals):
        """What is posted stays."""
        self._refuse(vals)
        self._check_draft()
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_draft(self):
        self._check_draft()

    def _refuse(self, vals):
        refuse(self, vals, DECIDED, self.env._("%s: use the button."))

    def _check_draft(self):
        posted = self.filtered(lambda opening: opening.state == "posted")
        if posted and not self.env.su:
            raise UserError(
                self.env._(
                    "The opening balance of %s is posted: correct it by an operation "
                    "on the wallet, or by a transfer.",
                    posted[0].wallet_id.name,
                )
            )

    def action_post(self):
        """Post what is chosen, once; all or nothing.

        :raise UserError: a date is locked.
        """
        self.check_access("write")
        todo = self.filtered(lambda opening: opening.state == "draft")
        for (company, date, account), openings in todo.grouped(
            lambda opening: (opening.company_id, opening.date, opening.account_id)
        ).items():
            openings._post(company, date, account)
        return todo.move_id._get_records_action() if todo else None

    def _post(self, company, date, account):
        """One entry, and the ledger row of each wallet; in the order of wallets."""
        books = self.env["energy.books"].with_company(company)
        items, now = [], fields.Datetime.now()
        over = day_begin(date + timedelta(days=1), company.partner_id.tz or "UTC")
        at = min(now, over - timedelta(seconds=1))
        for opening in self.sorted("wallet_id"):
            wallet, name = opening.wallet_id, opening._title()
            amount = wallet._cents(Decimal(repr(opening.amount)))
            # sudo: ledger rows are nobody's to write; see check_access above
            booked = (
                self.env["energy.wallet.entry"]
                .sudo()
                ._post(
                    wallet.sudo(),
                    "opening",
                    amount,
                    source_key=f"opening:{wallet.id}",
                    name=name,
                    at=at,
                )
            )
            if not booked:
                raise UserError(
                    self.env._("%s has an opening balance already.", wallet.name)
                )
            prepayment = books._prepayment_account(wallet)
            items.append(books._line(wallet, prepayment, -amount, name, date))
            counter = books._line(wallet, account, amount, name, date)
            items.append({**counter, "energy_wallet_id": False})
        move = books._post(
            self[:1].wallet_id, self.env._("Opening balances of wallets"), items, date
        )
        self.sudo().write({"state": "posted", "move_id": move.id})  # sudo: see DECIDED

    def _title(self):
        """What the tenant reads."""
        spoken = self.wallet_id._in_words_of_tenant()
        return self.reason or spoken.env._("Opening Balance")
