"""Long-running programs under ``.local``: started detached, found again by pid."""

import json
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

from console import Fail
from layout import LOCAL, LOGS

PIDS = LOCAL / "pids"


def _alive(name):
    """The pid of the running service ``name``, or ``None``.

    A pid that another program took over meanwhile is told apart by its start time.
    """
    path = PIDS / f"{name}.json"
    if not path.exists():
        return None
    record = json.loads(path.read_text())
    return record["pid"] if _started_at(record["pid"]) == record["started"] else None


def _started_at(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def running(name):
    """Whether the service ``name`` runs."""
    return _alive(name) is not None


def start(name, command, *, env=None, cwd=None):
    """Start ``command`` in the background as the service ``name`` unless it runs."""
    if running(name):
        return
    LOGS.mkdir(parents=True, exist_ok=True)
    PIDS.mkdir(parents=True, exist_ok=True)
    with open(LOGS / f"{name}.log", "ab") as log:
        process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            cwd=cwd,
            start_new_session=True,
        )
    record = {"pid": process.pid, "started": _started_at(process.pid)}
    (PIDS / f"{name}.json").write_text(json.dumps(record))


def stop(name, timeout=20):
    """Stop the service ``name`` politely, then by force."""
    pid = _alive(name)
    if pid:
        os.killpg(pid, signal.SIGTERM)
        deadline = time.monotonic() + timeout
        while _alive(name) and time.monotonic() < deadline:
            _reap(pid)
            time.sleep(0.1)
        if _alive(name):
            os.killpg(pid, signal.SIGKILL)
            _reap(pid)
    (PIDS / f"{name}.json").unlink(missing_ok=True)


def kill(name):
    """Kill the service ``name`` as a power failure would, and wait for its end."""
    pid = _alive(name)
    if pid:
        os.killpg(pid, signal.SIGKILL)
        while _alive(name):
            _reap(pid)
            time.sleep(0.05)


def _reap(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # started by an earlier command: not our child


def tail(name, lines=15):
    """The last lines of the log of ``name``."""
    path = LOGS / f"{name}.log"
    text = path.read_text(errors="replace") if path.exists() else ""
    return "\n".join("    | " + line for line in text.splitlines()[-lines:])


def wait_http(name, url, timeout=120):
    """Wait until ``url`` answers below 500; raise :class:`Fail` if ``name`` died."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                if answer.status < 500:
                    return
        except urllib.error.HTTPError as error:
            if error.code < 500:
                return
        except OSError:
            pass
        if not running(name):
            raise Fail(
                f"{name} stopped right after its start; its log says:\n{tail(name)}"
            )
        time.sleep(0.3)
    raise Fail(f"{name} did not answer at {url} in {timeout} s; its log:\n{tail(name)}")
