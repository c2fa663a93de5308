"""A TCP port in front of a broker, which can be shut as if the broker were down."""

import asyncio
import os

from meter_bridge.simulator.config import PlantError
from meter_bridge.simulator.mqtt_config import BrokerConfig

CHUNK = 65536


class BrokerGate:
    """Passes bytes on to the broker while it is open."""

    def __init__(self, broker: BrokerConfig):
        self._broker, self._port = broker, broker.proxy_port
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    @property
    def port(self) -> int:
        """The port on which the broker is reached."""
        return self._port

    async def open(self) -> None:
        """Listen; raises :class:`PlantError` when the port is taken."""
        host = self._broker.proxy_host
        try:
            self._server = await asyncio.start_server(self._pass, host, self._port)
        except OSError as error:
            raise PlantError(
                f"mqtt {self._broker.name}: cannot listen on {host}:{self._port}, "
                f"probably another program does ({os.strerror(error.errno)})"
            ) from error
        self._port = self._server.sockets[0].getsockname()[1]

    async def shut(self) -> None:
        """Refuse connections, and cut those that there are."""
        server, self._server = self._server, None
        if server is None:
            return
        server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        await server.wait_closed()

    async def _pass(self, reader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            there = await asyncio.open_connection(self._broker.host, self._broker.port)
            self._writers.add(there[1])
            ways = _pump(reader, there[1]), _pump(there[0], writer)
            await asyncio.gather(*ways)
            self._writers.discard(there[1])
        except OSError:
            pass
        finally:
            self._writers.discard(writer)
            writer.close()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()
