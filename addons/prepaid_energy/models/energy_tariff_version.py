from odoo import api, fields, models
from odoo.exceptions import UserError


class EnergyTariffVersion(models.Model):
    """The prices of a tariff from a day on, until the next version begins."""

    _name = "energy.tariff.version"
    _description = "Energy Tariff Version"
    _order = "tariff_id, valid_from"

    tariff_id = fields.Many2one("energy.tariff", required=True, ondelete="cascade")
    company_id = fields.Many2one(related="tariff_id.company_id", store=True)
    currency_id = fields.Many2one(related="tariff_id.currency_id")
    valid_from = fields.Date(required=True, default=fields.Date.context_today)
    price = fields.Float(
        "Price per kWh", digits=(16, 6), required=True, help="Net of levies."
    )
    levy_name = fields.Char("Levy", default="VAT")
    levy_percent = fields.Float(
        "Levy %", digits=(6, 3), help="Added to what the wallet pays, e.g. a tax."
    )

    _valid_from_uniq = models.Constraint(
        "unique (tariff_id, valid_from)", "Two versions begin on the same day."
    )
    _price_positive = models.Constraint(
        "CHECK (price >= 0)", "A price per kWh is not negative."
    )

    @api.model_create_multi
    def create(self, vals_list):
        """Forget compiled tariffs."""
        versions = super().create(vals_list)
        versions._refuse_used()
        self.env.registry.clear_cache()
        versions.tariff_id._check_document()
        return versions

    def write(self, vals):
        """Refuse to change what was rated; forget compiled tariffs."""
        self._refuse_used()
        result = super().write(vals)
        self._refuse_used()
        self.env.registry.clear_cache()
        self.tariff_id._check_document()
        return result

    def unlink(self):
        """Refuse to change what was rated; forget compiled tariffs."""
        self._refuse_used()
        result = super().unlink()
        self.env.registry.clear_cache()
        return result

    def _refuse_used(self):
        """Raise UserError for a version that has rated usage (invariant 2)."""
        # sudo: usage that this user may not see counts as well
        Usage = self.env["energy.usage"].sudo()
        for version in self:
            later = version.tariff_id.version_ids.filtered(
                lambda other, begin=version.valid_from: other.valid_from > begin
            )
            domain = [
                ("tariff_id", "=", version.tariff_id.id),
                ("day", ">=", version.valid_from),
            ]
            if later:
                domain.append(("day", "<", min(later.mapped("valid_from"))))
            if Usage.search_count(domain, limit=1):
                raise UserError(
                    self.env._(
                        "%(tariff)s has rated usage by the prices from %(day)s on: "
                        "add a version that begins later instead.",
                        tariff=version.tariff_id.name,
                        day=version.valid_from,
                    )
                )

    def _document(self):
        """This version as the tariff document has it; numbers as decimal strings."""
        self.ensure_one()
        levy = f"{self.levy_percent / 100:.5f}"
        return {
            "valid_from_local": f"{self.valid_from.isoformat()}T00:00",
            "seasons": [],
            "holidays": [],
            "bands": {"default": "all", "rules": []},
            "tiers": None,
            "energy_prices": {"*": {"*": [f"{self.price:.6f}"]}},
            "fixed": [],
            "demand": [],
            "minimum": None,
            "adjustments": (
                [{"name": self.levy_name or "levy", "rate": levy, "base": ["subtotal"]}]
                if self.levy_percent
                else []
            ),
        }
