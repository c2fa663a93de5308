from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import ValidationError

from .clock import local_day
from .protected import refuse, without_defaults

# What the fit rests on: changed, it has to be made again.
BASIS = {
    "site_id",
    "line_id",
    "service_point_id",
    "date_from",
    "date_to",
    "use_output",
    "product_ids",
    "output_uom_id",
    "use_heating",
    "heating_base",
    "use_cooling",
    "cooling_base",
    "calendar_id",
}
FITTED = {"fitted_at", "r2", "error", "days_used", "days_missing", "driver_ids"}


class EnergyBaseline(models.Model):
    """An energy performance indicator: what energy should have been, day by day.

    The energy of the period of the baseline is explained by drivers (ordinary least
    squares, ``enpi.py``); the coefficients stay as they were fitted, whatever comes in
    later, and tell what is expected of the days after it.
    """

    _name = "energy.baseline"
    _description = "Energy Baseline"
    _inherit = ["energy.affiliated", "mail.thread"]
    _order = "name, id"
    _check_company_auto = True

    name = fields.Char(required=True, tracking=True)
    site_id = fields.Many2one(
        "energy.site",
        required=True,
        compute="_compute_site_id",
        store=True,
        readonly=False,
        precompute=True,
        ondelete="restrict",
        help="Neither line nor service point: all electricity that the site buys.",
    )
    company_id = fields.Many2one(
        related="site_id.company_id", store=True, precompute=True, index=True
    )
    line_id = fields.Many2one(
        "energy.line",
        "Production Line",
        index=True,
        check_company=True,
        ondelete="cascade",
    )
    service_point_id = fields.Many2one(
        "energy.service.point", check_company=True, ondelete="cascade"
    )
    date_from = fields.Date(
        "Baseline From", required=True, tracking=True, help="Its first day."
    )
    date_to = fields.Date(
        "Baseline To", required=True, tracking=True, help="Its last day."
    )
    use_output = fields.Boolean(
        "Output", tracking=True, help="What the line has made, by day."
    )
    product_ids = fields.Many2many(
        "product.product",
        string="Products",
        check_company=True,
        help="Empty: all that the line makes.",
    )
    output_uom_id = fields.Many2one(
        "uom.uom",
        "Unit of Output",
        default=lambda self: self.env.ref("uom.product_uom_unit"),
        ondelete="restrict",
    )
    use_heating = fields.Boolean("Heating Degree Days", tracking=True)
    heating_base = fields.Float(
        "Heated Below (°C)", digits=(6, 2), default=15, aggregator=None
    )
    use_cooling = fields.Boolean("Cooling Degree Days", tracking=True)
    cooling_base = fields.Float(
        "Cooled Above (°C)", digits=(6, 2), default=18, aggregator=None
    )
    calendar_id = fields.Many2one(
        "resource.calendar",
        "Working Hours",
        check_company=True,
        ondelete="restrict",
        help="Its hours of the day are a driver as well.",
    )
    target_percent = fields.Float(
        "Target (%)",
        digits=(5, 2),
        default=0,
        tracking=True,
        aggregator=None,
        help="How much less than expected is wanted after the period of the baseline.",
    )
    fitted_at = fields.Datetime("Fitted", readonly=True, copy=False, tracking=True)
    r2 = fields.Float(
        "R²",
        digits=(6, 4),
        readonly=True,
        copy=False,
        aggregator=None,
        help="The share of the ups and downs that the drivers explain.",
    )
    error = fields.Float(
        "Standard Error (kWh)",
        digits=(18, 3),
        readonly=True,
        copy=False,
        aggregator=None,
        help="How far off a day is, as a rule.",
    )
    days_used = fields.Integer(readonly=True, copy=False, aggregator=None)
    days_missing = fields.Integer(
        "Days Left Out",
        readonly=True,
        copy=False,
        aggregator=None,
        help="Days of the period of which energy or a driver is not known as a whole.",
    )
    driver_ids = fields.One2many(
        "energy.baseline.driver", "baseline_id", readonly=True, copy=False
    )
    warning = fields.Text(compute="_compute_warning")
    actual = fields.Float(
        "Actual (kWh)",
        digits=(18, 3),
        compute="_compute_sums",
        help="After the period of the baseline, as far as it is known.",
    )
    expected = fields.Float(
        "Expected (kWh)", digits=(18, 3), compute="_compute_sums", help="Likewise."
    )
    change_percent = fields.Float(
        "Change (%)",
        digits=(9, 1),
        compute="_compute_sums",
        help="Actual against expected; negative: energy was saved.",
    )
    active = fields.Boolean(default=True)

    _period_order = models.Constraint(
        "CHECK (date_from <= date_to)", "The baseline ends before it begins."
    )
    _one_scope = models.Constraint(
        "CHECK (line_id IS NULL OR service_point_id IS NULL)",
        "A baseline is that of a line or that of a service point.",
    )
    _target_range = models.Constraint(
        "CHECK (target_percent >= 0 AND target_percent < 100)",
        "The target is between 0 and 100 % less.",
    )

    @api.constrains("site_id", "line_id", "service_point_id", "use_output")
    def _check_scope(self):
        for baseline in self:
            part = baseline.line_id or baseline.service_point_id
            if part and part.site_id != baseline.site_id:
                raise ValidationError(
                    baseline.env._(
                        "%(part)s is not at %(site)s.",
                        part=part.display_name,
                        site=baseline.site_id.name,
                    )
                )
            if baseline.use_output and not baseline.line_id:
                raise ValidationError(
                    baseline.env._(
                        "%s: only a production line has an output.", baseline.name
                    )
                )
            if baseline.use_output and not baseline.output_uom_id:
                raise ValidationError(
                    baseline.env._("%s: the output needs its unit.", baseline.name)
                )

    @api.depends("line_id", "service_point_id")
    def _compute_site_id(self):
        sites = self.env["energy.site"].search([], limit=2)
        for baseline in self:
            part = baseline.line_id or baseline.service_point_id
            only = sites if len(sites) == 1 else False
            baseline.site_id = part.site_id or baseline.site_id or only

    @api.depends("fitted_at", "r2", "days_used", "driver_ids.problem")
    def _compute_warning(self):
        for baseline in self:
            baseline.warning = "\n".join(baseline._warnings()) or False

    def _compute_sums(self):
        rows = self.env["energy.baseline.day"]._read_group(
            [("baseline_id", "in", self.ids), ("period", "=", "after")],
            ["baseline_id"],
            ["actual:sum", "expected:sum"],
        )
        sums = {baseline.id: values for baseline, *values in rows}
        for baseline in self:
            actual, expected = sums.get(baseline.id, (0, 0))
            baseline.actual, baseline.expected = actual, expected
            baseline.change_percent = (
                100 * (actual - expected) / expected if expected else 0
            )

    @api.model_create_multi
    def create(self, vals_list):
        """A fit is made by the button."""
        for vals in vals_list:
            self._refuse_fitted(vals)
        clean = without_defaults(self, FITTED)
        return super(EnergyBaseline, clean).create(vals_list)

    def write(self, vals):
        """What the fit rests on has changed: it is dropped; the target moves rows."""
        self._refuse_fitted(vals)
        result = super().write(vals)
        if BASIS & {*vals}:
            self._forget()
        elif "target_percent" in vals:
            self.filtered("fitted_at")._follow()
        return result

    def _refuse_fitted(self, vals):
        refuse(self, vals, FITTED, self.env._("%s: the fit decides it."))

    def action_fit(self):
        """Fit the coefficients, and work out what was expected of each day."""
        self.check_access("write")
        for baseline in self:
            baseline._fit()
            baseline._follow()

    def action_view_days(self):
        """Open the days: by week in a pivot, the CUSUM as a line."""
        return self._open("prepaid_energy.energy_baseline_day_action")

    def action_view_comparison(self):
        """Open the chart of what is expected and what is."""
        return self._open("prepaid_energy.energy_baseline_report_action")

    def _open(self, name):
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(name)
        return {
            **action,
            "display_name": f"{self.name}: {action['name']}",
            "domain": [("baseline_id", "=", self.id)],
            "context": {},
        }

    @api.model
    def _cron_follow(self):
        """Work out the new days, and those of which readings have changed."""
        cron = self.env["ir.cron"]
        todo = self.search([("fitted_at", "!=", False)])
        for done, baseline in enumerate(todo, start=1):
            baseline._follow()
            if not cron._commit_progress(1, remaining=len(todo) - done):
                return

    def _last_day(self):
        """The last day that is over, by the clock of the site."""
        return local_day(self.site_id.tz) - timedelta(days=1)
