"""Noticing that the clock was set: readings are money by the hour.

Two comparisons: the wall clock against the steady one, once a second, and the wall
clock against the ERP's, with each answer to a batch.
"""

import time
from datetime import datetime

STEP_S = 2.0
ERP_STEP_S = 5.0


class ClockWatch:
    """Remembers how the clocks stood; all times in seconds."""

    def __init__(self, wall=time.time, steady=time.monotonic):
        self._wall, self._steady = wall, steady
        self._offset = wall() - steady()
        self.ahead_of_erp = 0.0  # as it was last said

    def step(self) -> float | None:
        """By how much the wall clock was set since the last call; None for less than
        ``STEP_S``. Positive: it was set forward."""
        offset = self._wall() - self._steady()
        by, self._offset = offset - self._offset, offset
        return by if abs(by) >= STEP_S else None

    def against_erp(self, server_time, asked: float, heard: float) -> float | None:
        """By how much this clock is ahead of the ERP's, when that is news.

        ``server_time`` is the ERP's RFC 3339 text or None, ``asked`` and ``heard``
        are this clock's epoch seconds around it. What the trip and the whole seconds
        of the text may explain is no difference. None when there is no news.
        """
        try:
            told = datetime.fromisoformat(server_time).timestamp()
        except (TypeError, ValueError):
            return None
        if heard < asked:
            return None  # set in between: step() says it
        ahead = 0.0
        if told + 1 < asked:
            ahead = asked - told
        elif told > heard:
            ahead = heard - told
        if abs(ahead - self.ahead_of_erp) < ERP_STEP_S:
            return None
        self.ahead_of_erp = ahead
        return ahead
