import calendar
from collections import defaultdict
from datetime import date, datetime, timedelta
from decimal import Decimal
from urllib.parse import urlencode

from odoo import fields, http
from odoo.http import request
from odoo.tools import format_date

from ..exchange import bars, picture
from ..exchange.numbers import exact
from ..models.clock import day_begin
from ..models.day_words import DAY, MONTH, day_words
from .portal import PortalEnergy

PERIODS = ("hour", "day", "month")
SHOWN = ("quantity", "cost")
OTHER = "\x00"  # what is no energy, and what has no band
MOST_COLORS = 11  # more bands than that share colours; patterns and names tell them
NO_BAND = ("", "all", False, None)


class PortalUse(PortalEnergy):
    """Consumption and cost as bars: hours of a day, days of a month, months."""

    @http.route(
        "/my/energy/<int:wallet_id>/use", type="http", auth="user", website=True
    )
    def portal_energy_use(self, wallet_id, **kwargs):
        """The chart alone, which the page puts in place of the one it shows."""
        wallet_sudo = self._energy_wallet(wallet_id)
        if wallet_sudo is None:
            return request.not_found()
        values = {"wallet": wallet_sudo, "use": self._energy_use(wallet_sudo, **kwargs)}
        return request.render("prepaid_energy.portal_energy_use", values)

    def _energy_wallet_values(self, wallet_sudo, page, **kwargs):
        values = super()._energy_wallet_values(wallet_sudo, page, **kwargs)
        return {**values, "use": self._energy_use(wallet_sudo, **kwargs)}

    def _energy_use(
        self, wallet_sudo, by="day", on=None, show="quantity", of=None, **_
    ):
        """The chart that was asked for; nonsense asks for the usual one.

        :param str by: hour, day or month.
        :param str on: a day of the period to show.
        :param str show: quantity or cost.
        :param str of: the commodity.
        """
        clock = wallet_sudo._clocks()[wallet_sudo.id]
        today = fields.Date.context_today(wallet_sudo.with_context(tz=clock))
        by = by if by in PERIODS else "day"
        show = show if show in SHOWN else "quantity"
        try:
            day = min(date.fromisoformat(on or ""), today)
        except ValueError:
            day = today
        first, last = self._energy_span(by, max(day, date(2000, 1, 1)))
        if by == "hour":
            found = self._energy_by_hour(wallet_sudo, first, clock)
        else:
            found = self._energy_by_day(wallet_sudo, first, last, by)
        kinds = list(dict.fromkeys(row[0] for row in found))
        of = of if of in kinds else next(iter(kinds), None)
        shown = [row for row in found if row[0] == of]
        buckets = self._energy_buckets(by, first, last)
        near = today if first <= today <= last else first
        asked = {"by": by, "on": near, "show": show, "of": of or ""}

        def query(**new):
            return "?" + urlencode({**asked, **new})

        return {
            "by": by,
            "show": show,
            "of": of,
            "kinds": self._energy_kind_names(kinds),
            "first": first,
            "title": self._energy_title(by, first),
            "before": self._energy_span(by, first - timedelta(days=1))[0],
            "after": last + timedelta(days=1) if last < today else None,
            "periods": PERIODS,
            "link": f"{wallet_sudo.access_url}/use",
            "query": query,
            **self._energy_picture(wallet_sudo, shown, buckets, show, by),
        }

    def _energy_span(self, by, day):
        """The first and the last day of the period that ``day`` is in."""
        if by == "hour":
            return day, day
        if by == "day":
            return day.replace(day=1), fields.Date.end_of(day, "month")
        return day.replace(month=1, day=1), day.replace(month=12, day=31)

    def _energy_title(self, by, first):
        if by == "day":
            return day_words(request.env, first, MONTH)
        pattern = {"hour": "full", "month": "y"}[by]
        return format_date(request.env, first, date_format=pattern)

    def _energy_kind_names(self, kinds):
        field = request.env["energy.usage"]._fields["commodity"]
        names = dict(field._description_selection(request.env))
        return [(kind, names.get(kind, kind)) for kind in kinds]

    # ------------------------------------------------------------------ rows

    def _energy_by_day(self, wallet_sudo, first, last, by):
        """Rows (commodity, unit, bucket, series, quantity, cost), in user's rights."""
        groups = request.env["energy.usage"]._read_group(
            [
                ("wallet_id", "=", wallet_sudo.id),
                ("day", ">=", first),
                ("day", "<=", last),
            ],
            ["commodity", "uom_id", f"day:{by}", "kind", "band"],
            ["quantity:sum", "amount_total:sum"],
        )
        return [
            (
                commodity,
                uom.sudo().name,  # sudo: tenants read no units
                day,
                band if kind == "energy" and band not in NO_BAND else OTHER,
                exact(quantity, 3) if kind == "energy" else Decimal(0),
                exact(cost, 6),
            )
            for commodity, uom, day, kind, band, quantity, cost in groups
        ]

    def _energy_by_hour(self, wallet_sudo, day, clock):
        """As above, by the hour; the day is that of the wallet's clock."""
        begin = day_begin(day, clock)
        end = day_begin(day + timedelta(days=1), clock)
        Interval = request.env["energy.interval"].with_context(tz=clock)
        rows = Interval._read_group(
            [
                ("wallet_id", "=", wallet_sudo.id),
                ("at", ">=", begin),
                ("at", "<", end),
            ],
            ["commodity", "at:hour", "band", "tariff_id"],
            ["energy:sum", "amount:sum"],
        )
        return [
            (
                commodity,
                tariff.sudo().register_uom_id.name,  # sudo: tenants read no tariffs
                at,
                OTHER if band in NO_BAND else band,
                exact(energy, 3),
                exact(amount or 0.0, 6),
            )
            for commodity, at, band, tariff, energy, amount in rows
        ]

    # ------------------------------------------------------------------ picture

    def _energy_buckets(self, by, first, last):
        """(key, short label, long label, day to look closer at) of each bar."""
        env = request.env
        if by == "hour":
            return [(hour, f"{hour:02}", f"{hour:02}:00", None) for hour in range(24)]
        if by == "day":
            days = calendar.monthrange(first.year, first.month)[1]
            every = [first + timedelta(days=number) for number in range(days)]
            return [(day, str(day.day), day_words(env, day, DAY), day) for day in every]
        months = [first.replace(month=number) for number in range(1, 13)]
        return [
            (
                month,
                format_date(env, month, date_format="LLLLL"),
                format_date(env, month, date_format="LLLL"),
                month,
            )
            for month in months
        ]

    def _energy_picture(self, wallet_sudo, rows, buckets, show, by):
        """What the template draws, and the same as a table."""
        values = defaultdict(lambda: [Decimal(0), Decimal(0)])
        for _kind, _unit, key, series, quantity, cost in rows:
            for part in (series, None):
                values[self._energy_key(key, by), part][0] += quantity
                values[self._energy_key(key, by), part][1] += cost
        place = SHOWN.index(show)
        order = self._energy_series(rows, show)
        drawn = bars.chart(
            [
                (label, {name: values[key, name][place] for name, *_rest in order})
                for key, label, _long, _day in buckets
            ],
            [name for name, *_rest in order],
        )
        table = [
            {
                "label": label,
                "day": day,
                "quantity": values[key, None][0],
                "cost": values[key, None][1],
                "parts": [values[key, name][place] for name, *_rest in order],
            }
            for key, _short, label, day in buckets
        ]
        return {
            "chart": drawn,
            "series": [
                {"name": text, "color": color, "number": number}
                for number, (_name, text, color) in enumerate(order)
            ],
            "table": table,
            "closer": {"month": "day", "day": "hour"}.get(by),
            "unit": rows[0][1] if rows else "",
            "quantity": sum((row["quantity"] for row in table), Decimal(0)),
            "cost": sum((row["cost"] for row in table), Decimal(0)),
        }

    def _energy_key(self, key, by):
        """Which bar a row belongs to."""
        return key.hour if by == "hour" and isinstance(key, datetime) else key

    def _energy_series(self, rows, show):
        """(name, text, colour) of the bands in the rows, as the tariffs order them."""
        place = 4 + SHOWN.index(show)
        names = {row[3] for row in rows if row[place]}
        # sudo: tenants read no tariffs; the colours of their own bands
        bands = request.env["energy.tariff.band"].sudo()
        numbers = {}
        for band in bands.search([("name", "in", list(names - {OTHER}))]):
            numbers.setdefault(band.name, band.color)
        for name in sorted(names - {OTHER}):
            numbers.setdefault(name, len(numbers) + 1)
        found = {}
        for name, number in numbers.items():
            while picture.color(number) in found.values() and len(found) < MOST_COLORS:
                number += 1
            found[name] = picture.color(number)
        series = [(name, name, color) for name, color in found.items()]
        if OTHER in names:
            only = request.env._("Consumption")
            if show == "cost":
                only = (
                    request.env._("Other charges") if series else request.env._("Cost")
                )
            series.append((OTHER, only, picture.color(10 if series else 4)))
        return series
