from odoo import fields, models

RELAYS = {"relay_opened": "open", "relay_closed": "closed"}


class EnergyEvent(models.Model):
    """Something a meter told beside its register: a trip, tampering, a power loss."""

    _name = "energy.event"
    _description = "Meter Event"
    _order = "at desc, id desc"

    gateway_id = fields.Many2one("energy.gateway", required=True, readonly=True)
    meter_id = fields.Many2one("energy.meter", readonly=True, index=True)
    company_id = fields.Many2one(related="gateway_id.company_id", store=True)
    uid = fields.Char(required=True, readonly=True)
    at = fields.Datetime("Time", required=True, readonly=True)
    kind = fields.Selection(
        [
            ("relay_opened", "Relay Opened"),
            ("relay_closed", "Relay Closed"),
            ("overload_trip", "Overload Trip"),
            ("tamper", "Tamper"),
            ("power_lost", "Power Lost"),
            ("power_restored", "Power Restored"),
            ("meter_exchanged", "Meter Exchanged"),
            ("clock_step", "Clock Step"),
        ],
        required=True,
        readonly=True,
    )
    data = fields.Json(readonly=True)
    service_point_id = fields.Many2one(related="meter_id.service_point_id")

    _uid_uniq = models.Constraint("unique (gateway_id, uid)", "This event is known.")

    def _take_effect(self):
        """Let the event change what is known of the meter and its point."""
        self.ensure_one()
        if self.kind in RELAYS:
            if self.meter_id and self.at >= (self.meter_id.relay_at or self.at):
                meter = self.meter_id
                meter._take_relay(RELAYS[self.kind], meter.relay_generation)
            return
        point = self._point()
        if self.kind == "overload_trip":
            point._trip(self.at)
        elif point:
            self._alarm_point(point)
        elif not self.meter_id and self.kind != "power_restored":
            self._alarm_gateway()

    def _point(self):
        """Where the meter is, if it was there already when this happened."""
        now = self.meter_id.installation_ids.filtered(
            lambda i: not i.date_to and i.date_from <= self.at
        )
        return now.service_point_id

    def _alarm_point(self, point):
        if self.kind in ("power_lost", "power_restored"):
            self._alarm_power(point)
            return
        serial, when = self.meter_id.serial, point._local(self.at)
        kind, summary, note = {
            "tamper": (
                "alarm_tamper",
                self.env._("Tampering with %s: check on site", serial),
                self.env._("The meter reported it at %s.", when),
            ),
            "meter_exchanged": (
                "alarm_exchange",
                self.env._("%s was exchanged: record it", serial),
                self.env._(
                    "At %s. Enter the closing and the opening register under Meters.",
                    when,
                ),
            ),
            "clock_step": (
                "alarm_clock",
                self.env._("The clock of %s was set", serial),
                self.env._("At %s. Check the readings around that time.", when),
            ),
        }[self.kind]
        point._alarm(kind, summary, note)

    def _alarm_power(self, point):
        """Power came or went; only the newest word counts, events may come late."""
        newer = self.search_count(
            [
                ("meter_id", "=", self.meter_id.id),
                ("kind", "in", ("power_lost", "power_restored")),
                ("at", ">", self.at),
            ],
            limit=1,
        )
        if newer:
            return
        when = point._local(self.at)
        if self.kind == "power_lost":
            point._alarm(
                "alarm_power",
                self.env._("%s lost its power", self.meter_id.serial),
                self.env._("Since %s.", when),
            )
        else:
            point._all_clear(["alarm_power"], self.env._("Power is back at %s.", when))

    def _alarm_gateway(self):
        """An event that names no meter concerns the bridge itself."""
        kinds = dict(self._fields["kind"]._description_selection(self.env))
        self.gateway_id._alarm(
            "alarm_gateway_event",
            self.env._("The bridge reports: %s", kinds[self.kind]),
            self.env._("At %s UTC.", self.at),
        )
