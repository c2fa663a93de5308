import json

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import HttpCase, JsonRpcException, new_test_user, tagged
from odoo.tools import mute_logger

from ..models import energy_voucher_attempt
from .common import EnergyCase, set_up_park

LASTING = ("energy.voucher", "energy.cashier.closing", "energy.voucher.attempt")
WIZARDS = (
    "energy.voucher.issue",
    "energy.voucher.sale",
    "energy.voucher.void",
    "energy.voucher.redeem",
    "energy.bank.match",
)
MONEY = (*LASTING, *WIZARDS, "account.bank.statement.line", "account.payment")


def make_money(cls):
    """Vouchers, a closing and a transfer of the company."""
    issue = cls.env["energy.voucher.issue"].create({"count": 2, "amount": 25})
    issue.action_issue()
    cls.vouchers = issue.voucher_ids
    cls.closing = cls.env["energy.cashier.closing"].create(
        {"journal_id": cls.journal.id}
    )
    cls.bank = cls.env["account.journal"].create(
        {"name": "Bank", "type": "bank", "code": "TBNK"}
    )
    cls.line = cls.env["account.bank.statement.line"].create(
        {"journal_id": cls.bank.id, "amount": 5, "payment_ref": "x"}
    )


@tagged("post_install", "-at_install")
class TestMoneyAccess(EnergyCase):
    """Invariant 8, for vouchers, closings and transfers."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        make_money(cls)

    def test_tenants_and_gateways_read_no_money(self):
        for user in (self.portal_user, self.gateway.user_id):
            for model in MONEY:
                with self.assertRaises(AccessError, msg=model):
                    self.env[model].with_user(user).search([])
                with self.assertRaises(AccessError, msg=model):
                    self.env[model].with_user(user)._read_group([], [], ["__count"])
            for record in (self.vouchers, self.closing, self.line):
                with self.assertRaises(AccessError):
                    record.with_user(user).read([])

    def test_readers_and_operators_handle_no_money(self):
        for role in ("user", "operator"):
            user = new_test_user(
                self.env, f"only_{role}", groups=f"prepaid_energy.group_energy_{role}"
            )
            for model in (*LASTING, *WIZARDS):
                with self.assertRaises(AccessError, msg=model):
                    self.env[model].with_user(user).create({})
                with self.assertRaises(AccessError, msg=model):
                    self.env[model].with_user(user).search([])

    def test_an_accountant_writes_no_voucher_and_issues_none(self):
        clerk = new_test_user(
            self.env, "clerk", groups="prepaid_energy.group_energy_accountant"
        )
        voucher = self.vouchers[0].with_user(clerk)
        self.assertEqual(voucher.state, "issued")
        for attempt in (
            lambda: voucher.write({"state": "sold"}),
            lambda: voucher.copy(),
            lambda: voucher.read(["code_hash"]),
            lambda: voucher.search([("code_hash", "=like", "a%")]),
            voucher.unlink,
            lambda: self.env["energy.voucher.issue"].with_user(clerk).create({}),
            lambda: self.env["energy.voucher.attempt"].with_user(clerk).search([]),
        ):
            with self.assertRaises(AccessError):
                attempt()
        fields = voucher.fields_get()
        self.assertNotIn("code_hash", fields)

    def test_wrong_codes_are_counted_by_company(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        attempts = self.env["energy.voucher.attempt"]
        for _number in range(energy_voucher_attempt.LIMIT):
            self.assertFalse(attempts._is_blocked(self.company))
            attempts._count(self.company)
        self.assertTrue(attempts._is_blocked(self.company))
        self.assertFalse(attempts._is_blocked(company))

    def test_another_company_sees_and_does_nothing(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        user = new_test_user(
            self.env,
            "elsewhere",
            groups="prepaid_energy.group_energy_manager",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        attempts = self.env["energy.voucher.attempt"]
        attempts._count(self.company)
        tried = attempts.search([("user_id", "=", self.env.uid)])
        self.assertEqual(tried.company_id, self.company)
        for record in (self.vouchers, self.closing, self.line, tried):
            self.assertFalse(record.with_user(user).search([]) & record)
            with self.assertRaises(AccessError):
                record.with_user(user).read(["display_name", "company_id"])
        values = {"voucher_ids": [Command.set(self.vouchers.ids)], "reason": "x"}
        for model, method in (
            ("energy.voucher.sale", "action_sell"),
            ("energy.voucher.void", "action_void"),
        ):
            Wizard = self.env[model].with_user(user)
            own = {k: v for k, v in values.items() if k in Wizard._fields}
            with self.assertRaises(AccessError, msg=model):
                getattr(Wizard.create(own), method)()
        with self.assertRaises(AccessError):
            self.env["energy.voucher.redeem"].with_user(user).create(
                {"wallet_id": self.wallet.id, "code": "1"}
            ).action_redeem()
        with self.assertRaises(AccessError):
            self.env["energy.voucher.issue"].with_user(user).create(
                {"company_id": self.company.id, "amount": 5}
            ).action_issue()
        with self.assertRaises(AccessError):
            self.env["energy.bank.match"].with_user(user).create(
                {"line_id": self.line.id, "wallet_id": self.wallet.id}
            ).action_match()
        self.assertEqual(set(self.vouchers.mapped("state")), {"issued"})

    def test_wizards_are_ones_own(self):
        manager, other = (
            new_test_user(self.env, name, groups="prepaid_energy.group_energy_manager")
            for name in ("issuer", "curious")
        )
        wizard = self.env["energy.voucher.issue"].with_user(manager)
        wizard = wizard.create({"count": 1, "amount": 5})
        wizard.action_issue()
        with self.assertRaises(AccessError):
            wizard.with_user(other)._take_codes()


@tagged("post_install", "-at_install")
class TestMoneyHttp(HttpCase):
    """The same over JSON-2 and JSON-RPC, as somebody with a script would try it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        make_money(cls)
        cls.clerk = new_test_user(
            cls.env, "clerk", groups="prepaid_energy.group_energy_accountant"
        )

    def key(self, user):
        return (
            self.env["res.users.apikeys"]
            .with_user(user)
            .sudo()
            ._generate("rpc", "test", None)
        )

    @mute_logger("odoo.http")
    def call(self, user, model, method, **arguments):
        return self.url_open(
            f"/json/2/{model}/{method}",
            data=json.dumps(arguments),
            headers={
                "Authorization": f"bearer {self.key(user)}",
                "Content-Type": "application/json",
                "X-Odoo-Database": self.env.cr.dbname,
            },
        )

    def test_a_tenant_over_json2(self):
        for model in MONEY:
            answer = self.call(self.portal_user, model, "search_read", domain=[])
            self.assertEqual(answer.status_code, 403, model)
        for record, method in (
            (self.closing, "action_close"),
            (self.line, "action_match_wallet"),
            (self.line, "action_undo_reconciliation"),
        ):
            answer = self.call(self.portal_user, record._name, method, ids=record.ids)
            self.assertEqual(answer.status_code, 403, method)

    def test_a_clerk_over_json2(self):
        """No way past the wizards: private methods are private."""
        for method, arguments in (
            ("_redeem_on", {"wallet": self.wallet.id}),
            ("_claim", {"states": ["issued"], "state": "sold"}),
            ("_sell", {}),
            ("write", {"vals": {"state": "sold"}}),
            ("unlink", {}),
        ):
            answer = self.call(
                self.clerk,
                "energy.voucher",
                method,
                ids=self.vouchers.ids,
                **arguments,
            )
            self.assertIn(answer.status_code, (403, 404), method)
        answer = self.call(
            self.clerk, "energy.voucher", "search_read", domain=[], fields=[]
        )
        self.assertEqual(answer.status_code, 200)
        self.assertNotIn("code_hash", answer.text)
        self.env.invalidate_all()
        self.assertEqual(set(self.vouchers.mapped("state")), {"issued"})

    def test_a_tenant_over_the_web_client(self):
        self.authenticate("energy_tenant", "energy_tenant")
        for model in MONEY:
            with mute_logger("odoo.http"), self.assertRaises(JsonRpcException):
                self.make_jsonrpc_request(
                    "/web/dataset/call_kw",
                    {
                        "model": model,
                        "method": "search_read",
                        "args": [[]],
                        "kwargs": {},
                    },
                )
        with mute_logger("odoo.http"):
            for report, record in (
                ("cashier_closing", self.closing),
                ("topup_receipt", self.env["account.payment"]),
            ):
                link = f"/report/html/prepaid_energy.{report}/{record.id or 1}"
                self.assertNotEqual(self.url_open(link).status_code, 200, report)
