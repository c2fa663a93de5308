"""The outbox file: what the bridge owes the ERP, and what it was told to do.

Synchronous SQLite code for one thread; :mod:`outbox` gives it that thread. WAL with
``synchronous=FULL``: what a method returned from has reached the disk.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('reading', 'telemetry', 'event')),
    body TEXT NOT NULL,
    batch TEXT
);
CREATE INDEX IF NOT EXISTS item_batch ON item (batch, id);
CREATE TABLE IF NOT EXISTS batch (
    uid TEXT PRIMARY KEY,
    seq INTEGER NOT NULL,
    created REAL NOT NULL,
    not_before REAL NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0,
    error TEXT
);
CREATE TABLE IF NOT EXISTS dead_letter (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    body TEXT NOT NULL,
    reason TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS meter (
    serial TEXT PRIMARY KEY,
    relay TEXT NOT NULL DEFAULT 'unknown',
    generation INTEGER NOT NULL DEFAULT 0,
    last_time INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE IF NOT EXISTS command (
    id TEXT PRIMARY KEY,
    wire_id TEXT NOT NULL,
    serial TEXT NOT NULL,
    kind TEXT NOT NULL,
    value TEXT,
    generation INTEGER NOT NULL,
    expires_at REAL,
    state TEXT NOT NULL CHECK (state IN (
        'received', 'sending', 'sent', 'verified', 'failed', 'expired', 'unknown')),
    received_at REAL NOT NULL,
    observed TEXT,
    at INTEGER,
    detail TEXT,
    reported INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX IF NOT EXISTS command_state ON command (state, reported);
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
"""
RELAY_EVENTS = {"open": "relay_opened", "closed": "relay_closed"}
FINAL = ("verified", "failed", "expired", "unknown")
_OPEN_COMMANDS = "state IN ('received', 'sending', 'sent')"


@dataclass(frozen=True)
class Command:
    """One order of the ERP for one meter; ``expires_at`` in epoch seconds UTC."""

    id: str
    wire_id: Any
    serial: str
    kind: str
    value: str | None
    generation: int
    expires_at: float | None
    state: str = "received"


@dataclass
class Poll:
    """What one poll of a meter brought; ``time`` in whole epoch seconds UTC."""

    serial: str
    time: int
    register: str | None = None
    telemetry: dict[str, float] | None = None
    relay: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Batch:
    """Items that travel under one uid until the ERP answered."""

    uid: str
    readings: list
    telemetry: list
    events: list

    def __len__(self) -> int:
        return len(self.readings) + len(self.telemetry) + len(self.events)


class Store:
    """The outbox file; every public method is one transaction."""

    def __init__(self, path: Path, read_only: bool = False):
        """Open or create ``path``; raises :class:`sqlite3.Error`."""
        where = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._db = sqlite3.connect(where, uri=True, isolation_level=None, timeout=10)
        self._db.row_factory = sqlite3.Row
        if read_only:
            return
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # -- what the meters say ----------------------------------------------------
    def add_poll(self, poll: Poll) -> bool:
        """Keep a poll's reading, telemetry, events and relay state.

        A meter has at most one reading a second: a second one in the same second
        is not stored (its energy is in the next one). Returns whether it was.
        """
        with self._transaction():
            self._meter(poll.serial)
            stored = poll.register is not None and self._reading(poll)
            if poll.telemetry:
                row = [poll.serial, poll.time, poll.telemetry]
                self._item("telemetry", row)
            for event in poll.events:
                self._event(poll.serial, poll.time, **event)
            if poll.relay:
                self._observe(poll.serial, poll.relay, poll.time)
        return stored

    def _reading(self, poll: Poll) -> bool:
        changed = self._db.execute(
            "UPDATE meter SET last_time = ? WHERE serial = ? AND last_time <> ?",
            (poll.time, poll.serial, poll.time),
        ).rowcount
        if changed:
            self._item("reading", [poll.serial, poll.time, poll.register])
        return bool(changed)

    def _item(self, kind: str, body: Any) -> None:
        text = json.dumps(body, separators=(",", ":"))
        self._db.execute("INSERT INTO item (kind, body) VALUES (?, ?)", (kind, text))

    def _event(self, serial: str, time: int, kind: str, data: dict) -> None:
        event = {
            "uid": uuid.uuid4().hex,
            "meter_serial": serial,
            "time": time,
            "kind": kind,
            "data": data,
        }
        self._item("event", event)

    def _meter(self, serial: str) -> None:
        self._db.execute("INSERT OR IGNORE INTO meter (serial) VALUES (?)", (serial,))

    def _observe(self, serial: str, state: str, time: int) -> None:
        row = self._db.execute("SELECT relay FROM meter WHERE serial = ?", (serial,))
        before = row.fetchone()["relay"]
        if state == before or state == "unknown":
            return
        self._db.execute("UPDATE meter SET relay = ? WHERE serial = ?", (state, serial))
        if before != "unknown":
            self._event(serial, time, RELAY_EVENTS[state], self._cause(serial, state))

    def _cause(self, serial: str, state: str) -> dict[str, Any]:
        """The command that is being executed and asked for ``state``, if any."""
        row = self._db.execute(
            "SELECT wire_id FROM command WHERE serial = ? AND kind = 'relay' "
            "AND value = ? AND state IN ('sending', 'sent') "
            "ORDER BY generation DESC LIMIT 1",
            (serial, state),
        ).fetchone()
        return {"command": json.loads(row["wire_id"])} if row else {}

    def relays(self) -> dict[str, tuple[str, int]]:
        """Relay state as last read back and executed generation, by serial."""
        rows = self._db.execute("SELECT serial, relay, generation FROM meter")
        return {row["serial"]: (row["relay"], row["generation"]) for row in rows}

    # -- batches to the ERP -----------------------------------------------------
    def next_batch(self, limit: int, now: float) -> Batch | None:
        """The oldest batch that may be sent at ``now``, or a new one of the backlog.

        A batch keeps its uid and its rows until the ERP answered it.
        """
        with self._transaction():
            row = self._db.execute(
                "SELECT uid FROM batch WHERE not_before <= ? ORDER BY seq LIMIT 1",
                (now,),
            ).fetchone()
            uid = row["uid"] if row else self._new_batch(limit, now)
            return self._load(uid) if uid else None

    def _new_batch(self, limit: int, now: float) -> str | None:
        uid = uuid.uuid4().hex
        taken = self._db.execute(
            "UPDATE item SET batch = ? WHERE id IN "
            "(SELECT id FROM item WHERE batch IS NULL ORDER BY id LIMIT ?)",
            (uid, limit),
        ).rowcount
        if not taken:
            return None
        self._insert_batch(uid, now)
        return uid

    def _insert_batch(self, uid: str, now: float) -> None:
        self._db.execute(
            "INSERT INTO batch (uid, seq, created) VALUES "
            "(?, (SELECT coalesce(max(seq), 0) + 1 FROM batch), ?)",
            (uid, now),
        )

    def _rows(self, uid: str) -> list[sqlite3.Row]:
        query = "SELECT id, kind, body FROM item WHERE batch = ? ORDER BY id"
        return self._db.execute(query, (uid,)).fetchall()

    def _load(self, uid: str) -> Batch:
        found: dict[str, list] = {"reading": [], "telemetry": [], "event": []}
        for row in self._rows(uid):
            found[row["kind"]].append(json.loads(row["body"]))
        return Batch(uid, found["reading"], found["telemetry"], found["event"])

    def confirm(self, uid: str, rejected: Iterable[tuple[int, str]], now: float):
        """The ERP answered batch ``uid``: rejected readings go to the dead letters,
        everything else of the batch is deleted."""
        with self._transaction():
            rows = [row for row in self._rows(uid) if row["kind"] == "reading"]
            for index, reason in rejected:
                if 0 <= index < len(rows):
                    self._bury(rows[index], reason, now)
            self._drop(uid)
            self._put("last_success", str(now))

    def _bury(self, row, reason: str, now: float) -> None:
        self._db.execute(
            "INSERT INTO dead_letter (at, kind, body, reason) VALUES (?, ?, ?, ?)",
            (int(now), row["kind"], row["body"], reason),
        )

    def _drop(self, uid: str) -> None:
        self._db.execute("DELETE FROM item WHERE batch = ?", (uid,))
        self._db.execute("DELETE FROM batch WHERE uid = ?", (uid,))

    def postpone(self, uid: str, error: str, not_before: float) -> None:
        """Batch ``uid`` was not answered: it stays, with its uid, for later."""
        with self._transaction():
            self._db.execute(
                "UPDATE batch SET attempts = attempts + 1, error = ?, not_before = ? "
                "WHERE uid = ?",
                (error, not_before, uid),
            )

    def refuse(self, uid: str, reason: str, now: float, wait: float) -> str:
        """The ERP refused batch ``uid`` as a whole (nothing of it was stored).

        Halves the batch to find the row that it refuses. A single refused row goes
        to the dead letters only when the ERP accepted something since the row was
        first refused, otherwise it waits ``wait`` seconds: an ERP that refuses
        everything empties nothing. Returns ``split``, ``buried`` or ``waiting``.
        """
        with self._transaction():
            rows = self._rows(uid)
            if len(rows) > 1:
                self._halve(uid, rows, now)
                return "split"
            query = "SELECT created, attempts FROM batch WHERE uid = ?"
            created, attempts = self._db.execute(query, (uid,)).fetchone()
            if attempts and float(self.get("last_success") or 0) > created:
                self._bury(rows[0], reason, now)
                self._drop(uid)
                return "buried"
            self._db.execute(
                "UPDATE batch SET attempts = attempts + 1, error = ?, not_before = ? "
                "WHERE uid = ?",
                (reason, now + wait, uid),
            )
            return "waiting"

    def _halve(self, uid: str, rows, now: float) -> None:
        middle = len(rows) // 2
        for part in (rows[:middle], rows[middle:]):
            half = uuid.uuid4().hex
            self._insert_batch(half, now)
            ids = [(half, row["id"]) for row in part]
            self._db.executemany("UPDATE item SET batch = ? WHERE id = ?", ids)
        self._db.execute("DELETE FROM batch WHERE uid = ?", (uid,))

    # -- for people -------------------------------------------------------------
    def counts(self) -> dict[str, int]:
        """How much waits, by kind, for ``status`` and ``/health``."""
        result = {"reading": 0, "telemetry": 0, "event": 0}
        rows = self._db.execute("SELECT kind, count(*) AS n FROM item GROUP BY kind")
        result.update({row["kind"]: row["n"] for row in rows})
        for name, query in (
            ("batches_unanswered", "SELECT count(*) FROM batch WHERE attempts > 0"),
            ("dead_letters", "SELECT count(*) FROM dead_letter"),
            ("commands", f"SELECT count(*) FROM command WHERE {_OPEN_COMMANDS}"),
        ):
            result[name] = self._db.execute(query).fetchone()[0]
        return result

    def dead_letters(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest dead letters: id, at (epoch seconds), kind, body, reason."""
        query = "SELECT * FROM dead_letter ORDER BY id DESC LIMIT ?"
        rows = self._db.execute(query, (limit,)).fetchall()
        return [{**dict(row), "body": json.loads(row["body"])} for row in rows]

    def get(self, key: str) -> str | None:
        """A remembered value."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,))
        found = row.fetchone()
        return found["value"] if found else None

    def _put(self, key: str, value: str) -> None:
        query = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"
        self._db.execute(query, (key, value))

    def put(self, key: str, value: str) -> None:
        """Remember a value."""
        with self._transaction():
            self._put(key, value)

    def _transaction(self):
        return _Transaction(self._db)


class _Transaction:
    """``BEGIN IMMEDIATE`` … ``COMMIT``, or ``ROLLBACK`` on an exception."""

    def __init__(self, db: sqlite3.Connection):
        self._db = db

    def __enter__(self):
        self._db.execute("BEGIN IMMEDIATE")

    def __exit__(self, kind, *_):
        if kind is None:
            self._db.execute("COMMIT")
        elif self._db.in_transaction:
            self._db.execute("ROLLBACK")
