from odoo import fields, models

from ..exchange.to_document import PRICE_DIGITS


class EnergyTariffFixed(models.Model):
    """A charge per day or month, whatever is consumed."""

    _name = "energy.tariff.fixed"
    _description = "Fixed Charge"
    _inherit = ["energy.tariff.part"]

    name = fields.Char(required=True)
    amount = fields.Float(digits=(20, PRICE_DIGITS), required=True, aggregator=None)
    per = fields.Selection(
        [("day", "Day"), ("month", "Month")], required=True, default="month"
    )
