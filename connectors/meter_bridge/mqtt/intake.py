"""From messages to the outbox: decoded, told from repetitions, committed together.

Runs in the thread that owns the outbox.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from meter_bridge.commands_store import CommandStore
from meter_bridge.mqtt.decoder import Decoder, Message, State
from meter_bridge.store import Letter, Poll


@dataclass
class Kept:
    """What a commit held: for the relays that wait to be seen, and for the counters."""

    messages: int
    polls: list[Poll] = field(default_factory=list)
    notes: list[tuple[str, str]] = field(default_factory=list)
    letters: list[Letter] = field(default_factory=list)
    unknown_topics: set[str] = field(default_factory=set)
    unclaimed: int = 0
    repeated: int = 0
    readings: int = 0

    @property
    def undecodable(self) -> int:
        """How many dead letters there are."""
        return len(self.letters)


class Trim:
    """What of a poll is this bridge's to store.

    Relay states only when it is the master. In a ``shared`` group readings come over
    one connection and relay states over another.
    """

    def __init__(self, lease, shared: bool):
        self._lease, self._shared = lease, shared

    def readings(self, poll: Poll) -> Poll:
        """A poll of the connection that readings come over."""
        if self._shared or not self._lease.may_take_commands:
            return replace(poll, relay=None)
        return poll

    def states(self, poll: Poll) -> Poll | None:
        """A poll of the connection for relay states alone."""
        if poll.relay is None or not self._lease.may_take_commands:
            return None
        return Poll(poll.serial, poll.time, relay=poll.relay)


class Recent:
    """Digests of the messages committed last: as many as a broker can repeat.

    A row a commit: ``number`` goes round ``slots``, so that the file does not grow.
    """

    def __init__(self, name: str, slots: int):
        self._prefix, self._slots = f"mqtt {name} ", slots
        self._number = 0
        self._commits: deque[frozenset[bytes]] = deque(maxlen=slots)

    def load(self, store: CommandStore) -> None:
        """Go on from what was committed before a restart."""
        rows = []
        for value in store.notes(self._prefix).values():
            number, _, text = value.partition(" ")
            told = bytes.fromhex(text)
            found = frozenset(told[at : at + 8] for at in range(0, len(told), 8))
            rows.append((int(number), found))
        rows.sort(key=lambda row: row[0])
        self._commits.extend(found for _, found in rows)
        self._number = rows[-1][0] + 1 if rows else 0

    def __contains__(self, digest: bytes) -> bool:
        return any(digest in commit for commit in self._commits)

    def note(self, digests: list[bytes]) -> tuple[str, str]:
        """The row that remembers ``digests``; :meth:`add` them when it is stored."""
        key = f"{self._prefix}{self._number % self._slots}"
        return key, f"{self._number} {b''.join(digests).hex()}"

    def add(self, digests: list[bytes]) -> None:
        """They are committed."""
        self._number += 1
        self._commits.append(frozenset(digests))


class Intake:
    """Keeps the messages of the broker ``name``, which repeats at most ``repeats``.

    ``trim`` says what of a poll is to be stored. With ``repeats`` 0 another intake
    keeps the same messages: then neither dead letters nor digests are kept.
    """

    def __init__(
        self,
        name: str,
        decoder: Decoder,
        repeats: int,
        trim: Callable[[Poll], Poll | None],
    ):
        self._decoder, self._trim, self._repeats = decoder, trim, repeats
        self._recent, self._loaded = Recent(name, repeats), False

    def keep(self, store: CommandStore, messages: list[Message]) -> Kept:
        """Commit ``messages`` in one transaction.

        Raises :class:`sqlite3.Error`; then nothing has changed, and it may be called
        again with the same messages.
        """
        if not self._loaded and self._repeats:
            self._recent.load(store)
        self._loaded = True
        kept, changes, digests = Kept(len(messages)), {}, []
        for message in messages:
            self._take(message, kept, changes, digests)
        if not self._repeats:
            digests, kept.letters = [], []
        polls = [poll for poll in map(self._trim, kept.polls) if poll]
        if polls or kept.letters or digests:
            note = self._recent.note(digests) if digests else ()
            kept.readings = store.add_polls(polls, kept.letters, note)
        if digests:
            self._recent.add(digests)
        self._decoder.states.update(changes)
        return kept

    def _take(
        self,
        message: Message,
        kept: Kept,
        changes: dict[str, State],
        digests: list[bytes],
    ) -> None:
        decoded = self._decoder.decode(message, changes)
        known = decoded.unique or message.dup
        if known and (decoded.digest in digests or decoded.digest in self._recent):
            kept.repeated += 1
            return
        if not decoded.claimed:
            kept.unclaimed += 1
            if not self._decoder.knows(message.topic):
                kept.unknown_topics.add(message.topic)
            return
        if message.qos or decoded.unique:
            digests.append(decoded.digest)
        kept.polls += decoded.polls
        kept.notes += decoded.notes
        kept.letters += decoded.letters
