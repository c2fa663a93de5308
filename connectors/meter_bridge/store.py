"""The outbox file: what the bridge owes the ERP, and what it was told to do.

Synchronous SQLite code for one thread; :mod:`outbox` gives it that thread. WAL with
``synchronous=FULL``: what a method returned from has reached the disk.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS item (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL CHECK (kind IN ('reading', 'telemetry', 'event')),
    body TEXT NOT NULL
);
CREATE TABLE IF NOT EXISTS batch (
    uid TEXT PRIMARY KEY,
    first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL,
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
    last_time INTEGER NOT NULL DEFAULT 0,
    load_limit_kw TEXT,
    limit_generation INTEGER NOT NULL DEFAULT 0
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
# after the clock was set back by less, a meter's time stands still for so long
HOLD_S = 60
ROWS_MOST = 512  # in one statement
_text = json.JSONEncoder(separators=(",", ":")).encode


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
    """What one poll of a meter brought; ``time`` in whole epoch seconds UTC.

    ``by_meter``: the meter's clock gave the time, not the bridge's.
    """

    serial: str
    time: int
    register: str | None = None
    telemetry: dict[str, float] | None = None
    relay: str | None = None
    load_limit_kw: str | None = None
    events: list[dict[str, Any]] = field(default_factory=list)
    by_meter: bool = False


@dataclass(slots=True)
class Seen:
    """What is known of a meter, as its row in the file has it."""

    relay: str = "unknown"
    last_time: int = 0
    load_limit_kw: str | None = None


Letter = tuple[int, str, str, str]  # at (epoch seconds), kind, body as JSON, reason
Note = tuple[str, str] | tuple[()]


class Store:
    """The outbox file; every public method is one transaction.

    The meters' rows are looked up once and then kept in memory. New items and changed
    meters are collected and written with few statements before the commit.
    """

    def __init__(self, path: Path, read_only: bool = False):
        """Open or create ``path``; raises :class:`sqlite3.Error`."""
        where = f"{path.absolute().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._db = sqlite3.connect(where, uri=True, isolation_level=None, timeout=10)
        self._db.row_factory = sqlite3.Row
        self._seen: dict[str, Seen] = {}
        self._version = 0  # changes when another program has written
        self._items: list[tuple[str, str]] = []  # kind, body: not yet written
        self._changed: set[str] = set()  # meters whose row is not yet written
        if read_only:
            return
        self._db.execute("PRAGMA journal_mode=WAL")
        self._db.execute("PRAGMA synchronous=FULL")
        _from_older_version(self._db)
        self._db.executescript(SCHEMA)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    # -- what the meters say ----------------------------------------------------
    def add_poll(self, poll: Poll) -> bool:
        """Keep a poll's reading, telemetry, events and relay state.

        A meter has at most one reading a second: a second one in the same second
        is not stored (its energy is in the next one), nor one that is dated up to
        ``HOLD_S`` before the last. One dated further back, after the clock was set
        back, is stored with the flag ``clock_step``. Returns whether it was stored.
        """
        return self.add_polls([poll]) > 0

    def add_polls(
        self, polls: Iterable[Poll], letters: Iterable[Letter] = (), note: Note = ()
    ) -> int:
        """Keep several polls, together with dead letters and a value to be remembered
        ``(key, value)``; returns how many readings were stored."""
        with self._transaction():
            for letter in letters:
                self._letter(*letter)
            if note:
                self._put(*note)
            return sum([self._poll(poll) for poll in polls])

    def _poll(self, poll: Poll) -> bool:
        meter = self._meter(poll.serial)
        stored = poll.register is not None and self._reading(poll, meter)
        if poll.telemetry:
            self._item("telemetry", [poll.serial, poll.time, poll.telemetry])
        for event in poll.events:
            self._event(poll.serial, poll.time, **event)
        if poll.relay:
            self._observe(poll.serial, poll.relay, poll.time)
        if poll.load_limit_kw is not None:
            self._limit(poll.serial, poll.load_limit_kw)
        return stored

    def _reading(self, poll: Poll, meter: Seen) -> bool:
        last = meter.last_time
        if 0 <= last - poll.time <= (0 if poll.by_meter else HOLD_S):
            return False
        row, newest = [poll.serial, poll.time, poll.register], poll.time
        if poll.time < last and poll.by_meter:
            newest = last  # it came late
        elif poll.time < last:
            row.append(["clock_step"])
        meter.last_time = newest
        self._changed.add(poll.serial)
        self._item("reading", row)
        return True

    def _letter(self, at: int, kind: str, body: str, reason: str) -> None:
        self._db.execute(
            "INSERT INTO dead_letter (at, kind, body, reason) VALUES (?, ?, ?, ?)",
            (at, kind, body, reason),
        )

    def _item(self, kind: str, body: Any) -> None:
        self._items.append((kind, _text(body)))

    def add_event(self, time: int, kind: str, data: dict[str, Any]) -> None:
        """Keep an event of the bridge itself; ``time`` in epoch seconds UTC."""
        with self._transaction():
            self._event("", time, kind, data)

    def _event(self, serial: str, time: int, kind: str, data: dict) -> None:
        event = {
            "uid": uuid.uuid4().hex,
            "meter_serial": serial,
            "time": time,
            "kind": kind,
            "data": data,
        }
        self._item("event", event)

    def _meter(self, serial: str) -> Seen:
        meter = self._seen.get(serial)
        if meter is None:
            query = "SELECT relay, last_time, load_limit_kw FROM meter WHERE serial = ?"
            row = self._db.execute(query, (serial,)).fetchone()
            meter = self._seen[serial] = Seen(*row) if row else Seen()
            if not row:
                self._changed.add(serial)
        return meter

    def _limit(self, serial: str, kw: str) -> None:
        self._meter(serial).load_limit_kw = kw
        self._changed.add(serial)

    def _observe(self, serial: str, state: str, time: int) -> None:
        meter = self._meter(serial)
        before = meter.relay
        if state == before or state == "unknown":
            return
        meter.relay = state
        self._changed.add(serial)
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

    # -- what is remembered -----------------------------------------------------
    def get(self, key: str) -> str | None:
        """A remembered value."""
        row = self._db.execute("SELECT value FROM meta WHERE key = ?", (key,))
        found = row.fetchone()
        return found["value"] if found else None

    def notes(self, prefix: str) -> dict[str, str]:
        """The remembered values whose keys begin with ``prefix``."""
        query = "SELECT key, value FROM meta WHERE substr(key, 1, ?) = ?"
        return dict(map(tuple, self._db.execute(query, (len(prefix), prefix))))

    def _put(self, key: str, value: str) -> None:
        query = "INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)"
        self._db.execute(query, (key, value))

    def put(self, key: str, value: str) -> None:
        """Remember a value."""
        with self._transaction():
            self._put(key, value)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """``BEGIN IMMEDIATE`` … ``COMMIT``, or ``ROLLBACK`` on an exception."""
        self._db.execute("BEGIN IMMEDIATE")
        try:
            self._look_again()
            yield
            self._write()
            self._db.execute("COMMIT")
        except BaseException:
            self._seen.clear()  # it may be ahead of the file
            raise
        finally:  # also when there was no room for the COMMIT
            self._items, self._changed = [], set()
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")

    def _look_again(self) -> None:
        """Forget what is known of the meters if another program has written."""
        (version,) = self._db.execute("PRAGMA data_version").fetchone()
        if version != self._version:
            self._version = version
            self._seen.clear()

    def _write(self) -> None:
        """Write what was collected."""
        self._insert("INSERT INTO item (kind, body)", self._items)
        if self._changed:
            names = [(serial, self._seen[serial]) for serial in self._changed]
            self._insert(
                "INSERT INTO meter (serial, relay, last_time, load_limit_kw)",
                [(s, m.relay, m.last_time, m.load_limit_kw) for s, m in names],
                "ON CONFLICT (serial) DO UPDATE SET relay = excluded.relay, "
                "last_time = excluded.last_time, "
                "load_limit_kw = excluded.load_limit_kw",
            )
            self._changed.clear()
        self._items.clear()

    def _insert(self, head: str, rows: list[tuple], tail: str = "") -> None:
        """Insert ``rows`` with few statements: the event loop runs during each.

        Their sizes are powers of two, so that SQLite need not parse them anew.
        """
        at = 0
        while at < len(rows):
            count = min(1 << (len(rows) - at).bit_length() - 1, ROWS_MOST)
            part, at = rows[at : at + count], at + count
            marks = f"({','.join('?' * len(part[0]))})"
            query = f"{head} VALUES {','.join([marks] * count)} {tail}"
            self._db.execute(query, [value for row in part for value in row])


def _from_older_version(db: sqlite3.Connection) -> None:
    """Bring the tables of an older bridge to today's shape; nothing is lost."""

    def columns(table: str) -> set[str]:
        return {row["name"] for row in db.execute(f"PRAGMA table_info({table})")}

    if "batch" in columns("item"):  # a batch was named in each of its rows
        db.executescript(
            f"""
            BEGIN IMMEDIATE;
            ALTER TABLE batch RENAME TO old_batch;
            {SCHEMA}
            INSERT INTO batch
                SELECT uid, min(id), max(id), created, not_before, attempts, error
                  FROM old_batch JOIN item ON item.batch = uid GROUP BY uid;
            DROP TABLE old_batch;
            DROP INDEX item_batch;
            ALTER TABLE item DROP COLUMN batch;
            COMMIT;
            """
        )
    for name, kind in (
        ("load_limit_kw", "TEXT"),
        ("limit_generation", "INTEGER NOT NULL DEFAULT 0"),
    ):
        if columns("meter") and name not in columns("meter"):
            db.execute(f"ALTER TABLE meter ADD COLUMN {name} {kind}")
