from odoo import api, fields, models
from odoo.exceptions import ValidationError

FINAL = ("verified", "failed", "expired", "superseded")


class EnergyCommand(models.Model):
    """Audit of one relay or load-limit change: asked, sent, verified or not."""

    _name = "energy.command"
    _description = "Relay Command"
    _order = "id desc"
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
    value = fields.Char(readonly=True)
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

    @api.constrains("service_point_id", "value", "kind")
    def _check_life_safety(self):
        for command in self.filtered(lambda c: c.kind == "relay"):
            point = command.service_point_id
            if point.never_cut and command.value == "open":
                raise ValidationError(
                    command.env._(
                        "%s is a life-safety load, or feeds one: it is not cut.",
                        point.name,
                    )
                )
            if (point.locked_out or point.tripped) and command.value == "closed":
                raise ValidationError(
                    command.env._(
                        "%s is locked out or tripped: it is not closed.", point.name
                    )
                )

    def _protocol(self):
        """The commands in the terms of ``docs/bridge-protocol.md``."""
        return [
            {
                "id": command.id,
                "meter_serial": command.meter_id.serial,
                "kind": command.kind,
                "value": command.value,
                "generation": command.generation,
                "expires_at": f"{command.expires_at.isoformat()}Z",
            }
            for command in self.sorted("id")
        ]

    def _is_wanted(self):
        """Whether the command still says what its meter's service point wants."""
        self.ensure_one()
        point = self.service_point_id
        return self.kind != "relay" or (
            self.meter_id.service_point_id == point
            and self.generation == point.generation
            and self.value == point.desired_state
        )

    def _finish(self, state, *, observed=None, detail=None):
        """Write the outcome of unfinished commands; a finished one keeps its own."""
        open_commands = self.filtered(lambda c: c.state not in FINAL)
        open_commands.write(
            {
                "state": state,
                "done_at": fields.Datetime.now(),
                "observed": observed,
                "detail": detail,
            }
        )
        return open_commands
