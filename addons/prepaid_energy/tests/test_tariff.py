from decimal import Decimal

from psycopg2 import IntegrityError

from odoo.exceptions import ValidationError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import mute_logger

from .common import EnergyCase, credit


@tagged("post_install", "-at_install")
class TestTariff(EnergyCase):
    def test_the_document_is_the_neutral_format(self):
        (version,) = self.tariff._document()["versions"]
        self.assertEqual(version["valid_from_local"], "2020-01-01T00:00")
        self.assertEqual(version["energy_prices"], {"*": {"*": ["0.250000"]}})
        self.assertEqual(version["adjustments"][0]["rate"], "0.10000")

    def test_a_changed_price_counts_at_once(self):
        credit(self.wallet, "100", "rich")
        self.ingest((0, "0"), (60, "1"))
        self.tariff.version_ids.price = 0.5
        self.ingest((120, "2"))
        self.assertEqual(self.exact_balance(), Decimal(100) - Decimal("0.825"))

    def test_versions_follow_each_other(self):
        credit(self.wallet, "100", "rich")
        today = self.begin.date()
        self.tariff.version_ids = [
            Command.create({"valid_from": today.replace(year=2021), "price": 1.0})
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
