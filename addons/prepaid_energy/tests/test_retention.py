from datetime import UTC, datetime

from odoo.tests import freeze_time, tagged

from .common import EnergyCase

DAY = 86400


@tagged("post_install", "-at_install")
class TestRetention(EnergyCase):
    """Dropping old readings takes no energy from what is rated later."""

    def keep(self, months):
        """Settle, and drop what is older."""
        parameters = self.env["ir.config_parameter"].sudo()
        parameters.set_param("prepaid_energy.reading_months", str(months))
        self.env["energy.usage"]._settle_wallets(self.wallet)
        self.env["energy.reading"]._cron_drop_partitions()
        return self.env["energy.reading"]._kept_since()

    def stored(self):
        readings = self.env["energy.reading"].search([("meter_id", "=", self.meter.id)])
        return sorted(readings.mapped("register"))

    @freeze_time("2026-03-20 12:00:00")
    def test_the_reading_before_a_long_silence_stays(self):
        self.begin = datetime(2025, 12, 27, tzinfo=UTC)
        self.ingest((0, "0"), (DAY, "10"))
        self.ingest((50 * DAY, "500"))  # 15 February
        self.assertEqual(str(self.keep(2)), "2026-01-01")
        self.assertEqual(self.stored(), [10, 500])
        before = self.exact_balance()
        order = {self.point.id: datetime(2026, 2, 15)}
        self.env["energy.rerating.task"]._order_points(order, "A new price")
        self.run_tasks()
        self.assertEqual(self.exact_balance(), before)
        with freeze_time("2026-05-20 12:00:00"):
            self.assertEqual(str(self.keep(2)), "2026-03-01")
            self.assertEqual(self.stored(), [500], "needed by what comes next")
            self.ingest((140 * DAY, "1400"))
            self.keep(2)
        with freeze_time("2026-08-20 12:00:00"):
            self.keep(2)
            self.assertEqual(self.stored(), [1400])

    @freeze_time("2026-03-20 12:00:00")
    def test_a_task_for_dropped_months_stops_nothing(self):
        self.begin = datetime(2025, 10, 28, tzinfo=UTC)
        self.ingest((0, "0"), (DAY, "10"), (40 * DAY, "400"))
        self.ingest((130 * DAY, "1300"))
        self.assertEqual(str(self.keep(4)), "2025-11-01")
        self.ingest((2 * DAY, "20"))
        self.run_tasks()
        self.assertTrue(self.point.activity_ids, "a person knows")
        self.assertEqual(str(self.keep(2)), "2026-01-01")

    @freeze_time("2026-03-20 12:00:00")
    def test_a_balance_of_long_ago_is_still_told(self):
        self.begin = datetime(2025, 12, 1, tzinfo=UTC)
        self.ingest((0, "0"), (DAY, "24"))
        self.ingest((100 * DAY, "2400"))
        noon = datetime(2025, 12, 1, 12)
        before = self.wallet._balance_at(noon)
        self.keep(2)
        self.assertEqual(self.wallet._balance_at(noon), before)
