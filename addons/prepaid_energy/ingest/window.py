"""What meters counted in one and the same stretch of time.

How to use: ``counted(env, points, since, until)``; the live board asks for the last
hour.

How it works: for each meter four look-ups in the primary key of the readings, those
around the begin and the end; the register at either is spread evenly between them. So
the energies of a feeder and of what hangs below it can be compared, however far apart
their readings are; the powers that they reported last cannot.
"""

from decimal import Decimal

from odoo.tools import SQL

from .parse import epoch

NEAR = """
WITH meter AS (
    SELECT point.id AS point_id, point.meter_id, installation.date_from,
           power(10::numeric, meter.register_digits) AS modulus
      FROM energy_service_point point
      JOIN energy_meter meter ON meter.id = point.meter_id
      JOIN energy_meter_installation installation
        ON installation.meter_id = meter.id AND installation.date_to IS NULL
       AND installation.service_point_id = point.id
       AND installation.date_from <= %(since)s
     WHERE point.id = ANY(%(points)s)
)
SELECT meter.point_id, meter.modulus::text,
       extract(epoch FROM first.at)::bigint, first.register::text,
       extract(epoch FROM begin.at)::bigint, begin.register::text,
       extract(epoch FROM last.at)::bigint, last.register::text,
       extract(epoch FROM stop.at)::bigint, stop.register::text
  FROM meter
 CROSS JOIN LATERAL (
    SELECT at, register FROM energy_reading_used used
     WHERE used.meter_id = meter.meter_id
       AND used.at BETWEEN GREATEST(meter.date_from, %(since)s - %(gap)s)
                       AND %(since)s ORDER BY at DESC LIMIT 1) first
 CROSS JOIN LATERAL (
    SELECT at, register FROM energy_reading_used used
     WHERE used.meter_id = meter.meter_id
       AND used.at BETWEEN %(since)s AND %(since)s + %(gap)s
     ORDER BY at LIMIT 1) begin
 CROSS JOIN LATERAL (
    SELECT at, register FROM energy_reading_used used
     WHERE used.meter_id = meter.meter_id
       AND used.at BETWEEN GREATEST(meter.date_from, %(until)s - %(gap)s)
                       AND %(until)s ORDER BY at DESC LIMIT 1) last
 CROSS JOIN LATERAL (
    SELECT at, register FROM energy_reading_used used
     WHERE used.meter_id = meter.meter_id
       AND used.at BETWEEN %(until)s AND %(until)s + %(gap)s
     ORDER BY at LIMIT 1) stop
"""


def counted(env, points, since, until, gap):
    """What the meters of service points counted from ``since`` until ``until``.

    Raw SQL: the caller has checked that the user may read the points.

    :param list points: their ids.
    :param datetime since, until: naive UTC.
    :param timedelta gap: readings further from one another say nothing of the time
        between them.
    :return: dict point id -> Decimal. What is not known is not there: a gap, a meter
        that was exchanged meanwhile, a register that began anew.
    """
    found = env.execute_query(
        SQL(NEAR, points=list(points), since=since, until=until, gap=gap)
    )
    low, high, most = epoch(since), epoch(until), gap.total_seconds()
    result = {}
    for point_id, *texts in found:
        # texts: Odoo would make floats of them
        modulus, *rows = (
            Decimal(value) if type(value) is str else value for value in texts
        )
        begin = _between(low, modulus, *rows[:4], most)
        end = _between(high, modulus, *rows[4:], most)
        energy = None if None in (begin, end) else _step(begin, end, modulus)
        if energy is not None:
            result[point_id] = energy
    return result


def _between(at, modulus, low, before, high, after, most):
    """The register at a moment, from the readings around it."""
    if low == high:
        return before
    step = _step(before, after, modulus)
    if high - low > most or step is None:
        return None
    return before + step * Decimal(at - low) / Decimal(high - low)


def _step(before, after, modulus):
    """How far a register went; None where it did not roll over, but began anew."""
    step = after - before
    if step < 0:
        step += modulus
        return step if 0 <= step < modulus / 2 else None
    return step
