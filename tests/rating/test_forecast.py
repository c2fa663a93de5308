"""How long a balance lasts: hand-worked weeks, and what always holds."""

import forecast
import pytest
from forecast import WEEK
from hypothesis import given
from hypothesis import strategies as st

OFFICE = [1.0 if hour // 24 < 5 else 0.0 for hour in range(WEEK)]
money = st.floats(0, 50, allow_nan=False)


def test_a_week_like_every_week_is_learnt_as_it_is():
    assert forecast.learn(OFFICE * 6, 0) == pytest.approx(OFFICE)


def test_it_does_not_matter_on_which_hour_the_series_begins():
    shifted = (OFFICE * 6)[100:]
    assert forecast.learn(shifted, 100) == pytest.approx(OFFICE)


def test_fixed_charges_come_on_top_of_every_hour():
    assert forecast.learn(OFFICE * 6, 0, 0.5)[-1] == pytest.approx(0.5)


def test_less_than_two_weeks_are_no_profile():
    assert forecast.learn(OFFICE, 0) is None
    assert forecast.learn([None] * WEEK * 6 + OFFICE, 0) is None
    assert forecast.learn([], 0) is None


def test_recent_weeks_count_more():
    grown = forecast.learn([1.0] * WEEK * 3 + [2.0] * WEEK * 3, 0)
    assert 1.6 < grown[0] < 2


def test_unknown_hours_are_not_zero():
    holed = [None if index % 3 else one for index, one in enumerate(OFFICE * 6)]
    assert sum(forecast.learn(holed, 0)) == pytest.approx(sum(OFFICE), rel=0.01)


def test_the_weekend_is_walked_over():
    friday = 4 * 24
    assert forecast.days_until(24.0, OFFICE, friday) == pytest.approx(1)
    assert forecast.days_until(25.0, OFFICE, friday) == pytest.approx(3 + 1 / 24)
    assert forecast.days_until(1.0, OFFICE, 5 * 24) == pytest.approx(2 + 1 / 24)


def test_the_hour_under_way_is_partly_over():
    half = forecast.days_until(1.0, [2.0] * WEEK, 0, 0.25)
    assert half == pytest.approx(0.5 / 24)


def test_nothing_left_and_nothing_used():
    assert forecast.days_until(0, OFFICE, 0) == 0
    assert forecast.days_until(-5, OFFICE, 0) == 0
    assert forecast.days_until(5, [0.0] * WEEK, 0) is None
    assert forecast.average_days(5, [0.0] * WEEK) is None
    assert forecast.average_days(5, []) is None


@given(
    st.lists(money, min_size=WEEK, max_size=WEEK),
    st.integers(0, WEEK - 1),
    st.integers(0, 3 * WEEK),
)
def test_what_is_walked_costs_what_there_was(profile, slot, hours):
    """Days for the money of n hours end in hour n, or where the hours after cost 0."""
    cost = sum(profile[(slot + one) % WEEK] for one in range(hours))
    if not 0.001 < cost:
        return
    end = forecast.days_until(cost, profile, slot) * 24
    walked = sum(
        profile[(slot + one) % WEEK] * min(max(end - one, 0), 1)
        for one in range(int(end) + 2)
    )
    assert walked == pytest.approx(cost, abs=1e-5)
    assert end <= hours + 1e-6 * hours + 1


def test_more_money_lasts_longer():
    days = [forecast.days_until(one / 3, OFFICE, 20, 0.5) for one in range(1, 900)]
    assert days == sorted(days)
    assert days[-1] > 14


def test_a_backtest_tells_the_better_method():
    by_profile, by_average, looks = forecast.backtest(OFFICE * 8, 0)
    assert by_profile == pytest.approx(0, abs=1e-6)
    assert by_average > 0.3
    assert looks > 20


def test_a_backtest_of_too_little_says_nothing():
    assert (
        forecast.backtest(OFFICE * 2, 0)[2] == 0 or forecast.backtest(OFFICE, 0)[2] == 0
    )
    assert forecast.backtest([0.0] * WEEK * 8, 0) == (None, None, 0)


def test_a_backtest_knows_nothing_of_what_comes():
    """The same past with two futures: the errors before the fork are the same."""
    past = [1.0 + (index % 24) / 10 for index in range(WEEK * 8)]
    fork = forecast.backtest(past + [9.0] * 24, 0, weeks=0)
    assert fork[2] == 0


def off(*days, count=7):
    """Whether each hour of ``count`` days is on one of these days."""
    return [day in days for day in range(count) for _hour in range(24)]


def test_a_holiday_is_no_workday_of_the_profile():
    """Closed on the third Wednesday: the other Wednesdays are as they were."""
    hours = OFFICE * 4
    begin = (2 * 7 + 2) * 24
    hours[begin : begin + 24] = [0.0] * 24
    free = off(2 * 7 + 2, count=28)
    assert forecast.learn(hours, 0, free=free) == pytest.approx(OFFICE)
    assert forecast.learn(hours, 0)[50] < 0.9


def test_a_holiday_to_come_is_walked_over_like_a_sunday():
    """Thursday is off: what would end on Thursday noon lasts until Friday noon."""
    wednesday = 2 * 24
    days = forecast.days_until(36.0, OFFICE, wednesday, free=off(1, count=3))
    assert days == pytest.approx(2.5)
    assert forecast.days_until(36.0, OFFICE, wednesday) == pytest.approx(1.5)


def test_the_hour_under_way_may_be_a_holidays():
    work = [2.0 if hour // 24 < 5 else 1.0 for hour in range(WEEK)]
    now = forecast.days_until(1.0, work, 0, 0.25, free=off(0, count=1))
    assert now == pytest.approx(1 / 24)


@given(
    st.lists(money, min_size=WEEK, max_size=WEEK),
    st.integers(0, WEEK - 1),
    st.floats(0.01, 5000),
    st.integers(0, 400),
)
def test_days_that_are_no_holidays_change_nothing(profile, slot, balance, count):
    plain = forecast.days_until(balance, profile, slot, 0.5)
    told = forecast.days_until(balance, profile, slot, 0.5, [False] * count)
    if plain is None or told is None:
        assert plain == told
        return
    cost = sum(profile[(slot + one) % WEEK] for one in range(int(told * 24)))
    # floats may end it before or after hours that cost nothing
    assert told == pytest.approx(plain, abs=1e-6) or cost == pytest.approx(balance)


def test_a_backtest_minds_holidays():
    hours, days = OFFICE * 9, (44, 45, 52)
    for day in days:
        hours[day * 24 : day * 24 + 24] = [0.0] * 24
    blind = forecast.backtest(hours, 0)[0]
    assert forecast.backtest(hours, 0, free=off(*days, count=63))[0] < blind / 2


def test_about_equal_errors_go_to_the_profile():
    assert forecast.is_better(1.05, 1.0)
    assert not forecast.is_better(1.2, 1.0)
    assert forecast.is_better(None, None)
