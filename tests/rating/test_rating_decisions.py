"""Decisions 1 to 10, each with figures worked by hand."""

from datetime import datetime, timedelta
from decimal import Decimal

import pytest
from rating import compile_tariff
from rating_tools import hours, rated, rows_of, rule, tiers, version

JUNE = ("2024-06-01T00:00", "2024-07-01T00:00")
NIGHT = {"default": "day", "rules": [rule("night", "22:00", "06:00")]}
TWO = {"*": {"day": ["0.30"], "night": ["0.10"]}}


def test_1_an_interval_belongs_to_its_start(tmp_path):
    # 21:30 local (19:30Z) for an hour: half of it lies in the night, all is day.
    out = rated(
        tmp_path,
        [("2024-06-03T19:30Z", "2"), ("2024-06-30T21:30Z", "1")],
        [version(bands=NIGHT, energy_prices=TWO)],
        ("2024-06-01T00:00", "2024-08-01T00:00"),
    )
    june = rows_of(out["months"]["2024-06"])
    assert june == {("all", "day", 1): ("2", "0.6"), ("all", "night", 1): ("1", "0.1")}
    assert out["months"]["2024-07"]["kwh"] == "0"


def test_2_both_passes_of_a_repeated_hour_show_the_same_band(tmp_path):
    bands = {"default": "day", "rules": [rule("night", "02:00", "03:00")]}
    period = ("2024-10-27T00:00", "2024-10-28T00:00")
    one = [version(bands=bands, energy_prices=TWO)]
    out = rated(tmp_path, hours("2024-10-26T22:00", 25), one, period)
    assert rows_of(out["months"]["2024-10"]) == {
        ("all", "day", 1): ("23", "6.9"),
        ("all", "night", 1): ("2", "0.2"),
    }
    period = ("2024-03-31T00:00", "2024-04-01T00:00")
    out = rated(tmp_path, hours("2024-03-30T23:00", 23), one, period)
    assert rows_of(out["months"]["2024-03"]) == {("all", "day", 1): ("23", "6.9")}


def test_3_the_hours_after_midnight_take_their_own_date(tmp_path):
    # Friday 7 June 22:00 to Saturday 06:00: only the two Friday hours are weekday.
    bands = {"default": "day", "rules": [rule("night", "22:00", "06:00", ["weekday"])]}
    out = rated(
        tmp_path,
        hours("2024-06-07T20:00", 8),
        [version(bands=bands, energy_prices=TWO)],
        JUNE,
    )
    assert rows_of(out["months"]["2024-06"])["all", "night", 1] == ("2", "0.2")


def test_3_a_holiday_is_only_a_holiday(tmp_path):
    rules = [rule("night", "00:00", "24:00", ["saturday", "holiday"])]
    one = version(
        bands={"default": "day", "rules": rules},
        energy_prices=TWO,
        holidays=["2024-06-03"],
    )
    out = rated(tmp_path, hours("2024-06-02T22:00", 48), [one], JUNE)
    assert rows_of(out["months"]["2024-06"]) == {
        ("all", "day", 1): ("24", "7.2"),
        ("all", "night", 1): ("24", "2.4"),
    }


def test_4_tiers_run_over_all_bands_and_split_an_interval(tmp_path):
    one = version(
        bands=NIGHT,
        energy_prices={"*": {"day": ["0.30", "0.5"], "night": ["0.10", "0.2"]}},
        tiers=tiers("incremental", ["10"]),
    )
    # 7 kWh by day, then 5 kWh in the night hour: 3 in tier 1, 2 in tier 2.
    rows = [("2024-06-03T10:00Z", "7"), ("2024-06-03T20:00Z", "5")]
    out = rated(tmp_path, rows, [one], JUNE)
    assert rows_of(out["months"]["2024-06"]) == {
        ("all", "day", 1): ("7", "2.1"),
        ("all", "night", 1): ("3", "0.3"),
        ("all", "night", 2): ("2", "0.4"),
    }


def test_4_edges_are_inclusive_and_months_start_anew(tmp_path):
    one = version(
        tiers=tiers("incremental", ["10", "12"]),
        energy_prices={"*": {"*": ["1", "2", "3"]}},
    )
    rows = [("2024-06-03T10:00Z", "10"), ("2024-07-03T10:00Z", "13")]
    out = rated(tmp_path, rows, [one], ("2024-06-01T00:00", "2024-08-01T00:00"))
    assert rows_of(out["months"]["2024-06"]) == {("all", "day", 1): ("10", "10")}
    assert out["months"]["2024-07"]["energy_amount"] == "17"  # 10×1 + 2×2 + 1×3


def test_4_a_year_counter_goes_on_over_the_months(tmp_path):
    one = version(
        tiers=tiers("incremental", ["15"], "year"),
        energy_prices={"*": {"*": ["1", "2"]}},
    )
    rows = [("2024-06-03T10:00Z", "10"), ("2024-07-03T10:00Z", "10")]
    out = rated(tmp_path, rows, [one], ("2024-06-01T00:00", "2024-08-01T00:00"))
    assert out["months"]["2024-07"]["energy_amount"] == "15"  # 5×1 + 5×2


def test_5_a_new_version_keeps_the_counter(tmp_path):
    old = version(
        tiers=tiers("incremental", ["10"]), energy_prices={"*": {"*": ["1", "2"]}}
    )
    new = version(
        valid_from_local="2024-06-15T00:00",
        tiers=tiers("incremental", ["14"]),
        energy_prices={"*": {"*": ["3", "4"]}},
    )
    rows = [("2024-06-03T10:00Z", "12"), ("2024-06-20T10:00Z", "5")]
    out = rated(tmp_path, rows, [old, new], JUNE)
    # 10×1 + 2×2, then from 12: 2×3 up to 14, 3×4 beyond.
    assert out["months"]["2024-06"]["energy_amount"] == "32"


def test_6_fixed_charges_by_date_and_month(tmp_path):
    fixed = [
        {"name": "day", "amount": "0.5", "per": "day"},
        {"name": "month", "amount": "3", "per": "month"},
    ]
    dearer = [{"name": "day", "amount": "0.7", "per": "day"}]
    versions = [
        version(fixed=fixed),
        version(valid_from_local="2024-03-20T12:00", fixed=dearer),
    ]
    out = rated(tmp_path, [], versions, ("2024-03-01T00:00", "2024-04-01T00:00"))
    # The version of noon on the 20th counts from the 21st: 20×0.5 + 11×0.7 + 3.
    assert out["months"]["2024-03"]["fixed_amount"] == "20.7"


def demand(**changes) -> dict:
    """A demand charge of 10 per kW and hour windows."""
    base = {"name": "power", "price_per_kw": "10", "bands": "*", "seasons": "*"}
    return {**base, "demand_minutes": 60, **changes}


def test_7_demand_is_the_highest_window(tmp_path):
    rows = [
        ("2024-06-03T10:00Z", "1"),
        ("2024-06-03T10:30Z", "4"),
        ("2024-06-03T11:00Z", "3"),
        ("2024-06-03T11:30Z", "3"),
    ]
    charges = [demand(), demand(name="half", demand_minutes=30, price_per_kw="2")]
    out = rated(tmp_path, rows, [version(demand=charges)], JUNE, minutes=30)
    june = out["months"]["2024-06"]
    # Hours: 5 and 6 kWh; half hours: 4 kWh × 60/30 = 8 kW.
    assert june["demand"] == {"power": {"kw": "6"}, "half": {"kw": "8"}}
    assert june["demand_amount"] == "76"


def test_7_the_first_of_equal_maxima_sets_the_price(tmp_path):
    rows = [("2024-06-03T10:00Z", "6"), ("2024-06-20T10:00Z", "6")]
    dear = version(
        valid_from_local="2024-06-15T00:00", demand=[demand(price_per_kw="99")]
    )
    out = rated(tmp_path, rows, [version(demand=[demand()]), dear], JUNE)
    assert out["months"]["2024-06"]["demand_amount"] == "60"
    rows[1] = ("2024-06-20T10:00Z", "6.01")
    out = rated(tmp_path, rows, [version(demand=[demand()]), dear], JUNE)
    assert out["months"]["2024-06"]["demand_amount"] == "594.99"


def test_7_demand_only_in_its_bands(tmp_path):
    rows = [("2024-06-03T10:00Z", "2"), ("2024-06-03T21:00Z", "9")]
    one = version(bands=NIGHT, energy_prices=TWO, demand=[demand(bands=["day"])])
    out = rated(tmp_path, rows, [one], JUNE)
    assert out["months"]["2024-06"]["demand"] == {"power": {"kw": "2"}}


def test_7_an_interval_of_the_demand_minutes_is_judged_by_its_own_start(tmp_path):
    """In India the UTC hours start at half past: 22:30 is night, 21:30 is day."""
    rows = [("2024-06-03T16:00Z", "2"), ("2024-06-03T17:00Z", "9")]
    bands = {"default": "day", "rules": [rule("night", "22:30", "06:00")]}
    one = version(bands=bands, energy_prices=TWO, demand=[demand(bands=["day"])])
    out = rated(tmp_path, rows, [one], JUNE, "Asia/Kolkata")
    assert out["months"]["2024-06"]["demand"] == {"power": {"kw": "2"}}


def test_7_a_clock_change_begins_a_new_window(tmp_path):
    one = version(demand=[demand(demand_minutes=1440)])
    period = ("2024-03-30T00:00", "2024-04-01T00:00")
    out = rated(tmp_path, hours("2024-03-30T23:00", 23), [one], period)
    # 2 hours before the change and 21 after it: 21 kWh × 60 / 1440.
    assert out["months"]["2024-03"]["demand"]["power"]["kw"] == "0.875"


def test_7_a_repeated_half_hour_does_not_add_up_to_a_higher_maximum(tmp_path):
    """Lord Howe's clock goes back by half an hour: constant 2 kW stay 2 kW."""
    begin = datetime(2024, 4, 5, 13)
    rows = [
        (f"{begin + timedelta(minutes=30 * index):%Y-%m-%dT%H:%MZ}", "1")
        for index in range(145)
    ]
    out = rated(
        tmp_path,
        rows,
        [version(demand=[demand()])],
        ("2024-04-06T00:00", "2024-04-09T00:00"),
        "Australia/Lord_Howe",
        minutes=30,
    )
    assert out["months"]["2024-04"]["demand"]["power"]["kw"] == "2"


def test_7_the_state_does_not_grow_with_the_years():
    tariff = compile_tariff({"versions": [version(demand=[demand()])]}, "UTC")
    state, at, register = None, 1704067200, Decimal(0)
    for _month in range(30):
        later = (at + 30 * 86400, register + 100)
        _charges, state = tariff.advance(state, [later], start=(at, register))
        at, register = later
    assert len(state["demand"]["max"]) <= 2


@pytest.mark.parametrize(
    ("covers", "adjustment"),
    [
        (["energy"], "8"),
        (["energy", "fixed"], "5"),
        (["energy", "fixed", "demand"], "0"),
    ],
)
def test_8_the_minimum_covers_what_it_names_before_tax(tmp_path, covers, adjustment):
    one = version(
        fixed=[{"name": "base", "amount": "3", "per": "month"}],
        demand=[demand()],
        minimum={"amount": "10", "per": "month", "covers": covers},
        adjustments=[{"name": "VAT", "rate": "0.5", "base": ["subtotal"]}],
    )
    out = rated(tmp_path, [("2024-06-03T10:00Z", "10")], [one], JUNE)
    june = out["months"]["2024-06"]
    assert june["minimum_adjustment"] == adjustment
    subtotal = 2 + 3 + 100 + Decimal(adjustment)
    assert Decimal(june["total"]) == subtotal * Decimal("1.5")


def test_9_rebates_and_taxes_share_one_base(tmp_path):
    one = version(
        adjustments=[
            {"name": "rebate", "rate": "-0.1", "base": ["subtotal"]},
            {"name": "VAT", "rate": "0.19", "base": ["subtotal"]},
        ]
    )
    out = rated(tmp_path, [("2024-06-03T10:00Z", "50")], [one], JUNE)
    june = out["months"]["2024-06"]
    assert june["adjustments"] == {"rebate": "-1", "VAT": "1.9"}
    assert june["total"] == "10.9"


def test_13_energy_before_the_period_counts_and_is_not_priced_again(tmp_path):
    """8 kWh before the period, 5 in it: 13 in the month, so these 5 cost 2 each."""
    one = version(
        tiers=tiers("whole_volume", ["10"]), energy_prices={"*": {"*": ["1", "2"]}}
    )
    rows = [("2024-06-03T10:00Z", "8"), ("2024-06-20T10:00Z", "5")]
    out = rated(tmp_path, rows, [one], ("2024-06-10T00:00", "2024-07-01T00:00"))
    june = out["months"]["2024-06"]
    assert rows_of(june) == {("all", "day", 2): ("5", "10")}


def test_10_a_negative_interval_neither_pays_nor_counts(tmp_path):
    one = version(
        tiers=tiers("incremental", ["10"]), energy_prices={"*": {"*": ["1", "2"]}}
    )
    rows = [
        ("2024-06-03T10:00Z", "9"),
        ("2024-06-03T11:00Z", "-5"),
        ("2024-06-03T12:00Z", "2"),
    ]
    out = rated(tmp_path, rows, [one], JUNE)
    june = out["months"]["2024-06"]
    assert (june["kwh"], june["energy_amount"]) == ("11", "12")
