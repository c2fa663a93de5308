"""From the outbox to the ERP: batches, as large as the ERP takes well."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import structlog

from meter_bridge import metrics
from meter_bridge.batch_store import Batch
from meter_bridge.commands_store import CommandStore
from meter_bridge.config import Erp
from meter_bridge.erp import (
    BadReply,
    ErpClient,
    ErpError,
    Receipt,
    RefusedByErp,
    TooLarge,
    TooSlow,
    Unavailable,
)
from meter_bridge.outbox import Outbox

log = structlog.get_logger(__name__)
SAY_AGAIN_S = 60.0
FIRST_ROWS, LEAST_ROWS = 1000, 50


class Link:
    """How the connection to the ERP is, said when it changes and once a minute."""

    def __init__(self):
        self.error = ""
        self.last_ok = 0.0  # epoch seconds
        self._said = ("", 0.0)

    def ok(self) -> None:
        """A call worked."""
        if self.error:
            log.info("erp_back", was=self.error)
        self.error, self.last_ok, self._said = "", time.time(), ("", 0.0)

    def failed(self, error: ErpError) -> None:
        """A call did not work."""
        self.error = str(error)
        kind, now = type(error).__name__, time.monotonic()
        if self._said[0] == kind and now - self._said[1] < SAY_AGAIN_S:
            return
        self._said = (kind, now)
        if isinstance(error, Unavailable):
            log.warning("erp_unavailable", reason=self.error, kept="readings wait")
        else:
            log.error("erp_problem", reason=self.error, kept="readings wait")


class BatchSize:
    """How many rows a new batch gets: ``rows``.

    It doubles up to ``most`` while batches are full and answered in less than a
    quarter of ``timeout`` (seconds), and halves when an answer takes more than half
    of it, when it does not come, or when the ERP says that it was too much.
    """

    def __init__(self, most: int, timeout: float):
        self._most, self._timeout = most, timeout
        self.rows = min(FIRST_ROWS, most)

    def answered(self, rows: int, seconds: float) -> None:
        """A batch of ``rows`` was answered after ``seconds``."""
        if seconds > self._timeout / 2:
            self.too_much()
        elif rows >= self.rows and seconds < self._timeout / 4:
            self._set(min(self.rows * 2, self._most))

    def too_much(self) -> None:
        """A batch was too much for the ERP."""
        self._set(max(self.rows // 2, min(LEAST_ROWS, self._most)))

    def _set(self, rows: int) -> None:
        self.rows = rows
        metrics.BATCH_SIZE.set(rows)


async def forever(
    work: Callable[[], Awaitable[bool]],
    event: asyncio.Event,
    tick: float,
    pause: float,
) -> None:
    """Do ``work`` until it says there is no more, then wait for ``event``.

    At least once in ``tick`` seconds, and with a ``pause`` in seconds in between.
    """
    while True:
        event.clear()
        try:
            while await work():
                pass
        except sqlite3.Error as error:
            metrics.OUTBOX_ERRORS.inc()
            log.error("outbox_failed", reason=str(error))
            await asyncio.sleep(1)
        try:
            async with asyncio.timeout(tick):
                await event.wait()
        except TimeoutError:
            pass
        await asyncio.sleep(pause)


class Delivery:
    """The loop that hands batches over.

    ``answered(receipt, asked, heard)`` gets each answer and between which epoch
    seconds it was asked for and heard.
    """

    def __init__(
        self,
        erp: ErpClient,
        outbox: Outbox,
        config: Erp,
        link: Link,
        answered: Callable[[Receipt, float, float], Awaitable[None]],
    ):
        self.size = BatchSize(config.batch_max, config.timeout)
        self._link, self._erp, self._outbox = link, erp, outbox
        self._config, self._answered = config, answered
        self._failures = 0

    def _wait(self) -> float:
        first, most = self._config.retry_first, self._config.retry_max
        self._failures += 1
        return min(first * 2 ** min(self._failures - 1, 10), most)

    async def send_forever(self) -> None:
        """Send what the outbox holds, the oldest first, until cancelled."""
        pause = self._config.send_interval
        await forever(self._send, self._outbox.fresh, 5.0, pause)

    async def _send(self) -> bool:
        """Send one batch; False when nothing may be sent now."""
        now = time.time()
        batch = await self._outbox.run(CommandStore.next_batch, self.size.rows, now)
        if batch is None:
            return False
        began = time.monotonic()
        try:
            receipt = await self._erp.ingest(
                batch.json(_utc(now)), len(batch.texts["reading"])
            )
        except RefusedByErp as error:
            await self._refused(batch, error)
        except ErpError as error:
            await self._unanswered(batch, error)
        else:
            self.size.answered(len(batch), time.monotonic() - began)
            await self._confirmed(batch, receipt, now)
        return True

    async def _confirmed(self, batch: Batch, receipt: Receipt, asked: float) -> None:
        self._link.ok()
        self._failures = 0
        heard = time.time()
        for index, reason in receipt.rejected:
            log.warning("rejected", reading=batch.readings[index], reason=reason)
        await self._outbox.run(CommandStore.confirm, batch.uid, receipt.rejected, heard)
        metrics.BATCHES.labels("confirmed").inc()
        for name, count in receipt.tally().items():
            metrics.READINGS_DELIVERED.labels(name).inc(count)
        await self._answered(receipt, asked, heard)

    async def _unanswered(self, batch: Batch, error: ErpError) -> None:
        metrics.BATCHES.labels("unanswered").inc()
        self._link.failed(error)
        wait = error.retry_after or self._wait()
        if isinstance(error, TooSlow):
            self.size.too_much()
            # the first time the ERP may have stored it: it knows the uid
            if batch.attempts and await self._split(batch, error):
                return
        # a batch that alone gets strange answers lets the others pass
        aside = wait if isinstance(error, BadReply) else 0
        await self._outbox.run(
            CommandStore.postpone, batch.uid, str(error), time.time() + aside
        )
        await asyncio.sleep(self._config.retry_first if aside else wait)

    async def _split(self, batch: Batch, error: ErpError) -> bool:
        done = await self._outbox.run(CommandStore.split, batch.uid, time.time())
        if done:
            log.warning("batch_split", rows=len(batch), reason=str(error))
        return done

    async def _refused(self, batch: Batch, error: RefusedByErp) -> None:
        metrics.BATCHES.labels("refused").inc()
        self._link.failed(error)
        if isinstance(error, TooLarge):
            self.size.too_much()
            if not await self._split(batch, error):
                await self._unanswered(batch, error)  # one row: not the row's fault
            return
        now, wait = time.time(), self._config.retry_max
        did = await self._outbox.run(
            CommandStore.refuse, batch.uid, str(error), now, wait
        )
        log.error("batch_refused", rows=len(batch), reason=str(error), then=did)
        if did == "waiting":
            await asyncio.sleep(self._wait())


def _utc(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
