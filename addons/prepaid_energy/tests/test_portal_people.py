import re

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, new_test_user, tagged
from odoo.tools import mute_logger

from .common import EnergyCase, credit, set_up_park

OWN = (
    "energy.wallet",
    "energy.wallet.entry",
    "energy.usage",
    "energy.interval",
    "energy.service.point",
    "energy.usage.report",
)


def make_people(cls):
    """A second wallet of the tenant, and a stranger with one."""
    cls.second = cls.env["energy.wallet"].create(
        {
            "name": "Second hall",
            "partner_id": cls.tenant.id,
            "policy_id": cls.policy.id,
        }
    )
    credit(cls.wallet, "12", "first")
    credit(cls.second, "34", "second")
    stranger = cls.env["res.partner"].create({"name": "Stranger", "is_company": True})
    cls.other_wallet = cls.env["energy.wallet"].create(
        {"name": "Stranger's", "partner_id": stranger.id}
    )
    cls.stranger = new_test_user(
        cls.env, "stranger", groups="base.group_portal", password="stranger"
    )
    cls.stranger.partner_id.parent_id = stranger


@tagged("post_install", "-at_install")
class TestPeople(EnergyCase):
    """Invariant 8, for colleagues whom a tenant lets in."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        make_people(cls)

    def invite(self, wallets, role="view", by=None, email="bob@tenant.example.com"):
        wallets = wallets.with_user(by or self.portal_user)
        with mute_logger("odoo.addons.mail.models.mail_mail"):
            return wallets._invite("Bob", email, role).with_env(self.env)

    def test_an_invited_colleague_sees_the_chosen_wallets_only(self):
        self.ingest((0, "0"), (3600, "5"))
        self.env["energy.interval"]._roll_up(self.point)
        bob = self.invite(self.wallet)
        self.assertTrue(bob._is_portal())
        self.assertEqual(bob.partner_id.parent_id, self.tenant)
        Wallet = self.env["energy.wallet"]
        self.assertEqual(Wallet.with_user(bob).search([]), self.wallet)
        self.assertEqual(
            Wallet.with_user(self.portal_user).search([]), self.wallet | self.second
        )
        for model in OWN[1:]:
            rows = self.env[model].with_user(bob).search([])
            self.assertTrue(rows, model)
            self.assertEqual(rows.sudo().wallet_id, self.wallet, model)
        with self.assertRaises(AccessError):
            self.second.with_user(bob).read(["balance"])
        with self.assertRaises(AccessError):
            self.second.entry_ids.with_user(bob).read(["amount"])

    def test_a_letter_goes_out(self):
        bob = self.invite(self.wallet)
        mail = self.env["mail.mail"].search([("email_to", "ilike", bob.login)])
        mail |= self.env["mail.mail"].search(
            [("recipient_ids", "in", bob.partner_id.ids)]
        )
        self.assertTrue(mail)

    def test_who_only_looks_moves_no_money(self):
        self.policy.emergency_credit = 10
        self.wallet._apply_policy()
        bob = self.invite(self.wallet)
        mine = self.wallet.with_user(bob)
        with self.assertRaises(AccessError):
            mine.action_emergency()
        with self.assertRaises(AccessError):
            mine._set_own_levels([], [])
        self.assertFalse(self.wallet.emergency_active)
        self.wallet.with_user(self.portal_user)._change_invited(bob.id, "pay")
        mine.action_emergency()
        self.assertTrue(self.wallet.emergency_active)

    def test_an_invited_colleague_invites_nobody(self):
        bob = self.invite(self.wallet, "pay")
        with self.assertRaises(AccessError):
            self.invite(self.wallet, by=bob, email="eve@example.com")
        for attempt in (
            lambda: self.wallet.with_user(bob)._invited_users(),
            lambda: self.wallet.with_user(bob)._change_invited(bob.id, "pay"),
            lambda: self.wallet.with_user(bob)._remove_invited(bob.id),
            lambda: bob.with_user(bob).write({"energy_role": False}),
            lambda: bob.with_user(bob).read(["energy_role"]),
            lambda: self.wallet.with_user(bob).write({"portal_user_ids": [(5, 0, 0)]}),
            lambda: self.wallet.with_user(bob).read(["portal_user_ids"]),
        ):
            with self.assertRaises(AccessError):
                attempt()

    def test_a_stranger_changes_nothing(self):
        bob = self.invite(self.wallet)
        with self.assertRaises(AccessError):
            self.invite(self.wallet, by=self.stranger, email="eve@example.com")
        with self.assertRaises(AccessError):
            self.other_wallet.with_user(self.stranger)._change_invited(bob.id, "pay")
        with self.assertRaises(AccessError):
            self.other_wallet.with_user(self.stranger)._remove_invited(bob.id)
        with self.assertRaises(AccessError):
            self.invite(self.other_wallet, email="eve@example.com")
        self.assertEqual(bob.energy_role, "view")

    def test_nobody_takes_over_an_account(self):
        before = self.stranger.partner_id.email
        for email in (self.stranger.login, before, self.env.user.email):
            with self.assertRaises(UserError):
                self.invite(self.wallet, email=email or "none")
        self.assertFalse(self.stranger.energy_role)
        colleague = new_test_user(
            self.env, "ann@tenant.example.com", groups="base.group_portal"
        )
        colleague.partner_id.write(
            {"parent_id": self.tenant.id, "email": "ann@tenant.example.com"}
        )
        with self.assertRaises(UserError):
            self.invite(self.wallet, email="ann@tenant.example.com")
        self.assertFalse(colleague.energy_role, "a main contact stays one")

    def test_wrong_values_are_named(self):
        for values in (
            {"email": "no address"},
            {"role": "manage"},
            {"role": ""},
            {"wallets": self.env["energy.wallet"]},
        ):
            with self.assertRaises(UserError), self.cr.savepoint():
                self.invite(values.pop("wallets", self.wallet), **values)
        with self.assertRaises(AccessError):
            self.env["energy.wallet"]._invited_users()

    def test_taken_away_and_invited_again(self):
        bob = self.invite(self.wallet | self.second, "pay")
        boss = self.wallet.with_user(self.portal_user)
        boss._change_invited(bob.id, "view")
        self.assertEqual(self.wallet.portal_user_ids, bob)
        self.assertFalse(self.second.portal_user_ids)
        boss._remove_invited(bob.id)
        self.assertFalse(bob.active)
        self.assertFalse(self.wallet.portal_user_ids)
        again = self.invite(self.second, "view")
        self.assertEqual(again, bob)
        self.assertTrue(bob.active)
        self.assertEqual(
            self.env["energy.wallet"].with_user(bob).search([]), self.second
        )

    def test_a_new_role_counts_at_once(self):
        """The rules are cached by user: a change must not wait for a restart."""
        bob = self.invite(self.wallet)
        Wallet = self.env["energy.wallet"].with_user(bob)
        self.assertEqual(Wallet.search([]), self.wallet)
        bob.sudo().energy_role = False
        self.assertEqual(Wallet.search([]), self.wallet | self.second)


@tagged("post_install", "-at_install")
class TestPeopleHttp(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        make_people(cls)
        cls.bob = new_test_user(
            cls.env, "bob", groups="base.group_portal", password="bobs own"
        )
        cls.bob.partner_id.parent_id = cls.tenant
        cls.bob.energy_role = "view"
        cls.wallet.portal_user_ids = cls.bob

    def post(self, url, page="/my/energy/people", **data):
        text = self.url_open(page).text
        token = re.search(r'name="csrf_token"\s+value="([^"]+)"', text)
        data["csrf_token"] = token and token[1]
        answer = self.url_open(url, data=data)
        self.env.invalidate_all()
        return answer

    def test_a_main_contact_invites_changes_and_removes(self):
        self.authenticate("energy_tenant", "energy_tenant")
        page = self.post(
            "/my/energy/people/invite",
            name="Eve",
            email="eve@tenant.example.com",
            role="pay",
            wallet=[self.second.id],
        )
        self.assertIn("on its way", page.text)
        eve = self.env["res.users"].search([("login", "=", "eve@tenant.example.com")])
        self.assertEqual((eve.energy_role, self.second.portal_user_ids), ("pay", eve))
        url = f"/my/energy/people/{eve.id}"
        self.post(url, role="view", wallet=[self.wallet.id])
        self.assertEqual(eve.energy_role, "view")
        self.assertIn(eve, self.wallet.portal_user_ids)
        self.post(url, wallet=[self.other_wallet.id], role="view")
        self.assertNotIn(eve, self.other_wallet.portal_user_ids)
        self.post(url, remove="1")
        self.assertFalse(eve.active)

    def test_strangers_are_not_touched(self):
        self.authenticate("energy_tenant", "energy_tenant")
        answer = self.post(f"/my/energy/people/{self.stranger.id}", remove="1")
        self.assertIn("nobody whom you have invited", answer.text)
        self.assertTrue(self.stranger.active)
        answer = self.url_open("/my/energy/people/invite", data={"name": "x"})
        self.assertEqual(answer.status_code, 400, "without the token")

    def test_who_only_looks(self):
        self.authenticate("bob", "bobs own")
        url = f"/my/energy/{self.wallet.id}"
        page = self.url_open("/my/energy")
        self.assertTrue(page.url.endswith(url), "one wallet opens at once")
        self.assertIn("You may look at this wallet", page.text)
        for hidden in ("topup_", "o_energy_amount", "/my/energy/people", "voucher"):
            self.assertNotIn(f'"{hidden}', page.text)
        self.assertNotIn("o_payment_form", self.url_open(f"{url}?amount=50").text)
        self.assertTrue(
            self.url_open("/my/energy/people").url.endswith(url), "sent away"
        )
        with mute_logger("odoo.http"), self.assertRaisesRegex(Exception, "AccessError"):
            self.make_jsonrpc_request(
                f"{url}/transaction",
                {
                    "provider_id": 0,
                    "payment_method_id": 0,
                    "token_id": None,
                    "amount": 50,
                    "flow": "direct",
                    "tokenization_requested": False,
                    "landing_route": "/",
                },
            )
        second = self.url_open(f"/my/energy/{self.second.id}")
        self.assertNotIn("Second hall", second.text)

    def test_rpc_gives_no_more_than_the_pages(self):
        self.authenticate("bob", "bobs own")

        def call(model, method, *args):
            return self.make_jsonrpc_request(
                f"/web/dataset/call_kw/{model}/{method}",
                {"model": model, "method": method, "args": args, "kwargs": {}},
            )

        found = call("energy.wallet", "search_read", [], ["name"])
        self.assertEqual([row["id"] for row in found], self.wallet.ids)
        for model, method, *args in (
            ("energy.wallet", "read", self.second.ids, ["balance"]),
            ("energy.wallet", "action_emergency", self.wallet.ids),
            ("energy.wallet", "_invite", self.wallet.ids, "x", "x@y.example", "pay"),
            ("energy.wallet.level", "search_read", []),
            ("energy.wallet.preference", "search_read", []),
            ("energy.wallet.level", "create", [{"wallet_id": self.wallet.id}]),
            ("res.users", "write", self.bob.ids, {"energy_role": False}),
        ):
            with (
                mute_logger("odoo.http"),
                self.assertRaisesRegex(Exception, "AccessError"),
            ):
                call(model, method, *args)
