"""The stored readings of service points, meter by meter, as the engine takes them."""

from collections import defaultdict
from decimal import Decimal

from odoo.tools import SQL

INSTALLATIONS = """
SELECT installation.service_point_id, installation.id, meter.register_digits,
       extract(epoch FROM installation.date_from)::bigint,
       CASE WHEN installation.opening_counts
            THEN COALESCE(installation.opening_register, 0)::text END
  FROM energy_meter_installation installation
  JOIN energy_meter meter ON meter.id = installation.meter_id
 WHERE installation.service_point_id = ANY(%s)
 ORDER BY installation.service_point_id, installation.date_from
"""
READINGS = """
SELECT installation.id, extract(epoch FROM reading.at)::bigint,
       reading.register::text, reading.quality = 'reset'
  FROM energy_meter_installation installation
 CROSS JOIN LATERAL (
    SELECT COALESCE(max(earlier.at), installation.date_from) AS at
      FROM energy_reading earlier
     WHERE earlier.meter_id = installation.meter_id
       AND earlier.at BETWEEN installation.date_from AND %(low)s
 ) opening
 CROSS JOIN LATERAL (
    SELECT COALESCE(min(later.at), 'infinity') AS at
      FROM energy_reading later
     WHERE later.meter_id = installation.meter_id AND later.at >= %(high)s
 ) closing
  JOIN energy_reading_used reading
    ON reading.meter_id = installation.meter_id
   AND reading.at BETWEEN opening.at
       AND LEAST(closing.at, COALESCE(installation.date_to, 'infinity'))
 WHERE installation.service_point_id = ANY(%(points)s)
 ORDER BY installation.id, reading.at
"""


def load_history(env, point_ids, low, high=None):
    """The readings that rate the consumption between two moments.

    :param list point_ids: service points.
    :param datetime low: naive UTC; the last reading at or before it is included.
    :param datetime high: naive UTC or None (no end); the first reading at or after it
        is included.
    :return: dict service point -> list of runs in order of time, one for each meter, or
        more where its register was reset; a run is [(epoch seconds, register as
        Decimal), …] that rises, and its first reading only opens it.
    """
    env.flush_all()
    readings, begun_anew = defaultdict(list), set()
    found = env.execute_query(
        SQL(READINGS, low=low, high=high or "infinity", points=list(point_ids))
    )
    for installation_id, at, register, reset in found:
        if reset or not readings[installation_id]:
            if reset and not readings[installation_id]:
                begun_anew.add(installation_id)  # not a rollover of the opening
            readings[installation_id].append([])
        readings[installation_id][-1].append((at, Decimal(register)))
    runs = defaultdict(list)
    for point_id, installation_id, digits, begin, opening in env.execute_query(
        SQL(INSTALLATIONS, list(point_ids))
    ):
        found = readings[installation_id]
        if (
            opening is not None
            and found
            and installation_id not in begun_anew
            and begin < found[0][0][0]
        ):
            found[0].insert(0, (begin, Decimal(opening)))
        for run in found:
            if len(run) > 1:
                runs[point_id].append(unwrapped(run, Decimal(10) ** digits))
    return runs


def unwrapped(readings, modulus):
    """Readings (time, register) whose register goes on rising over a rollover.

    A fall that was accepted is one, see ``Judge``.

    :param Decimal modulus: what the register rolls over at.
    """
    result, offset, before = [], Decimal(0), None
    for at, register in readings:
        if before is not None and register < before:
            offset += modulus
        before = register
        result.append((at, register + offset))
    return result
