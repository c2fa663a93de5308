from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import UserError

from ..exchange import picture
from ..exchange.numbers import exact, plain
from ..ingest.decide import Decision, retry
from ..ingest.parse import parse_register
from .protected import refuse, without_defaults

CURVE = 20  # readings on each side
# What is decided by the buttons, which check and record it.
DECIDED = {
    "state",
    "meter_id",
    "at",
    "raw_register",
    "verdict",
    "reason",
    "gateway_id",
    "company_id",
}

REASONS = [
    ("unknown_serial", "Unknown meter serial"),
    ("unreadable_value", "Register is not a number"),
    ("negative", "Register is negative"),
    ("unreadable_time", "Time is not readable"),
    ("malformed", "Row is not a reading"),
    ("not_installed", "Meter is installed nowhere"),
    ("not_rateable", "The rating engine refuses it"),
    ("before_installation", "From before the meter was installed here"),
    ("unreadable_event", "Event that cannot be read"),
    ("future", "From the future"),
    ("late", "Older than the newest reading"),
    ("spike", "More than physically possible"),
    ("digits", "More digits than the register has"),
    ("doubted", "A stored reading that somebody doubts"),
    ("conflict", "Another value for the same moment"),
    ("backwards", "The register fell"),
]


class EnergyReadingReview(models.Model):
    """A reading that could not be used: kept with its reason, never dropped."""

    _name = "energy.reading.review"
    _description = "Held Reading"
    _inherit = ["mail.thread"]
    _order = "id desc"
    _rec_name = "meter_serial"

    gateway_id = fields.Many2one("energy.gateway", readonly=True, ondelete="restrict")
    company_id = fields.Many2one(
        "res.company",
        compute="_compute_company_id",
        store=True,
        precompute=True,
        readonly=True,
    )
    batch_uid = fields.Char(readonly=True)
    position = fields.Integer("Row in Batch", readonly=True, aggregator=None)
    meter_id = fields.Many2one("energy.meter", readonly=True, ondelete="restrict")
    meter_serial = fields.Char(readonly=True)
    at = fields.Datetime("Time", readonly=True)
    raw_time = fields.Char("Time as Received", readonly=True)
    raw_register = fields.Char("Register as Received", readonly=True)
    verdict = fields.Selection(
        [("held", "Held"), ("rejected", "Rejected")], readonly=True
    )
    reason = fields.Selection(REASONS, readonly=True, required=True)
    detail = fields.Char(readonly=True)
    received_at = fields.Datetime(readonly=True, default=fields.Datetime.now)
    state = fields.Selection(
        [
            ("pending", "To Review"),
            ("accepted", "Accepted"),
            ("corrected", "Corrected"),
            ("discarded", "Discarded"),
        ],
        default="pending",
        readonly=True,
        tracking=True,
    )
    note = fields.Char(
        "Decision", tracking=True, help="Why it is used, corrected or discarded."
    )
    register_new = fields.Float(
        "Corrected Register",
        digits=(18, 6),
        tracking=True,
        aggregator=None,
        help="What the register should have shown at that time.",
    )
    curve = fields.Html(compute="_compute_curve", sanitize=False)
    alike = fields.Char(
        "More of Them",
        compute="_compute_alike",
        help="A meter with a fault is held at every poll. Each reading is kept; those "
        "of the same meter and reason are listed, and can be discarded, together.",
    )

    @api.depends("gateway_id.company_id", "meter_id.company_id")
    def _compute_company_id(self):
        for review in self:
            gateway, meter = review.gateway_id, review.meter_id
            review.company_id = gateway.company_id or meter.company_id

    def _compute_curve(self):
        for review in self:
            values = review._curve_values()
            review.curve = values and self.env["ir.qweb"]._render(
                "prepaid_energy.reading_curve", values
            )

    @api.depends("state", "meter_serial", "reason")
    def _compute_alike(self):
        """How many more are pending of the same cause, and the newest of them."""
        for review in self:
            alike = review._alike()
            last = alike[:1]
            review.alike = bool(alike) and self.env._(
                "%(count)s, the last one %(register)s at %(at)s",
                count=len(alike),
                register=last.raw_register,
                at=last.raw_time or last.at,
            )

    def _alike(self):
        """The other pending reviews of this meter and reason, the newest first."""
        self.ensure_one()
        return self.search(
            [
                ("id", "!=", self._origin.id),
                ("state", "=", "pending"),
                ("gateway_id", "=", self.gateway_id.id),
                ("meter_serial", "=", self.meter_serial),
                ("reason", "=", self.reason),
            ]
        )

    def _curve_values(self):
        """The stored readings around this one, as points of a picture; or None."""
        Reading = self.env["energy.reading"]
        mine = [("meter_id", "=", self.meter_id.id)]
        if not self.meter_id or not self.at:
            return None
        before = Reading.search([*mine, ("at", "<", self.at)], limit=CURVE)
        after = Reading.search([*mine, ("at", ">", self.at)], limit=CURVE, order="at")
        readings = [*reversed(before), *after]
        raw = parse_register(self.raw_register or "")
        if not readings:
            return None
        return picture.curve(
            [(reading.at, reading.register) for reading in readings],
            None if raw is None else (self.at, float(raw)),
        )

    def action_accept(self):
        """Use the register as it was received."""
        for review in self:
            register = parse_register(review.raw_register or "")
            if register is None:
                raise UserError(
                    self.env._("'%s' is not a number: correct it.", review.raw_register)
                )
            review._decide("accepted", register, "measured")

    def action_correct(self):
        """Use another value than the one that was received."""
        for review in self:
            if not review.register_new:
                raise UserError(self.env._("Write the corrected register first."))
            review._decide("corrected", exact(review.register_new, 6), "corrected")

    def action_discard(self):
        """Close the case without using the reading; the reason must be there."""
        for review in self:
            review._check_decision()
        self._close("discarded")

    def action_discard_alike(self):
        """Close this case and all pending ones of the same meter and reason."""
        self._check_decision()
        (self | self._alike())._close("discarded", note=self.note)

    def _check_decision(self):
        self.ensure_one()
        self.check_access("write")
        if self.state != "pending":
            raise UserError(self.env._("This reading has been decided already."))
        if not self.note:
            raise UserError(self.env._("Write the reason into Decision first."))

    def _close(self, state, **values):
        self.sudo().write({"state": state, **values})  # sudo: see DECIDED

    def _decide(self, state, register, quality):
        """Use a register; tell in the chatter what it did to the wallets.

        :raise UserError: names what is missing, or why it cannot be used.
        """
        self._check_decision()
        if not self.meter_id or not self.at:
            raise UserError(
                self.env._("A reading without a known meter and time cannot be used.")
            )
        # sudo: who may decide about readings may not write wallets otherwise
        meter = self.meter_id.sudo()
        more = Decision(meter, self.at, register, self.note).use(quality)
        self._close(state)
        self.message_post(
            body=self.env._(
                "%(register)s is used; the wallets pay %(more)s more.",
                register=plain(register),
                more=plain(more.quantize(Decimal("0.01"))),
            )
        )
        self._retry_others()

    def _retry_others(self):
        """Use what can be used now of the same meter's other held readings."""
        others = self.sudo().search(
            [
                ("meter_id", "=", self.meter_id.id),
                ("state", "=", "pending"),
                ("verdict", "=", "held"),
                ("reason", "!=", "doubted"),
            ],
            order="at, id",
        )
        used = retry(others, self.note) if others else others
        used.write(
            {
                "state": "accepted",
                "note": self.env._(
                    "Usable after the decision about %(register)s at %(at)s",
                    register=self.raw_register,
                    at=self.at,
                ),
            }
        )

    @api.model_create_multi
    def create(self, vals_list):
        """Only the system makes reviews."""
        clean = without_defaults(self, DECIDED)
        return super(EnergyReadingReview, clean).create(vals_list)

    def write(self, vals):
        """Refuse what the buttons decide."""
        refuse(self, vals, DECIDED, self.env._("%s: use the buttons."))
        if not self.env.su and any(review.state != "pending" for review in self):
            raise UserError(self.env._("What was decided stays as it is."))
        return super().write(vals)

    @api.ondelete(at_uninstall=False)
    def _unlink_never(self):
        raise UserError(self.env._("A held reading is never deleted: discard it."))
