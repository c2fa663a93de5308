from odoo import fields, models

from ..exchange.to_document import PRICE_DIGITS


class EnergyTariffPrice(models.Model):
    """What a season, band and tier costs per unit, net of levies."""

    _name = "energy.tariff.price"
    _description = "Energy Price"
    _inherit = ["energy.tariff.part"]
    _order = "sequence, season_id, band_id, tier, id"

    season_id = fields.Many2one(
        "energy.tariff.season", help="Empty: all seasons.", ondelete="restrict"
    )
    band_id = fields.Many2one(
        "energy.tariff.band", help="Empty: all bands.", ondelete="restrict"
    )
    tier = fields.Integer(required=True, default=1, aggregator=None)
    price = fields.Float(
        digits=(20, PRICE_DIGITS), required=True, default=0.0, aggregator=None
    )

    _tier_positive = models.Constraint(
        "CHECK (tier > 0)", "Tiers are counted from 1 on."
    )
