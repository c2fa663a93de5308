import json
from decimal import Decimal

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools.misc import file_open

from odoo.addons.base.models.res_partner import _tz_get

TEMPLATES = "prepaid_energy/data/tariffs/%s.json"
PRICE_DECIMALS = 10


class EnergySetup(models.TransientModel):
    """The dialogues of the set-up's steps. Which step is done is seen by the records.

    ``energy_setup_checklist.py`` says what is done and what is next,
    ``energy_setup_steps.py`` what each button does.
    """

    _name = "energy.setup"
    _description = "Set-up"

    step = fields.Selection(
        [("site", "Site"), ("tariff", "Tariff"), ("policy", "Policy")],
        required=True,
        default="site",
    )
    company_id = fields.Many2one(
        "res.company", required=True, default=lambda self: self.env.company
    )
    currency_id = fields.Many2one(related="company_id.currency_id")
    name = fields.Char(required=True)
    tz = fields.Selection(
        _tz_get,
        "Time Zone",
        default=lambda self: self.env.user.tz or "UTC",
        help="Days, months and prices of the site begin by this clock.",
    )
    user_id = fields.Many2one(
        "res.users",
        "Called for Alarms",
        domain="[('share', '=', False)]",
        default=lambda self: self.env.user,
        help="Trips, relays that do not follow and silent bridges become activities "
        "of this user.",
    )
    template = fields.Selection(
        [
            ("flat", "One price"),
            ("day_night", "Day and night"),
            ("tiered", "Tiers: the more, the dearer"),
            ("seasons", "Time of use with seasons"),
        ],
        default="flat",
    )
    hint = fields.Char(compute="_compute_hint")
    price = fields.Float(
        "Full Price per kWh", digits=(16, 6), default=0.25, help="Net of tax."
    )
    levy = fields.Float("Tax (%)", digits=(6, 2), help="On top. 0: none.")
    warning_threshold = fields.Monetary("Warn At", default=20)
    cutoff_threshold = fields.Monetary("Cut Off At", default=0)
    restore_threshold = fields.Monetary("Restore At", default=5)
    emergency_credit = fields.Monetary(default=5)

    @api.depends("template")
    def _compute_hint(self):
        for one in self:
            one.hint = one.template and self._template(one.template)["hint"]

    @api.model
    def default_get(self, fields_list):
        """A name to begin with, by the step."""
        values = super().default_get(fields_list)
        if "name" in fields_list and not values.get("name"):
            names = {
                "site": self.env.company.name,
                "tariff": self.env._("Tenants' tariff"),
                "policy": self.env._("Tenants"),
            }
            values["name"] = names[values.get("step", "site")]
        return values

    @api.model
    def _template(self, name):
        with file_open(TEMPLATES % name, "r") as file:
            return json.load(file)

    def action_apply(self):
        """Make the step's record, and go back to the checklist."""
        self.ensure_one()
        if self.company_id not in self.env.companies:
            raise AccessError(self.env._("You do not work in this company now."))
        {
            "site": self._make_site,
            "tariff": self._make_tariff,
            "policy": self._make_policy,
        }[self.step]()
        return {"type": "ir.actions.act_window_close", "infos": {"reload": True}}

    def _make_site(self):
        return self.env["energy.site"].create(
            {
                "name": self.name,
                "tz": self.tz,
                "user_id": self.user_id.id,
                "company_id": self.company_id.id,
            }
        )

    def _make_tariff(self):
        """A tariff of the template: its prices are shares of the full price."""
        if not self.price > 0 or self.levy < 0:
            raise UserError(
                self.env._("The price is above zero and the tax is not negative.")
            )
        (version,) = self._template(self.template)["versions"]
        full = Decimal(repr(self.price))
        for bands in version["energy_prices"].values():
            for band, shares in bands.items():
                bands[band] = [
                    str(round(full * Decimal(share), PRICE_DECIMALS))
                    for share in shares
                ]
        if self.levy:
            rate = Decimal(repr(self.levy)) / 100
            version["adjustments"] = [
                {"name": self.env._("Tax"), "rate": str(rate), "base": ["subtotal"]}
            ]
        reader = self.env["energy.tariff.import"].create(
            {
                "data": "e30=",  # an empty document: the template is handed over below
                "name": self.name,
                "company_id": self.company_id.id,
                "tz": self.tz,
                "currency_id": self.currency_id.id,
            }
        )
        return reader._import_document({"versions": [version]})

    def _make_policy(self):
        """An unarmed policy: it warns, and opens no relay."""
        return self.env["energy.policy"].create(
            {
                "name": self.name,
                "company_id": self.company_id.id,
                "warning_threshold": self.warning_threshold,
                "cutoff_threshold": self.cutoff_threshold,
                "restore_threshold": self.restore_threshold,
                "emergency_credit": self.emergency_credit,
            }
        )
