from datetime import timedelta

from odoo import fields, models
from odoo.tools import formatLang

from . import supply

SILENT = timedelta(hours=1)  # after so long without a word a meter's state is doubted


class EnergyServicePoint(models.Model):
    """Why there is no supply, in the words of the tenant who sits in the dark.

    Other than ``why`` it names no staff, and it also knows what no policy decides: an
    open feeder above, a meter that has not been heard of.
    """

    _inherit = "energy.service.point"

    def _outages(self):
        """The causes of missing supply; in sudo mode.

        :return: dict service point id -> (cause, text), without points that are
            supplied. Causes: locked, tripped, operator, shed, balance, feeder, moving,
            unknown.
        """
        feeders = self._open_feeders()
        found = {}
        for point in self:
            outage = point._outage(feeders.get(point.id))
            if outage:
                found[point.id] = outage
        return found

    def _open_feeders(self):
        """dict point id -> the nearest feeder above it whose relay is open."""
        above = {
            point.id: [int(number) for number in point.parent_path.split("/")[:-2]]
            for point in self
            if point.parent_path
        }
        ids = {number for path in above.values() for number in path}
        dead = self.browse(ids).filtered(
            lambda feeder: (
                feeder.meter_id.has_relay and feeder.meter_id.relay_state == "open"
            )
        )
        return {
            point_id: self.browse(found[-1])
            for point_id, path in above.items()
            if (found := [number for number in path if number in dead._ids])
        }

    def _outage(self, feeder):
        self.ensure_one()
        meter = self.meter_id
        relay = meter.relay_state if meter.has_relay else False
        if self.locked_out:
            return "locked", self.env._(
                "Locked out for work since %s: nobody can switch it on from afar until "
                "the lock is taken off on site.",
                self._tenant_time(self.lockout_at),
            )
        if self.tripped:
            return "tripped", self._tripped_text()
        if relay == "open" and self.desired_state == supply.OPEN:
            return self._opened()
        if feeder:
            return "feeder", self.env._("The line that feeds it is switched off.")
        if relay == "open":
            return "moving", self.env._("It is being switched on.")
        if relay == "unknown" or self._is_silent():
            return "unknown", self._silent_text()
        return None

    def _opened(self):
        if self.switched_off:
            return "operator", self.env._(
                "Switched off by the park's staff since %s.",
                self._tenant_time(self.switched_at),
            )
        if self.shed:
            return "shed", self.env._(
                "Switched off since %s, because the quota of its line is used up; it "
                "comes back by itself with a new one.",
                self._tenant_time(self.shed_at),
            )
        if self.wallet_id.level == supply.CUT:
            return "balance", self.env._("Cut off, because the balance is used up.")
        return "operator", self.env._("Switched off by the park.")

    def _tripped_text(self):
        if self.rearm_at:
            return self.env._(
                "Tripped on overload at %(time)s; it closes again by itself at "
                "%(rearm)s. Please switch off what drew too much.",
                time=self._tenant_time(self.tripped_at),
                rearm=self._tenant_time(self.rearm_at),
            )
        return self.env._(
            "Tripped on overload at %s. Somebody must look into it on site and "
            "confirm; please call the park's office.",
            self._tenant_time(self.tripped_at),
        )

    def _is_silent(self):
        heard = self._heard_at()
        return bool(heard) and heard < fields.Datetime.now() - SILENT

    def _heard_at(self):
        """When the meter last said anything; False for never."""
        meter = self.meter_id
        heard = [meter.last_reading_at, meter.telemetry_at, meter.relay_at]
        return max((moment for moment in heard if moment), default=False)

    def _silent_text(self):
        heard = self._heard_at()
        if not heard:
            return self.env._("The meter has not been heard of yet.")
        return self.env._(
            "The meter has not been heard of since %s; supply may well be on.",
            self._tenant_time(heard),
        )

    def _tenant_time(self, moment):
        """A moment by the clock of the site: the time alone where it is today."""
        return self.wallet_id._clock_text(moment, self.site_id.tz)

    def _portal_row(self, outage):
        """What the tenant's list of meters shows of a point; in sudo mode.

        :param tuple outage: (cause, text) or None.
        """
        return {
            "name": self.name,
            "serial": self.meter_id.serial or "",
            "state": self.supply_state,
            "cause": outage and outage[0],
            "text": outage and outage[1],
            "details": " · ".join(filter(None, self._meter_texts())),
        }

    def _meter_texts(self):
        """The meter, its last reading, its power and how old the relay's state is."""
        meter = self.meter_id
        if meter:
            yield self.env._("Meter %s", meter.serial)
        if meter.last_reading_at:
            yield self.env._(
                "%(register)s %(unit)s, read at %(time)s",
                register=formatLang(self.env, meter.last_register, digits=1),
                unit=self.tariff_id.register_uom_id.name,
                time=self._tenant_time(meter.last_reading_at),
            )
        if meter.telemetry_at and not self._is_silent():
            power = formatLang(self.env, meter.power_kw, digits=1)
            yield self.env._("%s kW now", power)
        if meter.has_relay and meter.relay_at:
            yield self.env._("supply as of %s", self._tenant_time(meter.relay_at))
