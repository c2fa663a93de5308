"""Days and months go by a clock on the wall, never by the server's."""

from datetime import date, datetime
from decimal import Decimal

from odoo.exceptions import UserError
from odoo.tests import HttpCase, freeze_time, tagged

from .common import EnergyCase, set_up_park
from .test_statement import credit_at

LATE = "2026-06-30 20:00:00"  # 1 July in Tokyo, 30 June in Lima and by UTC
EARLY = "2026-07-01 03:00:00"  # 30 June in Lima


@tagged("post_install", "-at_install")
class TestCompanyDay(EnergyCase):
    def by_clock(self, tz):
        self.company.partner_id.tz = tz
        self.env.user.tz = False

    def test_the_company_has_a_day_without_a_user(self):
        books = self.env["energy.books"]
        for tz, moment, day in (
            ("Asia/Tokyo", LATE, date(2026, 7, 1)),
            ("America/Lima", EARLY, date(2026, 6, 30)),
            (False, LATE, date(2026, 6, 30)),
        ):
            self.by_clock(tz)
            with freeze_time(moment):
                self.assertEqual(books._today(self.company), day, tz)

    def test_a_month_is_billed_when_it_is_over_there(self):
        self.by_clock("America/Lima")
        with freeze_time(EARLY):
            run = self.env["energy.billing"].create({"date_to": "2026-06-30"})
            with self.assertRaisesRegex(UserError, "not over yet"):
                run._check()
            self.assertEqual(
                self.env["energy.billing"]._last_month_end(), date(2026, 5, 31)
            )
        self.by_clock("Asia/Tokyo")
        with freeze_time(LATE):
            run._check()
            self.assertEqual(
                self.env["energy.billing"]._last_month_end(), date(2026, 6, 30)
            )

    def test_a_month_end_is_accrued_when_it_has_come_there(self):
        accrual = self.env["energy.accrual"].create({"date": "2026-07-01"})
        self.by_clock("America/Lima")
        with freeze_time(EARLY), self.assertRaisesRegex(UserError, "not come yet"):
            accrual._post()
        self.by_clock("Asia/Tokyo")
        with freeze_time(LATE), self.assertRaises(UserError) as caught:
            accrual._post()
        self.assertNotIn("not come yet", str(caught.exception))

    def test_a_voucher_expires_with_the_day_there(self):
        voucher = self.env["energy.voucher"].new(
            {"company_id": self.company.id, "expires_on": "2026-06-30"}
        )
        self.by_clock("Asia/Tokyo")
        with freeze_time(LATE):
            self.assertGreater(voucher._today(), voucher.expires_on)

    def test_a_stand_in_begins_with_the_day_there(self):
        standin = self.env["res.users"].create({"name": "S", "login": "days_standin"})
        department = self.env["hr.department"].create({"name": "Shop floor"})
        department.write(
            {
                "energy_standin_id": standin.id,
                "energy_standin_from": "2026-07-01",
                "energy_standin_to": "2026-07-03",
            }
        )
        self.by_clock("Asia/Tokyo")
        with freeze_time(LATE):
            self.assertEqual(department._energy_standin(), standin)
        self.by_clock("America/Lima")
        with freeze_time(EARLY):
            self.assertFalse(department._energy_standin())

    def test_the_daily_use_counts_from_midnight_there(self):
        self.tariff.tz = self.site.tz = "Asia/Tokyo"
        self.begin = datetime.fromisoformat("2026-06-29T15:00:00+00:00")
        with freeze_time("2026-06-30 03:00:00"):  # noon of the first day
            self.ingest((0, "0"), (12 * 3600, "24"))
            use = self.wallet._daily_use()[self.wallet.id]
        self.assertEqual(use, 48 * Decimal("0.275"))


@tagged("post_install", "-at_install")
class TestStatementMonths(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)

    def test_the_first_month_is_that_of_the_tariffs_clock(self):
        self.tariff.tz = "Asia/Tokyo"
        credit_at(self.wallet, "5", "first", "2026-04-30 20:00:00")  # 1 May there
        self.authenticate(self.portal_user.login, self.portal_user.login)
        page = self.url_open(f"/my/energy/{self.wallet.id}/statement")
        self.assertIn("2026-05", page.text)
        self.assertNotIn("2026-04", page.text)
