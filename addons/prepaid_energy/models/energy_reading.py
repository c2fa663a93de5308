from datetime import date

from odoo import api, fields, models
from odoo.tools import SQL

from ..exchange.numbers import exact, plain

KEEP_MONTHS = "prepaid_energy.reading_months"
KEPT_SINCE = "prepaid_energy.readings_since"
PARTITION = """
CREATE TABLE IF NOT EXISTS %s PARTITION OF energy_reading
   FOR VALUES FROM (%s) TO (%s)
"""

NEEDED = """
SELECT DISTINCT last.meter_id, last.at, last.register::text, last.quality
  FROM energy_meter_installation installation
 CROSS JOIN LATERAL (
    SELECT month.meter_id, month.at, month.register, month.quality
      FROM %(month)s month
     WHERE month.meter_id = installation.meter_id
       AND month.at BETWEEN installation.date_from
           AND COALESCE(installation.date_to, 'infinity')
     ORDER BY month.at DESC LIMIT 1) last
 WHERE COALESCE(installation.date_to, 'infinity') >= %(since)s
   AND NOT EXISTS (
    SELECT FROM energy_reading later
     WHERE later.meter_id = installation.meter_id
       AND later.at >= %(end)s AND later.at < %(until)s)
"""


class EnergyReading(models.Model):
    """Read-only view of the raw readings.

    The table ``energy_reading`` is partitioned by month and belongs to no ORM model
    (the ORM cannot create partitioned tables); rows come in by COPY, see
    ``ingest/store.py``.
    """

    _name = "energy.reading"
    _description = "Raw Reading"
    _auto = False
    _order = "at desc, meter_id"
    _rec_name = "at"

    meter_id = fields.Many2one("energy.meter", readonly=True)
    company_id = fields.Many2one("res.company", readonly=True)
    at = fields.Datetime("Time", readonly=True)
    register = fields.Float(
        "Register (kWh)", digits=(18, 3), readonly=True, aggregator=None
    )
    quality = fields.Selection(
        [
            ("measured", "Measured"),
            ("estimated", "After a gap, spread evenly"),
            ("corrected", "Typed in"),
            ("reset", "Begins anew"),
        ],
        readonly=True,
        help="How the consumption up to this reading is known.",
    )

    @property
    def _table_query(self):
        # the id is stable: the meter in the high bits, the second in the low ones
        return SQL(
            """
            SELECT reading.meter_id::bigint << 33
                       | extract(epoch FROM reading.at)::bigint AS id,
                   reading.meter_id, meter.company_id, reading.at, reading.register,
                   reading.quality
              FROM energy_reading_used reading
              JOIN energy_meter meter ON meter.id = reading.meter_id
            """
        )

    def init(self):
        """Create the partitioned table and its first partitions."""
        self.env.cr.execute(
            """
            CREATE TABLE IF NOT EXISTS energy_reading (
                meter_id integer NOT NULL,
                at timestamp NOT NULL,
                register numeric NOT NULL,
                quality varchar NOT NULL DEFAULT 'measured',
                PRIMARY KEY (meter_id, at)
            ) PARTITION BY RANGE (at)
            """
        )
        self._init_override()
        self._cron_make_partitions()

    def _init_override(self):
        """Raw readings stay as they came; a decision puts another value in place.

        Who decided that, and why, is in ``energy.reading.review``.
        """
        self.env.cr.execute(
            """
            CREATE TABLE IF NOT EXISTS energy_reading_override (
                meter_id integer NOT NULL,
                at timestamp NOT NULL,
                register numeric NOT NULL,
                PRIMARY KEY (meter_id, at)
            );
            CREATE OR REPLACE VIEW energy_reading_used AS
            SELECT reading.meter_id, reading.at,
                   COALESCE(override.register, reading.register) AS register,
                   CASE WHEN override.register IS NULL THEN reading.quality
                        ELSE 'corrected' END AS quality
              FROM energy_reading reading
              LEFT JOIN energy_reading_override override
                ON override.meter_id = reading.meter_id AND override.at = reading.at
            """
        )

    def action_review(self):
        """Doubt a stored reading: open a review in which it can be corrected."""
        self.ensure_one()
        self.env["energy.reading.review"].check_access("write")
        review = (
            self.env["energy.reading.review"]
            .sudo()  # sudo: reviews are made by the system, not typed
            .create(
                {
                    "gateway_id": self.meter_id.gateway_id.id,
                    "meter_id": self.meter_id.id,
                    "meter_serial": self.meter_id.serial,
                    "at": self.at,
                    "raw_register": plain(exact(self.register, 9)),
                    "verdict": "held",
                    "reason": "doubted",
                }
            )
        )
        return {
            "type": "ir.actions.act_window",
            "res_model": review._name,
            "res_id": review.id,
            "view_mode": "form",
        }

    @api.model
    def _cron_make_partitions(self, months=3):
        """Make the partitions of this and the coming ``months`` ahead of need."""
        now = fields.Datetime.now()
        self._ensure_partitions(
            fields.Date.add(now, months=ahead) for ahead in range(months + 1)
        )

    @api.model
    def _cron_drop_partitions(self):
        """Drop whole months of raw readings that are older than the settings keep.

        Usage and ledger stay. What has not been settled, or waits to be rated again,
        keeps all readings until it has been.
        """
        Parameter = self.env["ir.config_parameter"].sudo()  # sudo: a setting
        months = int(Parameter.get_param(KEEP_MONTHS) or 0)
        if not months or self._waits():
            return
        now = fields.Date.today().replace(day=1)
        kept = fields.Date.subtract(now, months=max(months, 2))
        ends = {
            name: fields.Date.add(begin, months=1)
            for name, begin in self._partitions()
            if begin < kept and not self._unsettled(begin)
        }
        if ends:
            since = max([*ends.values(), self._kept_since() or kept.min])
            for name, end in ends.items():
                self._drop(name, end, since)
            Parameter.set_param(KEPT_SINCE, fields.Date.to_string(since))

    def _waits(self):
        """Whether a task still needs readings; one for dropped months never will."""
        kept = self._kept_since()
        domain = kept and [("day_from", ">=", fields.Date.add(kept, months=1))] or []
        return bool(self.env["energy.rerating.task"].search_count(domain, limit=1))

    def _drop(self, name, end, since):
        """Drop a month, but for the last readings that open what is rated later.

        A meter that was silent over the end of the month has consumed since its last
        reading; without that one, rating later months again would lose it.

        :param str name: of the partition.
        :param date end: the first day after its month.
        :param date since: the first day from which all readings are stored.
        """
        table = SQL.identifier(name)
        until = fields.Date.add(since, days=27)  # a month's begin by any clock
        needed = self.env.execute_query(
            SQL(NEEDED, month=table, end=end, since=since, until=until)
        )
        if not needed:
            self.env.cr.execute(SQL("DROP TABLE %s", table))
            return
        self.env.cr.execute(SQL("TRUNCATE %s", table))
        columns = [list(column) for column in zip(*needed, strict=True)]
        self.env.cr.execute(
            SQL(
                "INSERT INTO %s (meter_id, at, register, quality) SELECT * FROM "
                "unnest(%s::int[], %s::timestamp[], %s::text[]::numeric[], %s::text[])",
                table,
                *columns,
            )
        )

    def _partitions(self):
        """(table, first day) of each partition, the oldest first."""
        rows = self.env.execute_query(
            SQL(
                "SELECT inhrelid::regclass::text FROM pg_inherits "
                "WHERE inhparent = 'energy_reading'::regclass ORDER BY 1"
            )
        )
        for (name,) in rows:
            year, month = name.removeprefix("energy_reading_").split("_")
            yield name, date(int(year), int(month), 1)

    def _unsettled(self, begin):
        """Whether usage until the end of a month has not reached the ledger."""
        end = fields.Date.add(begin, months=1)
        return self.env.execute_query(
            SQL(
                "SELECT EXISTS (SELECT FROM energy_usage WHERE day < %s "
                "AND open AND wallet_id IS NOT NULL)",
                end,
            )
        )[0][0]

    @api.model
    def _kept_since(self):
        """The first day from which all raw readings are stored; None: all are."""
        # sudo: a setting
        since = self.env["ir.config_parameter"].sudo().get_param(KEPT_SINCE)
        return fields.Date.to_date(since) if since else None

    @api.model
    def _ensure_partitions(self, moments):
        """Make the monthly partitions that hold ``moments`` (naive UTC datetimes)."""
        months = sorted({(moment.year, moment.month) for moment in moments})
        names = {
            f"energy_reading_{year}_{month:02}": (year, month) for year, month in months
        }
        if not names:
            return
        known = self.env.execute_query(
            SQL("SELECT relname FROM pg_class WHERE relname IN %s", tuple(names))
        )
        for name in names.keys() - {row[0] for row in known}:
            year, month = names[name]
            following = (year, month + 1) if month < 12 else (year + 1, 1)
            self.env.cr.execute(
                SQL(
                    PARTITION,
                    SQL.identifier(name),
                    f"{year:04}-{month:02}-01",
                    "{:04}-{:02}-01".format(*following),
                )
            )
