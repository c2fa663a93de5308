"""The worked examples, this package's own cases, and the command line."""

import gzip
import json
import subprocess
import sys
import time
from datetime import date
from decimal import Decimal

import pytest
from rating import rate_case
from rating_tools import OWN, ROOT, SHARED, case, hours, version
from rating_worlds import document as random_document

PLACES = sorted((SHARED / "spec" / "examples").glob("*.json")) + sorted(
    OWN.glob("*.json")
)
KEYS = ("kwh", "energy_amount", "fixed_amount", "demand_amount", "minimum_adjustment")


def run(*arguments, **environment):
    """`python -m rating` with some arguments."""
    return subprocess.run(
        [sys.executable, "-m", "rating", *map(str, arguments)],
        capture_output=True,
        encoding="utf-8",
        env={"PYTHONPATH": str(ROOT / "addons" / "prepaid_energy"), **environment},
        check=False,
    )


@pytest.mark.parametrize("path", PLACES, ids=[path.stem for path in PLACES])
def test_example(path):
    document = json.loads(path.read_text())
    done = run(path)
    assert done.returncode == 0, done.stderr
    output = json.loads(done.stdout)[document["id"]]
    expected = document["expected"]
    assert list(output["months"]) == list(expected["months"])
    for name, month in expected["months"].items():
        found = output["months"][name]
        for key in (*KEYS, "subtotal", "adjustments", "total"):
            assert found[key] == month[key], (name, key)
        wanted = [
            {key: row[key] for key in ("season", "band", "tier", "kwh", "amount")}
            for row in month["energy"]
        ]
        assert found["energy"] == wanted
        for label, demand in month["demand"].items():
            assert found["demand"][label]["kw"] == demand["kw"]
    if "prepaid" in expected:
        assert output["prepaid"] == expected["prepaid"]


@pytest.fixture
def made(tmp_path):
    """A valid case as a file."""
    period = ("2024-06-01T00:00", "2024-07-01T00:00")
    document = case(tmp_path, hours("2024-06-01T00:00", 3), [version()], period)
    path = tmp_path / "case.json"
    path.write_text(json.dumps(document))
    return path, document


def test_several_cases_give_one_object(made):
    path, document = made
    other = path.with_name("other.json")
    other.write_text(json.dumps({**document, "id": "second"}))
    done = run(path, other)
    assert done.returncode == 0
    assert list(json.loads(done.stdout)) == ["hand", "second"]
    done = run(path, path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "id" in done.stderr


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"id": ""}, "id"),
        ({"id": "\ud800"}, "id"),
        ({"currency": None}, "currency"),
        ({"time_zone": "Nowhere"}, "time_zone"),
        ({"period": ["2024-06-01T00:00"]}, "period"),
        ({"period": ["2024-06-01T00:00", "2024-06-01T00:00"]}, "period"),
        ({"period": ["2023-06-01T00:00", "2024-06-01T00:00"]}, "valid_from_local"),
        ({"input": {"kind": "csv", "file": "load.csv"}}, "input.kind"),
        ({"input": {"kind": "intervals", "file": "no.csv", "minutes": 60}}, "no.csv"),
        ({"input": {"kind": "intervals", "file": "load.csv"}}, "input.minutes"),
        ({"input": {"kind": "registers", "file": "load.csv"}}, "at_utc"),
        (
            {"input": {"kind": "intervals", "file": "../load.csv", "minutes": 60}},
            "file",
        ),
        ({"tariff": {}}, "tariff.versions"),
        ({"minor_digits": "two"}, "minor_digits"),
        ({"minor_digits": None}, "minor_digits"),
        ({"prepaid": {"opening_balance": "x"}}, "prepaid.opening_balance"),
        (
            {"prepaid": {"opening_balance": "1", "topups": [{"at_utc": "2024"}]}},
            "prepaid.topups[0]",
        ),
    ],
)
def test_a_wrong_case_is_one_line_and_status_2(made, change, key):
    path, document = made
    path.write_text(json.dumps({**document, **change}))
    done = run(path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert "case.json" in done.stderr and key in done.stderr


@pytest.mark.parametrize(
    "content", [b"{", b"\xff\xfe", b"[]", b"[" * 99999, b'{"id": 1, "id": 2}', b"1E9"]
)
def test_a_file_that_is_no_case(made, content):
    path, _document = made
    path.write_bytes(content)
    done = run(path)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1 and "case.json" in done.stderr
    assert run(path.with_name("none.json")).returncode == 2
    assert run().returncode == 2


@pytest.mark.parametrize(
    "row",
    [
        "2024-06-01T00:00Z,1",
        "2024-06-01T00:30Z,1",
        "2024-06-02T00:00,1",
        "2024-06-02T00:00Z,",
        "2024-06-02T00:00Z,one",
        "2024-06-02T00:00Z",
        "9999-06-02T00:00Z,1",
    ],
)
def test_a_wrong_row_is_named(made, row):
    path, _document = made
    load = path.with_name("load.csv")
    load.write_text(load.read_text() + row + "\n")
    done = run(path)
    assert done.returncode == 2
    assert "load.csv row" in done.stderr


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"start_utc,kwh\n\xe4", "is not UTF-8 text"),
        (gzip.compress(b"start_utc,kwh\n")[:-9], "is not a whole gzip file"),
        (b"", "needs a column start_utc"),
    ],
)
def test_a_wrong_load_file_says_what_is_wrong(made, content, problem):
    path, _document = made
    path.with_name("load.csv").write_bytes(content)
    done = run(path)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "load.csv" in done.stderr and problem in done.stderr


def test_blank_lines_and_other_line_ends_are_passed_over(made):
    path, _document = made
    load = path.with_name("load.csv")
    text = "\ufeff\n" + load.read_text().replace("\n", "\n \n\n")
    load.write_bytes(text.replace("\n", "\r\n").encode())
    done = run(path)
    assert json.loads(done.stdout)["hand"]["months"]["2024-06"]["kwh"] == "3"
    load.write_bytes(load.read_bytes() + b"2024-06-09T00:00Z,x")
    assert "row 14 kwh" in run(path).stderr


def test_names_of_any_script_come_out_whatever_the_terminal(made):
    path, document = made
    document["tariff"]["versions"][0]["bands"]["default"] = "昼"
    path.write_text(json.dumps(document))
    done = run(path, PYTHONIOENCODING="ascii")
    month = json.loads(done.stdout)["hand"]["months"]["2024-06"]
    assert month["energy"][0]["band"] == "昼"


def test_gzip_and_notes_for_review(made):
    path, document = made
    load = path.with_name("load.csv")
    text = load.read_text() + "2024-06-02T00:00Z,-1\n"
    path.with_name("load.csv.gz").write_bytes(gzip.compress(text.encode()))
    document["input"]["file"] = "load.csv.gz"
    path.write_text(json.dumps(document))
    done = run(path)
    assert done.returncode == 0
    assert "row 5 kwh: negative" in done.stderr
    assert json.loads(done.stdout)["hand"]["months"]["2024-06"]["kwh"] == "3"


def test_a_year_of_quarter_hours_is_quick(tmp_path):
    rows = [
        (f"{at[:14]}{quarter:02d}Z", "0.125")
        for at, _kwh in hours("2023-12-31T23:00", 8784)
        for quarter in (0, 15, 30, 45)
    ]
    versions = random_document(4, date(2024, 1, 1))["versions"]
    period = ("2024-01-01T00:00", "2025-01-01T00:00")
    made = case(tmp_path, rows, versions, period, minutes=15)
    begin = time.perf_counter()
    months = rate_case(made, tmp_path)["months"]
    assert time.perf_counter() - begin < 2
    assert sum(Decimal(month["kwh"]) for month in months.values()) == 4392
