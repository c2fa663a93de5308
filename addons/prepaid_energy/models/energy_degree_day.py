from odoo import api, fields, models


class EnergyDegreeDay(models.Model):
    """The mean temperature of a day at a site: what degree days are made of.

    Entered or imported, such as from the weather service. The base temperature is that
    of the baseline, since buildings and processes differ in it.
    """

    _name = "energy.degree.day"
    _description = "Temperature of a Day"
    _inherit = ["energy.affiliated"]
    _order = "day desc, site_id"
    _rec_name = "day"
    _check_company_auto = True

    site_id = fields.Many2one(
        "energy.site",
        required=True,
        ondelete="cascade",
        default=lambda self: self._default_site_id(),
    )
    company_id = fields.Many2one(
        related="site_id.company_id", store=True, precompute=True, index=True
    )
    day = fields.Date(
        required=True,
        default=fields.Date.context_today,
        help="By the clock of the site.",
    )
    mean = fields.Float(
        "Mean Temperature (°C)", digits=(6, 2), required=True, aggregator="avg"
    )

    _site_day_uniq = models.Constraint(
        "unique (site_id, day)", "The site has a temperature of this day already."
    )
    _mean_range = models.Constraint(
        "CHECK (mean BETWEEN -90 AND 60)", "A mean temperature is in °C, -90 to 60."
    )

    @api.model
    def _default_site_id(self):
        """The site, where there is only one."""
        sites = self.env["energy.site"].search([], limit=2)
        return sites if len(sites) == 1 else False
