from types import SimpleNamespace

from odoo.exceptions import AccessError
from odoo.tests import new_test_user, tagged

from .common import add_point, flat_version
from .test_billing import BillingCase

# Models in which each company has records in these tests.
FILLED = (
    "account.move",
    "account.move.line",
    "energy.bill",
    "energy.billing",
    "energy.service.point",
    "energy.usage",
    "energy.wallet",
    "energy.wallet.entry",
)


@tagged("post_install", "-at_install")
class TestCompanies(BillingCase):
    """A company, its branch, and a foreign company with another currency."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.francs = cls.env.ref("base.CHF")
        cls.francs.active = True
        Company = cls.env["res.company"]
        cls.foreign = Company.create(
            {"name": "Foreign", "currency_id": cls.francs.id, "country_id": False}
        )
        cls.env["account.chart.template"].try_loading(
            "generic_coa", company=cls.foreign, install_demo=False
        )
        cls.foreign.currency_id = cls.francs
        cls.branch = Company.create({"name": "Branch", "parent_id": cls.company.id})
        cls.env.cr.precommit.run()  # Odoo sets a branch up at the commit
        cls.env.user.company_ids |= cls.foreign | cls.branch
        cls.parks = {
            company: cls.new_park(company) for company in (cls.foreign, cls.branch)
        }

    @classmethod
    def new_park(cls, company):
        """A tenant with a meter in ``company``, at 0.25 a kWh."""
        company._ensure_energy_prepayment_account()
        env = cls.env(
            context={**cls.env.context, "allowed_company_ids": company.ids},
        )
        park = SimpleNamespace(env=env, company=env.company)
        park.site = env["energy.site"].create({"name": company.name, "tz": "UTC"})
        park.gateway = env["energy.gateway"].create(
            {"name": company.name, "site_id": park.site.id}
        )
        park.gateway.sudo().user_id = park.gateway._new_user()
        park.bridge = env["energy.gateway"].with_user(park.gateway.user_id)
        version = (0, 0, flat_version("2020-01-01", 0.25))
        park.tariff = env["energy.tariff"].create(
            {"name": company.name, "tz": "UTC", "version_ids": [version]}
        )
        park.tenant = env["res.partner"].create({"name": f"Tenant of {company.name}"})
        park.wallet = env["energy.wallet"].create(
            {"name": company.name, "partner_id": park.tenant.id}
        )
        park.serial = f"M-{company.id}"
        park.point, park.meter = add_point(park, park.serial, wallet_id=park.wallet.id)
        park.clerk = new_test_user(
            cls.env,
            f"clerk{company.id}",
            groups="prepaid_energy.group_energy_accountant",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        return park

    def setUp(self):
        super().setUp()
        self.ingest((0, "0"), (86400, "100"))
        for park in self.parks.values():
            self.consume(park, "40")
        self.run_tasks()

    def consume(self, park, register, serial=None):
        serial = serial or park.serial
        rows = [[serial, self.at(0), "0"], [serial, self.at(86400), register]]
        answer = park.bridge.ingest({"uid": serial, "readings": rows})
        self.assertEqual(answer["accepted"], 2, answer)

    def bill_as_clerk(self, park):
        """A run started by the company's own accountant, and worked off."""
        run = park.env["energy.billing"].with_user(park.clerk)
        run = run.create({"date_to": "2026-05-31", "send_mail": False})
        run.action_start()
        while run.state != "done":
            run._work_batch()
        return run.with_env(park.env)

    def test_all_documents_are_in_the_company_and_its_currency(self):
        park = self.parks[self.foreign]
        run = self.bill_as_clerk(park)
        self.assertFalse(run.problem)
        self.assertEqual(run.company_id, self.foreign)
        self.assertEqual(run.bill_ids.wallet_id, park.wallet)
        invoice = run.bill_ids.move_id
        self.assertEqual(invoice.currency_id, self.francs)
        self.assertEqual(invoice.amount_total, 10)
        self.assertEqual(invoice.payment_state, "paid")
        settlement = invoice._get_reconciled_amls().move_id
        for move in invoice | settlement:
            self.assertEqual(move.company_id, self.foreign)
            self.assertEqual(move.journal_id.company_id, self.foreign)
            self.assertEqual(move.line_ids.account_id.company_ids, self.foreign)
            self.assertEqual(move.company_currency_id, self.francs)
        self.assertIn(self.foreign.energy_prepayment_account_id, (
            settlement.line_ids.account_id
        ))  # fmt: skip

    def test_a_run_leaves_other_companies_alone(self):
        for park in self.parks.values():
            self.assertEqual(self.bill_as_clerk(park).wallet_total, 1)
        bills = self.env["energy.bill"].search([])
        self.assertEqual(
            bills.wallet_id, self.env["energy.wallet"].union(
                *(park.wallet for park in self.parks.values())
            ),
        )  # fmt: skip
        self.assertEqual(self.bill().bill_ids.wallet_id, self.wallet)

    def test_a_clerk_sees_the_own_company_only(self):
        self.bill()
        for park in self.parks.values():
            self.bill_as_clerk(park)
        for company, park in self.parks.items():
            models = park.env["energy.wallet"].with_user(park.clerk).env
            for name in self.company_models(models):
                records = models[name].search([])
                seen = records.sudo().company_id
                self.assertLessEqual(seen, company, name)
                groups = models[name]._read_group([], ["company_id"], ["__count"])
                seen = [one.id for one, _count in groups if one]
                self.assertLessEqual(set(seen), set(company.ids), name)
                if name in FILLED:
                    self.assertTrue(records, name)
                    self.assertTrue(seen, name)

    def company_models(self, env):
        """All models of the add-on with a company that the user may read."""
        names = [
            name
            for name, model in env.registry.items()
            if (name.startswith("energy.") or name in FILLED)
            and "company_id" in model._fields
            and model._fields["company_id"].store
            and not model._abstract
            and not model._transient
            and env[name].has_access("read")
        ]
        self.assertLessEqual(set(FILLED), set(names))
        return names

    def test_a_clerk_touches_no_run_or_bill_of_another_company(self):
        run = self.bill()
        for park in self.parks.values():
            mine = run.with_user(park.clerk).with_context(
                allowed_company_ids=park.company.ids
            )
            for record in (mine, mine.sudo().bill_ids.sudo(False)):
                with self.assertRaises(AccessError):
                    record.read(["company_id"])
            with self.assertRaises(AccessError):
                mine.action_start()
            with self.assertRaises(AccessError):
                mine.create({"date_to": "2026-05-31", "company_id": self.company.id})

    def test_a_branch_uses_its_company_s_accounts_and_journals(self):
        park = self.parks[self.branch]
        run = self.bill_as_clerk(park)
        self.assertFalse(run.problem)
        invoice = run.bill_ids.move_id
        self.assertEqual(invoice.amount_total, 10)
        self.assertEqual(invoice.payment_state, "paid")
        settlement = invoice._get_reconciled_amls().move_id
        for move in invoice | settlement:
            self.assertEqual(move.company_id, self.branch)
            self.assertIn(move.journal_id.company_id, self.branch | self.company)
            self.assertEqual(move.line_ids.account_id.company_ids, self.company)
        self.assertEqual(
            self.branch.energy_prepayment_account_id,
            self.company.energy_prepayment_account_id,
        )
        self.assertEqual(self.branch._energy_journal(), self.company._energy_journal())

    def test_a_production_line_of_a_branch(self):
        park = self.parks[self.branch]
        line = park.env["energy.wallet"].create(
            {
                "name": "Line",
                "kind": "line",
                "department_id": park.env["hr.department"].create({"name": "D"}).id,
            }
        )
        add_point(park, "M-BRANCH-LINE", wallet_id=line.id)
        self.consume(park, "8", "M-BRANCH-LINE")
        run = self.bill_as_clerk(park)
        self.assertFalse(run.problem)
        entry = run.bill_ids.filtered(lambda bill: bill.wallet_id == line).move_id
        self.assertEqual(entry.company_id, self.branch)
        self.assertEqual(entry.amount_total, 2)
        self.assertEqual(
            self.branch.energy_clearing_account_id,
            self.company.energy_clearing_account_id,
        )
