"""Commands of the ERP in, relay states and outcomes back."""

import asyncio
import sqlite3
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import structlog

from meter_bridge import metrics
from meter_bridge.commands_store import CommandError, CommandStore, parse
from meter_bridge.config import Erp
from meter_bridge.delivery import Link, forever
from meter_bridge.erp import (
    BadReply,
    ErpClient,
    ErpError,
    Misconfigured,
    RefusedByErp,
    Unavailable,
)
from meter_bridge.lease import Lease
from meter_bridge.outbox import Outbox
from meter_bridge.store import Command

log = structlog.get_logger(__name__)
RESUMED = "resumed_under"


class Told:
    """Which states the ERP has: it is told what is new to it, and every ``full_every``
    seconds all, so that nothing stays wrong that it forgot or overheard."""

    def __init__(self, full_every: float):
        self._full_every = full_every
        self._known: dict[str, dict[str, Any]] = {}
        self._full_at: float | None = None

    def news(self, rows: list[dict[str, Any]], now: float) -> list[dict[str, Any]]:
        """The rows to tell; ``now`` on the steady clock."""
        if self._full_at is None or now - self._full_at >= self._full_every:
            return rows
        return [row for row in rows if self._known.get(row["meter_serial"]) != row]

    def confirmed(self, rows: list, told: list, now: float) -> None:
        """The ERP answered when it was ``told`` the news of ``rows``."""
        self._known = {row["meter_serial"]: row for row in rows}
        if len(told) == len(rows):
            self._full_at = now

    def forget(self) -> None:
        """Tell all next time."""
        self._full_at = None


class Exchange:
    """The loops that fetch commands and report outcomes.

    ``submit`` takes commands for known meters, ``reported`` names the meters whose
    state is reported, ``forget`` drops what waits for execution. ``look_again``
    brings the list of meters up to date and returns whether that worked.
    """

    def __init__(
        self,
        erp: ErpClient,
        outbox: Outbox,
        config: Erp,
        link: Link,
        lease: Lease,
        submit: Callable[[Command], bool],
        reported: Callable[[], list[str]],
        forget: Callable[[], None],
        look_again: Callable[[], Awaitable[bool]] | None = None,
    ):
        self._erp, self._outbox, self._config = erp, outbox, config
        self._link, self._lease = link, lease
        self._submit, self._reported, self._forget = submit, reported, forget
        self._told = Told(config.full_report_interval)
        self._look_again = look_again
        self._homeless: list[Command] = []  # for meters that are not known here yet

    async def commands_forever(self) -> None:
        """Report relay states and fetch commands until cancelled."""
        while True:
            try:
                await self._fetch()
            except sqlite3.Error as error:
                metrics.OUTBOX_ERRORS.inc()
                log.error("outbox_failed", reason=str(error))
            await asyncio.sleep(self._config.commands_interval)

    async def _states(self) -> list[dict[str, Any]]:
        states = await self._outbox.run(CommandStore.states)
        result = []
        for serial in self._reported():
            relay, generation, limit = states.get(serial, ("unknown", 0, None))
            row = {"meter_serial": serial, "relay": relay, "generation": generation}
            if limit is not None:
                row["load_limit_kw"] = limit
            result.append(row)
        return result

    async def _fetch(self) -> None:
        asked_at, asked = time.time(), time.monotonic()
        states = await self._states()
        news = self._told.news(states, asked)
        try:
            raw, lease = await self._erp.commands(news, self._lease.instance)
        except ErpError as error:
            self._link.failed(error)
            self._lease.no_word()
            return
        self._link.ok()
        await self._heed(lease, asked)
        if self._lease.may_take_commands:
            self._told.confirmed(states, news, asked)
            await self.take_commands(raw)
            await self._find_homes()
            due = {str(item.get("id")) for item in raw if isinstance(item, dict)}
            await self._outbox.run(CommandStore.withdraw, due, asked_at)

    async def _heed(self, told: dict[str, Any] | None, asked: float) -> None:
        """Take the ERP's word on who is the master; ``asked`` on the steady clock."""
        if self._lease.take(told, asked):
            self._told.forget()  # another bridge may have told something else
            await self._outbox.run(CommandStore.put, "lease", self._lease.memory())
            if not self._lease.may_take_commands:
                self._forget()
                self._homeless.clear()
                await self._outbox.run(CommandStore.forget_unfinished)
        if self._lease.may_take_commands:
            await self.resume()

    async def take_commands(self, raw: list[Any]) -> None:
        """Keep the ERP's commands and hand the new ones to their lines."""
        if not raw or not self._lease.may_take_commands:
            return
        understood, reasons = [], {}
        for item in raw:
            try:
                understood.append(_found_written(item, parse(item)))
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
            if command.id in reasons:
                await self.hand_over(command, reasons[command.id])
            elif not self._submit(command):
                self._homeless.append(command)
        await self._find_homes()

    async def _find_homes(self) -> None:
        """Hand over the commands for meters that are not known here.

        The ERP may have added the meter since it last told its list: so it is asked
        first. While it does not answer that, the command waits until it expires.
        """
        if not self._homeless:
            return
        complete = self._look_again is None or await self._look_again()
        homeless, self._homeless = self._homeless, []
        for command in homeless:
            if self._submit(command):
                continue
            if complete:
                await self.hand_over(command)
            elif command.expires_at is not None and time.time() >= command.expires_at:
                detail = "the list of meters could not be asked for in time"
                await self._end(command, "expired", detail)
            else:
                self._homeless.append(command)

    async def hand_over(self, command: Command, reason: str | None = None) -> None:
        """Give a command to its meter's line, or fail it: for ``reason``, or because
        there is no such meter."""
        if reason is None and self._submit(command):
            return
        await self._end(command, "failed", reason or "this bridge has no such meter")

    async def _end(self, command: Command, outcome: str, reason: str) -> None:
        await self._outbox.run(
            CommandStore.finish, command, outcome, None, int(time.time()), reason
        )
        metrics.COMMANDS.labels(command.kind, outcome).inc()
        self._outbox.outcomes.set()

    async def resume(self) -> None:
        """Hand over the commands that were left without an outcome, once.

        After a start, and after another bridge was the master: what was left from
        before that is the other's, and is forgotten.
        """
        term = self._lease.term
        if self._lease.resumed == term:
            return
        last = await self._outbox.run(CommandStore.get, RESUMED)
        if last is not None and last != term:
            await self._outbox.run(CommandStore.forget_unfinished)
        await self._outbox.run(CommandStore.put, RESUMED, term)
        self._lease.resumed = term
        left = await self._outbox.run(CommandStore.unfinished)
        self._homeless += [command for command in left if not self._submit(command)]

    # -- outcomes ---------------------------------------------------------------
    async def report_forever(self) -> None:
        """Report outcomes of commands until cancelled."""
        pause = self._config.send_interval
        await forever(self._report, self._outbox.outcomes, 5.0, pause)

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
            self._link.failed(error)
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
            self._link.failed(error)
            return
        await self._outbox.run(CommandStore.mark_reported, [result], refused)


def _found_written(item: dict[str, Any], command: Command) -> Command:
    """A command that another bridge may have written already is only read back."""
    return replace(command, state="sent") if item.get("read_back") else command


def _nameless(item: dict[str, Any]) -> Command:
    serial = str(item.get("meter_serial"))
    return Command(str(item["id"]), item["id"], serial, "invalid", None, 0, None)
