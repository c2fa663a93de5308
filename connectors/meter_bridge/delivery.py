"""Between outbox and ERP: batches out, commands in, outcomes back."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import structlog

from meter_bridge.commands_store import CommandError, CommandStore, parse
from meter_bridge.config import Erp
from meter_bridge.erp import (
    BadReply,
    ErpClient,
    ErpError,
    Misconfigured,
    RefusedByErp,
    Unavailable,
)
from meter_bridge.outbox import Outbox
from meter_bridge.store import Batch, Command

log = structlog.get_logger(__name__)
SAY_AGAIN_S = 60.0


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


def wire(batch: Batch, now: float) -> dict[str, Any]:
    """The batch in the protocol's shape; ``now`` in epoch seconds."""
    sent_at = datetime.fromtimestamp(now, UTC).isoformat(timespec="seconds")
    body = {"uid": batch.uid, "sent_at": sent_at, "readings": batch.readings}
    if batch.telemetry:
        body["telemetry"] = batch.telemetry
    if batch.events:
        body["events"] = batch.events
    return body


class Delivery:
    """The three loops towards the ERP. ``submit`` takes commands for known meters.

    ``relay_serials`` are the meters whose relay state is reported.
    """

    def __init__(
        self,
        erp: ErpClient,
        outbox: Outbox,
        config: Erp,
        submit: Callable[[Command], bool],
        relay_serials: list[str],
    ):
        self.link = Link()
        self._erp, self._outbox, self._config = erp, outbox, config
        self._submit, self._relay_serials = submit, relay_serials
        self._failures = 0

    def _wait(self) -> float:
        first, most = self._config.retry_first, self._config.retry_max
        self._failures += 1
        return min(first * 2 ** min(self._failures - 1, 10), most)

    # -- batches ----------------------------------------------------------------
    async def send_forever(self) -> None:
        """Send what the outbox holds, the oldest first, until cancelled."""
        await self._forever(self._send, self._outbox.fresh, 5.0)

    async def _forever(
        self, work: Callable[[], Awaitable[bool]], event: asyncio.Event, tick: float
    ) -> None:
        """Do ``work`` until it says there is no more, then wait for ``event``."""
        while True:
            event.clear()
            try:
                while await work():
                    pass
            except sqlite3.Error as error:
                log.error("outbox_failed", reason=str(error))
                await asyncio.sleep(1)
            try:
                async with asyncio.timeout(tick):
                    await event.wait()
            except TimeoutError:
                pass
            await asyncio.sleep(self._config.send_interval)

    async def _send(self) -> bool:
        """Send one batch; False when nothing may be sent now."""
        now = time.time()
        limit = self._config.batch_max
        batch = await self._outbox.run(CommandStore.next_batch, limit, now)
        if batch is None:
            return False
        try:
            receipt = await self._erp.ingest(wire(batch, now))
        except RefusedByErp as error:
            await self._refused(batch, error)
        except ErpError as error:
            await self._unanswered(batch, error)
        else:
            self.link.ok()
            self._failures = 0
            for index, reason in receipt.rejected:
                log.warning("rejected", reading=batch.readings[index], reason=reason)
            await self._outbox.run(
                CommandStore.confirm, batch.uid, receipt.rejected, time.time()
            )
            await self.take_commands(receipt.commands)
        return True

    async def _unanswered(self, batch: Batch, error: ErpError) -> None:
        self.link.failed(error)
        wait = error.retry_after or self._wait()
        # a batch that alone gets strange answers lets the others pass
        aside = wait if isinstance(error, BadReply) else 0
        await self._outbox.run(
            CommandStore.postpone, batch.uid, str(error), time.time() + aside
        )
        await asyncio.sleep(self._config.retry_first if aside else wait)

    async def _refused(self, batch: Batch, error: RefusedByErp) -> None:
        self.link.failed(error)
        now, wait = time.time(), self._config.retry_max
        did = await self._outbox.run(
            CommandStore.refuse, batch.uid, str(error), now, wait
        )
        log.error("batch_refused", rows=len(batch), reason=str(error), then=did)
        if did == "waiting":
            await asyncio.sleep(self._wait())

    # -- commands ---------------------------------------------------------------
    async def commands_forever(self) -> None:
        """Report relay states and fetch commands until cancelled."""
        while True:
            try:
                await self._fetch_commands()
            except sqlite3.Error as error:
                log.error("outbox_failed", reason=str(error))
            await asyncio.sleep(self._config.commands_interval)

    async def _fetch_commands(self) -> None:
        asked_at = time.time()
        states = await self._outbox.run(CommandStore.relays)
        reported = []
        for serial in self._relay_serials:
            relay, generation = states.get(serial, ("unknown", 0))
            reported.append(
                {"meter_serial": serial, "relay": relay, "generation": generation}
            )
        try:
            raw = await self._erp.commands(reported)
        except ErpError as error:
            self.link.failed(error)
            return
        self.link.ok()
        await self.take_commands(raw)
        due = {str(item.get("id")) for item in raw if isinstance(item, dict)}
        await self._outbox.run(CommandStore.withdraw, due, asked_at)

    async def take_commands(self, raw: list[Any]) -> None:
        """Keep the ERP's commands and hand the new ones to their lines."""
        if not raw:
            return
        understood, reasons = [], {}
        for item in raw:
            try:
                understood.append(parse(item))
            except CommandError as error:
                log.error("bad_command", command=item, reason=str(error))
                if isinstance(item, dict) and item.get("id") is not None:
                    understood.append(_nameless(item))
                    reasons[str(item["id"])] = str(error)
        fresh = await self._outbox.run(
            CommandStore.add_commands, understood, time.time()
        )
        self._outbox.outcomes.set()
        for command in fresh:
            await self._hand_over(command, reasons.get(command.id))

    async def _hand_over(self, command: Command, reason: str | None) -> None:
        if reason is None and self._submit(command):
            return
        reason = reason or "this bridge has no such meter"
        await self._outbox.run(
            CommandStore.finish, command, "failed", None, int(time.time()), reason
        )
        self._outbox.outcomes.set()

    async def resume(self) -> None:
        """After a start: hand over the commands that have no outcome yet."""
        for command in await self._outbox.run(CommandStore.unfinished):
            await self._hand_over(command, None)

    # -- outcomes ---------------------------------------------------------------
    async def report_forever(self) -> None:
        """Report outcomes of commands until cancelled."""
        await self._forever(self._report, self._outbox.outcomes, 5.0)

    async def _report(self) -> bool:
        results = await self._outbox.run(CommandStore.unreported)
        if not results:
            return False
        try:
            await self._erp.report(results)
        except RefusedByErp as error:
            log.error("report_refused", reason=str(error))
            for result in results:
                await self._report_one(result)
        except ErpError as error:
            self.link.failed(error)
            return False
        else:
            await self._outbox.run(CommandStore.mark_reported, results)
        return True

    async def _report_one(self, result: dict[str, Any]) -> None:
        refused = False
        try:
            await self._erp.report([result])
        except RefusedByErp:
            refused = True
        except (Unavailable, Misconfigured, BadReply) as error:
            self.link.failed(error)
            return
        await self._outbox.run(CommandStore.mark_reported, [result], refused)


def _nameless(item: dict[str, Any]) -> Command:
    serial = str(item.get("meter_serial"))
    return Command(str(item["id"]), item["id"], serial, "invalid", None, 0, None)
