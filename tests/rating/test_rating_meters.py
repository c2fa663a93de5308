"""Decisions 11 to 13 and the incremental driver, with figures worked by hand."""

from datetime import date
from decimal import Decimal

import pytest
from rating import Held, compile_tariff, consumption
from rating_tools import rated, registers, rows_of, rule, tiers, version

JUNE = ("2024-06-01T00:00", "2024-07-01T00:00")
NIGHT = {"default": "day", "rules": [rule("night", "22:00", "06:00")]}
LAST_2011 = date(2012, 1, 1)
TWO = {"*": {"day": ["0.30"], "night": ["0.10"]}}


def demand(**changes) -> dict:
    """A demand charge of 10 per kW and hour windows."""
    base = {"name": "power", "price_per_kw": "10", "bands": "*", "seasons": "*"}
    return {**base, "demand_minutes": 60, **changes}


def test_11_a_reading_is_spread_and_split(tmp_path):
    one = version(bands=NIGHT, energy_prices=TWO)
    rows = [
        ("2024-06-03T20:00Z", "A", "99990"),
        ("2024-06-04T00:00Z", "A", "30"),  # rollover: 40 kWh, 2 hours of 4 are night
        ("2024-06-04T01:00Z", "B", "500"),  # exchange: nothing in between
        ("2024-06-04T05:00Z", "B", "504"),
        ("2024-06-04T07:00Z", "B", "510"),  # 6 kWh, half of the time is night
    ]
    out = registers(tmp_path, rows, [one], JUNE, {"A": "100000", "B": "100000"})
    assert rows_of(out["months"]["2024-06"]) == {
        ("all", "day", 1): ("23", "6.9"),
        ("all", "night", 1): ("27", "2.7"),
    }


def test_11_an_implausible_fall_is_held(tmp_path):
    rows = [
        ("2024-06-03T00:00Z", "A", "5000"),
        ("2024-06-04T00:00Z", "A", "4000"),
        ("2024-06-05T00:00Z", "A", "5010"),
    ]
    notes: list[str] = []
    out = registers(tmp_path, rows, [version()], JUNE, {"A": "100000"}, notes)
    assert out["months"]["2024-06"]["kwh"] == "10"
    assert len(notes) == 1 and "row 3 meter A: held" in notes[0]


def test_11_a_gap_over_the_period_counts_its_share(tmp_path):
    rows = [("2024-05-31T00:00Z", "A", "0"), ("2024-07-02T00:00Z", "A", "64")]
    out = registers(tmp_path, rows, [version()], JUNE, {})
    assert out["months"]["2024-06"]["kwh"] == "60"


def test_11_two_meters_at_one_time_share_the_counter(tmp_path):
    one = version(
        bands={"default": "day", "rules": [rule("night", "02:00", "06:00")]},
        tiers=tiers("incremental", ["10"]),
        energy_prices={"*": {"*": ["1", "2"]}},
    )
    rows = [
        ("2024-06-03T00:00Z", "A", "0"),
        ("2024-06-03T03:00Z", "A", "9"),
        ("2024-06-03T01:00Z", "B", "0"),
        ("2024-06-03T02:00Z", "B", "9"),
    ]
    out = registers(tmp_path, rows, [one], JUNE, {})
    # By 02:00 A has used 6 and B 9; A's last 3 find the counter at 15.
    assert rows_of(out["months"]["2024-06"]) == {
        ("all", "day", 1): ("10", "10"),
        ("all", "day", 2): ("5", "10"),
        ("all", "night", 2): ("3", "6"),
    }


def test_6_a_month_that_starts_without_a_version():
    fixed = [{"name": "month", "amount": "3", "per": "month"}]
    one = version(valid_from_local="2024-06-10T00:00", fixed=fixed)
    tariff = compile_tariff({"versions": [one]}, "UTC")
    assert [row[3] for row in tariff.monthly_charges(date(2024, 6, 10))] == [3]
    assert list(tariff.monthly_charges(date(2024, 5, 10))) == []


def test_5_a_version_in_a_skipped_hour_starts_at_the_jump():
    new = version(
        valid_from_local="2024-03-31T02:30", energy_prices={"*": {"*": ["1"]}}
    )
    tariff = compile_tariff({"versions": [version(), new]}, "Europe/Berlin")
    jump = 1711846800  # 01:00Z, when 02:00 becomes 03:00
    readings = [(jump - 3600, Decimal(0)), (jump + 3600, Decimal(2))]
    charges, _state = tariff.advance(None, readings)
    assert {key[1]: value[1] for key, value in charges.items()} == {
        0: Decimal("0.2"),
        1: 1,
    }


def test_11_consumption():
    ten = Decimal("100000")
    assert consumption(Decimal("1.5"), Decimal("2"), ten) == Decimal("0.5")
    assert consumption(Decimal("99999.5"), Decimal("0.25"), ten) == Decimal("0.75")
    for before, after, modulus, limit in (
        ("5", "4", None, None),
        ("5", "4", "100000", None),
        ("99990", "30", "100000", "39"),
        ("0", "41", "100000", "40"),
        ("0", "-1", "100000", None),
        ("0", "100000", "100000", None),
        ("0", "NaN", None, None),
    ):
        numbers = [None if x is None else Decimal(x) for x in (modulus, limit)]
        with pytest.raises(Held):
            consumption(Decimal(before), Decimal(after), *numbers)


def test_12_prepaid_balances(tmp_path):
    one = version(
        energy_prices={"*": {"*": ["1"]}},
        fixed=[{"name": "base", "amount": "0.5", "per": "day"}],
        adjustments=[{"name": "VAT", "rate": "0.1", "base": ["subtotal"]}],
    )
    rows = [
        ("2024-06-03T10:00Z", "2"),
        ("2024-06-03T21:00Z", "3"),  # ends at local midnight
        ("2024-06-03T22:00Z", "1"),
    ]
    topups = [
        {"at_utc": "2024-06-03T22:00Z", "amount": "20"},
        {"at_utc": "2024-06-04T08:00Z", "amount": "7"},
    ]
    out = rated(
        tmp_path,
        rows,
        [one],
        ("2024-06-03T00:00", "2024-06-05T00:00"),
        prepaid={"opening_balance": "1", "topups": topups},
    )
    assert out["prepaid"] == {
        "closing_balance": "20.3",
        "balance_at_local_midnight": [
            ["2024-06-03T00:00", "0.45"],
            ["2024-06-04T00:00", "14.4"],  # 0.45 − 2.2 − 3.3 − 0.55 + 20
            ["2024-06-05T00:00", "20.3"],  # 14.4 − 1.1 + 7
        ],
    }


def test_12_an_interval_over_midnight_is_paid_at_its_end(tmp_path):
    out = rated(
        tmp_path,
        [("2024-06-03T21:30Z", "10")],
        [version()],
        ("2024-06-03T00:00", "2024-06-05T00:00"),
        prepaid={"opening_balance": "1", "topups": []},
    )
    balances = [row[1] for row in out["prepaid"]["balance_at_local_midnight"]]
    assert balances == ["1", "1", "-1"]


@pytest.mark.parametrize(("last", "amount"), [("5", "10"), ("5.5", "21")])
def test_13_the_total_prices_the_whole_month(tmp_path, last, amount):
    one = version(
        tiers=tiers("whole_volume", ["10"]), energy_prices={"*": {"*": ["1", "2"]}}
    )
    rows = [("2024-06-03T10:00Z", "5"), ("2024-06-20T10:00Z", last)]
    out = rated(tmp_path, rows, [one], JUNE)
    assert out["months"]["2024-06"]["energy_amount"] == amount


def test_13_a_crossed_edge_gives_negative_deltas():
    one = version(
        tiers=tiers("whole_volume", ["10"]), energy_prices={"*": {"*": ["1", "2"]}}
    )
    tariff = compile_tariff({"versions": [one]}, "UTC")
    first, state = tariff.advance(None, [(1717200000, Decimal(0))])
    assert first == {}
    at = (1717203600, Decimal(10))
    _charges, state = tariff.advance(state, [at], start=(1717200000, Decimal(0)))
    second, _state = tariff.advance(state, [(1717207200, Decimal(11))], start=at)
    money = {key[-1]: tuple(map(str, map(float, v))) for key, v in second.items()}
    assert money == {1: ("-10.0", "-10.0", "-10.0"), 2: ("11.0", "22.0", "22.0")}


def test_energy_before_the_first_version_is_kept_without_charge():
    tariff = compile_tariff({"versions": [version()]}, "UTC")
    readings = [(1704067200 - 7200, Decimal(0)), (1704067200 + 7200, Decimal(4))]
    charges, _state = tariff.advance(None, readings)
    found = {key[1]: (value[0], value[1]) for key, value in charges.items()}
    assert found == {-1: (2, 0), 0: (2, Decimal("0.4"))}


def test_11_registers_are_cut_to_the_stated_quantum():
    # 1 kWh in 7 hours, 3 of them before midnight: 0.428571428571 (428571…).
    tariff = compile_tariff({"versions": [version()]}, "UTC")
    readings = [(1717275600, Decimal(0)), (1717275600 + 7 * 3600, Decimal(1))]
    charges, _state = tariff.advance(None, readings)
    assert [values[0] for values in charges.values()] == [
        Decimal("0.428571428571"),
        Decimal("0.571428571429"),
    ]


def test_6_a_date_that_the_clock_skipped_has_no_charge():
    fixed = [{"name": "day", "amount": "1", "per": "day"}]
    one = version(valid_from_local="2011-01-01T00:00", fixed=fixed)
    tariff = compile_tariff({"versions": [one]}, "Pacific/Apia")
    days = [row[0].day for row in tariff.daily_charges(date(2011, 12, 28), LAST_2011)]
    assert days == [28, 29, 31]


def test_12_a_midnight_that_the_clock_skipped_has_no_balance(tmp_path):
    out = rated(
        tmp_path,
        [],
        [version(valid_from_local="2011-01-01T00:00")],
        ("2011-12-29T00:00", "2012-01-01T00:00"),
        "Pacific/Apia",
        prepaid={"opening_balance": "1", "topups": []},
    )
    days = [row[0][:10] for row in out["prepaid"]["balance_at_local_midnight"]]
    assert days == ["2011-12-29", "2011-12-31", "2012-01-01"]


def test_late_readings_of_the_month_before_keep_their_counter():
    one = version(
        tiers=tiers("incremental", ["10"]), energy_prices={"*": {"*": ["1", "2"]}}
    )
    tariff = compile_tariff({"versions": [one]}, "UTC")
    june, july, august = 1719700000, 1719800000, 1722500000
    state = None
    for start, used in ((june, 9), (july, 9), (june + 7200, 3)):
        readings = [(start, Decimal(0)), (start + 3600, Decimal(used))]
        charges, state = tariff.advance(state, readings)
    assert {key[-1]: value[0] for key, value in charges.items()} == {1: 1, 2: 2}
    readings = [(august, Decimal(0)), (august + 3600, Decimal(1))]
    _charges, state = tariff.advance(state, readings)
    with pytest.raises(ValueError, match="2024-06"):
        tariff.advance(state, [(june + 20000, Decimal(0)), (june + 23600, Decimal(1))])


def test_7_maxima_of_registers_follow_the_readings():
    one = version(demand=[demand(demand_minutes=15)])
    tariff = compile_tariff({"versions": [one]}, "UTC")
    readings = [
        (1717200000, Decimal(0)),
        (1717203600, Decimal(4)),
        (1717203600 + 450, Decimal(5)),
        (1717203600 + 1350, Decimal(9)),
    ]
    _charges, state = tariff.advance(None, readings)
    # The second reading's quarter: 1 kWh, then half of 4 kWh: 3 kWh are 12 kW.
    assert state["demand"]["max"] == {"2024-06": {"power": ["3", 15, 0, 1717203600]}}
