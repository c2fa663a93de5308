"""What the tariff form shows: the week of each season, and the price table, as data.

Plain Python over the engine's version, so that the picture shows what is rated.
"""

from decimal import Decimal

from ..rating.exact import EXACT, unscaled
from .numbers import plain

WEEK = ("weekday",) * 5 + ("saturday", "sunday", "holiday")
DAY = 86400
# twelve colours that stay apart, also for colour-blind eyes and on a dark ground
PALETTE = (
    "#9aa5b1",
    "#e4572e",
    "#f3a712",
    "#4c9f70",
    "#2e86ab",
    "#7b5ea7",
    "#c05299",
    "#8d6346",
    "#55c1cf",
    "#a8c256",
    "#5c6f82",
    "#e88fa2",
)


def color(number):
    """The colour of a band by its number, any integer."""
    return PALETTE[(number or 0) % len(PALETTE)]


def seasons_of(parsed):
    """[(season, ["MM-DD – MM-DD", …])] in the order of the year."""
    runs = []
    for month_day, name in sorted(parsed.seasons.items()):
        text = "{:02}-{:02}".format(*month_day)
        if runs and runs[-1][0] == name:
            runs[-1][2] = text
        else:
            runs.append([name, text, text])
    if len(runs) > 1 and runs[0][0] == runs[-1][0]:
        runs[0][1] = runs.pop()[1]  # over New Year
    found = {}
    for name, low, high in runs:
        found.setdefault(name, []).append(f"{low} – {high}")
    return list(found.items()) or [("all", [])]


def week(parsed, season):
    """The eight rows of a week, Monday to Sunday and a holiday.

    :return: list of rows of (share of the day at the start, share that it lasts,
        band, "HH:MM – HH:MM").
    """
    return [
        [
            (low / DAY, (high - low) / DAY, band, f"{_clock(low)} – {_clock(high)}")
            for low, high, band in parsed.windows(season, day_type)
        ]
        for day_type in WEEK
    ]


def price_rows(parsed):
    """One row a season and band: what each tier costs.

    :return: list of dicts: season, band, tiers: [{up_to: text or "", net, total: exact
        Decimals per unit}].
    """
    factor = EXACT.add(Decimal(1), parsed.rate)
    order = [name for name, _days in seasons_of(parsed)]
    cells = sorted(parsed.cell_list, key=lambda cell: order.index(cell.season))
    return [
        {
            "season": cell.season,
            "band": cell.band,
            "tiers": [
                {
                    "up_to": plain(unscaled(edge)) if edge is not None else "",
                    "net": price,
                    "total": EXACT.multiply(price, factor),
                }
                for edge, price in zip(
                    (*cell.thresholds, None), cell.prices, strict=True
                )
            ],
        }
        for cell in cells
    ]


def curve(readings, doubted, width=560, height=200):
    """A register over time as points of a picture.

    :param list readings: (time, register as float), in order of time.
    :param tuple doubted: (time, register) of the reading in question, or None.
    :return: dict: line, dots [(x, y, text)], doubted (x, y, text) or None, width,
        height; y is clamped where the doubted register is far off.
    """
    times = [at for at, _register in readings] + ([doubted[0]] if doubted else [])
    values = [register for _at, register in readings]
    begin, span = min(times), (max(times) - min(times)).total_seconds() or 1
    low, high = min(values), max(values)
    rise = (high - low) or 1

    def place(at, register):
        x = 10 + (width - 20) * (at - begin).total_seconds() / span
        share = min(max((register - low) / rise, -0.1), 1.1)
        return round(x, 1), round(height - 30 - (height - 60) * share, 1)

    dots = [(*place(*one), f"{one[0]}: {one[1]:g}") for one in readings]
    return {
        "width": width,
        "height": height,
        "line": " ".join(f"{x},{y}" for x, y, _text in dots),
        "dots": dots,
        "doubted": doubted and (*place(*doubted), f"{doubted[0]}: {doubted[1]:g}"),
    }


def _clock(seconds):
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}"
