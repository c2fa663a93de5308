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
