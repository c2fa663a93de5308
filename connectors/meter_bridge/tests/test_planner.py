"""The planner covers everything, tears nothing, and is as cheap as can be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meter_bridge.planner import Span, plan, request_cost
from meter_bridge.wire.lines import gap_of

ranges = st.lists(st.tuples(st.integers(0, 120), st.integers(1, 6)), max_size=30)
few = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 4)), max_size=6)


@given(ranges, st.integers(6, 125), st.integers(0, 40), st.integers(0, 40))
def test_every_range_lies_in_one_block(wanted, block, hole, cost):
    blocks = plan(wanted, block, hole, cost)
    for address, count in wanted:
        assert any(b.address <= address and address + count <= b.end for b in blocks)
    assert all(b.count <= block for b in blocks)
    assert blocks == sorted(blocks)
    assert all(longest_hole(b, wanted) <= hole for b in blocks)


def partitions(items):
    """All ways to put ``items`` into groups."""
    if not items:
        yield []
        return
    first, *rest = items
    for groups in partitions(rest):
        yield [[first], *groups]
        for i, group in enumerate(groups):
            yield [*groups[:i], [first, *group], *groups[i + 1 :]]


def longest_hole(block, wanted):
    """Most unwanted registers in a row inside ``block``."""
    used = {address + i for address, count in wanted for i in range(count)}
    run = longest = 0
    for address in range(block.address, block.end):
        run = 0 if address in used else run + 1
        longest = max(longest, run)
    return longest


@settings(max_examples=150)
@given(few, st.integers(4, 40), st.integers(0, 12), st.floats(0, 30))
def test_no_grouping_is_cheaper(wanted, block, hole, cost):
    def cost_of(groups):
        total = 0
        for group in groups:
            begin, end = min(a for a, _ in group), max(a + n for a, n in group)
            one = Span(begin, end - begin)
            if one.count > block or longest_hole(one, group) > hole:
                return float("inf")
            total += cost + one.count
        return total

    best = min(cost_of(groups) for groups in partitions(sorted(set(wanted))))
    got = plan(wanted, block, hole, cost)
    assert sum(cost + b.count for b in got) == pytest.approx(best)


@given(few, st.sampled_from([2400, 9600, 19200, 115200]))
def test_least_cost_is_least_time_on_the_wire(wanted, baudrate):
    """Cost in registers and milliseconds of a line put plans in the same order."""
    character = 11 / baudrate
    gap = gap_of(baudrate, character)

    def seconds(blocks):
        registers = sum(block.count for block in blocks)
        frames = (13 * character + 2 * gap + 0.02) * len(blocks)
        return frames + 2 * character * registers

    cost = request_cost(character, gap)
    best = seconds(plan(wanted, request_cost=cost))
    for other in (0, 5, 17, 60, 1000):
        assert best <= seconds(plan(wanted, request_cost=other)) + 1e-9


@pytest.mark.parametrize(
    ("baudrate", "cost"), [(2400, 12.2), (9600, 18.7), (19200, 27.5), (115200, 129.6)]
)
def test_a_request_costs_more_registers_on_a_faster_line(baudrate, cost):
    character = 11 / baudrate
    assert request_cost(character, gap_of(baudrate, character)) == pytest.approx(
        cost, abs=0.1
    )


def test_holes_are_filled_when_cheaper_than_another_request():
    assert plan([(0, 2), (10, 2)], request_cost=17) == [Span(0, 12)]
    assert plan([(0, 2), (50, 2)], request_cost=17) == [Span(0, 2), Span(50, 2)]
    assert plan([(0, 2), (10, 2)], max_hole=7) == [Span(0, 2), Span(10, 2)]
    assert plan([]) == []


@pytest.mark.parametrize("wanted", [(0, 0), (0, 61), (5, -1)])
def test_impossible_ranges_are_refused(wanted):
    with pytest.raises(ValueError):
        plan([wanted], max_block=60)
