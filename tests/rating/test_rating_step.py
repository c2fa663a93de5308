"""The fast way through the engine gives what the engine gives, to the last digit."""

import random
from datetime import datetime
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st
from rating import compile_tariff
from rating_worlds import ZONES, document
from test_rating_properties import EPOCH, FIRSTS, STABLE, seeds


@STABLE
@given(seeds, st.sampled_from(ZONES), st.sampled_from(FIRSTS))
def test_a_step_equals_an_advance(seed, zone, first):
    rng = random.Random(seed)
    tariff = compile_tariff(document(seed, first, demand=False), zone)
    at = int((datetime(first.year, first.month, first.day) - EPOCH).total_seconds())
    last, state = (at, Decimal("99.5")), None
    for _ in range(40):
        readings = [last]
        for _more in range(rng.randint(1, 4)):
            at, register = readings[-1]
            at += rng.choice((1, 60, 900, 900, 3600))
            register += Decimal(rng.randrange(30000)).scaleb(-rng.randint(0, 4))
            readings.append((at, register))
        step = tariff.step(state, readings)
        charges, following = tariff.advance(state, readings)
        if step is not None:
            assert step == (charges, following)
        last, state = readings[-1], following


def test_the_commonest_case_is_taken():
    document = {
        "versions": [
            {
                "valid_from_local": "2024-01-01T00:00",
                "energy_prices": {"*": {"a": ["0.1"]}},
                "bands": {"default": "a", "rules": []},
            }
        ]
    }
    tariff = compile_tariff(document, "UTC")
    day = 19800 * 86400
    readings = [(day + 60, Decimal(1)), (day + 120, Decimal("1.5"))]
    assert tariff.step(None, readings) is None, "nothing is known of the month"
    _charges, state = tariff.advance(None, readings)
    later = [readings[-1], (day + 180, Decimal("2.5"))]
    assert tariff.step(state, later) == tariff.advance(state, later)
    assert tariff.step(state, later) is not None
    still = [later[-1], (day + 240, Decimal("2.5"))]
    assert tariff.step(state, still) == ({}, state)
    falling = [later[-1], (day + 240, Decimal("2.4"))]
    assert tariff.step(state, falling) is None
    over_midnight = [later[-1], (day + 86401, Decimal(3))]
    assert tariff.step(state, over_midnight) is None
