"""Phase imbalance: its hours, its alarm, its place among the leaks."""

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .test_interval import IntervalCase
from .test_loss import HOUR, LossCase


@tagged("post_install", "-at_install")
class TestPhases(IntervalCase):
    """What a meter reports of its phases."""

    def tell(self, second, *values, names=("i1", "i2", "i3"), serial="M-1"):
        telemetry = dict(zip(names, values, strict=True))
        self.ingest(telemetry=[[serial, self.at(second), telemetry]])

    def hours(self):
        return self.env["energy.phase"].search([], order="at")

    def test_phases_of_the_newest_telemetry(self):
        values = {"p": 9, "i1": "30", "i2": 30.0, "i3": "15"}
        self.ingest((0, "1"), telemetry=[["M-1", self.at(0), values]])
        self.assertEqual(self.meter.phases, "30 A / 30.0 A / 15 A")
        self.assertAlmostEqual(self.meter.imbalance, 40)

    def test_a_meter_without_phases_has_none(self):
        self.ingest((0, "1"), telemetry=[["M-1", self.at(0), {"p": 9, "i1": 4}]])
        self.assertFalse(self.meter.phases)
        self.assertFalse(self.meter.imbalance)

    def test_an_hour_has_the_means_of_its_phases(self):
        self.tell(0, 30, 20, 10)
        self.tell(60, 34, 22, 4)
        row = self.hours()
        self.assertEqual([row.phase1, row.phase2, row.phase3], [32, 21, 7])
        self.assertEqual((row.mean, row.deviation, row.samples), (20, 13, 2))
        self.assertEqual((row.percent, row.unit), (65, "A"))
        self.assertAlmostEqual(row.extra, (32**2 + 21**2 + 7**2) / 1200 - 1, 6)
        self.assertEqual(row.service_point_id, self.point)

    def test_all_telemetry_of_a_batch_counts_and_late_one_finds_its_hour(self):
        names = ("i1", "i2", "i3")
        rows = [
            ["M-1", self.at(second), dict.fromkeys(names, second // 60 + 1)]
            for second in (0, 60, HOUR, HOUR + 60)
        ]
        self.ingest(telemetry=rows)
        self.tell(120, 6, 6, 6)
        self.assertEqual(self.hours().mapped("samples"), [3, 2])
        self.assertEqual(self.hours().mapped("mean"), [3, 61.5])
        self.assertEqual(self.hours().mapped("percent"), [0, 0])

    def test_what_is_not_reported_is_no_imbalance(self):
        self.tell(0, 30, 30, None)
        self.tell(1, 30, 30, names=("i1", "i2"))
        self.tell(2, 30, 30, "much")
        self.assertFalse(self.hours())

    def test_a_dead_phase_is_one(self):
        self.tell(0, 30, 30, 0)
        self.assertEqual(self.hours().percent, 100)

    def test_nothing_flows(self):
        self.tell(0, 0, 0, 0)
        row = self.hours()
        self.assertEqual((row.percent, row.extra, row.samples), (0, 0, 1))
        self.tell(HOUR, 30, 15, 15)
        group = self.env["energy.phase"]._read_group([], [], ["percent:avg"])
        self.assertEqual(group[0][0], 50, "an idle hour says nothing")

    def test_powers_where_there_are_no_currents(self):
        self.tell(0, -30, 30, 15, names=("p1", "p2", "p3"))
        self.assertEqual((self.hours().unit, self.hours().percent), ("W", 40))

    def test_many_hours_are_weighted_by_load(self):
        self.tell(0, 300, 150, 150)  # 50 % of 200
        self.tell(HOUR, 1, 0.5, 0)  # 100 % of 0.5
        group = self.env["energy.phase"]._read_group([], [], ["percent:avg"])
        self.assertAlmostEqual(group[0][0], 100 * 100.5 / 200.5)

    def test_numbers_beyond_reason_do_no_harm(self):
        self.tell(0, "1E-9000", "1E-9000", "3")
        self.assertEqual(self.hours().mean, 1)
        self.ingest(telemetry=[["M-1", "2198-01-01T00:00:00Z", {"i1": 1}]])
        values = dict.fromkeys(("i1", "i2", "i3"), 1)
        self.ingest(telemetry=[["M-1", "2198-01-01T00:00:00Z", values]])
        self.assertEqual(len(self.hours()), 1)

    def test_before_it_was_installed_a_meter_tells_of_nobody(self):
        values = dict.fromkeys(("i1", "i2", "i3"), 1)
        self.ingest(telemetry=[["M-1", "1999-01-01T00:00:00Z", values]])
        self.assertFalse(self.hours())

    def test_the_hour_is_that_of_the_site(self):
        self.site.tz = "Asia/Kolkata"  # half an hour off
        self.tell(0, 1, 1, 1)
        row = self.hours()
        self.assertEqual(row.at.minute, 30)
        self.assertTrue(0 <= row.hour <= 23)

    def test_who_reads_them(self):
        self.tell(0, 1, 1, 1)
        user = new_test_user(self.env, "u", groups="prepaid_energy.group_energy_user")
        self.assertTrue(self.hours().with_user(user).search([]))
        company = self.env["res.company"].create({"name": "Other"})
        other = new_test_user(
            self.env,
            "o",
            groups="prepaid_energy.group_energy_manager",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        self.assertFalse(self.env["energy.phase"].with_user(other).search([]))
        with self.assertRaises(AccessError):
            self.hours().with_user(self.portal_user).read(["percent"])
        with self.assertRaises(AccessError):
            self.hours().with_user(user).write({"percent": 1})


@tagged("post_install", "-at_install")
class TestUnevenFeeder(LossCase):
    """A feeder's phases: alarm and leak."""

    def tell_hours(self, first, count, *values):
        phases = dict(zip(("i1", "i2", "i3"), values, strict=True))
        rows = [
            ["F", self.at(hour * HOUR + 60), phases]
            for hour in range(first, first + count)
        ]
        self.ingest(telemetry=rows)

    def watch(self):
        self.env["energy.service.point"]._watch_phases()
        return self.feeder._alarms("alarm_phases")

    def test_an_alarm_once_and_its_end(self):
        self.feeder.phase_limit = 30
        self.tell_hours(24, 11, 30, 15, 15)
        self.assertFalse(self.watch(), "too few hours are known")
        self.tell_hours(35, 13, 30, 15, 15)
        alarm = self.watch()
        self.assertEqual(len(alarm), 1)
        self.assertTrue(self.feeder.phase_alarm)
        self.assertIn("50.0 %", str(alarm.note))
        self.assertEqual(self.watch(), alarm)
        self.tell_hours(24, 24, 15, 22.5, 22.5)  # means: 22.5, 18.75, 18.75
        self.assertFalse(self.watch())
        self.assertFalse(self.feeder.phase_alarm)

    def test_no_limit_and_no_feeder_no_alarm(self):
        self.feeder.phase_limit = 0
        self.tell_hours(24, 24, 30, 15, 15)
        self.assertFalse(self.watch())
        self.feeder.phase_limit = 10
        (self.a | self.b).parent_id = False
        self.assertFalse(self.watch())

    def test_the_alarm_is_not_written_by_hand(self):
        manager = new_test_user(
            self.env, "m", groups="prepaid_energy.group_energy_manager"
        )
        feeder = self.feeder.with_user(manager)
        feeder.phase_limit = 20
        with self.assertRaises(UserError):
            feeder.phase_alarm = True
        with self.assertRaises(UserError):
            feeder.create(
                {
                    "name": "New",
                    "site_id": self.site.id,
                    "tariff_id": self.tariff.id,
                    "phase_alarm": True,
                }
            )

    def test_what_the_copper_loses_more_is_a_leak(self):
        self.feeder.loss_load = 2
        self.run_hours(47, 100, 60, 38)
        self.tell_hours(0, 40, 30, 15, 15)
        self.env["energy.interval"]._roll_up()
        self.env.invalidate_all()
        leak = self.env["energy.leak.report"].search([("kind", "=", "phases")])
        self.assertEqual(leak.service_point_id, self.feeder)
        self.assertAlmostEqual(leak.percent, 50)
        extra = (30**2 + 15**2 + 15**2) / (3 * 20**2) - 1
        self.assertAlmostEqual(leak.power, 2 * extra)
        self.assertAlmostEqual(leak.amount_month, 2 * extra * 730 * 0.275, 2)
        self.assertEqual(
            leak.action_open()["domain"],
            [("service_point_id", "=", self.feeder.id)],
        )

    def test_a_leak_without_a_known_copper_loss_is_one_above_the_limit(self):
        self.run_hours(47, 100, 60, 38)
        self.tell_hours(0, 40, 30, 15, 15)
        self.env["energy.interval"]._roll_up()
        leaks = [("kind", "=", "phases")]
        for limit, count in ((30, 1), (60, 0), (0, 0)):
            self.feeder.phase_limit = limit
            self.env.flush_all()
            self.env.invalidate_all()
            leak = self.env["energy.leak.report"].search(leaks)
            self.assertEqual(len(leak), count, limit)
            self.assertFalse(sum(leak.mapped("amount_month")))
