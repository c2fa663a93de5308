import tomllib

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import TransactionCase, new_test_user, tagged

from ..exchange.bridge_file import bridge_file
from .setup_case import base_of, list_of, set_up_empty


@tagged("post_install", "-at_install")
class TestSetup(TransactionCase):
    """From nothing to a bridge's file, as a manager who is nothing else."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_empty(cls)
        cls.setup = cls.as_manager["energy.setup"]

    def done(self):
        found = self.setup.checklist()
        return [step["key"] for step in found["steps"] if step["done"]], found["next"]

    def test_nothing_is_done_in_an_empty_company(self):
        self.assertEqual(self.done(), ([], "books"))
        action = self.setup._open_app()
        self.assertEqual(action["tag"], "energy_setup")

    def test_each_step_is_seen_by_what_it_made(self):
        self.assertFalse(self.setup.open_step("books"))
        self.assertEqual(self.done(), (["books"], "site"))
        for key in ("site", "tariff", "policy"):
            context = self.setup.open_step(key)["context"]
            dialogue = self.setup.with_context(**context).create({})
            self.assertTrue(dialogue.name)
            dialogue.action_apply()
        self.assertEqual(self.done(), (["books", "site", "tariff", "policy"], "meters"))
        self.assertEqual(self.setup._open_app()["res_model"], "energy.wallet")
        site = self.as_manager["energy.site"].search([])
        self.assertEqual((site.tz, site.user_id), ("Europe/Berlin", self.manager))
        self.assertEqual(site.company_id, self.park)
        policy = self.as_manager["energy.policy"].search([])
        self.assertFalse(policy.armed)
        self.assertEqual(policy.company_id, self.park)

    def test_the_books_are_those_that_are_made_on_first_use(self):
        self.setup.open_step("books")
        account = self.park.energy_prepayment_account_id
        self.assertEqual(account.account_type, "liability_current")
        journal = self.park.energy_journal_id
        self.assertEqual(journal.company_id, self.park)
        self.setup.open_step("books")
        self.assertEqual(self.park.energy_prepayment_account_id, account)
        self.assertEqual(self.park._energy_journal(), journal)

    def test_books_need_a_chart_of_accounts(self):
        bare = self.env["res.company"].create({"name": "Bare"})
        self.manager.company_ids |= bare
        with self.assertRaisesRegex(UserError, "no chart of accounts"):
            self.setup.with_company(bare).open_step("books")

    def test_every_template_is_a_tariff_at_the_price_that_was_given(self):
        prices = {
            "flat": "0.4",
            "day_night": "0.28 – 0.4",
            "tiered": "0.32 – 0.52",
            "seasons": "0.24 – 0.72",
        }
        for template in dict(self.setup._fields["template"].selection):
            values = {"step": "tariff", "name": template, "template": template}
            one = self.setup.create({**values, "price": 0.4, "levy": 19})
            self.assertTrue(one.hint)
            one.action_apply()
            tariff = self.as_manager["energy.tariff"].search([("name", "=", template)])
            self.assertEqual(tariff.tz, "Europe/Berlin")
            self.assertEqual(tariff.company_id, self.park)
            self.assertEqual(tariff.version_id.levy_ids.percent, 19)
            table = tariff.version_id.price_ids.mapped("price")
            found = sorted({min(table), max(table)})
            wanted = [float(text) for text in prices[template].split(" – ")]
            if template == "seasons":  # summer's or winter's peak
                self.assertIn(round(found[-1], 6), (0.6, 0.72))
            else:
                self.assertEqual([round(price, 6) for price in found], wanted)

    def test_a_price_is_above_zero(self):
        values = {"step": "tariff", "name": "Free", "price": 0}
        with self.assertRaisesRegex(UserError, "above zero"):
            self.setup.create(values).action_apply()

    def test_steps_say_what_they_need(self):
        for key, text in (
            ("meters", "site first"),
            ("gateway", "site first"),
            ("arm", "policy first"),
            ("nonsense", "no step"),
        ):
            with self.assertRaisesRegex(UserError, text):
                self.setup.open_step(key)

    def test_only_managers(self):
        user = new_test_user(
            self.env,
            "looker",
            groups="prepaid_energy.group_energy_operator",
            company_id=self.park.id,
            company_ids=[(6, 0, self.park.ids)],
        )
        theirs = self.env(user=user)["energy.setup"]
        for call in (
            lambda: theirs.checklist(),
            lambda: theirs.open_step("books"),
            lambda: theirs.open_records("site"),
            lambda: theirs.create({"step": "site", "name": "X"}),
            lambda: self.env(user=user)["energy.setup.import"].create({}),
        ):
            with self.assertRaises(AccessError):
                call()
        self.assertEqual(theirs._open_app()["res_model"], "energy.wallet")

    def test_one_company_sees_nothing_of_another(self):
        base_of(self.as_manager)
        other = self.env["res.company"].create({"name": "Other"})
        self.manager.company_ids |= other
        found = self.setup.with_company(other).checklist()
        self.assertEqual([s["key"] for s in found["steps"] if s["done"]], [])
        one = self.setup.create({"step": "site", "name": "X"})
        with self.assertRaises(AccessError):
            one.with_context(allowed_company_ids=other.ids).action_apply()

    def test_the_bridge_file_has_the_lines_and_a_key(self):
        base_of(self.as_manager)
        text = "Point,Serial,Profile,Line,Address\nA,1,sdm630,hall,1\nB,2,sdm630,yard,1"
        wizard = list_of(self.as_manager, text)
        wizard.action_preview()
        wizard.action_import()
        gateway = self.as_manager["energy.gateway"].browse(
            self.setup.open_step("gateway")["res_id"]
        )
        self.assertEqual(gateway.line_ids.mapped("name"), ["hall", "yard"])
        with self.assertRaisesRegex(UserError, "where is the line hall"):
            gateway.action_bridge_file()
        self.assertNotIn("gateway", self.done()[0])
        hall, yard = gateway.line_ids
        hall.write({"host": "10.0.0.5", "port": 502})
        yard.write({"host": "10.0.0.5", "port": 502})
        with self.assertRaisesRegex(UserError, "same address"):
            gateway.action_bridge_file()
        yard.write({"transport": "rtu_serial", "serial_port": "/dev/ttyUSB0"})
        action = gateway.action_bridge_file()
        config = tomllib.loads(action["params"]["content"])
        self.assertEqual(config["meters"], "erp")
        self.assertEqual(config["erp"]["database"], self.env.cr.dbname)
        self.assertEqual(
            config["line"],
            [
                {
                    "name": "hall",
                    "transport": "modbus_tcp",
                    "host": "10.0.0.5",
                    "port": 502,
                },
                {
                    "name": "yard",
                    "transport": "rtu_serial",
                    "serial_port": "/dev/ttyUSB0",
                    "baudrate": 9600,
                    "parity": "N",
                    "stopbits": 1,
                },
            ],
        )
        Keys = self.env["res.users.apikeys"]
        key = config["erp"]["api_key"]
        self.assertEqual(
            Keys._check_credentials(scope="rpc", key=key), gateway.user_id.id
        )
        action = gateway.action_bridge_file()
        self.assertFalse(Keys._check_credentials(scope="rpc", key=key))
        self.assertIn("gateway", self.done()[0])

    def test_only_managers_hand_out_files_with_keys(self):
        base_of(self.as_manager)
        self.setup.open_step("gateway")
        gateway = self.as_manager["energy.gateway"].search([])
        gateway.line_ids = [(0, 0, {"name": "hall", "host": "10.0.0.5"})]
        user = new_test_user(
            self.env,
            "operator",
            groups="prepaid_energy.group_energy_operator",
            company_id=self.park.id,
            company_ids=[(6, 0, self.park.ids)],
        )
        with self.assertRaises(AccessError):
            gateway.with_user(user).action_bridge_file()
        with self.assertRaises(ValidationError):
            gateway.line_ids.port = 70000

    def test_a_line_belongs_to_its_company(self):
        base_of(self.as_manager)
        self.setup.open_step("gateway")
        gateway = self.as_manager["energy.gateway"].search([])
        gateway.line_ids = [(0, 0, {"name": "hall", "host": "10.0.0.5"})]
        stranger = new_test_user(
            self.env, "stranger", groups="prepaid_energy.group_energy_manager"
        )
        lines = self.env(user=stranger)["energy.gateway.line"]
        self.assertNotIn(gateway.line_ids, lines.search([]))
        with self.assertRaises(AccessError):
            gateway.line_ids.with_user(stranger).write({"host": "10.6.6.6"})

    def test_no_text_breaks_the_file(self):
        nasty = 'a "b"\n[x]\\ \x7f é'
        text = bridge_file(nasty, nasty, nasty, nasty, [{"name": nasty, "host": ""}])
        config = tomllib.loads(text)
        self.assertEqual(config["erp"]["url"], nasty)
        self.assertEqual(config["line"], [{"name": nasty}])
        self.assertEqual(
            {*config} - {"erp", "line"}, {"state_dir", "poll_interval", "meters"}
        )

    def test_every_empty_list_says_what_to_do(self):
        actions = self.env["ir.actions.act_window"].search(
            [("view_mode", "!=", "form")]
        )
        names = actions.get_external_id()
        silent = [
            names[action.id]
            for action in actions
            if names[action.id].startswith("prepaid_energy.")
            and not self.env[action.res_model]._transient  # a wizard's own result
            and not action.help
        ]
        self.assertEqual(silent, [])
