from odoo import fields, models


class EnergyTariffBand(models.Model):
    """A band: hours of the week with one price, such as peak or night."""

    _name = "energy.tariff.band"
    _description = "Tariff Band"
    _inherit = ["energy.tariff.name"]
    _order = "sequence, name, id"

    sequence = fields.Integer(default=10)
    color = fields.Integer(default=lambda self: self._default_color())

    def _default_color(self):
        return 1 + self.search_count([]) % 11
