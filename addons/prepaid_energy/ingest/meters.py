"""The meters of a batch, with all the state that judging and rating need."""

from decimal import Decimal

from odoo.tools import SQL

from .parse import decimal_or_none

LOAD_METERS = """
SELECT meter.serial, meter.id, meter.last_reading_at,
       meter.last_register::text, installation.date_from,
       CASE WHEN installation.opening_counts
            THEN COALESCE(installation.opening_register, 0)::text END,
       point.id, point.rating_state, point.tariff_id, point.wallet_id,
       point.company_id, tariff.currency_id, meter.register_digits,
       (point.max_power_kw * COALESCE(validation.margin, 1))::text,
       COALESCE(validation.late, 'accept'), COALESCE(validation.spike, 'hold'),
       COALESCE(validation.gap_hours, 0)
  FROM energy_meter meter
  LEFT JOIN energy_meter_installation installation
         ON installation.meter_id = meter.id AND installation.date_to IS NULL
  LEFT JOIN energy_service_point point ON point.id = installation.service_point_id
  LEFT JOIN energy_tariff tariff ON tariff.id = point.tariff_id
  LEFT JOIN energy_validation validation ON validation.id = point.validation_id
 WHERE meter.gateway_id = %s AND meter.serial = ANY(%s)
 ORDER BY meter.id
   FOR NO KEY UPDATE OF meter
"""


class MeterState:
    """A meter as one row of :data:`LOAD_METERS` has it; registers are Decimal."""

    COLUMNS = (
        "serial",
        "meter_id",
        "last_at",
        "last_register",
        "installed",
        "opening",
        "point_id",
        "rating_state",
        "tariff_id",
        "wallet_id",
        "company_id",
        "currency_id",
        "digits",
        "max_kw",
        "late_rule",
        "spike_rule",
        "gap_hours",
    )
    __slots__ = (
        *COLUMNS,
        "accepted",
        "gaps",
        "late",
        "modulus",
        "newest_at",
        "taken",
        "worst",
    )

    def __init__(self, row):
        values = dict(zip(self.COLUMNS, row, strict=True))
        values["last_register"] = decimal_or_none(values["last_register"])
        values["opening"] = decimal_or_none(values["opening"])
        values["max_kw"] = decimal_or_none(values["max_kw"]) or None
        for name, value in values.items():
            setattr(self, name, value)
        self.newest_at = self.last_at  # at whatever point it was read
        self.worst = None
        if self.last_at and self.installed and self.last_at < self.installed:
            self.last_at = self.last_register = None  # read at another point before
        if not self.last_at:
            self.last_register = None
            if self.opening is not None:
                self.last_at, self.last_register = self.installed, self.opening
        self.modulus = Decimal(10) ** self.digits
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
        before = self.newest()
        hours = (at - before[0]).total_seconds() / 3600 if before else 0
        if self.gap_hours and hours > self.gap_hours:
            self.gaps.add(at)
        self.accepted.append((at, register))
        self.taken[at] = register


def load_meters(env, gateway_id, serials):
    """Load and lock the gateway's meters among ``serials``, in a fixed order.

    :return: dict serial -> :class:`MeterState`.
    """
    env.flush_all()
    found = env.execute_query(SQL(LOAD_METERS, gateway_id, sorted(serials)))
    return {row[0]: MeterState(row) for row in found}
