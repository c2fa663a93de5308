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

    _uid_uniq = models.Constraint("unique (gateway_id, uid)", "This event is known.")

    def _take_effect(self):
        """Let the event change what is known of the meter and its point."""
        self.ensure_one()
        if self.kind == "overload_trip":
            self.meter_id.service_point_id._trip(self.at)
        elif self.kind in RELAYS and self.at >= (self.meter_id.relay_at or self.at):
            self.meter_id._take_relay(RELAYS[self.kind], self.meter_id.relay_generation)
