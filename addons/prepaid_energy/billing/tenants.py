"""Invoices of tenants, paid by what the wallets hold.

How to use: ``TenantInvoices(claims, wallets, date).make()`` in one transaction.

How it works: one invoice a wallet (a credit note where a correction outweighs the
consumption), all created and posted at once; one journal entry a currency takes the
invoices' totals out of the prepayments and is reconciled with them.

Rounding: the ledger is exact, an invoice has cents. What a wallet paid and its invoices
do not show is carried to the next one (``energy.bill``: exact less billed) and appears
there as a line of its own once it is a cent or more.
"""

from collections import defaultdict
from decimal import Decimal

from odoo.fields import Command

from ..exchange.numbers import plain

KIND_TITLES = {
    "fixed": "Fixed charge",
    "demand": "Demand charge",
    "minimum": "Minimum",
}


class TenantInvoices:
    """One batch of invoices; see the module's docstring.

    :param claims: :class:`claims.Claims`.
    :param recordset wallets: those of ``claims``, of one company.
    :param date date: of invoices and entries; its lock was asked for by the caller.
    """

    def __init__(self, claims, wallets, date):
        self.env = wallets.env
        self.claims = claims
        self.date = date
        self.company = wallets.company_id
        self.books = self.env["energy.books"]
        self.journal = self.books._sale_journal(self.company)
        self.product = self.company._energy_product()
        accounts = self.product.product_tmpl_id.get_product_accounts()
        self.account = accounts["income"] or self.journal.default_account_id
        self.levies = {}
        self.points = {}
        self.wallets = wallets.filtered(
            lambda wallet: claims.items[wallet.id] or claims.fees[wallet.id]
        )

    def make(self):
        """Create, post and settle the invoices.

        :return: list of (wallet, posted ``account.move`` or an empty one where nothing
            is owed, amount billed as Decimal).
        """
        owing, values = [], []
        for wallet in self.wallets:
            lines = self._lines(wallet)
            if lines:
                owing.append(wallet)
                values.append(self._invoice(wallet, lines))
        moves = self.env["account.move"].create(values)
        deducted = self.env["energy.advance"]._deduct(owing, moves)
        moves._post(soft=False)
        self._settle(owing, moves)
        made = dict(zip(owing, moves, strict=True))
        nothing = self.env["account.move"]
        return [
            (
                wallet,
                made.get(wallet, nothing),
                self._billed(wallet, made.get(wallet), deducted),
            )
            for wallet in self.wallets
        ]

    def _billed(self, wallet, move, deducted):
        """What a document bills, advances that it deducts included, as Decimal."""
        if not move:
            return Decimal(0)
        total = Decimal(repr(move.amount_total_in_currency_signed))
        return wallet._cents(total) + deducted.get(wallet, Decimal(0))

    # ------------------------------------------------------------------ the invoice

    def _invoice(self, wallet, lines):
        """The values of one invoice; lines are (name, Decimal, taxes) or (name,)."""
        total = sum((line[1] for line in lines if len(line) > 1), Decimal(0))
        sign = -1 if total < 0 else 1
        return {
            "move_type": "out_refund" if sign < 0 else "out_invoice",
            "partner_id": wallet.partner_id.address_get(["invoice"])["invoice"],
            "company_id": self.company.id,
            "journal_id": self.journal.id,
            "currency_id": wallet.currency_id.id,
            "invoice_date": self.date,
            "date": self.date,
            "invoice_date_due": self.date,
            "invoice_payment_term_id": False,
            "invoice_origin": wallet.reference,
            "energy_wallet_id": wallet.id,
            "invoice_line_ids": [
                Command.create(self._line(sign, *line)) for line in lines
            ],
        }

    def _line(self, sign, name, amount=None, taxes=None):
        if amount is None:
            return {"display_type": "line_section", "name": name}
        return {
            "name": name,
            "product_id": self.product.id,
            "account_id": self.account.id,
            "quantity": 1,
            "price_unit": float(sign * amount),
            "tax_ids": [Command.set(taxes.ids if taxes else [])],
        }

    def _lines(self, wallet):
        """(name,) of a section or (name, amount in cents, taxes) of each line."""
        lines, point_id, extra = [], None, defaultdict(Decimal)
        for item in self.claims.items[wallet.id]:
            if item.point_id != point_id:
                point_id = item.point_id
                lines.append((self._point_name(point_id),))
            taxes, own = self._levies_of(item.version_id)
            lines.append((self._item_name(item), wallet._cents(item.net), taxes))
            for levy, rate in own:
                extra[levy] += item.net * rate
        if extra or self.claims.fees[wallet.id]:
            lines.append((self.env._("Levies and fees"),))
        for levy, amount in extra.items():
            lines.append((levy, wallet._cents(amount), None))
        lines += map(self._fee, self.claims.fees[wallet.id])
        return self._rounded(wallet, lines)

    def _rounded(self, wallet, lines):
        """The lines that say anything, and what was carried from earlier invoices."""
        carried = wallet._cents(self.claims.carried.get(wallet.id, Decimal(0)))
        if carried:
            name = self.env._("Rounding carried from earlier invoices")
            lines.append((name, carried, None))
        return lines if any(len(line) > 1 and line[1] for line in lines) else []

    def _fee(self, fee):
        """A fee with the company's tax on fees taken out of it."""
        tax = self.company.energy_fee_tax_id
        if not tax or fee.kind != "fee":
            return fee.name, fee.total, None
        rate = Decimal(repr(tax.amount)) / 100
        return fee.name, fee.total / (1 + rate), tax

    def _point_name(self, point_id):
        if point_id not in self.points:
            point = self.env["energy.service.point"].browse(point_id)
            point = point.with_prefetch(self.claims.point_ids)
            meter = point.meter_id.serial
            self.points[point_id] = f"{point.name} ({meter})" if meter else point.name
        return self.points[point_id]

    def _item_name(self, item):
        """What a tenant reads: season, band, tier, quantity and price; the days."""
        tariff = self.env["energy.tariff"].browse(item.tariff_id)
        if item.kind != "energy":
            title = KIND_TITLES[item.kind]
            return f"{item.charge or title}, {item.first} – {item.last}"
        words = [word for word in (item.season, item.band) if word and word != "all"]
        if item.tier and item.tier > 1:
            words.append(self.env._("tier %s", item.tier))
        title = (
            ", ".join(words)
            or dict(tariff._fields["commodity"]._description_selection(self.env))[
                tariff.commodity
            ]
        )
        price = (
            plain((item.net / item.quantity).quantize(Decimal("1e-6")))
            if (item.quantity)
            else "–"
        )
        return (
            f"{title}: {item.quantity:,.3f} {tariff.uom_id.name} × {price}, "
            f"{item.first} – {item.last}"
        )

    def _levies_of(self, version_id):
        """(taxes, [(name, rate)]): the version's levies with a tax and without one."""
        if version_id not in self.levies:
            version = self.env["energy.tariff.version"].browse(version_id or [])
            taxed = version.levy_ids.filtered("tax_id")
            own = [
                (f"{levy.name} {levy.percent:g} %", Decimal(levy._rate()))
                for levy in version.levy_ids - taxed
            ]
            self.levies[version_id] = taxed.tax_id, own
        return self.levies[version_id]

    # ------------------------------------------------------------------ settlement

    def _settle(self, wallets, invoices):
        """Take the invoices' totals out of the prepayments, and reconcile them."""
        pairs = defaultdict(list)
        for wallet, invoice in zip(wallets, invoices, strict=True):
            receivable = invoice.line_ids.filtered(
                lambda line: (
                    line.display_type == "payment_term" and line.amount_currency
                )
            )
            if receivable:
                pairs[wallet.currency_id].append((wallet, receivable))
        plan = []
        for group in pairs.values():
            entry = self._settlement(group)
            settled = entry.line_ids.filtered(
                lambda line: line.account_id.account_type == "asset_receivable"
            ).grouped("name")
            plan += [
                receivable | settled[receivable.move_id.name]
                for _wallet, receivable in group
            ]
        self.env["account.move.line"]._reconcile_plan(plan)

    def _settlement(self, group):
        """One entry for invoices of one currency: prepayments against receivables."""
        lines = []
        for wallet, receivable in group:
            name = receivable.move_id.name
            prepaid = self.books._prepayment_account(wallet)
            for account, sign in ((prepaid, 1), (receivable.account_id, -1)):
                lines.append(
                    {
                        "name": name,
                        "account_id": account.id,
                        "partner_id": receivable.partner_id.id,
                        "currency_id": receivable.currency_id.id,
                        "amount_currency": sign * receivable.amount_currency,
                        "balance": sign * receivable.balance,
                        "energy_wallet_id": wallet.id,
                    }
                )
        return self.books._post(
            group[0][0], self.env._("Consumption paid in advance"), lines, self.date
        )
