"""Odoo: template databases, and the server."""

import hashlib
import json
import os
import shutil

import postgres
import services
from console import run, step
from layout import ADDONS, LOCAL, LOGS, PYTHON, ROOT, STAMPS

# What the add-on builds on, installed once; cloning it saves a minute each time.
DEPENDS = "account_payment,hr,payment_demo,portal"
DEPENDS_DB = "pe_template_depends"
TEST_DB = "pe_template_test"
DEMO_DB = "pe_template_demo"
DATA_DIR = LOCAL / "odoo-data"


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
    """Install what the add-on depends on into a template database."""

    def make():
        with step("Installing Odoo's accounting, payment and portal (about a minute)"):
            postgres.psql(f'CREATE DATABASE "{DEPENDS_DB}" TEMPLATE template0')
            _run(DEPENDS_DB, "installing Odoo", f"--init={DEPENDS}")

    _build(DEPENDS_DB, DEPENDS, make)


def test_template():
    """The add-on without demo data, for its tests."""
    depends_template()

    def make():
        with step("Installing the add-on for the tests"):
            clone(DEPENDS_DB, TEST_DB)
            _run(TEST_DB, "installing prepaid_energy", "--init=prepaid_energy")

    _build(TEST_DB, addons_digest(), make)


def demo_template():
    """The add-on with its demo data (and only its own, not that of Odoo's apps)."""
    depends_template()

    def make():
        with step("Installing the add-on with its demo data"):
            clone(DEPENDS_DB, DEMO_DB)
            postgres.psql(
                "UPDATE ir_module_module SET demo = true WHERE state = 'installed'",
                DEMO_DB,
            )
            _run(
                DEMO_DB,
                "installing prepaid_energy",
                "--init=prepaid_energy",
                "--with-demo",
            )

    _build(DEMO_DB, addons_digest(), make)


def update(database):
    """Update the add-on in ``database`` to the code as it is."""
    with step("Updating the add-on in the demo database"):
        _run(database, "updating prepaid_energy", "--update=prepaid_energy")


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
