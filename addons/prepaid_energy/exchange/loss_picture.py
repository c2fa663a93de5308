"""Pictures of losses as data: a heat map of hours and days, the flow through a site."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime

from ..rating.clock import zone

# from calm to bad, apart by brightness too; and where nothing is known
SHADES = ("#f1f3f5", "#fde2c4", "#fbb97a", "#f08a4b", "#d1495b", "#7b1e3a")
UNKNOWN = "#c9ced6"
CELL = 18
LEFT, TOP = 78, 18
COLUMN, NODE, GAP = 260, 12, 8
HEIGHT = 360
SMALL = 12  # children of a feeder that are drawn by name


def heat_map(rows, tz="UTC"):
    """Cells of a heat map, a row for each day.

    Where the clock is set back, an hour comes twice: its cell is two narrow ones. Where
    it is set forward, the hour that does not exist has an empty frame.

    :param rows: (day, hour, kWh or None where it is not known), floats; by time.
    :param tz: the name of the time zone that days and hours go by.
    :return: dict: days [(y, text)], cells [dict x, y, width, fill, title], skipped
        [dict x, y, title], top (the value of the darkest shade), height.
    """
    days = sorted({row[0] for row in rows}, reverse=True)
    places = {day: TOP + number * CELL for number, day in enumerate(days)}
    top = max((value for _day, _hour, value in rows if value is not None), default=0)
    hours = defaultdict(list)
    for day, hour, value in rows:
        hours[day, hour].append(value)
    cells = []
    for (day, hour), values in hours.items():
        width = (CELL - 2 * len(values)) // len(values)
        for number, value in enumerate(values):
            known = value is not None
            text = f"{value:.2f} kWh" if known else "?"
            which = f" ({number + 1}/{len(values)})" if len(values) > 1 else ""
            cells.append(
                {
                    "x": LEFT + hour * CELL + number * (width + 2),
                    "y": places[day],
                    "width": width,
                    "fill": SHADES[shade(value, top)] if known else UNKNOWN,
                    "title": f"{day} {hour:02}:00{which}: {text}",
                }
            )
    skipped = [
        {"x": LEFT + hour * CELL, "y": places[day], "title": f"{day} {hour:02}:00"}
        for day in days
        for hour in skipped_hours(day, tz)
        if (day, hour) not in hours
    ]
    return {
        "days": [(places[day] + 13, str(day)) for day in days],
        "hours": [(LEFT + hour * CELL + 9, hour) for hour in range(0, 24, 3)],
        "cells": cells,
        "skipped": skipped,
        "top": top,
        "shades": SHADES,
        "unknown": UNKNOWN,
        "height": TOP + len(days) * CELL + 4,
        "width": LEFT + 24 * CELL + 4,
    }


def skipped_hours(day, tz):
    """The hours of a day that a clock leaves out, set forward."""
    clock = zone(tz)
    for hour in range(24):
        wall = datetime(day.year, day.month, day.day, hour, tzinfo=clock)
        if wall.astimezone(UTC).astimezone(clock).hour != hour:
            yield hour


def shade(value, top):
    """The number of a shade: 0 for nothing lost, the last one for ``top``."""
    if top <= 0 or value <= 0:
        return 0
    return min(len(SHADES) - 1, 1 + int((len(SHADES) - 1) * value / top))


@dataclass
class Node:
    """A meter in the flow: what went through it, and what was lost behind it."""

    name: str
    energy: float
    kind: str = "meter"  # or loss, unknown, rest
    children: list = field(default_factory=list)
    depth: int = 0
    x: float = 0
    y: float = 0
    height: float = 0

    def add_rest(self, loss):
        """Add what does not arrive at the children: lost, or not known.

        :param float loss: what was lost in the hours in which all is known.
        """
        missing = self.energy - sum(child.energy for child in self.children)
        loss = min(max(loss, 0), max(missing, 0))
        if loss > 0:
            self.children.append(Node("", loss, "loss"))
        if missing - loss > 0.005 * self.energy:
            self.children.append(Node("", missing - loss, "unknown"))

    def gather(self, text):
        """Put the smallest children into one, so that names can be read."""
        named = sorted(
            (child for child in self.children if child.kind == "meter"),
            key=lambda child: -child.energy,
        )
        small = [child for child in named[SMALL:] if not child.children]
        if len(small) > 1:
            total = sum(child.energy for child in small)
            self.children = [child for child in self.children if child not in small]
            self.children.append(Node(text % len(small), total, "rest"))


def flow(roots):
    """Lay the trees out from left to right.

    :param list roots: :class:`Node` trees.
    :return: dict: nodes, links [dict d, kind, title], height, width; None where
        nothing flows.
    """
    total = sum(root.energy for root in roots)
    if total <= 0:
        return None
    scale = HEIGHT / total
    nodes, links, cursors = [], [], {}
    for root in roots:
        _place(root, 0, 0, scale, cursors, nodes)
    for node in nodes:
        links += _links(node)
    bottom = max(node.y + max(node.height, 14) for node in nodes)
    depth = max(node.depth for node in nodes)
    return {
        "nodes": nodes,
        "links": links,
        "height": round(bottom + 20),
        "width": (depth + 1) * COLUMN + 80,
        "node_width": NODE,
    }


def _place(node, depth, wanted, scale, cursors, nodes):
    node.depth = depth
    node.x = 4 + depth * COLUMN
    node.height = max(node.energy * scale, 1)
    node.y = max(wanted, cursors.get(depth, 16))
    cursors[depth] = node.y + max(node.height, 12) + GAP
    nodes.append(node)
    below = node.y
    for child in sorted(node.children, key=_order):
        _place(child, depth + 1, below, scale, cursors, nodes)
        below += child.height


def _order(node):
    """Meters first, by energy; then the rest, the loss, the unknown."""
    return ("meter", "rest", "loss", "unknown").index(node.kind), -node.energy


def _links(node):
    start = node.y
    for child in sorted(node.children, key=_order):
        low, high = node.x + NODE, child.x
        middle = (low + high) / 2
        y0, y1 = start, child.y
        start += child.height
        yield {
            "d": f"M{low} {y0:.1f}C{middle} {y0:.1f} {middle} {y1:.1f} {high} {y1:.1f}"
            f"V{y1 + child.height:.1f}C{middle} {y1 + child.height:.1f} {middle} "
            f"{y0 + child.height:.1f} {low} {y0 + child.height:.1f}Z",
            "kind": child.kind,
        }
