from odoo import fields, models

from odoo.addons.base.models.res_partner import _tz_get


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
    tz = fields.Selection(
        _tz_get,
        string="Time Zone",
        required=True,
        default=lambda self: self.env.user.tz or "UTC",
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

    def action_view_service_points(self):
        """Open the service points of the site as cards."""
        self.ensure_one()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_service_point_action"
        )
        return {**action, "domain": [("site_id", "=", self.id)]}
