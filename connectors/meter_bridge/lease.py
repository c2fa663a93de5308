"""Who is the master: of two bridges on the same meters, the one that the ERP names.

The ERP lends the lines to one instance for some seconds and renews it with each
question for commands. What follows from the ERP's word and its age:

- switching: only while the lease runs. It is counted from the moment the question
  was *sent*, so that it ends here before the ERP gives it to anybody else, and
  nothing is written in its last ``SAFE_S`` seconds.
- reading a line that takes several masters (a Modbus TCP gateway queues their
  requests): until the ERP names another. A bridge that has lost the ERP cannot know
  whether there is one, and two true readings do no harm. After a restart the last
  master asks first, and reads on only if the ERP does not answer.
- reading any other line, where two masters destroy each other's frames: only while
  the lease runs.
- taking over: only by the ERP's word.

A bridge without an instance name is alone and always the master.
"""

import json
import time
from typing import Any

import structlog

from meter_bridge import metrics

log = structlog.get_logger(__name__)
SAFE_S = 3.0


class Lease:
    """The ERP's word for this ``instance``; ``clock`` is steady, in seconds."""

    def __init__(self, instance: str | None = None, clock=time.monotonic):
        self.instance = instance
        self.holder = ""  # whom the ERP named last
        self.term = ""  # since when that one is, in the ERP's words
        self.resumed: str | None = None  # the term whose old commands were handed over
        self._clock, self._until = clock, 0.0
        self._mine = instance is None
        self._asked = False  # since the start, in vain or not
        metrics.HOLDER.set(self._mine)

    def remember(self, memory: str | None) -> None:
        """Go on from what :meth:`memory` said before a restart: it may have been the
        master, and read then; a lease it has not."""
        if memory and self.instance is not None:
            self._mine, self.holder, self.term = json.loads(memory)
            metrics.HOLDER.set(self._mine)

    def no_word(self) -> None:
        """The ERP was asked and did not answer."""
        self._asked = True

    def memory(self) -> str:
        """What is to be kept over a restart."""
        return json.dumps([self._mine, self.holder, self.term])

    def take(self, told: dict[str, Any] | None, asked: float) -> bool:
        """Take the ERP's word, asked for at ``asked`` on the steady clock.

        Returns whether the master changed. An answer without a word changes nothing.
        """
        if self.instance is None or not isinstance(told, dict):
            return False
        self._asked = True
        before = self._mine, self.term
        self.holder, self.term = str(told.get("holder")), str(told.get("since"))
        self._mine = self.holder == self.instance
        self._until = asked + float(told.get("seconds") or 0) if self._mine else 0.0
        if before == (self._mine, self.term):
            return False
        metrics.HOLDER.set(self._mine)
        log.warning("master" if self._mine else "stand_by", master=self.holder)
        return True

    @property
    def may_take_commands(self) -> bool:
        """Whether the ERP's commands are for this bridge."""
        return self.instance is None or self._clock() < self._until

    @property
    def may_switch(self) -> bool:
        """Whether a meter may be written now."""
        return self.instance is None or self._clock() < self._until - SAFE_S

    def may_read(self, several_masters: bool) -> bool:
        """Whether a line may be read now; ``several_masters``: it takes more."""
        if self.instance is None:
            return True
        if several_masters and self._mine and self._asked:
            return True
        return self._clock() < self._until

    def status(self) -> dict[str, Any]:
        """For ``/health``."""
        return {
            "instance": self.instance,
            "holder": self.holder or None,
            "seconds_left": round(max(self._until - self._clock(), 0)),
        }
