"""What the readings of a period do not say: gaps, estimates, doubts.

A point is covered when a reading was taken at or before the period's begin and one
at or after its end, or the meter was removed with a closing register.
"""

from collections import defaultdict
from datetime import timedelta

from odoo.tools import SQL, format_datetime

from ..models.clock import local_day

TOLERANCE = timedelta(hours=1)
BOUNDS = """
SELECT want.id, (SELECT at FROM energy_reading WHERE meter_id = want.meter
                    AND at >= want.since AND at <= want.lo ORDER BY at DESC LIMIT 1),
       (SELECT at FROM energy_reading WHERE meter_id = want.meter
           AND at > want.lo AND at <= want.until ORDER BY at LIMIT 1),
       (SELECT at FROM energy_reading WHERE meter_id = want.meter
           AND at >= want.since AND at < want.hi ORDER BY at DESC LIMIT 1),
       (SELECT at FROM energy_reading WHERE meter_id = want.meter
           AND at >= want.hi AND at <= want.until ORDER BY at LIMIT 1)
  FROM unnest(%s::int[], %s::int[], %s::timestamp[], %s::timestamp[], %s::timestamp[],
              %s::timestamp[]) AS want(id, meter, since, lo, hi, until)
"""
ESTIMATED = """
SELECT want.id, before.at, reading.at, (reading.register - before.register)::text
  FROM unnest(%s::int[], %s::int[], %s::timestamp[], %s::timestamp[])
       AS want(id, meter, lo, hi)
  JOIN energy_reading_used reading
    ON reading.meter_id = want.meter AND reading.quality = 'estimated'
   AND reading.at > want.lo AND reading.at <= want.hi
 CROSS JOIN LATERAL (
    SELECT at, register FROM energy_reading_used earlier
     WHERE earlier.meter_id = want.meter AND earlier.at < reading.at
     ORDER BY at DESC LIMIT 1) before
 ORDER BY 1, 2
"""


class Coverage:
    """What is not known about service points in a period.

    :param recordset points: ``energy.service.point`` in sudo mode.
    :param datetime begin, end: naive UTC.

    ``gaps``: {point id: [text]}, consumption that no reading shows; ``estimates``: the
    same of spread consumption; ``doubts``: [text], readings that wait for somebody;
    ``metered``: the ids of points that had a meter at any time of the period.
    """

    def __init__(self, points, begin, end):
        self.env = points.env
        self.points = points
        self.begin, self.end = begin, end
        self.gaps = defaultdict(list)
        self.estimates = defaultdict(list)
        self.doubts = []
        self.env.flush_all()
        self.installations = self.env["energy.meter.installation"].search(
            [
                ("service_point_id", "in", points.ids),
                ("date_from", "<", end),
                "|",
                ("date_to", "=", False),
                ("date_to", ">", begin),
            ],
            order="service_point_id, date_from",
        )
        self.metered = set(self.installations.service_point_id.ids)
        self._find_gaps()
        self._find_estimates()
        self._find_doubts()

    def _spans(self):
        """(installation, from, to) within the period."""
        for one in self.installations:
            yield (
                one,
                max(one.date_from, self.begin),
                min(one.date_to or self.end, self.end),
            )

    def _find_gaps(self):
        columns = zip(
            *(
                (
                    one.id,
                    one.meter_id.id,
                    one.date_from,
                    lo,
                    hi,
                    one.date_to or "infinity",
                )
                for one, lo, hi in self._spans()
            ),
            strict=True,
        )
        query = SQL(BOUNDS, *(list(column) for column in columns))
        found = {}
        if self.installations:
            found = {row[0]: row[1:] for row in self.env.execute_query(query)}
        ends = {}
        for one, lo, hi in self._spans():
            point_id = one.service_point_id.id
            self._gap(point_id, ends.get(point_id, self.begin), lo, meter=False)
            self._gaps_of(one, lo, hi, *found[one.id])
            ends[point_id] = hi
        for point_id, last in ends.items():
            self._gap(point_id, last, self.end, meter=False)

    def _gaps_of(self, one, lo, hi, at_begin, first, last, at_end):
        """Note where an installation's readings leave the time from lo to hi open."""
        point_id = one.service_point_id.id
        opened = at_begin or (one.opening_counts and one.date_from <= lo)
        closed = at_end or (one.date_to and one.closing_register)
        if not (opened or first):
            self._gap(point_id, lo, hi)
            return
        if not opened:
            self._gap(point_id, lo, min(first, hi))
        if not closed:
            self._gap(point_id, max(last or lo, lo), hi)

    def _gap(self, point_id, since, until, meter=True):
        if until - since <= TOLERANCE:
            return
        span = self._range(since, until)
        text = (
            self.env._("no readings from %(since)s to %(until)s", **span)
            if meter
            else self.env._("no meter from %(since)s to %(until)s", **span)
        )
        self.gaps[point_id].append(text)

    def _range(self, since, until):
        return {
            "since": format_datetime(self.env, since, dt_format="short"),
            "until": format_datetime(self.env, until, dt_format="short"),
        }

    def _find_estimates(self):
        if not self.installations:
            return
        columns = zip(
            *((one.id, one.meter_id.id, lo, hi) for one, lo, hi in self._spans()),
            strict=True,
        )
        rows = self.env.execute_query(SQL(ESTIMATED, *map(list, columns)))
        for installation_id, since, until, quantity in rows:
            one = self.env["energy.meter.installation"].browse(installation_id)
            point = one.service_point_id
            self.estimates[point.id].append(
                self.env._(
                    "%(quantity)s %(unit)s spread from %(since)s to %(until)s",
                    quantity=quantity,
                    unit=point.tariff_id.register_uom_id.name,
                    **self._range(since, until),
                )
            )

    def _find_doubts(self):
        """Readings that somebody must decide on, and points to be rated again."""
        reviews = self.env["energy.reading.review"]._read_group(
            [
                ("state", "=", "pending"),
                ("meter_id", "in", self.installations.meter_id.ids),
                ("at", ">=", self.begin),
                ("at", "<=", self.end),
            ],
            ["meter_id"],
            ["__count"],
        )
        for meter, count in reviews:
            self.doubts.append(
                self.env._(
                    "%(meter)s: %(count)s held readings wait for a decision.",
                    meter=meter.serial,
                    count=count,
                )
            )
        tasks = self.env["energy.rerating.task"].search(
            [
                ("service_point_id", "in", self.points.ids),
                ("day_from", "<=", self.end.date()),
            ]
        )
        last = self.end - timedelta(seconds=1)
        tasks = tasks.filtered(  # days by the clock of the tariff
            lambda task: (
                task.day_from <= local_day(task.service_point_id.tariff_id.tz, last)
            )
        )
        for point in tasks.service_point_id:
            self.doubts.append(self.env._("%s waits to be rated again.", point.name))
