from datetime import timedelta

from odoo import api, fields, models
from odoo.tools import SQL

from . import supply
from .energy_command import UNFINISHED

MOST_DOUBLINGS = 5  # pauses between attempts: 1, 2, 4, … 32 minutes
BY_ITSELF = timedelta(minutes=1)


class EnergyMeter(models.Model):
    """The relay of a meter: what the bridge read back, and whether it follows."""

    _inherit = "energy.meter"

    has_relay = fields.Boolean(tracking=True)
    relay_state = fields.Selection(
        [("closed", "Closed (on)"), ("open", "Open (off)"), ("unknown", "Unknown")],
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

    def write(self, vals):
        """A meter that changes its bridge leaves its commands there unexecuted."""
        if "gateway_id" in vals:
            moving = self.filtered(lambda m: m.gateway_id.id != vals["gateway_id"])
            # sudo: an audit row, not a wish; the new bridge's poll begins anew
            moving.env["energy.command"].sudo().search(
                [("meter_id", "in", moving.ids), ("state", "in", UNFINISHED)]
            )._finish("superseded", detail=self.env._("The meter changed its bridge"))
        return super().write(vals)

    def _hold(self):
        """Lock the meters before anything of theirs is written, as a batch does.

        Two calls of a bridge that lock commands and meters the other way round would
        wait for each other.
        """
        if self:
            self.env.execute_query(
                SQL(
                    "SELECT id FROM energy_meter WHERE id = ANY(%s) ORDER BY id "
                    "FOR NO KEY UPDATE",
                    self.ids,
                )
            )

    def _take_relay(self, relay, generation):
        """Store the relay's state as the bridge read it back.

        :param str relay: closed, open or unknown.
        :param int generation: of the last command the bridge executed on it.
        """
        self.ensure_one()
        generation = max(generation, self.relay_generation)
        values = {"relay_at": fields.Datetime.now(), "relay_generation": generation}
        changed = relay != self.relay_state
        if changed:
            values["relay_state"] = relay
            if relay == "open":
                values["power_kw"] = 0  # until the meter says otherwise
        self.write(values)
        if changed:
            self.service_point_id.site_id._tell_board()
            self.service_point_id.wallet_id._tell_pages()
        commands = self.env["energy.command"].search(
            [
                ("meter_id", "=", self.id),
                ("kind", "=", "relay"),
                ("state", "in", UNFINISHED),
                ("generation", "<=", generation),
                ("value", "=", relay),
            ]
        )
        if commands:
            commands._finish("verified", observed=relay)
            self.relay_failures = 0
        if (commands or changed) and relay == self.service_point_id.desired_state:
            self.service_point_id._all_clear(
                ["alarm_relay", "alarm_relay_site"],
                self.env._("The relay of %s follows again.", self.serial),
            )

    def _fail(self, command):
        """A command came to nothing: try again later, and call a person at once."""
        self.ensure_one()
        if command.kind == "relay":
            self._fail_relay(command)
        elif command.kind == "load_limit":
            self._fail_limit(command)

    def _fail_relay(self, command):
        point = command.service_point_id
        if command.generation < point.generation:
            return  # a newer wish has replaced it
        self.relay_retry_at = self._pause(self.relay_failures)
        self.relay_failures += 1
        point._alarm(
            "alarm_relay",
            self.env._("The relay of %s does not follow", self.serial),
            command.detail,
        )

    def _pause(self, failures):
        """When to try again after so many failures before this one."""
        minutes = 2 ** min(failures, MOST_DOUBLINGS)
        return fields.Datetime.now() + timedelta(minutes=minutes)

    def _alarm(self, point, summary, note):
        """Schedule an activity on the service point unless it is there already."""
        if summary not in point.activity_ids.mapped("summary"):
            point.activity_schedule(
                "mail.mail_activity_data_todo",
                summary=summary,
                note=note or "",
                user_id=point.site_id.user_id.id,
            )

    def _strays(self):
        """Whether the relay, as it was read back last, is not as it is wanted."""
        wanted = self.service_point_id.desired_state
        return self.relay_state != "unknown" and wanted not in (
            False,
            supply.HOLD,
            self.relay_state,
        )

    def _reconcile(self):
        """Repeat what was lost, and report what happened on site (invariant 7).

        A relay that closed by itself is opened again. One that was opened on site is
        never closed from here: a person opened it, a person asks for it.
        """
        self.ensure_one()
        point = self.service_point_id
        if point and point._decide():
            point._converge()  # two changes met, and neither saw the other
        if not point or point.desired_state in (self.relay_state, supply.HOLD):
            return
        if self.relay_retry_at and self.relay_retry_at > fields.Datetime.now():
            return
        mine = self._commands_of(point, "relay")
        if mine.filtered(lambda c: c.state in UNFINISHED):
            return
        last = mine.filtered(lambda c: c.generation == point.generation)[:1]
        if point.desired_state == "closed" and (not last or last.state == "verified"):
            point._alarm(
                "alarm_relay_site",
                self.env._("The relay of %s was opened on site", self.serial),
                self.env._("Look there first; then switch off and on from Odoo."),
            )
            return
        if last.state == "verified":  # it was open, and closed by itself
            self.relay_retry_at = fields.Datetime.now() + BY_ITSELF
            point._alarm(
                "alarm_relay_self",
                self.env._("The relay of %s closed by itself", self.serial),
                self.env._("It is being opened again, once a minute."),
            )
        point._repeat_relay(self.env._("Repeated: the relay is %s", self.relay_state))

    def _commands_of(self, point, kind):
        """The commands to this meter that can still matter, the newest first."""
        generation = {"relay": point.generation, "load_limit": point.limit_generation}
        return self.env["energy.command"].search(
            [
                ("service_point_id", "=", point.id),
                ("meter_id", "=", self.id),
                ("kind", "=", kind),
                "|",
                ("state", "in", UNFINISHED),
                ("generation", "=", generation[kind]),
            ]
        )

    def action_view_commands(self):
        """Open the commands to these meters."""
        return self.env["energy.command"]._open([("meter_id", "in", self.ids)])

    # ------------------------------------------------------------------ by the clock

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
        stuck = self.browse([row[0] for row in rows])
        for meter in stuck:
            meter.service_point_id._alarm(
                "alarm_stuck",
                self.env._("The register of %s stands still", meter.serial),
                self.env._("Since long, though supply is on: is it a by-pass?"),
            )
        self.env["energy.service.point"].search(
            [
                (
                    "activity_ids.activity_type_id",
                    "=",
                    self.env.ref("prepaid_energy.alarm_stuck").id,
                ),
                ("meter_id", "not in", stuck.ids),
            ]
        )._all_clear(["alarm_stuck"], self.env._("The register moves again."))
