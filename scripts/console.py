"""What the user sees: steps with progress, and one clear sentence on failure."""

import contextlib
import subprocess
import sys
import threading
import time

HEARTBEAT_SECONDS = 5


class Fail(Exception):
    """A sentence that tells the user what is missing and what to do about it."""


@contextlib.contextmanager
def step(text):
    """Print ``text``, a sign of life every few seconds, and the time it took."""
    began = time.monotonic()
    print(f"==> {text} ...", flush=True)
    done = threading.Event()

    def beat():
        while not done.wait(HEARTBEAT_SECONDS):
            print(f"    ... {text}: {time.monotonic() - began:.0f} s", flush=True)

    thread = threading.Thread(target=beat, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
    print(f"    done in {time.monotonic() - began:.1f} s", flush=True)


def run(command, *, what, log=None, text="", **kwargs):
    """Run ``command`` quietly; on failure raise :class:`Fail` with its last lines.

    :param command: list of words.
    :param str what: what the command is for, as the failure's subject.
    :param log: a path that receives the whole output.
    :param str text: what the command reads on its standard input.
    :return: the command's standard output and error, as text.
    """
    result = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        input=text,
        text=True,
        errors="replace",
        check=False,
        **kwargs,
    )
    if log:
        log.parent.mkdir(parents=True, exist_ok=True)
        log.write_text(result.stdout)
    if result.returncode:
        tail = "\n".join("    | " + line for line in result.stdout.splitlines()[-25:])
        where = f" (whole output: {log})" if log else ""
        raise Fail(f"{what} failed with status {result.returncode}{where}:\n{tail}")
    return result.stdout


def main_guard(function):
    """Call ``function``; show a :class:`Fail` as one sentence and exit 1."""
    try:
        return function()
    except Fail as error:
        print(f"\nERROR: {error}", file=sys.stderr, flush=True)
        return 1
    except KeyboardInterrupt:
        print("\nInterrupted; nothing is lost, run the command again.", file=sys.stderr)
        return 130
