"""Production lines: their consumption becomes cost, by department and line.

One journal entry a batch and currency: expense with the line's analytic distribution
against the energy clearing account, which the utility's bill fills.
"""

from collections import defaultdict
from decimal import Decimal


class LineEntries:
    """The cost entries of production lines.

    :param claims: :class:`claims.Claims`.
    :param recordset wallets: of production lines, of one company.
    :param date date: of the entries; its lock was asked for by the caller.
    """

    def __init__(self, claims, wallets, date):
        self.env = wallets.env
        self.claims = claims
        self.date = date
        self.company = wallets.company_id
        self.books = self.env["energy.books"]
        self.wallets = wallets.filtered(
            lambda wallet: claims.items[wallet.id] or claims.fees[wallet.id]
        )

    def make(self):
        """Create and post the entries.

        :return: list of (wallet, the ``account.move`` that has its cost, the amount as
            Decimal).
        """
        nothing = self.env["account.move"]
        groups, made = defaultdict(list), []
        for wallet in self.wallets:
            carried = self.claims.carried.get(wallet.id, Decimal(0))
            amount = wallet._cents(self.claims.exact(wallet.id) + carried)
            if amount:
                groups[wallet.currency_id].append((wallet, amount))
            else:
                made.append((wallet, nothing, amount))
        for group in groups.values():
            entry = self._entry(group)
            made += [(wallet, entry, amount) for wallet, amount in group]
        return made

    def _entry(self, group):
        expense = self.company._energy_account("energy_expense_account_id")
        clearing = self.company._energy_account("energy_clearing_account_id")
        lines = []
        for wallet, amount in group:
            first, last = self.claims.days(wallet.id)
            name = f"{wallet.name}, {first} – {last}"
            cost = self.books._line(wallet, expense, amount, name, self.date)
            cost["analytic_distribution"] = wallet._analytic_distribution()
            lines += [
                cost,
                self.books._line(wallet, clearing, -amount, name, self.date),
            ]
        name = self.env._("Energy cost of production lines")
        return self.books._post(group[0][0], name, lines, self.date)
