from odoo import fields, models

from ..exchange.to_values import DAY_TYPES


class EnergyTariffRule(models.Model):
    """A window of the day that is in a band; the first rule that fits wins."""

    _name = "energy.tariff.rule"
    _description = "Band Rule"
    _inherit = ["energy.tariff.part"]

    band_id = fields.Many2one("energy.tariff.band", required=True, ondelete="restrict")
    season_ids = fields.Many2many(
        "energy.tariff.season", string="Seasons", help="Empty: all seasons."
    )
    on_weekday = fields.Boolean("Mon–Fri", default=True)
    on_saturday = fields.Boolean("Sat", default=True)
    on_sunday = fields.Boolean("Sun", default=True)
    on_holiday = fields.Boolean(
        "Holiday", default=True, help="A holiday is only that, whatever its weekday."
    )
    hour_from = fields.Float(
        "From", required=True, help="By the tariff's clock; this moment is included."
    )
    hour_to = fields.Float(
        "To",
        required=True,
        default=24.0,
        help="Not included. At or before From: over midnight, each date by itself.",
    )

    def _day_types(self):
        """The document's day types: a list, or "*" for all."""
        days = [day for day in DAY_TYPES if self[f"on_{day}"]]
        return "*" if len(days) == len(DAY_TYPES) else days
