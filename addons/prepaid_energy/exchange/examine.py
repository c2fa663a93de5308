"""What is wrong with a tariff version, in the words of its form."""

from ..rating import TariffError, compile_tariff
from .to_document import to_document

WITHOUT_PRICES = {
    "tiers": None,
    "energy_prices": {"*": {"*": ["0"]}},
    "fixed": [],
    "demand": [],
    "minimum": None,
    "adjustments": [],
}
NO_BAND = "–"  # in the picture: hours that no rule covers


def examined(version):
    """(problem or False, version with bands only or None, whole one or None).

    The bands are looked at first, so that the week can be drawn before there are
    prices, and a gap is named as what it is.

    :param recordset version: one ``energy.tariff.version``, also an unsaved one.
    """
    if not version.valid_from:
        return version.env._("From when on?"), None, None
    bands = None
    try:
        source = to_document(version)
        drawn = {**source, **WITHOUT_PRICES}
        if version.rule_ids and not version.default_band_id:
            drawn["bands"] = {**source["bands"], "default": NO_BAND}
        bands = _parsed(version, drawn)
        problem = _gap(version, bands) or _uneven_tiers(version)
        whole = None if problem else _parsed(version, source)
        return problem, bands, whole
    except TariffError as error:
        return _explained(version.env, error), bands, None


def _parsed(version, source):
    """The engine's version of a document's one."""
    tz = version.tariff_id.tz or "UTC"
    return compile_tariff({"versions": [source]}, tz).versions[0]


def _explained(env, error):
    """An error of the engine with the page of the form instead of a JSON path."""
    pages = {
        "seasons": env._("Seasons"),
        "holidays": env._("Holidays"),
        "bands": env._("Bands"),
        "tiers": env._("Tiers"),
        "energy_prices": env._("Prices"),
        "fixed": env._("Fixed charges"),
        "demand": env._("Demand charges"),
        "minimum": env._("Minimum"),
        "adjustments": env._("Levies"),
        "quantity": env._("Factor"),
    }
    path = error.path.removeprefix("versions[0].")
    key = path.split(".")[0].split("[")[0]
    rest = path.removeprefix(key).strip(".")
    place = f"{pages.get(key, key)} ({rest})" if rest else pages.get(key, key)
    return f"{place}: {error.problem}"


def _uneven_tiers(version):
    """What is wrong where the price rows do not make lists of tiers, or False."""
    tiers = {}
    for price in version.price_ids:
        names = price.season_id.name or "*", price.band_id.name or "*"
        tiers.setdefault(names, []).append(price.tier)
    for (season, band), found in tiers.items():
        if sorted(found) != list(range(1, len(found) + 1)):
            return version.env._(
                "Prices of season %(season)s, band %(band)s: tiers %(tiers)s; "
                "each tier from 1 on is needed once.",
                season=season,
                band=band,
                tiers=", ".join(map(str, sorted(found))),
            )
    return False


def _gap(version, bands):
    """The hours that no rule covers, where there is no default; or False."""
    if version.default_band_id or not version.rule_ids:
        return False
    gap = next(bands.uncovered(), None)
    if not gap:
        return False
    season, day_type, low, high = gap
    return version.env._(
        "No band rule covers %(day)s, %(low)s to %(high)s, in season %(season)s: "
        "add one, or a band for all other hours.",
        day=day_type,
        low=f"{low // 3600:02}:{low // 60 % 60:02}",
        high=f"{high // 3600:02}:{high // 60 % 60:02}",
        season=season,
    )
