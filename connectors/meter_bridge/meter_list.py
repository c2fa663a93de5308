"""Which meter hangs where, as the ERP has it.

The file says which lines there are, the ERP which meters hang on them. The last list
is kept in the outbox file, so that the bridge starts without the ERP.
"""

import asyncio
import json
import sqlite3
from collections.abc import Awaitable, Callable
from typing import Any

import structlog
from pydantic import ValidationError

from meter_bridge.commands_store import CommandStore
from meter_bridge.config import Config, ConfigError, Meter
from meter_bridge.delivery import Link
from meter_bridge.erp import ErpClient, ErpError
from meter_bridge.meter_profile import explain
from meter_bridge.outbox import Outbox

log = structlog.get_logger(__name__)
KEPT = "meter_list"
KEYS = ("serial", "profile", "ct", "pt", "poll_interval")


def _meter(row: Any) -> Meter:
    """A meter as the configuration file would have it; raises :class:`ValueError`."""
    if not isinstance(row, dict):
        raise ValueError(f"{row!r} is no meter")
    given = {key: row[key] for key in KEYS if row.get(key) not in (None, False)}
    address = str(row.get("address") or "")
    short = address.isdecimal() and len(address) <= 3
    given["device"] = int(address) if short else address
    try:
        return Meter.model_validate(given)
    except ValidationError as error:
        raise ValueError(explain(error)) from error


def placed(config: Config, rows: list[Any]) -> tuple[dict[str, list[Meter]], list[str]]:
    """Sort the ERP's meters by line.

    Returns them by the line's name, and what is wrong with the others: these are not
    read, the rest is.
    """
    result: dict[str, list[Meter]] = {line.name: [] for line in config.lines}
    problems, serials = [], set()
    elsewhere = {meter.serial for broker in config.brokers for meter in broker.meters}
    for row in rows:
        serial = row.get("serial") if isinstance(row, dict) else row
        try:
            if isinstance(serial, str) and serial in elsewhere:
                continue
            meter = _meter(row)
            line = row.get("line") or ""
            if line not in result:
                raise ValueError(f"line {line!r} is not in the bridge's file")
            if meter.serial in serials:
                raise ValueError("the ERP names it twice")
            config.check_line(line, [*result[line], meter])
        except ValueError as error:
            problems.append(f"meter {serial}: {error}")
        else:
            serials.add(meter.serial)
            result[line].append(meter)
    return result, problems


class MeterList:
    """The list, kept up to date.

    ``apply`` gets the meters by line and the problems, and puts them to work.
    """

    def __init__(
        self,
        erp: ErpClient,
        outbox: Outbox,
        config: Config,
        link: Link,
        apply: Callable[[dict[str, list[Meter]], list[str]], Awaitable[None]],
    ):
        self._erp, self._outbox, self._config = erp, outbox, config
        self._link, self._apply = link, apply
        self._version: str | None = None
        self._asking = asyncio.Lock()
        self.known = asyncio.Event()  # there is a list

    async def restore(self) -> None:
        """Apply the list that was kept, if any."""
        kept = await self._outbox.run(CommandStore.get, KEPT)
        if kept:
            await self._take(json.loads(kept))

    async def refresh_forever(self) -> None:
        """Ask the ERP again and again, until cancelled; errors never end it."""
        while True:
            await self.refresh()
            await asyncio.sleep(self._config.erp.configuration_interval)

    async def refresh(self) -> bool:
        """Ask the ERP; whether the list is now as it has it."""
        try:
            async with self._asking:
                await self._refresh()
        except ErpError as error:
            self._link.failed(error)
        except (sqlite3.Error, ConfigError) as error:
            log.error("meter_list_not_taken", reason=str(error))
        else:
            return True
        return False

    async def _refresh(self) -> None:
        answer = await self._erp.configuration(self._version)
        self._link.ok()
        if answer["version"] == self._version or "meters" not in answer:
            return
        await self._outbox.run(CommandStore.put, KEPT, json.dumps(answer))
        await self._take(answer)

    async def _take(self, answer: dict[str, Any]) -> None:
        meters, problems = placed(self._config, answer["meters"])
        for problem in problems:
            log.error("meter_not_read", reason=problem)
        await self._apply(meters, problems)
        self._version = answer["version"]
        self.known.set()
        count = sum(map(len, meters.values()))
        log.info("meter_list", meters=count, version=self._version)
