"""Rates of the Utility Rate Database as tariff documents, checked by hand."""

import copy
import json
import random
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from exchange.urdb import UrdbError, UrdbRate, tariffs_from_urdb
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rating import compile_tariff, rate_case
from rating_tools import case

FOLDER = Path(__file__).resolve().parent / "urdb"
ZONE = "America/Chicago"
JULY = ("2024-07-01T00:00", "2024-08-01T00:00")
STABLE = settings(
    derandomize=True,
    deadline=None,
    database=None,
    max_examples=300,
    suppress_health_check=list(HealthCheck),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.decimals(),
    st.text(max_size=8),
    st.sampled_from(["$/year", "kW daily", "kWh/kW", -1, 0, 1, 10**400, 1e-30]),
    st.sampled_from([Decimal("sNaN"), Decimal("1E-999999"), Decimal("1E+999999")]),
)
JSON = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=8), inner)
    ),
    max_leaves=6,
)


def sample(name: str, **options):
    return json.loads((FOLDER / f"{name}.json").read_text(), **options)


def flat(**changes) -> dict:
    """A rate with one price, changed as named; None takes a key away."""
    plain = {
        "name": "Flat",
        "startdate": 1704067200,
        "energyratestructure": [[{"rate": 0.1, "unit": "kWh"}]],
        "energyweekdayschedule": matrix(lambda month, hour: 0),
        "energyweekendschedule": matrix(lambda month, hour: 0),
        **changes,
    }
    return {key: value for key, value in plain.items() if value is not None}


def matrix(period) -> list:
    """A 12 x 24 schedule of period(month from 1, hour)."""
    return [[period(month, hour) for hour in range(24)] for month in range(1, 13)]


def only(data) -> UrdbRate:
    (rate,) = tariffs_from_urdb(data)
    compile_tariff(rate.document, ZONE)
    return rate


def version(**changes) -> dict:
    return only(flat(**changes)).document["versions"][0]


def report(**changes) -> dict:
    return dict(only(flat(**changes)).report)


def rated(folder, rate, rows, period, minutes=60) -> dict:
    """The one month of a period; the load is (UTC start, kWh) rows."""
    versions = rate.document["versions"]
    made = case(folder, rows, versions, period, ZONE, minutes=minutes)
    (month,) = rate_case(made, folder)["months"].values()
    return month


def test_blocks_are_charged_by_season(tmp_path):
    rate = only(sample("api_blocks"))
    assert (rate.name, rate.currency) == ("Residential blocks", "USD")
    assert rate.utility == "Example Valley Electric Coop"
    assert rate.label == "0000000000000000000000a1"
    rows = [(f"2024-07-{day:02d}T12:00Z", "300") for day in (2, 9, 16, 23)]
    july = rated(tmp_path, rate, rows, JULY)
    # 500 × 0.10 + 500 × (0.12 − 0.01) + 200 × 0.15
    assert july["energy_amount"] == "135"
    assert july["total"] == "147.5"
    rows = [("2024-01-02T12:00Z", "700"), ("2024-01-03T12:00Z", "200")]
    january = rated(tmp_path, rate, rows, ("2024-01-01T00:00", "2024-02-01T00:00"))
    # 800 × (0.09 + 0.005) + 100 × (0.075 + 0.005)
    assert january["energy_amount"] == "84"
    assert [row["season"] for row in january["energy"]] == ["Oct–May"] * 2
    assert rate.report == [
        ("description", "Read the text: For homes on a single meter.")
    ]


LOAD = [
    ("2024-07-10T20:00Z", "10"),  # Wednesday 15:00, 40 kW: energy period 2
    ("2024-07-10T17:30Z", "12.5"),  # Wednesday 12:30, 50 kW: demand period 2 only
    ("2024-07-11T07:00Z", "15"),  # Thursday 02:00, 60 kW: flat demand only
    ("2024-07-13T20:00Z", "5"),  # Saturday 15:00
]


@pytest.mark.parametrize("name", ["api_time_of_use", "bulk_time_of_use"])
def test_time_of_use_with_both_kinds_of_demand(tmp_path, name):
    rate = only(sample(name))
    july = rated(tmp_path, rate, sorted(LOAD), JULY, 15)
    # 10 × 0.13 + 32.5 × 0.06
    assert july["energy_amount"] == "3.25"
    assert july["fixed_amount"] == "34.1"  # 31 × 1.10
    assert {k: v["kw"] for k, v in july["demand"].items()} == {
        "demand 2": "50",
        "flat demand 1": "0",
        "flat demand 2": "60",
    }
    assert july["demand_amount"] == "695"  # 50 × 8.50 + 60 × 4.50
    assert july["total"] == "1000"  # the minimum
    assert july["minimum_adjustment"] == "267.65"
    by_band = {row["band"]: row["kwh"] for row in july["energy"]}
    assert by_band == {
        "period 1, demand 1": "20",
        "period 1, demand 2": "12.5",
        "period 2, demand 2": "10",
    }


def test_both_spellings_give_one_document_and_name_their_own_keys():
    api, bulk = only(sample("api_time_of_use")), only(sample("bulk_time_of_use"))
    assert api.document == bulk.document
    assert (api.name, api.utility, api.label) == (bulk.name, bulk.utility, bulk.label)
    keys = {key for key, _text in bulk.report}
    assert {"energyRateStrux[1][0].sell", "endDate", "demandReactPwrCharge"} <= keys


def test_everything_lost_is_reported():
    assert [key for key, _text in only(sample("api_time_of_use")).report] == [
        "energyratestructure[1][0].sell",
        "enddate",
        "energyweekendschedule",
        "peakkwcapacitymin",
        "demandratchetpercentage",
        "demandreactivepowercharge",
        "fueladjustmentsmonthly",
        "fixedchargeeaaddl",
        "energycomments",
        "fixedattrs",
    ]
    assert only(flat()).report == []


def test_numbers_are_those_of_the_text():
    for name in ("api_time_of_use", "api_blocks"):
        whole = sample(name)
        exact = sample(name, parse_float=Decimal)
        assert only(whole).document == only(exact).document
    price = version(energyratestructure=[[{"rate": 0.1, "adj": 0.2}]])
    assert price["energy_prices"] == {"*": {"period 1": ["0.3"]}}
    found = only(
        flat(energyratestructure=[[{"rate": Decimal("0.1" + "0" * 18 + "4")}]])
    )
    assert found.document["versions"][0]["energy_prices"]["*"]["period 1"] == ["0.1"]
    assert found.report[0][0] == "energyratestructure[0][0].rate"


def test_one_season_one_band_is_the_plain_document():
    assert version() == {
        "valid_from_local": "2024-01-01T00:00",
        "seasons": [],
        "holidays": [],
        "bands": {"default": "period 1", "rules": []},
        "tiers": None,
        "energy_prices": {"*": {"period 1": ["0.1"]}},
        "fixed": [],
        "demand": [],
        "minimum": None,
        "adjustments": [],
    }


def test_seasons_of_several_runs():
    three = [[{"rate": rate}] for rate in (0.1, 0.2, 0.3)]
    months = dict.fromkeys((11, 12, 1, 2, 6), 1) | {4: 2}
    days = matrix(lambda month, hour: months.get(month, 0))
    made = version(
        energyratestructure=three,
        energyweekdayschedule=days,
        energyweekendschedule=days,
    )
    assert [tuple(season.values()) for season in made["seasons"]] == [
        ("Jun, Nov–Feb", "06-01", "06-30"),
        ("Jun, Nov–Feb", "11-01", "02-29"),
        ("Mar, May, Jul–Oct", "03-01", "03-31"),
        ("Mar, May, Jul–Oct", "05-01", "05-31"),
        ("Mar, May, Jul–Oct", "07-01", "10-31"),
        ("Apr", "04-01", "04-30"),
    ]
    assert made["energy_prices"]["Apr"] == {"period 3": ["0.3"]}


def test_tiers_of_two_periods_share_the_union_of_their_edges(tmp_path):
    structure = [
        [{"rate": 0.1, "max": 100}, {"rate": 0.2}],
        [{"rate": 1, "max": 50}, {"rate": 2, "max": 200}, {"rate": 3, "max": 9}],
    ]
    changes = {
        "energyratestructure": structure,
        "energyweekdayschedule": matrix(lambda month, hour: int(hour >= 12)),
    }
    made = version(**changes)
    assert made["tiers"]["thresholds"] == {"*": ["50", "100", "200"]}
    assert made["energy_prices"]["*"] == {
        "period 1": ["0.1", "0.1", "0.2", "0.2"],
        "period 2": ["1", "2", "2", "3"],
    }
    found = report(**changes)
    assert "over all bands together" in found["energyratestructure"]
    assert "limit is ignored" in found["energyratestructure[1][2].max"]
    assert made["bands"]["rules"] == [
        {
            "band": "period 2",
            "day_types": ["weekday"],
            "from": "12:00",
            "to": "24:00",
            "seasons": "*",
        }
    ]
    rows = [("2024-07-10T10:00Z", "120"), ("2024-07-10T20:00Z", "100")]
    july = rated(tmp_path, only(flat(**changes)), rows, JULY)
    # 100 × 0.1 + 20 × 0.2 + 80 × 2 + 20 × 3
    assert july["total"] == "234"


def test_tiers_by_other_units_keep_the_first_price():
    structure = [[{"rate": 0.1, "max": 200, "unit": "kWh/kW"}, {"rate": 0.05}]]
    made = version(energyratestructure=structure)
    assert made["tiers"] is None
    assert made["energy_prices"] == {"*": {"period 1": ["0.1"]}}
    found = report(energyratestructure=structure)["energyratestructure[0]"]
    assert "kwh/kw" in found


@pytest.mark.parametrize(
    ("changes", "fixed", "key"),
    [
        ({"fixedchargefirstmeter": 9.5}, ("9.5", "month"), "fixedchargefirstmeter"),
        ({"fixedmonthlycharge": 9.5}, ("9.5", "month"), None),
        (
            {"fixedchargefirstmeter": 100, "fixedchargeunits": "$/year"},
            ("8.333333", "month"),
            "fixedchargefirstmeter",
        ),
        (
            {"fixedchargefirstmeter": 1, "fixedchargeunits": "$/day"},
            ("1", "day"),
            None,
        ),
        (
            {
                "fixedchargefirstmeter": 1,
                "fixedchargeunits": "$/day",
                "fixedmonthlycharge": 30,
            },
            ("1", "day"),
            "fixedmonthlycharge",
        ),
        (
            {"fixedchargefirstmeter": 1, "fixedchargeunits": "$/kW"},
            None,
            "fixedchargefirstmeter",
        ),
    ],
)
def test_fixed_charges(changes, fixed, key):
    rows = version(**changes)["fixed"]
    assert [(row["amount"], row["per"]) for row in rows] == ([fixed] if fixed else [])
    assert list(report(**changes)) == ([key] if key else [])


@pytest.mark.parametrize(
    ("changes", "amount", "key"),
    [
        ({"minmonthlycharge": 20}, "20", None),
        ({"mincharge": 20, "minchargeunits": "$/month"}, "20", None),
        ({"mincharge": 20, "minchargeunits": "$/year"}, None, "mincharge"),
        ({"mincharge": -1, "minchargeunits": "$/month"}, None, "mincharge"),
        ({"annualmincharge": 240}, None, "annualmincharge"),
    ],
)
def test_minimum_charges(changes, amount, key):
    minimum = version(**changes)["minimum"]
    assert (minimum and minimum["amount"]) == amount
    assert minimum is None or minimum["covers"] == ["energy", "fixed", "demand"]
    assert list(report(**changes)) == ([key] if key else [])


def test_demand_units_tiers_and_windows():
    flat_demand = {
        "flatdemandstructure": [[{"rate": 5, "max": 50}, {"rate": 4}]],
        "flatdemandmonths": [0] * 12,
    }
    (charge,) = version(**flat_demand)["demand"]
    assert charge == {
        "name": "flat demand 1",
        "price_per_kw": "5",
        "bands": "*",
        "seasons": "*",
        "demand_minutes": None,
    }
    assert list(report(**flat_demand)) == ["flatdemandstructure[0]", "demandwindow"]
    made = version(**flat_demand, flatdemandunit="kVA", demandwindow=30.0)
    assert made["demand"][0]["demand_minutes"] == 30
    assert (
        "as demand in kW"
        in report(**flat_demand, flatdemandunit="kVA")["flatdemandunit"]
    )
    assert version(**flat_demand, flatdemandunit="kW daily")["demand"] == []
    assert (
        "not mapped"
        in report(**flat_demand, flatdemandunit="kW daily")["flatdemandunit"]
    )


def test_demand_that_follows_the_energy_periods_keeps_short_band_names():
    peak = matrix(lambda month, hour: int(9 <= hour < 17))
    made = version(
        energyratestructure=[[{"rate": 0.1}], [{"rate": 0.2}]],
        energyweekdayschedule=peak,
        demandratestructure=[[{"rate": 1}], [{"rate": 2}]],
        demandweekdayschedule=peak,
        demandweekendschedule=matrix(lambda month, hour: 0),
    )
    assert [(row["price_per_kw"], row["bands"]) for row in made["demand"]] == [
        ("1", ["period 1"]),
        ("2", ["period 2"]),
    ]


def test_zeros_and_blanks_are_no_loss():
    nothing = {
        "demandratchetpercentage": [0] * 12,
        "fueladjustmentsmonthly": [0.0, Decimal("0.00"), None] * 4,
        "energycomments": " ",
        "coincidentratestructure": [[]],
        "usenetmetering": False,
        "fixedattrs": [],
        "fixedchargeeaaddl": 0,
        "servicetype": "Bundled",
    }
    assert report(**nothing) == {}
    found = report(fueladjustmentsmonthly=[0] * 11 + [0.01], usenetmetering=True)
    assert list(found) == ["fueladjustmentsmonthly", "usenetmetering"]


def test_the_band_of_most_hours_is_the_default():
    two = {
        "energyratestructure": [[{"rate": 0.1}], [{"rate": 0.2}]],
        "energyweekdayschedule": matrix(lambda month, hour: int(hour >= 10)),
    }
    # of a week's hours 5 × 10 + 2 × 24 are in period 1, 5 × 14 in period 2
    assert version(**two)["bands"]["default"] == "period 1"
    # without a weekend schedule the weekday's holds on all days
    made = version(**two, energyweekendschedule=None)["bands"]
    (rule,) = made["rules"]
    assert (made["default"], rule["band"]) == ("period 2", "period 1")
    assert (rule["from"], rule["to"], rule["day_types"]) == ("00:00", "10:00", "*")


def test_dates_and_assumptions():
    assert version(startdate=None)["valid_from_local"] == "2000-01-01T00:00"
    assert list(report(startdate=None)) == ["startdate"]
    for moment in (
        "2024-02-29",
        {"$date": 1709164800000},
        {"$date": "2024-02-28T23:00:00-06:00"},
        1709251199.5,
    ):
        made = version(startdate=moment)
        assert made["valid_from_local"] == "2024-02-29T00:00"
    found = report(energyweekendschedule=None, servicetype="Delivery")
    assert list(found) == ["energyweekendschedule", "servicetype"]
    long = report(basicinformationcomments="a b " * 99)["basicinformationcomments"]
    assert long.startswith("Read the text: a b a b") and len(long) == 200


def test_every_shape_of_the_data():
    assert tariffs_from_urdb({"items": []}) == []
    assert len(tariffs_from_urdb([flat(), flat()])) == 2
    with pytest.raises(UrdbError) as caught:
        tariffs_from_urdb({"items": [flat(), flat(name=7)]})
    assert caught.value.key == "[1].name"
    assert str(caught.value) == f"[1].name: {caught.value.problem}"
    label = only(flat(name=None, _id={"$oid": "c3"}))
    assert (label.name, label.label, label.utility) == ("c3", "c3", "")
    fixed = flat(
        energyratestructure=None,
        energyweekdayschedule=None,
        energyweekendschedule=None,
        fixedmonthlycharge=9,
    )
    made = only(fixed)
    assert made.document["versions"][0]["energy_prices"] == {"*": {"period 1": ["0"]}}
    assert [key for key, _text in made.report] == ["energyratestructure"]


@pytest.mark.parametrize(
    ("changes", "key"),
    [
        ({"name": None}, "name"),
        ({"energyratestructure": None}, "energyratestructure"),
        ({"energyratestructure": []}, "energyratestructure"),
        ({"energyratestructure": [[]]}, "energyratestructure[0]"),
        ({"energyratestructure": [[7]]}, "energyratestructure[0]"),
        ({"energyratestructure": [{"rate": 1}]}, "energyratestructure[0]"),
        ({"energyratestructure": [[{"rate": True}]]}, "energyratestructure[0][0].rate"),
        ({"energyratestructure": [[{"rate": "1"}]]}, "energyratestructure[0][0].rate"),
        (
            {"energyratestructure": [[{"rate": float("nan")}]]},
            "energyratestructure[0][0].rate",
        ),
        ({"energyratestructure": [[{"adj": 1e15}]]}, "energyratestructure[0][0].adj"),
        (
            {"energyratestructure": [[{"rate": 1}, {"rate": 2}]]},
            "energyratestructure[0][0].max",
        ),
        ({"energyweekdayschedule": [[0] * 24] * 11}, "energyweekdayschedule"),
        ({"energyweekdayschedule": [[0] * 23] * 12}, "energyweekdayschedule[0]"),
        (
            {"energyweekdayschedule": [[0] * 23 + [1]] * 12},
            "energyweekdayschedule[0][23]",
        ),
        ({"energyweekendschedule": [[False] * 24] * 12}, "energyweekendschedule[0][0]"),
        ({"energyweekendschedule": [[0.0] * 24] * 12}, "energyweekendschedule[0][0]"),
        ({"demandweekdayschedule": [[1] * 24] * 12}, "demandweekdayschedule[0][0]"),
        ({"flatdemandmonths": [1] * 12}, "flatdemandmonths[0]"),
        ({"startdate": 10**13}, "startdate"),
        ({"startdate": "soon"}, "startdate"),
        ({"enddate": "9999-12-31T23:00:00-09:00"}, "enddate"),
        ({"demandwindow": "15"}, "demandwindow"),
        ({"fixedchargefirstmeter": []}, "fixedchargefirstmeter"),
    ],
)
def test_what_cannot_be_a_rate_is_refused_by_key(changes, key):
    with pytest.raises(UrdbError) as caught:
        tariffs_from_urdb(flat(**changes))
    assert caught.value.key == key


def drawn(rng: random.Random) -> dict:
    """A rate with random periods, schedules and prices."""

    def structure(count, digits):
        return [[{"rate": rng.randrange(50) / digits}] for _ in range(count)]

    def days(count):
        seasons = [rng.randrange(3) for _ in range(12)]
        rows = [[rng.randrange(count) for _ in range(24)] for _ in range(3)]
        return matrix(lambda month, hour: rows[seasons[month - 1]][hour])

    energy, demand, flats = (rng.randint(1, 3) for _ in range(3))
    return flat(
        energyratestructure=structure(energy, 100),
        energyweekdayschedule=days(energy),
        energyweekendschedule=days(energy),
        demandratestructure=structure(demand, 10),
        demandweekdayschedule=days(demand),
        demandweekendschedule=days(demand),
        flatdemandstructure=structure(flats, 10),
        flatdemandmonths=[rng.randrange(flats) for _ in range(12)],
    )


def charged(rate: dict, name: str, period: int) -> Decimal:
    return Decimal(str(rate[name][period][0]["rate"]))


@STABLE
@given(st.integers(0, 10**6))
def test_every_hour_costs_what_the_schedules_say(seed):
    rate = drawn(random.Random(seed))
    compiled = compile_tariff(only(rate).document, ZONE).versions[0]
    for month in range(12):
        for day, kind in ((date(2024, month + 1, 28), "day"), (None, "end")):
            season = compiled.season(day or date(2024, month + 1, 1))
            windows = compiled.windows(season, "sunday" if kind == "end" else "weekday")
            for hour in range(24):
                at = hour * 3600
                band = next(name for low, high, name in windows if low <= at < high)
                period = rate[f"energyweek{kind}schedule"][month][hour]
                price = charged(rate, "energyratestructure", period)
                assert compiled.cells[season, band].prices == (price,)
                period = rate[f"demandweek{kind}schedule"][month][hour]
                price = charged(rate, "demandratestructure", period)
                period = rate["flatdemandmonths"][month]
                price += charged(rate, "flatdemandstructure", period)
                assert price == sum(
                    item.price
                    for item in compiled.demand
                    if (item.bands is None or band in item.bands)
                    and (item.seasons is None or season in item.seasons)
                )


def mutated(data, choose):
    """A copy of the data with one value at a random path changed or taken away."""
    data = copy.deepcopy(data)
    parent, key = [data], 0
    while isinstance(parent[key], dict | list) and parent[key] and choose.integer(7):
        parent = parent[key]
        keys = sorted(parent) if isinstance(parent, dict) else range(len(parent))
        key = keys[choose.integer(len(keys) - 1)]
    if choose.integer(4):
        parent[key] = choose.value()
    else:
        del parent[key]
    return data


class Choose:
    def __init__(self, data):
        self.data = data

    def integer(self, high: int) -> int:
        return self.data.draw(st.integers(0, high))

    def value(self):
        return self.data.draw(JSON)


def refused_or_right(data) -> None:
    try:
        rates = tariffs_from_urdb(data)
    except UrdbError as error:
        assert str(error) == f"{error.key}: {error.problem}" and "\n" not in str(error)
        return
    for rate in rates:
        compile_tariff(rate.document, ZONE)
        json.dumps([rate.document, rate.report])
        assert rate.name and len(dict(rate.report)) <= len(rate.report)


@STABLE
@given(
    st.data(), st.sampled_from(["api_blocks", "api_time_of_use", "bulk_time_of_use"])
)
def test_broken_rates_give_no_other_error(data, name):
    item = sample(name)
    for _ in range(data.draw(st.integers(1, 3))):
        item = mutated(item, Choose(data)) or item
    refused_or_right(item)


@STABLE
@given(JSON, st.dictionaries(st.sampled_from(sorted(flat())), JSON))
def test_any_json_gives_no_other_error(data, changes):
    refused_or_right(data)
    refused_or_right(flat(**changes))


def test_deep_and_strange_data_give_no_other_error():
    deep = []
    for _ in range(2000):
        deep = [deep]
    for value in (deep, {"a": deep}, {7: 1}, {"items": {}}, (), b"x", object()):
        refused_or_right(value)
        refused_or_right(flat(energyattrs=value, energyweekdayschedule=None))
        refused_or_right(flat(energyratestructure=value))
    endless = 10**5000  # too long for Python to print
    refused_or_right(flat(energyweekdayschedule=[[endless] * 24] * 12))
    refused_or_right(flat(startdate=endless, mincharge=endless))
    refused_or_right(flat(energyattrs=endless))
