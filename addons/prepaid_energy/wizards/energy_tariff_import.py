import base64
import binascii
import json

from odoo import fields, models
from odoo.exceptions import UserError
from odoo.fields import Command

from odoo.addons.base.models.res_partner import _tz_get

from ..exchange.to_values import VersionReader
from ..exchange.urdb import UrdbError, tariffs_from_urdb
from ..models.energy_tariff import COMMODITIES
from ..rating import TariffError, compile_tariff, parse

MAX_BYTES = 5_000_000
MAX_RATES = 50
QUANTITY = ("commodity", "register_unit", "unit")  # what a tariff has but once


class EnergyTariffImport(models.TransientModel):
    """Reads a tariff document, a case document, or rates of the OpenEI database."""

    _name = "energy.tariff.import"
    _description = "Import Tariffs"

    data = fields.Binary("File", required=True, attachment=False)
    filename = fields.Char()
    name = fields.Char(help="Empty: the name in the file, or the file's.")
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    tz = fields.Selection(
        _tz_get,
        string="Time Zone",
        required=True,
        default=lambda self: self.env.user.tz or "UTC",
        help="Where the file does not say: the clock of the tariff.",
    )
    currency_id = fields.Many2one(
        "res.currency",
        required=True,
        default=lambda self: self.env.company.currency_id,
        help="Where the file does not say.",
    )
    state = fields.Selection([("file", "File"), ("done", "Done")], default="file")
    tariff_ids = fields.Many2many("energy.tariff", readonly=True)
    report = fields.Text("Not mapped", readonly=True)

    def action_import(self):
        """Make the tariffs of the file and show what could not be mapped.

        :raise UserError: names the key that is wrong; nothing is imported.
        """
        self.ensure_one()
        data = self._parsed()
        if isinstance(data, dict) and ("versions" in data or "tariff" in data):
            tariffs, report = self._import_document(data), []
        else:
            tariffs, report = self._import_urdb(data)
        self.write(
            {
                "state": "done",
                "tariff_ids": [Command.set(tariffs.ids)],
                "report": "\n".join(report),
            }
        )
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Import Tariffs"),
            "res_model": self._name,
            "res_id": self.id,
            "view_mode": "form",
            "target": "new",
        }

    def action_open(self):
        """Show the tariffs that were imported."""
        if len(self.tariff_ids) == 1:
            return self.tariff_ids._open()
        action = self.env["ir.actions.act_window"]._for_xml_id(
            "prepaid_energy.energy_tariff_action"
        )
        return {**action, "domain": [("id", "in", self.tariff_ids.ids)]}

    def _parsed(self):
        try:
            raw = base64.b64decode(self.data, validate=True)
            if len(raw) > MAX_BYTES:
                raise UserError(self.env._("The file is larger than 5 MB."))
            return json.loads(
                raw.decode("utf-8-sig"),
                parse_constant=_refuse_constant,
                object_pairs_hook=parse.unique_keys,
            )
        except (ValueError, binascii.Error, RecursionError) as error:
            raise UserError(
                self.env._(
                    "This is no tariff file, which is JSON: %s",
                    error or type(error).__name__,
                )
            ) from error

    def _import_document(self, data):
        """A tariff document, or a case document with one in it."""
        path = "tariff" if "tariff" in data else ""
        document = data["tariff"] if path else data
        tz = data.get("time_zone") or self.tz
        key = next((key for key in ("name", "id") if data.get(key)), None)
        name = (self.filename or "").removesuffix(".json") or "Imported"
        if not isinstance(tz, str) or tz not in dict(_tz_get(self)):
            shown = parse.shown(tz)
            raise UserError(self.env._("time_zone: %s is not known here.", shown))
        try:
            compile_tariff(document, tz, path)
            name = parse.text(data[key], key) if key else name
            if data.get("currency"):
                parse.text(data["currency"], "currency")
        except TariffError as error:
            raise UserError(str(error)) from error
        return self._new_tariff(
            self.name or name,
            document,
            tz,
            self._currency(data.get("currency")),
            f"{path}.versions" if path else "versions",
        )

    def _import_urdb(self, data):
        try:
            rates = tariffs_from_urdb(data)
        except UrdbError as error:
            raise UserError(str(error)) from error
        if len(rates) > MAX_RATES:
            raise UserError(
                self.env._(
                    "The file holds %(n)s rates, more than %(limit)s: take out what "
                    "you need.",
                    n=len(rates),
                    limit=MAX_RATES,
                )
            )
        tariffs, report = self.env["energy.tariff"], []
        for rate in rates:
            name = self.name if self.name and len(rates) == 1 else rate.name
            tariff = self._new_tariff(
                name or rate.label or "URDB",
                rate.document,
                self.tz,
                self._currency(rate.currency),
                "versions",
                state="draft" if rate.report else "active",
            )
            lines = [f"{key}: {text}" for key, text in rate.report]
            tariff.message_post(
                body=self.env._(
                    "Imported from OpenEI URDB (%(utility)s, %(label)s). Not mapped, "
                    "or mapped with an assumption: %(report)s",
                    utility=rate.utility or "–",
                    label=rate.label or "–",
                    report="; ".join(lines) or self.env._("nothing"),
                )
            )
            tariffs |= tariff
            report += [f"{tariff.name}: {line}" for line in lines]
        return tariffs, report

    def _currency(self, code):
        """The currency of a code in the file, or the wizard's where it has none."""
        if not code:
            return self.currency_id
        currencies = self.env["res.currency"].with_context(active_test=False)
        found = currencies.search([("name", "=ilike", str(code))], limit=1)
        if not found.active:
            raise UserError(
                self.env._(
                    "currency: %s is not an active currency here; activate it in "
                    "Accounting.",
                    code,
                )
            )
        return found

    def _new_tariff(self, name, document, tz, currency, path, state="active"):
        """Make a tariff of a document that the engine has accepted."""
        quantity = self._quantity(document["versions"], path)
        reader = VersionReader(self.env, self.company_id)
        versions = [
            Command.create(
                {"state": state, **reader.version(source, f"{path}[{index}]")}
            )
            for index, source in enumerate(document["versions"])
        ]
        return self.env["energy.tariff"].create(
            {
                "name": name,
                "company_id": self.company_id.id,
                "tz": tz,
                "currency_id": currency.id,
                "commodity": self._commodity(quantity.get("commodity"), path),
                **self._unit("register_uom_id", quantity.get("register_unit"), path),
                **self._unit("uom_id", quantity.get("unit"), path),
                "version_ids": versions,
            }
        )

    def _quantity(self, versions, path):
        """What the versions say is metered and priced; they must agree."""
        first, *others = (
            {key: (version.get("quantity") or {}).get(key) for key in QUANTITY}
            for version in versions
        )
        for index, other in enumerate(others, 1):
            for key in QUANTITY:
                if other[key] != first[key]:
                    raise UserError(
                        self.env._(
                            "%(path)s[%(index)s].quantity.%(key)s: a tariff has one "
                            "for all of its versions, the first says %(first)s.",
                            path=path,
                            index=index,
                            key=key,
                            first=first[key] or "–",
                        )
                    )
        return first

    def _commodity(self, value, path):
        if value and value not in dict(COMMODITIES):
            raise UserError(
                self.env._(
                    "%(path)s[0].quantity.commodity: %(value)s is none of %(known)s.",
                    path=path,
                    value=value,
                    known=", ".join(dict(COMMODITIES)),
                )
            )
        return value or "electricity"

    def _unit(self, field, value, path):
        """The values for a unit that the document names; the default where not."""
        if not value:
            return {}
        found = self.env["uom.uom"].search([("name", "=", value)], limit=1)
        if not found:
            raise UserError(
                self.env._(
                    "%(path)s[0].quantity: there is no unit %(unit)s here.",
                    path=path,
                    unit=value,
                )
            )
        return {field: found.id}


def _refuse_constant(name):
    raise ValueError(f"{name} is not a number")
