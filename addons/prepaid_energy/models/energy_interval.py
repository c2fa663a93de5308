from collections import defaultdict
from datetime import timedelta
from decimal import Decimal

from odoo import api, fields, models
from odoo.tools import SQL

from ..ingest.hours import Hours, hour_start
from .energy_tariff import COMMODITIES
from .patience import patiently

BATCH = 100  # service points in a transaction …
SPAN = timedelta(days=7)  # … and how much of each
GAP = 2  # hours
TARIFF_DAY = timedelta(hours=26)  # at the longest, as ingest/hours.py has it
DUE = """
SELECT point.id, site.tz,
       CASE WHEN mark.at IS NOT NULL THEN LEAST(mark.at, again.since) END, newest.at
  FROM energy_service_point point
  JOIN energy_site site ON site.id = point.site_id
 CROSS JOIN LATERAL (
    SELECT max(LEAST(meter.last_reading_at, installation.date_to))
             FILTER (WHERE meter.last_reading_at >= installation.date_from) AS at
      FROM energy_meter_installation installation
      JOIN energy_meter meter ON meter.id = installation.meter_id
     WHERE installation.service_point_id = point.id) newest
  LEFT JOIN energy_interval_mark mark ON mark.service_point_id = point.id
  LEFT JOIN (SELECT service_point_id, min(since) AS since
               FROM energy_interval_again GROUP BY 1) again
         ON again.service_point_id = point.id
 WHERE (newest.at > COALESCE(mark.at, '-infinity') OR again.since IS NOT NULL)
"""
BEGIN = """
SELECT installation.service_point_id,
       min(CASE WHEN installation.opening_counts THEN installation.date_from
                ELSE first.at END)
  FROM energy_meter_installation installation
 CROSS JOIN LATERAL (
    SELECT min(reading.at) AS at FROM energy_reading reading
     WHERE reading.meter_id = installation.meter_id
       AND reading.at >= installation.date_from) first
 WHERE installation.service_point_id = ANY(%s) AND first.at IS NOT NULL
 GROUP BY 1
"""


class EnergyInterval(models.Model):
    """What a service point consumed in an hour, and how well that is known.

    Made from the readings that are used, by ``ingest/hours.py``; the readings and the
    usage stay what money is made of. An hour begins where the clock of the site shows a
    full hour. Each service point has a mark, the reading up to which its hours are
    made; what is decided or comes in late orders hours to be made again
    (:meth:`_again`). Both are tables of their own, so that a batch of readings, which
    writes neither in the common case, never waits for the hours.
    """

    _name = "energy.interval"
    _description = "Hourly Consumption"
    _order = "at desc, service_point_id"
    _log_access = False
    _rec_name = "at"

    service_point_id = fields.Many2one(
        "energy.service.point", required=True, readonly=True, ondelete="cascade"
    )
    site_id = fields.Many2one("energy.site", readonly=True, ondelete="restrict")
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, ondelete="restrict"
    )
    wallet_id = fields.Many2one(
        "energy.wallet",
        readonly=True,
        index="btree_not_null",
        ondelete="restrict",
        help="Whose consumption it was when the hour began.",
    )
    tariff_id = fields.Many2one("energy.tariff", readonly=True, ondelete="restrict")
    currency_id = fields.Many2one("res.currency", readonly=True, ondelete="restrict")
    commodity = fields.Selection(COMMODITIES, readonly=True)
    at = fields.Datetime("Hour", required=True, readonly=True)
    day = fields.Date(readonly=True, help="By the clock of the site.")
    hour = fields.Integer(
        "Hour of the Day",
        readonly=True,
        aggregator=None,
        help="By the clock of the site, 0 to 23.",
    )
    weekday = fields.Integer(readonly=True, aggregator=None, help="0 is Monday.")
    energy = fields.Float(
        "Consumption",
        digits=(18, 3),
        readonly=True,
        help="In what the meter counts: kWh of electricity. Spread evenly between two "
        "readings.",
    )
    covered = fields.Integer(
        "Seconds Known",
        readonly=True,
        help="How much of the hour lies between readings that are close enough to each "
        "other. Less than 3600: data is missing, or the hour is not over.",
    )
    band = fields.Char(readonly=True, help="Of the tariff, when the hour begins.")
    amount = fields.Monetary(
        "Amount With Levies",
        readonly=True,
        help="Its share of what the energy of the day cost in this band.",
    )

    _point_at_uniq = models.UniqueIndex("(service_point_id, at)")
    _at_brin = models.Index("USING brin (at)")
    _site_day = models.Index("(site_id, day)")

    def init(self):
        """Make the two tables that say what is to be done; no form ever shows them."""
        self.env.cr.execute(
            """
            CREATE TABLE IF NOT EXISTS energy_interval_mark (
                service_point_id integer PRIMARY KEY,
                at timestamp NOT NULL
            );
            CREATE TABLE IF NOT EXISTS energy_interval_again (
                id bigserial PRIMARY KEY,
                service_point_id integer NOT NULL,
                since timestamp NOT NULL
            )
            """
        )

    @api.model
    def _again(self, spans):
        """Order hours to be made again, by the next run.

        Only adds rows, so it never waits for a run that is working.

        :param dict spans: service point id -> naive UTC moment from which on.
        """
        if spans:
            self.env.cr.execute(
                SQL(
                    "INSERT INTO energy_interval_again (service_point_id, since) "
                    "SELECT * FROM unnest(%s::int[], %s::timestamp[])",
                    list(spans),
                    list(spans.values()),
                )
            )

    @api.model
    def _cron_roll_up(self):
        """Make the hours that the readings which came in since the last run tell."""
        cron = self.env["ir.cron"]
        while True:
            done = patiently(self.env, self._roll_up_batch)
            remaining = self._count_due() if done else 0
            left = cron._commit_progress(done, remaining=remaining)
            if not remaining or not left:
                return

    @api.model
    def _roll_up(self, points=None):
        """Make the missing hours now, in the running transaction.

        :param recordset points: service points; None: all.
        """
        while self._roll_up_batch(points):
            pass

    def _roll_up_batch(self, points=None):
        """Make up to a span of hours of some points.

        :return: how many points there were something to do for.
        """
        self.env.flush_all()
        due = self.env.execute_query(
            SQL("%s %s ORDER BY point.id LIMIT %s", SQL(DUE), _only(points), BATCH)
        )
        if due:
            self._make(due)
        return len(due)

    def _make(self, due):
        """Make hours and move the marks.

        :param list due: rows of ``DUE``.
        """
        ids = [row[0] for row in due]
        begins = dict(self.env.execute_query(SQL(BEGIN, ids)))
        kept = self._kept_from()
        wanted, marks = [], {}
        for point_id, tz, since, newest in due:
            if newest is None or point_id not in begins:
                continue
            since = hour_start(tz, max(filter(None, (since, begins[point_id], kept))))
            until = hour_start(tz, since + SPAN)
            until = None if until >= newest else until
            wanted.append((point_id, tz, since, until))
            marks[point_id] = until or newest
        if wanted:
            # sudo: written by the system, whoever asks for it
            Hours(self.sudo().env, wanted, GAP).store()
            # with the last hour of a day, what its first ones cost changes as well
            spans = [(row[0], row[2] - TARIFF_DAY, row[3]) for row in wanted]
            self.env["energy.loss"]._make(spans)
        self._move_marks(ids, marks)

    def _kept_from(self):
        """From when on all readings that make hours are stored; None: always.

        Older hours stay as they are. The day after the drop is old as well: what opens
        its first hour may have been dropped.
        """
        kept = self.env["energy.reading"]._kept_since()
        return kept and fields.Datetime.to_datetime(kept) + timedelta(days=1)

    def _move_marks(self, ids, marks):
        """Note how far hours are made, and that their orders are done.

        An order that another transaction adds meanwhile is not seen, and stays.
        """
        self.env.cr.execute(
            SQL(
                "DELETE FROM energy_interval_again WHERE service_point_id = ANY(%s)",
                ids,
            )
        )
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO energy_interval_mark (service_point_id, at)
                SELECT * FROM unnest(%s::int[], %s::timestamp[])
                    ON CONFLICT (service_point_id) DO UPDATE SET at = EXCLUDED.at
                """,
                list(marks),
                list(marks.values()),
            )
        )

    def _count_due(self):
        query = SQL("SELECT count(*) FROM (%s) due", SQL(DUE))
        return self.env.execute_query(query)[0][0]

    @api.model
    def _series(self, points, start, end):
        """The hours that begin in start ≤ time < end.

        Raw SQL: the caller has checked that the user may read the points.

        :param recordset points: ``energy.service.point``.
        :param datetime start, end: naive UTC.
        :return: dict point id -> list of (begin as naive UTC, Decimal energy, seconds
            that are known), in order of time. An hour without data is not there.
        """
        result = {point_id: [] for point_id in points.ids}
        for point_id, at, energy, covered in self.env.execute_query(
            SQL(
                """
                SELECT service_point_id, at, energy::text, covered FROM energy_interval
                 WHERE service_point_id = ANY(%s) AND at >= %s AND at < %s
                 ORDER BY service_point_id, at
                """,
                points.ids,
                start,
                end,
            )
        ):
            result[point_id].append((at, Decimal(energy), covered))
        return result

    @api.model
    def _energy(self, points, start, end):
        """The consumption of a time, hours at its borders in proportion.

        Raw SQL: the caller has checked that the user may read the points.

        :param recordset points: ``energy.service.point``.
        :param datetime start, end: naive UTC.
        :return: dict point id -> (Decimal energy, seconds that are known).
        """
        result = defaultdict(lambda: [Decimal(0), 0])
        hour = timedelta(hours=1)
        early = start - hour + timedelta(seconds=1)
        for point_id, rows in self._series(points, early, end).items():
            sums = result[point_id]
            for at, energy, covered in rows:
                inside = min(end, at + hour) - max(start, at)
                if inside < hour:
                    share = int(inside.total_seconds())
                    energy = energy * share / 3600
                    covered = covered * share // 3600
                sums[0] += energy
                sums[1] += covered
        return {point_id: tuple(sums) for point_id, sums in result.items()}


def _only(points):
    return SQL("") if points is None else SQL("AND point.id = ANY(%s)", points.ids)
