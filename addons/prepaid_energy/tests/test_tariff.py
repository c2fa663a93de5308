from decimal import Decimal

from psycopg2 import IntegrityError

from odoo.exceptions import UserError, ValidationError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import EnergyCase, add_point, credit


@tagged("post_install", "-at_install")
class TestTariff(EnergyCase):
    def test_the_document_is_the_neutral_format(self):
        (version,) = self.tariff._document()["versions"]
        self.assertEqual(version["valid_from_local"], "2020-01-01T00:00")
        self.assertEqual(version["energy_prices"], {"*": {"*": ["0.250000"]}})
        self.assertEqual(version["adjustments"][0]["rate"], "0.10000")

    def test_a_changed_price_counts_at_once(self):
        credit(self.wallet, "100", "rich")
        self.ingest((0, "0"))
        self.tariff.version_ids.price = 0.5
        self.ingest((120, "1"))
        self.assertEqual(self.exact_balance(), Decimal("100") - Decimal("0.55"))

    def test_prices_that_have_rated_usage_stay(self):
        self.ingest((0, "0"), (60, "1"))
        version = self.tariff.version_ids
        for attempt in (
            lambda: version.write({"price": 9}),
            version.unlink,
            lambda: version.copy({"valid_from": "2021-01-01"}),
        ):
            with self.assertRaisesRegex(UserError, "add a version"):
                with self.env.cr.savepoint():
                    attempt()
        version.copy({"valid_from": "2199-01-01", "price": 9})

    def test_a_tariff_without_prices_holds_readings_and_stops_nobody_else(self):
        empty = self.env["energy.tariff"].create({"name": "Empty", "tz": "UTC"})
        add_point(self, "M-EMPTY", tariff_id=empty.id)
        answer = self.ingest((0, "1", "M-EMPTY"), (0, "1"))
        self.assertEqual(answer["held"], [{"index": 0, "reason": "not_rateable"}])
        self.assertEqual(answer["accepted"], 1)

    def test_versions_follow_each_other(self):
        credit(self.wallet, "100", "rich")
        self.tariff.version_ids = [
            Command.create({"valid_from": "2021-06-01", "price": 1.0})
        ]
        self.ingest((0, "0"), (60, "1"))
        self.assertEqual(self.exact_balance(), Decimal(99))
        self.assertEqual(self.tariff.price_now, 1.0)

    def test_tariff_and_wallet_are_in_one_currency(self):
        francs = self.env.ref("base.CHF")
        francs.active = True
        foreign = self.tariff.copy({"currency_id": francs.id})
        with self.assertRaisesRegex(ValidationError, "one currency"):
            self.point.tariff_id = foreign
        self.point.tariff_id = self.tariff
        with self.assertRaisesRegex(ValidationError, "one currency"):
            self.tariff.currency_id = francs

    def test_two_versions_on_one_day_and_negative_prices_are_refused(self):
        for values in (
            {"valid_from": "2020-01-01", "price": 1},
            {"valid_from": "2030-01-01", "price": -1},
        ):
            with self.assertRaises(IntegrityError), mute_logger("odoo.sql_db"):
                with self.env.cr.savepoint():
                    self.tariff.version_ids = [Command.create(values)]
