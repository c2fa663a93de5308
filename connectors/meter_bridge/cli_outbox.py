"""``status`` and ``dead-letter``: what waits, and what the ERP did not want."""

import contextlib
import csv
import json
import sqlite3
import sys
import time
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer

from meter_bridge.cli_common import ConfigOption, console, fail, load, moment, store_of
from meter_bridge.commands_store import CommandStore
from meter_bridge.config import Config
from meter_bridge.meter_list import KEPT, placed
from meter_bridge.mqtt import again

dead_letter = typer.Typer(no_args_is_help=True, help="Rows that the ERP rejected.")
FILE = Path("bridge.toml")
LATE_INTERVALS = 10  # a meter that missed so many reads is named


class Format(StrEnum):
    """How dead letters are exported."""

    JSONL = "jsonl"
    CSV = "csv"


def status(config_file: ConfigOption = FILE) -> None:
    """How much waits in the outbox, when meters were read, and the relays' states."""
    settings = load(config_file)
    store = store_of(settings)
    for name, count in store.counts().items():
        console.print(f"{name:20} {count}")
    oldest, success = store.oldest(), store.get("last_success")
    console.print(f"{'oldest reading':20} {moment(oldest) if oldest else 'none waits'}")
    when = moment(float(success)) if success else "never"
    console.print(f"{'last delivery':20} {when}")
    for text in _ages(settings, store, time.time()):
        console.print(text, markup=False, highlight=False)
    for serial, (relay, generation, limit) in sorted(store.states().items()):
        if relay != "unknown" or generation:
            console.print(f"relay {serial:14} {relay} (generation {generation})")
        if limit is not None:
            console.print(f"limit {serial:14} {limit} kW")


def _ages(settings: Config, store: CommandStore, now: float) -> Iterator[str]:
    """A line of text a line of meters, and one a meter that is late."""
    if settings.meters == "erp":
        kept = json.loads(store.get(KEPT) or '{"meters": []}')
        meters, _ = placed(settings, kept["meters"])
    else:
        meters = {line.name: line.meters for line in settings.lines}
    last = store.last_times()
    for name, mine in meters.items():
        ages = [now - last[meter.serial] for meter in mine if last.get(meter.serial)]
        read = f"read {min(ages):.0f} … {max(ages):.0f} s ago" if ages else "never read"
        yield f"line {name:15} {len(mine)} meters, {read}"
        for meter in mine:
            at = last.get(meter.serial)
            limit = LATE_INTERVALS * (meter.poll_interval or settings.poll_interval)
            if not at or now - at > limit:
                yield f"late {meter.serial:15} {moment(at) if at else 'never read'}"


@dead_letter.command("list")
def dead_letter_list(config_file: ConfigOption = FILE, limit: int = 100) -> None:
    """Show the newest rows that the ERP rejected, with its reasons."""
    letters = store_of(load(config_file)).dead_letters(limit)
    if not letters:
        console.print("no dead letters")
    for letter in letters:
        text = f"{letter['id']}: {moment(letter['at'])} {letter['kind']}"
        text = f"{text} {letter['body']}: {letter['reason']}"
        console.print(text, markup=False, highlight=False)


@dead_letter.command("retry")
def dead_letter_retry(
    ids: Annotated[list[int] | None, typer.Argument(help="As list shows them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    config_file: ConfigOption = FILE,
) -> None:
    """Put rows back into the outbox: they are sent again, also by a running bridge.

    Messages of a broker are decoded anew, by the configuration as it is now.
    """
    if bool(ids) == every:
        fail("say which ones by their number, or --all", 2)
    settings = load(config_file)
    store = store_of(settings, read_only=False)
    try:
        count = store.retry(None if every else ids)
        count += again.retry(store, settings.brokers, None if every else ids)
    except sqlite3.Error as error:
        fail(error)
    console.print(f"{count} rows are in the outbox again")
    if ids and count < len(set(ids)):
        fail(f"{len(set(ids)) - count} of the numbers are still, or no, dead letters")


@dead_letter.command("export")
def dead_letter_export(
    config_file: ConfigOption = FILE,
    format_: Annotated[Format, typer.Option("--format")] = Format.JSONL,
    output: Annotated[Path | None, typer.Option(help="Else standard output.")] = None,
) -> None:
    """Write all dead letters, the oldest first, as JSON lines or CSV."""
    letters = store_of(load(config_file)).dead_letters(-1)[::-1]
    write = _write_csv if format_ is Format.CSV else _write_jsonl
    try:
        with contextlib.ExitStack() as stack:
            file: TextIO = sys.stdout
            if output:
                file = stack.enter_context(
                    open(output, "w", newline="", encoding="utf-8")
                )
            write(letters, file)
    except OSError as error:
        fail(error)


def _write_jsonl(letters: list[dict[str, Any]], file: TextIO) -> None:
    for letter in letters:
        file.write(json.dumps({**letter, "at": moment(letter["at"])}) + "\n")


def _write_csv(letters: list[dict[str, Any]], file: TextIO) -> None:
    rows = csv.writer(file)
    rows.writerow(["id", "at", "kind", "meter_serial", "time", "value", "reason"])
    for letter in letters:
        serial, at, value = _columns(letter["body"])
        mine = [letter["id"], moment(letter["at"]), letter["kind"]]
        rows.writerow([*mine, serial, at, value, letter["reason"]])


def _columns(body: Any) -> tuple[str, str, str]:
    """Serial, time and value of a row, as far as it has them."""
    if isinstance(body, dict):  # an event
        return str(body.get("meter_serial")), str(body.get("time")), json.dumps(body)
    if not isinstance(body, list) or len(body) < 3:
        return "", "", json.dumps(body)
    value = body[2] if isinstance(body[2], str) else json.dumps(body[2])
    return str(body[0]), str(body[1]), value
