"""A tariff version's records, also unsaved ones, as the neutral document."""

from datetime import datetime, timedelta

from .numbers import exact, plain

PRICE_DIGITS = 10
PERCENT_DIGITS = 6
QUANTITY_DIGITS = 6
COVERS = ("energy", "fixed", "demand")


def to_document(version):
    """A version as the tariff document has it; numbers as decimal strings.

    :param recordset version: one ``energy.tariff.version``.
    """
    return {
        "valid_from_local": _wall_clock(version),
        "seasons": [
            {
                "name": period.season_id.name,
                "from": f"{int(period.month_from):02}-{period.day_from:02}",
                "to": f"{int(period.month_to):02}-{period.day_to:02}",
            }
            for period in version.period_ids
        ],
        "holidays": sorted(str(day.date) for day in version.holiday_ids if day.date),
        "bands": _bands(version),
        "tiers": _tiers(version),
        "energy_prices": _prices(version),
        "fixed": [
            {"name": fixed.name, "amount": _price(fixed.amount), "per": fixed.per}
            for fixed in version.fixed_ids
        ],
        "demand": [_demand(demand) for demand in version.demand_ids],
        "minimum": _minimum(version),
        "adjustments": [
            {"name": levy.name, "rate": levy._rate(), "base": ["subtotal"]}
            for levy in version.levy_ids
        ],
        "quantity": {
            "commodity": version.tariff_id.commodity or None,
            "register_unit": version.tariff_id.register_uom_id.name or None,
            "unit": version.tariff_id.uom_id.name or None,
            "factor": plain(exact(version.factor, QUANTITY_DIGITS)),
        },
    }


def _wall_clock(version):
    begin = datetime.combine(version.valid_from, datetime.min.time())
    begin += timedelta(seconds=round(version.valid_from_hour * 3600))
    return begin.isoformat(timespec="seconds" if begin.second else "minutes")


def clock(hours):
    """Hours of a day (float, to 24) as "HH:MM"."""
    minutes = round(hours * 60)
    return f"{minutes // 60:02}:{minutes % 60:02}"


def _price(value):
    return plain(exact(value, PRICE_DIGITS))


def _names(records):
    return [record.name for record in records] or "*"


def _bands(version):
    """The band rules.

    Without a default, the last rule's band stands in for it: the check of the version
    has seen to it that the rules leave nothing over.
    """
    rules = [
        {
            "band": rule.band_id.name,
            "seasons": _names(rule.season_ids),
            "day_types": rule._day_types(),
            "from": clock(rule.hour_from),
            "to": clock(rule.hour_to),
        }
        for rule in version.rule_ids
    ]
    default = version.default_band_id or version.rule_ids[-1:].band_id
    return {"default": default.name or "all", "rules": rules}


def _tiers(version):
    if version.tier_mode == "single":
        return None
    thresholds = {}
    for threshold in version.threshold_ids:
        edge = plain(exact(threshold.up_to, QUANTITY_DIGITS))
        thresholds.setdefault(threshold.season_id.name or "*", []).append(edge)
    return {
        "counter": version.tier_counter,
        "mode": version.tier_mode,
        "thresholds": thresholds,
    }


def _prices(version):
    table = {}
    for price in version.price_ids.sorted("tier"):
        row = table.setdefault(price.season_id.name or "*", {})
        row.setdefault(price.band_id.name or "*", []).append(_price(price.price))
    return table


def _demand(demand):
    return {
        "name": demand.name,
        "price_per_kw": _price(demand.price_per_kw),
        "bands": _names(demand.band_ids),
        "seasons": _names(demand.season_ids),
        "demand_minutes": demand.minutes or None,
    }


def _minimum(version):
    if not version.minimum_amount:
        return None
    covers = [name for name in COVERS if version[f"minimum_{name}"]]
    return {"amount": _price(version.minimum_amount), "per": "month", "covers": covers}
