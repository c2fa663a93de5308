"""The quantity factor, version keys, clipped spans and the bill of a period."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rating import TariffError, compile_tariff
from rating.bill import bill
from rating.clock import instant
from rating_tools import rated, rule, tiers, version

HOUR = 3600
JUNE = ("2024-06-01T00:00", "2024-07-01T00:00")
MAY_31 = 1717192800  # 2024-06-01T00:00 in Berlin


def gas(factor="10.5", **changes) -> dict:
    """A version that prices kWh of a gas that is metered in m³."""
    quantity = {"commodity": "gas", "register_unit": "m³", "unit": "kWh"}
    return version(quantity={**quantity, "factor": factor}, **changes)


def test_tiers_and_prices_are_in_priced_units(tmp_path):
    one = gas(tiers=tiers("incremental", ["100"]), energy_prices={"*": {"*": [1, 2]}})
    rows = [("2024-06-03T10:00Z", "8"), ("2024-06-03T11:00Z", "4")]  # 84 and 42 kWh
    june = rated(tmp_path, rows, [one], JUNE)["months"]["2024-06"]
    assert june["kwh"] == "126"
    assert june["energy_amount"] == "152"  # 100 x 1 + 26 x 2


def test_demand_is_in_priced_units(tmp_path):
    demand = {"name": "kW", "price_per_kw": "1", "bands": "*", "seasons": "*"}
    one = gas(demand=[{**demand, "demand_minutes": 60}])
    june = rated(tmp_path, [("2024-06-03T10:00Z", "8")], [one], JUNE)
    assert june["months"]["2024-06"]["demand"] == {"kW": {"kw": "84"}}


def test_a_new_factor_counts_from_its_version_on():
    later = gas("11", valid_from_local="2024-06-01T12:00")
    tariff = compile_tariff({"versions": [gas("10"), later]}, "Europe/Berlin")
    readings = [(MAY_31, Decimal(0)), (MAY_31 + 24 * HOUR, Decimal(24))]
    charges, state = tariff.advance(None, readings)
    assert {key[1]: parts[0] for key, parts in charges.items()} == {0: 120, 1: 132}
    assert state["kwh"]["2024-06"] == "252"


@pytest.mark.parametrize("factor", ["1", "1.000000", None])
def test_a_factor_of_one_changes_nothing(factor):
    readings = [(MAY_31, Decimal(0)), (MAY_31 + HOUR, Decimal("0.0000000000001"))]
    plain = compile_tariff({"versions": [version()]}, "UTC").advance(None, readings)
    one = compile_tariff({"versions": [gas(factor)]}, "UTC").advance(None, readings)
    assert one == plain


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"factor": "0"}, "factor"),
        ({"factor": "-1"}, "factor"),
        ({"factor": "1.1234567"}, "factor"),
        ({"factor": True}, "factor"),
        ({"unit": 3}, "unit"),
        ({"factr": "2"}, "factr"),
        ("m³", ""),
    ],
)
def test_a_wrong_quantity_is_named(value, path):
    with pytest.raises(TariffError) as caught:
        compile_tariff({"versions": [version(quantity=value)]}, "UTC")
    where = "versions[0].quantity"
    assert caught.value.path == (f"{where}.{path}" if path else where)


def test_a_register_too_fine_for_a_factor_is_refused_not_rounded(tmp_path):
    fine = Decimal("0.0000000000001")  # 13 decimals
    tariff = compile_tariff({"versions": [gas("1.000001")]}, "UTC")
    with pytest.raises(ValueError, match="12 decimals"):
        tariff.advance(None, [(MAY_31, Decimal(0)), (MAY_31 + 60, fine)])
    with pytest.raises(TariffError, match="12 decimals"):
        rated(tmp_path, [("2024-06-03T10:00Z", f"{fine:f}")], [gas("1.000001")], JUNE)


def test_versions_are_called_by_their_keys():
    later = version(valid_from_local="2024-06-01T12:00")
    document = {
        "versions": [
            later,
            version(
                tiers=tiers("whole_volume", ["5"]), energy_prices={"*": {"*": [1, 2]}}
            ),
        ]
    }
    tariff = compile_tariff(document, "Europe/Berlin", keys=[70, 7])
    readings = [(MAY_31, Decimal(0)), (MAY_31 + 24 * HOUR, Decimal(24))]
    charges, state = tariff.advance(None, readings)
    assert {key[1] for key in charges} == {7, 70}
    assert list(state["rows"]["2024-06"]) == ["2024-06-01|7|0"]
    following = [(MAY_31 + 25 * HOUR, Decimal(25))]
    gone = compile_tariff({"versions": [version()]}, "Europe/Berlin", keys=[9])
    charges, state = gone.advance(state, following, start=readings[-1])
    assert {key[1] for key in charges} == {9}, "rows of a version that is gone stay"
    assert state["kwh"]["2024-06"] == "25"
    with pytest.raises(ValueError, match="shorter|longer"):
        compile_tariff(document, "UTC", keys=[1])


def test_maxima_of_a_tariff_before_stay_in_the_state():
    power = {"name": "kW", "price_per_kw": "2", "bands": "*", "seasons": "*"}
    first = compile_tariff({"versions": [version(demand=[power])]}, "UTC", keys=[1])
    second = compile_tariff({"versions": [version()]}, "UTC", keys=[2])
    readings = [(MAY_31, Decimal(0)), (MAY_31 + HOUR, Decimal(8))]
    _charges, state = first.advance(None, readings)
    _charges, state = second.advance(
        state, [(MAY_31 + 9 * HOUR, Decimal(9))], start=readings[-1]
    )
    assert state["demand"]["max"]["2024-05"]["kW"][0] == "2"  # 15 minutes of 8 kW
    assert not list(second.demand_charges(state["demand"]["max"]["2024-05"]))


MOMENTS = st.lists(st.integers(0, 400 * HOUR), min_size=2, max_size=12, unique=True)


@settings(max_examples=60, deadline=None)
@given(MOMENTS, st.lists(st.integers(0, 9999), min_size=12, max_size=12), st.data())
def test_clipped_spans_add_up(moments, steps, data):
    """[low, cut) and [cut, high) together are [low, high), to the last digit."""
    night = {"default": "day", "rules": [rule("night", "22:00", "06:00")]}
    one = gas(
        "10.123456",
        bands=night,
        tiers=tiers("incremental", ["30"]),
        energy_prices={"*": {"day": ["0.3", "0.2"], "night": ["0.1", "0.05"]}},
    )
    tariff = compile_tariff({"versions": [one]}, "Europe/Berlin")
    register, readings = Decimal(0), []
    for at, step in zip(sorted(moments), steps, strict=False):
        register += Decimal(step) / 1000
        readings.append((MAY_31 + at, register))
    cut = data.draw(st.integers(MAY_31, MAY_31 + 400 * HOUR))
    whole, end = tariff.advance(None, readings)
    before, state = tariff.advance(None, readings, high=cut)
    after, state = tariff.advance(state, readings, low=cut)
    assert state == end
    sums = {
        key: tuple(
            a + b
            for a, b in zip(
                before.get(key, (0, 0, 0)), after.get(key, (0, 0, 0)), strict=True
            )
        )
        for key in before.keys() | after.keys()
    }
    assert sums == whole


def test_a_bill_is_what_the_case_says(tmp_path):
    one = version(
        fixed=[
            {"name": "day", "amount": "0.1", "per": "day"},
            {"name": "month", "amount": "5", "per": "month"},
        ],
        demand=[
            {
                "name": "kW",
                "price_per_kw": "3",
                "bands": "*",
                "seasons": "*",
                "demand_minutes": 60,
            }
        ],
        minimum={"amount": "60", "per": "month", "covers": ["energy", "fixed"]},
        adjustments=[{"name": "VAT", "rate": "0.19", "base": ["subtotal"]}],
    )
    tariff = compile_tariff({"versions": [one]}, "Europe/Berlin")
    start = instant(tariff.tz, date_time(2024, 6, 1))
    end = instant(tariff.tz, date_time(2024, 8, 1))
    run = [
        (start - HOUR, Decimal(0)),
        (start + HOUR, Decimal(8)),
        (start + 2 * HOUR, Decimal(18)),
    ]
    found = bill(tariff, [run], start, end)
    rows = [("2024-05-31T22:00Z", "4"), ("2024-05-31T23:00Z", "10")]
    period = ("2024-06-01T00:00", "2024-08-01T00:00")
    case = rated(tmp_path, rows, [one], period)["months"]
    for name in ("2024-06", "2024-07"):
        assert found.as_json(name) == case[name]
    by_kind = {}
    for _month, kind, _season, _band, _kwh, _net, total in found.lines():
        by_kind[kind] = by_kind.get(kind, 0) + total
    assert sum(by_kind.values()) == sum(
        Decimal(month["total"]) for month in case.values()
    )
    assert by_kind["demand"] == Decimal("35.7")  # 10 kW x 3 x 1.19


def date_time(year, month, day):
    """Midnight, without a zone."""
    return datetime.combine(date(year, month, day), datetime.min.time())
