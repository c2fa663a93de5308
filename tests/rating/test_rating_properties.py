"""Properties: any split gives the same sums; a naive oracle agrees."""

import json
import os
import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rating import compile_tariff, rate_case
from rating.bill import bill
from rating.clock import local_time, midnight
from rating_oracle import Oracle
from rating_worlds import ZONES, document

STABLE = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=int(os.environ.get("RATING_EXAMPLES", "60")),
    suppress_health_check=list(HealthCheck),
)
FIRSTS = (date(2024, 3, 25), date(2024, 10, 22), date(2024, 12, 27), date(2024, 4, 3))
EPOCH = datetime(1970, 1, 1)
seeds = st.integers(0, 2**32)


def sums(parts) -> dict:
    """Charges added up, without the rows that come to nothing."""
    total: dict = {}
    for charges in parts:
        for key, values in charges.items():
            old = total.get(key, (Fraction(0),) * 3)
            new = zip(old, values, strict=True)
            total[key] = tuple(a + Fraction(b) for a, b in new)
    return {key: values for key, values in total.items() if any(values)}


def registers(rng, first: date) -> list[tuple[int, Decimal]]:
    """Readings of one meter from a date on, seconds to days apart."""
    at = int((datetime(first.year, first.month, first.day) - EPOCH).total_seconds())
    register, readings = Decimal("99.5"), []
    for _ in range(rng.randint(2, 60)):
        readings.append((at, register))
        at += rng.choice((1, 60, 900, 3600, 7000, 86400, 400000))
        register += Decimal(rng.randrange(30000)).scaleb(-rng.randint(0, 4))
    return readings


@STABLE
@given(seeds, st.sampled_from(ZONES), st.sampled_from(FIRSTS))
def test_any_split_gives_the_same_sums(seed, zone, first):
    rng = random.Random(seed)
    tariff = compile_tariff(document(seed, first), zone)
    readings = registers(rng, first)
    whole, end_state = tariff.advance(None, readings)
    parts, state, last, rest = [], None, None, list(readings)
    while rest:
        count = rng.randint(1, 7)
        before = json.dumps(state)
        charges, following = tariff.advance(state, rest[:count], start=last)
        assert json.dumps(state) == before
        state = json.loads(json.dumps(following))
        last, rest = rest[:count][-1], rest[count:]
        parts.append(charges)
    assert sums(parts) == sums([whole])
    assert state == end_state
    kwh = sum(values[0] for values in sums(parts).values())
    assert kwh == Fraction(readings[-1][1]) - Fraction(readings[0][1])


@STABLE
@given(seeds, st.sampled_from(ZONES), st.sampled_from(FIRSTS))
def test_a_bill_of_the_months_is_what_came_in_reading_by_reading(seed, zone, first):
    rng = random.Random(seed)
    tariff = compile_tariff(document(seed, first), zone)
    readings = registers(rng, first)
    month = local_time(tariff.tz, readings[0][0]).date().replace(day=1)
    end = local_time(tariff.tz, readings[-1][0]).date() + timedelta(days=1)
    span = midnight(tariff.tz, month), midnight(tariff.tz, end)
    made = bill(tariff, [readings], *span)
    parts, state = [], None
    for before, after in zip(readings, readings[1:], strict=False):
        charges, state = tariff.advance(state, [after], start=before)
        parts.append(charges)
    assert sums([made.charges]) == sums(parts)
    for name, found in (state or {}).get("demand", {}).get("max", {}).items():
        for charge, (kwh, minutes, *_where) in found.items():
            power = Fraction(kwh) * 60 / minutes
            assert abs(Fraction(made.months[name].kw[charge]) - power) < Fraction(
                1, 10**12
            )


def load(seed: int, first: date, zone: str) -> list[tuple[datetime, str]]:
    """Quarter hours from some days before to some days after a month's turn."""
    rng = random.Random(seed + 1)
    at = datetime(first.year, first.month, first.day, tzinfo=ZoneInfo(zone))
    at = at.astimezone(ZoneInfo("UTC")).replace(tzinfo=None)
    rows = []
    for _ in range(96 * rng.randint(2, 12)):
        kwh = rng.choice(("0.25", "0.5", "0.1", "1", "0", "-0.3", "0.037"))
        rows.append((at, kwh))
        at += timedelta(minutes=15)
    return rows


@STABLE
@given(seeds, st.sampled_from(ZONES), st.sampled_from(FIRSTS))
def test_the_oracle_agrees(tmp_path_factory, seed, zone, first):
    rows = load(seed, first, zone)
    doc = document(seed, first)
    last = first + timedelta(days=12)
    folder = tmp_path_factory.mktemp("load")
    lines = [f"{at:%Y-%m-%dT%H:%M}Z,{kwh}" for at, kwh in rows]
    (folder / "load.csv").write_text("\n".join(["start_utc,kwh", *lines]))
    case = {
        "id": "x",
        "currency": "EUR",
        "minor_digits": 2,
        "time_zone": zone,
        "period": [f"{first}T00:00", f"{last}T00:00"],
        "input": {"kind": "intervals", "file": "load.csv", "minutes": 15},
        "tariff": doc,
    }
    oracle = Oracle(doc, zone, 15)
    for at, kwh in rows:
        if inside(at, zone, last):
            oracle.add(at, Fraction(kwh))
    months = rate_case(case, folder)["months"]
    compare_energy(oracle, months)
    for month, sums_ in oracle.months(first, last).items():
        assert Fraction(months[month]["subtotal"]) == sums_["subtotal"]
        assert Fraction(months[month]["total"]) == sums_["total"]
        if sums_["kw"] is not None:
            assert Fraction(months[month]["demand"]["power"]["kw"]) == sums_["kw"]
    opening = {"opening_balance": "500", "topups": []}
    prepaid = rate_case({**case, "prepaid": opening}, folder)
    assert prepaid["months"] == months
    paid = sum(Fraction(data["total"]) for data in months.values())
    assert Fraction(prepaid["prepaid"]["closing_balance"]) == 500 - paid
    noted = prepaid["prepaid"]["balance_at_local_midnight"]
    assert noted[-1] == [f"{last}T00:00", prepaid["prepaid"]["closing_balance"]]


def compare_energy(oracle: Oracle, months: dict) -> None:
    """Assert that the energy rows are those of the oracle."""
    expected: dict = {}
    for (month, _version, season, band, tier), pair in oracle.energy().items():
        key = month, "all" if season == "*" else season, band, tier
        old = expected.get(key, (0, 0))
        expected[key] = old[0] + pair[0], old[1] + pair[1]
    found = {
        (month, row["season"], row["band"], row["tier"]): (
            Fraction(row["kwh"]),
            Fraction(row["amount"]),
        )
        for month, data in months.items()
        for row in data["energy"]
    }
    assert found == expected


def inside(at: datetime, zone: str, last: date) -> bool:
    """Whether an interval starts before the local date `last`."""
    local = at.replace(tzinfo=ZoneInfo("UTC")).astimezone(ZoneInfo(zone))
    return local.date() < last


@STABLE
@given(seeds, st.sampled_from(ZONES), st.sampled_from(FIRSTS))
def test_advance_equals_the_oracle_on_quarter_hours(seed, zone, first):
    doc = document(seed, first, demand=False)
    tariff = compile_tariff(doc, zone)
    oracle = Oracle(doc, zone, 15)
    register, readings = Decimal(0), []
    for at, kwh in load(seed, first, zone):
        energy = max(Decimal(kwh), Decimal(0))
        oracle.add(at, Fraction(energy))
        readings.append((int((at - EPOCH).total_seconds()), register))
        register += energy
    readings.append((readings[-1][0] + 900, register))
    charges, _state = tariff.advance(None, readings)
    found: dict = {}
    for (day, index, season, band, tier), (kwh, net, _total) in charges.items():
        key = f"{day:%Y-%m}", index, season.replace("all", "*"), band, tier
        old = found.get(key, (0, 0))
        found[key] = old[0] + Fraction(kwh), old[1] + Fraction(net)
    found = {key: pair for key, pair in found.items() if any(pair)}
    assert found == oracle.energy()


def test_readings_out_of_order_are_refused():
    tariff = compile_tariff(document(1, FIRSTS[0]), ZONES[0])
    with pytest.raises(ValueError, match="does not come after"):
        tariff.advance(None, [(1711000000, Decimal(1)), (1711000000, Decimal(2))])
    with pytest.raises(ValueError, match="falls"):
        tariff.advance(None, [(1711000000, Decimal(2)), (1711000900, Decimal(1))])
    with pytest.raises(ValueError, match="finite"):
        tariff.advance(None, [(1711000000, Decimal("NaN"))])
