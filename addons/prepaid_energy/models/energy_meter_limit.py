from odoo import fields, models

from ..exchange.numbers import exact, plain
from .energy_command import UNFINISHED
from .energy_meter_relay import BY_ITSELF
from .supply import LIMIT_DIGITS, parse_limit


class EnergyMeter(models.Model):
    """The load limit of a meter: what the bridge read back, and whether it follows."""

    _inherit = "energy.meter"

    can_limit = fields.Boolean(
        "Can Limit Load", tracking=True, help="It disconnects or sheds above a limit."
    )
    load_limit_kw = fields.Float(
        "Load Limit (kW)",
        digits=(16, LIMIT_DIGITS),
        readonly=True,
        copy=False,
        help="As the bridge last read it back from the meter. 0: none.",
    )
    load_limit_at = fields.Datetime("Limit Read At", readonly=True, copy=False)
    limit_generation = fields.Integer(readonly=True, copy=False, aggregator=None)
    limit_failures = fields.Integer(readonly=True, copy=False, aggregator=None)
    limit_retry_at = fields.Datetime(readonly=True, copy=False)

    def _take_limit(self, limit):
        """Store the load limit as the bridge read it back; it verifies commands.

        :param Decimal limit: in kW.
        """
        self.ensure_one()
        changed = not self.load_limit_at or limit != self._seen_limit()
        if changed:
            self.load_limit_kw = float(limit)
            self.load_limit_at = fields.Datetime.now()
        commands = self._commands_of(self.service_point_id, "load_limit").filtered(
            lambda c: c.state in UNFINISHED and parse_limit(c.value) == limit
        )
        commands._finish("verified", observed=plain(limit))
        if commands:
            self.limit_failures = 0
        if commands or changed and limit == self._limit_wanted():
            self.service_point_id._all_clear(
                ["alarm_limit"],
                self.env._("The load limit of %s follows again.", self.serial),
            )

    def _seen_limit(self):
        return exact(self.load_limit_kw, LIMIT_DIGITS)

    def _limit_wanted(self):
        return exact(self.service_point_id.wanted_limit_kw, LIMIT_DIGITS)

    def _fail_limit(self, command):
        """A limit was not taken over: try again later, and call a person at once."""
        point = command.service_point_id
        if command.generation < point.limit_generation:
            return  # a newer wish has replaced it
        self.limit_retry_at = self._pause(self.limit_failures)
        self.limit_failures += 1
        point._alarm(
            "alarm_limit",
            self.env._("%s does not take over its load limit", self.serial),
            command.detail,
        )

    def _take_reported_limit(self, raw, ordered):
        """What a bridge reports of the load limit: note it and, if need be, repeat.

        :param raw: as in the protocol; ``None`` where the bridge cannot read it back.
        :param bool ordered: whether a command to this meter is unfinished.
        """
        limit = parse_limit(raw)
        if limit is not None and (
            ordered or not self.load_limit_at or limit != self._seen_limit()
        ):
            self._take_limit(limit)
        if self.service_point_id:
            self._reconcile_limit(limit)

    def _reconcile_limit(self, limit):
        """Order the limit again where the meter has another one (invariant 7).

        Where none is wanted, one that software never set is left alone: somebody set
        it on site.
        """
        point = self.service_point_id
        if not self._limit_wanted() and not self.limit_generation:
            return
        if limit is not None and limit == self._limit_wanted():
            return
        if self.limit_retry_at and self.limit_retry_at > fields.Datetime.now():
            return
        mine = self._commands_of(point, "load_limit")
        if mine.filtered(lambda c: c.state in UNFINISHED):
            return
        done = mine.filtered(lambda c: c.state == "verified")
        if limit is None and done:
            return
        if done:
            self.limit_retry_at = fields.Datetime.now() + BY_ITSELF
            point._alarm(
                "alarm_limit",
                self.env._("The load limit of %s was changed on site", self.serial),
                self.env._("It is being set again, once a minute."),
            )
        seen = "" if limit is None else plain(limit)
        point._repeat_limit(
            self.env._("Repeated: the meter has %s kW", seen) if mine and seen else ""
        )
