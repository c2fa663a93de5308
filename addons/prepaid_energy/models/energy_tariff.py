import base64
import json

from odoo import api, fields, models, tools
from odoo.exceptions import UserError, ValidationError

from odoo.addons.base.models.res_partner import _tz_get

from ..exchange import picture
from ..exchange.numbers import plain
from ..exchange.to_document import to_document
from ..rating import TariffError, compile_tariff

COMMODITIES = [
    ("electricity", "Electricity"),
    ("water", "Water"),
    ("gas", "Gas"),
    ("heat", "Heat"),
    ("air", "Compressed Air"),
]
# What rated usage rests on, beside the versions.
FIXED_BY_USAGE = {"tz", "currency_id", "commodity", "uom_id", "register_uom_id"}


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
    commodity = fields.Selection(COMMODITIES, required=True, default="electricity")
    uom_id = fields.Many2one(
        "uom.uom",
        "Priced Per",
        required=True,
        default=lambda self: self.env.ref("uom.product_uom_kwh"),
        ondelete="restrict",
    )
    register_uom_id = fields.Many2one(
        "uom.uom",
        "Metered In",
        required=True,
        default=lambda self: self.env.ref("uom.product_uom_kwh"),
        ondelete="restrict",
        help="What the register counts, e.g. m³ of gas that is priced per kWh; each "
        "version has the factor between them.",
    )
    version_ids = fields.One2many("energy.tariff.version", "tariff_id", copy=True)
    version_id = fields.Many2one(
        "energy.tariff.version", "In Force Now", compute="_compute_version_id"
    )
    price_now = fields.Char(
        compute="_compute_version_id", help="Per unit, net; lowest to highest."
    )
    week_picture = fields.Html(compute="_compute_version_id", sanitize=False)
    price_table = fields.Html(compute="_compute_version_id", sanitize=False)
    document = fields.Binary(compute="_compute_document")
    document_name = fields.Char(compute="_compute_document")
    active = fields.Boolean(default=True)

    @api.depends(
        "version_ids.valid_from", "version_ids.state", "version_ids.price_ids.price"
    )
    def _compute_version_id(self):
        now = fields.Datetime.now()
        for tariff in self:
            local = tariff._local(now)
            version = tariff._version_at(local.date(), local.hour + local.minute / 60)
            tariff.version_id = version
            tariff.week_picture = version.week_picture
            tariff.price_table = version.price_table
            tariff.price_now = tariff._price_range(version)

    def _price_range(self, version):
        _problem, parsed = version._parsed() if version else (False, None)
        if not parsed:
            return False
        prices = [
            tier["net"] for row in picture.price_rows(parsed) for tier in row["tiers"]
        ]
        ends = sorted({min(prices), max(prices)})
        return " – ".join(plain(price) for price in ends)

    def _compute_document(self):
        for tariff in self:
            source = {
                "name": tariff.name,
                "time_zone": tariff.tz,
                "currency": tariff.currency_id.name,
                **tariff._document(),
            }
            text = json.dumps(source, indent=2, ensure_ascii=False)
            tariff.document = base64.b64encode(f"{text}\n".encode())
            tariff.document_name = f"{tariff.name}.json".replace("/", "-")

    def _local(self, moment):
        """A naive UTC moment as an aware one by the tariff's clock."""
        zoned = self.with_context(tz=self.tz)
        return fields.Datetime.context_timestamp(zoned, moment)

    def _local_day(self, moment):
        """The local date of a naive UTC moment."""
        return self._local(moment).date()

    def _in_force(self):
        """The versions that count, in time order."""
        return self.version_ids.filtered(
            lambda version: version.state == "active"
        ).sorted(lambda version: version._begin())

    def _version_at(self, day, hour=0.0):
        """The version in force on the local ``day`` at ``hour``, or an empty set."""
        return self._in_force().filtered(
            lambda version: version._begin() <= (day, hour)
        )[-1:]

    @api.constrains("currency_id", "commodity")
    def _check_points(self):
        points = self.env["energy.service.point"].search(
            [("tariff_id", "in", self.ids)]
        )
        points._check_tariff()

    @api.constrains("version_ids", "tz")
    def _check_document(self):
        for tariff in self:
            versions = tariff._in_force()
            if not versions:
                continue
            begins = versions.mapped(lambda version: version._begin())
            twice = [begin for begin in begins if begins.count(begin) > 1]
            if twice:
                raise ValidationError(
                    self.env._(
                        "%(tariff)s has two versions that begin on %(day)s: change "
                        "one of them.",
                        tariff=tariff.name,
                        day=twice[0][0],
                    )
                )
            try:
                compile_tariff(tariff._document(), tariff.tz)
            except TariffError as error:
                raise ValidationError(
                    self.env._("%(tariff)s: %(error)s", tariff=tariff.name, error=error)
                ) from error

    @api.constrains("uom_id", "register_uom_id", "version_ids")
    def _check_units(self):
        for tariff in self.filtered(lambda t: t.uom_id == t.register_uom_id):
            if any(version.factor != 1 for version in tariff.version_ids):
                raise ValidationError(
                    tariff.env._(
                        "%(tariff)s is metered and priced in %(unit)s: its factor is "
                        "1.",
                        tariff=tariff.name,
                        unit=tariff.uom_id.name,
                    )
                )

    def write(self, vals):
        """Forget compiled tariffs, in every worker process."""
        if FIXED_BY_USAGE & {*vals}:
            self._refuse_rated(vals)
        result = super().write(vals)
        self.env.registry.clear_cache()
        return result

    def _refuse_rated(self, vals):
        """Raise UserError where ``vals`` changes what rated usage rests on."""
        # sudo: usage that this user may not see counts as well
        Usage = self.env["energy.usage"].sudo()
        for tariff in self:
            changed = [
                name
                for name in FIXED_BY_USAGE & {*vals}
                if tariff._fields[name].convert_to_write(tariff[name], tariff)
                != vals[name]
            ]
            rated = [("tariff_id", "=", tariff.id)]
            if changed and Usage.search_count(rated, limit=1):
                labels = (tariff._fields[name].string for name in sorted(changed))
                raise UserError(
                    self.env._(
                        "%(tariff)s has rated usage and keeps: %(fields)s.",
                        tariff=tariff.name,
                        fields=", ".join(labels),
                    )
                )

    def _document(self):
        """The tariff document (``docs/tariffs.md``): a dict of plain JSON values."""
        self.ensure_one()
        return self._documented(self._in_force())

    def _documented(self, versions):
        """The tariff document of some of the versions."""
        return {"versions": [to_document(version) for version in versions]}

    @tools.ormcache("self.id")
    def _compiled(self):
        """The compiled tariff; one object a process until a version changes.

        Charges and rating states name a version by its database id.
        """
        versions = self._in_force()
        return compile_tariff(self._documented(versions), self.tz, keys=versions.ids)

    def _open(self):
        """The action that shows the tariff."""
        self.ensure_one()
        return {
            "type": "ir.actions.act_window",
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
        }

    def action_new_version(self):
        """Open a new draft: it can be saved unfinished, and put in force when ready."""
        self.ensure_one()
        Version = self.env["energy.tariff.version"]
        draft = Version.create({"tariff_id": self.id, "state": "draft"})
        return draft.action_open()

    def action_export(self):
        """Download the tariff document.

        :raise UserError: no version is in force, so there is nothing to write down.
        """
        self.ensure_one()
        if not self._in_force():
            raise UserError(
                self.env._("%s has no version in force to export.", self.name)
            )
        return {
            "type": "ir.actions.act_url",
            "url": f"/web/content/energy.tariff/{self.id}/document"
            f"?download=true&filename_field=document_name",
        }
