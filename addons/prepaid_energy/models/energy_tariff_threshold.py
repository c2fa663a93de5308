from odoo import fields, models


class EnergyTariffThreshold(models.Model):
    """The upper edge of a tier; the last tier has none."""

    _name = "energy.tariff.threshold"
    _description = "Tier Threshold"
    _inherit = ["energy.tariff.part"]
    _order = "season_id, up_to, id"

    season_id = fields.Many2one(
        "energy.tariff.season", help="Empty: all seasons.", ondelete="restrict"
    )
    up_to = fields.Float(
        digits=(18, 6),
        required=True,
        aggregator=None,
        help="Consumption in the month or year, in the unit of the price, included.",
    )
