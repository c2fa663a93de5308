from odoo import api, fields, models
from odoo.exceptions import UserError, ValidationError

from ..exchange import picture
from ..exchange.examine import examined
from ..exchange.to_document import PRICE_DIGITS, QUANTITY_DIGITS

PARTS = (
    "period_ids",
    "rule_ids",
    "threshold_ids",
    "price_ids",
    "fixed_ids",
    "demand_ids",
    "levy_ids",
    "holiday_ids",
)
PRICES = (
    "factor",
    "default_band_id",
    "tier_mode",
    "tier_counter",
    "minimum_amount",
    "minimum_energy",
    "minimum_fixed",
    "minimum_demand",
    *PARTS,
)
BEGIN = ("tariff_id", "valid_from", "valid_from_hour")
# what the picture and the price table show
SHOWN = (
    *("period_ids." + name for name in ("season_id", "month_from", "day_from")),
    *("period_ids." + name for name in ("month_to", "day_to")),
    *("rule_ids." + name for name in ("sequence", "band_id", "season_ids")),
    *("rule_ids." + name for name in ("hour_from", "hour_to", "on_weekday")),
    *("rule_ids." + name for name in ("on_saturday", "on_sunday", "on_holiday")),
    *("threshold_ids." + name for name in ("season_id", "up_to")),
    *("price_ids." + name for name in ("season_id", "band_id", "tier", "price")),
    "levy_ids.percent",
)
FAR_APART = 20
ENFORCE = object()  # in the context: the caller re-rates; no RPC call can make it


class EnergyTariffVersion(models.Model):
    """The prices of a tariff from a moment on, until the next version begins.

    A draft is not in force yet. A version that has rated usage is locked: it is
    corrected by another version, see :meth:`action_correct`.
    """

    _name = "energy.tariff.version"
    _description = "Tariff Version"
    _order = "tariff_id, valid_from, valid_from_hour, id"

    tariff_id = fields.Many2one(
        "energy.tariff", required=True, index=True, ondelete="cascade"
    )
    company_id = fields.Many2one(related="tariff_id.company_id", store=True)
    currency_id = fields.Many2one(related="tariff_id.currency_id")
    uom_id = fields.Many2one(related="tariff_id.uom_id")
    register_uom_id = fields.Many2one(related="tariff_id.register_uom_id")
    state = fields.Selection(
        [("draft", "Draft"), ("active", "In Force"), ("superseded", "Superseded")],
        required=True,
        readonly=True,
        default="active",
    )
    corrects_id = fields.Many2one(
        "energy.tariff.version", readonly=True, ondelete="set null"
    )
    valid_from = fields.Date(required=True, default=fields.Date.context_today)
    valid_from_hour = fields.Float("At", help="By the tariff's clock.")
    valid_to = fields.Date(
        compute="_compute_valid_to", string="Until", help="Its last day, included."
    )
    locked = fields.Boolean(
        compute="_compute_locked", help="It has rated usage, so its prices stay."
    )
    factor = fields.Float(
        digits=(16, QUANTITY_DIGITS),
        default=1.0,
        required=True,
        help="Units of the price in one unit of the register: the calorific value of "
        "gas times its state number, in kWh per m³.",
    )
    period_ids = fields.One2many("energy.tariff.period", "version_id", copy=True)
    default_band_id = fields.Many2one(
        "energy.tariff.band",
        ondelete="restrict",
        help="The band of all hours that no rule names. Without it, the rules must "
        "leave no gap.",
    )
    rule_ids = fields.One2many("energy.tariff.rule", "version_id", copy=True)
    tier_mode = fields.Selection(
        [
            ("single", "One price"),
            ("incremental", "Each tier its own price"),
            ("whole_volume", "The tier reached prices everything"),
        ],
        "Tiers",
        required=True,
        default="single",
    )
    tier_counter = fields.Selection(
        [("month", "Month"), ("year", "Year")],
        "Counted By",
        required=True,
        default="month",
    )
    threshold_ids = fields.One2many("energy.tariff.threshold", "version_id", copy=True)
    price_ids = fields.One2many("energy.tariff.price", "version_id", copy=True)
    fixed_ids = fields.One2many("energy.tariff.fixed", "version_id", copy=True)
    demand_ids = fields.One2many("energy.tariff.demand", "version_id", copy=True)
    levy_ids = fields.One2many("energy.tariff.levy", "version_id", copy=True)
    holiday_ids = fields.One2many("energy.tariff.holiday", "version_id", copy=True)
    minimum_amount = fields.Float(
        "Minimum per Month", digits=(20, PRICE_DIGITS), aggregator=None
    )
    minimum_energy = fields.Boolean("Energy counts", default=True)
    minimum_fixed = fields.Boolean("Fixed charges count", default=True)
    minimum_demand = fields.Boolean("Demand counts")
    problem = fields.Text(compute="_compute_picture")
    hint = fields.Text(compute="_compute_picture")
    week_picture = fields.Html(compute="_compute_picture", sanitize=False)
    price_table = fields.Html(compute="_compute_picture", sanitize=False)

    _valid_from_uniq = models.UniqueIndex(
        "(tariff_id, valid_from, valid_from_hour) WHERE state = 'active'",
        "Two versions begin at the same time: change one of them.",
    )
    _hour_of_day = models.Constraint(
        "CHECK (valid_from_hour >= 0 AND valid_from_hour < 24)",
        "A version begins at a time of day, 00:00 to 23:59.",
    )

    @api.depends("valid_from", "state", "tariff_id.name")
    def _compute_display_name(self):
        states = dict(self._fields["state"]._description_selection(self.env))
        for version in self:
            name = f"{version.tariff_id.name}, {version.valid_from}"
            if version.state != "active":
                name = f"{name} ({states[version.state]})"
            version.display_name = name

    @api.depends("tariff_id.version_ids.valid_from", "tariff_id.version_ids.state")
    def _compute_valid_to(self):
        for version in self:
            following = version._following()
            last = following.valid_from
            if last and not following.valid_from_hour:
                last = fields.Date.subtract(last, days=1)
            version.valid_to = last

    def _compute_locked(self):
        for version in self:
            version.locked = bool(version._last_rated_day())

    @api.depends(*BEGIN, *PRICES, *SHOWN)
    @api.depends_context("lang")
    def _compute_picture(self):
        for version in self:
            version.problem, bands, priced = examined(version)
            version.week_picture = version.price_table = version.hint = False
            render = self.env["ir.qweb"]._render
            if bands:
                values = version._picture_values(bands)
                version.week_picture = render("prepaid_energy.tariff_week", values)
            if priced:
                values = version._picture_values(priced)
                version.price_table = render("prepaid_energy.tariff_prices", values)
                version.hint = version._hint(priced)

    def _hint(self, priced):
        """A question about prices that look like a slip of the decimal point."""
        prices = [price for cell in priced.cell_list for price in cell.prices if price]
        low, high = min(map(abs, prices), default=0), max(map(abs, prices), default=0)
        if high > FAR_APART * low:
            return self.env._(
                "The highest price (%(high)s) is more than %(n)s times the lowest "
                "(%(low)s): is a decimal point missing?",
                high=high,
                low=low,
                n=FAR_APART,
            )
        return False

    def _picture_values(self, parsed):
        """What the templates of the week and of the price table need."""
        bands = self.default_band_id | self.rule_ids.band_id
        return {
            "version": self,
            "seasons": [
                {"name": name, "days": days, "week": picture.week(parsed, name)}
                for name, days in picture.seasons_of(parsed)
            ],
            "prices": picture.price_rows(parsed),
            "colors": {band.name: picture.color(band.color) for band in bands},
            "gray": picture.color(0),
        }

    def _parsed(self):
        """(problem or False, the engine's version or None) of one version alone."""
        problem, _bands, priced = examined(self)
        return problem, priced

    @api.constrains(*BEGIN, *PRICES, "state")
    def _check_version(self):
        for version in self.filtered(lambda version: version.state == "active"):
            problem, _parsed = version._parsed()
            if problem:
                raise ValidationError(
                    self.env._(
                        "%(version)s: %(problem)s",
                        version=version.display_name,
                        problem=problem,
                    )
                )
        self.tariff_id._check_document()
        self.tariff_id._check_units()

    # ------------------------------------------------------------------ CRUD

    @api.model_create_multi
    def create(self, vals_list):
        """Refuse a version over usage that was rated; forget compiled tariffs."""
        versions = super(
            EnergyTariffVersion, self.with_context(energy_whole_version=True)
        ).create(vals_list)
        versions._refuse_rated_span()
        self.env.registry.clear_cache()
        return versions.with_env(self.env)

    def write(self, vals):
        """Refuse to change what was rated; forget compiled tariffs."""
        if {*vals} & {*BEGIN, *PRICES} - {"holiday_ids"}:
            self._refuse_locked()
        moved = {*vals} & {*BEGIN, "state"}
        if moved:
            self._refuse_rated_span()
        whole = self.with_context(energy_whole_version=True)
        result = super(EnergyTariffVersion, whole).write(vals)
        if moved:
            self._refuse_rated_span()
        self.env.registry.clear_cache()
        return result

    def unlink(self):
        """Refuse to delete what was rated; forget compiled tariffs."""
        self._refuse_locked()
        self._refuse_rated_span()
        result = super().unlink()
        self.env.registry.clear_cache()
        return result

    def _part_changed(self):
        """A row of these versions changed, by itself or as a part of a form."""
        self.env.registry.clear_cache()
        if not self.env.context.get("energy_whole_version"):
            self._check_version()

    # ------------------------------------------------------------------ locking

    def _last_rated_day(self):
        """The last local day that this version has rated; False if none."""
        # sudo: usage that this user may not see counts as well
        Usage = self.env["energy.usage"].sudo()
        domain = [("version_id", "=", self._origin.id)]
        return (
            bool(self._origin) and Usage.search(domain, order="day desc", limit=1).day
        )

    def _refuse_locked(self):
        """Raise UserError for a version that has rated usage (invariant 2)."""
        for version in self:
            if version.state == "superseded" or version._last_rated_day():
                raise UserError(
                    self.env._(
                        "%s has rated usage, so its prices stay: press Correct to make "
                        "a new version of it.",
                        version.display_name,
                    )
                )

    def _following(self):
        """The version in force that begins after this one."""
        begin = self._begin()
        later = self.tariff_id.version_ids.filtered(
            lambda other: (
                other.state == "active" and other.valid_from and other._begin() > begin
            )
        )
        return later.sorted(lambda version: version._begin())[:1]

    def _begin(self):
        return self.valid_from or fields.Date.today(), self.valid_from_hour

    def _refuse_rated_span(self):
        """Raise UserError where the time of an active version has rated usage."""
        if self.env.context.get("energy_enforce") is ENFORCE:
            return
        for version in self.filtered(lambda version: version.state == "active"):
            day = version._rated_in_span()
            if day:
                raise UserError(
                    self.env._(
                        "%(tariff)s has rated usage on %(rated)s, which %(day)s would "
                        "change: begin later, or open the version in force then and "
                        "press Correct.",
                        tariff=version.tariff_id.name,
                        rated=day,
                        day=version.valid_from,
                    )
                )

    def _rated_in_span(self):
        """The last day in this version's time on which the tariff has rated usage."""
        # sudo: usage that this user may not see counts as well
        Usage = self.env["energy.usage"].sudo()
        return Usage.search(self._span_domain(), order="day desc", limit=1).day

    def _span_domain(self):
        """The usage that this version rates, or would rate."""
        domain = [
            ("tariff_id", "=", self.tariff_id.id),
            ("day", ">=", self.valid_from),
        ]
        return domain + ([("day", "<=", self.valid_to)] if self.valid_to else [])

    # ------------------------------------------------------------------ actions

    def action_open(self):
        """Open the version's own form."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
        }

    def action_correct(self):
        """Open a draft with the same prices, to be put in force from a day on."""
        self.ensure_one()
        draft = self.copy(
            {
                "state": "draft",
                "corrects_id": self.id,
                "valid_from": fields.Date.context_today(self),
            }
        )
        return draft.action_open()

    def action_enforce(self):
        """Ask from when a draft counts and why."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Put in Force"),
            "res_model": "energy.tariff.enforce",
            "view_mode": "form",
            "target": "new",
            "context": {"default_version_id": self.id},
        }
