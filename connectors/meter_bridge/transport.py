"""Talking Modbus TCP: one request in flight, nothing repeated by itself.

With its default retries the library would send a write again by itself, so retries
are off. After a time-out the connection is closed. RTU frames, on wires or over TCP,
are :mod:`wire.rtu`'s: for them the library checks too little.
"""

import asyncio
import logging
from collections.abc import Sequence

from pymodbus import FramerType
from pymodbus.client import AsyncModbusTcpClient
from pymodbus.exceptions import ModbusException

logging.getLogger("pymodbus").setLevel(logging.CRITICAL)

_READ = {3: "read_holding_registers", 4: "read_input_registers"}
_NEVER = 10**9


class BusError(Exception):
    """Something on the line did not work."""


class LineDown(BusError):
    """No connection to the line; nothing was sent."""


class NoAnswer(BusError):
    """The request was sent and no usable answer came; a write may have worked."""


class BadAnswer(NoAnswer):
    """An answer came that does not belong to the request."""


class Refused(BusError):
    """The device answered with a Modbus exception.

    Codes 10 and 11 come from a gateway on behalf of a silent device: they are
    raised as :class:`NoAnswer` instead.
    """

    def __init__(self, code: int):
        super().__init__(f"the meter answered with Modbus exception {code}")
        self.code = code


class ModbusTcp:
    """One line behind a gateway that speaks Modbus TCP.

    ``timeout``, and ``quiet`` after a lost answer, in seconds. For one task at a time.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        timeout: float = 1.0,
        quiet: float = 0.0,
    ):
        self.address = f"{host}:{port}"
        self._timeout, self._quiet = timeout, quiet
        self._client = None
        self._host, self._port = host, port
        self._quiet_until = 0.0

    async def connect(self) -> None:
        """Connect unless connected; raises :class:`LineDown`."""
        if self._client is not None and self._client.connected:
            return
        self.close()
        wait = self._quiet_until - asyncio.get_running_loop().time()
        if wait > 0:
            await asyncio.sleep(wait)
        client = AsyncModbusTcpClient(
            self._host,
            port=self._port,
            framer=FramerType.SOCKET,
            timeout=self._timeout,
            retries=0,
            reconnect_delay=0,
        )
        client.set_max_no_responses(_NEVER)
        try:
            connected = await client.connect()
        except OSError as error:
            raise LineDown(f"{self.address}: {error}") from error
        if not connected:
            client.close()
            raise LineDown(f"nothing answers at {self.address}")
        self._client = client

    def close(self) -> None:
        """Drop the connection; late answers are lost with it."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def read(
        self, device: int, function: int, address: int, count: int
    ) -> list[int]:
        """Read ``count`` registers; raises a :class:`BusError`."""
        await self.connect()
        call = getattr(self._client, _READ[function])
        answer = await self._ask(call(address, count=count, device_id=device))
        self._check(answer, device, function)
        words = getattr(answer, "registers", None) or []
        if len(words) != count:
            self._abandon()
            raise BadAnswer(f"asked for {count} registers, got {len(words)}")
        return list(words)

    async def write(
        self, device: int, function: int, address: int, words: Sequence[int]
    ) -> None:
        """Write registers once by function 6 or 16; raises a :class:`BusError`.

        After :class:`LineDown` nothing was written; after :class:`NoAnswer` nobody
        knows: read back, never write again.
        """
        await self.connect()
        if function == 6:
            call = self._client.write_register(address, words[0], device_id=device)
        else:
            call = self._client.write_registers(address, list(words), device_id=device)
        answer = await self._ask(call)
        self._check(answer, device, function)
        if getattr(answer, "address", address) != address:
            self._abandon()
            raise BadAnswer("the answer is about another register")

    async def _ask(self, call):
        try:
            return await call
        except (ModbusException, OSError, TimeoutError) as error:
            self._abandon()
            raise NoAnswer(f"no answer within {self._timeout} s") from error
        except asyncio.CancelledError:
            self._abandon()
            raise

    def _check(self, answer, device: int, function: int) -> None:
        if answer.dev_id != device or answer.function_code & 0x7F != function:
            self._abandon()
            raise BadAnswer(
                f"the answer is of device {answer.dev_id}, "
                f"function {answer.function_code}"
            )
        if answer.isError():
            code = getattr(answer, "exception_code", 0)
            if code in (10, 11):
                raise NoAnswer(f"the gateway reports no answer (exception {code})")
            raise Refused(code)

    def _abandon(self) -> None:
        """After a lost answer: a late one must never meet the next request."""
        self.close()
        self._quiet_until = asyncio.get_running_loop().time() + self._quiet
