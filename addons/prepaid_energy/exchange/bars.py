"""A chart of stacked bars as data: plain Python, so that a template only draws it."""

from decimal import Decimal

WIDTH, HEIGHT = 360, 190  # of the picture, in its own units
LEFT, RIGHT, TOP, BOTTOM = 34, 4, 10, 20  # margins: the scale's labels, the buckets'
STEPS = (Decimal(1), Decimal(2), Decimal("2.5"), Decimal(5), Decimal(10))
LINES = 4  # at most so many steps of the scale
LABELS = 8  # at most so many buckets have a label


def scale(most):
    """The steps of a scale that reaches ``most``: round numbers, from 0.

    :param Decimal most: the highest bar.
    :return: list of Decimals; the last is not below ``most``.
    """
    if most <= 0:
        return [Decimal(0), Decimal(1)]
    ten = Decimal(1).scaleb((most / LINES).adjusted())
    step = next(ten * one for one in STEPS if ten * one * LINES >= most)
    lines = [Decimal(0)]
    while lines[-1] < most:
        lines.append(lines[-1] + step)
    return lines


def chart(buckets, order):
    """Place bars.

    :param list buckets: (label, {series: Decimal}); what is below zero is not drawn.
    :param list order: the series, from the bottom up.
    :return: dict: width, height, lines [(y, value)], bars [{label or "", x, width,
        middle, top, parts [(series number, y, height)]}], baseline.
    """
    sums = [sum(value for value in part.values() if value > 0) for _l, part in buckets]
    lines = scale(max(sums, default=Decimal(0)))
    high = HEIGHT - TOP - BOTTOM
    unit = Decimal(high) / lines[-1]
    pitch = (WIDTH - LEFT - RIGHT) / max(len(buckets), 1)
    every = -(-len(buckets) // LABELS) or 1
    base = HEIGHT - BOTTOM
    bars = []
    for number, (label, parts) in enumerate(buckets):
        y, drawn = Decimal(base), []
        for index, series in enumerate(order):
            tall = max(parts.get(series, Decimal(0)), Decimal(0)) * unit
            if tall:
                y -= tall
                drawn.append((index, round(float(y), 2), round(float(tall), 2)))
        x = LEFT + number * pitch
        bars.append(
            {
                "label": "" if number % every else label,
                "x": round(x + pitch * 0.12, 2),
                "width": round(pitch * 0.76, 2),
                "middle": round(x + pitch / 2, 2),
                "top": round(float(y), 2),
                "parts": drawn,
            }
        )
    return {
        "width": WIDTH,
        "height": HEIGHT,
        "left": LEFT,
        "baseline": base,
        "lines": [(round(float(base - line * unit), 2), line) for line in lines],
        "bars": bars,
    }
