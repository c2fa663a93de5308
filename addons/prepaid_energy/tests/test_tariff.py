from decimal import Decimal

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.fields import Command
from odoo.tests import Form, new_test_user, tagged

from .common import EnergyCase, add_point, credit, flat_version


@tagged("post_install", "-at_install")
class TestTariff(EnergyCase):
    def band(self, name):
        Band = self.env["energy.tariff.band"]
        return Band.search([("name", "=", name)]) or Band.create({"name": name})

    def season(self, name):
        Season = self.env["energy.tariff.season"]
        return Season.search([("name", "=", name)]) or Season.create({"name": name})

    def new_tariff(self, **version):
        return self.env["energy.tariff"].create(
            {
                "name": "New",
                "tz": "Europe/Berlin",
                "version_ids": [
                    Command.create({**flat_version("2024-01-01", 0.2), **version})
                ],
            }
        )

    def assert_refused(self, message, **version):
        with self.assertRaisesRegex(ValidationError, message):
            with self.env.cr.savepoint():
                self.new_tariff(**version)

    # ------------------------------------------------------------------ the document

    def test_the_document_is_the_neutral_format(self):
        (version,) = self.tariff._document()["versions"]
        self.assertEqual(version["valid_from_local"], "2020-01-01T00:00")
        self.assertEqual(version["energy_prices"], {"*": {"*": ["0.25"]}})
        self.assertEqual(version["adjustments"][0]["rate"], "0.1")
        self.assertEqual(version["quantity"]["unit"], "kWh")
        self.assertIsNone(version["tiers"])

    def test_a_price_keeps_all_its_digits(self):
        tariff = self.new_tariff(price_ids=[Command.create({"price": 0.1234567891})])
        self.env.flush_all()
        self.env.invalidate_all()
        prices = tariff._document()["versions"][0]["energy_prices"]
        self.assertEqual(prices, {"*": {"*": ["0.1234567891"]}})

    # ------------------------------------------------------------------ in use

    def test_a_changed_price_counts_at_once(self):
        credit(self.wallet, "100", "rich")
        self.ingest((0, "0"))
        self.tariff.version_ids.price_ids.price = 0.5
        self.ingest((120, "1"))
        self.assertEqual(self.exact_balance(), Decimal("100") - Decimal("0.55"))

    def test_prices_that_have_rated_usage_stay(self):
        self.ingest((0, "0"), (60, "1"))
        version = self.tariff.version_ids
        self.assertTrue(version.locked)
        for attempt in (
            lambda: version.write({"tier_mode": "incremental"}),
            lambda: version.write({"price_ids": [Command.create({"tier": 2})]}),
            lambda: version.price_ids.write({"price": 9}),
            version.price_ids.unlink,
            lambda: version.price_ids.create({"version_id": version.id, "tier": 2}),
            lambda: version.levy_ids.write({"percent": 9}),
            version.unlink,
            lambda: version.copy({"valid_from": "2021-01-01"}),
        ):
            with self.assertRaisesRegex(UserError, "Correct"):
                with self.env.cr.savepoint():
                    attempt()
        version.copy({"valid_from": "2199-01-01"})

    def test_a_context_from_outside_opens_no_lock(self):
        self.ingest((0, "0"), (60, "1"))
        forged = self.tariff.version_ids.with_context(
            energy_enforce=True, energy_whole_version=True
        )
        for attempt in (
            lambda: forged.copy({"valid_from": "2021-01-01"}),
            lambda: forged.price_ids.write({"price": 9}),
        ):
            with self.assertRaisesRegex(UserError, "Correct"):
                with self.env.cr.savepoint():
                    attempt()

    def test_what_rated_usage_rests_on_stays(self):
        self.ingest((0, "0"), (60, "1"))
        with self.assertRaisesRegex(UserError, "keeps: Time Zone"):
            self.tariff.tz = "Europe/Berlin"
        self.tariff.write({"name": "Renamed", "tz": self.tariff.tz})

    def test_a_version_in_use_takes_holidays_to_come(self):
        self.ingest((0, "0"), (60, "1"))
        version = self.tariff.version_ids
        version.holiday_ids = [Command.create({"date": "2199-12-25"})]
        with self.assertRaisesRegex(UserError, "rated already"):
            version.holiday_ids = [Command.create({"date": "2021-12-25"})]

    def test_a_tariff_without_prices_holds_readings_and_stops_nobody_else(self):
        empty = self.env["energy.tariff"].create({"name": "Empty", "tz": "UTC"})
        add_point(self, "M-EMPTY", tariff_id=empty.id)
        answer = self.ingest((0, "1", "M-EMPTY"), (0, "1"))
        self.assertEqual(answer["held"], [{"index": 0, "reason": "not_rateable"}])
        self.assertEqual(answer["accepted"], 1)

    def test_versions_follow_each_other(self):
        credit(self.wallet, "100", "rich")
        self.tariff.version_ids = [Command.create(flat_version("2021-06-01", 1.0))]
        self.ingest((0, "0"), (60, "1"))
        self.assertEqual(self.exact_balance(), Decimal(99))
        self.assertEqual(self.tariff.price_now, "1")
        first, second = self.tariff._in_force()
        self.assertEqual(str(first.valid_to), "2021-05-31")
        usage = self.env["energy.usage"].search([("wallet_id", "=", self.wallet.id)])
        self.assertEqual(usage.version_id, second)

    def test_a_draft_is_not_in_force(self):
        draft = self.tariff.version_ids.copy(
            {"state": "draft", "valid_from": "2021-01-01"}
        )
        draft.price_ids.unlink()
        self.assertIn("no price", draft.problem)
        self.assertEqual(len(self.tariff._document()["versions"]), 1)
        self.assertEqual(self.tariff.price_now, "0.25")

    def test_consumption_before_the_first_version_costs_nothing(self):
        credit(self.wallet, "100", "rich")
        self.tariff.version_ids.valid_from = "2199-01-01"
        self.ingest((0, "0"), (60, "1"))
        usage = self.env["energy.usage"].search([("wallet_id", "=", self.wallet.id)])
        self.assertFalse(usage.version_id)
        self.assertAlmostEqual(usage.quantity, 1)
        self.assertEqual(self.exact_balance(), 100)

    # ------------------------------------------------------- constraints that explain

    def test_tariff_and_wallet_are_in_one_currency(self):
        francs = self.env.ref("base.CHF")
        francs.active = True
        foreign = self.tariff.copy({"currency_id": francs.id})
        with self.assertRaisesRegex(ValidationError, "one currency"):
            self.point.tariff_id = foreign
        self.point.tariff_id = self.tariff
        with self.assertRaisesRegex(ValidationError, "one currency"):
            self.tariff.currency_id = francs

    def test_a_tariff_is_for_one_commodity(self):
        gas = self.tariff.copy({"commodity": "gas"})
        with self.assertRaisesRegex(ValidationError, "for Gas.* delivers Electricity"):
            self.point.tariff_id = gas

    def test_two_versions_do_not_begin_at_one_time(self):
        with self.assertRaisesRegex(ValidationError, "begin on 2020-01-01"):
            self.tariff.version_ids = [Command.create(flat_version("2020-01-01", 1))]

    def test_thresholds_rise(self):
        self.assert_refused(
            "rise",
            tier_mode="incremental",
            threshold_ids=[
                Command.create({"up_to": 100}),
                Command.create({"up_to": 100}),
            ],
        )

    def test_a_factor_is_for_two_units(self):
        """A kWh is a kWh: a factor in the version's own form is refused, too."""
        with self.assertRaisesRegex(ValidationError, "its factor is 1"):
            self.tariff.version_ids.factor = 2

    def test_a_tariff_without_a_version_in_force_is_not_exported(self):
        empty = self.env["energy.tariff"].create({"name": "Empty", "tz": "UTC"})
        with self.assertRaisesRegex(UserError, "no version in force"):
            empty.action_export()

    def test_each_tier_has_a_price_once(self):
        one, two = Command.create({"tier": 1}), Command.create({"tier": 2})
        tier = Command.create({"up_to": 100})
        self.assert_refused(
            "needs 2 prices", tier_mode="incremental", threshold_ids=[tier]
        )
        self.assert_refused("tiers 1, 1", price_ids=[one, one])
        self.assert_refused("tiers 2", price_ids=[two])
        self.assert_refused("needs 1 prices", price_ids=[one, two])
        self.new_tariff(
            tier_mode="incremental", threshold_ids=[tier], price_ids=[two, one]
        )

    def test_each_band_has_a_price(self):
        peak, night = self.band("peak"), self.band("night")
        rule = Command.create({"band_id": peak.id, "hour_from": 6, "hour_to": 22})
        price = Command.create({"band_id": peak.id, "price": 1})
        self.assert_refused(
            "no price for season 'all', band 'night'",
            default_band_id=night.id,
            rule_ids=[rule],
            price_ids=[price],
        )

    def test_a_gap_that_no_rule_covers_is_named(self):
        peak = self.band("peak")
        rules = [
            Command.create({"band_id": peak.id, "hour_from": 22, "hour_to": 6}),
            Command.create(
                {
                    "band_id": peak.id,
                    "on_saturday": False,
                    "hour_from": 6,
                    "hour_to": 22,
                }
            ),
        ]
        self.assert_refused("covers saturday, 06:00 to 22:00", rule_ids=rules)
        self.new_tariff(rule_ids=rules, default_band_id=peak.id)
        rules[1][2]["on_saturday"] = True
        self.new_tariff(rule_ids=rules)

    def test_seasons_cover_the_year_once(self):
        def period(name, month_from, month_to):
            values = {"month_from": str(month_from), "month_to": str(month_to)}
            values["season_id"] = self.season(name).id
            return Command.create({**values, "day_from": 1, "day_to": 28})

        self.assert_refused("no season covers", period_ids=[period("summer", 4, 9)])
        self.assert_refused(
            "overlaps", period_ids=[period("summer", 4, 9), period("winter", 9, 3)]
        )
        impossible = period("summer", 2, 3)
        impossible[2]["day_from"] = 31
        self.assert_refused("02-31", period_ids=[impossible])

    def test_a_rule_needs_days_and_hours_of_a_day(self):
        values = {"band_id": self.band("peak").id, "hour_from": 6, "hour_to": 25}
        self.assert_refused("24:00", rule_ids=[Command.create(values)])
        nobody = {
            f"on_{day}": False for day in ("weekday", "saturday", "sunday", "holiday")
        }
        values = {**values, **nobody, "hour_to": 22}
        self.assert_refused("empty", rule_ids=[Command.create(values)])

    def test_a_part_by_itself_is_checked_with_its_version(self):
        price = self.new_tariff().version_ids.price_ids
        with self.assertRaisesRegex(ValidationError, "needs 1 prices"):
            price.copy({"tier": 2})
        price = self.new_tariff().version_ids.price_ids
        with self.assertRaisesRegex(ValidationError, "no price"):
            price.unlink()

    def test_a_name_that_was_rated_stays(self):
        peak = self.band("peak")
        self.tariff.version_ids.default_band_id = peak
        self.ingest((0, "0"), (60, "1"))
        with self.assertRaisesRegex(UserError, "keeps its name"):
            peak.name = "HT"
        peak.color = 5
        with self.assertRaisesRegex(ValidationError, "every one"):
            self.band("*")

    def test_a_levy_agrees_with_its_tax(self):
        tax = self.env["account.tax"].create(
            {"name": "VAT", "amount": 19, "type_tax_use": "sale"}
        )
        levy = self.tariff.version_ids.levy_ids
        with self.assertRaisesRegex(ValidationError, "is 10"):
            levy.tax_id = tax
        levy.write({"tax_id": tax.id, "percent": 19})
        tax.amount = 20
        self.assertEqual(levy._rate(), "0.19", "what was rated does not follow it")

    # ------------------------------------------------------------- the form

    def test_the_form_draws_the_week_and_says_what_is_missing(self):
        peak = self.band("peak")
        peak.color = 1
        with Form(self.env["energy.tariff.version"]) as form:
            form.tariff_id = self.tariff
            form.valid_from = "2199-01-01"
            self.assertIn("no price", form.problem)
            with form.price_ids.new() as price:
                price.price = 0.3
            self.assertFalse(form.problem)
            self.assertNotIn("peak", form.week_picture)
            with form.rule_ids.new() as rule:
                rule.band_id = peak
                rule.hour_from, rule.hour_to = 6, 22
            self.assertIn("No band rule covers", form.problem)
            self.assertFalse(form.price_table)
            form.default_band_id = self.band("night")
            self.assertIn("peak 06:00 – 22:00", form.week_picture)
            self.assertIn("#e4572e", form.week_picture)
            self.assertIn("0.3", form.price_table)
            self.assertFalse(form.hint)
            with form.price_ids.new() as price:
                price.band_id = peak
                price.price = 28
            self.assertIn("decimal point", form.hint)

    def test_a_gap_is_named_before_missing_prices(self):
        draft = self.tariff.version_ids.browse(
            self.tariff.action_new_version()["res_id"]
        )
        self.assertEqual(draft.state, "draft")
        self.assertEqual(draft.problem, "Prices: no price for season 'all', band 'all'")
        draft.rule_ids = [
            Command.create(
                {"band_id": self.band("peak").id, "hour_from": 6, "hour_to": 22}
            )
        ]
        self.assertIn("No band rule covers weekday, 00:00 to 06:00", draft.problem)
        self.assertIn("peak 06:00 – 22:00", draft.week_picture)
        self.assertIn("– 22:00 – 24:00", draft.week_picture)

    def test_only_managers_change_prices(self):
        user = new_test_user(
            self.env, "t_operator", groups="prepaid_energy.group_energy_operator"
        )
        version = self.tariff.version_ids.with_user(user)
        self.assertEqual(version.price_ids.price, 0.25)
        with self.assertRaises(AccessError):
            version.price_ids.write({"price": 0.01})
        with self.assertRaises(AccessError):
            version.action_correct()
