from odoo import api, fields, models, tools
from odoo.exceptions import ValidationError

from odoo.addons.base.models.res_partner import _tz_get

from ..rating import TariffError, compile_tariff


class EnergyTariff(models.Model):
    """A tariff: the prices of a service point, version by version.

    The models build the neutral tariff document of the rating engine; the engine, not
    this model, knows what a price means.
    """

    _name = "energy.tariff"
    _description = "Energy Tariff"
    _inherit = ["mail.thread"]
    _order = "name, id"

    name = fields.Char(required=True, tracking=True)
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    currency_id = fields.Many2one(
        "res.currency",
        required=True,
        default=lambda self: self.env.company.currency_id,
    )
    tz = fields.Selection(
        _tz_get,
        string="Time Zone",
        required=True,
        default=lambda self: self.env.user.tz or "UTC",
        help="The clock of the tariff: its days, months and versions begin by it.",
    )
    version_ids = fields.One2many("energy.tariff.version", "tariff_id", copy=True)
    price_now = fields.Float(
        digits=(16, 6), compute="_compute_price_now", help="Per kWh, net."
    )
    active = fields.Boolean(default=True)

    @api.depends("version_ids.valid_from", "version_ids.price")
    def _compute_price_now(self):
        now = fields.Datetime.now()
        for tariff in self:
            zoned = tariff.with_context(tz=tariff.tz)
            today = fields.Datetime.context_timestamp(zoned, now).date()
            tariff.price_now = tariff._version_at(today).price

    def _version_at(self, day):
        """The version in force on the local ``day``, or an empty recordset."""
        begun = self.version_ids.filtered(
            lambda version: version.valid_from and version.valid_from <= day
        )
        return begun.sorted("valid_from")[-1:]

    @api.constrains("currency_id")
    def _check_currency(self):
        points = self.env["energy.service.point"].search(
            [("tariff_id", "in", self.ids)]
        )
        points._check_currency()

    @api.constrains("version_ids", "tz")
    def _check_document(self):
        for tariff in self:
            if not tariff.version_ids:
                continue
            try:
                compile_tariff(tariff._document(), tariff.tz)
            except TariffError as error:
                raise ValidationError(
                    self.env._("%(tariff)s: %(error)s", tariff=tariff.name, error=error)
                ) from error

    def write(self, vals):
        """Forget compiled tariffs, in every worker process."""
        result = super().write(vals)
        self.env.registry.clear_cache()
        return result

    def _document(self):
        """The tariff document (``docs/tariffs``): a dict of plain JSON values."""
        self.ensure_one()
        versions = self.version_ids.sorted("valid_from")
        return {"versions": [version._document() for version in versions]}

    @tools.ormcache("self.id")
    def _compiled(self):
        """The compiled tariff; one object a process until a version changes."""
        return compile_tariff(self._document(), self.tz)


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
        self.env.registry.clear_cache()
        versions.tariff_id._check_document()
        return versions

    def write(self, vals):
        """Forget compiled tariffs."""
        result = super().write(vals)
        self.env.registry.clear_cache()
        self.tariff_id._check_document()
        return result

    def unlink(self):
        """Forget compiled tariffs."""
        result = super().unlink()
        self.env.registry.clear_cache()
        return result

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
