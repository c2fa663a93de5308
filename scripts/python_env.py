"""The two Python environments: Odoo with the tests, and the bridge alone."""

import hashlib
import os
import shutil
import sys
from pathlib import Path

from console import Fail, run, step
from layout import BRIDGE, BRIDGE_VENV, DEBS, PYTHON, ROOT, STAMPS, VENV
from system import ODOO_DIST


def _digest(*paths, extra=""):
    sha = hashlib.sha256(f"{sys.version}{extra}".encode())
    for path in paths:
        sha.update(path.read_bytes())
    return sha.hexdigest()


def _odoo_path():
    """The folder to put on ``sys.path`` so that ``import odoo`` works."""
    source = os.environ.get("ODOO_SRC")
    if not source:
        return ODOO_DIST
    path = Path(source).expanduser().resolve()
    if not (path / "odoo" / "release.py").exists():
        raise Fail(
            f"ODOO_SRC={source} is no Odoo source tree: odoo/release.py is missing."
        )
    return path


def _create(folder):
    shutil.rmtree(folder, ignore_errors=True)
    run([sys.executable, "-m", "venv", "--without-pip", folder], what="python3 -m venv")
    # Debian's python3 has no ensurepip; the unpacked pip wheel installs pip itself.
    wheel = next((DEBS / "usr/share/python-wheels").glob("pip-*.whl"))
    run(
        [folder / "bin/python", f"{wheel}/pip", "install", "--quiet", "pip"],
        what="installing pip",
    )


def _install(folder, words, what):
    try:
        run(
            [folder / "bin/python", "-m", "pip", "install", "--quiet", *words],
            what=what,
            cwd=ROOT,
        )
    except Fail as error:
        raise Fail(
            f"Python packages could not be installed; is there a network connection "
            f"to the package index? {error}"
        ) from None


def odoo_venv():
    """Create or refresh the environment of Odoo, the tests and the linters."""
    requirements = ROOT / "requirements.txt"
    tools = ROOT / "test-requirements.txt"
    oca = ROOT / "oca-requirements.txt"
    odoo = _odoo_path()
    stamp, digest = STAMPS / "venv", _digest(requirements, tools, oca, extra=str(odoo))
    if PYTHON.exists() and stamp.exists() and stamp.read_text() == digest:
        return
    with step("Installing the Python packages of Odoo and the tests"):
        _create(VENV)
        _install(VENV, ["-r", requirements, "-r", tools], "pip install")
        _install(VENV, ["--no-deps", "-r", oca], "pip install of the OCA's add-ons")
        site = next((VENV / "lib").glob("python3*/site-packages"))
        (site / "odoo19.pth").write_text(f"{odoo}\n")
    STAMPS.mkdir(parents=True, exist_ok=True)
    stamp.write_text(digest)


def bridge_venv():
    """Create or refresh the environment of the bridge and the plant simulator."""
    stamp = STAMPS / "bridge-venv"
    digest = _digest(BRIDGE / "pyproject.toml")
    if BRIDGE_VENV.exists() and stamp.exists() and stamp.read_text() == digest:
        return
    with step("Installing the bridge and the plant simulator"):
        _create(BRIDGE_VENV)
        _install(BRIDGE_VENV, ["-e", f"{BRIDGE}[test]"], "pip install meter_bridge")
    stamp.write_text(digest)
