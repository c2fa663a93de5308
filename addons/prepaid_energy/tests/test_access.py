from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from .common import EnergyCase, add_point, credit

MODELS = (
    "energy.wallet",
    "energy.wallet.entry",
    "energy.usage",
    "energy.service.point",
)


@tagged("post_install", "-at_install")
class TestAccess(EnergyCase):
    """Invariant 8: nobody sees or changes what is not theirs."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.stranger = cls.env["res.partner"].create({"name": "Stranger"})
        cls.other_wallet = cls.env["energy.wallet"].create(
            {"name": "Stranger", "partner_id": cls.stranger.id}
        )
        cls.other_point, cls.other_meter = add_point(
            cls, "M-OTHER", wallet_id=cls.other_wallet.id
        )
        cls.line = cls.env["energy.wallet"].create(
            {
                "name": "Line",
                "kind": "line",
                "department_id": cls.env["hr.department"].create({"name": "D"}).id,
            }
        )

    def setUp(self):
        super().setUp()
        for wallet in (self.wallet, self.other_wallet):
            credit(wallet, "10", f"access:{wallet.id}:{self.id()}")
        self.ingest((0, "0"), (0, "0", "M-OTHER"), (60, "1"), (60, "1", "M-OTHER"))

    def test_a_tenant_sees_the_own_records_only(self):
        for model in MODELS:
            records = self.env[model].with_user(self.portal_user).search([])
            wallets = records if model == "energy.wallet" else records.wallet_id
            self.assertEqual(wallets.sudo(), self.wallet, model)
            groups = (
                self.env[model]
                .with_user(self.portal_user)
                ._read_group([], [], ["__count"])
            )
            self.assertEqual(groups[0][0], len(records), model)

    def test_a_tenant_changes_nothing(self):
        for record in (self.wallet, self.other_wallet, self.point, self.other_point):
            mine = record.with_user(self.portal_user)
            with self.assertRaises(AccessError):
                mine.write({"name": "Mine"})
            with self.assertRaises(AccessError):
                mine.unlink()
        with self.assertRaises(AccessError):
            self.other_wallet.with_user(self.portal_user).read(["balance"])
        for model in ("energy.wallet", "energy.service.point", "energy.topup"):
            with self.assertRaises(AccessError):
                self.env[model].with_user(self.portal_user).create({})

    def test_a_tenant_does_not_see_the_feeder(self):
        feeder, _meter = add_point(self, "M-FEEDER")
        self.point.parent_id = feeder
        mine = self.point.with_user(self.portal_user)
        for attempt in (
            lambda: mine.read(["parent_id"]),
            lambda: mine.search_read([], ["parent_path"]),
            lambda: mine.parent_id,
            lambda: mine.search([("parent_id.name", "like", "FEEDER")]),
            lambda: mine.search([("parent_id", "=", feeder.id)]),
            lambda: mine.search([], order="parent_id"),
            lambda: mine._read_group([], ["parent_id"]),
            lambda: mine.web_read({"parent_id": {"fields": {"display_name": {}}}}),
        ):
            with self.assertRaises(AccessError):
                attempt()
        self.assertNotIn("parent_id", mine.fields_get())
        [values] = mine.read()
        self.assertFalse(
            {"parent_id", "meter_id", "why", "supply_state", "rating_state"} & {*values}
        )
        self.assertEqual(values["name"], self.point.name)
        office = new_test_user(
            self.env, "office", groups="prepaid_energy.group_energy_user"
        )
        self.assertEqual(self.point.with_user(office).parent_id, feeder)

    def test_a_tenant_reads_of_the_own_records_what_the_portal_shows(self):
        for model in (*MODELS, "energy.usage.report"):
            mine = self.env[model].with_user(self.portal_user)
            shown = mine._tenant_fields | {"id", "display_name"}
            self.assertLessEqual(mine._tenant_fields, {*mine._fields}, model)
            self.assertLessEqual(
                {*mine.fields_get()}, shown | {"create_date", "write_date"}, model
            )
            rows = mine.search_read([], limit=1)
            if model != "energy.usage.report":
                self.assertTrue(rows, model)
        for model, names in (
            (
                "energy.wallet",
                ("policy_id", "portal_user_ids", "warned", "message_ids"),
            ),
            ("energy.wallet.entry", ("source_key", "user_id", "voucher_id")),
            ("energy.usage", ("version_id", "reason", "amount_settled")),
            ("energy.service.point", ("stop_reason", "lockout_user_id", "loss_limit")),
        ):
            for name in names:
                self.assertIn(name, self.env[model]._fields)
                with self.assertRaises(AccessError, msg=name):
                    self.env[model].with_user(self.portal_user).search_read([], [name])

    def test_a_tenant_reads_no_plant_data(self):
        for model in (
            "energy.meter",
            "energy.reading",
            "energy.command",
            "energy.gateway",
            "energy.tariff",
            "energy.reading.review",
            "energy.batch",
        ):
            with self.assertRaises(AccessError, msg=model):
                self.env[model].with_user(self.portal_user).search([])

    def test_a_gateway_reads_nothing(self):
        user = self.gateway.user_id
        for model in (*MODELS, "energy.meter", "energy.gateway", "energy.reading"):
            with self.assertRaises(AccessError, msg=model):
                self.env[model].with_user(user).search([])

    def test_another_company_sees_nothing(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        user = new_test_user(
            self.env,
            "elsewhere",
            groups="prepaid_energy.group_energy_manager",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        self.policy.level_ids = [Command.create({"balance": 3})]
        for model in (
            *MODELS,
            "energy.site",
            "energy.meter",
            "energy.meter.installation",
            "energy.gateway",
            "energy.tariff",
            "energy.tariff.version",
            "energy.policy",
            "energy.policy.level",
            "energy.reading",
            "energy.reading.review",
            "energy.command",
            "energy.event",
            "energy.batch",
        ):
            records = self.env[model].with_user(user).search([])
            mine = records.filtered(lambda r: r.sudo().company_id == self.company)
            self.assertFalse(mine, model)

    def test_roles(self):
        groups = {
            role: new_test_user(
                self.env, f"role_{role}", groups=f"prepaid_energy.group_energy_{role}"
            )
            for role in ("user", "operator", "accountant")
        }
        may = {
            "user": (),
            "operator": (self.point, self.meter, self.site),
            "accountant": (self.wallet,),
        }
        everything = (self.point, self.meter, self.site, self.wallet, self.tariff)
        for role, user in groups.items():
            for record in everything:
                record.with_user(user).read(["display_name"])
                self.assertEqual(
                    record.with_user(user).has_access("write"), record in may[role]
                )

    def test_an_operator_cannot_forge_what_meters_and_buttons_decide(self):
        operator = new_test_user(
            self.env, "forger", groups="prepaid_energy.group_energy_operator"
        )
        for record, vals in (
            (self.meter, {"last_register": 0}),
            (self.meter, {"relay_state": "closed"}),
            (self.point, {"locked_out": False}),
            (self.point, {"tripped": False}),
            (self.point, {"rating_state": {}}),
            (self.point, {"desired_state": "closed"}),
        ):
            with self.assertRaises(UserError, msg=vals):
                record.with_user(operator).write(vals)
        with self.assertRaises(UserError):
            self.env["energy.meter"].with_user(operator).create(
                {"serial": "FORGED", "last_register": 9}
            )
        with self.assertRaises(AccessError):
            self.gateway.with_user(operator).action_new_key()

    def test_a_context_forges_nothing(self):
        """A caller over RPC chooses the context, and with it the defaults."""
        manager = new_test_user(
            self.env, "conjurer", groups="prepaid_energy.group_energy_manager"
        )
        context = {
            "default_balance": 1000,
            "default_level": "cut",
            "default_accrued": -5,
            "default_locked_out": True,
            "default_desired_state": "open",
            "default_generation": 9,
            "default_last_register": 7,
            "default_relay_state": "closed",
            "default_user_id": self.env.ref("base.user_admin").id,
        }
        env = self.env(user=manager, context=context)
        wallet = env["energy.wallet"].create(
            {"name": "W", "partner_id": self.tenant.id}
        )
        self.assertEqual(
            (wallet.balance, wallet.accrued, wallet.level), (0, 0, "normal")
        )
        point = env["energy.service.point"].create(
            {"name": "P", "site_id": self.site.id, "tariff_id": self.tariff.id}
        )
        self.assertFalse(point.locked_out)
        self.assertEqual((point.desired_state, point.generation), ("closed", 0))
        meter = env["energy.meter"].create({"serial": "CONJURED"})
        self.assertEqual((meter.last_register, meter.relay_state), (0, "unknown"))
        gateway = env["energy.gateway"].create({"name": "G", "site_id": self.site.id})
        self.assertFalse(gateway.user_id)
        gateway.sudo().user_id = self.env.ref("base.user_admin")
        with self.assertRaisesRegex(AccessError, "no gateway's user"):
            gateway.action_new_key()

    def test_what_the_company_follows_from_can_be_chosen_in_a_form(self):
        """A field that must fit the company offers nothing while that is unknown."""
        for model in self.env.values():
            company = model._fields.get("company_id")
            if not (model._name.startswith("energy.") and company and company.related):
                continue
            field = model._fields[company.related.partition(".")[0]]
            self.assertFalse(getattr(field, "check_company", False), field)

    def test_nothing_is_moved_to_another_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        site = self.env["energy.site"].create(
            {"name": "Elsewhere", "company_id": company.id}
        )
        department = self.env["hr.department"].create(
            {"name": "All", "company_id": False}
        )
        here, there = (
            self.env["energy.line"].create(
                {"name": "Line", "site_id": one.id, "department_id": department.id}
            )
            for one in (self.site, site)
        )
        manager = new_test_user(
            self.env,
            "mover",
            groups="prepaid_energy.group_energy_manager",
            company_id=self.company.id,
            company_ids=[Command.set(self.company.ids)],
        )
        plan = self.env["energy.line.plan"].create({"line_id": here.id, "amount": 1})
        output = self.env["energy.line.output"].create(
            {"line_id": here.id, "quantity": 1, "day": "2026-01-01"}
        )
        for record, values in (
            (plan, {"line_id": there.id}),
            (output, {"line_id": there.id}),
            (here, {"site_id": site.id}),
            (self.point, {"site_id": site.id}),
        ):
            record.flush_recordset()
            with self.assertRaises(AccessError, msg=record._name):
                record.with_user(manager).write(values)

    def test_nobody_gets_the_key_of_another_user_by_a_gateway(self):
        manager = new_test_user(
            self.env, "climber", groups="prepaid_energy.group_energy_manager"
        )
        admin = self.env.ref("base.user_admin")
        with self.assertRaises(UserError):
            self.gateway.with_user(manager).user_id = admin
        with self.assertRaises(UserError):
            self.env["energy.gateway"].with_user(manager).create(
                {"name": "Trap", "site_id": self.site.id, "user_id": admin.id}
            )
        own = (
            self.env["energy.gateway"]
            .with_user(manager)
            .create({"name": "New", "site_id": self.site.id})
        )
        self.assertTrue(own.action_new_key()["params"]["message"])
        groups = own.sudo().user_id.group_ids
        self.assertEqual(groups, self.env.ref("prepaid_energy.group_energy_gateway"))

    def test_held_readings_are_never_deleted(self):
        self.ingest((0, "1", "NOBODY"))
        review = self.env["energy.reading.review"].search([], limit=1)
        with self.assertRaisesRegex(Exception, "never deleted"):
            review.unlink()
        with self.assertRaisesRegex(Exception, "Decision"):
            review.action_discard()
        review.note = "A meter of the neighbour"
        review.action_discard()
        self.assertEqual(review.state, "discarded")

    def test_an_open_dialogue_is_nobody_elses(self):
        """Odoo leaves it to rules; one with several rules may have others as well."""
        accountant, other = (
            new_test_user(
                self.env, login, groups="prepaid_energy.group_energy_accountant"
            )
            for login in ("ann", "bob")
        )
        for model, values in (
            ("energy.proof", {}),
            ("energy.topup", {"wallet_id": self.wallet.id, "amount": 10}),
            ("energy.wallet.operation", {"wallet_id": self.wallet.id}),
        ):
            mine = self.env[model].with_user(accountant).create(values)
            theirs = self.env[model].with_user(other)
            self.assertFalse(theirs.search([("id", "=", mine.id)]), model)
            with self.assertRaises(AccessError, msg=model):
                theirs.browse(mine.id).read(["create_date"])

    def test_each_dialogue_has_a_rule(self):
        models = self.env["ir.model"].search(
            [("model", "=like", "energy.%"), ("transient", "=", True)]
        )
        ruled = self.env["ir.rule"].search([]).model_id
        self.assertFalse((models - ruled).mapped("model"))
