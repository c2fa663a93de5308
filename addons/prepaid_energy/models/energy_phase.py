from odoo import api, fields, models
from odoo.tools import SQL

from ..ingest.arrays import plain_array, text_array

# An hour begins by the clock of the site, as that of its consumption. The means of an
# hour go on from what is stored: late telemetry finds its hour.
ADD = """
WITH row AS (
    SELECT * FROM unnest(%(meter)s::int[], %(at)s::timestamp[], %(unit)s::text[],
                         %(phase1)s::numeric[], %(phase2)s::numeric[],
                         %(phase3)s::numeric[])
                  AS row(meter_id, at, unit, phase1, phase2, phase3)
), placed AS (
    SELECT row.*, installation.service_point_id,
           row.at AT TIME ZONE 'UTC' AT TIME ZONE site.tz AS local
      FROM row
      JOIN energy_meter_installation installation
        ON installation.meter_id = row.meter_id AND installation.date_from <= row.at
       AND COALESCE(installation.date_to, 'infinity') > row.at
      JOIN energy_service_point point ON point.id = installation.service_point_id
      JOIN energy_site site ON site.id = point.site_id
), new AS (
    SELECT service_point_id, meter_id, unit,
           at - (local - date_trunc('hour', local)) AS hour,
           date_trunc('hour', local) AS local, count(*) AS samples,
           sum(phase1) AS sum1, sum(phase2) AS sum2, sum(phase3) AS sum3
      FROM placed GROUP BY 1, 2, 3, 4, 5
), merged AS (
    SELECT new.*, COALESCE(old.samples, 0) + new.samples AS total,
           COALESCE(old.phase1 * old.samples, 0) + sum1 AS all1,
           COALESCE(old.phase2 * old.samples, 0) + sum2 AS all2,
           COALESCE(old.phase3 * old.samples, 0) + sum3 AS all3
      FROM new
      LEFT JOIN energy_phase old ON old.service_point_id = new.service_point_id
       AND old.meter_id = new.meter_id AND old.unit = new.unit AND old.at = new.hour
), mean AS (
    SELECT merged.*, round(all1 / total, 6) AS phase1, round(all2 / total, 6) AS phase2,
           round(all3 / total, 6) AS phase3,
           round((all1 + all2 + all3) / total / 3, 6) AS mean
      FROM merged
), hour AS (
    SELECT mean.*, GREATEST(abs(phase1 - mean), abs(phase2 - mean),
                            abs(phase3 - mean)) AS deviation,
           phase1 * phase1 + phase2 * phase2 + phase3 * phase3 AS squares
      FROM mean
)
INSERT INTO energy_phase (service_point_id, meter_id, site_id, company_id, unit, at,
       day, hour, samples, phase1, phase2, phase3, mean, deviation, percent, extra)
SELECT point.id, hour.meter_id, point.site_id, point.company_id, hour.unit, hour.hour,
       hour.local::date, extract(hour FROM hour.local), hour.total, hour.phase1,
       hour.phase2, hour.phase3, hour.mean, hour.deviation,
       round(100 * hour.deviation / NULLIF(hour.mean, 0), 6),
       round(hour.squares / NULLIF(3 * hour.mean * hour.mean, 0) - 1, 6)
  FROM hour JOIN energy_service_point point ON point.id = hour.service_point_id
 ORDER BY point.id, hour.meter_id, hour.hour
    ON CONFLICT (service_point_id, meter_id, unit, at) DO UPDATE
   SET samples = EXCLUDED.samples, phase1 = EXCLUDED.phase1,
       phase2 = EXCLUDED.phase2, phase3 = EXCLUDED.phase3, mean = EXCLUDED.mean,
       deviation = EXCLUDED.deviation, percent = EXCLUDED.percent,
       extra = EXCLUDED.extra
"""


class EnergyPhase(models.Model):
    """How evenly the three phases of a service point were loaded in an hour.

    The imbalance is how far the phase that is farthest off is from the mean of the
    three, in per cent of the mean: the definition of NEMA MG 1, 14.36, which it states
    for voltages, here for currents (or powers, where a meter reports no currents). That
    of IEC 61000-4-30 is the negative sequence by the positive one; it needs the angles
    between the phases, which register maps of meters do not have.

    An hour without telemetry of all three phases has no row: what is not known is not
    an imbalance. A phase that reads zero beside two loaded ones is one. The mean of
    many hours weights them by their load: an idle hour says nothing.
    """

    _name = "energy.phase"
    _description = "Phase Imbalance"
    _order = "at desc, service_point_id, meter_id"
    _log_access = False
    _rec_name = "at"

    service_point_id = fields.Many2one(
        "energy.service.point", required=True, readonly=True, ondelete="cascade"
    )
    meter_id = fields.Many2one(
        "energy.meter", required=True, readonly=True, ondelete="cascade"
    )
    site_id = fields.Many2one("energy.site", readonly=True, ondelete="restrict")
    company_id = fields.Many2one(
        "res.company", required=True, readonly=True, ondelete="restrict"
    )
    at = fields.Datetime("Hour", required=True, readonly=True)
    day = fields.Date(readonly=True, help="By the clock of the site.")
    hour = fields.Integer("Hour of the Day", readonly=True, aggregator=None)
    unit = fields.Char(readonly=True, required=True, help="A: current, W: power.")
    samples = fields.Integer(
        readonly=True, help="How often the meter reported all three in this hour."
    )
    phase1 = fields.Float("Phase 1", digits=(16, 2), readonly=True, aggregator="avg")
    phase2 = fields.Float("Phase 2", digits=(16, 2), readonly=True, aggregator="avg")
    phase3 = fields.Float("Phase 3", digits=(16, 2), readonly=True, aggregator="avg")
    mean = fields.Float(
        "Mean of the Phases", digits=(16, 2), readonly=True, aggregator="avg"
    )
    deviation = fields.Float(
        "Farthest Off",
        digits=(16, 2),
        readonly=True,
        aggregator="avg",
        help="How far the phase that is farthest off is from the mean of the three.",
    )
    percent = fields.Float(
        "Imbalance (%)",
        digits=(16, 1),
        readonly=True,
        aggregator="avg",
        help="Farthest off, of the mean (NEMA MG 1). Of many hours: weighted by load.",
    )
    extra = fields.Float(
        "Extra Copper Loss",
        digits=(16, 4),
        readonly=True,
        aggregator=None,
        help="As a part of what cables and transformers would lose in the phases if "
        "the same load were even. What the neutral conductor loses comes on top.",
    )

    _point_meter_at_uniq = models.UniqueIndex("(service_point_id, meter_id, unit, at)")
    _at_brin = models.Index("USING brin (at)")

    def _read_group_select(self, aggregate_spec, query):
        """The imbalance of many hours is a quotient of their sums."""
        if aggregate_spec != "percent:avg":
            return super()._read_group_select(aggregate_spec, query)
        part, whole = (
            self._field_to_sql(self._table, name, query)
            for name in ("deviation", "mean")
        )
        return SQL("100.0 * SUM(%s) / NULLIF(SUM(%s), 0)", part, whole)

    @api.model
    def _add(self, rows):
        """Add what meters reported to their hours, in one statement.

        Raw SQL: the meters are those of the gateway that reports.

        :param list rows: (meter id, naive UTC time, unit, three Decimals).
        """
        if not rows:
            return
        meters, times, units, values = zip(*rows, strict=True)
        phases = zip(*values, strict=True)
        self.env.cr.execute(
            SQL(
                ADD,
                meter=plain_array(meters),
                at=text_array([str(time) for time in times]),
                unit=text_array(units),
                **{
                    f"phase{number}": plain_array(column)
                    for number, column in enumerate(phases, 1)
                },
            )
        )
        self.invalidate_model()
