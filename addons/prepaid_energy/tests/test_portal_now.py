import re
from datetime import timedelta
from decimal import Decimal

from odoo import fields
from odoo.fields import Command
from odoo.tests import HttpCase, freeze_time, new_test_user, tagged

from .common import EnergyCase, add_point, credit, set_up_park


@tagged("post_install", "-at_install")
class TestNow(EnergyCase):
    """What is computed for the tenant's page: payment needed, causes, prices."""

    def spend(self, amount):
        credit(self.wallet, f"-{amount}", f"spent {amount}")
        self.wallet._apply_policy()

    def needed(self):
        return self.wallet.sudo()._topup_needed()

    def test_nothing_is_needed_while_supplied(self):
        credit(self.wallet, "30", "a")
        self.wallet._apply_policy()
        self.assertEqual(self.needed(), 0)
        self.assertEqual(self.wallet.sudo()._outage_text("UTC"), "")

    def test_needed_reaches_the_restore_threshold_rounded_up(self):
        self.spend("20.004")
        self.assertEqual(self.needed(), Decimal("25.01"))
        credit(self.wallet, str(self.needed()), "paid")
        self.wallet._apply_policy()
        self.assertNotEqual(self.wallet.level, "cut")

    def test_needed_is_not_less_than_the_smallest_topup(self):
        self.policy.topup_minimum = 12
        self.spend("0.20")
        self.assertEqual(self.needed(), 12)

    def test_needed_pays_the_fee_as_well(self):
        self.policy.write({"topup_fee": 0.5, "topup_fee_percent": 3})
        self.spend("20")
        pay = self.needed()
        self.assertGreaterEqual(pay - self.wallet._topup_fee(float(pay)), 25)
        less = pay - Decimal("0.01")
        self.assertLess(less - self.wallet._topup_fee(float(less)), 25)

    def test_needed_pays_the_share_of_a_debt_as_well(self):
        debt = self.env["energy.wallet"].create(
            {"name": "Debt", "kind": "debt", "partner_id": self.tenant.id}
        )
        credit(debt, "-1000", "debt")
        self.wallet._write_decided({"debt_wallet_id": debt.id})
        self.policy.debt_percent = 50
        self.spend("20")
        self.assertEqual(self.needed(), 50)
        credit(debt, "997", "nearly all")  # 3 are owed: 25 + 3 is enough
        self.assertEqual(self.needed(), 28)

    def test_the_outage_says_when_how_much_and_what_to_pay(self):
        self.spend("0.20")
        text = self.wallet.sudo()._outage_text("UTC")
        self.assertRegex(text, r"^Cut at \d+:\d\d.+: balance .*0\.20; pay .*5\.20 to")
        self.policy.sudo().armed = False
        self.assertIn("used up", self.wallet.sudo()._outage_text("UTC"))

    def test_an_outage_that_is_still_to_come(self):
        self.policy.grace_hours = 30
        self.spend("1")
        self.assertIn("unless you pay", self.wallet.sudo()._outage_text("UTC"))

    # ------------------------------------------------------------------ causes

    def cause(self, point=None):
        point = (point or self.point).sudo()
        point.invalidate_recordset()
        return point._outages().get(point.id, (None, None))[0]

    def test_causes(self):
        self.meter._take_relay("closed", 0)
        self.ingest((3500, "1"))
        self.assertIsNone(self.cause())
        self.spend("1")
        self.assertIsNone(self.cause(), "the relay has not opened yet")
        self.meter._take_relay("open", self.point.generation)
        self.assertEqual(self.cause(), "balance")
        credit(self.wallet, "50", "paid")
        self.wallet._apply_policy()
        self.assertEqual(self.cause(), "moving")
        self.meter._take_relay("closed", self.point.generation)
        self.assertIsNone(self.cause())
        self.point.action_switch_off()
        self.meter._take_relay("open", self.point.generation)
        self.assertEqual(self.cause(), "operator")
        self.point.sudo().write({"switched_off": False, "shed": True})
        self.assertEqual(self.cause(), "shed")
        self.point.sudo().write({"tripped": True, "tripped_at": fields.Datetime.now()})
        self.assertEqual(self.cause(), "tripped")
        self.point.sudo().write({"locked_out": True})
        self.assertEqual(self.cause(), "locked")

    def test_an_open_feeder_is_named(self):
        feeder, meter = add_point(self, "F-1")
        self.point.parent_id = feeder
        self.meter._take_relay("closed", 0)
        meter._take_relay("open", 0)
        self.assertEqual(self.cause(), "feeder")

    def test_a_meter_that_is_silent(self):
        self.meter._take_relay("closed", 0)
        old = fields.Datetime.now() - timedelta(hours=3)
        self.meter.relay_at = old
        self.assertEqual(self.cause(), "unknown")

    def test_a_silent_meter_is_not_called_a_cut(self):
        credit(self.wallet, "50", "paid")
        self.meter._take_relay("closed", 0)
        status = self.wallet.sudo()._portal_now()["status"]
        self.assertEqual(status, "You are supplied.")
        self.meter.relay_at = fields.Datetime.now() - timedelta(hours=3)
        now = self.wallet.sudo()._portal_now()
        self.assertIn("not been heard of", now["status"])
        self.assertFalse(now["eager"])
        self.meter._take_relay("open", 0)
        self.assertTrue(self.wallet.sudo()._portal_now()["eager"])

    def test_nothing_is_said_of_supply_without_a_meter(self):
        self.point.wallet_id = False
        self.spend("1")
        wallet = self.wallet.sudo()
        self.assertEqual(wallet.level, "cut")
        self.assertIn("No meter", wallet._portal_now()["status"])
        self.assertFalse(wallet._portal_now()["restored"])
        self.assertEqual(wallet._portal_level(), "empty")
        self.assertEqual(wallet._outage_text("UTC"), "")
        credit(wallet, "1", "even")
        wallet.active = False
        self.assertIn("closed on", wallet._portal_now()["status"])
        self.assertEqual(wallet._portal_level(), "closed")

    def test_how_long_it_lasts_in_words(self):
        for days, text in (
            (None, ""),
            (0.25, "6 hours"),
            (2.04, "2.0 days"),
            (91, "more than 90 days"),
        ):
            self.assertEqual(self.wallet._lasts_text(days), text)

    def test_no_names_of_staff_are_told(self):
        self.point.action_switch_off()
        self.meter._take_relay("open", self.point.generation)
        text = self.point.sudo()._outages()[self.point.id][1]
        self.assertNotIn(self.env.user.name, text)

    # ------------------------------------------------------------------ prices

    def two_bands(self):
        day, night = self.env["energy.tariff.band"].create(
            [{"name": "Day"}, {"name": "Night"}]
        )
        return self.env["energy.tariff"].create(
            {
                "name": "Two bands",
                "tz": "UTC",
                "version_ids": [
                    Command.create(
                        {
                            "valid_from": "2020-01-01",
                            "default_band_id": night.id,
                            "rule_ids": [
                                Command.create(
                                    {"band_id": day.id, "hour_from": 6, "hour_to": 22}
                                )
                            ],
                            "tier_mode": "incremental",
                            "threshold_ids": [Command.create({"up_to": 10})],
                            "price_ids": [
                                Command.create(
                                    {"band_id": band.id, "tier": tier, "price": price}
                                )
                                for band, tier, price in (
                                    (day, 1, 0.3),
                                    (day, 2, 0.4),
                                    (night, 1, 0.1),
                                    (night, 2, 0.2),
                                )
                            ],
                            "levy_ids": [
                                Command.create({"name": "Levy", "percent": 10})
                            ],
                        }
                    )
                ],
            }
        )

    def test_price_band_and_tier(self):
        self.point.tariff_id = self.two_bands()
        point = self.point.sudo()
        price = point._price_now(fields.Datetime.to_datetime("2026-05-04 21:00:00"))
        self.assertEqual(price["band"], "Day")
        self.assertEqual(price["price"], Decimal("0.33"))
        self.assertEqual((price["tier"], price["tiers"], price["left"]), (1, 2, 10))
        self.assertEqual(str(price["until"]), "2026-05-04 22:00:00")
        self.assertEqual(price["next"], {"band": "Night", "price": Decimal("0.11")})
        point.rating_state = {"kwh": {"2026-05": "10"}}
        price = point._price_now(fields.Datetime.to_datetime("2026-05-04 23:00:00"))
        self.assertEqual((price["band"], price["tier"]), ("Night", 2))
        self.assertEqual(price["price"], Decimal("0.22"))
        self.assertIsNone(price["left"])

    def test_one_price_has_no_band_and_no_end(self):
        price = self.point.sudo()._price_now()
        self.assertEqual((price["band"], price["until"]), ("", None))
        self.assertEqual(price["price"], Decimal("0.275"))

    def test_no_price_before_the_first_version(self):
        early = fields.Datetime.to_datetime("2019-05-04 21:00:00")
        self.assertIsNone(self.point.sudo()._price_now(early))

    # ------------------------------------------------------------------ use

    def test_today_against_yesterday_by_this_time(self):
        noon = "2026-05-05 12:30:00"
        rows = [("2026-05-04T00:00:00Z", "0")]
        # yesterday 1 kWh an hour until 13:00, then ten; today two
        rows += [(f"2026-05-04T{hour:02}:00:00Z", hour) for hour in range(1, 14)]
        rows += [("2026-05-05T00:00:00Z", 123), ("2026-05-05T12:30:00Z", 148)]
        batch = {
            "uid": "use",
            "readings": [["M-1", at, str(register)] for at, register in rows],
        }
        with freeze_time(noon):
            self.bridge.ingest(batch)
            self.env["energy.interval"]._roll_up(self.point)
            use = self.wallet.sudo()._use_today("UTC")
        self.assertEqual(len(use), 1)
        self.assertEqual(use[0]["today"], 25)
        self.assertEqual(use[0]["cost_today"], Decimal("25") * Decimal("0.275"))
        self.assertIn("12.5 kWh", use[0]["before"])
        self.assertIn("3.44", use[0]["before"])

    def test_without_yesterday_nothing_is_said_of_it(self):
        with freeze_time("2026-05-05 12:30:00"):
            self.bridge.ingest(
                {
                    "uid": "use",
                    "readings": [
                        ["M-1", "2026-05-05T00:00:00Z", "0"],
                        ["M-1", "2026-05-05T12:00:00Z", "5"],
                    ],
                }
            )
            use = self.wallet.sudo()._use_today("UTC")
        self.assertEqual((use[0]["today"], use[0]["before"]), (5, ""))

    # ------------------------------------------------------------------ gauge

    def test_the_gauge_stays_on_its_scale(self):
        wallet = self.wallet.sudo()
        for balance in ("-50", "0", "0.01", "19", "20", "79", "80", "1234567"):
            gauge = wallet._gauge(Decimal(balance))
            self.assertTrue(0 <= gauge["share"] <= 1, gauge)
            self.assertTrue(0 <= gauge["warning"] <= 1, gauge)
        self.assertEqual(wallet._gauge(Decimal(40))["share"], 0.4)
        for balance, low, high in (
            ("40", "0.00", "100.00"),
            ("780.10", "0.00", "1,000.00"),
            ("-0.37", "-1.00", "100.00"),
            ("-3.7", "-5.00", "100.00"),
            ("-7", "-10.00", "100.00"),
        ):
            gauge = wallet._gauge(Decimal(balance))
            for end, text in (("low", low), ("high", high)):
                self.assertEqual(re.sub(r"[^\d.,-]", "", gauge[end]), text, balance)
        self.assertIn("20.00", wallet._gauge(Decimal(40))["label"])

    def test_the_number_of_queries_does_not_grow_with_points(self):
        credit(self.wallet, "500", "a")
        wallet = self.wallet.sudo()

        def count():
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            wallet._portal_now()
            return self.env.cr.sql_log_count - before

        for number in range(2):
            add_point(self, f"N-{number}", wallet_id=self.wallet.id)
        count()
        few = count()
        for number in range(2, 22):
            add_point(self, f"N-{number}", wallet_id=self.wallet.id)
        self.assertEqual(count(), few)


@tagged("post_install", "-at_install")
class TestNowHttp(HttpCase):
    """The page and what it fetches."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        other = cls.env["res.partner"].create({"name": "Stranger"})
        cls.other_wallet = cls.env["energy.wallet"].create(
            {"name": "Stranger's wallet", "partner_id": other.id}
        )
        credit(cls.wallet, "12.34", "portal")

    def setUp(self):
        super().setUp()
        self.authenticate("energy_tenant", "energy_tenant")
        self.url = f"/my/energy/{self.wallet.id}"

    def test_now_is_what_the_page_shows(self):
        page = self.url_open(f"{self.url}/now")
        for text in ("12.34", 'role="img"', "M-1", "0.2750"):
            self.assertIn(text, page.text)
        self.assertNotIn("<html", page.text)
        self.assertEqual(page.headers["Cache-Control"], "no-store")

    def test_now_of_another_is_not_found(self):
        answer = self.url_open(f"/my/energy/{self.other_wallet.id}/now")
        self.assertEqual(answer.status_code, 404)
        self.assertNotIn("Stranger", answer.text)

    # ------------------------------------------------------------------ emergency

    def take(self, wallet=None, **values):
        wallet = wallet or self.wallet
        page = self.url_open(self.url).text
        token = re.search(r'name="csrf_token"\s+value="([^"]+)"', page)[1]
        data = {"csrf_token": token, **values}
        answer = self.url_open(f"/my/energy/{wallet.id}/emergency", data=data)
        self.env.invalidate_all()
        return answer

    def test_emergency_credit_by_the_button(self):
        self.assertNotIn("o_energy_emergency", self.url_open(self.url).text)
        self.policy.emergency_credit = 10
        self.assertIn("o_energy_emergency", self.url_open(self.url).text)
        self.assertIn("Please confirm", self.take().text)
        self.assertFalse(self.wallet.emergency_active)
        self.assertIn("yours to use", self.take(confirmed="1").text)
        self.assertTrue(self.wallet.emergency_active)
        self.assertIn("in use already", self.take(confirmed="1").text)

    def test_emergency_credit_needs_the_token_and_the_own_wallet(self):
        self.policy.emergency_credit = 10
        answer = self.url_open(f"{self.url}/emergency", data={"confirmed": "1"})
        self.assertEqual(answer.status_code, 400)
        self.other_wallet.policy_id = self.policy
        self.take(wallet=self.other_wallet, confirmed="1")
        self.assertFalse(self.wallet.emergency_active)
        self.assertFalse(self.other_wallet.emergency_active)

    # ------------------------------------------------------------------ amounts

    def test_amounts_to_tap_at(self):
        credit(self.wallet, "-22.34", "spent")
        self.wallet._apply_policy()
        self.env["account.payment"].create(
            [
                {
                    "amount": amount,
                    "payment_type": "inbound",
                    "partner_type": "customer",
                    "partner_id": self.tenant.id,
                    "energy_wallet_id": self.wallet.id,
                    "journal_id": self.journal.id,
                }
                for amount in (33, 700, 41.27)
            ]
        ).action_post()
        credit(self.wallet, "-774.27", "spent again")
        self.wallet._apply_policy()
        page = self.url_open(self.url).text
        for amount in ("15.0", "33.0"):
            self.assertIn(f"amount={amount}#topup", page)
        self.assertNotIn("amount=700.0", page, "above the largest top-up")
        self.assertNotIn("amount=5.0#topup", page, "it would not restore supply")
        self.assertNotIn("amount=41.27", page, "what was missing once")
        self.assertIn("restores supply", page)
        self.assertIn("paid before", page)

    def test_cards_of_several_wallets(self):
        second = self.env["energy.wallet"].create(
            {"name": "Second hall", "partner_id": self.tenant.id}
        )
        page = self.url_open("/my/energy").text
        self.assertIn(f'href="/my/energy/{self.wallet.id}"', page)
        self.assertIn(f'href="/my/energy/{second.id}"', page)
        self.assertIn("Second hall", page)
        self.assertNotIn("Stranger", page)

    def test_an_internal_reader_sees_no_way_in_for_colleagues(self):
        new_test_user(
            self.env,
            "energy_office",
            groups="prepaid_energy.group_energy_user",
            password="energy_office",
        )
        self.authenticate("energy_office", "energy_office")
        self.assertNotIn("/my/energy/people", self.url_open(self.url).text)

    def test_each_tenant_reads_the_own_language(self):
        for code, words in (
            ("es_ES", ("Recargar", "Contadores", "Otro importe")),
            ("zh_CN", ("充值", "表计", "其他金额")),
        ):
            self.env["res.lang"]._activate_lang(code)
            module = self.env["ir.module.module"]
            module._load_module_terms(["prepaid_energy"], [code])
            self.portal_user.lang = code
            self.authenticate("energy_tenant", "energy_tenant")
            page = self.url_open(self.url).text
            for word in words:
                self.assertIn(word, page)
            self.assertNotIn("Top up", page)
