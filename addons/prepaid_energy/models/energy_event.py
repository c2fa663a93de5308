from odoo import fields, models


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
