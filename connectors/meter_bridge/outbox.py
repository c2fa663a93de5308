"""The outbox for asyncio: one thread owns the file, everyone awaits it."""

import asyncio
import fcntl
import sqlite3
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import structlog

from meter_bridge import metrics
from meter_bridge.commands_store import CommandStore
from meter_bridge.store import Poll

log = structlog.get_logger(__name__)
SAY_AGAIN_S = 60.0
FULL_AT_THE_END_S = 2.0


class AlreadyRunning(RuntimeError):
    """Another bridge uses this state directory."""


class Outbox:
    """Owner of the outbox file ``path``.

    ``await outbox.run(CommandStore.add_poll, poll)`` calls the method in the owning
    thread and returns when its transaction is on the disk; its exceptions
    (:class:`sqlite3.Error` when the disk is full) come back to the caller.
    """

    def __init__(self, path: Path):
        self._path = path
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="outbox")
        self._store: CommandStore | None = None
        self._lock = None
        self._polls: list[Poll] = []  # for the next commit
        self._committed: asyncio.Future | None = None  # that commit
        self._keeping: asyncio.Task | None = None
        self.full = ""  # why a reading cannot be kept now
        self.fresh = asyncio.Event()  # something to send came in
        self.outcomes = asyncio.Event()  # a command has an outcome

    async def open(self) -> None:
        """Create the directory and open the file; raises :class:`AlreadyRunning`."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = open(self._path.with_suffix(".lock"), "w")  # noqa: SIM115
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.close()
            raise AlreadyRunning(
                f"another meter-bridge already uses {self._path.parent}"
            ) from error
        self._store = await self._call(CommandStore, self._path)

    async def close(self) -> None:
        """Finish what is queued and close the file."""
        if self._keeping:
            await asyncio.wait([self._keeping], timeout=FULL_AT_THE_END_S)
            self._keeping.cancel()
        if self._store is not None:
            await self._call(self._store.close)
        self._pool.shutdown()
        if self._lock:
            self._lock.close()

    def put(self, poll: Poll) -> asyncio.Future:
        """Have ``poll`` kept by the next commit.

        The future is done when that is on the disk, however long it takes. It is that
        of many: never cancel it (:meth:`wait_for`). Polls that come while the disk is
        busy share a commit.
        """
        if self._committed is None:
            self._committed = asyncio.get_running_loop().create_future()
        self._polls.append(poll)
        if self._keeping is None or self._keeping.done():
            self._keeping = asyncio.create_task(self._keep_all())
        return self._committed

    @staticmethod
    async def wait_for(committed: asyncio.Future) -> None:
        """Wait for what :meth:`put` returned; who is cancelled takes nobody along."""
        await asyncio.shield(committed)

    async def keep(self, poll: Poll) -> None:
        """Keep ``poll``; returns when it is on the disk, however long that takes."""
        await self.wait_for(self.put(poll))

    async def _keep_all(self) -> None:
        while self._polls:
            polls, self._polls = self._polls, []
            committed, self._committed = self._committed, None
            try:
                stored = await self.insist(CommandStore.add_polls, polls)
            except Exception as error:  # noqa: BLE001 - it is for those who wait
                committed.set_exception(error)
                continue
            metrics.READINGS_COMMITTED.inc(stored)
            self.fresh.set()
            committed.set_result(None)

    async def insist(self, method: Callable[..., Any], *args: Any) -> Any:
        """:meth:`run`, again and again until the disk takes it.

        A full disk stops the caller here: what it has read is not lost, and what it
        would have to acknowledge stays unacknowledged. :attr:`full` says so.
        """
        said = 0.0
        while True:
            try:
                done = await self.run(method, *args)
            except sqlite3.Error as error:
                metrics.OUTBOX_ERRORS.inc()
                self.full = f"{self._path}: {error}"
                if time.monotonic() > said:
                    said = time.monotonic() + SAY_AGAIN_S
                    log.critical(
                        "outbox_write_failed",
                        reason=self.full,
                        then="nothing is read or acknowledged until it works",
                    )
                await asyncio.sleep(1)
            else:
                if self.full:
                    log.warning("outbox_works_again", was=self.full)
                self.full = ""
                return done

    async def run(self, method: Callable[..., Any], *args: Any) -> Any:
        """Call ``method(store, *args)`` in the owning thread."""
        return await self._call(method, self._store, *args)

    async def _call(self, function, *args):
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._pool, function, *args)
