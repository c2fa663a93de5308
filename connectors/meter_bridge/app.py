"""The running bridge: lines, delivery and health in one event loop."""

import asyncio
import contextlib
import logging
import signal
import sqlite3
import sys
import time

import stamina
import structlog

from meter_bridge import __version__, metrics, web
from meter_bridge.clock import ClockWatch
from meter_bridge.commands_store import CommandStore
from meter_bridge.config import Config, ConfigError, Line, Meter
from meter_bridge.delivery import Delivery, Link
from meter_bridge.device import Device
from meter_bridge.erp import ErpClient, Receipt
from meter_bridge.exchange import Exchange
from meter_bridge.lease import Lease
from meter_bridge.line import LineWorker
from meter_bridge.meter_list import MeterList
from meter_bridge.mqtt.settings import Broker
from meter_bridge.mqtt.source import Source
from meter_bridge.outbox import Outbox
from meter_bridge.sd_notify import Notifier
from meter_bridge.store import Command
from meter_bridge.wire.lines import bus_of, request_cost_of

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


def devices_of(config: Config, line: Line) -> list[Device]:
    """The meters of a configured line."""
    return [
        Device(
            serial=meter.serial,
            address=line.station(config.profile(meter), meter),
            profile=config.profile(meter),
            interval=meter.poll_interval or config.poll_interval,
            telemetry_interval=config.telemetry_interval,
            ct=meter.ct,
            pt=meter.pt,
            backoff_first=line.backoff_first,
            backoff_max=line.backoff_max,
            request_cost=request_cost_of(line),
        )
        for meter in line.meters
    ]


class Bridge:
    """Everything that runs; ``run`` returns after :meth:`stop`.

    Raises :class:`config.ConfigError` for a broker's password that cannot be read.
    """

    def __init__(self, config: Config):
        self._config = config
        self.outbox = Outbox(config.database)
        self.lease = Lease(config.fleet.instance if config.fleet else None)
        self.link, self.clock = Link(), ClockWatch()
        self.problems: list[str] = []  # beside those of link, disk, lines and clock
        self.workers = [
            LineWorker(
                line.name,
                bus_of(line),
                devices_of(config, line),
                self.outbox,
                settle=line.settle,
                verify_for=config.verify_for,
                lease=self.lease,
                several_masters=line.transport == "modbus_tcp",
            )
            for line in config.lines
        ]
        self.sources = [self._source(broker) for broker in config.brokers]
        self._find_places()
        self.delivery: Delivery | None = None
        self.exchange: Exchange | None = None
        self.meter_list: MeterList | None = None
        self._stopping = asyncio.Event()

    def _source(self, broker: Broker) -> Source:
        config = self._config
        try:
            return Source(
                broker,
                self.outbox,
                verify_for=config.verify_for,
                telemetry_s=config.telemetry_interval,
                lease=self.lease,
            )
        except ValueError as error:  # a password or certificate file
            raise ConfigError(str(error)) from error

    def stop(self) -> None:
        """Ask the bridge to finish; what is in the outbox stays there."""
        self._stopping.set()

    def _find_places(self) -> None:
        self._places = {serial: w for w in self.everywhere for serial in w.devices}

    @property
    def everywhere(self) -> list[LineWorker | Source]:
        """All places where meters are: lines and brokers."""
        return [*self.workers, *self.sources]

    async def apply(
        self, meters: dict[str, list[Meter]], problems: list[str] | None = None
    ) -> None:
        """Have these meters, by line, from now on.

        Between two steps of every line: a meter that moves is never on two lines,
        and its commands go with it. Those of a meter that went fail.
        """
        released: list[Command] = []
        async with contextlib.AsyncExitStack() as turns:
            for worker in self.workers:
                await turns.enter_async_context(worker.turn)
            for line, worker in zip(self._config.lines, self.workers, strict=True):
                line.meters = meters[line.name]
                released += worker.replace(devices_of(self._config, line))
            self._find_places()
            for command in released:
                await self.exchange.hand_over(command)
        self.problems = problems or []

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
        await self._connect(erp)
        server = None
        if self._config.health:
            server = await web.serve(self, self._config.health)
        systemd = Notifier()
        log.info("running", version=__version__, meters=len(self._places))
        try:
            async with asyncio.TaskGroup() as group:
                jobs = [place.run() for place in self.everywhere]
                jobs += [
                    self.delivery.send_forever(),
                    self._commands_forever(),
                    self.exchange.report_forever(),
                    self._watch_clock(),
                    self._tell_systemd(systemd),
                ]
                if self.meter_list:
                    jobs.append(self.meter_list.refresh_forever())
                tasks = [group.create_task(job) for job in jobs]
                await self._stopping.wait()
                systemd.stopping()
                for task in tasks:
                    task.cancel()
        finally:
            if server:
                await server.cleanup()
        log.info("stopped")

    async def _connect(self, erp: ErpClient) -> None:
        """Put together what talks to the ERP, and go on with what was left."""
        config = self._config.erp
        self.lease.remember(await self.outbox.run(CommandStore.get, "lease"))
        if self._config.meters == "erp":
            arguments = self.outbox, self._config, self.link, self.apply
            self.meter_list = MeterList(erp, *arguments)
        self.exchange = Exchange(
            erp,
            self.outbox,
            config,
            self.link,
            self.lease,
            submit=self._submit,
            reported=self._switchable,
            forget=self._forget_commands,
            look_again=self.meter_list and self.meter_list.refresh,
        )
        if self.meter_list:
            await self.meter_list.restore()
        if self.lease.instance is None:
            await self.exchange.resume()
        self.delivery = Delivery(erp, self.outbox, config, self.link, self._answered)

    async def _commands_forever(self) -> None:
        if self.meter_list:  # no command fails for a meter that is still to come
            await self.meter_list.known.wait()
        await self.exchange.commands_forever()

    def _switchable(self) -> list[str]:
        return [serial for place in self.everywhere for serial in place.with_relay()]

    def _forget_commands(self) -> None:
        for place in self.everywhere:
            place.forget_commands()

    async def _answered(self, receipt: Receipt, asked: float, heard: float) -> None:
        ahead = self.clock.against_erp(receipt.server_time, asked, heard)
        if ahead is not None:
            await self._clock_step("erp", ahead)
        await self.exchange.take_commands(receipt.commands)

    async def _watch_clock(self) -> None:
        while True:
            await asyncio.sleep(1)
            by = self.clock.step()
            if by is not None:
                await self._clock_step("monotonic", by)

    async def _clock_step(self, against: str, seconds: float) -> None:
        """Tell the ERP, the log and the metrics that the clock is not what it was."""
        metrics.CLOCK_STEPS.labels(against).inc()
        log.error("clock_step", against=against, seconds=round(seconds, 1))
        data = {"against": against, "seconds": round(seconds, 1)}
        try:
            await self.outbox.run(
                CommandStore.add_event, int(time.time()), "clock_step", data
            )
        except sqlite3.Error as error:
            metrics.OUTBOX_ERRORS.inc()
            log.error("outbox_failed", reason=str(error))
        self.outbox.fresh.set()

    async def _tell_systemd(self, systemd: Notifier) -> None:
        """Signs of life while event loop and outbox answer, else none."""
        systemd.ready()
        while systemd.interval:
            await self.outbox.run(CommandStore.get, "lease")
            meters = sum(len(place.devices) for place in self.everywhere)
            systemd.alive(f"{meters} meters, ERP: {self.link.error or 'ok'}")
            await asyncio.sleep(systemd.interval)


async def run(config: Config) -> None:
    """Run a bridge until SIGTERM or SIGINT; raises as :meth:`Bridge.run`."""
    bridge = Bridge(config)
    loop = asyncio.get_running_loop()
    for sign in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(sign, bridge.stop)
    await bridge.run()
