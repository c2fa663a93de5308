"""Reads meters, keeps every reading until the ERP has it, and switches relays."""

import asyncio
import sqlite3
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.live import Live

from meter_bridge import __version__, app, config, meter_profile, scan
from meter_bridge.cli_common import ConfigOption, console, fail, load
from meter_bridge.cli_outbox import dead_letter, status
from meter_bridge.erp import ErpClient, ErpError
from meter_bridge.meter_list import placed
from meter_bridge.mqtt import checking
from meter_bridge.outbox import AlreadyRunning
from meter_bridge.transport import BusError
from meter_bridge.wire import live
from meter_bridge.wire.lines import bus_of

cli = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
profiles = typer.Typer(no_args_is_help=True, help="Register maps of meters.")
cli.add_typer(dead_letter, name="dead-letter")
cli.add_typer(profiles, name="profile")
cli.command()(status)


@cli.command()
def run(config_file: ConfigOption = Path("bridge.toml")) -> None:
    """Read the meters and serve the ERP until stopped."""
    settings = load(config_file)
    app.set_up_logs(settings)
    try:
        asyncio.run(app.run(settings))
    except (AlreadyRunning, config.ConfigError) as error:
        fail(error)
    except sqlite3.Error as error:
        fail(f"{settings.database}: {error}")
    except OSError as error:
        fail(f"cannot start: {error}")


@cli.command()
def check(config_file: ConfigOption = Path("bridge.toml")) -> None:
    """Test the configuration, every meter and the ERP; exit 1 if one does not work."""
    settings = load(config_file)
    console.print(f"configuration: {config_file} is right")
    if not asyncio.run(_check(settings)):
        raise typer.Exit(1)


async def _check(settings: config.Config) -> bool:
    good = True
    try:
        async with ErpClient(settings.erp, attempts=1) as erp:
            await erp.report([])
            console.print(f"ERP: {settings.erp.url} accepts the API key")
            if settings.meters == "erp":
                good = _place(settings, (await erp.configuration(None))["meters"])
    except ErpError as error:
        good = False
        console.print(f"ERP: {error}", style="red", markup=False)
    for line in settings.lines:
        bus = bus_of(line)
        for device in app.devices_of(settings, line):
            place = f"{line.name} {str(device.address):>3} {device.serial}"
            try:
                await bus.read(device.address, *device.profile.probe())
                console.print(f"{place}: answers as {device.profile.title}")
            except BusError as error:
                good = False
                console.print(f"{place}: {error}", style="red")
        bus.close()
    for broker in settings.brokers:
        async for text, well in checking.check(broker):
            good = good and well
            console.print(text, style=None if well else "red", markup=False)
    return good


def _place(settings: config.Config, rows: list) -> bool:
    """Hang the ERP's meters on the lines; say which cannot be."""
    meters, problems = placed(settings, rows)
    for line in settings.lines:
        line.meters = meters[line.name]
    for problem in problems:
        console.print(f"ERP: {problem}", style="red", markup=False)
    return not problems


@profiles.command("list")
def profile_list() -> None:
    """Show the profiles that come with the bridge."""
    for name in meter_profile.names():
        console.print(f"{name:16} {meter_profile.load(name).title}")


@profiles.command("check")
def profile_check(file: Path) -> None:
    """Check a profile file and show how a meter would be read by it."""
    try:
        profile = meter_profile.load_file(file)
    except meter_profile.ProfileError as error:
        return fail(error)
    console.print(f"{profile.title}: {len(profile.values)} values, right")
    if profile.notes:
        console.print(f"  note: {profile.notes}", markup=False, highlight=False)
    for request in profile.requests():
        console.print(f"  {profile.describe(request)}", highlight=False)
    if profile.relay and not profile.relay_request():
        console.print("  the relay cannot be read back: outcomes will be unknown")


@cli.command()
def read(
    place: Annotated[str, typer.Argument(help="Host, or a serial port's path.")],
    profile: Annotated[str, typer.Option(help="Profile name or TOML file.")],
    port: Annotated[int | None, typer.Option(help="TCP port; 502 by default.")] = None,
    device: Annotated[str | None, typer.Option(help="Address on the line.")] = None,
    ct: str = "1",
    pt: str = "1",
    rtu: Annotated[bool, typer.Option(help="RTU frames over TCP.")] = False,
    baudrate: int | None = None,
    parity: Annotated[str | None, typer.Option(help="N, E or O.")] = None,
    client: Annotated[int, typer.Option(help="DLMS client address.")] = 16,
    password_file: Annotated[Path | None, typer.Option(help="For DLMS.")] = None,
    once: Annotated[bool, typer.Option(help="Print one table and exit.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between reads.")] = 1.0,
) -> None:
    """Show a live table of a meter's values."""
    try:
        found = meter_profile.named(profile)
        settings = {"port": port, "baudrate": baudrate, "parity": parity}
        settings |= {"client": client, "password_file": password_file}
        line = live.line_to(place, found, rtu=rtu, **settings)
        address = device or live.USUAL_DEVICES[found.protocol]
        station = found.station(address, line.access())
        ratios = Decimal(ct), Decimal(pt)
    except (meter_profile.ProfileError, ArithmeticError) as error:
        return fail(error)
    again = None if once else interval
    try:
        asyncio.run(_read_live(bus_of(line), found, station, ratios, again))
    except BusError as error:
        fail(error)
    except KeyboardInterrupt:
        pass


async def _read_live(bus, profile, station, ratios, interval: float | None):
    table = await live.table_of(bus, profile, station, ratios)
    if interval is None:
        console.print(table)
        return
    with Live(table, console=console, auto_refresh=False) as screen:
        while True:
            await asyncio.sleep(interval)
            table = await live.table_of(bus, profile, station, ratios)
            screen.update(table, refresh=True)


@cli.command("scan")
def scan_line(
    place: Annotated[str, typer.Argument(help="Host, or a serial port's path.")],
    port: Annotated[int | None, typer.Option(help="TCP port; 502 by default.")] = None,
    rtu: Annotated[bool, typer.Option(help="RTU frames over TCP.")] = False,
    baudrate: Annotated[list[int] | None, typer.Option(help="To be tried.")] = None,
    parity: Annotated[list[str] | None, typer.Option(help="To be tried.")] = None,
    first: Annotated[int, typer.Option(min=1, max=247)] = 1,
    last: Annotated[int, typer.Option(min=1, max=247)] = 247,
    timeout: Annotated[float, typer.Option(help="Seconds for an answer.")] = 0.3,
) -> None:
    """Find the Modbus meters on a line, guess their models, print the tables."""
    shipped = meter_profile.load("sdm120")  # any that speaks Modbus
    found = False
    for speed in baudrate or [None]:
        for even in parity or [None]:
            settings = {"port": port, "baudrate": speed, "parity": even}
            try:
                line = live.line_to(place, shipped, rtu=rtu, **settings)
                line.timeout = timeout
                found |= asyncio.run(_scan(line, range(first, last + 1)))
            except (meter_profile.ProfileError, BusError) as error:
                return fail(error)
            except KeyboardInterrupt:
                return None
    return None if found else fail("no device answers")


async def _scan(line, addresses) -> bool:
    bus, found = bus_of(line), {}
    profiles = scan.modbus_profiles()
    async for device in scan.devices(bus, addresses):
        found[device] = await scan.guess(bus, device, profiles)
        names = ", ".join(name for name, _ in found[device]) or "no profile fits"
        typer.echo(f"# device {device}: {names}", err=True)
    bus.close()
    if found:
        typer.echo(scan.snippet(line, found))
    return bool(found)


def _version(show: bool) -> None:
    if show:
        typer.echo(__version__)
        raise typer.Exit


@cli.callback()
def _options(
    version: Annotated[bool, typer.Option("--version", callback=_version)] = False,
) -> None:
    pass


def main() -> None:
    """Entry point."""
    cli()
