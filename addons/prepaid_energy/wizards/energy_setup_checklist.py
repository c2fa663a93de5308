from datetime import timedelta

from odoo import api, fields, models
from odoo.exceptions import AccessError
from odoo.tools import SQL

NEWEST = 5
SECOND = timedelta(seconds=1)
MANAGER = "prepaid_energy.group_energy_manager"


class EnergySetup(models.TransientModel):
    """What is done and what is next."""

    _inherit = "energy.setup"

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
