"""Odoo: template databases, and the server."""

import hashlib
import json
import os
import shutil

import postgres
import services
from console import Fail, run, step
from layout import ADDONS, LOCAL, LOGS, PYTHON, ROOT, STAMPS

# What the add-ons build on, installed once; cloning it saves minutes each time.
DEPENDS = (
    "account_payment,base_tier_validation,hr,mrp,payment_demo,portal,"
    "spreadsheet_dashboard"
)
DEPENDS_DB = "pe_template_base"
TEST_DB = "pe_template_test"
DEMO_DB = "pe_template_demo"
DATA_DIR = LOCAL / "odoo-data"


def addon_names():
    """The add-ons of this repository: the product and its glue."""
    return sorted(path.parent.name for path in ADDONS.glob("*/__manifest__.py"))


def command(database, *extra):
    """The words that run Odoo from this repository on ``database``."""
    return [
        PYTHON,
        "-m",
        "odoo",
        f"--config={ROOT / 'odoo.conf'}",
        f"--addons-path={ADDONS}",
        f"--data-dir={DATA_DIR}",
        f"--database={database}",
        *extra,
    ]


def environment():
    """Environment variables of an Odoo process."""
    return {**os.environ, **postgres.environment()}


def _run(database, what, *extra):
    log = LOGS / f"install-{database}.log"
    words = command(database, "--stop-after-init", "--no-http", *extra)
    run(words, what=what, log=log, env=environment(), cwd=LOCAL)


def _install(database, *extra):
    names = ",".join(addon_names())
    _run(database, "installing the add-ons", f"--init={names}", *extra)


def addons_digest():
    """A digest of the add-ons' files: a changed one means a new template."""
    sha = hashlib.sha256()
    for path in sorted(ADDONS.rglob("*")):
        if (
            path.is_file()
            and "__pycache__" not in path.parts
            and "tests" not in path.parts
        ):
            sha.update(str(path.relative_to(ADDONS)).encode() + path.read_bytes())
    return sha.hexdigest()


def _build(name, digest, make):
    """Build the template ``name`` with ``make`` unless it is there and up to date."""
    stamp = STAMPS / name
    if postgres.exists(name) and stamp.exists() and stamp.read_text() == digest:
        return
    stamp.unlink(missing_ok=True)
    postgres.drop(name)
    make()
    stamp.write_text(digest)


def clone(template, database):
    """Make ``database`` a copy of ``template``, with its filestore (by hard links)."""
    postgres.clone(template, database)
    stores = DATA_DIR / "filestore"
    shutil.rmtree(stores / database, ignore_errors=True)
    if (stores / template).exists():
        shutil.copytree(stores / template, stores / database, copy_function=os.link)


def depends_template():
    """Install what the add-ons depend on into a template database."""

    def make():
        with step("Installing what the add-ons build on (two minutes)"):
            postgres.psql(f'CREATE DATABASE "{DEPENDS_DB}" TEMPLATE template0')
            _run(DEPENDS_DB, "installing Odoo", f"--init={DEPENDS}")

    _build(DEPENDS_DB, DEPENDS, make)


def test_template():
    """The add-ons without demo data, for their tests."""
    depends_template()

    def make():
        with step("Installing the add-ons for the tests"):
            clone(DEPENDS_DB, TEST_DB)
            _install(TEST_DB)

    _build(TEST_DB, addons_digest(), make)


def demo_template():
    """The add-ons with their demo data (and only that, not that of Odoo's apps)."""
    depends_template()

    def make():
        with step("Installing the add-ons with their demo data"):
            clone(DEPENDS_DB, DEMO_DB)
            postgres.psql(
                "UPDATE ir_module_module SET demo = true WHERE state = 'installed'",
                DEMO_DB,
            )
            # the demo makes two months by itself, the tests begin from nothing
            postgres.psql(
                "INSERT INTO ir_config_parameter (key, value) "
                "VALUES ('prepaid_energy.demo_without_past', 'yes')",
                DEMO_DB,
            )
            _install(DEMO_DB, "--with-demo")
        # which Odoo itself takes lightly: it goes on without them
        problem = postgres.psql("SELECT error FROM ir_demo_failure LIMIT 1", DEMO_DB)
        if problem:
            raise Fail(f"the demo data cannot be loaded:\n{problem}")

    _build(DEMO_DB, addons_digest(), make)


def update(database):
    """Update the add-ons in ``database`` to the code as it is; install new ones."""
    names = ",".join(addon_names())
    with step("Updating the add-ons in the demo database"):
        _run(database, "updating the add-ons", f"--init={names}", f"--update={names}")


def shell(database, script, **values):
    """Run ``script`` in Odoo's shell, with ``values`` as its variables.

    :return: what the script assigned to ``result``, by way of JSON.
    """
    answer = LOCAL / f"shell-{database}.json"
    answer.unlink(missing_ok=True)
    body = (
        f"import json\nvalues = json.loads({json.dumps(json.dumps(values))})\n"
        f"{script}\n"
        "env.cr.commit()\n"
        f"open({str(answer)!r}, 'w').write(json.dumps(result))\n"
    )
    words = command(database)
    words.insert(3, "shell")
    words += ["--no-http", "--log-level=warn"]
    run(words, what="odoo shell", text=body, env=environment(), cwd=LOCAL)
    result = json.loads(answer.read_text())
    answer.unlink()
    return result


def start(name, database, port, gevent_port, *extra):
    """Start an Odoo server as the service ``name`` and wait until it answers."""
    if not services.running(name):
        host = os.environ.get("PREPAID_HOST", "127.0.0.1")
        services.start(
            name,
            command(
                database,
                f"--http-port={port}",
                f"--gevent-port={gevent_port}",
                f"--http-interface={host}",
                f"--db-filter=^{database}$",
                *extra,
            ),
            env=postgres.environment(),
            cwd=LOCAL,
        )
    services.wait_http(name, f"http://127.0.0.1:{port}/web/health?db_server_status=1")
