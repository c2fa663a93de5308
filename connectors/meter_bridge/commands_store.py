"""The command table of the outbox file: from ``received`` to a reported outcome."""

import json
import time
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from meter_bridge.batch_store import BatchStore
from meter_bridge.store import FINAL, Command

KEEP_S = 30 * 86400
RELAY_VALUES = ("open", "closed")


class CommandError(ValueError):
    """A command that cannot be understood."""


def epoch(value: Any) -> float | None:
    """Epoch seconds of an RFC 3339 text with zone, or of a number; None stays None.

    Raises :class:`CommandError` for anything else.
    """
    if value is None or value is False:
        return None
    try:
        if isinstance(value, str) and not value.replace(".", "", 1).isdigit():
            moment = datetime.fromisoformat(value)
            if moment.tzinfo is None:
                raise ValueError("it has no zone")
            return moment.timestamp()
        return float(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise CommandError(f"expires_at {value!r}: {error}") from error


def _is_power(value: Any) -> bool:
    try:
        power = Decimal(str(value))
    except InvalidOperation:
        return False
    return power.is_finite() and power >= 0


def parse(raw: Any) -> Command:
    """Read one command of the protocol; raises :class:`CommandError`."""
    if not isinstance(raw, dict) or raw.get("id") is None:
        raise CommandError(f"not a command with an id: {raw!r}")
    try:
        generation = int(raw.get("generation") or 0)
    except (TypeError, ValueError) as error:
        raise CommandError(f"generation {raw.get('generation')!r}") from error
    kind, value = str(raw.get("kind")), raw.get("value")
    if kind == "relay" and value not in RELAY_VALUES:
        raise CommandError(f"relay value {value!r} is neither open nor closed")
    if kind == "load_limit" and not _is_power(value):
        raise CommandError(f"load_limit value {value!r} is no power in kW")
    return Command(
        id=str(raw["id"]),
        wire_id=raw["id"],
        serial=str(raw.get("meter_serial")),
        kind=kind,
        value=None if value is None else str(value),
        generation=generation,
        expires_at=epoch(raw.get("expires_at")),
    )


class CommandStore(BatchStore):
    """:class:`BatchStore` with its commands."""

    def add_commands(self, commands: Iterable[Command], now: float) -> list[Command]:
        """Keep commands that are new; returns those.

        A command that is known and finished is reported again: the ERP would not
        have sent it, had it got the report.
        """
        fresh = []
        with self._transaction():
            for command in commands:
                if self._insert_command(command, now):
                    fresh.append(command)
                else:
                    self._db.execute(
                        "UPDATE command SET reported = 0 WHERE id = ? AND state IN "
                        "('verified', 'failed', 'expired', 'unknown')",
                        (command.id,),
                    )
        return fresh

    def _insert_command(self, command: Command, now: float) -> bool:
        cursor = self._db.execute(
            "INSERT OR IGNORE INTO command (id, wire_id, serial, kind, value, "
            "generation, expires_at, state, received_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                command.id,
                json.dumps(command.wire_id),
                command.serial,
                command.kind,
                command.value,
                command.generation,
                command.expires_at,
                command.state,
                now,
            ),
        )
        return bool(cursor.rowcount)

    def states(self) -> dict[str, tuple[str, int, str | None]]:
        """By serial: relay as last read back, generation executed, load limit in kW
        as last read back (None: never)."""
        rows = self._db.execute("SELECT * FROM meter")
        return {
            row["serial"]: (row["relay"], row["generation"], row["load_limit_kw"])
            for row in rows
        }

    def last_times(self) -> dict[str, int]:
        """When each meter's newest reading was taken, in epoch seconds UTC."""
        rows = self._db.execute("SELECT serial, last_time FROM meter")
        return {row["serial"]: row["last_time"] for row in rows}

    def forget_unfinished(self) -> None:
        """Drop the commands without an outcome: another bridge has them now."""
        with self._transaction():
            self._db.execute(
                "DELETE FROM command WHERE state IN ('received', 'sending', 'sent')"
            )

    def unfinished(self) -> list[Command]:
        """Commands without an outcome, oldest first (for the time after a start)."""
        rows = self._db.execute(
            "SELECT * FROM command WHERE state IN ('received', 'sending', 'sent') "
            "ORDER BY received_at, rowid"
        )
        return [self._command(row) for row in rows]

    @staticmethod
    def _command(row) -> Command:
        names = ("id", "serial", "kind", "value", "generation", "expires_at", "state")
        fields = {name: row[name] for name in names}
        return Command(wire_id=json.loads(row["wire_id"]), **fields)

    def withdraw(self, due: set[str], asked_at: float) -> None:
        """End the relay and limit commands that wait here and are no longer due.

        Somebody has locked out the point, or it has tripped, since they were handed
        over. ``due`` are the ids of the ERP's whole list, asked for at ``asked_at``
        (epoch seconds): what came in later is not in it and stays.
        """
        waiting = self._db.execute(
            "SELECT id FROM command WHERE state = 'received' "
            "AND kind IN ('relay', 'load_limit') AND received_at < ?",
            (asked_at,),
        ).fetchall()
        gone = [(int(asked_at), row["id"]) for row in waiting if row["id"] not in due]
        if gone:
            with self._transaction():
                self._db.executemany(
                    "UPDATE command SET state = 'expired', at = ?, reported = 0, "
                    "detail = 'withdrawn by the ERP' "
                    "WHERE id = ? AND state = 'received'",
                    gone,
                )

    def begin_sending(self, command: Command) -> bool:
        """Commit that ``command`` is about to be written to its meter.

        False when it was withdrawn, or a newer generation of its kind was already
        executed: then it must not be.
        """
        limits = command.kind == "load_limit"
        column = "limit_generation" if limits else "generation"
        with self._transaction():
            self._meter(command.serial)
            self._write()  # the meter has its row
            row = self._db.execute(
                "SELECT state FROM command WHERE id = ?", (command.id,)
            ).fetchone()
            if row is not None and row["state"] == "expired":
                return False
            executed = self._db.execute(
                f"UPDATE meter SET {column} = ? WHERE serial = ? AND {column} <= ?",
                (command.generation, command.serial, command.generation),
            ).rowcount
            if executed:
                self._state(command.id, "sending")
            return bool(executed)

    def mark(self, command_id: str, state: str) -> None:
        """Commit an intermediate state: ``received`` or ``sent``."""
        with self._transaction():
            self._state(command_id, state)

    def _state(self, command_id: str, state: str) -> None:
        query = "UPDATE command SET state = ? WHERE id = ?"
        self._db.execute(query, (state, command_id))

    def finish(self, command: Command, state: str, observed, at: int, detail: str = ""):
        """Commit the outcome of ``command``, and the relay state that was observed.

        ``at`` in epoch seconds UTC.
        """
        if state not in FINAL:
            raise ValueError(f"{state} is not an outcome")
        with self._transaction():
            self._meter(command.serial)
            if command.kind == "relay" and observed in RELAY_VALUES:
                self._observe(command.serial, observed, at)
            if command.kind == "load_limit" and observed not in (None, "unknown"):
                self._limit(command.serial, observed)
            self._db.execute(
                "UPDATE command SET state = ?, observed = ?, at = ?, detail = ?, "
                "reported = 0 WHERE id = ?",
                (state, observed, at, detail, command.id),
            )

    def unreported(self, limit: int = 500) -> list[dict[str, Any]]:
        """Outcomes that the ERP has not confirmed, in the protocol's shape."""
        rows = self._db.execute(
            "SELECT wire_id, state, observed, at, detail FROM command "
            "WHERE reported = 0 AND state IN "
            "('verified', 'failed', 'expired', 'unknown') ORDER BY at LIMIT ?",
            (limit,),
        )
        return [
            {
                "id": json.loads(row["wire_id"]),
                "outcome": row["state"],
                "observed": row["observed"],
                "at": row["at"],
                "detail": row["detail"] or "",
            }
            for row in rows
        ]

    def mark_reported(self, results: list[dict[str, Any]], refused: bool = False):
        """The ERP has these outcomes (or ``refused`` them for good)."""
        flag = 2 if refused else 1
        rows = [(flag, str(item["id"]), item["outcome"]) for item in results]
        with self._transaction():
            self._db.executemany(
                "UPDATE command SET reported = ? WHERE id = ? AND state = ?", rows
            )
            self._db.execute(
                "DELETE FROM command WHERE reported > 0 AND received_at < ?",
                (time.time() - KEEP_S,),
            )
