import re
from decimal import Decimal

from odoo.exceptions import AccessError, UserError
from odoo.tests import HttpCase, new_test_user, tagged

from .common import EnergyCase, credit, set_up_park


def make_stranger(cls):
    stranger = cls.env["res.partner"].create({"name": "Stranger", "is_company": True})
    cls.other_wallet = cls.env["energy.wallet"].create(
        {"name": "Stranger's", "partner_id": stranger.id}
    )


@tagged("post_install", "-at_install")
class TestOwnWarnings(EnergyCase):
    """Levels and channels that a tenant has chosen are what the policy goes by."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        make_stranger(cls)
        credit(cls.wallet, "100", "a")
        cls.wallet._apply_policy()
        cls.mine = cls.wallet.with_user(cls.portal_user)

    def told(self):
        """(text, notified contacts) of the messages on the wallet, oldest first."""
        return [
            (re.sub("<[^>]+>", "", message.body), message.partner_ids)
            for message in self.wallet.message_ids.sorted("id")
            if message.partner_ids or "alance" in message.body
        ]

    def test_an_own_level_warns_once(self):
        self.mine._set_own_levels([Decimal(60)], [])
        before = len(self.told())
        self.ingest((0, "0"), (3500, "160"))  # 44 with the levy; no level changes
        self.assertEqual(len(self.told()), before)
        self.env["energy.wallet"]._cron_policy()
        self.assertEqual(len(self.told()), before + 1)
        self.assertIn("56.00", self.told()[-1][0])
        self.env["energy.wallet"]._cron_policy()
        self.assertEqual(len(self.told()), before + 1)

    def test_own_levels_need_no_policy(self):
        self.wallet.policy_id = False
        self.mine._set_own_levels([Decimal(60)], [])
        self.ingest((0, "0"), (3500, "160"))
        self.env["energy.wallet"]._cron_policy()
        self.assertIn("56.00", self.told()[-1][0])
        self.assertNotIn("cut off", self.told()[-1][0])
        count = len(self.told())
        self.env["energy.wallet"]._cron_policy()
        self.assertEqual(len(self.told()), count)
        credit(self.wallet, "50", "b")
        self.env["energy.wallet"]._cron_policy()
        self.assertFalse(self.wallet.warned["balance"])
        self.mine._set_own_levels([], [Decimal(500)])
        self.env["energy.wallet"]._cron_policy()
        self.assertIn("more days", self.told()[-1][0])

    def test_own_days_warn(self):
        self.ingest((0, "0"), (3600, "40"))
        self.assertFalse(self.policy.warning_days)
        before = len(self.told())
        self.env["energy.wallet"]._cron_policy()
        self.assertEqual(len(self.told()), before)
        self.mine._set_own_levels([], [Decimal(500)])
        self.env["energy.wallet"]._cron_policy()
        self.assertEqual(len(self.told()), before + 1)
        self.assertIn("more days", self.told()[-1][0])

    def test_the_tenant_is_told_unless_they_say_no(self):
        self.assertEqual(self.wallet._listeners("warning"), self.tenant)
        self.mine._set_preferences(self.tenant, {("email", "supply")})
        self.assertFalse(self.wallet._listeners("warning"))
        self.assertEqual(self.wallet._listeners("supply"), self.tenant)
        contact = self.portal_user.partner_id
        self.mine._set_preferences(contact, {("email", "warning")})
        self.assertEqual(self.wallet._listeners("warning"), contact)
        credit(self.wallet, "-90", "low")
        self.wallet._apply_policy()
        self.assertEqual(self.told()[-1][1], contact)
        credit(self.wallet, "-20", "cut")
        self.wallet._apply_policy()
        self.assertEqual(self.told()[-1][1], self.tenant)

    def test_wrong_levels_are_named(self):
        for balances, days in (
            ([], [Decimal(0)]),
            ([], [Decimal(-1)]),
            ([Decimal(10) ** 12], []),
            ([Decimal(one) for one in range(11)], []),
        ):
            with self.assertRaises(UserError):
                self.mine._set_own_levels(balances, days)

    def test_other_peoples_choices(self):
        foreign = self.other_wallet.with_user(self.portal_user)
        with self.assertRaises(AccessError):
            foreign._set_own_levels([Decimal(1)], [])
        with self.assertRaises(AccessError):
            foreign._set_preferences(self.portal_user.partner_id, set())
        with self.assertRaises(UserError):
            self.mine._set_preferences(self.other_wallet.partner_id, set())
        self.portal_user.energy_role = "pay"
        self.wallet.portal_user_ids = self.portal_user
        with self.assertRaises(AccessError):
            self.mine._set_preferences(self.tenant, set())
        self.mine._set_preferences(self.portal_user.partner_id, set())

    def test_tenants_write_the_models_by_no_other_way(self):
        self.mine._set_own_levels([Decimal(60)], [])
        self.mine._set_preferences(self.tenant, set())
        for record in (self.wallet.own_level_ids, self.wallet.preference_ids):
            mine = record.with_user(self.portal_user)
            for attempt in (
                lambda mine=mine: mine.read([]),
                lambda mine=mine: mine.create({"wallet_id": self.wallet.id}),
                lambda mine=mine: mine.search([]),
            ):
                with self.assertRaises(AccessError):
                    attempt()

    def test_another_company_reads_none(self):
        self.mine._set_own_levels([Decimal(60)], [])
        company = self.env["res.company"].create({"name": "Elsewhere"})
        user = new_test_user(
            self.env,
            "elsewhere",
            groups="prepaid_energy.group_energy_manager",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        level = self.wallet.own_level_ids.with_user(user)
        self.assertFalse(level.search([]))
        with self.assertRaises(AccessError):
            level.read(["balance"])

    def test_the_tenant_is_written_to_in_their_language(self):
        self.env["res.lang"]._activate_lang("es_ES")
        self.env["ir.module.module"]._load_module_terms(["prepaid_energy"], ["es_ES"])
        self.tenant.lang = "es_ES"
        credit(self.wallet, "-90", "low")
        self.wallet._apply_policy()
        self.assertIn("Saldo", self.told()[-1][0])


@tagged("post_install", "-at_install")
class TestWarningsHttp(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        make_stranger(cls)

    def setUp(self):
        super().setUp()
        self.authenticate("energy_tenant", "energy_tenant")
        self.url = f"/my/energy/{self.wallet.id}/warnings"

    def post(self, what, wallet=None, **data):
        page = self.url_open(self.url).text
        token = re.search(r'name="csrf_token"\s+value="([^"]+)"', page)[1]
        url = f"/my/energy/{(wallet or self.wallet).id}/warnings/{what}"
        answer = self.url_open(url, data={"csrf_token": token, **data})
        self.env.invalidate_all()
        return answer

    def test_levels(self):
        page = self.post("levels", balance=["60,5", "", "30"], days=["7", ""])
        self.assertIn("Saved", page.text)
        levels = self.wallet.own_level_ids
        self.assertEqual(sorted(levels.mapped("balance")), [0, 30, 60.5])
        self.assertEqual(levels.filtered(lambda one: one.basis == "days").days, 7)
        self.assertIn('value="60.5"', page.text)
        page = self.post("levels", balance=["much"])
        self.assertIn("much is not a number", page.text)
        self.assertEqual(len(self.wallet.own_level_ids), 3, "nothing is lost")
        self.post("levels")
        self.assertFalse(self.wallet.own_level_ids)

    def test_channels(self):
        partner = self.portal_user.partner_id
        self.post("channels", partner=partner.id, wanted=["email:supply"])
        self.assertIn(partner, self.wallet._listeners("supply"))
        self.assertNotIn(partner, self.wallet._listeners("warning"))
        answer = self.post(
            "channels",
            partner=self.other_wallet.partner_id.id,
            wanted=["email:supply"],
        )
        self.assertIn("somebody else", answer.text)
        self.post("channels", partner="x", wanted=["nonsense"])

    def test_another_tenants(self):
        self.post("levels", wallet=self.other_wallet, balance=["60"])
        self.assertFalse(self.other_wallet.own_level_ids)
        answer = self.url_open(f"/my/energy/{self.other_wallet.id}/warnings")
        self.assertNotIn("Stranger", answer.text)
