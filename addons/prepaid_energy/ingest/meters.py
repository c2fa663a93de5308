"""The meters of a batch, with all the state that judging and rating need."""

import json
from decimal import Decimal

from odoo.tools import SQL

from .arrays import text_array
from .parse import decimal_or_none

LOAD_METERS = """
SELECT meter.serial, meter.id, meter.last_reading_at,
       meter.last_register::text, installation.date_from,
       CASE WHEN installation.opening_counts
            THEN COALESCE(installation.opening_register, 0)::text END,
       point.id, COALESCE(point.rating_state::text, 'null'), point.tariff_id,
       point.wallet_id, point.company_id, tariff.currency_id, meter.register_digits,
       (point.max_power_kw * COALESCE(validation.margin, 1))::text,
       COALESCE(validation.late, 'accept'), COALESCE(validation.spike, 'hold'),
       COALESCE(validation.gap_hours, 0)
  FROM energy_meter meter
  LEFT JOIN energy_meter_installation installation
         ON installation.meter_id = meter.id AND installation.date_to IS NULL
  LEFT JOIN energy_service_point point ON point.id = installation.service_point_id
  LEFT JOIN energy_tariff tariff ON tariff.id = point.tariff_id
  LEFT JOIN energy_validation validation ON validation.id = point.validation_id
 WHERE meter.gateway_id = %s AND meter.serial = ANY(%s::text[])
 ORDER BY meter.id
   FOR NO KEY UPDATE OF meter
"""
MODULI = [Decimal(10) ** digits for digits in range(16)]


class MeterState:
    """A meter as one row of :data:`LOAD_METERS` has it; registers are Decimal."""

    __slots__ = (
        "accepted",
        "company_id",
        "currency_id",
        "gap_hours",
        "gaps",
        "installed",
        "last_at",
        "last_register",
        "late",
        "late_rule",
        "max_kw",
        "meter_id",
        "modulus",
        "newest_at",
        "point_id",
        "rating_state",
        "serial",
        "spike_rule",
        "taken",
        "tariff_id",
        "wallet_id",
        "worst",
    )

    def __init__(self, row, rating_state):
        (
            self.serial,
            self.meter_id,
            self.last_at,
            register,
            self.installed,
            opening,
            self.point_id,
            _state,
            self.tariff_id,
            self.wallet_id,
            self.company_id,
            self.currency_id,
            digits,
            max_kw,
            self.late_rule,
            self.spike_rule,
            self.gap_hours,
        ) = row
        self.rating_state = rating_state
        self.last_register = decimal_or_none(register)
        self.max_kw = decimal_or_none(max_kw) or None
        self.newest_at = self.last_at  # at whatever point it was read
        self.worst = None
        if self.last_at and self.installed and self.last_at < self.installed:
            self.last_at = self.last_register = None  # read at another point before
        if not self.last_at:
            self.last_register = decimal_or_none(opening)
            self.last_at = self.installed if opening is not None else None
        self.modulus = MODULI[digits]
        self.accepted = []  # (time, register), newer than all before
        self.late = []  # (time, register, service point, time of the one before)
        self.taken = {}  # time -> register, of both
        self.gaps = set()  # times of readings after a gap

    def follows(self, at):
        """Whether ``at`` is newer than all readings that are stored."""
        return (
            self.point_id is not None
            and at >= self.installed
            and (self.newest_at is None or at > self.newest_at)
        )

    def newest(self):
        """(time, register) of the reading before the next one, or None."""
        if self.accepted:
            return self.accepted[-1]
        return (self.last_at, self.last_register) if self.last_at else None

    def accept(self, at, register):
        """Note a reading that is newer than all before."""
        if self.gap_hours and (before := self.newest()):
            if (at - before[0]).total_seconds() / 3600 > self.gap_hours:
                self.gaps.add(at)
        self.accepted.append((at, register))
        self.taken[at] = register


def load_meters(env, gateway_id, serials):
    """Load and lock the gateway's meters among ``serials``, in a fixed order.

    :return: dict serial -> :class:`MeterState`.
    """
    env.flush_all()
    found = env.execute_query(SQL(LOAD_METERS, gateway_id, text_array(sorted(serials))))
    # all in one document: psycopg2 would parse each by itself, 2 µs a meter
    states = json.loads("[" + ",".join([row[7] for row in found]) + "]")
    return {
        row[0]: MeterState(row, state) for row, state in zip(found, states, strict=True)
    }
