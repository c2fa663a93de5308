from datetime import timedelta

from odoo import SUPERUSER_ID, api, fields, models
from odoo.exceptions import ValidationError

from .supply import parse_limit

FINAL = ("verified", "failed", "expired", "superseded")
UNFINISHED = ("pending", "sent")
DEFAULT_MINUTES = 10


class EnergyCommand(models.Model):
    """Audit of one order to a meter: who or what asked, sent, verified or not."""

    _name = "energy.command"
    _description = "Meter Command"
    _order = "id desc"
    _rec_name = "summary"
    _check_company_auto = True

    meter_id = fields.Many2one(
        "energy.meter", required=True, readonly=True, ondelete="restrict"
    )
    gateway_id = fields.Many2one(
        "energy.gateway", readonly=True, index=True, ondelete="restrict"
    )
    service_point_id = fields.Many2one(
        "energy.service.point", readonly=True, index=True, ondelete="restrict"
    )
    company_id = fields.Many2one(
        related="meter_id.company_id", store=True, precompute=True
    )
    kind = fields.Selection(
        [("relay", "Relay"), ("load_limit", "Load Limit"), ("read_now", "Read Now")],
        required=True,
        readonly=True,
        default="relay",
    )
    value = fields.Char(
        readonly=True, help="open or closed; a load limit in kW, 0 for none."
    )
    summary = fields.Char("Order", compute="_compute_summary")
    user_id = fields.Many2one(
        "res.users",
        "By",
        readonly=True,
        help="Whose act caused it. Empty: usage, the clock or the meter itself.",
    )
    generation = fields.Integer(readonly=True, aggregator=None)
    reason = fields.Char(readonly=True)
    state = fields.Selection(
        [
            ("pending", "Pending"),
            ("sent", "Sent"),
            ("verified", "Verified"),
            ("failed", "Failed"),
            ("expired", "Expired"),
            ("superseded", "Superseded"),
        ],
        required=True,
        readonly=True,
        default="pending",
    )
    expires_at = fields.Datetime(required=True, readonly=True)
    sent_at = fields.Datetime(readonly=True)
    done_at = fields.Datetime(readonly=True)
    observed = fields.Char(readonly=True, help="What the bridge read back.")
    detail = fields.Char(readonly=True)

    _unfinished = models.Index("(gateway_id) WHERE state IN ('pending', 'sent')")

    @api.depends("kind", "value")
    def _compute_summary(self):
        for command in self:
            command.summary = command._summary()

    def _summary(self):
        if self.kind == "read_now":
            return self.env._("Read now")
        if self.kind == "load_limit":
            if self.value == "0":
                return self.env._("Lift the load limit")
            return self.env._("Limit to %s kW", self.value)
        if self.value == "open":
            return self.env._("Open the relay")
        return self.env._("Close the relay")

    def _answer(self):
        """What came of it, in a few words."""
        states = dict(self._fields["state"]._description_selection(self.env))
        moment = self.done_at or self.sent_at or self.create_date
        parts = [states[self.state], self.service_point_id._when(moment)]
        parts += [text for text in (self.observed, self.detail) if text]
        return " · ".join(parts)

    @api.constrains("service_point_id", "value", "kind")
    def _check_safe(self):
        """Invariant 6 once more, whoever made the command."""
        for command in self:
            point, order = command.service_point_id, (command.kind, command.value)
            limits = command.kind == "load_limit" and command.value != "0"
            if order == ("relay", "closed") and (point.locked_out or point.tripped):
                raise ValidationError(
                    command.env._(
                        "%s is locked out or tripped: it is not closed.", point.name
                    )
                )
            if order == ("relay", "open") and point.never_cut:
                raise ValidationError(
                    command.env._(
                        "%s is a life-safety load, or feeds one: it is not cut.",
                        point.name,
                    )
                )
            if point.kept_on and (
                limits or order == ("relay", "open") and not point.locked_out
            ):
                raise ValidationError(
                    command.env._(
                        "%s is never cut, or feeds what is: it is not cut or limited.",
                        point.name,
                    )
                )

    @api.model
    def _issue(self, point, kind, value, generation, reason):
        """Make a command for the meter of a service point; see the protocol.

        :param str value: open or closed; a load limit in kW; nothing for ``read_now``.
        """
        meter = point.meter_id.sudo()  # sudo: commands follow facts
        minutes = meter.gateway_id.command_minutes or DEFAULT_MINUTES
        return self.create(
            {
                "meter_id": meter.id,
                "gateway_id": meter.gateway_id.id,
                "service_point_id": point.id,
                "kind": kind,
                "value": value,
                "generation": generation,
                "reason": reason,
                "user_id": self._person(),
                "expires_at": fields.Datetime.now() + timedelta(minutes=minutes),
            }
        )

    def _person(self):
        """The user whose act this is, or False: bridges and crons are no persons."""
        user = self.env.user
        machine = user.id == SUPERUSER_ID or user.has_group(
            "prepaid_energy.group_energy_gateway"
        )
        return False if machine else user.id

    @api.model
    def _supersede(self, point, kind):
        """End a point's unfinished commands of a kind: a newer one replaces them."""
        self.search(
            [
                ("service_point_id", "=", point.id),
                ("kind", "=", kind),
                ("state", "in", UNFINISHED),
            ]
        ).write({"state": "superseded", "done_at": fields.Datetime.now()})

    @api.model
    def _open(self, domain):
        """The window of the commands in ``domain``."""
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_command_action"
        )
        return {**action, "domain": domain, "context": {}}

    def _protocol(self):
        """The commands in the terms of ``docs/bridge-protocol.md``."""
        return [
            {
                "id": command.id,
                "meter_serial": command.meter_id.serial,
                "kind": command.kind,
                "value": command.value or None,
                "generation": command.generation,
                "expires_at": f"{command.expires_at.isoformat()}Z",
            }
            for command in self.sorted("id")
        ]

    def _is_wanted(self):
        """Whether the command still says what its meter's service point wants."""
        self.ensure_one()
        point = self.service_point_id
        if self.meter_id.service_point_id != point:
            return False
        if self.kind == "relay":
            wanted = point.generation, point.desired_state
            return wanted == (self.generation, self.value)
        return self.kind != "load_limit" or self.generation == point.limit_generation

    def _expire(self):
        """End those of these commands that are too old, which calls a person.

        :return: the commands that ended.
        """
        now = fields.Datetime.now()
        expired = self.filtered(lambda c: c.expires_at <= now)
        for command in expired:
            command._finish("expired", detail=self.env._("The bridge did not answer"))
            command.meter_id._fail(command)
        return expired

    def _is_done_by(self, observed):
        """Whether what the bridge read back is what was asked for.

        :param observed: untrusted: a relay state, a limit in kW, a register.
        """
        if self.kind == "relay":
            return observed == self.value
        if self.kind == "load_limit":
            limit = parse_limit(observed)
            return limit is not None and limit == parse_limit(self.value)
        return True

    def _finish(self, state, *, observed=None, detail=None):
        """Write the outcome of unfinished commands; a finished one keeps its own."""
        open_commands = self.filtered(lambda c: c.state not in FINAL)
        open_commands.write(
            {
                "state": state,
                "done_at": fields.Datetime.now(),
                "observed": observed and observed.replace("\0", "")[:200],
                "detail": detail,
            }
        )
        return open_commands
