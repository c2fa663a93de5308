"""The outbox file's batches: ranges of rows that travel under one uid.

A batch is the range ``first_id`` … ``last_id`` of the rows. New rows get ever higher
ids and new batches begin behind the last one, so that making, reading and deleting
a batch touches one stretch of the file, however long the backlog is.
"""

import json
import sqlite3
import uuid
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from meter_bridge.store import Poll, Store

# a batch put aside until later than this was put aside by a clock that was wrong
ASIDE_AT_MOST_S = 3600
_OPEN_COMMANDS = "state IN ('received', 'sending', 'sent')"


@dataclass(frozen=True)
class Batch:
    """Rows that travel under one uid until the ERP answered, as JSON texts by kind."""

    uid: str
    texts: dict[str, list[str]] = field(repr=False)
    attempts: int = 0

    def __len__(self) -> int:
        return sum(map(len, self.texts.values()))

    def json(self, sent_at: str) -> str:
        """The batch in the protocol's shape; ``sent_at`` in RFC 3339.

        The rows are JSON already: they are joined, not built anew.
        """
        parts = [f'{{"uid":"{self.uid}","sent_at":"{sent_at}"']
        names = {"reading": "readings", "telemetry": "telemetry", "event": "events"}
        for kind, name in names.items():
            if self.texts[kind] or kind == "reading":
                parts.append(f'"{name}":[{",".join(self.texts[kind])}]')
        return ",".join(parts) + "}"

    def _parsed(self, kind: str) -> list:
        return [json.loads(text) for text in self.texts[kind]]

    @cached_property
    def readings(self) -> list:
        """The readings, parsed."""
        return self._parsed("reading")

    @cached_property
    def telemetry(self) -> list:
        """The telemetry, parsed."""
        return self._parsed("telemetry")

    @cached_property
    def events(self) -> list:
        """The events, parsed."""
        return self._parsed("event")


class BatchStore(Store):
    """:class:`Store` with its batches and dead letters."""

    def next_batch(self, limit: int, now: float) -> Batch | None:
        """The oldest batch that may be sent at ``now``, or a new one of the backlog.

        A batch keeps its uid and its rows until the ERP answered it.
        """
        with self._transaction():
            row = self._db.execute(
                "SELECT uid FROM batch WHERE not_before <= ? OR not_before > ? "
                "ORDER BY first_id LIMIT 1",
                (now, now + ASIDE_AT_MOST_S),
            ).fetchone()
            uid = row["uid"] if row else self._new_batch(limit, now)
            return self._load(uid) if uid else None

    def _new_batch(self, limit: int, now: float) -> str | None:
        first, last = self._db.execute(
            "SELECT min(id), max(id) FROM (SELECT id FROM item WHERE id > "
            "(SELECT coalesce(max(last_id), 0) FROM batch) ORDER BY id LIMIT ?)",
            (limit,),
        ).fetchone()
        return None if first is None else self._insert_batch(first, last, now)

    def _insert_batch(self, first: int, last: int, now: float) -> str:
        uid = uuid.uuid4().hex
        query = "INSERT INTO batch (uid, first_id, last_id, created) VALUES (?,?,?,?)"
        self._db.execute(query, (uid, first, last, now))
        return uid

    def _rows(self, uid: str) -> Iterator[sqlite3.Row]:
        query = "SELECT first_id, last_id FROM batch WHERE uid = ?"
        span = self._db.execute(query, (uid,)).fetchone()
        query = "SELECT id, kind, body FROM item WHERE id BETWEEN ? AND ? ORDER BY id"
        return self._db.execute(query, tuple(span))

    def _load(self, uid: str) -> Batch:
        texts: dict[str, list[str]] = {"reading": [], "telemetry": [], "event": []}
        for row in self._rows(uid):
            texts[row["kind"]].append(row["body"])
        query = "SELECT attempts FROM batch WHERE uid = ?"
        return Batch(uid, texts, self._db.execute(query, (uid,)).fetchone()[0])

    def confirm(self, uid: str, rejected: Iterable[tuple[int, str]], now: float):
        """The ERP answered batch ``uid``: rejected readings go to the dead letters,
        everything else of the batch is deleted."""
        rejected = list(rejected)
        with self._transaction():
            if rejected:
                rows = [row for row in self._rows(uid) if row["kind"] == "reading"]
                for index, reason in rejected:
                    if 0 <= index < len(rows):
                        self._bury(rows[index], reason, now)
            self._drop(uid)
            self._put("last_success", str(now))

    def _bury(self, row, reason: str, now: float) -> None:
        self._letter(int(now), row["kind"], row["body"], reason)

    def _drop(self, uid: str) -> None:
        self._db.execute(
            "DELETE FROM item WHERE id BETWEEN "
            "(SELECT first_id FROM batch WHERE uid = ?) AND "
            "(SELECT last_id FROM batch WHERE uid = ?)",
            (uid, uid),
        )
        self._db.execute("DELETE FROM batch WHERE uid = ?", (uid,))

    def postpone(self, uid: str, error: str, not_before: float) -> None:
        """Batch ``uid`` was not answered: it stays, with its uid, for later."""
        with self._transaction():
            self._db.execute(
                "UPDATE batch SET attempts = attempts + 1, error = ?, not_before = ? "
                "WHERE uid = ?",
                (error, not_before, uid),
            )

    def split(self, uid: str, now: float) -> bool:
        """Halve batch ``uid``, which is too much at once for the ERP.

        The halves get uids of their own; whatever the ERP may have stored of the
        whole, it counts as duplicates. False when there is nothing to halve.
        """
        with self._transaction():
            ids = [row["id"] for row in self._rows(uid)]
            if len(ids) < 2:
                return False
            self._halve(uid, ids, now)
            return True

    def refuse(self, uid: str, reason: str, now: float, wait: float) -> str:
        """The ERP refused batch ``uid`` as a whole (nothing of it was stored).

        Halves the batch to find the row that it refuses. A single refused row goes
        to the dead letters only when the ERP accepted something since the row was
        first refused, otherwise it waits ``wait`` seconds: an ERP that refuses
        everything empties nothing. Returns ``split``, ``buried`` or ``waiting``.
        """
        with self._transaction():
            rows = self._rows(uid).fetchall()
            if len(rows) > 1:
                self._halve(uid, [row["id"] for row in rows], now)
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

    def _halve(self, uid: str, ids: list[int], now: float) -> None:
        middle = len(ids) // 2
        self._db.execute("DELETE FROM batch WHERE uid = ?", (uid,))
        self._insert_batch(ids[0], ids[middle - 1], now)
        self._insert_batch(ids[middle], ids[-1], now)

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

    def oldest(self) -> int | None:
        """When the oldest waiting reading was taken, in epoch seconds UTC."""
        query = "SELECT body FROM item WHERE kind = 'reading' ORDER BY id LIMIT 1"
        row = self._db.execute(query).fetchone()
        return int(json.loads(row["body"])[1]) if row else None

    def dead_letters(self, limit: int = 100) -> list[dict[str, Any]]:
        """The newest dead letters: id, at (epoch seconds), kind, body, reason."""
        query = "SELECT * FROM dead_letter ORDER BY id DESC LIMIT ?"
        rows = self._db.execute(query, (limit,)).fetchall()
        return [{**dict(row), "body": json.loads(row["body"])} for row in rows]

    def revive(self, letter_id: int, polls: Iterable[Poll]) -> None:
        """Keep what a dead letter turned out to say, in its place."""
        with self._transaction():
            for poll in polls:
                self._poll(poll)
            self._db.execute("DELETE FROM dead_letter WHERE id = ?", (letter_id,))

    def retry(self, ids: Iterable[int] | None = None) -> int:
        """Put rows that the ERP rejected (all when ``ids`` is None) back into the
        outbox, behind what waits there. Returns how many."""
        query, marks = "SELECT id, kind, body FROM dead_letter WHERE kind <> 'mqtt'", ()
        if ids is not None:
            marks = tuple(ids)
            query += f" AND id IN ({','.join('?' * len(marks))})"
        with self._transaction():
            rows = self._db.execute(f"{query} ORDER BY id", marks).fetchall()
            for row in rows:
                self._db.execute(
                    "INSERT INTO item (kind, body) VALUES (?, ?)",
                    (row["kind"], row["body"]),
                )
                self._db.execute("DELETE FROM dead_letter WHERE id = ?", (row["id"],))
        return len(rows)
