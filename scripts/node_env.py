"""What comes from npm: the linters' formatter, a test's rules of accessibility."""

import os
import shutil

from console import run, step
from layout import LOCAL, ROOT, VENV
from system import install_node_library

FOLDER = LOCAL / "node"


def modules():
    """Install what ``package.json`` names, below ``.local``; return the folder."""
    install_node_library()
    wanted, known = ROOT / "package.json", FOLDER / "package.json"
    done = FOLDER / "node_modules/.package-lock.json"  # npm writes it last
    path = f"{VENV / 'bin'}{os.pathsep}{os.environ['PATH']}"
    if not done.exists() or known.read_text() != wanted.read_text():
        with step("Installing prettier and axe-core"):
            FOLDER.mkdir(exist_ok=True)
            shutil.copy(wanted, known)
            run(
                [VENV / "bin/npm", "install", "--no-audit", "--no-fund"],
                what="npm install",
                cwd=FOLDER,
                env={**os.environ, "PATH": path},
            )
    return FOLDER / "node_modules"
