from odoo import fields, models

from ..exchange.to_document import PRICE_DIGITS


class EnergyTariffDemand(models.Model):
    """A charge on the month's highest mean power."""

    _name = "energy.tariff.demand"
    _description = "Demand Charge"
    _inherit = ["energy.tariff.part"]

    name = fields.Char(required=True)
    price_per_kw = fields.Float(
        "Price per kW", digits=(20, PRICE_DIGITS), required=True, aggregator=None
    )
    band_ids = fields.Many2many(
        "energy.tariff.band", string="Bands", help="Empty: all bands."
    )
    season_ids = fields.Many2many(
        "energy.tariff.season", string="Seasons", help="Empty: all seasons."
    )
    minutes = fields.Integer(
        "Window (min)",
        default=15,
        aggregator=None,
        help="Power is the mean over windows of so many minutes. 0: as metered.",
    )
