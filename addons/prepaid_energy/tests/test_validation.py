from datetime import UTC, datetime, timedelta
from decimal import Decimal

from odoo.exceptions import UserError
from odoo.tests import freeze_time, tagged

from ..ingest.rerate import Rerating
from .common import EnergyCase, add_point, credit

DAY = 86400
HOUR = 3600
PRICE = Decimal("0.275")


@tagged("post_install", "-at_install")
class TestValidation(EnergyCase):
    def setUp(self):
        super().setUp()
        credit(self.wallet, "100", f"test:{self.id()}")
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = today - timedelta(days=3)

    def held(self, answer):
        return [row["reason"] for row in answer["held"]]

    # ------------------------------------------------------------------ rollover

    def test_a_register_rolls_over_after_its_digits(self):
        self.meter.register_digits = 5
        answer = self.ingest((0, "99990"), (HOUR, "99999.5"), (2 * HOUR, "10"))
        self.assertEqual(answer["accepted"], 3)
        self.assertEqual(self.exact_balance(), 100 - 20 * Decimal("0.275"))
        self.ingest((3 * HOUR, "30"))
        self.assertEqual(self.exact_balance(), 100 - 40 * Decimal("0.275"))

    def test_a_rollover_is_rated_again_alike(self):
        self.meter.register_digits = 5
        self.ingest((0, "99990"), (2 * HOUR, "10"), (5 * HOUR, "12"))
        balance = self.exact_balance()
        self.ingest((HOUR, "99995"), (3 * HOUR, "11"))
        self.run_tasks()
        self.assertEqual(self.exact_balance(), balance)

    def test_a_fall_that_is_no_rollover_is_held(self):
        self.meter.register_digits = 5
        self.ingest((0, "40000"))
        self.assertEqual(self.held(self.ingest((HOUR, "100"))), ["backwards"])
        self.assertEqual(self.held(self.ingest((HOUR, "100000"))), ["digits"])

    def test_the_physical_maximum_decides_where_it_is_known(self):
        self.meter.register_digits = 5
        self.point.max_power_kw = 10
        self.ingest((0, "60000"))
        self.assertEqual(self.held(self.ingest((HOUR, "60010.1"))), ["spike"])
        self.assertEqual(self.ingest((HOUR, "60010"))["accepted"], 1)
        # 50,000 kWh would take 5000 hours, so this fall is not a rollover
        self.assertEqual(self.held(self.ingest((2 * HOUR, "10010"))), ["backwards"])

    # ------------------------------------------------------------------ spikes

    def test_rules_of_the_class_say_what_a_spike_is(self):
        rules = self.env["energy.validation"].create({"name": "Presses", "margin": 2})
        self.point.write({"max_power_kw": 10, "validation_id": rules.id})
        self.ingest((0, "0"))
        self.assertEqual(self.ingest((HOUR, "20"))["accepted"], 1)
        self.assertEqual(self.held(self.ingest((2 * HOUR, "41"))), ["spike"])
        rules.spike = "accept"
        self.assertEqual(self.ingest((2 * HOUR, "41.5"))["accepted"], 1)
        self.assertEqual(self.held(self.ingest((3 * HOUR, "41"))), ["backwards"])

    # ------------------------------------------------------------------ late readings

    def test_a_late_reading_is_used_and_rated_again(self):
        self.ingest((-HOUR, "0"), (DAY + HOUR, "26"))  # an hour is one kWh
        self.assertEqual(self.exact_balance(), 100 - 26 * Decimal("0.275"))
        answer = self.ingest((0, "0"), (DAY, "26"), (HOUR * 30, "27"))
        self.assertEqual((answer["accepted"], answer["held"]), (3, []))
        self.run_tasks()
        usage = self.env["energy.usage"].search(
            [("service_point_id", "=", self.point.id), ("quantity", "!=", 0)]
        )
        self.assertEqual(
            {str(row.day): row.quantity for row in usage},
            {
                str(self.begin.date()): 26,
                str((self.begin + timedelta(days=1)).date()): 1,
            },
        )
        self.assertEqual(self.meter.last_register, 27)
        self.assertEqual(self.exact_balance(), 100 - 27 * Decimal("0.275"))

    def test_a_settled_day_gets_a_correction_that_says_why(self):
        self.ingest((0, "0"), (2 * DAY, "20"))
        while self.env["energy.usage"]._settle_batch(10):
            pass
        self.ingest((DAY, "15"))
        self.run_tasks()
        while self.env["energy.usage"]._settle_batch(10):
            pass
        rows = self.wallet.entry_ids.filtered(lambda row: row.kind == "correction")
        self.assertEqual(sorted(rows.mapped("amount")), [-1.375, 1.375])
        self.assertTrue(all("Late readings" in row.name for row in rows))

    def test_a_late_reading_is_judged_by_both_neighbours(self):
        self.ingest((0, "10"), (2 * HOUR, "14"))
        answer = self.ingest((HOUR, "9"), (HOUR + 1, "15"), (HOUR, "12"))
        self.assertEqual(self.held(answer), ["backwards", "backwards"])
        self.assertEqual(answer["accepted"], 1)
        answer = self.ingest((HOUR - 60, "12.5"), (HOUR + 60, "11.5"))
        self.assertEqual(self.held(answer), ["backwards", "backwards"])

    def test_the_rules_can_hold_late_readings(self):
        rules = self.env["energy.validation"].create({"name": "Strict", "late": "hold"})
        self.point.validation_id = rules
        self.ingest((0, "10"), (2 * HOUR, "14"))
        self.assertEqual(self.held(self.ingest((HOUR, "12"))), ["late"])

    def test_a_late_reading_of_a_removed_meter_is_of_its_old_point(self):
        self.ingest((0, "0"), (HOUR, "4"))
        removed = self.begin + timedelta(hours=3)
        self.meter.installation_ids.date_to = removed.replace(tzinfo=None)
        point, _meter = add_point(self, "M-X")
        point.installation_ids.date_to = removed.replace(tzinfo=None)
        self.env["energy.meter.installation"].create(
            {
                "meter_id": self.meter.id,
                "service_point_id": point.id,
                "date_from": (removed + timedelta(hours=1)).replace(tzinfo=None),
            }
        )
        answer = self.ingest((2 * HOUR, "10"), (3 * HOUR + 60, "11"), (5 * HOUR, "12"))
        self.assertEqual(self.held(answer), ["before_installation"])
        self.assertEqual(answer["accepted"], 2)
        self.run_tasks()
        self.assertEqual(self.exact_balance(), 100 - 10 * Decimal("0.275"))

    def test_a_task_that_fails_calls_a_person_and_waits(self):
        self.ingest((0, "0"), (2 * HOUR, "4"))
        empty = self.env["energy.tariff"].create({"name": "Empty", "tz": "UTC"})
        self.point.term_ids.tariff_id = empty
        self.ingest((HOUR, "1"))
        with self.enter_registry_test_mode():
            self.env.ref("prepaid_energy.cron_rerate").method_direct_trigger()
        self.env.invalidate_all()
        task = self.env["energy.rerating.task"].search([])
        self.assertIn("at least one version", task.problem)
        self.assertIn("rated again", self.point.activity_ids.summary)
        self.point.term_ids.tariff_id = self.tariff
        self.ingest((HOUR + 60, "1.5"))
        self.assertFalse(task.problem, "a new reason to rate is a new try")
        self.run_tasks()
        self.assertFalse(task.exists())

    # ------------------------------------------------------------------ exchange

    def test_a_meter_exchange_loses_nothing(self):
        self.ingest((0, "1000"), (HOUR, "1004"))
        moment = (self.begin + timedelta(hours=2)).replace(tzinfo=None)
        self.meter.installation_ids.write(
            {"date_to": moment, "closing_register": 1010.5}
        )
        self.assertEqual(self.exact_balance(), 100 - Decimal("10.5") * PRICE)
        new = self.env["energy.meter"].create(
            {"serial": "M-NEW", "gateway_id": self.gateway.id}
        )
        self.env["energy.meter.installation"].create(
            {
                "meter_id": new.id,
                "service_point_id": self.point.id,
                "date_from": moment,
                "opening_register": 3,
                "opening_counts": True,
            }
        )
        self.ingest((3 * HOUR, "5", "M-NEW"))
        self.assertEqual(self.exact_balance(), 100 - Decimal("12.5") * PRICE)
        Rerating(self.point, self.begin.date(), "x").run()
        self.assertEqual(self.exact_balance(), 100 - Decimal("12.5") * PRICE)

    def test_a_closing_register_below_the_last_reading_is_refused(self):
        self.ingest((0, "1000"), (HOUR, "1004"))
        moment = (self.begin + timedelta(hours=2)).replace(tzinfo=None)
        with self.assertRaisesRegex(UserError, "before is higher: 1004"):
            self.meter.installation_ids.write(
                {"date_to": moment, "closing_register": 1003}
            )

    # ------------------------------------------------------------------ gap and stuck

    def test_consumption_over_a_gap_is_marked(self):
        rules = self.env["energy.validation"].create({"name": "x", "gap_hours": 6})
        self.point.validation_id = rules
        self.ingest((0, "0"), (6 * HOUR, "1"), (13 * HOUR, "2"))
        self.ingest((20 * HOUR, "3"))
        marked = self.env["energy.reading"].search(
            [("meter_id", "=", self.meter.id), ("quality", "=", "estimated")]
        )
        self.assertEqual(sorted(marked.mapped("register")), [2, 3])

    def test_a_register_that_stands_still_calls_a_person(self):
        rules = self.env["energy.validation"].create({"name": "x", "stuck_hours": 24})
        self.point.validation_id = rules
        Meter = self.env["energy.meter"]
        self.ingest((0, "5"), (20 * HOUR, "5"))
        self.env.flush_all()
        Meter._cron_watch_stuck()
        self.assertFalse(self.point.activity_ids)
        self.ingest((25 * HOUR, "5"))
        for _again in range(2):
            Meter._cron_watch_stuck()
        self.assertEqual(len(self.point.activity_ids), 1)
        self.assertIn("stands still", self.point.activity_ids.summary)

    def test_a_negative_register_is_named(self):
        answer = self.ingest((0, "-5"))
        self.assertEqual(answer["rejected"], [{"index": 0, "reason": "negative"}])

    # ------------------------------------------------------------------ retention

    def test_old_readings_are_dropped_and_then_cannot_be_rated(self):
        begin = datetime(2024, 3, 20, tzinfo=UTC)
        self.begin = begin
        self.ingest((0, "0"), (20 * DAY, "20"), (60 * DAY, "60"), (90 * DAY, "90"))
        Reading = self.env["energy.reading"]
        self.env["ir.config_parameter"].set_param("prepaid_energy.reading_months", "3")
        with freeze_time("2024-08-15"):
            Reading._cron_drop_partitions()
            self.assertEqual(len(self.stored()), 4, "nothing is settled yet")
            while self.env["energy.usage"]._settle_batch(100):
                pass
            Reading._cron_drop_partitions()
        self.assertEqual(
            [str(at.date()) for at in self.stored()], ["2024-05-19", "2024-06-18"]
        )
        balance = self.exact_balance()
        with self.assertRaisesRegex(UserError, "kept since 2024-05-01"):
            Rerating(self.point, datetime(2024, 5, 20).date(), "x").run()
        self.assertEqual(
            Rerating(self.point, datetime(2024, 6, 1).date(), "x").run(), 0
        )
        self.assertEqual(self.exact_balance(), balance)

    def stored(self):
        return (
            self.env["energy.reading"]
            .search([("meter_id", "=", self.meter.id)], order="at")
            .mapped("at")
        )
