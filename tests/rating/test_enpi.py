"""Energy shared out over work, and regression: hand-worked cases and properties."""

import csv
import gzip
import random
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from statistics import linear_regression

import enpi
import pytest
from enpi import IDLE, Piece, Span
from hypothesis import given
from hypothesis import strategies as st
from rating_tools import SHARED
from test_rating_properties import STABLE, seeds

T0 = datetime(2026, 3, 2, 6, 0)
HOUR = timedelta(hours=1)


def at(minutes):
    return T0 + timedelta(minutes=minutes)


def hours(*energies):
    """One piece an hour from six o'clock on."""
    return [
        Piece(T0 + i * HOUR, T0 + (i + 1) * HOUR, (Decimal(value),))
        for i, value in enumerate(energies)
    ]


def shares(pieces, spans):
    """{key: its energy as a plain string}, and a check that nothing is lost."""
    found = enpi.allocate(pieces, spans)
    total = sum(share.values[0] for share in found.values())
    assert total == sum(piece.values[0] for piece in pieces)
    return {key: f"{share.values[0].normalize():f}" for key, share in found.items()}


# ------------------------------------------------------------------------- allocation


def test_time_without_work_is_idle():
    spans = [Span("a", at(30), at(90))]
    assert shares(hours(10, 20, 7), spans) == {IDLE: "22", "a": "15"}


def test_orders_at_the_same_time_share():
    spans = [Span("a", at(0), at(60)), Span("b", at(30), at(60))]
    assert shares(hours(12), spans) == {"a": "9", "b": "3"}


def test_the_heavier_machine_has_more():
    spans = [Span("a", at(0), at(60), Decimal(3)), Span("b", at(0), at(60))]
    assert shares(hours(12), spans) == {"a": "9", "b": "3"}


def test_two_people_at_one_order_are_one_order():
    spans = [
        Span("a", at(0), at(40)),
        Span("a", at(20), at(60)),
        Span("b", at(0), at(60)),
    ]
    assert shares(hours(12), spans) == {"a": "6", "b": "6"}


def test_a_third_is_cut_and_the_rest_is_not_lost():
    spans = [Span(key, at(0), at(60)) for key in "abc"]
    found = shares(hours("0.1"), spans)
    assert sorted(found.values()) == [
        "0.033333333333",
        "0.033333333333",
        "0.033333333334",
    ]


def test_seconds_say_how_much_of_the_work_was_measured():
    found = enpi.allocate(hours(10), [Span("a", at(30), at(120))])
    assert found["a"].seconds == 1800  # of 5400 that were worked
    assert found[IDLE].seconds == 1800


def test_all_quantities_are_shared_alike():
    piece = Piece(T0, T0 + HOUR, (Decimal(8), Decimal("2.40")))
    found = enpi.allocate([piece], [Span("a", at(45), at(60))])
    assert found["a"].values == [2, Decimal("0.60")]


def test_energy_of_a_part_of_an_hour_lies_where_it_was_measured():
    pieces = enpi.trimmed(
        [
            (at(0), 1800, (Decimal(5),)),  # measuring begins at half past six
            (at(60), 3600, (Decimal(10),)),
            (at(120), 1200, (Decimal(3),)),  # and stops at 8:20
            (at(240), 600, (Decimal(1),)),  # nobody knows which ten minutes: the first
        ]
    )
    assert [(piece.start, piece.end) for piece in pieces] == [
        (at(30), at(60)),
        (at(60), at(120)),
        (at(120), at(140)),
        (at(240), at(250)),
    ]
    assert enpi.trimmed([(at(0), 0, (Decimal(0),))]) == []


def test_a_hole_inside_an_hour_leaves_the_hour_whole():
    pieces = enpi.trimmed(
        [(at(60 * i), 3600 - 900 * (i == 1), (Decimal(4),)) for i in range(3)]
    )
    assert [piece.end - piece.start for piece in pieces] == [HOUR] * 3


@STABLE
@given(seeds)
def test_shares_and_idle_are_the_total_whatever_the_times(seed):
    rng = random.Random(seed)
    pieces = [
        Piece(
            T0 + i * HOUR,
            T0 + (i + 1) * HOUR,
            (
                Decimal(rng.randrange(10**9)).scaleb(-rng.randint(0, 9)),
                Decimal(rng.randrange(-(10**6), 10**6)).scaleb(-rng.randint(0, 18)),
            ),
        )
        for i in range(rng.randint(1, 30))
        if rng.random() < 0.9
    ]
    spans = []
    for _ in range(rng.randint(0, 25)):
        start = T0 + timedelta(seconds=rng.randrange(-4000, 100_000))
        length = timedelta(seconds=rng.choice((0, 1, 59, 3600, 20_000, 90_000)))
        weight = Decimal(rng.choice(("1", "1", "0.3", "7")))
        spans.append(Span(rng.randrange(6), start, start + length, weight))
    found = enpi.allocate(pieces, spans)
    for column in (0, 1):
        total = sum((piece.values[column] for piece in pieces), Decimal(0))
        assert sum((s.values[column] for s in found.values()), Decimal(0)) == total
    assert all(share.values[0] >= 0 for share in found.values())
    # A naive oracle: every second is an instant of its own.
    piece = rng.choice(pieces) if pieces else None
    if piece:
        naive, second = {}, timedelta(seconds=1)
        for number in range(3600):
            now = piece.start + number * second
            weights = {}
            for span in spans:
                if span.start <= now < span.end:
                    weights[span.key] = max(span.weight, weights.get(span.key, 0))
            weights = weights or {IDLE: Decimal(1)}
            for key, weight in weights.items():
                part = Fraction(weight) / Fraction(sum(weights.values()))
                naive[key] = naive.get(key, 0) + part * Fraction(piece.values[0]) / 3600
        own = enpi.allocate([piece], spans)
        assert set(own) == set(naive)
        for key, share in own.items():
            assert abs(Fraction(share.values[0]) - naive[key]) < Fraction(1, 10**10)


# ------------------------------------------------------------------------- regression


def test_a_line_without_noise_is_found_to_the_last_digit():
    rows = [(Decimal(1), Decimal(x)) for x in range(12)]
    fit = enpi.regress([200 + Decimal("1.25") * x for _, x in rows], rows)
    assert fit.coefficients == (200, Decimal("1.25"))
    assert (fit.r2, fit.error, fit.n) == (1, 0, 12)
    assert list(fit.problems()) == []


def test_the_errors_are_those_of_the_textbook():
    """Five points, worked by hand."""
    xs, ys = (1, 2, 3, 4, 5), (2, 4, 5, 4, 5)
    fit = enpi.regress(map(Decimal, ys), [(Decimal(1), Decimal(x)) for x in xs])
    assert fit.coefficients == (Decimal("2.2"), Decimal("0.6"))
    assert fit.r2 == pytest.approx(0.6)
    assert fit.error == pytest.approx((2.4 / 3) ** 0.5)  # rest 2.4, 3 degrees free
    assert fit.errors[1] == pytest.approx((0.8 / 10) ** 0.5)
    assert fit.errors[0] == pytest.approx((0.8 * (1 / 5 + 9 / 10)) ** 0.5)
    assert fit.t(1) == pytest.approx(2.1213203)
    assert list(fit.problems()) == [("few", None), ("poor", None)]


def test_two_drivers_and_their_noise():
    rng = random.Random(7)
    rows, ys = [], []
    for _ in range(300):
        output, cold = Decimal(rng.randint(0, 500)), Decimal(rng.randint(0, 20))
        rows.append((Decimal(1), output, cold))
        ys.append(1000 + 3 * output + 40 * cold + rng.randint(-30, 30))
    fit = enpi.regress(ys, rows)
    for value, true, error in zip(
        fit.coefficients, (1000, 3, 40), fit.errors, strict=True
    ):
        assert abs(float(value) - true) < 4 * error
    assert fit.r2 > 0.99
    assert list(fit.problems()) == []


def test_a_driver_that_says_nothing_is_named_and_left_out():
    rows = [(Decimal(1), Decimal(5), Decimal(x), 2 * Decimal(x)) for x in range(40)]
    fit = enpi.regress([7 + 3 * row[2] for row in rows], rows)
    assert fit.coefficients == (7, None, 3, None)
    assert list(fit.problems()) == [("same", 1), ("same", 3)]
    assert enpi.expected(fit.coefficients, rows[4]) == 19


def test_a_driver_by_chance_is_called_unsure():
    rng = random.Random(3)
    rows = [(Decimal(1), Decimal(rng.randint(0, 9))) for _ in range(60)]
    fit = enpi.regress([Decimal(rng.randint(0, 9)) for _ in rows], rows)
    assert set(fit.problems()) == {("poor", None), ("unsure", 1)}


def test_energy_that_never_varies_has_no_r2():
    rows = [(Decimal(1), Decimal(x)) for x in range(20)]
    fit = enpi.regress([Decimal(4)] * 20, rows)
    assert fit.r2 is None
    assert fit.coefficients == (4, 0)


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError):
        enpi.regress([Decimal(1)], [(Decimal(1), Decimal(2))])
    with pytest.raises(ValueError):
        enpi.regress([], [])


@STABLE
@given(
    st.lists(
        st.tuples(st.integers(-1000, 1000), st.integers(0, 10**6)),
        min_size=3,
        max_size=60,
    ).filter(lambda rows: len({x for x, _ in rows}) > 1)
)
def test_the_standard_library_agrees(points):
    fit = enpi.regress(
        [Decimal(y) for _, y in points], [(Decimal(1), Decimal(x)) for x, _ in points]
    )
    slope, intercept = linear_regression(*zip(*points, strict=True))
    assert float(fit.coefficients[0]) == pytest.approx(intercept, rel=1e-6, abs=1e-6)
    assert float(fit.coefficients[1]) == pytest.approx(slope, rel=1e-6, abs=1e-6)


def test_degree_days():
    cold, warm, base = Decimal("3.5"), Decimal(25), Decimal(15)
    assert enpi.degree_days(cold, base, heating=True) == Decimal("11.5")
    assert enpi.degree_days(warm, base, heating=True) == 0
    assert enpi.degree_days(warm, Decimal(18), heating=False) == 7


# ------------------------------------------------------ the year of a steel works


def steel_hours():
    """(start in Seoul, kWh) of each hour of the works' year."""
    found = {}
    path = SHARED / "data" / "loads" / "steel_seoul_2018.csv.gz"
    with gzip.open(path, "rt") as stream:
        for row in csv.DictReader(stream):
            local = datetime.fromisoformat(row["start_utc"][:16]) + 9 * HOUR
            hour = local.replace(minute=0)
            found[hour] = found.get(hour, 0) + Decimal(row["kwh"])
    return sorted(found.items())


def test_a_real_year_is_shared_out_to_the_last_digit():
    """Two shifts a day, which overlap by half an hour at noon."""
    year = steel_hours()
    pieces = [Piece(start, start + HOUR, (kwh,)) for start, kwh in year]
    spans = []
    for number in range(365):
        day = datetime(2018, 1, 1) + timedelta(days=number)
        spans += [
            Span(("early", day.month), day + 7 * HOUR, day + 12.5 * HOUR),
            Span(("late", day.month), day + 12 * HOUR, day + 20 * HOUR),
        ]
    found = enpi.allocate(pieces, spans)
    total = sum(kwh for _, kwh in year)
    assert sum(share.values[0] for share in found.values()) == total
    assert len(found) == 25
    idle = found[IDLE].values[0] / total
    assert Decimal("0.14") < idle < Decimal("0.15")  # nights take little


def test_the_drivers_of_a_real_year():
    """Weekdays explain the works' days; the baseline's own differences cancel out."""
    days = {}
    for start, kwh in steel_hours():
        days[start.date()] = days.get(start.date(), 0) + kwh
    days = sorted(days.items())
    assert len(days) == 365
    rows = [(Decimal(1), Decimal(day.weekday() < 5)) for day, _ in days]
    base = [number for number, (day, _) in enumerate(days) if day < date(2018, 7, 1)]
    fit = enpi.regress([days[i][1] for i in base], [rows[i] for i in base])
    assert fit.n == 181
    assert 0.3 < fit.r2 < 0.9
    assert fit.t(1) > 10
    differences = [
        energy - enpi.expected(fit.coefficients, row)
        for (_, energy), row in zip(days, rows, strict=True)
    ]
    cusum = enpi.running(differences)
    assert abs(cusum[180]) < Decimal("0.001")  # least squares: they add up to nothing
    assert cusum[-1] == sum(differences)
