import calendar

from odoo import api, fields, models

MONTHS = [(str(number), calendar.month_name[number]) for number in range(1, 13)]


class EnergyTariffPeriod(models.Model):
    """When a season is, both days included; it may go over New Year.

    A season in two parts has two rows.
    """

    _name = "energy.tariff.period"
    _description = "Season of a Tariff Version"
    _inherit = ["energy.tariff.part"]

    season_id = fields.Many2one(
        "energy.tariff.season", required=True, ondelete="restrict"
    )
    month_from = fields.Selection(MONTHS, "From", required=True, default="1")
    day_from = fields.Integer(required=True, default=1)
    month_to = fields.Selection(MONTHS, "To", required=True, default="12")
    day_to = fields.Integer(required=True, default=31)

    @api.onchange("month_to")
    def _onchange_month_to(self):
        """Propose the last day of the month."""
        if self.month_to:
            self.day_to = calendar.monthrange(2000, int(self.month_to))[1]
