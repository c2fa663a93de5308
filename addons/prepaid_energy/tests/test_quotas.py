"""The arithmetic of quotas, by properties over random cases; no database."""

import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from odoo.tests import BaseCase

from ..models import quotas

RUNS = 300
CHICAGO = ZoneInfo("America/Chicago")


class TestQuotas(BaseCase):
    def setUp(self):
        super().setUp()
        self.random = random.Random(20261124)

    def number(self, low, high, digits=6):
        """A random Decimal."""
        scale = 10**digits
        return Decimal(self.random.randint(low * scale, high * scale)) / scale

    # ------------------------------------------------------------- levels

    def test_levels_are_read_as_people_write_them(self):
        self.assertEqual(quotas.parse_levels("100, 80 %;90,80"), [80, 90, 100])

    def test_what_is_no_level_is_refused(self):
        for text in ("", "80,,90", "x", "0", "-5", "1001", "NaN", "Infinity", None):
            with self.assertRaises(ValueError, msg=text):
                quotas.parse_levels(text)

    def test_a_level_is_given_once_on_a_way_up(self):
        levels = [Decimal(80), Decimal(90), Decimal(100)]
        for _run in range(RUNS):
            way = sorted(self.number(0, 130, 2) for _step in range(20))
            given, warnings = None, []
            for percent in way:
                level = quotas.levels_given(percent, levels, given)
                if level is not None and (given is None or level > given):
                    warnings.append(level)
                given = level
            self.assertEqual(len(warnings), len(set(warnings)))
            self.assertEqual(
                given, max((x for x in levels if x <= way[-1]), default=None)
            )

    def test_trembling_at_a_level_warns_once(self):
        levels, given, warnings = [Decimal(80)], None, 0
        for _run in range(RUNS):
            percent = 80 + self.number(-1, 1, 3)
            level = quotas.levels_given(percent, levels, given)
            warnings += level is not None and given is None
            given = level
        self.assertEqual(warnings, 1)

    def test_after_a_grant_it_may_warn_anew(self):
        levels = [Decimal(80)]
        self.assertEqual(quotas.levels_given(Decimal(85), levels, None), 80)
        self.assertIsNone(quotas.levels_given(Decimal("77.9"), levels, Decimal(80)))

    def test_a_forecast_that_trembles_at_the_quota_is_over_once(self):
        over, changes = False, 0
        for _run in range(RUNS):
            now = quotas.is_over(1000 + self.number(-19, 19), Decimal(1000), over)
            changes += now != over
            over = now
        self.assertEqual(changes, 1)
        self.assertFalse(quotas.is_over(Decimal(979), Decimal(1000), True))

    def test_per_cent_of_nothing(self):
        self.assertEqual(quotas.percent_of(Decimal(0), Decimal(0)), 0)
        self.assertGreater(quotas.percent_of(Decimal("0.001"), Decimal(0)), 1000)
        self.assertEqual(quotas.percent_of(Decimal(50), Decimal(200)), 25)

    # ------------------------------------------------------------- carry

    def test_nothing_is_made_or_lost_by_carrying(self):
        for _run in range(RUNS):
            remaining = self.number(-1000, 1000)
            most = self.random.choice([None, self.number(0, 500)])
            for mode in ("none", "unused", "both"):
                carried = quotas.carry(remaining, mode=mode, most=most)
                self.assertLessEqual(abs(carried), abs(remaining))
                self.assertGreaterEqual(carried * remaining, 0, "of the same sign")
                if most is not None:
                    self.assertLessEqual(abs(carried), most)
                if mode == "none":
                    self.assertEqual(carried, 0)
                if mode == "unused":
                    self.assertGreaterEqual(carried, 0)
                if mode == "both" and most is None:
                    self.assertEqual(carried, remaining)

    # ------------------------------------------------------------- shedding

    def loads(self):
        """Some random loads."""
        return [
            quotas.Load(
                key=number,
                sequence=self.random.randint(1, 5),
                threshold=self.random.choice([Decimal(90), Decimal(100), Decimal(110)]),
                may_shed=self.random.random() < 0.7,
                kept_on=self.random.random() < 0.2,
                shed=False,
            )
            for number in range(self.random.randint(0, 6))
        ]

    def step(self, loads, percent, **options):
        """The loads after one step, and what was cut."""
        options = {"hard": True, "rested": True, **options}
        cut, back = quotas.next_loads(loads, percent, **options)
        changed = {load.key: False for load in back}
        if cut:
            changed[cut.key] = True
        after = [
            quotas.Load(**{**vars(load), "shed": changed.get(load.key, load.shed)})
            for load in loads
        ]
        return after, cut, back

    def test_life_safety_and_what_nobody_allowed_is_never_cut(self):
        for _run in range(RUNS):
            loads = self.loads()
            for _step in range(8):
                loads, _cut, _back = self.step(loads, self.number(0, 200, 1))
                for load in loads:
                    if load.shed:
                        self.assertTrue(load.may_shed and not load.kept_on)

    def test_one_at_a_time_the_least_important_first(self):
        for _run in range(RUNS):
            loads, order = self.loads(), []
            for _step in range(8):
                loads, cut, back = self.step(loads, Decimal(150))
                self.assertFalse(back)
                order += [cut.sequence] if cut else []
            self.assertEqual(order, sorted(order))
            due = [load for load in loads if load.may_shed and not load.kept_on]
            self.assertEqual(len(order), len(due), "all in the end")

    def test_they_come_back_in_the_reverse_order(self):
        for _run in range(RUNS):
            loads, cuts = self.loads(), []
            for _step in range(8):
                loads, cut, _back = self.step(loads, Decimal(150))
                cuts += [cut.key] if cut else []
            loads, cut, back = self.step(loads, Decimal(50))
            self.assertIsNone(cut)
            self.assertEqual([load.key for load in back], cuts[::-1])
            self.assertFalse(any(load.shed for load in loads))

    def test_nothing_is_cut_softly_or_before_the_wait_is_over(self):
        for _run in range(RUNS):
            loads = self.loads()
            for options in ({"hard": False}, {"rested": False}):
                self.assertIsNone(self.step(loads, Decimal(500), **options)[1])

    def test_it_does_not_flutter(self):
        load = quotas.Load(1, 1, Decimal(100), True, False, False)
        loads, changes = [load], 0
        for _run in range(RUNS):
            loads, cut, back = self.step(loads, 100 + self.number(-1, 1, 3))
            changes += bool(cut) + bool(back)
        self.assertEqual(changes, 1)

    # ------------------------------------------------------------- forecast

    def test_the_hours_of_a_span_add_up_over_changes_of_the_clock(self):
        for _run in range(30):
            begin = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(
                minutes=self.random.randint(0, 500_000)
            )
            end = begin + timedelta(minutes=self.random.randint(0, 50_000))
            left = quotas.hours_left(begin, end, CHICAGO)
            seconds = (end - begin).total_seconds()
            self.assertAlmostEqual(float(sum(left.values())) * 3600, seconds, 3)

    def test_a_day_of_the_change_has_its_hours(self):
        for day, hour, hours in (("03-08", 2, 0), ("11-01", 1, 2), ("07-01", 1, 1)):
            begin = datetime.fromisoformat(f"2026-{day}").replace(tzinfo=CHICAGO)
            end = begin + timedelta(days=1)  # by the clock
            left = quotas.hours_left(begin, end, CHICAGO)
            self.assertEqual(left.get((begin.weekday(), hour), 0), hours, day)
            self.assertEqual(sum(left.values()), 23 + hours, day)

    def test_a_holidays_hours_are_a_sundays(self):
        begin = datetime(2026, 11, 25, 6, tzinfo=UTC)  # Wednesday 00:00 there
        end = begin + timedelta(days=3)
        left = quotas.hours_left(begin, end, CHICAGO, {date(2026, 11, 26)})
        self.assertEqual({day for day, _hour in left}, {2, 6, 4})
        self.assertEqual(left[6, 0], 1)

    def test_a_steady_load_goes_on(self):
        series = [
            ((day, hour), Decimal(5), 3600) for day in range(7) for hour in range(24)
        ]
        begin = datetime(2026, 11, 25, 12, tzinfo=UTC)
        left = quotas.hours_left(begin, datetime(2026, 12, 1, tzinfo=UTC), UTC)
        load = quotas.mean_load(series)
        self.assertEqual(quotas.still_to_come(load, left), 5 * (24 * 5 + 12))

    def test_an_hour_with_a_gap_counts_by_what_is_known(self):
        load = quotas.mean_load([((0, 8), Decimal(3), 1800), ((0, 9), Decimal(9), 0)])
        self.assertEqual(load, {(0, 8): 6, None: 6})
        self.assertEqual(quotas.still_to_come(load, {(3, 3): Decimal(2)}), 12)

    def test_without_any_data_nothing_is_expected(self):
        self.assertEqual(quotas.still_to_come({}, {(0, 0): Decimal(9)}), 0)

    # ------------------------------------------------------------- allocation

    def test_parts_add_up_to_the_cent(self):
        for _run in range(RUNS):
            amount = self.number(-10_000, 10_000, 2)
            weights = [
                self.number(0, 100, 3) for _n in range(self.random.randint(1, 9))
            ]
            weights.append(Decimal(1))
            parts = quotas.allocate(amount, weights)
            self.assertEqual(sum(parts), amount)
            for part, weight in zip(parts, weights, strict=True):
                exact = amount * weight / sum(weights)
                self.assertLess(abs(part - exact), Decimal("0.01"))
                self.assertEqual(part, part.quantize(Decimal("0.01")))
                if not weight:
                    self.assertEqual(part, 0)

    def test_equal_weights_are_served_in_order(self):
        parts = quotas.allocate(Decimal("0.02"), [Decimal(1)] * 3)
        self.assertEqual(parts, [Decimal("0.01"), Decimal("0.01"), 0])

    def test_weights_that_do_not_fit_are_refused(self):
        for weights in ([], [Decimal(0)], [Decimal(2), Decimal(-1)]):
            with self.assertRaises(ValueError):
                quotas.allocate(Decimal(1), weights)
