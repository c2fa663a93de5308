"""Starts real bridge processes by fork: in milliseconds, for tests that kill many.

Orders come as JSON lines on standard input; each is answered by one line:
``{"config": path, "told": path, "point": name, "nth": n}`` starts a bridge and
answers its pid, ``{"wait": pid}`` answers when that one has ended. A bridge appends
each reading to ``told`` once it is committed, and kills itself with signal 9 when it
comes to ``point`` for the ``nth`` time.
"""

import asyncio
import json
import os
import signal
import sys
from pathlib import Path

from meter_bridge import app, config
from meter_bridge.commands_store import CommandStore
from meter_bridge.delivery import Delivery
from meter_bridge.erp import ErpClient
from meter_bridge.outbox import Outbox

# name: (class, method, whether the end comes before or after it)
POINTS = {
    "after_read": (Outbox, "put", "before"),
    "in_commit": (CommandStore, "_write", "after"),
    "after_commit": (CommandStore, "add_polls", "after"),
    "in_batch": (CommandStore, "_insert_batch", "after"),
    "before_post": (ErpClient, "ingest", "before"),
    "after_post": (Delivery, "_confirmed", "before"),
    "in_confirm": (CommandStore, "_drop", "after"),
    "after_ack": (CommandStore, "confirm", "after"),
}


def arm(point: str, nth: int) -> None:
    """End this process at the ``nth`` pass of ``point``."""
    owner, name, when = POINTS[point]
    method, passes = getattr(owner, name), 0

    def armed(*args, **kwargs):
        nonlocal passes
        passes += 1
        if when == "before" and passes >= nth:
            os.kill(os.getpid(), signal.SIGKILL)
        result = method(*args, **kwargs)
        if passes >= nth:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, armed)


def tell(path: str) -> None:
    """Append what is committed to the file ``path``."""
    keep_one, keep = CommandStore._poll, CommandStore.add_polls
    file = os.open(path, os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    stored = []

    def noted(store, poll):
        if done := keep_one(store, poll):
            stored.append([poll.serial, poll.time, poll.register])
        return done

    def told(store, *args, **kwargs):
        stored.clear()
        count = keep(store, *args, **kwargs)
        os.write(file, "".join(f"{json.dumps(row)}\n" for row in stored).encode())
        return count

    CommandStore._poll, CommandStore.add_polls = noted, told


def bridge(order: dict) -> None:
    """Be a bridge."""
    log = os.open(order["told"] + ".log", os.O_APPEND | os.O_CREAT | os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(log, stream)
    tell(order["told"])
    if order.get("point"):
        arm(order["point"], order["nth"])
    settings = config.load(Path(order["config"]))
    app.set_up_logs(settings)
    asyncio.run(app.run(settings))


def main() -> None:
    """Take orders until standard input ends."""
    for line in sys.stdin:
        order = json.loads(line)
        if "wait" in order:
            answer = os.waitpid(order["wait"], 0)[1]
        elif not (answer := os.fork()):
            try:
                bridge(order)
            finally:
                os._exit(0)
        print(answer, flush=True)


if __name__ == "__main__":
    main()
