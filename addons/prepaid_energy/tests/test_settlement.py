from datetime import UTC, datetime, timedelta
from decimal import Decimal
from unittest.mock import Mock, patch

from psycopg2.errors import SerializationFailure

from odoo.tests import freeze_time, tagged

from ..models.patience import patiently
from .common import EnergyCase, credit


@tagged("post_install", "-at_install")
class TestSettlement(EnergyCase):
    def setUp(self):
        super().setUp()
        credit(self.wallet, "100", f"test:{self.id()}")
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = today - timedelta(days=2)

    def settle(self):
        while self.env["energy.usage"]._settle_batch(10):
            pass

    def consumption(self):
        return self.wallet.entry_ids.filtered("day").sorted("id")

    def test_finished_days_become_one_row_each(self):
        self.ingest((0, "0"), (36000, "8"), (86400, "10"), (2 * 86400 + 60, "40"))
        balance = self.exact_balance()
        self.settle()
        rows = self.consumption()
        self.assertEqual(rows.mapped("kind"), ["consumption", "consumption"])
        self.assertEqual(rows[0].day, self.begin.date())
        self.assertAlmostEqual(rows[0].amount, -2.75)
        self.assertEqual(self.exact_balance(), balance, "settling moves no money")
        self.assertGreater(self.wallet.accrued, 0, "today stays open")

    def test_rows_speak_the_language_of_their_tenant(self):
        self.env["res.lang"]._activate_lang("zh_CN")
        self.tenant.lang = "zh_CN"
        self.ingest((0, "0"), (36000, "8"))
        self.settle()
        self.ingest((0, "0"), (36000, "8"), (40000, "9"), (86400, "10"))
        self.settle()
        day = f"{self.point.name}, {self.begin.date()}"
        self.assertEqual(
            self.consumption().mapped("name"), [f"用量: {day}", f"补到的读数: {day}"]
        )

    def test_settling_twice_books_nothing_twice(self):
        self.ingest((0, "0"), (36000, "8"))
        self.settle()
        self.settle()
        self.assertEqual(len(self.consumption()), 1)

    def test_usage_after_settlement_becomes_a_correction(self):
        self.ingest((0, "0"), (36000, "8"))
        self.settle()
        self.ingest((40000, "9"))
        self.settle()
        first, second = self.consumption()
        self.assertEqual((first.kind, second.kind), ("consumption", "correction"))
        self.assertEqual(first.day, second.day)
        self.assertAlmostEqual(second.amount, -0.275)
        self.assertEqual(self.exact_balance(), Decimal(100) - Decimal("2.475"))

    def test_the_tenant_reads_rows_in_their_language(self):
        self.env["res.lang"]._activate_lang("es_ES")
        self.env["ir.module.module"]._load_module_terms(["prepaid_energy"], ["es_ES"])
        self.ingest((0, "0"), (36000, "8"))
        self.settle()
        (row,) = self.consumption()
        day = f"{row.day:%d/%m/%Y}"
        self.assertIn("Consumption", row.name)
        words = row.with_context(lang="es_ES")._words()
        self.assertEqual(words, f"Consumo: {self.point.name}, {day}")
        topup = self.wallet.entry_ids - row
        self.assertEqual(topup.with_context(lang="es_ES")._words(), "Top-up")

    def test_the_day_ends_by_the_tariffs_clock(self):
        self.tariff.tz = "Pacific/Auckland"
        self.begin = datetime(2026, 6, 10, 11, 0, tzinfo=UTC)  # 23:00 in Auckland
        self.ingest((0, "0"), (1800, "1"))
        with freeze_time("2026-06-10 11:59:00"):
            self.settle()
            self.assertFalse(self.consumption())
        with freeze_time("2026-06-10 12:01:00"):
            self.settle()
        self.assertEqual(str(self.consumption().day), "2026-06-10")

    def test_it_tries_again_where_a_reading_came_in_between(self):
        outcomes = [SerializationFailure(), 7]
        with patch.object(self.env.cr, "rollback") as rollback:
            self.assertEqual(patiently(self.env, Mock(side_effect=outcomes)), 7)
            self.assertEqual(rollback.call_count, 1)
            with self.assertRaises(SerializationFailure):
                patiently(self.env, Mock(side_effect=SerializationFailure()))

    def test_the_cron_runs_it(self):
        self.ingest((0, "0"), (36000, "8"))
        with self.enter_registry_test_mode():
            self.env.ref("prepaid_energy.cron_settle").method_direct_trigger()
        self.assertEqual(len(self.consumption()), 1)
