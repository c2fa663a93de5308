from odoo import models


class EnergyTariffSeason(models.Model):
    """The name of a season; each tariff version says when it is."""

    _name = "energy.tariff.season"
    _description = "Tariff Season"
    _inherit = ["energy.tariff.name"]
    _order = "name, id"
