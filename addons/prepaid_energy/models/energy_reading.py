from odoo import api, fields, models
from odoo.tools import SQL

PARTITION = """
CREATE TABLE IF NOT EXISTS %s PARTITION OF energy_reading
   FOR VALUES FROM (%s) TO (%s)
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
            ("estimated", "Estimated"),
            ("corrected", "Corrected"),
        ],
        readonly=True,
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
              FROM energy_reading reading
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
        self._cron_make_partitions()

    @api.model
    def _cron_make_partitions(self, months=3):
        """Make the partitions of this and the coming ``months`` ahead of need."""
        now = fields.Datetime.now()
        self._ensure_partitions(
            fields.Date.add(now, months=ahead) for ahead in range(months + 1)
        )

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
