"""Why a bill differs from the meters: quantity, price, both together, the rest.

Pure functions on exact Decimals; each amount is in whole cents and they add up.
"""

from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")


@dataclass(frozen=True)
class Purchase:
    """Energy that was bought, by a bill or by own meters.

    quantity in the feeders' unit; energy: the money for it; other: fixed charges,
    demand, levies that are no input tax. All net, in the company's currency.
    """

    quantity: Decimal
    energy: Decimal
    other: Decimal

    @property
    def price(self):
        """The average price of a unit; None without a quantity."""
        return self.energy / self.quantity if self.quantity else None

    def rounded(self, cent=CENT):
        """The same with money in whole cents."""
        return Purchase(
            self.quantity, to_cents(self.energy, cent), to_cents(self.other, cent)
        )


@dataclass(frozen=True)
class Part:
    """One part of a variance; price is None where it is none of a unit."""

    kind: str
    quantity: Decimal | None
    price: Decimal | None
    amount: Decimal


def to_cents(amount, cent=CENT):
    """``amount`` rounded half up to whole cents."""
    return amount.quantize(cent, ROUND_HALF_UP)


def split(billed, metered, cent=CENT):
    """Split what the bill has more than the meters into its causes.

    The price part is the metered quantity at the difference of the average prices, the
    quantity part the difference of quantities at the own price; where both differ, the
    product of the differences is a part of its own, which also takes the rounding.

    :param Purchase billed: what the utility asks for.
    :param Purchase metered: own meters at the own purchase tariff.
    :param Decimal cent: the currency's minor unit.
    :return: list of :class:`Part`; the amounts add up to the whole difference in cents.

    >>> bill = Purchase(Decimal(1050), Decimal("220.50"), Decimal(40))
    >>> own = Purchase(Decimal(1000), Decimal(200), Decimal(35))
    >>> [(part.kind, str(part.amount)) for part in split(bill, own)]
    [('quantity', '10.00'), ('price', '10.00'), ('mixed', '0.50'), ('other', '5.00')]
    """
    asked, own = billed.rounded(cent), metered.rounded(cent)
    more = billed.quantity - metered.quantity
    own_price = metered.price if metered.price is not None else billed.price
    own_price = own_price or Decimal(0)
    price = billed.price if billed.price is not None else own_price
    dearer = price - own_price
    by_quantity = to_cents(more * own_price, cent)
    by_price = to_cents(metered.quantity * dearer, cent)
    rest = asked.energy - own.energy - by_quantity - by_price
    return [
        Part("quantity", more, own_price, by_quantity),
        Part("price", metered.quantity, dearer, by_price),
        Part("mixed", more, dearer, rest),
        Part("other", None, None, asked.other - own.other),
    ]
