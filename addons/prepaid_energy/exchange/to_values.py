"""One version of the neutral document as what ``create`` takes."""

from datetime import datetime
from decimal import Decimal

from odoo.exceptions import UserError
from odoo.fields import Command

from .numbers import storable
from .to_document import COVERS, PERCENT_DIGITS, PRICE_DIGITS, QUANTITY_DIGITS

DAY_TYPES = ("weekday", "saturday", "sunday", "holiday")
ALL = "all"  # what the engine calls the one season or band of a tariff without any


class VersionReader:
    """Reads versions that the engine has accepted.

    Bands and seasons are found, or made, by name; a sales tax of the same name and
    rate is linked to an adjustment.

    :param recordset company: whose taxes these may be.
    """

    def __init__(self, env, company):
        self.env = env
        self.company = company

    def version(self, source, path):
        """The field values of a version.

        :param dict source: one version of a document.
        :param str path: where it stands, for messages.
        :raise UserError: names a number with more digits than Odoo keeps.
        """
        bands = source.get("bands") or {}
        self.banded = bool(bands.get("rules"))
        self.seasons = [item["name"] for item in source.get("seasons") or []]
        self.seasons = [ALL if name == "*" else name for name in self.seasons]
        begin = datetime.fromisoformat(source["valid_from_local"])
        midnight = datetime.combine(begin.date(), datetime.min.time())
        factor = (source.get("quantity") or {}).get("factor")
        return {
            "valid_from": begin.date(),
            "valid_from_hour": (begin - midnight).seconds / 3600,
            "factor": self._number(
                1 if factor is None else factor,
                f"{path}.quantity.factor",
                QUANTITY_DIGITS,
            ),
            "default_band_id": self._band(bands.get("default")),
            "period_ids": self._rows(source, "seasons", path, self._period),
            "rule_ids": self._rows(bands, "rules", f"{path}.bands", self._rule),
            "price_ids": self._prices(source, f"{path}.energy_prices"),
            "fixed_ids": self._rows(source, "fixed", path, self._fixed),
            "demand_ids": self._rows(source, "demand", path, self._demand),
            "levy_ids": self._rows(source, "adjustments", path, self._levy),
            "holiday_ids": [
                Command.create({"date": day})
                for day in sorted(set(source.get("holidays") or []))
            ],
            **self._tiers(source.get("tiers"), f"{path}.tiers"),
            **self._minimum(source.get("minimum"), f"{path}.minimum"),
        }

    @staticmethod
    def _rows(source, key, path, read):
        return [
            Command.create({"sequence": index, **read(item, f"{path}.{key}[{index}]")})
            for index, item in enumerate(source.get(key) or [])
        ]

    def _number(self, value, path, digits):
        """A number of the document as the float of a field of ``digits`` decimals."""
        number = _decimal(value)
        if not storable(number, digits):
            raise UserError(
                self.env._(
                    "%(path)s: %(number)s has more than %(digits)s decimals or about "
                    "15 digits, which Odoo does not keep.",
                    path=path,
                    number=value,
                    digits=digits,
                )
            )
        return float(number)

    # ------------------------------------------------------------- bands and seasons

    def _named(self, model, name):
        records = self.env[model].with_context(active_test=False)
        found = records.search([("name", "=", name)], limit=1)
        return (found or records.create({"name": name})).id

    def _band(self, name):
        """The band of a name; False for every band."""
        if name in (None, "*") or name == ALL and not self.banded:
            return False
        return self._named("energy.tariff.band", name)

    def _season(self, name):
        """The season of a name; False for every season."""
        if name in (None, "*") or name == ALL and ALL not in self.seasons:
            return False
        return self._named("energy.tariff.season", name)

    @staticmethod
    def _several(names, find):
        names = [names] if isinstance(names, str) else names or []
        found = [find(name) for name in names]
        return [Command.set([] if False in found else found)]

    def _period(self, item, _path):
        month_from, day_from = item["from"].split("-")
        month_to, day_to = item["to"].split("-")
        name = ALL if item["name"] == "*" else item["name"]
        return {
            "season_id": self._season(name),
            "month_from": str(int(month_from)),
            "day_from": int(day_from),
            "month_to": str(int(month_to)),
            "day_to": int(day_to),
        }

    def _rule(self, item, _path):
        days = item.get("day_types")
        days = [days] if isinstance(days, str) else days or ["*"]
        return {
            "band_id": self._band(ALL if item["band"] == "*" else item["band"]),
            "season_ids": self._several(item.get("seasons"), self._season),
            **{f"on_{day}": "*" in days or day in days for day in DAY_TYPES},
            "hour_from": _hours(item["from"]),
            "hour_to": _hours(item["to"]),
        }

    # ----------------------------------------------------------------------- prices

    def _tiers(self, source, path):
        if source is None:
            return {"tier_mode": "single"}
        lists = {key: edges or [] for key, edges in source["thresholds"].items()}
        if "*" in lists and not all(lists.values()):
            # a season without edges is only one beside others that are spelled out
            rest = lists.pop("*")
            lists = {season: lists.get(season, rest) for season in self.seasons}
        rows = {}
        for season in sorted(lists, key="*".__ne__):  # "*" first: others override it
            where = f"{path}.thresholds.{season}"
            rows[self._season(season)] = [
                self._number(edge, f"{where}[{index}]", QUANTITY_DIGITS)
                for index, edge in enumerate(lists[season])
            ]
        return {
            "tier_mode": source["mode"],
            "tier_counter": source["counter"],
            "threshold_ids": [
                Command.create({"season_id": season, "up_to": edge})
                for season, edges in rows.items()
                for edge in edges
            ],
        }

    def _prices(self, source, path):
        rows = {}
        table = source["energy_prices"]
        for season in sorted(table, key="*".__ne__):
            for band in sorted(table[season], key="*".__ne__):
                where = f"{path}.{season}.{band}"
                rows[self._season(season), self._band(band)] = [
                    self._number(price, f"{where}[{index}]", PRICE_DIGITS)
                    for index, price in enumerate(table[season][band] or [])
                ]
        return [
            Command.create(
                {"season_id": season, "band_id": band, "tier": tier, "price": price}
            )
            for (season, band), prices in rows.items()
            for tier, price in enumerate(prices, 1)
        ]

    def _fixed(self, item, path):
        return {
            "name": item["name"],
            "amount": self._number(item["amount"], f"{path}.amount", PRICE_DIGITS),
            "per": item["per"],
        }

    def _demand(self, item, path):
        price = self._number(item["price_per_kw"], f"{path}.price_per_kw", PRICE_DIGITS)
        return {
            "name": item["name"],
            "price_per_kw": price,
            "band_ids": self._several(item.get("bands"), self._band),
            "season_ids": self._several(item.get("seasons"), self._season),
            "minutes": item.get("demand_minutes") or 0,
        }

    def _levy(self, item, path):
        percent = _decimal(item["rate"]) * 100
        percent = self._number(percent, f"{path}.rate", PERCENT_DIGITS)
        tax = self.env["account.tax"].search(
            [
                ("company_id", "parent_of", self.company.id),
                ("type_tax_use", "=", "sale"),
                ("amount_type", "=", "percent"),
                ("price_include", "=", False),
                ("amount", "=", percent),
                ("name", "=ilike", item["name"]),
            ],
            limit=1,
        )
        return {"name": item["name"], "percent": percent, "tax_id": tax.id}

    def _minimum(self, source, path):
        if source is None:
            return {"minimum_amount": 0}
        amount = self._number(source["amount"], f"{path}.amount", PRICE_DIGITS)
        covered = {f"minimum_{name}": name in source["covers"] for name in COVERS}
        return {"minimum_amount": amount, **covered}


def _decimal(value):
    return Decimal(repr(value) if isinstance(value, float) else str(value).strip())


def _hours(text):
    hours, minutes = text.split(":")
    return int(hours) + int(minutes) / 60
