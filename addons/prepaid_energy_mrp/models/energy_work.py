from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

from odoo import api, fields, models
from odoo.tools import SQL

from odoo.addons.prepaid_energy import enpi
from odoo.addons.prepaid_energy.models.clock import day_begin
from odoo.addons.prepaid_energy.models.patience import patiently

HORIZON = timedelta(days=92)  # how far back a change is seen
BATCH = 200  # days of lines in a transaction

# What the days of lines are made of, as one number a day; where it differs from that
# of the rows that are there, they have to be made again. It does not matter who has
# changed what: readings, time logs, shares or work centres.
DUE = """
WITH center AS MATERIALIZED (
    SELECT energy_line_id AS line_id, id, energy_weight FROM mrp_workcenter
     WHERE energy_line_id IS NOT NULL AND %(center)s
), setting AS (
    SELECT line_id, sum(hashtextextended(concat_ws(':', id, energy_weight), 0)) AS sum
      FROM center GROUP BY 1
), clock AS MATERIALIZED (
    SELECT line.id AS line_id, site.tz
      FROM energy_line line
      JOIN energy_site site ON site.id = line.site_id
     WHERE line.id IN (SELECT line_id FROM setting)
), hours AS (
    SELECT share.line_id, hour.day,
           sum(hashtextextended(concat_ws(':', hour.service_point_id, share.share,
               hour.at, hour.covered, hour.energy, hour.amount), 0)) AS sum
      FROM clock
      JOIN energy_line_share share ON share.line_id = clock.line_id
      JOIN energy_interval hour ON hour.service_point_id = share.service_point_id
       AND hour.day >= share.date_from
       AND (share.date_to IS NULL OR hour.day < share.date_to)
     WHERE hour.at >= %(since)s AND share.share > 0
     GROUP BY 1, 2
), logs AS (
    SELECT center.line_id, day::date,
           sum(hashtextextended(concat_ws(':', log.id, log.workorder_id,
               log.workcenter_id, log.date_start, log.date_end, kind.loss_type), 0))
           AS sum
      FROM center
      JOIN clock ON clock.line_id = center.line_id
      JOIN mrp_workcenter_productivity log ON log.workcenter_id = center.id
      JOIN mrp_workcenter_productivity_loss loss ON loss.id = log.loss_id
      JOIN mrp_workcenter_productivity_loss_type kind ON kind.id = loss.loss_id
     CROSS JOIN LATERAL generate_series(
           (log.date_start AT TIME ZONE 'UTC' AT TIME ZONE clock.tz)::date::timestamp,
           COALESCE(log.date_end, %(now)s) AT TIME ZONE 'UTC' AT TIME ZONE clock.tz,
           '1 day') day
     WHERE log.workorder_id IS NOT NULL AND COALESCE(log.date_end, %(now)s) >= %(since)s
     GROUP BY 1, 2
), made AS (
    SELECT line_id, day, concat_ws('/', COALESCE(hours.sum, 0), COALESCE(logs.sum, 0),
           setting.sum) AS digest
      FROM hours FULL JOIN logs USING (line_id, day) JOIN setting USING (line_id)
)
SELECT line_id, day, made.digest
  FROM made FULL JOIN energy_work_day stored USING (line_id, day)
 WHERE day > (%(since)s)::date AND made.digest IS DISTINCT FROM stored.digest
   AND %(line)s
 ORDER BY 2, 1
"""
HOURS = """
WITH part AS (%(parts)s)
SELECT hour.service_point_id, hour.at, hour.covered,
       (CASE WHEN unit.parent_path LIKE concat(
                  split_part(kwh.parent_path, '/', 1), '/%%')
             THEN hour.energy * unit.factor / kwh.factor * part.share * 0.01
             ELSE 0 END)::text,
       (COALESCE(hour.amount, 0) * part.share * 0.01)::text
  FROM part
  JOIN energy_interval hour ON hour.service_point_id = part.service_point_id
   AND hour.day = %(day)s
  LEFT JOIN energy_tariff tariff ON tariff.id = hour.tariff_id
  LEFT JOIN uom_uom unit ON unit.id = tariff.register_uom_id
  JOIN uom_uom kwh ON kwh.id = %(kwh)s
 WHERE %(day)s >= part.date_from AND (part.date_to IS NULL OR %(day)s < part.date_to)
   AND hour.at >= %(start)s AND hour.at < %(end)s
 ORDER BY 1, 2
"""
SPANS = """
SELECT log.workorder_id, log.workcenter_id, GREATEST(log.date_start, %(start)s),
       LEAST(COALESCE(log.date_end, %(now)s), %(end)s), center.energy_weight::text
  FROM mrp_workcenter_productivity log
  JOIN mrp_workcenter center ON center.id = log.workcenter_id
  JOIN mrp_workcenter_productivity_loss loss ON loss.id = log.loss_id
  JOIN mrp_workcenter_productivity_loss_type kind ON kind.id = loss.loss_id
 WHERE center.energy_line_id = %(line)s AND log.workorder_id IS NOT NULL
   AND kind.loss_type IN ('productive', 'performance')
   AND log.date_start < %(end)s AND COALESCE(log.date_end, %(now)s) > %(start)s
"""


class EnergyWork(models.Model):
    """The energy of a production line in a day, by what was worked on; or idle.

    Within an hour energy flows evenly; it goes to the work orders that were worked on
    at the time, by the weights of their work centres, and to idle time where there was
    none. The rows of a day add up to what the line has consumed, to the last digit.
    """

    _name = "energy.work"
    _description = "Energy of Work"
    _order = "day desc, line_id, workcenter_id, workorder_id"
    _rec_name = "day"
    _log_access = False

    day = fields.Date(required=True, readonly=True, help="By the clock of the site.")
    line_id = fields.Many2one(
        "energy.line",
        "Production Line",
        required=True,
        readonly=True,
        ondelete="cascade",
    )
    company_id = fields.Many2one("res.company", required=True, readonly=True)
    currency_id = fields.Many2one("res.currency", readonly=True)
    workcenter_id = fields.Many2one(
        "mrp.workcenter", "Work Center", readonly=True, ondelete="cascade"
    )
    workorder_id = fields.Many2one(
        "mrp.workorder",
        "Work Order",
        readonly=True,
        index="btree_not_null",
        ondelete="cascade",
    )
    production_id = fields.Many2one(
        "mrp.production",
        "Manufacturing Order",
        readonly=True,
        index="btree_not_null",
        ondelete="cascade",
    )
    product_id = fields.Many2one("product.product", readonly=True, ondelete="restrict")
    kind = fields.Selection([("work", "Work"), ("idle", "Idle")], readonly=True)
    energy = fields.Float("Energy (kWh)", digits=(18, 3), readonly=True)
    amount = fields.Monetary("Energy Cost", readonly=True)
    hours = fields.Float(
        digits=(18, 4),
        readonly=True,
        help="How long it was worked on, or how long nothing was.",
    )
    measured = fields.Float(
        "Hours Measured",
        digits=(18, 4),
        readonly=True,
        help="How much of that lies between readings that are close to each other.",
    )
    idle_share = fields.Float(
        "Idle Share (%)",
        digits=(6, 1),
        readonly=True,
        aggregator="avg",
        help="The energy in which nothing was worked on, of all.",
    )

    _line_day = models.Index("(line_id, day)")

    def init(self):
        """Make the table that says what the days were made of; no form shows it."""
        self.env.cr.execute(
            """
            CREATE TABLE IF NOT EXISTS energy_work_day (
                line_id integer NOT NULL,
                day date NOT NULL,
                digest varchar NOT NULL,
                PRIMARY KEY (line_id, day)
            )
            """
        )

    def _read_group_select(self, aggregate_spec, query):
        """The idle share of rows is a quotient of sums."""
        if aggregate_spec.partition(":")[0] != "idle_share":
            return super()._read_group_select(aggregate_spec, query)
        energy = self._field_to_sql(self._table, "energy", query)
        kind = self._field_to_sql(self._table, "kind", query)
        return SQL(
            "100 * SUM(%(energy)s) FILTER (WHERE %(kind)s = 'idle') "
            "/ NULLIF(SUM(%(energy)s), 0)",
            energy=energy,
            kind=kind,
        )

    # ------------------------------------------------------------------ allocation

    @api.model
    def _cron_allocate(self):
        """Share out what has come in since the last run, or has changed."""
        cron = self.env["ir.cron"]
        while True:
            done = patiently(self.env, self._allocate_batch)
            remaining = len(self._due()) if done else 0
            left = cron._commit_progress(done, remaining=remaining)
            if not remaining or not left:
                return

    @api.model
    def _allocate(self, lines=None):
        """Share out all that is due, in the running transaction.

        :param recordset lines: None: of all lines.
        """
        while self._allocate_batch(lines):
            pass

    def _allocate_batch(self, lines=None):
        due = self._due(lines)[:BATCH]
        for line_id, day, digest in due:
            # sudo: written by the system, whoever asks for it
            line = self.sudo().env["energy.line"].browse(line_id)
            self.sudo()._replace(line, day, digest)
        self.invalidate_model()
        self.env["energy.order.report"].invalidate_model()
        return len(due)

    def _due(self, lines=None):
        """(line id, day, digest or None) of what has to be made again."""
        self.env.flush_all()
        now = fields.Datetime.now()
        only = [SQL("true")] * 2
        if lines is not None:
            names = ("energy_line_id", "line_id")
            only = [SQL("%s = ANY(%s)", SQL(name), lines.ids) for name in names]
        since = now - HORIZON
        return self.env.execute_query(
            SQL(DUE, since=since, now=now, center=only[0], line=only[1])
        )

    def _replace(self, line, day, digest):
        """Make the rows of a day anew."""
        where = SQL("line_id = %s AND day = %s", line.id, day)
        self.env.cr.execute(SQL("DELETE FROM energy_work WHERE %s", where))
        self.env.cr.execute(SQL("DELETE FROM energy_work_day WHERE %s", where))
        if digest is None:
            return
        rows = self._shared_out(line, day)
        if rows:
            self._insert(line, day, rows)
        self.env.cr.execute(
            SQL(
                "INSERT INTO energy_work_day (line_id, day, digest) "
                "VALUES (%s, %s, %s)",
                line.id,
                day,
                digest,
            )
        )

    def _shared_out(self, line, day):
        """:return: (work centre, work order or None, kWh, amount, seconds, measured
        seconds) of a day."""
        now = fields.Datetime.now()
        tz = line.site_id.tz or "UTC"
        start, end = day_begin(day, tz), day_begin(day + timedelta(days=1), tz)
        points = self._pieces(line, day, start, end)
        logs = self.env.execute_query(
            SQL(SPANS, line=line.id, start=start, end=end, now=now)
        )
        spans = [
            enpi.Span((center, order), begin, until, Decimal(weight))
            for order, center, begin, until, weight in logs
            if begin < until
        ]
        clock = enpi.allocate([enpi.Piece(start, max(start, min(end, now)), ())], spans)
        found = {}
        for pieces in points.values():
            for key, share in enpi.allocate(pieces, spans).items():
                sums = found.setdefault(key, [Decimal(0), Decimal(0), 0.0])
                sums[0] = enpi.WIDE.add(sums[0], share.values[0])
                sums[1] = enpi.WIDE.add(sums[1], share.values[1])
                sums[2] += share.seconds / len(points)
        rows = []
        for key in sorted(found.keys() | clock.keys(), key=str):
            energy, amount, measured = found.get(key, (Decimal(0), Decimal(0), 0.0))
            seconds = clock[key].seconds if key in clock else 0.0
            if key is enpi.IDLE:
                rows += self._idle(line, energy, amount, seconds, measured)
            else:
                rows.append((*key, energy, amount, seconds, min(measured, seconds)))
        return rows

    def _pieces(self, line, day, start, end):
        """{service point: pieces with kWh and money, as far as they are the line's}."""
        rows = self.env.execute_query(
            SQL(
                HOURS,
                parts=line._parts(),
                day=day,
                kwh=self.env.ref("uom.product_uom_kwh").id,
                start=start,
                end=end,
            )
        )
        points = {}
        for point, at, covered, energy, amount in rows:
            values = (Decimal(energy), Decimal(amount))
            points.setdefault(point, []).append((at, covered, values))
        return {point: _pieces(hours) for point, hours in points.items()}

    def _idle(self, line, energy, amount, seconds, measured):
        """The idle rows of a line: one for each work centre, by their weights."""
        centers = self.env.execute_query(
            SQL(
                "SELECT id, energy_weight::text FROM mrp_workcenter "
                "WHERE energy_line_id = %s ORDER BY id",
                line.id,
            )
        )
        weights = [Fraction(weight) for _id, weight in centers]
        columns = [
            enpi.split(value, weights, sum(weights)) for value in (energy, amount)
        ]
        return [
            (center, None, *values, seconds, min(measured, seconds))
            for (center, _weight), *values in zip(centers, *columns, strict=True)
        ]

    def _insert(self, line, day, rows):
        columns = [list(column) for column in zip(*rows, strict=True)]
        columns[2:4] = [[str(value) for value in column] for column in columns[2:4]]
        self.env.cr.execute(
            SQL(
                """
                INSERT INTO energy_work (day, line_id, company_id, currency_id,
                       workcenter_id, workorder_id, production_id, product_id, kind,
                       energy, amount, hours, measured, idle_share)
                SELECT %s, %s, %s, %s, new.center, new.workorder, production.id,
                       production.product_id,
                       CASE WHEN new.workorder IS NULL THEN 'idle' ELSE 'work' END,
                       new.energy, new.amount, new.seconds / 3600.0,
                       new.measured / 3600.0,
                       CASE WHEN new.workorder IS NULL THEN 100 ELSE 0 END
                  FROM unnest(%s::int[], %s::int[], %s::numeric[], %s::numeric[],
                              %s::numeric[], %s::numeric[])
                       AS new(center, workorder, energy, amount, seconds, measured)
                  LEFT JOIN mrp_workorder workorder ON workorder.id = new.workorder
                  LEFT JOIN mrp_production production
                         ON production.id = workorder.production_id
                """,
                day,
                line.id,
                line.company_id.id,
                line.currency_id.id,
                *columns,
            )
        )


def _pieces(hours):
    """The pieces of a point's hours; what no close readings tell is spread evenly.

    :param hours: (start, seconds known, values).
    """
    hour = timedelta(hours=1)
    unknown = [
        enpi.Piece(start, start + hour, values)
        for start, covered, values in hours
        if not covered and any(values)
    ]
    return enpi.trimmed(hours) + unknown
