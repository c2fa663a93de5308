"""Whether a reading can be used: it is judged by its neighbours in time (VEE).

A reading that is newer than all others of its meter needs no query. One that is not (a
late one, or one of a meter that was moved since) is looked up: the installation at its
time, the readings before and after it there, and whether it is known already.
"""

from datetime import timedelta
from decimal import Decimal

from odoo.tools import SQL

from ..rating import Held, consumption
from .parse import decimal_or_none

FUTURE = timedelta(seconds=300)
LOOK_BACK = """
SELECT asked.meter_id, asked.at, same.register::text, installation.service_point_id,
       installation.date_from,
       CASE WHEN installation.opening_counts
            THEN COALESCE(installation.opening_register, 0)::text END,
       before.at, before.register::text, after.at, after.register::text
  FROM unnest(%s::int[], %s::timestamp[]) AS asked(meter_id, at)
  LEFT JOIN energy_reading same
         ON same.meter_id = asked.meter_id AND same.at = asked.at
  LEFT JOIN LATERAL (
    SELECT * FROM energy_meter_installation found
     WHERE found.meter_id = asked.meter_id AND found.date_from <= asked.at
       AND asked.at <= COALESCE(found.date_to, 'infinity')
     ORDER BY found.date_from DESC LIMIT 1) installation ON true
  LEFT JOIN LATERAL (
    SELECT reading.at, reading.register FROM energy_reading_used reading
     WHERE reading.meter_id = asked.meter_id AND reading.at < asked.at
       AND reading.at >= installation.date_from
     ORDER BY reading.at DESC LIMIT 1) before ON true
  LEFT JOIN LATERAL (
    SELECT reading.at, reading.register FROM energy_reading_used reading
     WHERE reading.meter_id = asked.meter_id AND reading.at > asked.at
       AND reading.at <= COALESCE(installation.date_to, 'infinity')
     ORDER BY reading.at LIMIT 1) after ON true
"""


class Place:
    """Where a reading would stand that is not the newest; registers are Decimal."""

    def __init__(self, stored, point_id, begin, opening, before, after):
        self.stored = stored
        self.point_id = point_id
        self.begin = begin
        self.before = before
        self.after = after
        if before is None and opening is not None:
            self.before = begin, opening


def look_back(env, moments):
    """Where readings stand, or would stand: (meter id, time) -> :class:`Place`.

    :param moments: (meter id, naive UTC time), each once.
    """
    if not moments:
        return {}
    meter_ids, times = zip(*sorted(moments), strict=True)
    found = {}
    for row in env.execute_query(SQL(LOOK_BACK, list(meter_ids), list(times))):
        meter_id, at, stored, point_id, begin, opening, *neighbours = row
        before_at, before, after_at, after = neighbours
        found[meter_id, at] = Place(
            decimal_or_none(stored),
            point_id,
            begin,
            decimal_or_none(opening),
            before_at and (before_at, Decimal(before)),
            after_at and (after_at, Decimal(after)),
        )
    return found


class Judge:
    """Judges the rows of one batch.

    :param dict meters: serial -> ``MeterState``.
    :param list rows: (index, serial, time, register).
    """

    def __init__(self, env, now, meters, rows):
        self.env = env
        self.now = now
        self.latest = now + FUTURE
        self.places = look_back(
            env,
            {
                (meter.meter_id, at)
                for _index, serial, at, _register in rows
                if (meter := meters.get(serial)) and not meter.follows(at)
            },
        )

    def known(self, meter, at):
        """The register that is stored, or was accepted, for this very moment."""
        if self.places:
            place = self.places.get((meter.meter_id, at))
            if place is not None and place.stored is not None:
                return place.stored
        return meter.taken.get(at)

    def judge(self, meter, at, register):
        """(reason, detail) why a new reading cannot be used; (None, None): use it.

        A reading that can be used is noted at its meter.
        """
        if at > self.latest:
            return "future", f"server time {self.now}"
        known = self.known(meter, at)
        if known is not None:
            return "conflict", f"stored: {known}"
        if meter.follows(at):
            return self._judge_newest(meter, at, register)
        return self._judge_late(meter, at, register)

    def _judge_newest(self, meter, at, register):
        before = meter.newest()
        if before is None or meter.max_kw or not before[1] <= register < meter.modulus:
            reason, detail = self._step(meter, before, (at, register))
            if reason:
                return reason, detail
        meter.accept(at, register)
        return None, None

    def _judge_late(self, meter, at, register):
        place = self.places[meter.meter_id, at]
        if place.point_id is None:
            reason = "before_installation" if meter.point_id else "not_installed"
            return reason, meter.installed and f"installed: {meter.installed}"
        if meter.late_rule == "hold":
            return "late", f"newest: {meter.newest_at}"
        before = place.before
        earlier = meter.late[-1] if meter.late else None
        if (
            earlier
            and earlier[0] >= place.begin
            and (not before or before[0] < earlier[0])
        ):
            before = earlier[:2]
        here = at, register
        for one, other in ((before, here), (here, place.after)):
            reason, detail = self._step(meter, one, other)
            if reason:
                return reason, detail
        meter.late.append((at, register, place.point_id, before and before[0]))
        meter.taken[at] = register
        return None, None

    @staticmethod
    def _step(meter, before, after):
        """(reason, detail) why consumption between two readings is not plausible."""
        if before is None or after is None:
            before = before or after
            after = after or before
        limit = None
        falls = after[1] < before[1]
        if meter.max_kw and (falls or meter.spike_rule == "hold"):
            seconds = int((after[0] - before[0]).total_seconds())
            limit = meter.max_kw * max(seconds, 60) / 3600
        try:
            consumption(before[1], after[1], meter.modulus, limit)
        except Held as held:
            if max(before[1], after[1]) >= meter.modulus:
                return "digits", held.reason
            if falls:  # in any language
                return "backwards", f"{before[1]} → {after[1]}"
            return "spike", held.reason
        return None, None
