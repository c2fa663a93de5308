"""A person's decision about a reading: use it, with all that follows for the wallet."""

from datetime import UTC, datetime
from decimal import Decimal

from odoo.exceptions import UserError
from odoo.tools import SQL

from ..rating import Held, consumption
from .judge import Judge, look_back
from .meters import load_meters
from .parse import parse_register
from .rerate import Rerating
from .store import Store

NEWEST = """
UPDATE energy_meter meter
   SET last_reading_at = newest.at, last_register = newest.register
  FROM (SELECT at, register FROM energy_reading_used
         WHERE meter_id = %(meter)s ORDER BY at DESC LIMIT 1) newest
 WHERE meter.id = %(meter)s
"""


class Decision:
    """The reading of a meter at a moment, to be used as somebody decided.

    :param recordset meter: one ``energy.meter``; the caller has checked access.
    :param datetime at: naive UTC.
    :param Decimal register: the value to use.
    :param str reason: for the correction entries.
    """

    def __init__(self, meter, at, register, reason):
        self.env = meter.env
        self.meter = meter
        self.at = at
        self.register = register
        self.reason = reason
        self.modulus = Decimal(10) ** meter.register_digits

    def use(self, quality):
        """Use the reading and rate its service point again.

        :param str quality: ``corrected``, or ``measured`` for a value as it was
            received; such a one may begin a register anew, see :meth:`_begins_anew`.
        :return: how much the wallets pay more, levies included, as Decimal.
        :raise UserError: names why the reading cannot be used.
        """
        self.env.flush_all()
        self.env.execute_query(
            SQL(
                "SELECT id FROM energy_meter WHERE id = %s FOR NO KEY UPDATE",
                self.meter.id,
            )
        )
        moment = self.meter.id, self.at
        place = look_back(self.env, [moment])[moment]
        if place.point_id is None:
            raise UserError(
                self.env._("%s was installed nowhere at that time.", self.meter.serial)
            )
        if self._begins_anew(place):
            if quality == "corrected" or place.stored is not None:
                raise UserError(
                    self.env._("The reading before is higher: %s.", place.before[1])
                )
            quality = "reset"
        self._check_after(place)
        self._store(place, quality)
        self.env.cr.execute(SQL(NEWEST, meter=self.meter.id))
        self.env["energy.meter"].invalidate_model(["last_reading_at", "last_register"])
        point = self.env["energy.service.point"].browse(place.point_id)
        since = place.before[0] if place.before else self.at
        return Rerating(point, point.tariff_id._local_day(since), self.reason).run()

    def _begins_anew(self, place):
        """Whether the register falls and has not rolled over: it was reset.

        Then nothing is charged between the reading before and this one.
        """
        if self.register >= self.modulus:
            raise UserError(
                self.env._("The register has more digits than the meter shows.")
            )
        return place.before is not None and not self._rises(
            place.before[1], self.register
        )

    def _check_after(self, place):
        if place.after is not None and not self._rises(self.register, place.after[1]):
            raise UserError(
                self.env._(
                    "The reading after it is lower (%(register)s at %(at)s): correct "
                    "that one first.",
                    register=place.after[1],
                    at=place.after[0],
                )
            )

    def _rises(self, before, after):
        try:
            consumption(before, after, self.modulus)
        except Held:
            return False
        return True

    def _store(self, place, quality):
        """A new row, or for a stored reading a value to use in its place."""
        row = self.meter.id, self.at, self.register
        if place.stored is None:
            self.env["energy.reading"]._ensure_partitions([self.at])
            self.env.cr.execute(
                SQL(
                    "INSERT INTO energy_reading (meter_id, at, register, quality) "
                    "VALUES (%s, %s, %s, %s)",
                    *row,
                    quality,
                )
            )
        else:
            self.env.cr.execute(
                SQL(
                    "INSERT INTO energy_reading_override (meter_id, at, register) "
                    "VALUES (%s, %s, %s) ON CONFLICT (meter_id, at) "
                    "DO UPDATE SET register = EXCLUDED.register",
                    *row,
                )
            )


def retry(reviews, reason):
    """Judge held readings of one meter again, after a decision about another one.

    :param recordset reviews: pending ``energy.reading.review``, in order of time.
    :return: those that could be used now.
    """
    env, meter = reviews.env, reviews.meter_id
    found = load_meters(env, meter.gateway_id.id, {meter.serial})
    rows = [
        (index, meter.serial, review.at, register)
        for index, review in enumerate(reviews)
        if review.at and (register := parse_register(review.raw_register)) is not None
    ]
    if not found or not rows:
        return reviews.browse()
    now = datetime.now(UTC).replace(tzinfo=None)
    judge = Judge(env, now, found, rows)
    state = found[meter.serial]
    used = reviews.browse()
    for index, _serial, at, register in rows:
        if judge.known(state, at) is None and not judge.judge(state, at, register)[0]:
            used |= reviews[index]
    if used:
        store = Store(env)
        store.readings([state])
        points = {row[2] for row in state.late}
        if state.accepted:
            points.add(state.point_id)
        store.tasks(dict.fromkeys(points, min(used.mapped("at"))), reason)
    return used
