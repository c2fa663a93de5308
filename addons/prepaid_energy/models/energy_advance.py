from collections import defaultdict
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tools import SQL

from ..billing.advances import Part, invoice_lines, open_advances, take

ROUNDING = Decimal("0.05")  # more than this between lines and tax is no rounding
# What the books owe a wallet's tenant: money in and out, less what was invoiced.
POSITION = """
SELECT (SELECT COALESCE(sum(amount), 0) FROM energy_wallet_entry
         WHERE wallet_id = %(id)s
           AND kind NOT IN ('consumption', 'fee', 'correction'))::text,
       (SELECT COALESCE(sum(amount_billed), 0) FROM energy_bill
         WHERE wallet_id = %(id)s)::text
"""


class EnergyAdvance(models.Model):
    """An advance invoice: a top-up whose tax was due when it was paid.

    Invariant: what is open of a wallet's advances is at most what the books owe its
    tenant, so no tax is due on money that is gone. Amounts are in whole cents of the
    wallet's currency; the lines of the documents are in ``billing/advances.py``.
    """

    _name = "energy.advance"
    _description = "Advance Invoice"
    _order = "date desc, id desc"
    _rec_name = "move_id"

    wallet_id = fields.Many2one(
        "energy.wallet", required=True, readonly=True, index=True, ondelete="restrict"
    )
    partner_id = fields.Many2one(related="wallet_id.partner_id", string="Tenant")
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    currency_id = fields.Many2one("res.currency", required=True, readonly=True)
    payment_id = fields.Many2one(
        "account.payment",
        "Top-up",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
    )
    move_id = fields.Many2one(
        "account.move",
        "Invoice",
        required=True,
        readonly=True,
        index=True,
        ondelete="restrict",
    )
    date = fields.Date(required=True, readonly=True)
    tax_id = fields.Many2one("account.tax", required=True, readonly=True)
    amount = fields.Monetary("With Tax", required=True, readonly=True)
    amount_net = fields.Monetary("Net", required=True, readonly=True)
    amount_tax = fields.Monetary("Tax Amount", required=True, readonly=True)
    amount_used = fields.Monetary("Used", required=True, readonly=True)
    net_used = fields.Monetary(required=True, readonly=True)
    tax_used = fields.Monetary(required=True, readonly=True)
    amount_open = fields.Monetary(
        "Not Used Yet", compute="_compute_amount_open", store=True
    )
    use_ids = fields.One2many("energy.advance.use", "advance_id", "Used By")

    @api.depends("amount", "amount_used")
    def _compute_amount_open(self):
        for advance in self:
            advance.amount_open = advance.currency_id.round(
                advance.amount - advance.amount_used
            )

    # ------------------------------------------------------------------ what happened

    @api.model
    def _follow_payment(self, payment, recovered):
        """Make the tax document of a top-up or a refund, and reconcile the payment.

        Whatever account the payment went to, the prepayments move by its amount once:
        what of it has no tax document goes from the receivable to the prepayments.

        :param recordset payment: posted, booked on its wallet just now.
        :param Decimal recovered: what of a top-up has paid back a deferred debt.
        """
        # sudo: documents follow the posted payment, whoever posted it
        payment, self = payment.sudo(), self.sudo()  # pylint: disable=self-cls-assignment
        wallet = payment.energy_wallet_id
        amount = Decimal(repr(payment.amount))
        if payment.payment_type == "inbound":
            move = self._invoice(wallet, amount - recovered, payment.date, payment)
        else:
            undone = payment.energy_reversed_id
            parts = self._gone(wallet, amount, undone)
            move = self._release(wallet, parts, payment.date)
        self._clear(wallet, self._receivables(payment.move_id | move), payment.date)

    @api.model
    def _follow_topup(self, wallet, amount, date):
        """Make the tax document of a top-up that is already on the prepayments.

        sudo mode is the caller's: a bank transfer or a voucher decides.

        :param Decimal amount: that came in, less what has paid back a deferred debt.
        """
        move = self.sudo()._invoice(wallet, amount, date)
        self.sudo()._clear(wallet, self._receivables(move), date)

    @api.model
    def _follow_taken_back(self, wallet):
        """Credit what had been taxed of money that a wallet no longer has."""
        self = self.sudo()  # pylint: disable=self-cls-assignment
        date = self.env["energy.books"]._today(wallet.company_id)
        note = self._release(wallet, self._gone(wallet), date)
        self._clear(wallet, self._receivables(note), date)

    @api.model
    def _follow_transfer(self, source, target, amount):
        """Credit what of the money had been taxed, and invoice it to the new owner.

        Between wallets of one tenant the documents stay as they are.

        :param Decimal amount: what was moved between the wallets just now.
        """
        # sudo: documents follow the transfer, whose rights were checked
        self = self.sudo()  # pylint: disable=self-cls-assignment
        source, target = source.sudo(), target.sudo()
        parts = self._gone(source)
        owners = [w.partner_id.commercial_partner_id for w in (source, target)]
        if owners[0] == owners[1]:
            self._hand_over(parts, target)
            return
        date = self.env["energy.books"]._today(source.company_id)
        note = self._release(source, parts, date)
        self._clear(source, self._receivables(note), date)
        released = min(amount, _total(parts, "amount"))
        invoice = self._invoice(target, released, date)
        self._clear(target, self._receivables(invoice), date)

    @api.model
    def _deduct(self, wallets, invoices):
        """Deduct open advances, the oldest first, from final invoices in draft.

        :param list wallets: one of each invoice.
        :param recordset invoices: draft; a credit note deducts nothing.
        :return: {wallet: what was deducted, with its tax, as Decimal}.
        """
        found = defaultdict(list)
        everyone = self.env["energy.wallet"].union(*wallets)
        for advance in open_advances(everyone) if everyone else ():
            found[advance.wallet_id].append(advance)
        deducted = {}
        for wallet, invoice in zip(wallets, invoices, strict=True):
            if wallet.id in found and invoice.move_type == "out_invoice":
                total = Decimal(repr(invoice.amount_total))
                parts = take(found[wallet.id], total)
                self._use(wallet, invoice, parts, -1)
                amount = _total(parts, "amount")
                self._make_exact(invoice, total - amount)
                deducted[wallet] = amount
        return deducted

    # ------------------------------------------------------------------ documents

    def _position(self, wallet):
        """What the books owe the tenant of a wallet, as exact Decimal."""
        self.env.flush_all()
        money, billed = self.env.execute_query(SQL(POSITION, id=wallet.id))[0]
        return Decimal(money) - Decimal(billed)

    def _invoice(self, wallet, most, date, payment=None):
        """Post an advance invoice, of what is not owed for consumption invoiced before.

        :param Decimal most: the money that came in.
        :return: the posted invoice; empty where nothing is taxed in advance.
        """
        company = wallet.company_id
        nothing = self.env["account.move"]
        if company.energy_tax_point != "topup":
            return nothing
        cent = Decimal(1).scaleb(-wallet.currency_id.decimal_places)
        owed = self._position(wallet).quantize(cent, ROUND_FLOOR)
        amount = min(most.quantize(cent), owed)
        if amount <= 0:
            return nothing
        tax = company._usable_advance_tax()
        net = wallet._cents(amount / (1 + Decimal(repr(tax.amount)) / 100))
        part = Part(0, amount, net, self._tax_of(wallet, tax, net))
        move = self._document(
            wallet,
            "out_invoice",
            date,
            invoice_lines(
                wallet, part, tax, self.env._("Advance for energy, %s", date)
            ),
        )
        self._make_exact(move, amount)
        move._post(soft=False)
        self._record(wallet, part, move, tax, payment)
        return move

    def _record(self, wallet, part, move, tax, payment):
        """Note a new advance, or what another wallet has handed over."""
        self.create(
            {
                "wallet_id": wallet.id,
                "company_id": wallet.company_id.id,
                "currency_id": wallet.currency_id.id,
                "payment_id": payment.id if payment else False,
                "move_id": move.id,
                "date": move.invoice_date,
                "tax_id": tax.id,
                "amount": float(part.amount),
                "amount_net": float(part.net),
                "amount_tax": float(part.tax),
                "amount_used": 0,
                "net_used": 0,
                "tax_used": 0,
            }
        )

    def _tax_of(self, wallet, tax, net):
        result = tax.compute_all(float(net), currency=wallet.currency_id)
        return wallet._cents(
            Decimal(repr(result["total_included"]))
            - Decimal(repr(result["total_excluded"]))
        )

    def _gone(self, wallet, amount=None, undone=None):
        """The parts of advances whose money is gone, the newest first.

        :param Decimal amount: of a refund.
        :param recordset undone: the top-up that it undoes: its advance comes first.
        :return: list of parts.
        """
        advances = open_advances(wallet)[::-1]
        cent = Decimal(1).scaleb(-wallet.currency_id.decimal_places)
        owed = max(self._position(wallet), Decimal(0))
        total = _total(advances, "open")
        excess = (total - owed).quantize(cent, ROUND_CEILING)
        parts = []
        if undone:
            ids = self.search([("payment_id", "=", undone.id)]).ids
            parts = take([one for one in advances if one.id in ids], amount)
        return parts + take(advances, excess - _total(parts, "amount"))

    def _release(self, wallet, parts, date):
        """Post a credit note of parts of advances; an empty move without any."""
        if not parts:
            return self.env["account.move"]
        move = self._document(wallet, "out_refund", date, [])
        self._use(wallet, move, parts, 1)
        self._make_exact(move, _total(parts, "amount"))
        move._post(soft=False)
        return move

    def _hand_over(self, parts, target):
        """Let parts of advances count for another wallet of the same tenant."""
        for part in parts:
            advance = self.browse(part.advance_id)
            advance._add_use(advance.move_id, part)
            self._record(
                target, part, advance.move_id, advance.tax_id, advance.payment_id
            )

    def _document(self, wallet, move_type, date, lines):
        """A draft in the sales journal; its date's lock was asked for."""
        company = wallet.company_id
        books = self.env["energy.books"].with_company(company)
        journal = books._sale_journal(company)
        books._check_lock_date(company, journal, date, has_tax=True)
        Move = self.env["account.move"].with_company(company)
        return Move.create(
            {
                "move_type": move_type,
                "partner_id": wallet.partner_id.address_get(["invoice"])["invoice"],
                "company_id": company.id,
                "journal_id": journal.id,
                "currency_id": wallet.currency_id.id,
                "invoice_date": date,
                "date": date,
                "invoice_date_due": date,
                "invoice_payment_term_id": False,
                "invoice_origin": wallet.reference,
                "invoice_line_ids": lines,
            }
        )

    def _use(self, wallet, move, parts, sign):
        """Write parts of advances on a document, and what of them is used."""
        lines = []
        for part in parts:
            advance = self.browse(part.advance_id)
            name = self.env._(
                "Advance %(number)s of %(date)s",
                number=advance.move_id.name,
                date=advance.date,
            )
            lines += invoice_lines(wallet, part, advance.tax_id, name, sign)
            advance._add_use(move, part)
        move.write({"invoice_line_ids": lines})

    def _add_use(self, move, part):
        self.env["energy.advance.use"].create(
            {
                "advance_id": self.id,
                "move_id": move.id,
                "amount": float(part.amount),
                "amount_net": float(part.net),
                "amount_tax": float(part.tax),
            }
        )
        for field, value in (
            ("amount_used", part.amount),
            ("net_used", part.net),
            ("tax_used", part.tax),
        ):
            self[field] = float(Decimal(repr(self[field])) + value)

    def _make_exact(self, move, total):
        """Bring a draft to its total: taxes of lines together round differently.

        :raise UserError: it is more than rounding.
        """
        rest = total - Decimal(repr(move.amount_total))
        if not rest:
            return
        if abs(rest) > ROUNDING:
            raise UserError(
                self.env._(
                    "%(partner)s: the advance's tax does not fit its invoice by "
                    "%(amount)s. Was the rate of the tax changed?",
                    partner=move.partner_id.name,
                    amount=move.currency_id.format(float(rest)),
                )
            )
        product = move.company_id._energy_product()
        account = product.product_tmpl_id.get_product_accounts()["income"]
        line = {
            "name": self.env._("Rounding of the tax"),
            "account_id": account.id,
            "quantity": 1,
            "price_unit": float(rest),
            "tax_ids": [Command.clear()],
        }
        move.write({"invoice_line_ids": [Command.create(line)]})


def _total(parts, name):
    """The exact sum of an attribute of advances or their parts."""
    return sum((getattr(part, name) for part in parts), Decimal(0))
