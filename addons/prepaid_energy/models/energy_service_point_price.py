from bisect import bisect_right
from datetime import UTC, datetime
from decimal import Decimal

from odoo import fields, models
from odoo.tools import formatLang

from ..rating.exact import unscaled

PRICE_DIGITS = 4  # a unit costs fractions of a cent
LOOK_AHEAD = 40  # segments in which a change of the price is looked for: over a week


class EnergyServicePoint(models.Model):
    """What the next unit costs at a service point, by its tariff and its counters."""

    _inherit = "energy.service.point"

    def _price_now(self, now=None):
        """The price in force, levies included.

        In sudo mode: tenants read neither tariffs nor rating states.

        :param datetime now: naive UTC.
        :return: dict: band ("" where there is one price), price (exact Decimal per
            unit), unit, tier (from 1), tiers, left (units until the next tier, or
            None), until (naive UTC, or None where nothing changes for a week), next
            (dict: band, price); None where no version is in force.
        """
        self.ensure_one()
        compiled = self.tariff_id._compiled()
        moment = (now or fields.Datetime.now()).replace(tzinfo=UTC)
        segment = compiled.calendar.segment(int(moment.timestamp()))
        cell = segment.cell
        if not cell.prices:
            return None
        edges = [unscaled(edge) for edge in cell.thresholds]
        used = self._counted(segment)
        tier = bisect_right(edges, used)
        change = self._next_price(compiled, segment)
        return {
            "band": _named(cell.band),
            "price": compiled.gross(cell.version, cell.prices[tier]),
            "unit": self.tariff_id.uom_id.name,
            "tier": tier + 1,
            "tiers": len(cell.prices),
            "left": edges[tier] - used if tier < len(edges) else None,
            "until": change and _naive(change.start),
            "next": change
            and {
                "band": _named(change.cell.band),
                "price": self._first_price(compiled, change, used),
            },
        }

    def _prices_now(self):
        """The prices in force at these points, those alike together; in sudo mode.

        :return: list of dicts: as :meth:`_price_now`, with points (their names),
            currency and text of prices and times.
        """
        found = {}
        for point in self:
            price = point._price_now()
            if price is None:
                continue
            key = point.tariff_id.id, price["tier"]
            if key not in found:
                found[key] = {**price, "points": [], **point._price_texts(price)}
            found[key]["points"].append(point.name)
        return list(found.values())

    def _price_texts(self, price):
        """The numbers of a price as people read them."""
        currency = self.tariff_id.currency_id
        digits = max(currency.decimal_places, PRICE_DIGITS)

        def text(value):
            number = formatLang(self.env, float(value), digits=digits)
            before = currency.position == "before"
            sides = (currency.symbol, number) if before else (number, currency.symbol)
            return "\N{NO-BREAK SPACE}".join(sides)

        return {
            "price_text": f"{text(price['price'])} / {price['unit']}",
            "until_text": self._until_text(price, text),
            "tier_text": self._tier_text(price),
        }

    def _until_text(self, price, text):
        """Which band it is, until when, and the price after it."""
        if not price["next"]:
            return price["band"]
        values = {
            "band": price["band"],
            "time": self.wallet_id._clock_text(price["until"], self.tariff_id.tz),
            "price": text(price["next"]["price"]),
        }
        if not price["band"]:
            return self.env._("until %(time)s, then %(price)s", **values)
        return self.env._("%(band)s until %(time)s, then %(price)s", **values)

    def _tier_text(self, price):
        if price["tiers"] == 1:
            return ""
        values = {"tier": price["tier"], "tiers": price["tiers"]}
        if price["left"] is None:
            return self.env._("Tier %(tier)s of %(tiers)s", **values)
        return self.env._(
            "Tier %(tier)s of %(tiers)s, %(left)s %(unit)s left in it",
            left=formatLang(self.env, float(price["left"]), digits=0),
            unit=price["unit"],
            **values,
        )

    def _counted(self, segment):
        """What the tier counter of the segment's month or year has, as Decimal."""
        counters = (self.rating_state or {}).get("kwh", {})
        period = segment.year if segment.cell.yearly else segment.month
        return Decimal(counters.get(period, "0"))

    def _next_price(self, compiled, segment):
        """The first segment from which on another cell has the price, or None."""
        following = segment
        for _step in range(LOOK_AHEAD):
            following = compiled.calendar.segment(following.end)
            if following.cell is not segment.cell:
                return following if following.cell.prices else None
        return None

    def _first_price(self, compiled, segment, used):
        edges = [unscaled(edge) for edge in segment.cell.thresholds]
        price = segment.cell.prices[bisect_right(edges, used)]
        return compiled.gross(segment.cell.version, price)


def _named(band):
    return "" if band == "all" else band


def _naive(epoch):
    return datetime.fromtimestamp(epoch, UTC).replace(tzinfo=None)
