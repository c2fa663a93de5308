"""Slaves on the other end of a pty or a TCP port, and two ports wired together."""

import asyncio
import contextlib
import os
import pty
import tty
from types import SimpleNamespace

from meter_bridge.wire.lines import bus_of


def open_pty():
    """Return the near end's descriptor and the path of the far end."""
    near, far = pty.openpty()
    tty.setraw(far)
    path = os.ttyname(far)
    return near, far, path


class Stub:
    """Answers each request by ``answer(request)``: pairs of delay and bytes."""

    def __init__(self, answer):
        self.answer, self.requests, self.send = answer, [], None
        self.late = set()

    def take(self, request):
        """One request came in."""
        self.requests.append(bytes(request))
        job = asyncio.ensure_future(self._send(self.answer(bytes(request))))
        self.late.add(job)
        job.add_done_callback(self.late.discard)

    async def _send(self, parts):
        for delay, data in parts:
            if delay:
                await asyncio.sleep(delay)
            self.send(data)

    def stop(self):
        """Send nothing more."""
        for job in self.late:
            job.cancel()


class PtyStub(Stub):
    """A slave on a pty; ``path`` is the port for the master."""

    def __init__(self, answer):
        super().__init__(answer)
        self.near, self.far, self.path = open_pty()
        asyncio.get_running_loop().add_reader(self.near, self._read)
        self.send = lambda data: os.write(self.near, data)

    def _read(self):
        self.take(os.read(self.near, 4096))

    def stop(self):
        """Close the pty, as if the adapter were pulled out."""
        super().stop()
        asyncio.get_running_loop().remove_reader(self.near)
        os.close(self.near)
        os.close(self.far)


class TcpStub(Stub):
    """A slave behind a TCP port; ``port`` is chosen by the system."""

    async def start(self):
        """Listen on loopback."""
        self.server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self.server.sockets[0].getsockname()[1]
        return self

    async def _serve(self, reader, writer):
        self.send = writer.write
        with contextlib.suppress(asyncio.CancelledError):  # the test is over
            while request := await reader.read(4096):
                self.take(request)
        writer.close()

    def stop(self):
        """Stop listening."""
        super().stop()
        self.server.close()


class Wires:
    """Two ports that are wired together: ``paths`` holds both."""

    def __init__(self):
        self.ends = [open_pty(), open_pty()]
        self.paths = [end[2] for end in self.ends]
        loop = asyncio.get_running_loop()
        for (near, _, _), (other, _, _) in (self.ends, self.ends[::-1]):
            loop.add_reader(near, self._pass, near, other)

    @staticmethod
    def _pass(near, other):
        os.write(other, os.read(near, 4096))

    def stop(self):
        """Cut them."""
        for near, far, _ in self.ends:
            asyncio.get_running_loop().remove_reader(near)
            os.close(near)
            os.close(far)


@contextlib.asynccontextmanager
async def bus_to(transport, answer):
    """A bus, quick for tests, to a slave ``bus.meter`` on a pty or a TCP port."""
    serial = transport.endswith("_serial")
    stub = PtyStub(answer) if serial else await TcpStub(answer).start()
    bus = bus_of(line_of(transport, stub, parity="N"))
    bus.meter, bus.stub = answer, stub
    try:
        yield bus
    finally:
        bus.close()
        stub.stop()


def line_of(transport, stub, **more):
    """A configured line to ``stub``, quick for tests."""
    place = {"serial_port": getattr(stub, "path", None)}
    if not transport.endswith("_serial"):
        place = {"host": "127.0.0.1", "port": stub.port}
    defaults = {"baudrate": None, "parity": None, "stopbits": 1, "timeout": 0.3}
    defaults.update(quiet_after_timeout=None, transport=transport, name="L")
    return SimpleNamespace(**{**defaults, **place, **more})
