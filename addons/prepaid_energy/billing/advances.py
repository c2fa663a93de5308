"""Advance invoices by the gross method: their lines, and how much of each is used.

How it works: an advance of 120 with 20 % tax in it is an invoice line of 100 with the
tax on the prepayments account, and two untaxed lines that cancel: 20 more on the
prepayments account, 20 less on "VAT on advances". So the prepayments grow by the gross
amount, the tax is due, and the VAT on advances waits as an asset until the advance is
used: then the same lines with the other sign deduct it.

Rounding: uses of an advance are rounded on their running sums, so the last one takes
what is left, to the cent.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from odoo.fields import Command
from odoo.tools import SQL

OPEN = """
SELECT id, wallet_id, amount::text, amount_net::text, amount_tax::text,
       amount_used::text, net_used::text, tax_used::text
  FROM energy_advance
 WHERE wallet_id = ANY(%s) AND amount_used < amount
 ORDER BY date, id FOR UPDATE
"""


@dataclass
class Advance:
    """An advance invoice of which something is open; exact Decimals, in cents."""

    id: int
    wallet_id: int
    amount: Decimal
    net: Decimal
    tax: Decimal
    amount_used: Decimal
    net_used: Decimal
    tax_used: Decimal

    @property
    def open(self):
        """What can still be used, with its tax."""
        return self.amount - self.amount_used

    def use(self, amount):
        """Use a part of what is open.

        :param Decimal amount: above zero, at most :attr:`open`.
        :return: :class:`Part`.
        """
        used = self.amount_used + amount
        cent = Decimal(1).scaleb(self.amount.as_tuple().exponent)
        net = (self.net * used / self.amount).quantize(cent, ROUND_HALF_UP)
        tax = (self.tax * used / self.amount).quantize(cent, ROUND_HALF_UP)
        part = Part(self.id, amount, net - self.net_used, tax - self.tax_used)
        self.amount_used, self.net_used, self.tax_used = used, net, tax
        return part


@dataclass(frozen=True)
class Part:
    """A part of an advance: amount with its tax, net and tax of it."""

    advance_id: int
    amount: Decimal
    net: Decimal
    tax: Decimal


def open_advances(wallets):
    """What is open, locked, the oldest first.

    :param recordset wallets: ``energy.wallet``.
    :return: list of :class:`Advance`.
    """
    env = wallets.env
    env["energy.advance"].flush_model()
    rows = env.execute_query(SQL(OPEN, wallets.ids))
    cents = {
        wallet.id: Decimal(1).scaleb(-wallet.currency_id.decimal_places)
        for wallet in wallets
    }
    return [
        Advance(
            row[0], row[1], *(Decimal(text).quantize(cents[row[1]]) for text in row[2:])
        )
        for row in rows
    ]


def take(advances, most):
    """Use advances in their order until ``most`` is reached.

    :param list advances: :class:`Advance`.
    :param Decimal most: the sum of the parts is at most this.
    :return: list of :class:`Part`.
    """
    parts = []
    for advance in advances:
        amount = min(advance.open, most)
        if amount > 0:
            parts.append(advance.use(amount))
            most -= amount
    return parts


def invoice_lines(wallet, part, tax, name, sign=1):
    """Commands that create the invoice lines of an advance, or of what is deducted.

    :param recordset wallet: ``energy.wallet``.
    :param Part part: what the lines say.
    :param recordset tax: ``account.tax``, percent, not included in the price.
    :param int sign: -1 deducts.
    """
    company = wallet.company_id
    prepayment = wallet.env["energy.books"]._prepayment_account(wallet)
    label = wallet.env._("Tax in %s", name)
    rows = [
        (name, prepayment, part.net, tax),
        (label, prepayment, part.amount - part.net, None),
        (
            label,
            company._energy_account("energy_advance_vat_account_id"),
            -part.tax,
            None,
        ),
    ]
    return [
        Command.create(
            {
                "name": text,
                "account_id": account.id,
                "quantity": 1,
                "price_unit": float(sign * amount),
                "tax_ids": [Command.set(taxes.ids if taxes else [])],
                "energy_wallet_id": wallet.id if account == prepayment else False,
            }
        )
        for text, account, amount, taxes in rows
        if amount
    ]
