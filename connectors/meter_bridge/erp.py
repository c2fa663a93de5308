"""The ERP's side of the protocol: three JSON-2 methods of ``energy.gateway``."""

import json
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import stamina

from meter_bridge import __version__, metrics
from meter_bridge.config import ConfigError, Erp


class ErpError(Exception):
    """The ERP did not take it; ``retry_after`` in seconds when it said so."""

    def __init__(self, text: str, retry_after: float | None = None):
        super().__init__(text)
        self.retry_after = retry_after


class Unavailable(ErpError):
    """Unreachable, too slow, busy or broken: the same again later."""


class TooSlow(Unavailable):
    """No answer in time: perhaps it was too much at once."""


class Misconfigured(ErpError):
    """Wrong key, database or address: nothing helps but a person."""


class RefusedByErp(ErpError):
    """The ERP understood and refused the content; nothing was stored."""


class TooLarge(RefusedByErp):
    """HTTP 413: the same in smaller pieces."""


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
    server_time: str | None = None

    def tally(self) -> dict[str, int]:
        """How many readings of the batch the ERP took as what."""
        return {
            "accepted": self.accepted,
            "duplicate": self.duplicates,
            "held": len(self.held),
            "rejected": len(self.rejected),
        }


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
            server_time=answer.get("server_time"),
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

    async def ingest(self, batch: str, readings: int) -> Receipt:
        """Hand over a batch, which is JSON text with so many ``readings``.

        Raises an :class:`ErpError` unless all of them are accounted for.
        """
        answer = await self._patient("ingest", f'{{"batch":{batch}}}')
        return receipt(answer, readings)

    async def commands(
        self, reported: list[dict[str, Any]], instance: str | None = None
    ) -> tuple[list[Any], dict[str, Any] | None]:
        """Report the relays' states; return the commands, and the lease where this
        bridge is one of several by the name ``instance``. Raises :class:`ErpError`.
        """
        arguments: dict[str, Any] = {"reported": reported}
        if instance is not None:
            arguments["instance"] = instance
        answer = await self._call("commands", arguments)
        if isinstance(answer, dict) and isinstance(answer.get("commands"), list):
            return answer["commands"], answer.get("lease")
        raise BadReply(f"not a list of commands: {answer!r}"[:300])

    async def configuration(self, known: str | None) -> dict[str, Any]:
        """The gateway's meters as the ERP has them, unless the version is ``known``.

        Raises :class:`ErpError`.
        """
        answer = await self._patient("configuration", {"known": known})
        if isinstance(answer, dict) and isinstance(answer.get("version"), str):
            if isinstance(answer.get("meters", []), list):
                return answer
        raise BadReply(f"not a configuration: {answer!r}"[:300])

    async def report(self, results: list[dict[str, Any]]) -> None:
        """Report outcomes of commands; raises :class:`ErpError`."""
        await self._patient("report", {"results": results})

    async def _patient(self, method: str, arguments: dict | str) -> Any:
        attempts = stamina.retry_context(
            on=lambda error: type(error) is Unavailable,  # not what is too slow
            attempts=self._attempts,
            timeout=None,
            wait_initial=0.2,
            wait_max=5,
            wait_jitter=0.2,
        )
        async for attempt in attempts:
            with attempt:
                return await self._call(method, arguments)

    async def _call(self, method: str, arguments: dict | str) -> Any:
        url = f"{self._config.url}/json/2/energy.gateway/{method}"
        try:
            headers = {
                "Authorization": f"bearer {self._config.key()}",
                "Content-Type": "application/json",
                "X-Odoo-Database": self._config.database,
            }
        except ConfigError as error:
            raise Misconfigured(str(error)) from error
        body = arguments if isinstance(arguments, str) else json.dumps(arguments)
        try:
            with metrics.ERP_SECONDS.labels(method).time():
                async with self._session.post(
                    url, data=body.encode(), headers=headers, allow_redirects=False
                ) as got:
                    text = await got.text()
        except TimeoutError as error:
            raise TooSlow(
                f"{self._config.url}: no answer within {self._config.timeout} s"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
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
        if status in (408, 504):
            return TooSlow(f"HTTP {status}: {text}", _retry_after(got))
        if status == 413:
            return TooLarge(f"HTTP {status}: {text}")
        if status in (409, 425, 429) or status >= 500:
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
