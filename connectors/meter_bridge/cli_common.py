"""What the command line's parts share."""

import sqlite3
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from meter_bridge import config
from meter_bridge.commands_store import CommandStore

console = Console()
ConfigOption = Annotated[
    Path, typer.Option("--config", "-c", help="The bridge's TOML file.")
]


def fail(text: object, code: int = 1):
    """Say why in one sentence on standard error, and exit."""
    typer.echo(f"meter-bridge: {text}", err=True)
    raise typer.Exit(code)


def load(path: Path) -> config.Config:
    """The configuration; exits with 2 when it is wrong."""
    try:
        return config.load(path)
    except config.ConfigError as error:
        return fail(error, 2)


def store_of(settings: config.Config, read_only: bool = True) -> CommandStore:
    """The outbox file beside a bridge that may be running; exits without one."""
    if not settings.database.exists():
        fail(f"{settings.database} does not exist: the bridge has not run yet")
    try:
        return CommandStore(settings.database, read_only=read_only)
    except sqlite3.Error as error:
        return fail(f"{settings.database}: {error}")


def moment(seconds: float) -> str:
    """RFC 3339 text of epoch seconds, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
