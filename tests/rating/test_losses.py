"""Losses of a feeder: hand-worked cases, properties, a real plant's year."""

import csv
import gzip
from decimal import Decimal

import losses
import pytest
from hypothesis import given
from hypothesis import strategies as st
from losses import Technical
from rating_tools import SHARED
from test_rating_properties import STABLE

KW = st.decimals(0, 500, places=3)
PART = st.decimals(0, 5, places=3)


def test_each_part_grows_in_its_own_way():
    model = Technical(Decimal(2), Decimal(1), Decimal("0.5"))
    assert model.expected(Decimal(0)) == 2
    assert model.expected(Decimal(100)) == 2 + 1 + Decimal("0.5")
    assert model.expected(Decimal(200)) == 2 + 2 + 2


@STABLE
@given(PART, PART, PART, st.lists(KW, min_size=30, max_size=60, unique=True))
def test_a_fit_finds_the_model_that_made_the_hours(fixed, percent, load, energies):
    model = Technical(fixed, percent, load)
    hours = [(energy, model.expected(energy)) for energy in energies]
    found, _r2 = losses.fitted(hours)
    for energy in energies:
        assert abs(found.expected(energy) - model.expected(energy)) < Decimal("0.001")


def test_a_fit_has_no_negative_part():
    hours = [(Decimal(n), Decimal(100 - n) / 10) for n in range(1, 60)]
    found, _r2 = losses.fitted(hours)
    assert min(found.fixed, found.percent, found.load) >= 0
    assert found.fixed > 0


def test_too_few_hours_fit_nothing():
    with pytest.raises(ValueError, match="24"):
        losses.fitted([(Decimal(1), Decimal(1))] * 23)


def test_a_theft_that_begins_stays_unexplained():
    model = Technical(Decimal("0.5"), Decimal(1), Decimal("0.2"))
    trusted = [(Decimal(n), model.expected(Decimal(n))) for n in range(10, 80)]
    found, _r2 = losses.fitted(trusted)
    energy = Decimal(60)
    loss = model.expected(energy) + 4
    assert abs(loss - found.expected(energy) - 4) < Decimal("0.001")


@pytest.mark.parametrize(
    ("unexplained", "active", "due"),
    [
        (5, False, False),  # just the limit
        (6, False, True),
        (5, True, True),
        (4, True, True),  # four fifths: not ended yet
        (Decimal("3.9"), True, False),
        (Decimal("4.5"), False, False),
        (-3, True, False),
    ],
)
def test_an_alarm_begins_and_ends_at_different_levels(unexplained, active, due):
    result = losses.alarming(Decimal(unexplained), Decimal(100), Decimal(5), active)
    assert result is due


def test_no_limit_is_no_alarm_and_no_energy_no_news():
    assert not losses.alarming(Decimal(9), Decimal(10), Decimal(0), True)
    assert losses.alarming(Decimal(0), Decimal(0), Decimal(5), True)
    assert not losses.alarming(Decimal(0), Decimal(0), Decimal(5), False)


def test_the_idle_load_is_not_the_single_lowest_hour():
    hours = [Decimal(0), *[Decimal(7)] * 10, *[Decimal(30)] * 19]
    assert losses.idle(hours) == 7
    assert losses.idle([Decimal(3)]) == 3
    assert losses.idle([]) is None


def test_imbalance_is_the_farthest_phase_from_the_mean():
    assert losses.imbalance([Decimal(30), Decimal(30), Decimal(15)]) == 40
    assert losses.imbalance([Decimal(5)] * 3) == 0
    assert losses.imbalance([Decimal(0)] * 3) is None


def test_an_unmetered_pump_shows_in_a_real_year():
    """A steel works with two metered halves, cable losses and an unmetered pump."""
    file = SHARED / "data" / "loads" / "steel_seoul_2018.csv.gz"
    if not file.exists():
        pytest.skip("the load file is not here")
    with gzip.open(file, "rt") as stream:
        quarters = [Decimal(row["kwh"]) for row in csv.DictReader(stream)]
    year = [sum(quarters[n : n + 4]) for n in range(0, len(quarters) - 3, 4)]
    model = Technical(Decimal("0.4"), Decimal("0.8"), Decimal("0.3"))
    pump = Decimal("2.5")
    trusted, later = [], []
    for number, load in enumerate(year):
        extra = pump if number >= 24 * 60 else 0  # it is connected in March
        lost = model.expected(load)
        # what the feeder measures feeds the losses as well
        for _step in range(3):
            lost = model.expected(load + lost + extra)
        row = load + lost + extra, lost + extra
        (later if extra else trusted).append(row)
    found, r2 = losses.fitted(trusted)
    assert r2 > 0.99
    unexplained = [loss - found.expected(energy) for energy, loss in later]
    mean = sum(unexplained) / len(unexplained)
    assert abs(mean - pump) < Decimal("0.05")
