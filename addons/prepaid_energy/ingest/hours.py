"""The hours of service points, from the readings of their meters.

How to use: ``Hours(env, wanted, gap).store()``; ``energy.interval`` decides what is
wanted.

How it works: one statement cuts the consumption between each two readings at the hours'
borders and adds it up; one more splits the money of each day and band over its hours by
energy. An hour begins where the clock of the site shows a full hour. The register at a
border is spread evenly between the readings around it and cut down to 12 decimals, as
the rating does it (``rating.tariff.between``); the pieces of a difference, being
differences, always add up to it. So the hours depend on the readings alone.
"""

from datetime import UTC, datetime

from odoo.tools import SQL

from ..rating.clock import offset, pieces, zone
from .arrays import plain_array, text_array
from .parse import epoch

HOUR = 3600
MARGIN = 2 * 86400
WANT = """
SELECT point_id, since, until
  FROM unnest(%(points)s::int[], %(since)s::timestamp[], %(until)s::timestamp[])
       AS want(point_id, since, until)
"""
READINGS = f"""
WITH want AS MATERIALIZED ({WANT}),
installed AS MATERIALIZED (
    SELECT installation.id, installation.meter_id, want.point_id, want.since,
           want.until, installation.date_from,
           COALESCE(installation.date_to, 'infinity') AS date_to,
           power(10::numeric, meter.register_digits) AS modulus,
           CASE WHEN installation.opening_counts
                THEN COALESCE(installation.opening_register, 0) END AS opening,
           3600 * COALESCE(validation.hour_gap, %(gap)s) AS gap
      FROM want
      JOIN energy_service_point point ON point.id = want.point_id
      JOIN energy_meter_installation installation
        ON installation.service_point_id = point.id
       AND installation.date_from < want.until
       AND COALESCE(installation.date_to, 'infinity') >= want.since
      JOIN energy_meter meter ON meter.id = installation.meter_id
      LEFT JOIN energy_validation validation ON validation.id = point.validation_id
), found AS (
    SELECT installed.id, reading.at, reading.register, reading.quality
      FROM installed
     CROSS JOIN LATERAL (
        SELECT COALESCE(max(earlier.at), installed.date_from) AS at
          FROM energy_reading earlier
         WHERE earlier.meter_id = installed.meter_id
           AND earlier.at BETWEEN installed.date_from AND installed.since
     ) first
     CROSS JOIN LATERAL (
        SELECT COALESCE(min(later.at), 'infinity') AS at
          FROM energy_reading later
         WHERE later.meter_id = installed.meter_id AND later.at >= installed.until
     ) last
      JOIN energy_reading_used reading
        ON reading.meter_id = installed.meter_id
       AND reading.at BETWEEN first.at AND LEAST(last.at, installed.date_to)
     UNION ALL
    SELECT installed.id, installed.date_from, installed.opening, 'measured'
      FROM installed
     WHERE installed.opening IS NOT NULL AND NOT EXISTS (
        SELECT FROM energy_reading earlier
         WHERE earlier.meter_id = installed.meter_id
           AND earlier.at BETWEEN installed.date_from
               AND GREATEST(installed.date_from, installed.since))
), pair AS (
    SELECT id, extract(epoch FROM at)::bigint AS high,
           extract(epoch FROM lag(at) OVER meter)::bigint AS low,
           register, lag(register) OVER meter AS register_before, quality
      FROM found WINDOW meter AS (PARTITION BY id ORDER BY at)
), step AS MATERIALIZED (
    SELECT installed.point_id, pair.low, pair.high,
           extract(epoch FROM installed.since)::bigint AS since,
           pair.register - pair.register_before
             + CASE WHEN pair.register < pair.register_before
                    THEN installed.modulus ELSE 0 END AS delta,
           pair.high - pair.low <= installed.gap
             AND pair.quality <> 'estimated' AS known
      FROM pair JOIN installed USING (id)
     WHERE pair.low IS NOT NULL AND pair.quality <> 'reset'
       AND to_timestamp(pair.high) AT TIME ZONE 'UTC' > installed.since
       AND to_timestamp(pair.low) AT TIME ZONE 'UTC' < installed.until
)"""
# begin and stop: of a stretch with one distance between the hours of site and UTC
PARTS = """
, clock AS (
    SELECT * FROM unnest(%(clock_point)s::int[], %(clock_begin)s::bigint[],
                         %(clock_stop)s::bigint[], %(clock_phase)s::int[])
                  AS clock(point_id, begin, stop, phase)
), placed AS (
    SELECT step.*, clock.begin, clock.stop, clock.phase,
           step.low - mod(step.low + clock.phase, 3600) AS hour
      FROM step JOIN clock USING (point_id)
     WHERE step.low < clock.stop AND step.high > clock.begin
), part AS (
    SELECT point_id, GREATEST(hour, begin) AS at, delta AS energy,
           CASE WHEN known THEN high - low ELSE 0 END AS covered
      FROM placed
     WHERE high <= hour + 3600 AND low >= begin AND high <= stop
     UNION ALL
    SELECT point_id, GREATEST(border, begin),
           CASE WHEN upper >= high THEN delta ELSE
                div(delta * 1000000000000 * (upper - low), high - low)
                  * 0.000000000001 END
             - CASE WHEN lower <= low THEN 0 ELSE
                div(delta * 1000000000000 * (lower - low), high - low)
                  * 0.000000000001 END,
           CASE WHEN known THEN upper - lower ELSE 0 END
      FROM placed
     CROSS JOIN LATERAL (SELECT GREATEST(low, begin, since) AS head) start
     CROSS JOIN LATERAL generate_series(
        head - mod(head + phase, 3600), LEAST(high, stop) - 1, 3600) border
     CROSS JOIN LATERAL (
        SELECT GREATEST(border, low, begin) AS lower,
               LEAST(border + 3600, high, stop) AS upper) cut
     WHERE NOT (high <= hour + 3600 AND low >= begin AND high <= stop)
), hour AS MATERIALIZED (
    SELECT part.point_id, to_timestamp(part.at) AT TIME ZONE 'UTC' AS at,
           trim_scale(sum(part.energy)) AS energy, sum(part.covered) AS covered
      FROM part GROUP BY 1, 2
)"""
WRITE = """
, kept AS MATERIALIZED (
    SELECT hour.* FROM hour JOIN want USING (point_id)
     WHERE hour.at >= want.since AND hour.at < want.until
), gone AS (
    DELETE FROM energy_interval old USING want
     WHERE old.service_point_id = want.point_id
       AND old.at >= want.since AND old.at < want.until
       AND NOT EXISTS (SELECT FROM kept
            WHERE kept.point_id = old.service_point_id AND kept.at = old.at)
)
INSERT INTO energy_interval (service_point_id, site_id, company_id, commodity, at, day,
       hour, weekday, energy, covered, tariff_id, wallet_id, currency_id, amount)
SELECT point.id, site.id, point.company_id, point.commodity, kept.at, local.at::date,
       extract(hour FROM local.at), extract(isodow FROM local.at) - 1, kept.energy,
       kept.covered, term.tariff_id, term.wallet_id, tariff.currency_id, 0
  FROM kept
  JOIN energy_service_point point ON point.id = kept.point_id
  JOIN energy_site site ON site.id = point.site_id
 CROSS JOIN LATERAL (
    SELECT kept.at AT TIME ZONE 'UTC' AT TIME ZONE site.tz AS at) local
 CROSS JOIN LATERAL (
    SELECT term.tariff_id, term.wallet_id FROM energy_supply_term term
     WHERE term.service_point_id = point.id
       AND COALESCE(term.date_from, '-infinity') <= kept.at
     ORDER BY term.date_from DESC NULLS LAST LIMIT 1) term
  JOIN energy_tariff tariff ON tariff.id = term.tariff_id
 ORDER BY point.id, kept.at
    ON CONFLICT (service_point_id, at) DO UPDATE
   SET site_id = EXCLUDED.site_id, day = EXCLUDED.day, hour = EXCLUDED.hour,
       weekday = EXCLUDED.weekday, energy = EXCLUDED.energy,
       covered = EXCLUDED.covered, tariff_id = EXCLUDED.tariff_id,
       wallet_id = EXCLUDED.wallet_id, currency_id = EXCLUDED.currency_id
"""
TARIFF_HOURS = f"""
SELECT DISTINCT hour.tariff_id, extract(epoch FROM hour.at)::bigint
  FROM ({WANT}) want
  JOIN energy_interval hour ON hour.service_point_id = want.point_id
   AND hour.at >= want.since - interval '26 hours'
   AND hour.at < want.until + interval '26 hours'
"""
MONEY = f"""
WITH want AS ({WANT}),
calendar AS (
    SELECT tariff_id, to_timestamp(at) AT TIME ZONE 'UTC' AS at, day, band
      FROM unnest(%(tariff)s::int[], %(at)s::bigint[], %(day)s::date[],
                  %(band)s::text[]) AS calendar(tariff_id, at, day, band)
), near AS MATERIALIZED (
    SELECT hour.id, want.point_id, hour.at, hour.energy, calendar.day, calendar.band,
           hour.at >= want.since AND hour.at < want.until AS inside
      FROM want
      JOIN energy_interval hour ON hour.service_point_id = want.point_id
       AND hour.at >= want.since - interval '26 hours'
       AND hour.at < want.until + interval '26 hours'
      JOIN calendar ON calendar.tariff_id = hour.tariff_id AND calendar.at = hour.at
), touched AS (
    SELECT DISTINCT point_id, day FROM near WHERE inside
), hour AS MATERIALIZED (
    SELECT near.*,
           sum(energy) OVER (PARTITION BY point_id, day, band ORDER BY at) AS in_band,
           sum(energy) OVER (PARTITION BY point_id, day, band) AS of_band,
           sum(energy) OVER (PARTITION BY point_id, day ORDER BY at) AS in_day,
           sum(energy) OVER (PARTITION BY point_id, day) AS of_day
      FROM near JOIN touched USING (point_id, day)
), money AS (
    SELECT usage.service_point_id AS point_id, usage.day, usage.band,
           sum(usage.amount_total) AS amount,
           EXISTS (SELECT FROM hour WHERE hour.point_id = usage.service_point_id
                      AND hour.day = usage.day AND hour.band = usage.band
                      AND hour.energy > 0) AS placed
      FROM energy_usage usage
      JOIN touched ON touched.point_id = usage.service_point_id
       AND touched.day = usage.day
     WHERE usage.kind = 'energy' GROUP BY 1, 2, 3
), rest AS (
    SELECT point_id, day, sum(amount) AS amount
      FROM money WHERE NOT placed GROUP BY 1, 2
), sums AS (
    SELECT hour.id, hour.band, hour.point_id, hour.day, hour.at,
           CASE WHEN hour.in_band = hour.of_band THEN money.amount ELSE
                round(money.amount * hour.in_band / hour.of_band, 6) END AS placed,
           CASE WHEN hour.in_day = hour.of_day THEN rest.amount ELSE
                round(rest.amount * hour.in_day / hour.of_day, 6) END AS rest
      FROM hour
      LEFT JOIN money ON money.placed AND money.point_id = hour.point_id
       AND money.day = hour.day AND money.band = hour.band
      LEFT JOIN rest ON rest.point_id = hour.point_id AND rest.day = hour.day
), share AS (
    SELECT id, band,
           COALESCE(placed - lag(placed, 1, 0) OVER
                    (PARTITION BY point_id, day, band ORDER BY at), 0)
             + COALESCE(rest - lag(rest, 1, 0) OVER
                        (PARTITION BY point_id, day ORDER BY at), 0) AS amount
      FROM sums
)
UPDATE energy_interval hour
   SET band = share.band, amount = trim_scale(share.amount)
  FROM share
 WHERE hour.id = share.id
   AND (hour.band IS DISTINCT FROM share.band OR hour.amount <> share.amount)
"""


class Hours:
    """What must be written for some service points.

    Raw SQL: the caller has checked access, or is the cron.

    :param env: an environment in sudo mode.
    :param list wanted: (service point, name of the site's time zone, since, until):
        naive UTC moments at which hours begin, see :func:`hour_start`; until may be
        None.
    :param gap: the hours between two readings up to which an hour counts as known,
        where the validation rules of the point do not say.
    """

    def __init__(self, env, wanted, gap):
        self.env = env
        self.wanted = wanted
        self.values = {
            "points": plain_array(row[0] for row in wanted),
            "since": _moments(row[2] for row in wanted),
            "until": _moments(row[3] or "infinity" for row in wanted),
            "gap": gap,
        }

    def store(self):
        """Bring the hours to what the readings and the usage say."""
        self.env.flush_all()
        clock = {
            f"clock_{name}": plain_array(column)
            for name, column in zip(
                ("point", "begin", "stop", "phase"),
                zip(*self._clock(), strict=True),
                strict=True,
            )
        }
        query = READINGS + PARTS + WRITE
        self.env.cr.execute(SQL(query, **self.values, **clock))
        self._split_money()
        self.env["energy.interval"].invalidate_model()

    def _clock(self):
        """(point, from, to, seconds of the hour that have passed at full hours UTC)."""
        now = int(datetime.now(UTC).timestamp()) + MARGIN
        known = {}
        for point_id, name, since, until in self.wanted:
            low = epoch(since) - MARGIN
            high = epoch(until) + MARGIN if until else max(now, low)
            # one answer for many points: begin at a day, end at a day
            span = name, low // 86400, high // 86400 + 1
            if span not in known:
                known[span] = list(_phases(zone(name), *(86400 * n for n in span[1:])))
            for begin, stop, phase in known[span]:
                yield point_id, begin, stop, phase

    def _split_money(self):
        """Write the band and the amount of the hours, and of others of their days."""
        rows = []
        found = self.env.execute_query(SQL(TARIFF_HOURS, **self.values))
        for tariff_id, at in found:
            tariff = self.env["energy.tariff"].browse(tariff_id)
            segment = tariff._compiled().calendar.segment(at)
            rows.append((tariff_id, at, segment.day, segment.cell.band))
        if not rows:
            return
        tariffs, ats, days, bands = zip(*rows, strict=True)
        self.env.cr.execute(
            SQL(
                MONEY,
                **self.values,
                tariff=plain_array(tariffs),
                at=plain_array(ats),
                day=plain_array(days),
                band=text_array(bands),
            )
        )


def hour_start(name, moment):
    """When the hour began by the clock of a time zone, as naive UTC.

    :param str name: of the time zone.
    :param datetime moment: naive UTC.
    """
    at = epoch(moment)
    for begin, stop, phase in _phases(zone(name), at - 86400, at + 86400):
        if begin <= at < stop:
            start = max(begin, at - (at + phase) % HOUR)
            return datetime.fromtimestamp(start, UTC).replace(tzinfo=None)
    raise AssertionError("the stretches leave no gap")


def _phases(tz, low, high):
    """Stretches (from, to, offset within the hour) of a time zone's clock.

    Nearly always one. Where a clock is moved by half an hour, an hour ends there.
    """
    start, phase = low, offset(tz, low) % HOUR
    for begin, _end, ahead in pieces(tz, low, high):
        if ahead % HOUR != phase:
            yield start, begin, phase
            start, phase = begin, ahead % HOUR
    yield start, high, phase


def _moments(values):
    """The array literal of moments, whose text has a space."""
    return text_array([str(value) for value in values])
