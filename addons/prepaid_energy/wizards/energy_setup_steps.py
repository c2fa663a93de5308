from odoo import api, models
from odoo.exceptions import UserError

from odoo.addons.base.models.res_partner import _tz_get

ACTIONS = "prepaid_energy.energy_%s_action"


class EnergySetup(models.TransientModel):
    """What the button of each step of the checklist does."""

    _inherit = "energy.setup"

    @api.model
    def open_step(self, key, tz=None):
        """The action of a step's button; that of the books works at once.

        :param str key: of a step.
        :param str tz: the browser's time zone, for a first site.
        :return: an action, or False where there is nothing to open.
        """
        self._check_manager()
        steps = {
            "books": self._make_books,
            "site": lambda: self._dialogue("site", self.env._("Site"), tz),
            "tariff": lambda: self._dialogue(
                "tariff", self.env._("Tariff"), self._own("energy.site")[:1].tz
            ),
            "policy": lambda: self._dialogue("policy", self.env._("Policy")),
            "meters": self._open_import,
            "gateway": self._open_gateway,
            "readings": lambda: self._window("meter"),
            "arm": self._open_drill,
        }
        if key not in steps:
            raise UserError(self.env._("There is no step %s.", key))
        return steps[key]()

    @api.model
    def open_records(self, key):
        """The action that shows what a step has made."""
        self._check_manager()
        models_of = {
            "site": "site",
            "tariff": "tariff",
            "policy": "policy",
            "meters": "service_point",
            "gateway": "gateway",
            "readings": "meter",
            "arm": "policy",
        }
        return key in models_of and self._window(models_of[key])

    @api.model
    def _make_books(self):
        """The accounts and journals; each has a method that makes it on first use."""
        # sudo: whoever sets up energy need not be able to make accounts otherwise
        company = self.env.company.sudo()
        if not company.root_id.chart_template:
            if self.env.user.has_group("base.group_system"):
                name = "account.action_account_config"
                return self.env["ir.actions.actions"]._for_xml_id(name)
            raise UserError(
                self.env._(
                    "%s has no chart of accounts yet. An administrator chooses one in "
                    "Settings, Invoicing, Fiscal Localization.",
                    company.name,
                )
            )
        company._ensure_energy_prepayment_account()
        company._energy_voucher_account()
        company._energy_journal()
        company._energy_product()
        for field in company.ENERGY_ACCOUNTS:
            company._energy_account(field)
        return False

    def _dialogue(self, step, title, tz=None):
        context = {"default_step": step, "dialog_size": "medium"}
        if tz in dict(_tz_get(self)):
            context["default_tz"] = tz
        return {
            "type": "ir.actions.act_window",
            "name": title,
            "res_model": "energy.setup",
            "views": [(False, "form")],
            "target": "new",
            "context": context,
        }

    def _window(self, name):
        return self.env["ir.actions.act_window"]._for_xml_id(ACTIONS % name)

    def _open_import(self):
        for model, text in (
            ("energy.site", self.env._("Add the site first: the meters are there.")),
            ("energy.tariff", self.env._("Choose a tariff first: points need one.")),
        ):
            if not self._own(model):
                raise UserError(text)
        return self._window("setup_import")

    def _open_gateway(self):
        """The gateway, made where there is none, with the lines its meters name."""
        gateway = self._own("energy.gateway")[:1]
        if not gateway:
            site = self._own("energy.site")[:1]
            if not site:
                raise UserError(self.env._("Add the site first."))
            gateway = self.env["energy.gateway"].create(
                {"name": self.env._("Bridge"), "site_id": site.id}
            )
        gateway._add_lines()
        return {
            "type": "ir.actions.act_window",
            "name": self.env._("Connect the bridge"),
            "res_model": "energy.gateway",
            "res_id": gateway.id,
            "views": [
                (
                    self.env.ref("prepaid_energy.energy_gateway_view_form_setup").id,
                    "form",
                )
            ],
            "target": "new",
            "context": {"dialog_size": "large"},
        }

    def _open_drill(self):
        policies = self._own("energy.policy")
        policy = policies.filtered(lambda one: not one.armed)[:1] or policies[:1]
        if not policy:
            raise UserError(self.env._("Make a policy first."))
        action = self._window("drill")
        context = {
            "default_policy_id": policy.id,
            "dialog_size": "extra-large",
            "from_setup": True,  # where arming leads back to
        }
        return {**action, "context": context}
