"""What energy should have been: from readings to coefficients, days and CUSUM."""

import csv
import gzip
import os
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from psycopg2 import IntegrityError

from odoo import Command
from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL, mute_logger

from .common import EnergyCase, add_point

FIRST = date(2026, 3, 2)  # a Monday
STEP = 2  # hours between readings


class BaselineCase(EnergyCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.department = cls.env["hr.department"].create({"name": "Extrusion"})
        cls.line = cls.env["energy.line"].create(
            {
                "name": "Extruder 2",
                "site_id": cls.site.id,
                "department_id": cls.department.id,
            }
        )
        cls.line_point, cls.line_meter = add_point(cls, "L-1")
        cls.env["energy.line.point"].create(
            {"line_id": cls.line.id, "service_point_id": cls.line_point.id}
        )
        cls.unit = cls.env.ref("uom.product_uom_unit")

    def setUp(self):
        super().setUp()
        self.begin = datetime(FIRST.year, FIRST.month, FIRST.day, tzinfo=UTC)

    def consume(self, energies, serial="L-1", missing=()):
        """Readings every two hours; of days in ``missing`` only those at midnight."""
        register, rows = Decimal(0), [(0, "0", serial)]
        for number, energy in enumerate(energies):
            for step in range(1, 24 // STEP + 1):
                register += Decimal(energy) * STEP / 24
                if number not in missing or step == 24 // STEP:
                    seconds = number * 86400 + step * STEP * 3600
                    rows.append((seconds, str(register), serial))
        answer = self.ingest(*rows)
        self.assertEqual(answer["accepted"], len(rows), answer)
        self.env["energy.interval"]._roll_up()

    def outputs(self, quantities, line=None, **values):
        return self.env["energy.line.output"].create(
            [
                {
                    "line_id": (line or self.line).id,
                    "day": FIRST + timedelta(days=number),
                    "quantity": quantity,
                    **values,
                }
                for number, quantity in enumerate(quantities)
                if quantity is not None
            ]
        )

    def temperatures(self, means):
        self.env["energy.degree.day"].create(
            [
                {
                    "site_id": self.site.id,
                    "day": FIRST + timedelta(days=number),
                    "mean": mean,
                }
                for number, mean in enumerate(means)
            ]
        )

    def baseline(self, days, **values):
        return self.env["energy.baseline"].create(
            {
                "name": "Extruder 2, spring",
                "line_id": self.line.id,
                "date_from": FIRST,
                "date_to": FIRST + timedelta(days=days - 1),
                **values,
            }
        )

    def days(self, baseline):
        """{number of the day: (actual, expected, difference, cusum)}, exact."""
        rows = self.env.execute_query(
            SQL(
                "SELECT day, actual::text, expected::text, difference::text, "
                "cusum::text FROM energy_baseline_day WHERE baseline_id = %s",
                baseline.id,
            )
        )
        return {
            (day - FIRST).days: tuple(map(Decimal, values)) for day, *values in rows
        }


@tagged("post_install", "-at_install")
class TestBaseline(BaselineCase):
    # 20 days: base load 120, 12 for each piece, 6 for each heating degree day
    PIECES = [number * 7 % 10 for number in range(20)]
    MEANS = [15 - number * 3 % 14 for number in range(20)]

    def energies(self, more=0):
        return [
            120 + 12 * pieces + 6 * (15 - mean) + (more if number >= 15 else 0)
            for number, (pieces, mean) in enumerate(
                zip(self.PIECES, self.MEANS, strict=True)
            )
        ]

    def fitted(self, **values):
        self.outputs(self.PIECES)
        self.temperatures(self.MEANS)
        baseline = self.baseline(15, use_output=True, use_heating=True, **values)
        baseline.action_fit()
        return baseline

    def test_the_coefficients_are_found_again(self):
        self.consume(self.energies(more=12))
        baseline = self.fitted()
        self.assertEqual(
            baseline.driver_ids.mapped("driver"), ["days", "output", "heating"]
        )
        self.assertEqual(baseline.driver_ids.mapped("coefficient"), [120, 12, 6])
        self.assertEqual((baseline.r2, baseline.days_used), (1, 15))
        self.assertEqual((baseline.error, baseline.days_missing), (0, 0))

    def test_what_is_used_beyond_expectation_adds_up(self):
        self.consume(self.energies(more=12))
        baseline = self.fitted(target_percent=5)
        days = self.days(baseline)
        self.assertEqual(len(days), 20)
        self.assertEqual({days[n][2:] for n in range(15)}, {(0, 0)})
        self.assertEqual([days[n][3] for n in range(15, 20)], [12, 24, 36, 48, 60])
        after = sum(self.energies()[15:])
        self.assertEqual((baseline.expected, baseline.actual), (after, after + 60))
        self.assertEqual(baseline.change_percent, round(100 * 60 / after, 1))
        goal = self.env["energy.baseline.report"]._read_group(
            [("baseline_id", "=", baseline.id), ("kind", "=", "target")],
            aggregates=["energy:sum"],
        )[0][0]
        before = sum(self.energies()[:15])
        self.assertAlmostEqual(goal, before + after * 0.95)

    def test_the_target_moves_without_a_new_fit(self):
        self.consume(self.energies())
        baseline = self.fitted()
        fitted_at = baseline.fitted_at
        baseline.target_percent = 10
        last = self.env["energy.baseline.day"].search(
            [("baseline_id", "=", baseline.id)], limit=1
        )
        self.assertAlmostEqual(last.target, last.expected * 0.9)
        self.assertEqual(baseline.fitted_at, fitted_at)

    def test_days_with_missing_data_are_left_out(self):
        """Day 3 has no readings within it, day 5 no output, day 16 neither."""
        self.consume(self.energies(more=12), missing=(3, 16))
        self.outputs(None if n in (5, 16) else p for n, p in enumerate(self.PIECES))
        self.temperatures(self.MEANS)
        baseline = self.baseline(15, use_output=True, use_heating=True)
        baseline.action_fit()
        self.assertEqual((baseline.days_used, baseline.days_missing), (13, 2))
        self.assertEqual(baseline.driver_ids.mapped("coefficient"), [120, 12, 6])
        days = self.days(baseline)
        self.assertEqual({*range(20)} - {*days}, {3, 5, 16})
        self.assertEqual(days[19][3], 48)  # the day that is left out adds nothing

    def test_a_day_on_which_one_of_two_points_is_missing_is_left_out(self):
        point, _meter = add_point(self, "L-2")
        self.env["energy.line.point"].create(
            {"line_id": self.line.id, "service_point_id": point.id}
        )
        self.consume([48] * 4)
        self.consume([24] * 3, serial="L-2")
        self.assertEqual(
            self.baseline(4)._measured(FIRST, FIRST + timedelta(days=3)),
            {FIRST + timedelta(days=n): 72 for n in range(3)},
        )

    def test_the_site_is_what_comes_in_at_its_top(self):
        feeder, _meter = add_point(self, "FEEDER")
        (self.line_point + self.point).parent_id = feeder
        self.consume([48] * 2)
        self.consume([72] * 2, serial="FEEDER")
        baseline = self.baseline(2, line_id=False, site_id=self.site.id)
        self.assertEqual(
            set(baseline._measured(FIRST, FIRST + timedelta(days=1)).values()), {72}
        )

    def test_a_driver_without_variation_is_told(self):
        self.consume(self.energies())
        self.outputs([5] * 20)
        baseline = self.baseline(15, use_output=True)
        baseline.action_fit()
        self.assertEqual(baseline.driver_ids.mapped("problem"), [False, "same"])
        self.assertEqual(baseline.driver_ids[1].coefficient, 0)
        self.assertIn("Output: does not vary", baseline.warning)

    def test_a_poor_fit_is_told(self):
        self.consume([120 + 12 * (number * 7 % 10) for number in range(20)])
        self.temperatures([15 - number % 2 for number in range(20)])
        baseline = self.baseline(20, use_heating=True)
        baseline.action_fit()
        self.assertLess(baseline.r2, 0.5)
        self.assertIn("A poor fit", baseline.warning)
        self.assertIn("Heating Degree Days: the data does not show", baseline.warning)

    def test_working_hours_are_a_driver(self):
        calendar = self.env["resource.calendar"].create(
            {
                "name": "One shift",
                "tz": "UTC",
                "attendance_ids": [Command.clear()]
                + [
                    Command.create(
                        {
                            "name": "Shift",
                            "dayofweek": str(day),
                            "hour_from": 6,
                            "hour_to": 14,
                        }
                    )
                    for day in range(5)
                ],
            }
        )
        self.consume([48 + (number % 7 < 5) * 240 for number in range(14)])
        baseline = self.baseline(14, calendar_id=calendar.id)
        baseline.action_fit()
        self.assertEqual(baseline.driver_ids.mapped("coefficient"), [48, 30])

    def test_too_few_days(self):
        self.consume([24] * 2)
        baseline = self.baseline(2, use_cooling=True)
        with self.assertRaisesRegex(UserError, "only 0 days of the period"):
            baseline.action_fit()
        self.assertFalse(baseline.fitted_at)

    def test_coefficients_stay_when_readings_come_late(self):
        """The days follow, in the night; the fit does not."""
        self.consume(self.energies(), missing=(2,))
        baseline = self.fitted()
        self.assertNotIn(2, self.days(baseline))
        self.assertEqual(baseline.days_used, 14)
        before = sum(self.energies()[:2])
        hourly = Decimal(self.energies()[2]) / 24
        late = [
            (172800 + hour * 3600, str(before + hourly * hour), "L-1")
            for hour in range(STEP, 24, STEP)
        ]
        self.assertEqual(self.ingest(*late)["accepted"], len(late))
        self.run_tasks()
        self.env["energy.interval"]._roll_up()
        with self.enter_registry_test_mode():
            self.env.ref("prepaid_energy.cron_baselines").method_direct_trigger()
        self.assertEqual(self.days(baseline)[2][0], self.energies()[2])
        self.assertEqual(baseline.days_used, 14)
        self.assertEqual(baseline.driver_ids.mapped("coefficient"), [120, 12, 6])

    def test_other_drivers_drop_the_fit(self):
        self.consume(self.energies())
        baseline = self.fitted()
        baseline.heating_base = 16
        self.assertFalse(baseline.fitted_at)
        self.assertFalse(baseline.driver_ids)
        self.assertEqual(self.days(baseline), {})

    def test_the_cumulative_sum_of_a_week_is_that_of_its_last_day(self):
        self.consume(self.energies(more=12))
        baseline = self.fitted()
        groups = self.env["energy.baseline.day"]._read_group(
            [("baseline_id", "=", baseline.id)], ["day:week"], ["cusum:sum"]
        )
        self.assertEqual([cusum for _week, cusum in groups], [0, 0, 60])
        other = baseline.copy()
        other.action_fit()
        both = self.env["energy.baseline.day"]._read_group(
            [], aggregates=["cusum:sum", "actual:sum"]
        )
        self.assertFalse(both[0][0])  # of two baselines there is none

    def test_who_may_do_what(self):
        self.consume(self.energies())
        baseline = self.fitted()
        user = new_test_user(
            self.env, "base_user", groups="prepaid_energy.group_energy_user"
        )
        manager = new_test_user(
            self.env, "base_manager", groups="prepaid_energy.group_energy_manager"
        )
        with self.assertRaises(AccessError):
            baseline.with_user(user).action_fit()
        with self.assertRaisesRegex(UserError, "the fit decides it"):
            baseline.with_user(manager).write({"r2": 1})
        with self.assertRaisesRegex(UserError, "Fit the baseline"):
            self.env["energy.baseline.driver"].with_user(manager).create(
                {"baseline_id": baseline.id, "driver": "days"}
            )
        with self.assertRaises(AccessError):
            baseline.driver_ids.with_user(manager).write({"coefficient": 1})
        baseline.with_user(manager).action_fit()
        for model in ("energy.baseline.day", "energy.baseline.report"):
            self.assertTrue(self.env[model].with_user(user).search_count([]))
            with self.assertRaises(AccessError):
                self.env[model].with_user(self.portal_user).search([])

    def test_another_company_sees_nothing(self):
        self.consume(self.energies())
        self.fitted()
        company = self.env["res.company"].create({"name": "Elsewhere"})
        stranger = new_test_user(
            self.env,
            "base_stranger",
            groups="prepaid_energy.group_energy_manager",
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        for model in (
            "energy.baseline",
            "energy.baseline.driver",
            "energy.baseline.day",
            "energy.baseline.report",
            "energy.line.output",
            "energy.degree.day",
        ):
            self.assertTrue(self.env[model].search_count([]), model)
            self.assertFalse(self.env[model].with_user(stranger).search([]), model)


@tagged("post_install", "-at_install")
class TestOutput(BaselineCase):
    def test_output_is_converted_to_the_unit_of_the_baseline(self):
        dozen = self.env.ref("uom.product_uom_dozen")
        product = self.env["product.product"].create({"name": "Profile"})
        self.outputs([24, 2], uom_id=self.unit.id)
        self.outputs([1, 3], product_id=product.id, uom_id=dozen.id)
        baseline = self.baseline(2, use_output=True)
        days = [FIRST, FIRST + timedelta(days=1)]
        self.assertEqual(
            baseline._values_output(*days), dict(zip(days, (36, 38), strict=True))
        )
        baseline.product_ids = product
        self.assertEqual(
            baseline._values_output(*days), dict(zip(days, (12, 36), strict=True))
        )

    def test_units_that_cannot_be_added_are_named(self):
        self.outputs([24], uom_id=self.env.ref("uom.product_uom_kgm").id)
        baseline = self.baseline(2, use_output=True)
        with self.assertRaisesRegex(UserError, "2026-03-02.*converted"):
            baseline._values_output(FIRST, FIRST)

    def test_bad_output_is_refused(self):
        kilo = self.env.ref("uom.product_uom_kgm")
        product = self.env["product.product"].create({"name": "Profile"})
        with self.assertRaisesRegex(ValidationError, "not measured in kg"):
            self.outputs([1], product_id=product.id, uom_id=kilo.id)
        with self.assertRaisesRegex(ValidationError, "not over"):
            self.outputs([1], day=date.today() + timedelta(days=2))
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
            self.outputs([-1])

    def test_one_output_a_day_and_product(self):
        self.outputs([1])
        with mute_logger("odoo.sql_db"), self.assertRaises(IntegrityError):
            self.outputs([2])

    def test_output_is_imported_from_a_spreadsheet(self):
        user = new_test_user(
            self.env, "importer", groups="prepaid_energy.group_energy_operator"
        )
        answer = (
            self.env["energy.line.output"]
            .with_user(user)
            .load(
                ["day", "line_id", "quantity", "uom_id"],
                [
                    ["2026-03-02", "Extruder 2", "12.5", "kg"],
                    ["2026-03-03", "Extruder 2", "0", "kg"],
                ],
            )
        )
        self.assertFalse(answer["messages"])
        outputs = self.env["energy.line.output"].browse(answer["ids"])
        self.assertEqual(outputs.mapped("quantity"), [12.5, 0])

    def test_only_a_line_has_an_output(self):
        with self.assertRaisesRegex(ValidationError, "only a production line"):
            self.baseline(2, line_id=False, site_id=self.site.id, use_output=True)


@tagged("post_install", "-at_install")
class TestSteelWorks(BaselineCase):
    """A real year of a steel works: quarter hours of 2018, metered in Seoul."""

    def test_a_real_year(self):
        beside = Path(__file__).parents[3].parent / "shared"
        folder = Path(os.environ.get("PREPAID_SHARED", beside))
        path = folder / "data/loads/steel_seoul_2018.csv.gz"
        self.site.tz = "Asia/Seoul"
        register, rows, total = Decimal(0), [], Decimal(0)
        with gzip.open(path, "rt") as file:
            for number, row in enumerate(csv.DictReader(file)):
                at = datetime.fromisoformat(row["start_utc"])
                if number % 4 == 0:
                    rows.append([at.isoformat(), str(register)])
                register += Decimal(row["kwh"])
        total = register
        end = at + timedelta(minutes=15)
        rows.append([end.isoformat(), str(register)])
        self.line_meter.installation_ids.date_from = "2017-01-01 00:00:00"
        for number in range(0, len(rows), 2000):
            part = [["L-1", *row] for row in rows[number : number + 2000]]
            answer = self.bridge.ingest({"uid": f"steel-{number}", "readings": part})
            self.assertEqual(answer["accepted"], len(part))
        self.env["energy.interval"]._roll_up(self.line_point)
        calendar = self.env["resource.calendar"].create(
            {"name": "Weekdays", "tz": "Asia/Seoul"}
        )
        baseline = self.baseline(
            1,
            date_from="2018-01-01",
            date_to="2018-06-30",
            calendar_id=calendar.id,
        )
        baseline.action_fit()
        self.assertEqual((baseline.days_used, baseline.days_missing), (181, 0))
        self.assertTrue(0.3 < baseline.r2 < 0.9)
        days = self.days(baseline)
        self.assertEqual(len(days), 365)
        self.assertEqual(sum(day[0] for day in days.values()), total)
        new_year = (date(2018, 6, 30) - FIRST).days
        self.assertLess(abs(days[new_year][3]), Decimal("0.001"))
        self.assertGreater(abs(days[new_year + 184][3]), 1000)
