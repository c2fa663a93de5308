"""``make bench``: each benchmark prints a ratio and ends with one line of JSON."""

import os
import subprocess

from console import Fail
from demo import setup
from layout import ADDONS, PYTHON, ROOT


def bench(names=()):
    """Run the benchmarks in ``benchmarks/``, or those named."""
    setup()
    folder = ROOT / "benchmarks"
    known = {path.stem: path for path in sorted(folder.glob("*.py"))}
    for name in names or known:
        if name not in known:
            raise Fail(f"there is no benchmark {name}; there are: {', '.join(known)}.")
        print(f"==> benchmarks/{name}.py", flush=True)
        environment = {**os.environ, "PYTHONPATH": str(ADDONS / "prepaid_energy")}
        subprocess.run([str(PYTHON), str(known[name])], env=environment, check=True)
