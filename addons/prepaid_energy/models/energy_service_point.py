from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from . import supply
from .energy_tariff import COMMODITIES
from .protected import refuse, without_defaults

FACTS = {
    "life_safety",
    "locked_out",
    "tripped",
    "switched_off",
    "wallet_id",
    "parent_id",
}
# Written by actions and by the ingest, never by a form or an import.
ACTIONS_ONLY = {
    "locked_out",
    "lockout_user_id",
    "lockout_reason",
    "lockout_at",
    "tripped",
    "switched_off",
    "rating_state",
    "charged_from",
    "charged_until",
    "closed_until",
}
DECIDED = {"desired_state", "generation"}
TERMS = {"tariff_id", "wallet_id"}


class EnergyServicePoint(models.Model):
    """A place where energy is delivered. It outlives its meters.

    The state its relay should have follows from facts (wallet, lock-out, trip,
    life-safety) by :func:`supply.desired_state`; each change of it is a new generation.
    """

    _name = "energy.service.point"
    _description = "Service Point"
    _inherit = ["mail.thread", "mail.activity.mixin"]
    _order = "site_id, name, id"
    _parent_store = True
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    site_id = fields.Many2one(
        "energy.site", required=True, check_company=True, ondelete="restrict"
    )
    company_id = fields.Many2one(
        related="site_id.company_id", store=True, precompute=True, index=True
    )
    parent_id = fields.Many2one(
        "energy.service.point",
        string="Feeder",
        check_company=True,
        index=True,
        ondelete="restrict",
    )
    parent_path = fields.Char(index=True)
    child_ids = fields.One2many("energy.service.point", "parent_id", "Sub-points")
    commodity = fields.Selection(COMMODITIES, required=True, default="electricity")
    wallet_id = fields.Many2one(
        "energy.wallet",
        tracking=True,
        index=True,
        check_company=True,
        ondelete="restrict",
    )
    partner_id = fields.Many2one(related="wallet_id.partner_id", string="Tenant")
    currency_id = fields.Many2one(related="wallet_id.currency_id")
    balance = fields.Monetary(related="wallet_id.balance")
    tariff_id = fields.Many2one(
        "energy.tariff",
        required=True,
        tracking=True,
        check_company=True,
        ondelete="restrict",
        help="For a feeder, the purchase price: its energy is rated but drawn from no "
        "wallet.",
    )
    max_power_kw = fields.Float(
        "Physical Maximum (kW)",
        digits=(16, 3),
        help="Rated current × voltage of the connection. A reading that would need "
        "more power, with the margin of the validation rules, is held. 0: no limit.",
    )
    validation_id = fields.Many2one(
        "energy.validation",
        "Validation Rules",
        check_company=True,
        ondelete="restrict",
    )
    life_safety = fields.Boolean(
        tracking=True,
        help="Ventilation, dewatering, emergency lighting: software never cuts it.",
    )
    never_cut = fields.Boolean(
        compute="_compute_never_cut",
        store=True,
        recursive=True,
        help="A life-safety load, or a feeder with one somewhere below it.",
    )
    locked_out = fields.Boolean(readonly=True, copy=False, tracking=True)
    lockout_user_id = fields.Many2one("res.users", "Locked Out By", readonly=True)
    lockout_reason = fields.Char(readonly=True, copy=False, tracking=True)
    lockout_at = fields.Datetime(readonly=True, copy=False)
    tripped = fields.Boolean(
        readonly=True,
        copy=False,
        tracking=True,
        help="Tripped on overload; stays until somebody confirms it on site.",
    )
    switched_off = fields.Boolean(
        readonly=True, copy=False, tracking=True, help="By an operator, from here."
    )
    desired_state = fields.Selection(
        [("closed", "Closed"), ("open", "Open"), ("hold", "Hands Off")],
        readonly=True,
        copy=False,
        default="closed",
        help="What software wants the relay to be. Hands off: it sends nothing.",
    )
    generation = fields.Integer(readonly=True, copy=False, default=0, aggregator=None)
    rating_state = fields.Json(readonly=True, copy=False, groups="base.group_system")
    charged_from = fields.Date(
        readonly=True, copy=False, help="The first day with fixed charges."
    )
    charged_until = fields.Date(
        readonly=True, copy=False, help="The last day with fixed charges."
    )
    closed_until = fields.Date(
        readonly=True,
        copy=False,
        help="Until when demand and minimum were charged: the end of a month.",
    )
    term_ids = fields.One2many("energy.supply.term", "service_point_id")
    installation_ids = fields.One2many("energy.meter.installation", "service_point_id")
    meter_id = fields.Many2one(
        "energy.meter", compute="_compute_meter_id", store=True, index=True
    )
    relay_state = fields.Selection(related="meter_id.relay_state", string="Relay")
    power_kw = fields.Float(related="meter_id.power_kw")
    supply_state = fields.Selection(
        [
            ("on", "On"),
            ("off", "Off"),
            ("moving", "Switching"),
            ("locked", "Locked Out"),
            ("tripped", "Tripped"),
            ("unknown", "Unknown"),
            ("none", "No Relay"),
        ],
        compute="_compute_supply_state",
    )
    active = fields.Boolean(default=True)

    _never_cut = models.Constraint(
        "CHECK (NOT (life_safety AND desired_state = 'open'))",
        "A life-safety point is never opened by software.",
    )
    _never_close_locked = models.Constraint(
        "CHECK (NOT ((locked_out OR tripped) AND desired_state = 'closed'))",
        "A point that is locked out or tripped is never closed by software.",
    )

    @api.constrains("parent_id")
    def _check_tree(self):
        if self._has_cycle():
            raise ValidationError(self.env._("A feeder cannot feed itself."))

    @api.constrains("wallet_id", "tariff_id", "commodity")
    def _check_tariff(self):
        kinds = dict(self._fields["commodity"]._description_selection(self.env))
        for point in self:
            tariff, wallet = point.tariff_id, point.wallet_id
            if tariff and tariff.commodity != point.commodity:
                raise ValidationError(
                    point.env._(
                        "%(point)s: %(tariff)s is for %(kind)s, the point delivers "
                        "%(own)s.",
                        point=point.name,
                        tariff=tariff.name,
                        kind=kinds[tariff.commodity],
                        own=kinds[point.commodity],
                    )
                )
            if tariff and wallet and tariff.currency_id != wallet.currency_id:
                raise ValidationError(
                    point.env._(
                        "%(point)s: the tariff is in %(tariff)s, the wallet in "
                        "%(wallet)s; they must be in one currency.",
                        point=point.name,
                        tariff=tariff.currency_id.name,
                        wallet=wallet.currency_id.name,
                    )
                )

    @api.depends("life_safety", "child_ids.never_cut")
    def _compute_never_cut(self):
        for point in self:
            point.never_cut = point.life_safety or point._feeds_life_safety()

    def _feeds_life_safety(self):
        """Whether a life-safety load is somewhere below this point."""
        return any(child.never_cut for child in self.child_ids)

    @api.depends("installation_ids.date_to", "installation_ids.meter_id")
    def _compute_meter_id(self):
        for point in self:
            current = point.installation_ids.filtered(lambda i: not i.date_to)
            point.meter_id = current[:1].meter_id

    @api.depends(
        "locked_out",
        "tripped",
        "desired_state",
        "meter_id.relay_state",
        "meter_id.has_relay",
    )
    def _compute_supply_state(self):
        for point in self:
            point.supply_state = point._supply_state()

    def _supply_state(self):
        if self.locked_out:
            return "locked"
        if self.tripped:
            return "tripped"
        if not self.meter_id.has_relay:
            return "none"
        relay = self.meter_id.relay_state
        if relay == "unknown":
            return "unknown"
        if relay != self.desired_state:
            return "moving"
        return "on" if relay == "closed" else "off"

    @api.model_create_multi
    def create(self, vals_list):
        """Decide the first desired state."""
        for vals in vals_list:
            self._refuse_decided(vals)
        clean = without_defaults(self, ACTIONS_ONLY | DECIDED)
        points = super(EnergyServicePoint, clean).create(vals_list)
        self._term_model()._record(points)
        (points | points._feeders())._converge()
        return points

    def write(self, vals):
        """Decide the desired state anew, together with the facts it follows from."""
        self._refuse_decided(vals)
        if vals.get("active") is False and (self.meter_id or self.wallet_id):
            raise UserError(
                self.env._("Remove the meter and the wallet before archiving a point.")
            )
        if not FACTS & {*vals}:
            result = super().write(vals)
            if "tariff_id" in vals:
                self._term_model()._record(self)
            return result
        feeders_before = self._feeders()
        for point in self:
            state = point._desired_state({**vals})
            extra = {}
            if state != point.desired_state:
                extra = {"desired_state": state, "generation": point._next()}
            super(EnergyServicePoint, point).write({**vals, **extra})
            if extra:
                point._command_relay()
        if TERMS & {*vals}:
            self._term_model()._record(self)
        (feeders_before | self._feeders())._converge()
        return True

    def _term_model(self):
        """The model of the terms; sudo: they follow from what the user may write."""
        return self.env["energy.supply.term"].sudo()

    def _feeders(self):
        """All points that feed these, up to the main incomer."""
        feeders = self.browse()
        above = self.parent_id
        while above:
            feeders |= above
            above = above.parent_id - feeders
        return feeders

    def _refuse_decided(self, vals):
        """Raise UserError for values that nobody writes by hand."""
        if DECIDED & {*vals}:
            raise UserError(
                self.env._("The desired state follows from wallet, lock-out and trip.")
            )
        message = self.env._("%s: use the buttons, which check and record who did it.")
        refuse(self, vals, ACTIONS_ONLY, message)

    def _take_fact(self, **facts):
        """Write facts that only actions change, after checking the user's right.

        sudo: see :data:`ACTIONS_ONLY`; the user stays the author in the chatter.
        """
        self.check_access("write")
        self.sudo().write(facts)

    def _desired_state(self, vals=None):
        """The state wanted by the facts as they are, or as ``vals`` will make them."""
        vals = vals or {}
        wallet = self.wallet_id
        if "wallet_id" in vals:
            wallet = wallet.browse(vals["wallet_id"] or [])
        wallet = wallet.sudo()  # sudo: an electrician may not read the tenant's wallet
        flags = ("locked_out", "tripped", "switched_off")
        safety = vals.get("life_safety", self.life_safety)
        return supply.desired_state(
            life_safety=safety or self._feeds_life_safety(),
            cut=wallet._is_cut() and not self.sudo().site_id.cutoffs_stopped,
            **{flag: bool(vals.get(flag, self[flag])) for flag in flags},
        )

    def _converge(self, again=False):  # pylint: disable=missing-return
        """Give each point a new generation and a command where its facts changed.

        :param bool again: also where nothing changed, to repeat a lost command.
        """
        for point in self:
            state = point._desired_state()
            if again or state != point.desired_state:
                super(EnergyServicePoint, point).write(
                    {"desired_state": state, "generation": point._next()}
                )
                point._command_relay()

    def _next(self):
        """The next generation: above the point's and above its meter's.

        The bridge counts per meter, and a meter may come from another point.
        """
        return max(self.generation, self.meter_id.sudo().relay_generation) + 1

    def _command_relay(self):
        """Replace this point's unfinished commands by one for the new generation."""
        Command = self.env["energy.command"].sudo()  # sudo: an audit row, not a wish
        unfinished = [
            ("service_point_id", "=", self.id),
            ("kind", "=", "relay"),
            ("state", "in", ("pending", "sent")),
        ]
        Command.search(unfinished).write({"state": "superseded"})
        meter = self.meter_id.sudo()
        if not meter.has_relay or self.desired_state == supply.HOLD:
            return
        Command.create(
            {
                "meter_id": meter.id,
                "gateway_id": meter.gateway_id.id,
                "service_point_id": self.id,
                "kind": "relay",
                "value": self.desired_state,
                "generation": self.generation,
                "reason": self._reason(),
                "expires_at": fields.Datetime.now()
                + timedelta(minutes=meter.gateway_id.command_minutes or 10),
            }
        )

    def _reason(self):
        """Why the relay is wanted as it is, for the audit and the tenant."""
        wallet = self.wallet_id.sudo()  # sudo: see _desired_state
        if self.desired_state == supply.CLOSED:
            return self.env._("Supply is due")
        if self.locked_out:
            return self.env._("Locked out: %s", self.lockout_reason or "")
        if self.switched_off:
            return self.env._("Switched off by an operator")
        return self.env._("Balance %s", wallet._format(wallet.balance))

    def action_switch_off(self):
        """Open the relay from the office; refused for life-safety points."""
        for point in self:
            if point.never_cut:
                raise UserError(
                    self.env._(
                        "%s is a life-safety load, or feeds one: it is not cut.",
                        point.name,
                    )
                )
            point._take_fact(switched_off=True)

    def action_switch_on(self):
        """Take back :meth:`action_switch_off`; supply returns if the wallet allows."""
        self._take_fact(switched_off=False)

    def action_confirm_on_site(self):
        """Confirm on site that an overload trip was looked into: it may close again."""
        self.filtered("tripped")._take_fact(tripped=False)

    def action_lock_out(self):
        """Ask for the reason of a lock-out."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Lock Out %s", self.name),
            "res_model": "energy.lockout",
            "view_mode": "form",
            "target": "new",
            "context": {"default_service_point_id": self.id},
        }

    def action_release(self):
        """Remove a lock-out; only who set it, or a manager, may."""
        manager = self.env.user.has_group("prepaid_energy.group_energy_manager")
        for point in self.filtered("locked_out"):
            if point.lockout_user_id != self.env.user and not manager:
                raise UserError(
                    self.env._(
                        "%(point)s was locked out by %(user)s, who must release it.",
                        point=point.name,
                        user=point.lockout_user_id.name,
                    )
                )
            point._take_fact(locked_out=False, lockout_reason=False)

    def _trip(self, event_time):
        """Take note of an overload trip: hands off until confirmed on site."""
        for point in self.filtered(lambda p: not p.tripped):
            point.sudo().tripped = True  # sudo: the meter said so
            point.activity_schedule(
                "mail.mail_activity_data_todo",
                summary=self.env._("Overload trip: check on site, then confirm"),
                note=self.env._("The breaker tripped at %s UTC.", event_time),
            )
