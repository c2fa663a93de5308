"""Reads meters, keeps every reading until the ERP has it, and switches relays."""

import asyncio
import sqlite3
import time
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from meter_bridge import __version__, app, codec, config, meter_profile
from meter_bridge.commands_store import CommandStore
from meter_bridge.erp import ErpClient, ErpError
from meter_bridge.outbox import AlreadyRunning
from meter_bridge.transport import BusError, ModbusTcp, Refused

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
        bus = app.bus_of(line)
        for device in app.devices_of(settings, line):
            place = f"{line.name} {device.address:3} {device.serial}"
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
        console.print(f"{name:12} {meter_profile.load(name).title}")


@profiles.command("check")
def profile_check(file: Path) -> None:
    """Check a profile file and show how a meter would be read by it."""
    try:
        profile = meter_profile.load_file(file)
    except meter_profile.ProfileError as error:
        return fail(error)
    console.print(f"{profile.title}: {len(profile.values)} values, right")
    for function, span in profile.blocks():
        last = span.end - 1
        console.print(f"  function {function}: {span.address:#06x} … {last:#06x}")
    if profile.relay and not profile.relay.read:
        console.print("  the relay cannot be read back: outcomes will be unknown")


@cli.command()
def read(
    host: str,
    profile: Annotated[str, typer.Option(help="Profile name or TOML file.")],
    port: int = 502,
    device: Annotated[int, typer.Option(min=1, max=247)] = 1,
    ct: str = "1",
    pt: str = "1",
    rtu: Annotated[bool, typer.Option(help="RTU frames over TCP.")] = False,
    once: Annotated[bool, typer.Option(help="Print one table and exit.")] = False,
    interval: Annotated[float, typer.Option(help="Seconds between reads.")] = 1.0,
) -> None:
    """Show a live table of a meter's values."""
    try:
        is_file = profile.endswith(".toml")
        load = meter_profile.load_file if is_file else meter_profile.load
        found = load(Path(profile) if is_file else profile)
        ratios = Decimal(ct), Decimal(pt)
    except (meter_profile.ProfileError, ArithmeticError) as error:
        return fail(error)
    bus = ModbusTcp(host, port, rtu=rtu)
    try:
        asyncio.run(_read_live(bus, found, device, ratios, None if once else interval))
    except BusError as error:
        fail(error)
    except KeyboardInterrupt:
        pass


async def _read_live(bus, profile, device: int, ratios, interval: float | None):
    if interval is None:
        console.print(await _table(bus, profile, device, ratios))
        return
    first = await _table(bus, profile, device, ratios)
    with Live(first, console=console, auto_refresh=False) as live:
        while True:
            await asyncio.sleep(interval)
            table = await _table(bus, profile, device, ratios)
            live.update(table, refresh=True)


async def _table(bus, profile, station, ratios) -> Table:
    answers, refused = {}, None
    for request in profile.requests():
        try:
            answers[request] = await bus.read(station, *request)
        except Refused as error:
            refused = error
    if not answers:
        raise refused
    table = Table(title=f"{profile.title}, device {station}, {_moment(time.time())}")
    for column in ("value", "address", "amount", "unit"):
        table.add_column(column, justify="right" if column == "amount" else "left")
    for name, value in profile.values.items():
        try:
            amount = profile.amount(name, answers, *ratios)
            shown = "refused" if amount is None else codec.plain(amount)
        except codec.DecodeError as error:
            shown = str(error)
        unit = "" if value.unit == "1" else value.unit
        table.add_row(name, profile.where(name), shown, unit)
    if profile.relay_request():
        where = profile.where_relay()
        table.add_row("relay", where, profile.relay_of(answers) or "refused", "")
    return table


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
