from datetime import date, datetime

from odoo.exceptions import UserError, ValidationError
from odoo.tests import Form, tagged

from .common import EnergyCase


@tagged("post_install", "-at_install")
class TestHolidays(EnergyCase):
    def setUp(self):
        super().setUp()
        self.version = self.tariff.version_ids

    def load(self, **values):
        wizard = self.env["energy.tariff.holidays"].create(
            {
                "version_id": self.version.id,
                "country_id": self.env.ref("base.de").id,
                "year_from": 2024,
                "year_to": 2024,
                **values,
            }
        )
        wizard.action_load()
        return self.version.holiday_ids

    def test_public_holidays_of_a_country(self):
        days = self.load().mapped("date")
        self.assertEqual(len(days), 9)
        self.assertIn(date(2024, 10, 3), days)
        self.assertIn("2024-10-03", self.tariff._document()["versions"][0]["holidays"])

    def test_a_state_adds_its_own_and_nothing_comes_twice(self):
        self.load()
        bavaria = self.env["res.country.state"].search(
            [("country_id.code", "=", "DE"), ("code", "=like", "%BY")]
        )
        days = self.load(state_id=bavaria.id).mapped("date")
        self.assertIn(date(2024, 1, 6), days)
        self.assertEqual(len(days), len(set(days)))
        with self.assertRaisesRegex(UserError, "not there already"):
            self.load()

    def test_time_off_for_everybody_in_a_calendar(self):
        calendar = self.env["resource.calendar"].create({"name": "Works"})
        Leaves = self.env["resource.calendar.leaves"]
        for name, begin, end, resource in (
            ("Shutdown", datetime(2024, 8, 1), datetime(2024, 8, 3), False),
            ("Half day", datetime(2024, 12, 24, 13), datetime(2024, 12, 25), False),
            (
                "Ill",
                datetime(2024, 2, 1),
                datetime(2024, 2, 2),
                self.env["resource.resource"].create({"name": "Jo"}).id,
            ),
        ):
            Leaves.create(
                {
                    "name": name,
                    "calendar_id": calendar.id,
                    "date_from": begin,
                    "date_to": end,
                    "resource_id": resource,
                }
            )
        days = self.load(source="calendar", calendar_id=calendar.id)
        self.assertEqual(days.mapped("date"), [date(2024, 8, 1), date(2024, 8, 2)])
        self.assertEqual(days[0].name, "Shutdown")

    def test_the_preview_shows_what_comes(self):
        with Form(
            self.env["energy.tariff.holidays"].with_context(
                default_version_id=self.version.id
            )
        ) as form:
            form.country_id = self.env.ref("base.us")
            form.year_from, form.year_to = 2024, 2024
            self.assertIn("2024-07-04", form.preview)
            form.year_to = 2023
            self.assertIn("must rise", form.preview)
            form.year_to = 2024
            form.country_id = self.env.ref("base.aq")
            self.assertTrue(form.preview)

    def test_years_are_checked(self):
        for year in (2023, 2100):
            with self.assertRaises(ValidationError):
                with self.env.cr.savepoint():
                    self.load(year_to=year)
