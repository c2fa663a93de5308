"""Which register blocks to read: fewest, not wasting the line on holes.

A pure function with a stated optimum: among all ways to cover the wanted ranges by
blocks of at most ``max_block`` registers that read at most ``max_hole`` unwanted
registers in a row, it returns one of least cost

    cost = Σ over blocks (request_cost + registers read)

``request_cost`` is what one more request costs, in registers: :func:`request_cost`
computes it from the line, so that the least cost is the least time on the wire.
"""

from collections.abc import Iterable
from typing import NamedTuple

OVERHEAD_CHARACTERS = 13  # request of 8 bytes, answer of 5 and the registers


def request_cost(character: float, gap: float, turnaround: float = 0.02) -> float:
    """What one more Modbus RTU request costs on a line, in registers.

    Seconds: ``character`` for one byte on the wire, ``gap`` of silence before each of
    the two frames, ``turnaround`` that the meter takes to begin its answer. At 9600
    baud it is 18.7, at 19200 baud 27.5 (11 bits a character, 20 ms).
    """
    overhead = OVERHEAD_CHARACTERS * character + 2 * gap + turnaround
    return overhead / (2 * character)


class Span(NamedTuple):
    """Registers ``address`` … ``address + count - 1``."""

    address: int
    count: int

    @property
    def end(self) -> int:
        """First address after the span."""
        return self.address + self.count


def merge(spans: Iterable[Span], max_block: int) -> list[Span]:
    """Sort the wanted spans and join those that share registers.

    Spans are only joined while the result still fits into one block.
    """
    merged: list[Span] = []
    for span in sorted(set(spans)):
        if merged and span.address < merged[-1].end:
            end = max(merged[-1].end, span.end)
            joined = Span(merged[-1].address, end - merged[-1].address)
            if joined.count <= max_block:
                merged[-1] = joined
                continue
        merged.append(span)
    return merged


def plan(
    wanted: Iterable[tuple[int, int]],
    max_block: int = 125,
    max_hole: int = 125,
    request_cost: float = 19,
) -> list[Span]:
    """Return the cheapest blocks that cover the ``wanted`` (address, count) ranges.

    Every wanted range lies wholly inside one block, so that a value of several
    registers is never torn between two reads. Raises :class:`ValueError` for an
    empty or too large range.
    """
    spans = [Span(*item) for item in wanted]
    for span in spans:
        if not 0 < span.count <= max_block:
            raise ValueError(
                f"{span.count} registers at {span.address:#06x} do not fit into "
                f"blocks of {max_block}"
            )
    ranges = merge(spans, max_block)
    # best[i]: least cost of covering ranges[i:], and the block to start with
    best: list[tuple[int, Span | None, int]] = [(0, None, 0)] * (len(ranges) + 1)
    for first in reversed(range(len(ranges))):
        best[first] = _cheapest_start(
            ranges, first, best, max_block, max_hole, request_cost
        )
    blocks, index = [], 0
    while index < len(ranges):
        _, block, index = best[index]
        blocks.append(block)
    return blocks


def _cheapest_start(ranges, first, best, max_block, max_hole, request_cost):
    start, end = ranges[first].address, ranges[first].end
    choice = None
    for last in range(first, len(ranges)):
        span = ranges[last]
        if last > first and span.address - end > max_hole:
            break
        end = max(end, span.end)
        if end - start > max_block:
            break
        cost = request_cost + end - start + best[last + 1][0]
        if choice is None or cost < choice[0]:
            choice = (cost, Span(start, end - start), last + 1)
    return choice
