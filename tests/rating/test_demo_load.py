"""The load of the demo park: the same each time, and it adds up."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest
from demo.park_load import (
    FEEDS,
    LEAK,
    POOR,
    SERIALS,
    TENANTS,
    ParkLoad,
    day_of,
    local,
)

NOW = datetime(2026, 11, 25, 3, 24, 11)  # the 24th in the park
CENT = Decimal("0.01")  # what is paid has no smaller parts
FIRST = date(2026, 10, 30)  # clocks are set back on 1 November


@pytest.fixture(scope="module")
def load():
    return ParkLoad(FIRST, NOW)


def test_hours_go_on_over_the_change_of_clocks(load):
    assert load.days[0] == FIRST
    assert load.days[-1] == day_of(NOW) == date(2026, 11, 24)
    steps = {b - a for a, b in zip(load.hours, load.hours[1:], strict=False)}
    assert steps == {timedelta(hours=1)}
    assert NOW - timedelta(hours=2) < load.hours[-1] <= NOW - timedelta(hours=1)
    assert {len(energies) for energies in load.used.values()} == {len(load.hours)}
    assert {*load.used} == {*SERIALS}


def test_it_is_the_same_each_time(load):
    assert ParkLoad(FIRST, NOW).used == load.used


def test_a_feeder_delivers_what_is_below_it_and_the_leak(load):
    for index, hour in enumerate(load.hours):
        below = sum(load.used[serial][index] for serial in FEEDS["PE-FEED-W"])
        leaks = (load.today - day_of(hour)).days < LEAK
        extra = load.used["PE-FEED-W"][index] - Decimal("1.02") * below
        assert abs(extra - (Decimal("1.5") if leaks else 0)) < Decimal("0.02")


def test_registers_end_where_they_should(load):
    rows = load.readings(dict.fromkeys(SERIALS, "20000"))
    assert [*rows] == load.days
    last = {row[0]: row for day in load.days for row in rows[day]}
    assert {row[2] for row in last.values()} == {"20000.000"}
    assert sum(map(len, rows.values())) == len(SERIALS) * (len(load.hours) + 1)
    with pytest.raises(ValueError, match="too little"):
        load.readings(dict.fromkeys(SERIALS, "1"))


def test_costs_of_days_add_up(load):
    for tenant in TENANTS:
        whole = load.cost(tenant, FIRST)
        days = sum(load.cost(tenant, d, d + timedelta(days=1)) for d in load.days)
        assert whole == days > 0


def test_whenever_it_is_made_one_tenant_has_nothing_left():
    """And nobody runs dry, at any hour of any weekday, after weeks or months."""
    for days in range(14, 75):
        now = NOW + timedelta(hours=5 * days)
        load = ParkLoad(day_of(now) - timedelta(days=days), now)
        for tenant in (POOR, "t2"):
            left = Decimal(0)
            for day in load.days:
                left += load.top_up(tenant, day, left)
                left -= load.cost(tenant, day, day + timedelta(days=1))
                assert left > -CENT, (tenant, now, day)
            assert tenant != POOR or left < CENT, now


def test_local_is_the_parks_clock():
    assert local(date(2026, 7, 1), 0) == datetime(2026, 7, 1, 5)
    assert local(date(2026, 12, 1), 0) == datetime(2026, 12, 1, 6)
