"""The ERP's side of the protocol: three JSON-2 methods of ``energy.gateway``."""

import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import stamina

from meter_bridge import __version__
from meter_bridge.config import ConfigError, Erp


class ErpError(Exception):
    """The ERP did not take it; ``retry_after`` in seconds when it said so."""

    def __init__(self, text: str, retry_after: float | None = None):
        super().__init__(text)
        self.retry_after = retry_after


class Unavailable(ErpError):
    """Unreachable, too slow, busy or broken: the same again later."""


class Misconfigured(ErpError):
    """Wrong key, database or address: nothing helps but a person."""


class RefusedByErp(ErpError):
    """The ERP understood and refused the content; nothing was stored."""


class BadReply(ErpError):
    """An answer that is not in the protocol: nothing is confirmed by it."""


@dataclass
class Receipt:
    """The answer to a batch."""

    rejected: list[tuple[int, str]] = field(default_factory=list)
    held: list[tuple[int, str]] = field(default_factory=list)
    accepted: int = 0
    duplicates: int = 0
    commands: list[Any] = field(default_factory=list)


def _number(value: Any) -> int:
    if isinstance(value, bool):
        raise BadReply(f"{value!r} is not a number of readings")
    return len(value) if isinstance(value, list) else int(value or 0)


def _reasons(items: Any) -> list[tuple[int, str]]:
    return [(int(item["index"]), str(item.get("reason"))) for item in items or []]


def receipt(answer: Any, sent: int) -> Receipt:
    """Read the answer to ``sent`` readings.

    Raises :class:`BadReply` unless every reading is accounted for: what the ERP
    does not mention, it has not confirmed.
    """
    try:
        result = Receipt(
            rejected=_reasons(answer.get("rejected")),
            held=_reasons(answer.get("held")),
            accepted=_number(answer.get("accepted")),
            duplicates=_number(answer.get("duplicates")),
            commands=list(answer.get("commands") or []),
        )
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise BadReply(f"not an answer to a batch: {answer!r}"[:300]) from error
    indexes = [index for index, _ in result.held + result.rejected]
    if len(set(indexes)) < len(indexes) or not all(0 <= i < sent for i in indexes):
        raise BadReply(f"the ERP names readings that were not sent: {indexes}"[:300])
    told = result.accepted + result.duplicates + len(result.held)
    told += len(result.rejected)
    if told != sent:
        raise BadReply(f"the ERP accounts for {told} of {sent} readings")
    return result


class ErpClient:
    """The ERP's three methods. Use as an async context manager."""

    def __init__(self, config: Erp, attempts: int = 3):
        self._config = config
        self._attempts = attempts
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self):
        timeout = aiohttp.ClientTimeout(total=self._config.timeout)
        agent = {"User-Agent": f"meter-bridge/{__version__}"}
        self._session = aiohttp.ClientSession(timeout=timeout, headers=agent)
        return self

    async def __aexit__(self, *_):
        await self._session.close()

    async def ingest(self, batch: dict[str, Any]) -> Receipt:
        """Hand over a batch; raises an :class:`ErpError` unless all is accounted."""
        answer = await self._patient("ingest", {"batch": batch})
        return receipt(answer, len(batch["readings"]))

    async def commands(self, reported: list[dict[str, Any]]) -> list[Any]:
        """Report the relays' states and fetch commands; raises :class:`ErpError`."""
        answer = await self._call("commands", {"reported": reported})
        if isinstance(answer, dict) and isinstance(answer.get("commands"), list):
            return answer["commands"]
        raise BadReply(f"not a list of commands: {answer!r}"[:300])

    async def report(self, results: list[dict[str, Any]]) -> None:
        """Report outcomes of commands; raises :class:`ErpError`."""
        await self._patient("report", {"results": results})

    async def _patient(self, method: str, arguments: dict) -> Any:
        attempts = stamina.retry_context(
            on=Unavailable,
            attempts=self._attempts,
            timeout=None,
            wait_initial=0.2,
            wait_max=5,
            wait_jitter=0.2,
        )
        async for attempt in attempts:
            with attempt:
                return await self._call(method, arguments)

    async def _call(self, method: str, arguments: dict) -> Any:
        url = f"{self._config.url}/json/2/energy.gateway/{method}"
        try:
            headers = {
                "Authorization": f"bearer {self._config.key()}",
                "X-Odoo-Database": self._config.database,
            }
        except ConfigError as error:
            raise Misconfigured(str(error)) from error
        try:
            async with self._session.post(
                url, json=arguments, headers=headers, allow_redirects=False
            ) as got:
                text = await got.text()
        except (TimeoutError, aiohttp.ClientError, OSError) as error:
            reason = str(error) or type(error).__name__
            raise Unavailable(f"{self._config.url}: {reason}") from error
        if got.status != 200:
            raise self._error(got, method, _message(text))
        try:
            return json.loads(text)
        except ValueError as error:
            raise BadReply(f"{method}: the answer is not JSON") from error

    def _error(self, got: aiohttp.ClientResponse, method: str, text: str) -> ErpError:
        status = got.status
        if status in (401, 403):
            return Misconfigured(
                f"HTTP {status}: the ERP refuses this gateway's API key "
                f"({self._key_place()}): {text}"
            )
        if status in (404, 405) or 300 <= status < 400:
            return Misconfigured(
                f"HTTP {status}: {self._config.url} has no {method} for database "
                f"{self._config.database!r}: check erp.url and erp.database: {text}"
            )
        if status in (408, 409, 425, 429) or status >= 500:
            return Unavailable(f"HTTP {status}: {text}", _retry_after(got))
        return RefusedByErp(f"HTTP {status}: {text}")

    def _key_place(self) -> str:
        if self._config.api_key_file:
            return f"erp.api_key_file = {self._config.api_key_file}"
        return "environment variable METER_BRIDGE_ERP__API_KEY"


def _retry_after(got: aiohttp.ClientResponse) -> float | None:
    try:
        return min(max(float(got.headers["Retry-After"]), 0), 300)
    except (KeyError, ValueError):
        return None


def _message(text: str) -> str:
    try:
        text = str(json.loads(text)["message"])
    except (ValueError, KeyError, TypeError):
        pass
    return " ".join(text.split())[:300]
