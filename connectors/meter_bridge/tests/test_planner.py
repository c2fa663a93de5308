"""The planner covers everything, tears nothing, and is as cheap as can be."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from meter_bridge.planner import Span, plan

ranges = st.lists(st.tuples(st.integers(0, 120), st.integers(1, 6)), max_size=30)
few = st.lists(st.tuples(st.integers(0, 60), st.integers(1, 4)), max_size=6)


@given(ranges, st.integers(6, 125), st.integers(0, 40), st.integers(0, 40))
def test_every_range_lies_in_one_block(wanted, block, hole, cost):
    blocks = plan(wanted, block, hole, cost)
    for address, count in wanted:
        assert any(b.address <= address and address + count <= b.end for b in blocks)
    assert all(b.count <= block for b in blocks)
    assert blocks == sorted(blocks)
    for b in blocks:  # no run of unwanted registers is longer than allowed
        used = {a + i for a, n in wanted for i in range(n)}
        run = 0
        for address in range(b.address, b.end):
            run = 0 if address in used else run + 1
            assert run <= hole


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


@settings(max_examples=150)
@given(few, st.integers(4, 40), st.integers(0, 30))
def test_no_grouping_is_cheaper(wanted, block, cost):
    def cost_of(groups):
        total = 0
        for group in groups:
            size = max(a + n for a, n in group) - min(a for a, _ in group)
            if size > block:
                return float("inf")
            total += cost + size
        return total

    best = min(cost_of(groups) for groups in partitions(sorted(set(wanted))))
    got = plan(wanted, block, 125, cost)
    assert sum(cost + b.count for b in got) == best


def test_holes_are_filled_when_cheaper_than_another_request():
    assert plan([(0, 2), (10, 2)], request_cost=17) == [Span(0, 12)]
    assert plan([(0, 2), (50, 2)], request_cost=17) == [Span(0, 2), Span(50, 2)]
    assert plan([(0, 2), (10, 2)], max_hole=7) == [Span(0, 2), Span(10, 2)]
    assert plan([]) == []


@pytest.mark.parametrize("wanted", [(0, 0), (0, 61), (5, -1)])
def test_impossible_ranges_are_refused(wanted):
    with pytest.raises(ValueError):
        plan([wanted], max_block=60)
