import json
from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from ..ingest import Batch
from .energy_command import UNFINISHED
from .patience import promptly
from .protected import refuse, without_defaults
from .supply import parse_limit

HEARTBEAT_SECONDS = 15
SILENT_SECONDS = 120
PROTECTED = ("user_id",)


class EnergyGateway(models.Model):
    """One bridge or data concentrator, with its own user and API key.

    Its user may call :meth:`ingest`, :meth:`commands` and :meth:`report`, the bridge
    protocol, for its own gateway, and nothing else.
    """

    _name = "energy.gateway"
    _description = "Energy Gateway"
    _inherit = [
        "energy.affiliated",
        "mail.thread",
        "mail.activity.mixin",
        "energy.alarm",
    ]
    _order = "name, id"
    _check_company_auto = True

    name = fields.Char(required=True)
    site_id = fields.Many2one("energy.site", required=True)
    company_id = fields.Many2one(
        related="site_id.company_id", store=True, precompute=True
    )
    user_id = fields.Many2one(
        "res.users",
        string="Technical User",
        readonly=True,
        copy=False,
        help="The bridge logs in as this user with an API key.",
    )
    meter_ids = fields.One2many("energy.meter", "gateway_id")
    meter_count = fields.Integer(compute="_compute_meter_count")
    last_seen = fields.Datetime(readonly=True, copy=False)
    online = fields.Boolean(compute="_compute_online")
    command_minutes = fields.Integer(
        "Command Validity (min)",
        default=10,
        help="A relay command that was not executed by then is never executed.",
    )
    active = fields.Boolean(default=True)

    _user_uniq = models.UniqueIndex(
        "(user_id) WHERE user_id IS NOT NULL", "This user belongs to another gateway."
    )

    @api.model_create_multi
    def create(self, vals_list):
        """Refuse a technical user that is not made here: it would get an API key."""
        for vals in vals_list:
            self._refuse_user(vals)
        clean = without_defaults(self, PROTECTED)
        return super(EnergyGateway, clean).create(vals_list)

    def write(self, vals):
        """Refuse a technical user that is not made here: it would get an API key."""
        self._refuse_user(vals)
        return super().write(vals)

    def _refuse_user(self, vals):
        message = self.env._("%s: the technical user is made with the API key.")
        refuse(self, vals, PROTECTED, message)

    def _compute_meter_count(self):
        groups = self.env["energy.meter"]._read_group(
            [("gateway_id", "in", self.ids)], ["gateway_id"], ["__count"]
        )
        counts = {gateway.id: count for gateway, count in groups}
        for gateway in self:
            gateway.meter_count = counts.get(gateway.id, 0)

    @api.depends("last_seen")
    def _compute_online(self):
        limit = fields.Datetime.now() - timedelta(seconds=SILENT_SECONDS)
        for gateway in self:
            gateway.online = bool(gateway.last_seen and gateway.last_seen >= limit)

    # ------------------------------------------------------------------ bridge protocol

    @api.model
    def ingest(self, batch):
        """Take a batch of readings, telemetry and events from the calling gateway.

        :param dict batch: see ``docs/bridge-protocol.md``.
        :return: dict ``accepted, duplicates, held, rejected, commands, server_time``.
        :raise UserError: (422) the batch as a whole is not understood; names the key.
        :raise AccessError: (403) the caller is no gateway's user.
        """
        return promptly(self.env, lambda: Batch(self._calling_gateway(), batch).run())

    @api.model
    def commands(self, reported):
        """Take the relay states as read back; return the commands to execute.

        Also the gateway's heartbeat. Cheap when nothing changed: three SELECTs.

        :param list reported: dicts ``meter_serial, relay, generation, load_limit_kw?``
            of all meters, or of those that changed since the last call.
        :return: dict ``commands``.
        :raise AccessError: (403) the caller is no gateway's user.
        """
        gateway = self._calling_gateway()
        if not isinstance(reported, list) or not all(
            isinstance(row, dict) for row in reported
        ):
            raise UserError(self.env._("reported: a list of objects is expected."))
        gateway._beat()
        gateway._take_reported(reported)
        return {"commands": gateway._due_commands()._protocol()}

    @api.model
    def report(self, results):
        """Take the outcomes of commands that this gateway executed.

        :param list results: dicts ``id, outcome, observed, at, detail``.
        :return: dict ``accepted`` (count) and ``unknown`` (ids that are not its own).
        :raise AccessError: (403) the caller is no gateway's user.
        """
        gateway = self._calling_gateway()
        if not isinstance(results, list):
            raise UserError(self.env._("results: a list of objects is expected."))
        by_id = {
            row["id"]: row
            for row in results
            if isinstance(row, dict) and type(row.get("id")) is int
        }
        commands = (
            self.env["energy.command"]
            .sudo()
            .search(  # sudo: see below
                [("id", "in", list(by_id)), ("gateway_id", "=", gateway.id)]
            )
        )
        commands.meter_id._hold()
        for command in commands:
            gateway._take_result(command, by_id[command.id])
        return {
            "accepted": len(commands),
            "unknown": sorted(by_id.keys() - set(commands.ids)),
        }

    def _calling_gateway(self):
        """The gateway of the calling user, in sudo mode.

        sudo: the gateway's user has no access to any model, only to its own gateway's
        protocol; every query behind it is limited to this gateway's meters.
        """
        gateway = self.sudo().search([("user_id", "=", self.env.uid)], limit=1)
        if not gateway or not self.env.user.has_group(
            "prepaid_energy.group_energy_gateway"
        ):
            raise AccessError(
                self.env._("This API key belongs to no gateway; see Gateways in Odoo.")
            )
        return gateway.with_company(gateway.company_id)

    def _beat(self):
        """Note that the gateway is alive; written seldom, to keep polls cheap."""
        limit = fields.Datetime.now() - timedelta(seconds=HEARTBEAT_SECONDS)
        if not self.last_seen or self.last_seen < limit:
            if not self.online:
                self._all_clear(["alarm_gateway"], self.env._("The bridge is back."))
            self.env.cr.execute(
                SQL(
                    "UPDATE energy_gateway SET last_seen = %s WHERE id = %s",
                    fields.Datetime.now(),
                    self.id,
                )
            )
            self.invalidate_recordset(["last_seen", "online"])

    def _take_reported(self, reported):
        """Store what the bridge read back; verify or repeat commands by it.

        A meter that is not named is as it was reported last.
        """
        rows = {str(row.get("meter_serial")): row for row in reported}
        meters = self.env["energy.meter"].search(
            [
                ("gateway_id", "=", self.id),
                "|",
                ("has_relay", "=", True),
                ("can_limit", "=", True),
            ]
        )
        meters.filtered(
            lambda meter: meter.has_relay and _has_news(meter, rows.get(meter.serial))
        )._hold()
        limiting = meters.filtered("can_limit")
        ordered = limiting and self._unfinished("load_limit").meter_id
        for meter in meters:
            row = rows.get(meter.serial)
            if row is not None and meter.has_relay:
                self._take_reported_relay(meter, row)
            elif meter.has_relay and meter._strays():
                meter._reconcile()
            if row is not None and meter.can_limit:
                limit = row.get("load_limit_kw")
                meter._take_reported_limit(limit, meter in ordered)

    def _take_reported_relay(self, meter, row):
        relay, generation = _reported_relay(row)
        if not relay:
            return
        if _has_news(meter, row):
            meter._take_relay(relay, generation)
        if relay != "unknown":
            meter._reconcile()

    def _unfinished(self, *kinds):
        return self.env["energy.command"].search(
            [
                ("gateway_id", "=", self.id),
                ("kind", "in", kinds),
                ("state", "in", UNFINISHED),
            ]
        )

    def _due_commands(self):
        """This gateway's commands that are to be executed now; expired ones end."""
        now = fields.Datetime.now()
        commands = self._unfinished("relay", "load_limit", "read_now")
        stale = commands.filtered(lambda c: not c._is_wanted())
        stale._finish("superseded", detail=self.env._("Not wanted any more"))
        due = commands - stale
        due -= due._expire()
        due.filtered(lambda c: c.state == "pending").write(
            {"state": "sent", "sent_at": now}
        )
        return due

    def _take_result(self, command, row):
        """Note the outcome of one command as the bridge reported it."""
        observed = row.get("observed")
        verified = row.get("outcome") == "verified" and command._is_done_by(observed)
        if command.kind == "relay" and observed in ("closed", "open"):
            command.meter_id._take_relay(observed, command.generation)
        if command.kind == "load_limit" and verified and command._is_wanted():
            command.meter_id._take_limit(parse_limit(observed))
        state = "verified" if verified else "failed"
        if row.get("outcome") == "expired":
            state = "expired"
        if observed is not None and not isinstance(observed, str):
            observed = json.dumps(observed)
        finished = command._finish(
            state,
            observed=observed,
            detail=str(row.get("detail") or "").replace("\0", "")[:500],
        )
        if finished and state != "verified":
            command.meter_id._fail(command)

    # -------------------------------------------------------------------------- set-up

    def action_new_key(self):
        """Make the technical user if needed and a new API key; show the key once.

        :raise AccessError: only managers hand out keys.
        """
        self.ensure_one()
        self._check_may_make_keys()
        key = self._new_api_key()
        return {
            "type": "ir.actions.client",
            "tag": "display_notification",
            "params": {
                "title": self.env._("API key of %s: copy it now", self.name),
                "message": key,
                "sticky": True,
                "type": "warning",
                "next": {"type": "ir.actions.client", "tag": "soft_reload"},
            },
        }

    def _check_may_make_keys(self):
        """Raise AccessError unless the user may write the gateway, as a manager."""
        self.check_access("write")
        if not self.env.user.has_group("prepaid_energy.group_energy_manager"):
            raise AccessError(self.env._("Only energy managers make API keys."))

    def _new_api_key(self):
        """Replace the gateway's API keys by a new one.

        :return: the key, which is stored only as a hash.
        """
        self.ensure_one()
        if not self.user_id:
            self.sudo().user_id = self._new_user()  # sudo: see _refuse_user
        user = self.user_id.sudo()  # sudo: a manager of energy is none of users
        if user.group_ids != self.env.ref("prepaid_energy.group_energy_gateway"):
            raise AccessError(self.env._("%s is no gateway's user.", user.login))
        user.env["res.users.apikeys"].search([("user_id", "=", user.id)])._remove()
        keys = self.env["res.users.apikeys"].with_user(user).sudo()
        return keys._generate("rpc", f"gateway {self.name}", False)

    def _new_user(self):
        # sudo: a manager of energy is none of users; the user gets one group only
        return (
            self.env["res.users"]
            .sudo()
            .with_context(no_reset_password=True)
            .create(
                {
                    "name": self.env._("Gateway %s", self.name),
                    "login": f"energy-gateway-{self.id}",
                    "company_id": self.company_id.id,
                    "company_ids": [(6, 0, self.company_id.ids)],
                    "group_ids": [
                        (6, 0, [self.env.ref("prepaid_energy.group_energy_gateway").id])
                    ],
                }
            )
        )

    @api.model
    def _cron_watch(self):
        """Call a person for each gateway that fell silent; end its commands."""
        self.env["energy.command"].search([("state", "in", UNFINISHED)])._expire()
        limit = fields.Datetime.now() - timedelta(seconds=SILENT_SECONDS)
        for gateway in self.search([("last_seen", "<", limit)]):
            gateway._alarm(
                "alarm_gateway",
                self.env._("The bridge is silent"),
                self.env._("Last seen %s UTC.", gateway.last_seen),
            )


def _reported_relay(row):
    """(relay, generation) as a bridge reported it; no relay where it is nonsense."""
    relay, generation = row.get("relay"), row.get("generation")
    if relay not in ("closed", "open", "unknown"):
        relay = None
    return relay, generation if type(generation) is int else 0


def _has_news(meter, row):
    """Whether a bridge reports another relay state than is known; ``row`` or None."""
    relay, generation = _reported_relay(row or {})
    known = meter.relay_state, meter.relay_generation
    return bool(relay) and (relay, generation) != known
