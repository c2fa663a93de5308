from odoo import api, fields, models
from odoo.tools import SQL

from .energy_tariff import COMMODITIES

# The sub-meters of a feeder are the nearest metered points below it. One that had its
# meter before the hour ended, and has it still, must have data for the hour. Before a
# point had its meter, those below it were the nearest: they are asked until then.
WRITE = """
WITH RECURSIVE want AS MATERIALIZED (
    SELECT feeder_id, since, until
      FROM unnest(%(feeders)s::int[], %(since)s::timestamp[], %(until)s::timestamp[])
           AS want(feeder_id, since, until)
), metered AS MATERIALIZED (
    SELECT point.id, min(installation.date_from) AS since,
           CASE WHEN point.active THEN 'infinity'::timestamp
                ELSE max(COALESCE(installation.date_to, 'infinity')) END AS until
      FROM energy_meter_installation installation
      JOIN energy_service_point point ON point.id = installation.service_point_id
     GROUP BY point.id
), sub AS (
    SELECT want.feeder_id, want.since AS begin, child.id, child.commodity,
           metered.since, metered.until, 'infinity'::timestamp AS bound
      FROM want
      JOIN energy_service_point feeder ON feeder.id = want.feeder_id
      JOIN energy_service_point child ON child.parent_id = feeder.id
       AND child.commodity = feeder.commodity
      LEFT JOIN metered ON metered.id = child.id
     UNION ALL
    SELECT sub.feeder_id, sub.begin, child.id, child.commodity, metered.since,
           metered.until, LEAST(sub.bound, sub.since)
      FROM sub
      JOIN energy_service_point child ON child.parent_id = sub.id
       AND child.commodity = sub.commodity
      LEFT JOIN metered ON metered.id = child.id
     WHERE sub.since IS NULL OR sub.since > sub.begin
), meter AS MATERIALIZED (
    SELECT feeder_id, id, since, LEAST(until, bound) AS until, bound FROM sub
     WHERE since IS NOT NULL AND since < bound
), part AS MATERIALIZED (
    SELECT want.feeder_id, hour.at, sum(hour.energy) AS energy,
           count(*) FILTER (WHERE hour.covered >= 3600) AS known
      FROM want
      JOIN meter USING (feeder_id)
      JOIN energy_interval hour ON hour.service_point_id = meter.id
       AND hour.at >= want.since AND hour.at < LEAST(want.until, meter.bound)
     GROUP BY 1, 2
), hour AS (
    SELECT feeder.*, part.energy AS sub_energy, due.count AS due,
           due.count - LEAST(due.count, COALESCE(part.known, 0))
             + CASE WHEN feeder.covered < 3600 THEN 1 ELSE 0 END AS missing
      FROM want
      JOIN energy_interval feeder ON feeder.service_point_id = want.feeder_id
       AND feeder.at >= want.since AND feeder.at < want.until
       AND feeder.at + interval '1 hour' <= %(now)s
     CROSS JOIN LATERAL (
        SELECT count(*) FROM meter
         WHERE meter.feeder_id = want.feeder_id
           AND meter.since < feeder.at + interval '1 hour'
           AND meter.until > feeder.at) due
      LEFT JOIN part ON part.feeder_id = want.feeder_id AND part.at = feeder.at
     WHERE due.count > 0
), balance AS MATERIALIZED (
    SELECT hour.*, hour.energy - hour.sub_energy AS loss,
           COALESCE(point.loss_fixed, 0)
             + COALESCE(point.loss_percent, 0) * hour.energy / 100
             + COALESCE(point.loss_load, 0) * (hour.energy / 100) * (hour.energy / 100)
               AS expected,
           COALESCE(hour.amount / NULLIF(hour.energy, 0), 0) AS price,
           hour.missing = 0 AS known
      FROM hour JOIN energy_service_point point ON point.id = hour.service_point_id
), gone AS (
    DELETE FROM energy_loss old USING want
     WHERE old.service_point_id = want.feeder_id
       AND old.at >= want.since AND old.at < want.until
       AND NOT EXISTS (SELECT FROM balance
            WHERE balance.service_point_id = old.service_point_id
              AND balance.at = old.at)
)
INSERT INTO energy_loss (service_point_id, site_id, company_id, currency_id, commodity,
       at, day, hour, weekday, hours, known, missing, sub_count, measured, submetered,
       loss, expected, unexplained, amount, left_out, percent, unexplained_percent,
       coverage)
SELECT service_point_id, site_id, company_id, currency_id, commodity, at, day, hour,
       weekday, 1, known::int, missing, due,
       CASE WHEN known THEN energy ELSE 0 END,
       CASE WHEN known THEN sub_energy ELSE 0 END,
       CASE WHEN known THEN loss ELSE 0 END,
       CASE WHEN known THEN trim_scale(expected) ELSE 0 END,
       CASE WHEN known THEN trim_scale(loss - expected) ELSE 0 END,
       CASE WHEN known THEN round((loss - expected) * price, 6) ELSE 0 END,
       CASE WHEN known THEN 0 ELSE energy END,
       CASE WHEN known THEN round(100 * loss / NULLIF(energy, 0), 6) END,
       CASE WHEN known THEN round(100 * (loss - expected) / NULLIF(energy, 0), 6) END,
       100 * known::int
  FROM balance ORDER BY service_point_id, at
    ON CONFLICT (service_point_id, at) DO UPDATE
   SET day = EXCLUDED.day, hour = EXCLUDED.hour, weekday = EXCLUDED.weekday,
       known = EXCLUDED.known, missing = EXCLUDED.missing,
       sub_count = EXCLUDED.sub_count, measured = EXCLUDED.measured,
       submetered = EXCLUDED.submetered, loss = EXCLUDED.loss,
       expected = EXCLUDED.expected, unexplained = EXCLUDED.unexplained,
       amount = EXCLUDED.amount, left_out = EXCLUDED.left_out,
       percent = EXCLUDED.percent, coverage = EXCLUDED.coverage,
       unexplained_percent = EXCLUDED.unexplained_percent
"""
ABOVE = """
WITH RECURSIVE new AS (
    SELECT * FROM unnest(%s::int[], %s::timestamp[], %s::timestamp[])
        AS new(point_id, since, until)
), above AS (
    SELECT point_id AS id, since, until FROM new
     UNION
    SELECT point.parent_id, above.since, above.until
      FROM above JOIN energy_service_point point ON point.id = above.id
     WHERE point.parent_id IS NOT NULL
)
SELECT id, min(since), max(until)::text FROM above
 WHERE EXISTS (SELECT FROM energy_service_point child WHERE child.parent_id = above.id)
    OR EXISTS (SELECT FROM energy_loss old WHERE old.service_point_id = above.id)
 GROUP BY id
"""
QUOTIENTS = {
    "percent": ("loss", "measured"),
    "unexplained_percent": ("unexplained", "measured"),
    "coverage": ("known", "hours"),
}


class EnergyLoss(models.Model):
    """What a feeder delivered in an hour, less what its sub-meters measured.

    Written by SQL with the hours that it is made of. Missing data is no loss: an hour
    in which the feeder or one of its sub-meters has a gap is left out and counted. The
    tree of feeders is that of the time when the row was made.
    """

    _name = "energy.loss"
    _description = "Loss on a Feeder"
    _order = "at desc, service_point_id"
    _log_access = False
    _rec_name = "at"

    service_point_id = fields.Many2one(
        "energy.service.point",
        "Feeder",
        required=True,
        readonly=True,
        ondelete="cascade",
    )
    site_id = fields.Many2one("energy.site", readonly=True, ondelete="restrict")
    company_id = fields.Many2one("res.company", readonly=True, ondelete="restrict")
    currency_id = fields.Many2one("res.currency", readonly=True, ondelete="restrict")
    commodity = fields.Selection(COMMODITIES, readonly=True)
    at = fields.Datetime("Hour", required=True, readonly=True)
    day = fields.Date(readonly=True, help="By the clock of the site.")
    hour = fields.Integer("Hour of the Day", readonly=True, aggregator=None)
    weekday = fields.Integer(readonly=True, aggregator=None, help="0 is Monday.")
    hours = fields.Integer(readonly=True)
    known = fields.Integer(
        "Hours Known", readonly=True, help="1 where no data is missing, else 0."
    )
    missing = fields.Integer(
        "Meters Without Data",
        readonly=True,
        aggregator="max",
        help="Of the feeder and its sub-meters.",
    )
    sub_count = fields.Integer("Sub-meters", readonly=True, aggregator="max")
    measured = fields.Float(
        digits=(18, 3), readonly=True, help="By the feeder, in hours that are known."
    )
    submetered = fields.Float("By Sub-meters", digits=(18, 3), readonly=True)
    loss = fields.Float(
        digits=(18, 3), readonly=True, help="Measured, less what sub-meters measured."
    )
    expected = fields.Float(
        "Technical",
        digits=(18, 3),
        readonly=True,
        help="What transformers and cables lose at this load, as the feeder says.",
    )
    unexplained = fields.Float(
        digits=(18, 3), readonly=True, help="The loss beyond the technical one."
    )
    amount = fields.Monetary(
        "Unexplained Money",
        readonly=True,
        help="At the purchase price of the feeder in this hour, with levies.",
    )
    left_out = fields.Float(
        "Not Known",
        digits=(18, 3),
        readonly=True,
        help="What the feeder delivered in hours that are left out, because data is "
        "missing.",
    )
    percent = fields.Float(
        "Loss (%)",
        digits=(16, 2),
        readonly=True,
        aggregator="avg",
    )
    unexplained_percent = fields.Float(
        "Unexplained (%)",
        digits=(16, 2),
        readonly=True,
        aggregator="avg",
    )
    coverage = fields.Float(
        "Coverage (%)",
        digits=(16, 1),
        readonly=True,
        aggregator="avg",
        help="Of the hours, those without missing data.",
    )

    _point_at_uniq = models.UniqueIndex("(service_point_id, at)")
    _day_brin = models.Index("USING brin (day)")

    def _read_group_select(self, aggregate_spec, query):
        """A percentage of many hours is a quotient of their sums."""
        fname, _dot, function = aggregate_spec.partition(":")
        if fname not in QUOTIENTS or not function:
            return super()._read_group_select(aggregate_spec, query)
        part, whole = (
            self._field_to_sql(self._table, name, query) for name in QUOTIENTS[fname]
        )
        return SQL("100.0 * SUM(%s) / NULLIF(SUM(%s), 0)", part, whole)

    @api.model
    def _make(self, spans):
        """Make the rows that new hours of some points change.

        Raw SQL: called with the hours, or for feeders that changed.

        :param list spans: (service point id, since, until as naive UTC or None).
        """
        if not spans:
            return
        ids, since, until = zip(*spans, strict=True)
        ends = [end or "infinity" for end in until]
        found = self.env.execute_query(SQL(ABOVE, list(ids), list(since), ends))
        if not found:
            return
        self.env.flush_all()
        feeders, since, until = (list(column) for column in zip(*found, strict=True))
        self.env.cr.execute(
            SQL(
                WRITE,
                feeders=feeders,
                since=since,
                until=until,
                now=fields.Datetime.now(),
            )
        )
        self.invalidate_model()
