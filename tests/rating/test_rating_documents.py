"""Wrong documents: each gives an error that names the key, never another one."""

import copy
import random
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rating import TariffError, compile_tariff, rate_case
from rating_tools import case, rule, tiers, version
from rating_worlds import document

STABLE = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=400,
    suppress_health_check=list(HealthCheck),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=8),
    st.sampled_from(["*", "24:00", "02-30", "1E+999", "-0", "NaN", "٣", "9" * 99]),
    st.binary(max_size=3),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=8), st.integers()), inner),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"valid_from_local": "2024-13-01T00:00"}, "valid_from_local"),
        ({"valid_from_local": "2024-01-01T00:00Z"}, "valid_from_local"),
        ({"energy_prices": {}}, "energy_prices"),
        ({"energy_prices": {"*": {"*": []}}}, "energy_prices.*.*"),
        ({"energy_prices": {"*": {"*": ["1", "2"]}}}, "energy_prices.*.*"),
        ({"energy_prices": {"*": {"*": ["1,5"]}}}, "energy_prices.*.*[0]"),
        ({"energy_prices": {"*": {"nights": ["1"]}}}, "energy_prices.*.nights"),
        ({"energy_prices": {"sumer": {"*": ["1"]}}}, "energy_prices.sumer"),
        ({"tiers": tiers("incremental", ["5", "5"])}, "tiers.thresholds.*[1]"),
        ({"tiers": tiers("incremental", ["0"])}, "tiers.thresholds.*[0]"),
        ({"tiers": tiers("block", ["5"])}, "tiers.mode"),
        ({"tiers": tiers("incremental", ["5"], "day")}, "tiers.counter"),
        ({"seasons": [{"name": "s", "from": "01-01", "to": "06-30"}]}, "seasons"),
        ({"seasons": [{"name": "s", "from": "02-30", "to": "06-30"}]}, "[0].from"),
        ({"holidays": ["2023-02-29"]}, "holidays[0]"),
        ({"bands": {"rules": [rule("a", "00:00", "01:00")]}}, "bands.default"),
        ({"bands": {"default": "day", "rules": [rule("a", "1:00", "2:00")]}}, ".from"),
        (
            {"bands": {"default": "day", "rules": [rule("a", "01:00", "24:01")]}},
            "rules[0].to",
        ),
        (
            {"bands": {"default": "d", "rules": [rule("a", "01:00", "2:00", ["x"])]}},
            "day_types[0]",
        ),
        ({"fixed": [{"name": "f", "amount": "1", "per": "week"}]}, "fixed[0].per"),
        ({"fixed": [{"name": "f", "amount": "1"}]}, "fixed[0].per"),
        ({"demand": [{"name": "d", "price_per_kw": "x"}]}, "demand[0].price_per_kw"),
        (
            {"demand": [{"name": "d", "price_per_kw": "1", "demand_minutes": 7}]},
            "demand[0].demand_minutes",
        ),
        (
            {"demand": [{"name": "d", "price_per_kw": "1", "bands": ["no"]}]},
            "demand[0].bands[0]",
        ),
        ({"minimum": {"amount": "-1", "covers": ["energy"]}}, "minimum.amount"),
        ({"minimum": {"amount": "1", "covers": ["tax"]}}, "minimum.covers[0]"),
        ({"adjustments": [{"name": "t", "rate": True}]}, "adjustments[0].rate"),
        (
            {"adjustments": [{"name": "t", "rate": "1", "base": ["energy"]}]},
            "adjustments[0].base",
        ),
        ({"adjustment": []}, "adjustment"),
        ({"adjustments": [{"name": "\ud800", "rate": "1"}]}, "adjustments[0].name"),
        ({"fixed": [{"name": "a\0", "amount": "1"}]}, "fixed[0].name"),
    ],
)
def test_the_error_names_the_key(changes, path):
    with pytest.raises(TariffError) as caught:
        compile_tariff({"versions": [version(**changes)]}, "UTC")
    assert path in str(caught.value).split(": ")[0]


@pytest.mark.parametrize("zone", ["", "Mars/Base", "../etc", None, 7, "Europe", "a\0b"])
def test_a_wrong_time_zone(zone):
    with pytest.raises(TariffError, match="time_zone"):
        compile_tariff({"versions": [version()]}, zone)


def test_two_versions_of_one_start():
    with pytest.raises(TariffError, match=r"versions\[1\].valid_from_local"):
        compile_tariff({"versions": [version(), version()]}, "UTC")


@STABLE
@given(JSON)
def test_any_value_is_an_error_or_a_tariff(value):
    attempt(value)
    attempt({"versions": [value]})


@STABLE
@given(st.integers(0, 2**32), JSON)
def test_mutated_documents(seed, value):
    rng = random.Random(seed)
    broken = copy.deepcopy(document(seed, date(2024, 3, 25)))
    for _ in range(rng.randint(1, 3)):
        mutate(rng, broken, value)
    attempt(broken)


def mutate(rng, node, value) -> None:
    """Replace, remove or double something at a random depth."""
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = rng.choice(keys)
        if isinstance(node[key], dict | list) and rng.random() < 0.8:
            node = node[key]
            continue
        action = rng.randrange(3)
        if action == 0:
            node[key] = value
        elif action == 1:
            del node[key]
        elif isinstance(node, list):
            node.append(node[key])
        else:
            node[f"{key}s"] = node.pop(key)
        return


def attempt(value) -> None:
    """Compile and, where that succeeds, rate a day; only TariffError may come."""
    try:
        tariff = compile_tariff(value, "Europe/Berlin")
    except TariffError as error:
        assert "\n" not in str(error)
        return
    readings = [(1711756800, Decimal(0)), (1711843200 + 86400, Decimal("50.5"))]
    charges, _state = tariff.advance(None, readings)
    assert sum(row[0] for row in charges.values()) == Decimal("50.5")


@STABLE
@given(st.integers(0, 2**32), JSON)
def test_mutated_cases(tmp_path_factory, seed, value):
    folder = tmp_path_factory.getbasetemp()
    rng = random.Random(seed)
    period = ["2024-06-01T00:00", "2024-06-03T00:00"]
    topups = [{"at_utc": "2024-06-01T10:00Z", "amount": "5"}]
    prepaid = {"opening_balance": "1", "topups": topups}
    rows = [("2024-06-01T10:00Z", "1")]
    made = case(folder, rows, [version()], period, prepaid=prepaid)
    mutate(rng, made, value)
    try:
        rate_case(made, folder)
    except TariffError as error:
        assert str(error)


def test_numbers_are_read_exactly():
    one = version(energy_prices={"*": {"*": [0.1]}})
    tariff = compile_tariff({"versions": [one]}, "UTC")
    readings = [(1711756800, Decimal(0)), (1711756900, Decimal(3))]
    charges, _state = tariff.advance(None, readings)
    assert [row[1] for row in charges.values()] == [Decimal("0.3")]
