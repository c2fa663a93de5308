"""Reads meters, keeps every reading until the ERP has it, and switches relays."""

import asyncio
import sqlite3
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from meter_bridge import __version__, app, config, meter_profile
from meter_bridge.commands_store import CommandStore
from meter_bridge.erp import ErpClient, ErpError
from meter_bridge.outbox import AlreadyRunning
from meter_bridge.transport import BusError
from meter_bridge.wire import live
from meter_bridge.wire.lines import bus_of

cli = typer.Typer(no_args_is_help=True, add_completion=False, help=__doc__)
dead_letter = typer.Typer(no_args_is_help=True, help="Rows that the ERP rejected.")
profiles = typer.Typer(no_args_is_help=True, help="Register maps of meters.")
cli.add_typer(dead_letter, name="dead-letter")
cli.add_typer(profiles, name="profile")
console = Console()
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The bridge's TOML file.")
]


def fail(text: object, code: int = 1):
    """Say why in one sentence on standard error, and exit."""
    typer.echo(f"meter-bridge: {text}", err=True)
    raise typer.Exit(code)


def _load(path: Path) -> config.Config:
    try:
        return config.load(path)
    except config.ConfigError as error:
        return fail(error, 2)


def _store(path: Path) -> CommandStore:
    settings = _load(path)
    if not settings.database.exists():
        fail(f"{settings.database} does not exist: the bridge has not run yet")
    try:
        return CommandStore(settings.database, read_only=True)
    except sqlite3.Error as error:
        return fail(f"{settings.database}: {error}")


@cli.command()
def run(config_file: ConfigOption = Path("bridge.toml")) -> None:
    """Read the meters and serve the ERP until stopped."""
    settings = _load(config_file)
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
    settings = _load(config_file)
    console.print(f"configuration: {config_file} is right")
    if not asyncio.run(_check(settings)):
        raise typer.Exit(1)


async def _check(settings: config.Config) -> bool:
    good = True
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
    try:
        async with ErpClient(settings.erp, attempts=1) as erp:
            await erp.report([])
        console.print(f"ERP: {settings.erp.url} accepts the API key")
    except ErpError as error:
        good = False
        console.print(f"ERP: {error}", style="red", markup=False)
    return good


@cli.command()
def status(config_file: ConfigOption = Path("bridge.toml")) -> None:
    """How much waits in the outbox, and what the relays were last read as."""
    store = _store(config_file)
    for name, count in store.counts().items():
        console.print(f"{name:20} {count}")
    success = store.get("last_success")
    when = _moment(float(success)) if success else "never"
    console.print(f"{'last delivery':20} {when}")
    for serial, (relay, generation) in sorted(store.relays().items()):
        if relay != "unknown" or generation:
            console.print(f"relay {serial:14} {relay} (generation {generation})")


def _moment(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


@dead_letter.command("list")
def dead_letter_list(
    config_file: ConfigOption = Path("bridge.toml"), limit: int = 100
) -> None:
    """Show the newest rows that the ERP rejected, with its reasons."""
    letters = _store(config_file).dead_letters(limit)
    if not letters:
        console.print("no dead letters")
    for letter in letters:
        text = f"{_moment(letter['at'])} {letter['kind']} {letter['body']}"
        console.print(f"{text}: {letter['reason']}", markup=False, highlight=False)


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
        found = live.profile_of(profile)
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
