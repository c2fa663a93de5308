from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError, UserError
from odoo.tools import SQL

from odoo.addons.base.models.res_partner import _tz_get

NEWEST = 5
SECOND = timedelta(seconds=1)
MANAGER = "prepaid_energy.group_energy_manager"
ACTIONS = "prepaid_energy.energy_%s_action"


class EnergySetup(models.TransientModel):
    """What is done and what is next; each step's button."""

    _inherit = "energy.setup"

    # ---------------------------------------------------------------------- checklist

    @api.model
    def checklist(self):
        """The steps of the current company, for the checklist page.

        :return: dict ``company``, ``steps`` (dicts ``key, title, text, done, facts,
            button``), ``next`` (the first step that is not done, or False) and
            ``arrived``, see :meth:`_arrived`.
        :raise AccessError: the user is no energy manager.
        """
        self._check_manager()
        arrived = self._arrived()
        steps = [
            self._books_step(),
            self._site_step(),
            self._tariff_step(),
            self._policy_step(),
            self._meters_step(),
            self._gateway_step(),
            self._readings_step(arrived),
            self._arm_step(),
        ]
        following = (step["key"] for step in steps if not step["done"])
        return {
            "company": self.env.company.name,
            "steps": steps,
            "next": next(following, False),
            "arrived": arrived,
        }

    def _check_manager(self):
        if not self.env.user.has_group(MANAGER):
            raise AccessError(self.env._("Only energy managers set up the system."))

    def _own(self, model):
        """All records of the current company, oldest first."""
        domain = [("company_id", "=", self.env.company.id)]
        return self.env[model].search(domain, order="id")

    @api.model
    def _begun(self):
        """Whether anything is configured yet."""
        return bool(self._own("energy.site") or self._own("energy.meter"))

    @api.model
    def _open_app(self):
        """What the app opens with: the set-up for a manager while nothing is there."""
        begins = self.env.user.has_group(MANAGER) and not self._begun()
        name = "energy_setup_action" if begins else "energy_wallet_action"
        return self.env["ir.actions.actions"]._for_xml_id(f"prepaid_energy.{name}")

    def _step(self, key, title, text, done, facts, button):
        return {
            "key": key,
            "title": title,
            "text": text,
            "done": bool(done),
            "facts": facts,
            "button": button,
        }

    def _books_step(self):
        # sudo: a manager of energy may not read accounts otherwise
        company = self.env.company.sudo()
        account = company.energy_prepayment_account_id
        if not company.root_id.chart_template:
            return self._step(
                "books",
                self.env._("Accounts"),
                self.env._(
                    "First the company needs a chart of accounts: choose your "
                    "country's package under Fiscal Localization, save, and come back."
                ),
                False,
                [],
                self.env._("Choose a chart of accounts"),
            )
        done = account and company.energy_journal_id
        return self._step(
            "books",
            self.env._("Accounts"),
            self.env._(
                "What tenants pay in advance is owed to them until they use it: it is "
                "kept on an account of its own, with a journal for the energy ledger."
            ),
            done,
            [account.display_name, company.energy_journal_id.name] if done else [],
            self.env._("Make accounts and journal"),
        )

    def _site_step(self):
        sites = self._own("energy.site")
        return self._step(
            "site",
            self.env._("Site"),
            self.env._(
                "The park, building or factory. Its time zone decides when a day "
                "begins."
            ),
            sites,
            [f"{site.name} ({site.tz})" for site in sites[:NEWEST]],
            self.env._("Add another") if sites else self.env._("Add the site"),
        )

    def _tariff_step(self):
        tariffs = self._own("energy.tariff")
        return self._step(
            "tariff",
            self.env._("Tariff"),
            self.env._(
                "What a kWh costs. Begin with a template and your price; bands, tiers "
                "and levies can be changed afterwards."
            ),
            tariffs.filtered("version_id"),
            [f"{one.name}: {one.price_now or '–'}" for one in tariffs[:NEWEST]],
            self.env._("Add another") if tariffs else self.env._("Choose a template"),
        )

    def _policy_step(self):
        policies = self._own("energy.policy")
        return self._step(
            "policy",
            self.env._("Policy"),
            self.env._(
                "At which balances a tenant is warned, cut off and restored. It only "
                "warns until you arm it in the last step."
            ),
            policies,
            policies[:NEWEST].mapped("name"),
            self.env._("Add another") if policies else self.env._("Set the balances"),
        )

    def _meters_step(self):
        company = [("company_id", "=", self.env.company.id)]
        counts = [
            (
                self.env._("Points"),
                self.env["energy.service.point"].search_count(company),
            ),
            (self.env._("meters"), self.env["energy.meter"].search_count(company)),
            (
                self.env._("tenants' wallets"),
                self.env["energy.wallet"].search_count(
                    [*company, ("kind", "=", "tenant")]
                ),
            ),
        ]
        return self._step(
            "meters",
            self.env._("Meters and tenants"),
            self.env._(
                "One list of points, meters and tenants, csv or xlsx. You see what "
                "each row would do before anything is written."
            ),
            counts[1][1],
            [", ".join(f"{what}: {number}" for what, number in counts)]
            if counts[0][1]
            else [],
            self.env._("Import a list"),
        )

    def _gateway_step(self):
        gateways = self._own("energy.gateway")
        with_key = gateways.filtered("user_id")
        return self._step(
            "gateway",
            self.env._("Bridge"),
            self.env._(
                "A small program beside the meters reads them and sends the readings "
                "here. Say where its lines are, then download bridge.toml with its key."
            ),
            with_key,
            gateways[:NEWEST].mapped("name"),
            self.env._("Connect the bridge"),
        )

    def _readings_step(self, arrived):
        read, meters = arrived["read"], arrived["meters"]
        facts = [
            self.env._(
                "%(read)s of %(all)s meters have readings", read=read, all=meters
            )
        ]
        if not read and self._own("energy.gateway").filtered("user_id"):
            facts += [
                self.env._("Waiting: this page looks every few seconds."),
                self.env._("On the bridge: meter-bridge check --config bridge.toml"),
            ]
        return self._step(
            "readings",
            self.env._("Readings arrive"),
            self.env._(
                "Start the bridge; the first reading of each meter appears here."
            ),
            read,
            facts if meters else [],
            self.env._("See the meters"),
        )

    def _arm_step(self):
        policies = self._own("energy.policy")
        armed = policies.filtered("armed")
        return self._step(
            "arm",
            self.env._("Drill, then arm"),
            self.env._(
                "The drill shows who would be cut off and why: until they top up, all "
                "new tenants. When it is right, arm the policy there: from then on "
                "relays open by themselves."
            ),
            armed,
            [self.env._("%s is armed", policy.name) for policy in armed[:NEWEST]],
            self.env._("Open the drill"),
        )

    def _arrived(self):
        """What the bridges have sent to this company.

        :return: dict ``meters``, ``read`` (meters with readings), ``online`` (bridges
            seen in the last minutes) and ``newest``: dicts ``serial, point, register,
            seconds`` (since then).
        """
        company = self.env.company
        self.env["energy.meter"].check_access("read")
        self.env.flush_all()
        ((meters, read),) = self.env.execute_query(
            SQL(
                """
                SELECT count(*), count(last_reading_at)
                  FROM energy_meter WHERE active AND company_id = %s
                """,
                company.id,
            )
        )
        newest = self.env["energy.meter"].search(
            [("company_id", "=", company.id), ("last_reading_at", "!=", False)],
            order="last_reading_at desc, id",
            limit=NEWEST,
        )
        now = fields.Datetime.now()
        return {
            "meters": meters,
            "read": read,
            "online": len(self._own("energy.gateway").filtered("online")),
            "newest": [
                {
                    "serial": meter.serial,
                    "point": meter.service_point_id.name or "",
                    "register": meter.last_register,
                    "seconds": max(0, (now - meter.last_reading_at) // SECOND),
                }
                for meter in newest
            ],
        }

    # ------------------------------------------------------------------------ buttons

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
