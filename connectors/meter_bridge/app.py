"""The running bridge: lines, delivery and health in one event loop."""

import asyncio
import logging
import signal
import sys
from typing import Any

import stamina
import structlog
from aiohttp import web

from meter_bridge import __version__
from meter_bridge.commands_store import CommandStore
from meter_bridge.config import Config, Line
from meter_bridge.delivery import Delivery
from meter_bridge.device import Device
from meter_bridge.erp import ErpClient
from meter_bridge.line import LineWorker
from meter_bridge.outbox import Outbox
from meter_bridge.store import Command
from meter_bridge.transport import ModbusTcp

log = structlog.get_logger(__name__)


def set_up_logs(config: Config) -> None:
    """Log to standard error, as lines for people or as JSON; times in UTC."""
    stamina.instrumentation.set_on_retry_hooks([])  # the loops speak for themselves
    level = getattr(logging, config.log_level.upper())
    if config.log_format == "json":
        render = structlog.processors.JSONRenderer()
    else:
        render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def bus_of(line: Line) -> ModbusTcp:
    """The transport of a configured line, not yet connected."""
    return ModbusTcp(
        line.host,
        line.port,
        rtu=line.transport == "rtu_over_tcp",
        timeout=line.timeout,
        quiet=line.quiet_after_timeout,
    )


def devices_of(config: Config, line: Line) -> list[Device]:
    """The meters of a configured line."""
    return [
        Device(
            serial=meter.serial,
            address=meter.device,
            profile=config.profile(meter),
            interval=meter.poll_interval or config.poll_interval,
            telemetry_interval=config.telemetry_interval,
            ct=meter.ct,
            pt=meter.pt,
            backoff_first=line.backoff_first,
            backoff_max=line.backoff_max,
        )
        for meter in line.meters
    ]


class Bridge:
    """Everything that runs; ``run`` returns after :meth:`stop`."""

    def __init__(self, config: Config):
        self._config = config
        self.outbox = Outbox(config.database)
        self.workers = [
            LineWorker(
                line.name,
                bus_of(line),
                devices_of(config, line),
                self.outbox,
                settle=line.settle,
                verify_for=config.verify_for,
            )
            for line in config.lines
        ]
        self._places = {serial: w for w in self.workers for serial in w.devices}
        self.delivery: Delivery | None = None
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """Ask the bridge to finish; what is in the outbox stays there."""
        self._stopping.set()

    def _submit(self, command: Command) -> bool:
        worker = self._places.get(command.serial)
        if worker is None:
            return False
        worker.submit(command)
        return True

    async def run(self) -> None:
        """Run until stopped.

        Raises :class:`outbox.AlreadyRunning`, :class:`config.ConfigError` for an
        unreadable key, :class:`OSError` when the health port is taken.
        """
        self._config.erp.key()
        await self.outbox.open()
        try:
            async with ErpClient(self._config.erp) as erp:
                await self._run(erp)
        finally:
            await self.outbox.close()

    async def _run(self, erp: ErpClient) -> None:
        relays = [
            serial
            for worker in self.workers
            for serial, device in worker.devices.items()
            if device.profile.relay
        ]
        config = self._config.erp
        self.delivery = Delivery(erp, self.outbox, config, self._submit, relays)
        await self.delivery.resume()
        server = await self._serve_health()
        log.info("running", version=__version__, meters=len(self._places))
        try:
            async with asyncio.TaskGroup() as group:
                jobs = [worker.run() for worker in self.workers]
                jobs += [
                    self.delivery.send_forever(),
                    self.delivery.commands_forever(),
                    self.delivery.report_forever(),
                ]
                tasks = [group.create_task(job) for job in jobs]
                await self._stopping.wait()
                for task in tasks:
                    task.cancel()
        finally:
            if server:
                await server.cleanup()
        log.info("stopped")

    async def health(self) -> dict[str, Any]:
        """What ``/health`` says; raises :class:`sqlite3.Error` when the outbox is
        unusable."""
        counts = await self.outbox.run(CommandStore.counts)
        lines = {worker.name: worker.status() for worker in self.workers}
        link = self.delivery.link
        problems = [f"erp: {link.error}"] if link.error else []
        for name, line in lines.items():
            if line["down"]:
                problems.append(f"line {name}: {line['down']}")
            problems += [f"meter {serial}: silent" for serial in line["silent"]]
        return {
            "status": "degraded" if problems else "ok",
            "problems": problems,
            "version": __version__,
            "erp_last_ok": int(link.last_ok) or None,
            "outbox": counts,
            "lines": lines,
        }

    async def _serve_health(self) -> web.AppRunner | None:
        where = self._config.health
        if where is None:
            return None

        async def answer(_request):
            try:
                return web.json_response(await self.health())
            except Exception as error:  # noqa: BLE001 - whatever it is, it is ill
                body = {"status": "broken", "problems": [str(error)]}
                return web.json_response(body, status=503)

        site = web.Application()
        site.router.add_get("/health", answer)
        runner = web.AppRunner(site, access_log=None)
        await runner.setup()
        try:
            await web.TCPSite(runner, where.host, where.port).start()
        except OSError:
            await runner.cleanup()
            raise
        return runner


async def run(config: Config) -> None:
    """Run a bridge until SIGTERM or SIGINT; raises as :meth:`Bridge.run`."""
    bridge = Bridge(config)
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, bridge.stop)
    await bridge.run()
