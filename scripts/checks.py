"""``make test`` and ``make lint``."""

import os
import subprocess
import time
from xml.etree import ElementTree

import node_env
import odoo_server
import postgres
import services
import system
from console import Fail, step
from demo import setup
from layout import (
    ADDON_TEST_PORTS,
    ADDONS,
    BRIDGE,
    BRIDGE_VENV,
    LOCAL,
    LOGS,
    PYTHON,
    ROOT,
    VENV,
    need_port,
)

RESULTS = LOCAL / "results"
TEST_DB = "prepaid_test"
BRIDGE_PARTS = 3
# what tests/system starts: stopped also when a test was interrupted
SYSTEM_SERVICES = (
    "test-bridge",
    "test-plant",
    "test-odoo",
    "test-people",
    "test-hour-bridge",
    "test-hour-plant",
    "test-hour-odoo",
    "test-tenant",
)


def test(names=()):
    """Run the suites, or those named; sum them up in one closing line.

    A skipped test fails the run: a missing browser or broker must not pass unseen.
    """
    suites = {
        "rating": _rating,
        "bridge": _bridge,
        "addon": _addon,
        "system": _system,
    }
    unknown = set(names) - set(suites)
    if unknown:
        raise Fail(
            f"there is no suite {', '.join(unknown)}; there are: {', '.join(suites)}."
        )
    setup()
    RESULTS.mkdir(exist_ok=True)
    total = {"passed": 0, "failed": 0, "skipped": 0}
    was_running = postgres.is_running()
    try:
        for name in names or suites:
            _suite(name, suites[name], total)
    finally:
        if not was_running:
            postgres.stop()
    if total["skipped"]:
        print(f"{total['skipped']} skipped tests count as failed")
    failed = total["failed"] + total["skipped"]
    print(f"\n{total['passed']} passed, {failed} failed")
    return 1 if failed else 0


def _suite(name, function, total):
    """Run one suite and add its counts to ``total``."""
    print(f"\n==> tests: {name}", flush=True)
    began = time.monotonic()
    for path in RESULTS.glob(f"{name}*.xml"):
        path.unlink()
    status = function()
    counted = _count(RESULTS.glob(f"{name}*.xml"))
    if status and not counted["failed"]:
        counted["failed"] = 1  # the runner itself broke
    if not counted["passed"]:
        counted["failed"] += 1  # a suite that ran nothing proves nothing
    print(f"    {name}: {counted} in {time.monotonic() - began:.0f} s", flush=True)
    for key, value in counted.items():
        total[key] += value


def _count(paths):
    """Passed, failed and skipped tests of JUnit files; all zero if there are none."""
    counted = {"passed": 0, "failed": 0, "skipped": 0}
    cases = [c for p in paths for c in ElementTree.parse(p).getroot().iter("testcase")]
    for case in cases:
        kinds = {child.tag for child in case}
        if kinds & {"failure", "error"}:
            counted["failed"] += 1
        elif "skipped" in kinds:
            counted["skipped"] += 1
        else:
            counted["passed"] += 1
    return counted


def _words(name, python, words):
    results = RESULTS / f"{name}.xml"
    return [str(python), "-m", "pytest", "-q", "-rfEs", f"--junitxml={results}", *words]


def _pytest(name, python, words, cwd=ROOT, **environment):
    return subprocess.run(
        _words(name, python, words),
        cwd=cwd,
        env={**os.environ, **environment},
        check=False,
    ).returncode


def _rating():
    path = str(ADDONS / "prepaid_energy")
    return _pytest("rating", PYTHON, ["tests/rating", "-p", "no:odoo"], PYTHONPATH=path)


def _bridge():
    """The bridge's tests, in parts at once: most of them wait for devices."""
    broker = str(system.MOSQUITTO)
    files = sorted(map(str, (BRIDGE / "tests").glob("test_*.py")))
    # in turn: files of one subject, which take long together, stand side by side
    parts = [files[begin::BRIDGE_PARTS] for begin in range(BRIDGE_PARTS)]
    python = BRIDGE_VENV / "bin/python"
    return _at_once("bridge", python, parts, cwd=BRIDGE, MOSQUITTO=broker)


def _addon():
    """The add-ons' tests, in parts at once, each with a database of its own."""
    system.install_chromium()
    postgres.start()
    odoo_server.test_template()
    names = odoo_server.addon_names()
    files = [
        file for name in names for file in (ADDONS / name / "tests").glob("test_*.py")
    ]
    parts = _parts(files, len(ADDON_TEST_PORTS))
    for number, port in enumerate(ADDON_TEST_PORTS):
        need_port(port, "the add-ons' tests")
        database = f"{TEST_DB}_{number}"
        with step("Cloning a test database"):
            odoo_server.clone(odoo_server.TEST_DB, database)
        parts[number] += [
            "--odoo-http",
            f"--odoo-config={_test_config(number, port)}",
            f"--odoo-database={database}",
        ]
    return _at_once("addon", PYTHON, parts, **postgres.environment())


def _parts(files, count):
    """The files in ``count`` lists of about one size, always the same ones."""
    parts = [[] for _ in range(count)]
    sizes = [0] * count
    for size, path in sorted((path.stat().st_size, path) for path in files)[::-1]:
        least = sizes.index(min(sizes))
        parts[least].append(str(path))
        sizes[least] += size
    return [sorted(part) for part in parts]


def _at_once(name, python, parts, cwd=ROOT, **environment):
    """Run pytest once for each list of words, all at the same time."""
    running, status = [], 0
    LOGS.mkdir(exist_ok=True)
    for number, words in enumerate(parts):
        log = LOGS / f"tests-{name}-{number}.log"
        process = subprocess.Popen(
            _words(f"{name}-{number}", python, words),
            cwd=cwd,
            env={**os.environ, **environment},
            stdout=log.open("w"),
            stderr=subprocess.STDOUT,
        )
        running.append((process, log))
    for process, log in running:
        status |= process.wait()
        print(log.read_text(), flush=True)
    return status


def _test_config(number, port):
    """``odoo.conf`` with this checkout's paths, which pytest-odoo cannot pass on."""
    path = LOCAL / f"odoo-test-{number}.conf"
    path.write_text(
        (ROOT / "odoo.conf").read_text()
        + f"addons_path = {ADDONS}\ndata_dir = {odoo_server.DATA_DIR}\n"
        + f"http_port = {port}\n"
        + f"screenshots = {RESULTS / 'odoo'}\n"  # of browser tests that failed
    )
    return path


def _system():
    system.install_chromium()
    node_env.modules()
    postgres.start()
    odoo_server.demo_template()
    odoo_server.test_template()
    try:
        return _pytest("system", PYTHON, ["tests/system", "-p", "no:odoo"])
    finally:
        for name in SYSTEM_SERVICES:
            services.stop(name)


def lint():
    """Run the linters of the OCA template: ruff, pylint-odoo, prettier; change nothing.

    :return: the exit status.
    """
    setup()
    tree = ["addons", "connectors", "scripts", "tests", "benchmarks"]
    addons = [f"addons/{name}" for name in odoo_server.addon_names()]
    drawn = sorted(
        str(path.relative_to(ROOT))
        for kind in ("*.xml", "*.js")
        for path in ADDONS.rglob(kind)
    )
    status = 0
    for words in (
        [VENV / "bin/ruff", "check", *tree],
        [VENV / "bin/ruff", "format", "--check", *tree],
        [VENV / "bin/pylint", "--rcfile=.pylintrc", *addons],
        [*_prettier(), "--check", *drawn],
    ):
        print("==>", " ".join(str(word) for word in words[:3]), flush=True)
        result = subprocess.run([str(word) for word in words], cwd=ROOT, check=False)
        status |= result.returncode
    print("linters: found something" if status else "linters: nothing to say")
    return 1 if status else 0


def _prettier():
    """The words that run prettier with its XML plug-in, installed below ``.local``."""
    modules = node_env.modules()
    plugin = modules / "@prettier/plugin-xml/src/plugin.js"
    program = modules / "prettier/bin/prettier.cjs"
    return [VENV / "bin/node", program, "--plugin", plugin]
