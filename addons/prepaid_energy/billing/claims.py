"""What wallets have consumed and nobody has billed: claimed once, exactly.

How it works: a usage row remembers what of it was billed. Claiming takes the difference
and marks it billed, in one statement that locks the rows; the documents made of it are
part of the same transaction. So nothing is billed twice or forgotten, whatever is
killed when, and a correction of a day that was billed is a difference in the next bill.

Raw SQL: the caller has checked access. Only settled usage is claimed: what is on a bill
is in the ledger.
"""

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from odoo.tools import SQL

# Ledger rows that are billed and are no usage: fees, the rounding on closing, and what
# production lines have of each other's meters, which belongs to the day it was used.
OTHER = """
entry.kind IN ('fee', 'correction', 'share') AND entry.service_point_id IS NULL
   AND NOT EXISTS (SELECT FROM energy_bill_entry_rel rel WHERE rel.entry_id = entry.id)
   AND CASE WHEN entry.kind = 'share' THEN entry.day <= %(until)s
            ELSE entry.at < %(end)s END
"""
# One look into a partial index a wallet, so that the next batch of a long run is found
# without reading what all the others have used.
DUE = f"""
SELECT wallet.id FROM energy_wallet wallet
 WHERE wallet.company_id = %(company)s AND wallet.id > %(after)s AND COALESCE(
       (SELECT true FROM energy_usage usage
         WHERE (usage.unbilled OR usage.open) AND usage.wallet_id = wallet.id
           AND usage.company_id = %(company)s AND usage.day <= %(until)s LIMIT 1),
       (SELECT true FROM energy_wallet_entry entry
         WHERE {OTHER} AND entry.wallet_id = wallet.id LIMIT 1))
 ORDER BY wallet.id LIMIT %(limit)s
"""
USAGE = """
WITH due AS MATERIALIZED (
    SELECT * FROM energy_usage
     WHERE unbilled AND NOT open AND wallet_id = ANY(%s) AND day <= %s
     ORDER BY id FOR UPDATE
), billed AS (
    UPDATE energy_usage usage
       SET quantity_billed = usage.quantity, amount_billed = usage.amount,
           total_billed = usage.amount_total, unbilled = false
      FROM due WHERE usage.id = due.id
)
SELECT wallet_id, service_point_id, tariff_id, version_id, kind, season, band, tier,
       charge, sum(quantity - COALESCE(quantity_billed, 0))::text,
       sum(amount - COALESCE(amount_billed, 0))::text,
       sum(amount_total - COALESCE(total_billed, 0))::text, min(day), max(day)
  FROM due
 GROUP BY 1, 2, 3, 4, 5, 6, 7, 8, 9
HAVING sum(amount_total - COALESCE(total_billed, 0)) <> 0
    OR sum(quantity - COALESCE(quantity_billed, 0)) <> 0
 ORDER BY 1, 2, 5, 3, 4, 6, 7, 8, 9
"""
ENTRIES = f"""
SELECT entry.wallet_id, entry.id, entry.name, entry.kind, (-entry.amount)::text,
       entry.day
  FROM energy_wallet_entry entry
 WHERE {OTHER} AND entry.wallet_id = ANY(%(wallets)s)
 ORDER BY entry.at, entry.id
"""
CARRIED = """
SELECT wallet_id, sum(amount_exact - amount_billed)::text FROM energy_bill
 WHERE wallet_id = ANY(%s) GROUP BY 1
"""


@dataclass
class Item:
    """Consumption of a service point at one price, or one of its charges.

    quantity in the tariff's unit; net without levies, total with them, in the wallet's
    currency; exact Decimals.
    """

    point_id: int
    tariff_id: int
    version_id: int | None
    kind: str
    season: str | None
    band: str | None
    tier: int | None
    charge: str | None
    quantity: Decimal
    net: Decimal
    total: Decimal
    first: object
    last: object


@dataclass
class Fee:
    """A fee, or another ledger row that is billed as it is, levies included."""

    entry_id: int
    name: str
    kind: str
    total: Decimal
    day: object = None


class Claims:
    """What the given wallets owe until a day: claimed by making this object.

    :param recordset wallets: ``energy.wallet`` of one company.
    :param date until: the last local day.
    :param datetime end: naive UTC; fees before it.
    """

    def __init__(self, wallets, until, end):
        self.env = wallets.env
        self.items = defaultdict(list)
        self.fees = defaultdict(list)
        self.env.flush_all()
        self._claim_usage(wallets.ids, until)
        # of all items, so that the points are read at once
        self.point_ids = tuple(
            {item.point_id for items in self.items.values() for item in items}
        )
        for wallet_id, *fee, total, day in self.env.execute_query(
            SQL(ENTRIES, wallets=wallets.ids, until=until, end=end)
        ):
            self.fees[wallet_id].append(Fee(*fee, Decimal(total), day))
        self.carried = {
            wallet_id: Decimal(amount)
            for wallet_id, amount in self.env.execute_query(SQL(CARRIED, wallets.ids))
        }

    def _claim_usage(self, wallet_ids, until):
        for row in self.env.execute_query(SQL(USAGE, wallet_ids, until)):
            wallet_id, *key, quantity, net, total, first, last = row
            numbers = map(Decimal, (quantity, net, total))
            self.items[wallet_id].append(Item(*key, *numbers, first, last))
        self.env["energy.usage"].invalidate_model(
            ["quantity_billed", "amount_billed", "total_billed", "unbilled"]
        )

    def exact(self, wallet_id):
        """What the wallet paid for all that was claimed, as Decimal."""
        claimed = [*self.items[wallet_id], *self.fees[wallet_id]]
        return sum((one.total for one in claimed), Decimal(0))

    def days(self, wallet_id):
        """The first and the last day of the wallet's items; None without."""
        days = [
            day for item in self.items[wallet_id] for day in (item.first, item.last)
        ]
        days += [fee.day for fee in self.fees[wallet_id] if fee.kind == "share"]
        return (min(days), max(days)) if days else (None, None)


def due_wallets(env, company, until, end, after=0, limit=None):
    """The ids of wallets with anything to bill, in order.

    :param recordset company: ``res.company``.
    :param date until: the last local day.
    :param datetime end: naive UTC; fees before it.
    :param int after: only wallets with a higher id.
    :param int limit: not more than these; None: all.
    """
    env.flush_all()
    values = {"company": company.id, "until": until, "end": end}
    found = env.execute_query(SQL(DUE, **values, after=after, limit=limit))
    return [row[0] for row in found]
