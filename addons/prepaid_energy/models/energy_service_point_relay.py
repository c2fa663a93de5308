from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..exchange.numbers import exact, plain
from . import supply
from .protected import refuse, without_defaults
from .supply import LIMIT_DIGITS

FACTS = {
    "life_safety",
    "essential",
    "locked_out",
    "tripped",
    "switched_off",
    "shed",
    "wallet_id",
    "parent_id",
    "load_limit_kw",
}
FLAGS = ("locked_out", "tripped", "switched_off")
# Written by buttons and meters, which check and record who did it.
ACTIONS_ONLY = {
    "locked_out",
    "lockout_user_id",
    "lockout_reason",
    "lockout_at",
    "tripped",
    "tripped_at",
    "trip_cleared_at",
    "trip_user_id",
    "trip_note",
    "rearms",
    "rearm_at",
    "switched_off",
    "switched_user_id",
    "switched_at",
    "shed",
    "shed_reason",
    "shed_at",
}
DECIDED = {"desired_state", "generation", "wanted_limit_kw", "limit_generation"}


class EnergyServicePoint(models.Model):
    """What software wants the relay and the load limit of a service point to be.

    Both follow from facts (wallet, lock-out, trip, life-safety) by the pure functions
    of ``supply.py``; each change is a new generation with one command.
    """

    _inherit = "energy.service.point"

    life_safety = fields.Boolean(
        tracking=True,
        help="Ventilation, dewatering, emergency lighting: software never cuts it.",
    )
    never_cut = fields.Boolean(
        "Feeds Life Safety",
        compute="_compute_never_cut",
        store=True,
        recursive=True,
        help="A life-safety load, or a feeder with one somewhere below it.",
    )
    essential = fields.Boolean(
        "Never Cut",
        tracking=True,
        help="Hospital, server room: never cut off for lack of money, never limited. "
        "Only a lock-out opens it.",
    )
    essential_reason = fields.Char("Reason to Never Cut", tracking=True)
    kept_on = fields.Boolean(
        compute="_compute_kept_on",
        store=True,
        recursive=True,
        help="A load that is never cut, or a feeder with one somewhere below it.",
    )
    locked_out = fields.Boolean(readonly=True, copy=False, tracking=True)
    lockout_user_id = fields.Many2one(
        "res.users", "Locked Out By", readonly=True, copy=False
    )
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
    switched_user_id = fields.Many2one(
        "res.users", "Switched Off By", readonly=True, copy=False
    )
    switched_at = fields.Datetime(readonly=True, copy=False)
    desired_state = fields.Selection(
        [("closed", "Closed (on)"), ("open", "Open (off)"), ("hold", "Hands Off")],
        readonly=True,
        copy=False,
        default="closed",
        help="What software wants the relay to be. Hands off: it sends nothing.",
    )
    generation = fields.Integer(readonly=True, copy=False, default=0, aggregator=None)
    load_limit_kw = fields.Float(
        "Load Limit (kW)",
        digits=(16, LIMIT_DIGITS),
        copy=False,
        tracking=True,
        help="The meter disconnects or sheds load above it, if it can. 0: none.",
    )
    wanted_limit_kw = fields.Float(
        "Limit Wanted (kW)",
        digits=(16, LIMIT_DIGITS),
        readonly=True,
        copy=False,
        help="The point's own limit, or the policy's for low wallets. 0: none.",
    )
    limit_generation = fields.Integer(
        readonly=True, copy=False, default=0, aggregator=None
    )

    _never_cut = models.Constraint(
        "CHECK (NOT (life_safety AND desired_state = 'open'))",
        "A life-safety point is never opened by software.",
    )
    _never_close_locked = models.Constraint(
        "CHECK (NOT ((locked_out OR tripped) AND desired_state = 'closed'))",
        "A point that is locked out or tripped is never closed by software.",
    )
    _essential_kept = models.Constraint(
        "CHECK (NOT (essential AND desired_state = 'open' AND locked_out IS NOT TRUE))",
        "Only a lock-out opens a point that is never cut.",
    )
    _no_limit_kept = models.Constraint(
        "CHECK (NOT ((life_safety OR essential) AND wanted_limit_kw > 0))",
        "A point that is never cut has no load limit.",
    )
    _limit_positive = models.Constraint(
        "CHECK (load_limit_kw >= 0 AND wanted_limit_kw >= 0)",
        "A load limit is not negative.",
    )

    # ------------------------------------------------------------- what is never cut

    @api.depends("life_safety", "child_ids.never_cut")
    def _compute_never_cut(self):
        for point in self:
            point.never_cut = point.life_safety or point._feeds("never_cut")

    @api.depends("never_cut", "essential", "child_ids.kept_on")
    def _compute_kept_on(self):
        for point in self:
            point.kept_on = (
                point.never_cut or point.essential or point._feeds("kept_on")
            )

    def _feeds(self, flag):
        """Whether a point below this one has the flag: opening this one stops it."""
        return any(child[flag] for child in self.child_ids)

    @api.constrains("essential", "essential_reason")
    def _check_essential(self):
        for point in self:
            if point.essential and not point.essential_reason:
                raise ValidationError(
                    point.env._("%s: say why it is never cut.", point.name)
                )

    @api.constrains("load_limit_kw", "max_power_kw", "life_safety", "essential")
    def _check_load_limit(self):
        for point in self.filtered("load_limit_kw"):
            if point.kept_on:
                raise ValidationError(
                    point.env._(
                        "%s is never cut, or feeds what is: it has no load limit.",
                        point.name,
                    )
                )
            if point.max_power_kw and point.load_limit_kw > point.max_power_kw:
                raise ValidationError(
                    point.env._(
                        "%(point)s: the load limit (%(limit)s kW) is above the "
                        "physical maximum (%(maximum)s kW).",
                        point=point.name,
                        limit=point.load_limit_kw,
                        maximum=point.max_power_kw,
                    )
                )

    # ------------------------------------------------------------- facts and wishes

    @api.model_create_multi
    def create(self, vals_list):
        """Decide the first desired state."""
        for vals in vals_list:
            self._refuse_decided(vals)
        clean = without_defaults(self, ACTIONS_ONLY | DECIDED)
        points = super(EnergyServicePoint, clean).create(vals_list)
        (points | points._feeders())._converge()
        return points

    def write(self, vals):
        """Decide the desired state anew, together with the facts it follows from."""
        self._refuse_decided(vals)
        if not FACTS & {*vals}:
            return super().write(vals)
        feeders_before = self._feeders()
        for point in self:
            cause = point._cause(vals)
            wanted = point._decide(vals)
            super(EnergyServicePoint, point).write({**vals, **wanted})
            point._command(wanted, cause)
        (feeders_before | self._feeders())._converge()
        return True

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

    def _decide(self, vals=None):
        """The wishes that change by the facts as they are, or as ``vals`` make them.

        :return: dict of :data:`DECIDED` values, with a new generation for each.
        """
        vals, wanted = vals or {}, {}
        state, limit = self._desired_state(vals), self._limit(vals)
        if state != self.desired_state:
            wanted.update(desired_state=state, generation=self._next())
        if limit != exact(self.wanted_limit_kw, LIMIT_DIGITS):
            wanted.update(
                wanted_limit_kw=float(limit), limit_generation=self._next_limit()
            )
        return wanted

    def _payer(self, vals):
        """The wallet, unless the site has stopped all cut-offs.

        sudo: an electrician may not read the tenant's wallet, and needs not.
        """
        wallet = self.wallet_id
        if "wallet_id" in vals:
            wallet = wallet.browse(vals["wallet_id"] or [])
        stopped = self.sudo().site_id.cutoffs_stopped
        return wallet.browse() if stopped else wallet.sudo()

    def _desired_state(self, vals=None):
        """The relay state wanted, see :meth:`_decide`."""
        vals = vals or {}
        payer = self._payer(vals)
        return supply.desired_state(
            life_safety=vals.get("life_safety", self.life_safety)
            or self._feeds("never_cut"),
            essential=vals.get("essential", self.essential) or self._feeds("kept_on"),
            shed=self._is_shed(vals),
            cut=bool(payer) and payer._is_cut(),
            **{flag: bool(vals.get(flag, self[flag])) for flag in FLAGS},
        )

    def _limit(self, vals=None):
        """The load limit wanted in kW as Decimal, see :meth:`_decide`."""
        vals = vals or {}
        policy = self._payer(vals).policy_id
        return supply.wanted_limit(
            kept_on=bool(
                vals.get("life_safety", self.life_safety)
                or vals.get("essential", self.essential)
                or self._feeds("kept_on")
            ),
            own=exact(vals.get("load_limit_kw", self.load_limit_kw), LIMIT_DIGITS),
            low=policy.armed and self._payer(vals).level != supply.NORMAL,
            low_limit=exact(policy.low_limit_kw, LIMIT_DIGITS),
        )

    def _converge(self, cause=""):  # pylint: disable=missing-return
        """Give each point new generations and commands where its facts changed."""
        for point in self:
            wanted = point._decide()
            if wanted:
                super(EnergyServicePoint, point).write(wanted)
                point._command(wanted, cause)

    def _repeat_relay(self, cause):  # pylint: disable=missing-return
        """A new generation of the same wish: the relay does not obey it."""
        super().write({"generation": self._next()})
        self._command_relay(cause)

    def _repeat_limit(self, cause):  # pylint: disable=missing-return
        """A new generation of the same wish: the meter does not obey it."""
        super().write({"limit_generation": self._next_limit()})
        self._command_limit(cause)

    def _next(self):
        """The next generation: above the point's and above its meter's.

        The bridge counts per meter, and a meter may come from another point.
        """
        return max(self.generation, self.meter_id.sudo().relay_generation) + 1

    def _next_limit(self):
        """The next generation of the load limit, see :meth:`_next`."""
        return max(self.limit_generation, self.meter_id.sudo().limit_generation) + 1

    # ------------------------------------------------------------- commands

    def _command(self, wanted, cause=""):
        point = self.sudo()  # an electrician may read no sites
        point.site_id._tell_board()
        point.wallet_id._tell_pages()
        if "generation" in wanted:
            self._command_relay(cause)
        if "limit_generation" in wanted:
            self._command_limit(cause)

    def _command_relay(self, cause=""):
        """Replace this point's unfinished commands by one for the new generation."""
        Command = self.env["energy.command"].sudo()  # sudo: an audit row, not a wish
        Command._supersede(self, "relay")
        if self.meter_id.sudo().has_relay and self.desired_state != supply.HOLD:
            Command._issue(
                self, "relay", self.desired_state, self.generation, self._reason(cause)
            )

    def _command_limit(self, cause=""):
        """Likewise for the load limit, where the meter can limit."""
        Command = self.env["energy.command"].sudo()  # sudo: an audit row, not a wish
        Command._supersede(self, "load_limit")
        meter = self.meter_id.sudo()
        if meter.can_limit:
            meter.limit_generation = self.limit_generation
            value = plain(exact(self.wanted_limit_kw, LIMIT_DIGITS))
            reason = cause or self._limit_reason()
            Command._issue(self, "load_limit", value, self.limit_generation, reason)

    def _cause(self, vals):
        """Which of the facts in ``vals`` changes, for the audit; empty: the wallet."""
        if self.locked_out and "locked_out" in vals and not vals["locked_out"]:
            return self.env._("Lock-out released by %s", self.env.user.name)
        if self.switched_off and "switched_off" in vals and not vals["switched_off"]:
            return self.env._("Switched on by %s", self.env.user.name)
        if self.shed and "shed" in vals and not vals["shed"]:
            return self.env._("No longer cut by quota")
        if vals.get("rearms"):
            return self.env._("Closed again by itself after an overload trip")
        if self.tripped and "tripped" in vals and not vals["tripped"]:
            return self.env._("Overload confirmed on site by %s", self.env.user.name)
        if vals.get("life_safety") or vals.get("essential"):
            return self.env._("Never cut from now on")
        return ""

    def _reason(self, cause):
        """Why the relay is wanted as it is, for the audit."""
        wallet = self.wallet_id.sudo()  # sudo: see _payer
        if self.desired_state == supply.OPEN and self.locked_out:
            return self.env._("Locked out: %s", self.lockout_reason or "")
        if self.desired_state == supply.OPEN and self.switched_off:
            return self.env._("Switched off by %s", self.switched_user_id.name or "")
        if self.desired_state == supply.OPEN and self.shed:
            return self.env._("Cut by quota: %s", self.shed_reason or "")
        if cause or not wallet:
            return cause or self.env._("Supply is due")
        if self.desired_state == supply.CLOSED and wallet.level == supply.CUT:
            return self._why_not_cut(wallet)
        return self.env._("Balance %s", wallet._format(wallet.balance))

    def _limit_reason(self):
        """Why the load limit is wanted as it is, for the audit."""
        wallet = self.wallet_id.sudo()  # sudo: see _payer
        if self.wanted_limit_kw != self.load_limit_kw:
            return self.env._("Balance %s is low", wallet._format(wallet.balance))
        if self.load_limit_kw:
            return self.env._("Limit of the point")
        if wallet.policy_id.low_limit_kw:
            return self.env._("Balance %s", wallet._format(wallet.balance))
        return self.env._("No limit")
