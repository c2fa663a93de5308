"""The bridge and its floor in turn, so that both meet the same noise of the machine."""

import json
import os
import statistics
import subprocess
from pathlib import Path

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parent.parent / ".local" / "bridge-venv" / "bin" / "python"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))


def run(file, part, words, environment):
    """The rate a second of ``floor`` or ``bridge``, by a program of this folder."""
    result = subprocess.run(
        [str(PYTHON), str(HERE / file), part, *words],
        stdout=subprocess.PIPE,
        check=True,
        text=True,
        env={**os.environ, **environment},
    )
    return json.loads(result.stdout.splitlines()[-1])["rate"]


def compare(benchmark, file, words, unit, *, environment=None, **figures):
    """Measure in turn and print; the last line is JSON with the medians' ratio.

    :param str benchmark: its name.
    :param str file: the program in this folder that measures a part.
    :param list words: its arguments behind the part.
    :param str unit: of what is counted a second.
    :param dict environment: variables for the program.
    :param figures: what the JSON says beside the rates.
    """
    rates = {"floor": [], "bridge": []}
    for _ in range(ROUNDS):
        for part, found in rates.items():
            found.append(run(file, part, words, environment or {}))
    median = {part: statistics.median(found) for part, found in rates.items()}
    for part, found in rates.items():
        least, most = min(found), max(found)
        print(f"{part:>7}  {median[part]:8,.0f} {unit}/s ({least:,.0f} … {most:,.0f})")
    print(
        json.dumps(
            {
                "benchmark": benchmark,
                "ratio": round(median["bridge"] / median["floor"], 3),
                "bridge_per_s": round(median["bridge"]),
                "floor_per_s": round(median["floor"]),
                **figures,
            }
        )
    )
