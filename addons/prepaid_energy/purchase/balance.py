"""Where the energy that came in went to.

How it works: usage of the feeders and of all points below them is read in one query. A
point that has sub-meters and no wallet is a node: what it shows more than its direct
sub-meters is lost there. A point with a wallet, or without sub-meters, takes energy
out: tenants, production lines, own use. So inflow = delivered + own use + differences,
exactly.

Distribution boards without a meter are looked through. A difference at a node where
readings are missing is "unknown", not a loss.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal

from odoo.tools import SQL

from ..models.clock import day_begin
from .coverage import Coverage
from .variance import Purchase

ZERO = Decimal(0)
# Fixed, demand and minimum charges have money and no energy.
USAGE = """
SELECT usage.service_point_id, wallet.kind, usage.tariff_id, usage.version_id,
       COALESCE(sum(usage.quantity) FILTER (WHERE usage.kind = 'energy'), 0)::text,
       COALESCE(sum(usage.amount) FILTER (WHERE usage.kind = 'energy'), 0)::text,
       COALESCE(sum(usage.amount), 0)::text
  FROM energy_usage usage
  LEFT JOIN energy_wallet wallet ON wallet.id = usage.wallet_id
 WHERE usage.service_point_id = ANY(%s) AND usage.day BETWEEN %s AND %s
 GROUP BY 1, 2, 3, 4
"""
KINDS = ("tenant", "line", "own", "loss", "unknown")


@dataclass
class Share:
    """Part of the inflow: quantity, at the purchase price, and what was charged net."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO
    charged: Decimal = ZERO


@dataclass
class Node:
    """A point with sub-meters: what it shows and what they show."""

    point_id: int
    inflow: Decimal
    outflow: Decimal
    cost: Decimal
    known: bool


@dataclass
class Used:
    """Usage of a point under one tariff version and kind of wallet."""

    kind: str | None
    quantity: Decimal
    energy: Decimal
    all: Decimal
    levies: Decimal


class Balance:
    """The energy balance of feeders for local days, by own meters.

    :param recordset feeders: ``energy.service.point`` in sudo mode, of one company and
        commodity, none below another.
    :param date first, last: local days.
    :param date rate_date: of the exchange rate of tariffs in other currencies.

    Quantities in the unit of the first feeder's tariff, money net in the company's
    currency, exact Decimals. ``metered``: a :class:`variance.Purchase`; ``shares``: a
    :class:`Share` for each of :data:`KINDS`; ``nodes``; ``notes``: [text].
    """

    def __init__(self, feeders, first, last, rate_date):
        self.env = feeders.env
        self.feeders = feeders
        self.company = feeders.company_id
        self.unit = feeders[:1].tariff_id.uom_id
        self.rate_date = rate_date
        points = feeders.with_context(active_test=False).search(
            [("id", "child_of", feeders.ids), ("commodity", "=", feeders[0].commodity)],
        )
        self.children = points.grouped("parent_id")
        self._read(points, first, last)
        zone = feeders[0].tariff_id.tz
        begin, end = day_begin(first, zone), day_begin(last + timedelta(days=1), zone)
        self.coverage = Coverage(points, begin, end)
        self.shares = {kind: Share() for kind in KINDS}
        self.nodes = []
        self.notes = []
        self.metered = self._inflow()
        for feeder in feeders:
            self._walk(feeder, self._own(feeder).price or ZERO)
        self._note(points)

    # ------------------------------------------------------------------ what was used

    def _read(self, points, first, last):
        self.usage = defaultdict(list)
        self.env.flush_all()
        query = SQL(USAGE, points.ids, first, last)
        for point_id, kind, tariff_id, version_id, *numbers in self.env.execute_query(
            query
        ):
            quantity, energy, total = map(Decimal, numbers)
            tariff = self.env["energy.tariff"].browse(tariff_id)
            rate = self._rate(tariff.currency_id)
            version = self.env["energy.tariff.version"].browse(version_id or [])
            own = version.levy_ids.filtered(lambda levy: not levy.tax_id)
            levies = sum((Decimal(levy._rate()) for levy in own), ZERO)
            self.usage[point_id].append(
                Used(
                    kind,
                    quantity * self._factor(tariff.uom_id),
                    energy * rate,
                    total * rate,
                    total * rate * levies,
                )
            )

    def _rate(self, currency):
        if currency == self.company.currency_id:
            return Decimal(1)
        books = self.env["energy.books"]
        return Decimal(repr(books._rate(currency, self.company, self.rate_date)))

    def _factor(self, unit):
        if unit == self.unit:
            return Decimal(1)
        return Decimal(repr(unit.factor)) / Decimal(repr(self.unit.factor))

    def _own(self, point):
        """What a point used, priced by its own tariff."""
        rows = self.usage[point.id]
        energy = sum((row.energy for row in rows), ZERO)
        return Purchase(
            sum((row.quantity for row in rows), ZERO),
            energy,
            sum((row.all + row.levies for row in rows), ZERO) - energy,
        )

    def _inflow(self):
        owns = [self._own(feeder) for feeder in self.feeders]
        return Purchase(
            sum((own.quantity for own in owns), ZERO),
            sum((own.energy for own in owns), ZERO),
            sum((own.other for own in owns), ZERO),
        )

    # ------------------------------------------------------------------ where it went

    def _is_metered(self, point):
        return point.id in self.coverage.metered or bool(self.usage[point.id])

    def _below(self, point):
        """The direct sub-meters; boards without a meter are looked through."""
        found = []
        for child in self.children.get(point, ()):
            found += [child] if self._is_metered(child) else self._below(child)
        return found

    def _is_sold(self, point):
        return any(row.kind for row in self.usage[point.id])

    def _walk(self, point, price):
        """Add a point and all below it, at the feeder's purchase price."""
        below = self._below(point)
        if not below or self._is_sold(point):
            self._take(point, price)
            self._note_hidden(point, below)
            return
        inflow = self._own(point).quantity
        outflow = sum((self._own(child).quantity for child in below), ZERO)
        known = not any(self.coverage.gaps.get(one.id) for one in [point, *below])
        difference = inflow - outflow
        self.nodes.append(Node(point.id, inflow, outflow, difference * price, known))
        share = self.shares["loss" if known else "unknown"]
        share.quantity += difference
        share.cost += difference * price
        for child in below:
            self._walk(child, price)

    def _take(self, point, price):
        for row in self.usage[point.id]:
            kind = row.kind if row.kind in ("line", None) else "tenant"
            share = self.shares[kind or "own"]
            share.quantity += row.quantity
            share.cost += row.quantity * price
            if kind:
                share.charged += row.all

    # ------------------------------------------------------------------ what to know

    def _note(self, points):
        for point in points:
            if point.active and not (self._is_metered(point) or self._below(point)):
                self.notes.append(
                    self.env._(
                        "%s has no meter: what it used is in the losses.", point.name
                    )
                )
            for text in self.coverage.gaps.get(point.id, ()):
                self.notes.append(
                    self.env._(
                        "%(point)s: %(gap)s; it is not known.",
                        point=point.name,
                        gap=text,
                    )
                )
            for text in self.coverage.estimates.get(point.id, ()):
                self.notes.append(
                    self.env._(
                        "%(point)s: estimated, %(text)s.", point=point.name, text=text
                    )
                )
        self.notes += self.coverage.doubts
        for node in self.nodes:
            if node.known and node.inflow < node.outflow:
                name = self.env["energy.service.point"].browse(node.point_id).name
                self.notes.append(
                    self.env._("%s shows less than its sub-meters: check them.", name)
                )

    def _note_hidden(self, point, below):
        sold = [child.name for child in below if self._is_sold(child)]
        if sold:
            self.notes.append(
                self.env._(
                    "%(points)s: behind %(point)s, which is charged itself; not "
                    "counted again.",
                    points=", ".join(sold),
                    point=point.name,
                )
            )
