from datetime import UTC, date, datetime
from decimal import Decimal

from odoo.fields import Command
from odoo.tests import freeze_time, tagged
from odoo.tools import SQL

from ..ingest.rerate import Rerating
from .common import EnergyCase, add_point, credit, flat_version

TAX = Decimal("1.1")


@tagged("post_install", "-at_install")
class TestCharges(EnergyCase):
    """A tariff in Auckland, twelve hours ahead in June: days end at noon UTC."""

    def setUp(self):
        super().setUp()
        credit(self.wallet, "1000", f"test:{self.id()}")
        self.tariff.tz = "Pacific/Auckland"
        self.version = self.tariff.version_ids
        self.version.fixed_ids = [
            Command.create({"name": "Meter", "amount": 0.5, "per": "day"}),
            Command.create({"name": "Service", "amount": 12, "per": "month"}),
        ]
        self.begin = datetime(2026, 6, 10, 12, 0, tzinfo=UTC)  # 11 June, 00:00 local
        self.env["energy.service.point"].search(
            [("tariff_id", "!=", self.tariff.id)]
        ).meter_id = False  # of the demo data, if there are any

    def charge(self, moment):
        """Run the cron's work at a moment (UTC)."""
        with freeze_time(moment):
            while self.point._charge_batch(self.tariff, 2) == 2:
                pass
        self.env.invalidate_all()

    def rows(self, *kinds, point=None):
        """{(local day, kind, charge): net} of the point's charges."""
        self.env.flush_all()
        found = self.env.execute_query(
            SQL(
                "SELECT day, kind, charge, amount::text FROM energy_usage "
                "WHERE service_point_id = %s AND kind IN %s AND amount <> 0",
                (point or self.point).id,
                kinds or ("fixed", "demand", "minimum"),
            )
        )
        return {
            (str(day), kind, charge): Decimal(net) for day, kind, charge, net in found
        }

    def assert_rerated(self, point=None):
        """Rating again from the stored facts comes to the same rows."""
        before = self.rows(point=point), self.exact_balance()
        more = Rerating(point or self.point, date(2026, 6, 1), "x").run()
        self.assertEqual(
            (more, self.rows(point=point), self.exact_balance()), (0, *before)
        )

    # ------------------------------------------------------------------ fixed

    def test_the_first_day_has_the_months_charge_and_no_days_charge(self):
        self.charge("2026-06-10 10:00:00")
        self.assertEqual(self.rows(), {("2026-06-10", "fixed", "Service"): 12})
        self.assertEqual(self.exact_balance(), 1000 - 12 * TAX)
        self.assert_rerated()

    def test_each_day_is_charged_once_at_its_local_midnight(self):
        self.charge("2026-06-10 10:00:00")
        for moment in ("10 11:59", "10 12:01", "10 20:00", "11 11:59", "11 12:00"):
            self.charge(f"2026-06-{moment}:00")
        self.assertEqual(
            self.rows(),
            {
                ("2026-06-10", "fixed", "Service"): 12,
                ("2026-06-11", "fixed", "Meter"): Decimal("0.5"),
                ("2026-06-12", "fixed", "Meter"): Decimal("0.5"),
            },
        )
        self.assertEqual(self.exact_balance(), 1000 - 13 * TAX)
        self.assert_rerated()

    def test_days_that_were_missed_are_caught_up(self):
        self.charge("2026-06-10 10:00:00")
        self.charge("2026-07-02 10:00:00")
        rows = self.rows()
        self.assertEqual(len(rows), 22 + 2)
        self.assertEqual(rows["2026-07-01", "fixed", "Service"], 12)
        self.assert_rerated()

    def test_the_charge_goes_with_the_wallet_and_version_of_the_day(self):
        self.charge("2026-06-10 10:00:00")
        other = self.wallet.copy({"name": "Next tenant"})
        self.ingest((0, "1"), (36000, "2"))  # 11 June, until 10:00 local
        self.point.wallet_id = other
        self.version.copy({"valid_from": "2026-06-13"}).fixed_ids[0].amount = 0.75
        self.charge("2026-06-12 13:00:00")
        usage = self.env["energy.usage"].search(
            [("service_point_id", "=", self.point.id), ("kind", "=", "fixed")]
        )
        self.assertEqual(
            {(str(row.day), row.charge, row.wallet_id, row.amount) for row in usage},
            {
                ("2026-06-10", "Service", self.wallet, 12),
                ("2026-06-11", "Meter", self.wallet, 0.5),
                ("2026-06-12", "Meter", other, 0.5),
                ("2026-06-13", "Meter", other, 0.75),
            },
        )
        self.assert_rerated()

    def test_no_meter_no_charge(self):
        self.charge("2026-06-10 10:00:00")
        self.meter.installation_ids.date_to = "2026-06-10 20:00:00"
        self.env["energy.meter.installation"].create(
            {
                "meter_id": self.meter.id,
                "service_point_id": self.point.id,
                "date_from": "2026-06-12 20:00:00",
            }
        )
        self.charge("2026-06-13 13:00:00")
        self.assertEqual(
            {day for day, _kind, charge in self.rows() if charge == "Meter"},
            {"2026-06-11", "2026-06-14"},
        )

    def test_an_empty_wallet_is_cut_by_a_charge_too(self):
        credit(self.wallet, "-990", "down")
        self.assertEqual(self.wallet.level, "low")
        self.charge("2026-06-10 10:00:00")
        self.assertEqual(self.wallet.level, "cut")

    def test_many_points_take_several_batches(self):
        for number in range(3):
            add_point(self, f"M-C{number}", wallet_id=self.wallet.id)
        self.charge("2026-06-10 10:00:00")
        self.assertEqual(self.exact_balance(), 1000 - 4 * 12 * TAX)

    def test_a_tariff_without_a_version_in_force_charges_nothing(self):
        self.version.state = "draft"
        with freeze_time("2026-06-10 10:00:00"):
            self.assertEqual(self.point._charge_batch(self.tariff, 1), 0)
        self.assertFalse(self.point.charged_from)

    def test_a_correction_reaches_fixed_charges(self):
        self.charge("2026-06-10 10:00:00")
        self.charge("2026-06-13 13:00:00")
        draft = self.version.browse(self.version.action_correct()["res_id"])
        draft.valid_from = "2026-06-12"
        draft.fixed_ids[0].amount = 2
        wizard = self.env["energy.tariff.enforce"].create(
            {"version_id": draft.id, "rerate": True, "reason": "Wrong rent"}
        )
        wizard.action_enforce()
        with self.enter_registry_test_mode():
            self.env.ref("prepaid_energy.cron_rerate").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(self.exact_balance(), 1000 - (12 + Decimal("6.5")) * TAX)

    # ------------------------------------------------------------------ month end

    def peak_power(self):
        """Demand by hour and a minimum; 30 kWh in one hour of 20 June."""
        self.version.demand_ids = [
            Command.create({"name": "Power", "price_per_kw": 2, "minutes": 60})
        ]
        self.version.write({"minimum_amount": 100, "minimum_demand": True})
        self.charge("2026-06-10 10:00:00")
        day = 9 * 86400
        self.ingest((0, "0"), (day, "0"), (day + 3600, "30"), (day + 7200, "40"))

    def test_demand_and_minimum_are_due_when_the_month_is_over(self):
        self.peak_power()
        self.charge("2026-06-30 12:30:00")  # 1 July: the last readings may be missing
        self.assertFalse(self.rows("demand", "minimum"))
        self.charge("2026-07-01 12:30:00")
        # energy 40 x 0.25, fixed 12 + 20 x 0.5, demand 30 kW x 2, so 8 are missing
        self.assertEqual(
            self.rows("demand", "minimum"),
            {
                ("2026-06-30", "demand", "Power"): 60,
                ("2026-06-30", "minimum", None): 8,
            },
        )
        self.charge("2026-07-03 12:30:00")
        self.assertEqual(len(self.rows("demand", "minimum")), 2)
        self.assert_rerated()

    def test_a_month_without_consumption_still_has_its_minimum(self):
        self.version.minimum_amount = 100
        self.charge("2026-06-10 10:00:00")
        self.charge("2026-08-02 12:30:00")
        self.assertEqual(
            {day for day, _kind, _charge in self.rows("minimum")},
            {"2026-06-30", "2026-07-31"},
        )
        self.assert_rerated()

    def test_demand_stays_with_the_tariff_at_the_maximum(self):
        self.peak_power()
        second = self.env["energy.tariff"].create(
            {
                "name": "Second",
                "tz": self.tariff.tz,
                "version_ids": [Command.create(flat_version("2020-01-01", 0.1))],
            }
        )
        self.point.tariff_id = second
        self.ingest((12 * 86400, "50"))
        with freeze_time("2026-07-01 12:30:00"):
            self.point._charge_batch(second, 10)
        usage = self.env["energy.usage"].search(
            [("service_point_id", "=", self.point.id), ("kind", "=", "demand")]
        )
        self.assertEqual((usage.tariff_id, usage.amount), (self.tariff, 60))
        self.assert_rerated()

    def test_the_cron_runs_it(self):
        with self.enter_registry_test_mode():
            self.env.ref("prepaid_energy.cron_charge").method_direct_trigger()
        self.env.invalidate_all()
        self.assertEqual(self.exact_balance(), 1000 - 12 * TAX)
