from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from .protected import refuse, without_defaults

# What the meter itself says: written by the ingest, never by a form or an import.
MEASURED = {
    "last_reading_at",
    "last_register",
    "telemetry",
    "telemetry_at",
    "power_kw",
    "relay_state",
    "relay_at",
    "relay_generation",
    "relay_failures",
    "relay_retry_at",
    "load_limit_kw",
    "load_limit_at",
    "limit_generation",
    "limit_failures",
    "limit_retry_at",
}


class EnergyMeter(models.Model):
    """The device on the wall. It comes and goes; the service point stays."""

    _name = "energy.meter"
    _description = "Energy Meter"
    _inherit = ["mail.thread"]
    _order = "serial, id"
    _rec_name = "serial"
    _check_company_auto = True

    serial = fields.Char(required=True, tracking=True, copy=False)
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    profile = fields.Char(help="The bridge's register map, e.g. sdm630 or ddsy1352.")
    gateway_id = fields.Many2one(
        "energy.gateway", tracking=True, index=True, check_company=True
    )
    register_digits = fields.Integer(
        default=8, help="Digits before the decimal point: it rolls over after them."
    )
    installation_ids = fields.One2many("energy.meter.installation", "meter_id")
    service_point_id = fields.Many2one(
        "energy.service.point", compute="_compute_service_point_id", store=True
    )
    last_reading_at = fields.Datetime(readonly=True, copy=False)
    last_register = fields.Float(
        "Register (kWh)", digits=(18, 3), readonly=True, copy=False, aggregator=None
    )
    telemetry = fields.Json(readonly=True, copy=False)
    telemetry_at = fields.Datetime(readonly=True, copy=False)
    power_kw = fields.Float(
        "Power (kW)",
        digits=(16, 3),
        readonly=True,
        copy=False,
        help="As the meter said last; none from when its relay was read back open.",
    )
    active = fields.Boolean(default=True)

    _serial_uniq = models.Constraint(
        "unique (serial)", "A meter with this serial number exists already."
    )

    def init(self):
        """Leave room in the pages for what each batch updates in place."""
        self.env.cr.execute("ALTER TABLE energy_meter SET (fillfactor = 60)")

    @api.depends("installation_ids.date_to", "installation_ids.service_point_id")
    def _compute_service_point_id(self):
        for meter in self:
            current = meter.installation_ids.filtered(lambda i: not i.date_to)
            meter.service_point_id = current[:1].service_point_id

    @api.constrains("register_digits")
    def _check_register_digits(self):
        for meter in self:
            if not 3 <= meter.register_digits <= 15:
                raise ValidationError(
                    meter.env._(
                        "%s: a register has between 3 and 15 digits.", meter.serial
                    )
                )

    @api.model_create_multi
    def create(self, vals_list):
        """Refuse values that only the meter itself can tell."""
        for vals in vals_list:
            self._refuse_measured(vals)
        clean = without_defaults(self, MEASURED)
        return super(EnergyMeter, clean).create(vals_list)

    def write(self, vals):
        """Refuse values that only the meter itself can tell."""
        self._refuse_measured(vals)
        if vals.get("active") is False and self.service_point_id:
            raise UserError(self.env._("End the meter's installation first."))
        return super().write(vals)

    def _refuse_measured(self, vals):
        message = self.env._("%s cannot be written: the meter itself tells it.")
        refuse(self, vals, MEASURED, message)

    @api.ondelete(at_uninstall=False)
    def _unlink_unread(self):
        for meter in self.filtered("last_reading_at"):
            raise UserError(
                self.env._("%s has readings: archive it instead.", meter.serial)
            )

    def action_view_readings(self):
        """Open the meter's raw readings."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_reading_action"
        )
        return {**action, "domain": [("meter_id", "=", self.id)]}
