from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError
from odoo.tools import SQL

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
    has_relay = fields.Boolean(tracking=True)
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
    power_kw = fields.Float("Power (kW)", digits=(16, 3), readonly=True, copy=False)
    relay_state = fields.Selection(
        [("closed", "Closed"), ("open", "Open"), ("unknown", "Unknown")],
        string="Relay",
        readonly=True,
        copy=False,
        default="unknown",
        help="As the bridge last read it back from the meter, never assumed.",
    )
    relay_at = fields.Datetime("Relay Read At", readonly=True, copy=False)
    relay_generation = fields.Integer(readonly=True, copy=False, aggregator=None)
    relay_failures = fields.Integer(readonly=True, copy=False, aggregator=None)
    relay_retry_at = fields.Datetime(readonly=True, copy=False)
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

    # --------------------------------------------------------------------------- relay

    def _take_relay(self, relay, generation):
        """Store the relay's state as the bridge read it back.

        :param str relay: closed, open or unknown.
        :param int generation: of the last command the bridge executed on it.
        """
        self.ensure_one()
        now = fields.Datetime.now()
        generation = max(generation, self.relay_generation)
        values = {"relay_at": now, "relay_generation": generation}
        if relay != self.relay_state:
            values["relay_state"] = relay
        self.write(values)
        commands = self.env["energy.command"].search(
            [
                ("meter_id", "=", self.id),
                ("kind", "=", "relay"),
                ("state", "in", ("pending", "sent")),
                ("generation", "<=", generation),
                ("value", "=", relay),
            ]
        )
        if commands:
            commands._finish("verified", observed=relay)
            self.relay_failures = 0

    def _fail_relay(self, command):
        """A command came to nothing: try again later, and call a person at once."""
        self.ensure_one()
        point = command.service_point_id
        if command.generation < point.generation:
            return  # a newer wish has replaced it
        wait = timedelta(minutes=2 ** min(self.relay_failures, 5))
        self.write(
            {
                "relay_failures": self.relay_failures + 1,
                "relay_retry_at": fields.Datetime.now() + wait,
            }
        )
        self._alarm(
            point,
            self.env._("The relay of %s does not follow", self.serial),
            command.detail,
        )

    def _alarm(self, point, summary, note):
        """Schedule an activity on the service point unless it is there already."""
        if summary not in point.activity_ids.mapped("summary"):
            point.activity_schedule(
                "mail.mail_activity_data_todo", summary=summary, note=note or ""
            )

    @api.model
    def _cron_watch_stuck(self):
        """Call a person, once, where a register stands still though supply is on."""
        rows = self.env.execute_query(
            SQL(
                """
                SELECT meter.id
                  FROM energy_meter meter
                  JOIN energy_service_point point ON point.meter_id = meter.id
                  JOIN energy_validation validation
                    ON validation.id = point.validation_id
                 CROSS JOIN LATERAL (
                    SELECT register FROM energy_reading_used reading
                     WHERE reading.meter_id = meter.id
                       AND reading.at <= meter.last_reading_at
                           - validation.stuck_hours * interval '1 hour'
                     ORDER BY reading.at DESC LIMIT 1) earlier
                 WHERE validation.stuck_hours > 0 AND meter.relay_state <> 'open'
                   AND earlier.register = meter.last_register
                """
            )
        )
        for meter in self.browse([row[0] for row in rows]):
            meter._alarm(
                meter.service_point_id,
                self.env._("The register of %s stands still", meter.serial),
                self.env._("Since long, though supply is on: is it a by-pass?"),
            )

    def _reconcile(self):
        """Repeat what was lost, and report what happened on site (invariant 7).

        A relay that closed by itself is opened again. One that was opened on site is
        never closed from here: a person opened it, a person asks for it.
        """
        self.ensure_one()
        point = self.service_point_id
        if point and point._desired_state() != point.desired_state:
            point._converge()  # two changes met, and neither saw the other
        if not point or point.desired_state in (self.relay_state, "hold"):
            return
        if self.relay_retry_at and self.relay_retry_at > fields.Datetime.now():
            return
        Command = self.env["energy.command"]
        mine = [("service_point_id", "=", point.id), ("kind", "=", "relay")]
        if Command.search_count([*mine, ("state", "in", ("pending", "sent"))], limit=1):
            return
        last = Command.search([*mine, ("generation", "=", point.generation)], limit=1)
        if point.desired_state == "closed" and (not last or last.state == "verified"):
            self._alarm(
                point,
                self.env._("The relay of %s was opened on site", self.serial),
                self.env._("Look there first; then switch off and on from Odoo."),
            )
            return
        if last.state == "verified":  # it was open, and closed by itself
            self.relay_retry_at = fields.Datetime.now() + timedelta(minutes=1)
            self._alarm(
                point,
                self.env._("The relay of %s closed by itself", self.serial),
                self.env._("It is being opened again, once a minute."),
            )
        point._converge(again=True)
