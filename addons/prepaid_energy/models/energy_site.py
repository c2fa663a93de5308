from odoo import api, fields, models
from odoo.exceptions import UserError

from odoo.addons.base.models.res_partner import _tz_get

from .clock import local_day
from .protected import refuse, without_defaults

STOP = {"cutoffs_stopped", "stopped_by_id", "stopped_at"}


class EnergySite(models.Model):
    """An industrial park, a factory or a mine: the roof over its service points."""

    _name = "energy.site"
    _description = "Energy Site"
    _inherit = ["mail.thread"]
    _order = "name, id"

    name = fields.Char(required=True, tracking=True)
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    partner_id = fields.Many2one("res.partner", string="Address")
    user_id = fields.Many2one(
        "res.users",
        "Called for Alarms",
        tracking=True,
        default=lambda self: self._default_user_id(),
        domain="[('share', '=', False)]",
        help="Trips, relays that do not follow, silent bridges become this user's "
        "activities. Empty: they are on the record, for everybody.",
    )
    tz = fields.Selection(
        _tz_get,
        string="Time Zone",
        required=True,
        default=lambda self: self.env.user.tz or "UTC",
    )
    cutoffs_stopped = fields.Boolean(readonly=True, copy=False, tracking=True)
    stopped_by_id = fields.Many2one("res.users", readonly=True, copy=False)
    stopped_at = fields.Datetime(readonly=True, copy=False)
    stop_reason = fields.Char(
        copy=False,
        tracking=True,
        help="Why no wallet is cut off at this site for now.",
    )
    service_point_ids = fields.One2many("energy.service.point", "site_id")
    service_point_count = fields.Integer(compute="_compute_service_point_count")
    active = fields.Boolean(default=True)

    def _compute_service_point_count(self):
        groups = self.env["energy.service.point"]._read_group(
            [("site_id", "in", self.ids)], ["site_id"], ["__count"]
        )
        counts = {site.id: count for site, count in groups}
        for site in self:
            site.service_point_count = counts.get(site.id, 0)

    def _today(self):
        """The day by the clock of the site."""
        return local_day(self.tz)

    def _default_user_id(self):
        """Who makes the site, unless a machine does."""
        return self.env.user if self.env.user._is_internal() else False

    @api.model_create_multi
    def create(self, vals_list):
        """A stop is made by the button."""
        for vals in vals_list:
            self._refuse_stop(vals)
        clean = without_defaults(self, STOP)
        return super(EnergySite, clean).create(vals_list)

    def write(self, vals):
        """A stop is made by the button, which records who and why."""
        self._refuse_stop(vals)
        result = super().write(vals)
        if "tz" in vals:  # hours begin by another clock
            points = self.service_point_ids.ids
            beginning = fields.Datetime.to_datetime("1970-01-01")
            self.env["energy.interval"]._again(dict.fromkeys(points, beginning))
        return result

    def _refuse_stop(self, vals):
        refuse(self, vals, STOP, self.env._("%s: use the buttons."))

    def action_stop_cutoffs(self):
        """Stop all cut-offs for lack of money at once; what is cut comes back.

        Lock-outs, trips and points that were switched off stay as they are.
        """
        for site in self:
            if not site.stop_reason:
                raise UserError(self.env._("Write the reason for the stop first."))
            site._set_stop(True)

    def action_resume_cutoffs(self):
        """Let policies cut off again."""
        self._set_stop(False)

    def _set_stop(self, stopped):
        self.check_access("write")
        # sudo: see STOP; the user stays the author
        self.sudo().write(
            {
                "cutoffs_stopped": stopped,
                "stopped_by_id": self.env.uid if stopped else False,
                "stopped_at": fields.Datetime.now() if stopped else False,
            }
        )
        points = self.sudo().service_point_ids  # sudo: relays follow
        if not stopped:
            points.wallet_id._wait_for_hours()
            points.line_point_ids._wait_for_hours()
        points._converge()

    def action_view_service_points(self):
        """Open the service points of the site as cards."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_service_point_action"
        )
        return {**action, "domain": [("site_id", "=", self.id)]}
