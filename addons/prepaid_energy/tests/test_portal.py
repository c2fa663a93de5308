from odoo.tests import HttpCase, JsonRpcException, tagged
from odoo.tools import format_datetime, mute_logger

from .common import credit, set_up_park


@tagged("post_install", "-at_install")
class TestPortal(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        credit(cls.wallet, "12.34", "portal")
        other = cls.env["res.partner"].create({"name": "Stranger"})
        cls.other_wallet = cls.env["energy.wallet"].create(
            {"name": "Stranger's wallet", "partner_id": other.id}
        )

    def setUp(self):
        super().setUp()
        self.authenticate("energy_tenant", "energy_tenant")

    def assert_refused(self, wallet, amount):
        with mute_logger("odoo.http"), self.assertRaises(JsonRpcException) as caught:
            self.transaction(wallet, amount)
        self.assertEqual(str(caught.exception), "odoo.exceptions.ValidationError")

    def transaction(self, wallet, amount):
        return self.make_jsonrpc_request(
            f"/my/energy/{wallet.id}/transaction",
            {
                "provider_id": 0,
                "payment_method_id": 0,
                "token_id": None,
                "amount": amount,
                "flow": "direct",
                "tokenization_requested": False,
                "landing_route": "/my/energy",
            },
        )

    def test_the_wallet_page(self):
        page = self.url_open("/my/energy")
        self.assertTrue(page.url.endswith(f"/my/energy/{self.wallet.id}"))
        for text in ("12.34", "Low", self.wallet.reference, "M-1", "Statement"):
            self.assertIn(text, page.text)

    def test_the_portal_home_counts_wallets(self):
        counters = self.make_jsonrpc_request(
            "/my/counters", {"counters": ["energy_wallet_count"]}
        )
        self.assertEqual(counters, {"energy_wallet_count": 1})

    def test_a_foreign_wallet_is_not_shown_and_not_charged(self):
        page = self.url_open(f"/my/energy/{self.other_wallet.id}")
        self.assertNotIn("Stranger", page.text)
        self.assert_refused(self.other_wallet, 50)
        self.assertFalse(
            self.env["payment.transaction"].search(
                [("energy_wallet_id", "=", self.other_wallet.id)]
            )
        )

    def test_amounts_are_checked_on_the_server(self):
        for amount in (1, -50, 501, None, "nan", "abc"):
            self.assert_refused(self.wallet, amount)
        page = self.url_open(f"/my/energy/{self.wallet.id}?amount=1")
        self.assertIn("The smallest top-up is", page.text)

    def test_a_long_statement_has_pages(self):
        for number in range(25):
            credit(self.wallet, "1", f"page:{number}")
        first = self.url_open(f"/my/energy/{self.wallet.id}")
        self.assertIn(f"/my/energy/{self.wallet.id}/page/2", first.text)
        last = self.url_open(f"/my/energy/{self.wallet.id}/page/3")
        self.assertIn("12.34", last.text)

    def test_the_ledger_is_dated_by_the_clock_of_the_tariff(self):
        self.tariff.tz = "Asia/Tokyo"
        page = self.url_open(f"/my/energy/{self.wallet.id}").text
        at = self.wallet.entry_ids.at
        self.assertIn(format_datetime(self.env, at, "Asia/Tokyo", "short"), page)

    def test_an_outage_is_explained(self):
        credit(self.wallet, "-20", "spent")
        page = self.url_open(f"/my/energy/{self.wallet.id}")
        self.assertIn("Your supply was cut off", page.text)

    def test_a_visitor_must_log_in(self):
        self.logout()
        page = self.url_open(f"/my/energy/{self.wallet.id}")
        self.assertIn("/web/login", page.url)
