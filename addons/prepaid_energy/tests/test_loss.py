"""Losses of feeders: what is measured, what is technical, what is left out."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import freeze_time, tagged
from odoo.tools import SQL

from ..exchange.loss_picture import heat_map
from ..models.clock import local_day
from .common import add_point
from .test_interval import IntervalCase

HOUR = 3600


class LossCase(IntervalCase):
    """A feeder with two sub-meters and hourly readings."""

    days = 2
    hour = None  # of the day, at which it begins
    since = None  # a moment instead

    def setUp(self):
        super().setUp()
        now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
        if self.hour is not None:
            now = (now - timedelta(days=1)).replace(hour=self.hour)
        self.begin = self.since or now - timedelta(days=self.days)
        self.feeder, self.feeder_meter = add_point(self, "F", has_relay=False)
        self.a, _meter = add_point(self, "A", parent_id=self.feeder.id)
        self.b, _meter = add_point(self, "B", parent_id=self.feeder.id)
        self.sums = {"F": Decimal(0), "A": Decimal(0), "B": Decimal(0)}
        self.hour_number = 0
        self.hand_over()

    def hand_over(self, leave_out=()):
        self.ingest(
            *(
                (self.hour_number * HOUR, str(value), serial)
                for serial, value in self.sums.items()
                if serial not in leave_out
            )
        )

    def run_hours(self, count, feeder, a, b, leave_out=()):
        """Hours of even load, in kW."""
        for _number in range(count):
            self.hour_number += 1
            for serial, power in (("F", feeder), ("A", a), ("B", b)):
                self.sums[serial] += Decimal(str(power))
            self.hand_over(leave_out)

    def losses(self, feeder=None):
        self.env["energy.interval"]._roll_up()
        self.env.invalidate_all()
        return self.env["energy.loss"].search(
            [("service_point_id", "=", (feeder or self.feeder).id)], order="at"
        )


@tagged("post_install", "-at_install")
class TestLoss(LossCase):
    def test_a_feeder_loses_what_its_sub_meters_do_not_measure(self):
        self.run_hours(2, 100, 60, 35)
        rows = self.losses()
        self.assertEqual(rows.mapped("measured"), [100, 100])
        self.assertEqual(rows.mapped("submetered"), [95, 95])
        self.assertEqual(rows.mapped("loss"), [5, 5])
        self.assertEqual(rows.mapped("unexplained"), [5, 5])
        self.assertEqual(rows.mapped("percent"), [5, 5])
        # 0.25 and 10 % levy, the feeder's price
        self.assertEqual(rows.mapped("amount"), [1.375, 1.375])

    def test_what_is_technical_needs_no_explanation(self):
        self.feeder.write({"loss_fixed": 0.5, "loss_percent": 1, "loss_load": 0.25})
        self.run_hours(1, 200, 120, 70)
        row = self.losses()
        self.assertEqual(row.expected, 0.5 + 2 + 1)
        self.assertEqual(row.unexplained, 6.5)
        expected = self.feeder._technical().expected(Decimal(200))
        self.assertEqual(float(expected), row.expected)

    def test_a_new_technical_loss_counts_for_the_past_as_well(self):
        self.run_hours(3, 100, 60, 35)
        self.losses()
        self.feeder.loss_fixed = 2
        self.assertEqual(self.losses().mapped("unexplained"), [3, 3, 3])

    def test_missing_data_is_not_loss(self):
        self.run_hours(2, 100, 60, 35)
        self.run_hours(3, 100, 60, 35, leave_out=("B",))
        rows = self.losses()
        self.assertEqual(rows.mapped("known"), [1, 1, 0, 0, 0])
        self.assertEqual(rows.mapped("missing"), [0, 0, 1, 1, 1])
        self.assertEqual(sum(rows.mapped("loss")), 10)
        self.assertEqual(sum(rows.mapped("left_out")), 300)
        self.assertEqual(
            self.env["energy.loss"]._read_group(
                [("service_point_id", "=", self.feeder.id)],
                [],
                ["percent:avg", "coverage:avg"],
            ),
            [(Decimal(5), Decimal(40))],
        )

    def test_late_data_is_known_later(self):
        self.run_hours(2, 100, 60, 35, leave_out=("B",))
        self.assertEqual(self.losses().mapped("known"), [0, 0])
        self.ingest((HOUR, "35", "B"), (2 * HOUR, "70", "B"))
        self.run_tasks()
        rows = self.losses()
        self.assertEqual(rows.mapped("known"), [1, 1])
        self.assertEqual(rows.mapped("loss"), [5, 5])

    def test_a_gap_of_the_feeder_is_left_out_too(self):
        self.run_hours(4, 100, 60, 35, leave_out=("F",))
        self.run_hours(1, 100, 60, 35)
        self.assertEqual(self.losses().mapped("known"), [0] * 5)

    def test_a_point_without_meter_hands_down_to_those_below(self):
        self.run_hours(1, 100, 60, 35)
        board = self.env["energy.service.point"].create(
            {
                "name": "Board",
                "site_id": self.site.id,
                "tariff_id": self.tariff.id,
                "parent_id": self.feeder.id,
            }
        )
        self.b.parent_id = board
        self.assertEqual(self.losses().mapped("loss"), [5])

    def test_other_commodities_are_no_part_of_it(self):
        tariff = self.tariff.copy({"name": "Water", "commodity": "water"})
        self.b.write({"commodity": "water", "tariff_id": tariff.id})
        self.run_hours(1, 100, 60, 35)
        self.assertEqual(self.losses().mapped("loss"), [40])

    def test_a_meter_that_came_later_is_not_missed_before(self):
        self.b.installation_ids.date_from = self.begin.replace(tzinfo=None) + timedelta(
            hours=2
        )
        self.sums.pop("B")
        rest = self.sums
        self.sums = {"F": Decimal(0), "A": Decimal(0)}
        self.assertTrue(rest)
        for number in (1, 2):
            self.ingest((number * HOUR, str(100 * number), "F"))
            self.ingest((number * HOUR, str(95 * number), "A"))
        rows = self.losses()
        self.assertEqual(rows.mapped("known"), [1, 1])
        self.assertEqual(rows.mapped("sub_count"), [1, 1])

    def test_a_meter_put_in_front_of_others_is_no_loss_before(self):
        self.run_hours(2, 100, 60, 35)
        board, _meter = add_point(self, "Board", parent_id=self.feeder.id)
        begin = self.begin.replace(tzinfo=None)
        board.installation_ids.date_from = begin + timedelta(hours=2)
        self.ingest((2 * HOUR, "0", "Board"))
        self.b.parent_id = board
        self.run_hours(2, 100, 60, 35)
        self.ingest((3 * HOUR, "36", "Board"), (4 * HOUR, "72", "Board"))
        rows = self.losses()
        self.assertEqual(rows.mapped("known"), [1, 1, 1, 1])
        self.assertEqual(rows.mapped("sub_count"), [2, 2, 2, 2])
        self.assertEqual(rows.mapped("loss"), [5, 5, 4, 4])
        self.assertEqual(self.losses(board).mapped("loss")[-2:], [1, 1])

    def test_the_hour_in_which_a_meter_is_put_in_front_is_left_out(self):
        self.run_hours(2, 100, 60, 35)
        board, _meter = add_point(self, "Board", parent_id=self.feeder.id)
        begin = self.begin.replace(tzinfo=None)
        board.installation_ids.date_from = begin + timedelta(minutes=90)
        self.ingest((5400, "0", "Board"), (2 * HOUR, "18", "Board"))
        self.b.parent_id = board
        self.assertEqual(self.losses().mapped("known"), [1, 0])

    def test_the_technical_loss_is_found_in_the_past(self):
        for number in range(30):
            load = 50 + 3 * (number % 10)
            lost = 1 + load * 0.02
            self.run_hours(1, load, load - lost - 5, 5)
        self.losses()
        self.feeder.action_fit_losses()
        self.assertAlmostEqual(self.feeder.loss_fixed, 1, 3)
        self.assertAlmostEqual(self.feeder.loss_percent, 2, 3)
        unexplained = sum(self.losses().mapped("unexplained"))
        self.assertAlmostEqual(unexplained, 0, 3)

    def test_too_few_hours_tell_nothing(self):
        self.run_hours(3, 100, 60, 35)
        self.losses()
        with self.assertRaisesRegex(UserError, "only 3 hours"):
            self.feeder.action_fit_losses()


@tagged("post_install", "-at_install")
class TestLossAlarm(LossCase):
    def watch(self):
        self.losses()
        self.env["energy.service.point"]._watch_losses()
        self.env.invalidate_all()
        return self.feeder._alarms("alarm_loss")

    def test_a_jump_calls_a_person_once_and_ends_with_hysteresis(self):
        self.feeder.loss_limit = 5
        self.run_hours(13, 100, 60, 38)
        self.assertFalse(self.watch())
        self.run_hours(11, 110, 60, 38)  # somebody connects 10 kW
        alarm = self.watch()
        self.assertEqual(len(alarm), 1)
        self.assertIn("Feeder" if "Feeder" in alarm.summary else "F", alarm.summary)
        self.assertTrue(self.feeder.loss_alarm)
        self.assertEqual(self.watch(), alarm)
        self.run_hours(24, 100, 60, Decimal("35.5"))  # 4.5 %: below the limit only
        self.assertEqual(self.watch(), alarm)
        with freeze_time(datetime.now(UTC).replace(tzinfo=None) + timedelta(days=1)):
            self.run_hours(24, 100, 60, 37)
            self.assertFalse(self.watch())
        self.assertFalse(self.feeder.loss_alarm)

    def test_missing_data_raises_no_alarm(self):
        self.run_hours(30, 110, 60, 38, leave_out=("B",))
        self.assertFalse(self.watch())

    def test_nobody_writes_the_alarm(self):
        manager = self.env["res.users"].create(
            {
                "name": "Manager",
                "login": "loss_manager",
                "group_ids": [
                    Command.link(self.env.ref("prepaid_energy.group_energy_manager").id)
                ],
            }
        )
        with self.assertRaisesRegex(UserError, "loss_alarm"):
            self.feeder.with_user(manager).write({"loss_alarm": True})


@tagged("post_install", "-at_install")
class TestLeaks(LossCase):
    def test_leaks_are_ranked_by_money(self):
        self.run_hours(30, 100, 60, 35)
        self.losses()
        leaks = self.env["energy.leak.report"].search(
            [("service_point_id", "in", (self.feeder | self.a | self.b).ids)]
        )
        loss = leaks.filtered(lambda leak: leak.kind == "loss")
        self.assertEqual(loss.service_point_id, self.feeder)
        self.assertAlmostEqual(loss.power, 5)
        self.assertAlmostEqual(loss.energy_month, 5 * 730)
        self.assertAlmostEqual(loss.amount_month, 5 * 730 * 0.275, 2)
        self.assertEqual(loss.coverage, 100)
        self.assertEqual(
            leaks.mapped("amount_month"), sorted(leaks.mapped("amount_month"))[::-1]
        )
        action = loss.action_open_hours()
        self.assertEqual(action["res_model"], "energy.loss")
        action = loss.action_open()
        self.assertEqual(action["res_id"], loss.service_point_id.id)
        [(view_id, kind)] = action["views"]
        self.assertEqual(kind, "form")
        view = self.env["ir.ui.view"].browse(view_id)
        self.assertIn("loss_picture", view.arch)

    def test_another_company_and_tenants_see_no_losses(self):
        self.run_hours(3, 100, 60, 35)
        self.losses()
        company = self.env["res.company"].create({"name": "Other"})
        user = self.env["res.users"].create(
            {
                "name": "Stranger",
                "login": "loss_stranger",
                "company_id": company.id,
                "company_ids": [Command.set(company.ids)],
                "group_ids": [
                    Command.link(self.env.ref("prepaid_energy.group_energy_manager").id)
                ],
            }
        )
        for model in ("energy.loss", "energy.leak.report"):
            self.assertFalse(self.env[model].with_user(user).search([]))
            with self.assertRaises(AccessError):
                self.env[model].with_user(self.portal_user).search([])

    def test_pictures_show_the_hole_and_the_gap(self):
        self.run_hours(3, 100, 60, 35)
        self.run_hours(2, 100, 60, 35, leave_out=("B",))
        self.losses()
        picture = str(self.feeder.loss_picture)
        self.assertEqual(picture.count("<title"), 5)
        self.assertIn("5.00 kWh", picture)
        self.assertEqual(picture.count(": ?"), 2)
        flow = str(self.site.flow_picture)
        self.assertIn("Lost:", flow)
        self.assertIn("Not known:", flow)
        self.assertIn(self.a.name, flow)
        self.assertFalse(self.b.loss_picture)

    def test_rows_that_are_gone_are_gone(self):
        self.run_hours(2, 100, 60, 35)
        self.losses()
        (self.a | self.b).parent_id = False
        self.assertFalse(self.losses())
        query = SQL("SELECT count(*) FROM energy_interval_again")
        count = self.env.execute_query(query)
        self.assertEqual(count, [(0,)])


@tagged("post_install", "-at_install")
class TestPictureClock(LossCase):
    """Hours and days of the pictures go by the clock of the site."""

    def titles(self, picture):
        return [cell["title"] for cell in picture["cells"]]

    def test_the_doubled_hour_has_two_cells(self):
        day = date(2026, 10, 25)
        rows = [(day, 1, 1.0), (day, 2, 5.0), (day, 2, 3.0), (day, 3, None)]
        picture = heat_map(rows, "Europe/Berlin")
        self.assertEqual(
            self.titles(picture),
            [
                "2026-10-25 01:00: 1.00 kWh",
                "2026-10-25 02:00 (1/2): 5.00 kWh",
                "2026-10-25 02:00 (2/2): 3.00 kWh",
                "2026-10-25 03:00: ?",
            ],
        )
        spans = sorted(
            (cell["x"], cell["x"] + cell["width"]) for cell in picture["cells"]
        )
        for (_left, right), (left, _right) in zip(spans, spans[1:], strict=False):
            self.assertLess(right, left, "no cell hides another")
        self.assertEqual(picture["skipped"], [])

    def test_the_skipped_hour_is_a_frame(self):
        day = date(2026, 3, 29)
        picture = heat_map([(day, 1, 4.0), (day, 3, 5.0)], "Europe/Berlin")
        [frame] = picture["skipped"]
        self.assertEqual(frame["title"], "2026-03-29 02:00")
        self.assertNotIn(frame["x"], [cell["x"] for cell in picture["cells"]])
        self.assertEqual(heat_map([(day, 1, 4.0)], "UTC")["skipped"], [])

    def test_the_day_of_a_clock(self):
        moment = datetime(2026, 6, 30, 23, 30)
        self.assertEqual(local_day("Asia/Tokyo", moment), date(2026, 7, 1))
        self.assertEqual(local_day("America/Lima", moment), date(2026, 6, 30))
        self.assertEqual(local_day(False, moment), date(2026, 6, 30))


@tagged("post_install", "-at_install")
class TestPictureNight(LossCase):
    since = datetime(2026, 10, 24, 22, tzinfo=UTC)

    def test_a_night_of_25_hours_on_the_page(self):
        self.site.tz = self.tariff.tz = "Europe/Berlin"
        self.run_hours(25, 100, 60, 35)
        self.losses()
        with freeze_time("2026-10-27 12:00:00"):
            picture = str(self.feeder.loss_picture)
        self.assertEqual(picture.count("<title"), 25)
        self.assertEqual(picture.count("02:00 ("), 2)
        self.assertNotIn("no such hour", picture)


@tagged("post_install", "-at_install")
class TestPictureDays(LossCase):
    since = datetime(2026, 6, 1, 1, tzinfo=UTC)  # 10:00 in Tokyo

    def test_the_last_days_end_with_the_day_of_the_site(self):
        self.site.tz = self.tariff.tz = "Asia/Tokyo"
        self.run_hours(2, 100, 60, 35)
        self.losses()
        flow_day = timedelta(days=2)  # it shows 30 days, the heat map 28
        # 28 June 23:59 there: the 28th day is the first of June
        with freeze_time("2026-06-28 14:59:00"):
            self.assertTrue(self.feeder.loss_picture)
        with freeze_time(datetime(2026, 6, 28, 14, 59) + flow_day):
            self.assertTrue(self.site.flow_picture)
        self.env.invalidate_all()
        with freeze_time("2026-06-28 15:01:00"):
            self.assertFalse(self.feeder.loss_picture)
        with freeze_time(datetime(2026, 6, 28, 15, 1) + flow_day):
            self.assertFalse(self.site.flow_picture)


@tagged("post_install", "-at_install")
class TestIdleLoad(LossCase):
    days = 9
    hour = 13

    def test_the_night_load_is_ranked_with_them(self):
        self.run_hours(9 * 24, 100, 60, 35)
        rows = self.losses()
        # made in two spans, of which one ends within a day
        self.assertEqual(
            {round(amount, 4) for amount in rows.mapped("amount")}, {1.375}
        )
        idle = self.env["energy.leak.report"].search(
            [("service_point_id", "=", self.a.id), ("kind", "=", "idle")]
        )
        self.assertAlmostEqual(idle.power, 60)
        self.assertAlmostEqual(idle.energy_year, 60 * 8760)
        self.assertAlmostEqual(idle.amount_month, 60 * 730 * 0.275, 2)

    def test_what_tenants_pay_is_told_apart(self):
        self.a.wallet_id = self.wallet
        self.run_hours(9 * 24, 100, 60, 35)
        self.losses()
        leaks = self.env["energy.leak.report"].search(
            [
                ("service_point_id", "in", (self.a | self.b | self.feeder).ids),
                ("wallet_kind", "!=", "tenant"),
            ]
        )
        self.assertEqual(leaks.service_point_id, self.b | self.feeder)

    def test_life_safety_has_to_run(self):
        self.a.life_safety = True
        self.run_hours(9 * 24, 100, 60, 35)
        self.losses()
        idle = self.env["energy.leak.report"].search(
            [
                ("service_point_id", "in", (self.a | self.b).ids),
                ("kind", "=", "idle"),
            ]
        )
        self.assertEqual(idle.service_point_id, self.b)

    def test_a_feeder_that_lost_nothing_leaks_not(self):
        self.run_hours(30, 94.9, 60, 35)
        self.assertLess(sum(self.losses().mapped("unexplained")), 0)
        self.assertFalse(
            self.env["energy.leak.report"].search(
                [("service_point_id", "=", self.feeder.id), ("kind", "=", "loss")]
            )
        )

    def test_the_standing_load_of_a_baseline_is_ranked(self):
        self.run_hours(3, 100, 60, 35)
        self.losses()
        baseline = self.env["energy.baseline"].create(
            {
                "name": "Point A",
                "service_point_id": self.a.id,
                "date_from": "2026-01-01",
                "date_to": "2026-03-31",
            }
        )
        # sudo: as the fit makes it
        self.env["energy.baseline.driver"].sudo().create(
            {"baseline_id": baseline.id, "driver": "days", "coefficient": 240}
        )
        standing = self.env["energy.leak.report"].search(
            [("kind", "=", "standing"), ("service_point_id", "=", self.a.id)]
        )
        self.assertAlmostEqual(standing.power, 10)
        self.assertAlmostEqual(standing.amount_month, 10 * 730 * 0.275, 2)
        action = standing.action_open_hours()
        self.assertEqual(action["domain"], [("service_point_id", "in", self.a.ids)])
