from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product

from odoo.tests import BaseCase

from ..models import supply

FACTS = (
    "life_safety",
    "essential",
    "locked_out",
    "tripped",
    "switched_off",
    "shed",
    "cut",
)
NOON = datetime(2026, 6, 12, 12)


def combinations():
    """Each combination of facts with the state that is wanted."""
    for values in product((False, True), repeat=len(FACTS)):
        facts = dict(zip(FACTS, values, strict=True))
        yield facts, supply.desired_state(**facts)


class TestDesiredState(BaseCase):
    """Invariant 6, over all facts."""

    def test_life_safety_is_never_opened(self):
        for facts, state in combinations():
            if facts["life_safety"]:
                self.assertNotEqual(state, "open", facts)

    def test_locked_out_or_tripped_is_never_closed(self):
        for facts, state in combinations():
            if facts["locked_out"] or facts["tripped"]:
                self.assertNotEqual(state, "closed", facts)

    def test_only_a_lock_out_opens_an_essential_load(self):
        for facts, state in combinations():
            if facts["essential"] and not facts["locked_out"]:
                self.assertNotEqual(state, "open", facts)

    def test_a_lock_out_opens_whatever_is_no_life_safety(self):
        for facts, state in combinations():
            if facts["locked_out"] and not facts["life_safety"]:
                self.assertEqual(state, "open", facts)

    def test_money_and_the_office_cut_what_nothing_protects(self):
        for facts, state in combinations():
            kept = facts["life_safety"] or facts["essential"]
            if not kept and any(
                facts[name] for name in ("switched_off", "shed", "cut")
            ):
                self.assertEqual(state, "open", facts)

    def test_supply_is_due_where_nothing_speaks_against_it(self):
        for facts, state in combinations():
            if not any(facts[name] for name in FACTS[2:]):
                self.assertEqual(state, "closed", facts)

    def test_life_safety_does_not_care_for_money(self):
        for facts, state in combinations():
            if facts["life_safety"]:
                without = {**facts, "cut": False, "switched_off": False}
                self.assertEqual(state, supply.desired_state(**without), facts)


class TestWalletLevel(BaseCase):
    def level(self, balance, before="normal"):
        return supply.wallet_level(
            Decimal(balance),
            before,
            warning=Decimal(20),
            cutoff=Decimal(0),
            restore=Decimal(5),
        )

    def test_thresholds_are_inclusive(self):
        self.assertEqual(self.level("20.01"), "normal")
        self.assertEqual(self.level("20"), "low")
        self.assertEqual(self.level("0.01"), "low")
        self.assertEqual(self.level("0"), "cut")
        self.assertEqual(self.level("-3"), "cut")

    def test_a_cut_wallet_stays_cut_until_the_restore_threshold(self):
        self.assertEqual(self.level("4.99", "cut"), "cut")
        self.assertEqual(self.level("5", "cut"), "low")
        self.assertEqual(self.level("4.99", "low"), "low")


class TestWarnings(BaseCase):
    """Levels at 20, 10 and 2, warned anew after it was better by more than 5."""

    def warned(self, *values):
        """The levels of which somebody is warned while the value moves like this."""
        levels, given, told = [Decimal(20), Decimal(10), Decimal(2)], None, []
        for value in values:
            now = supply.warnings_given(Decimal(value), levels, given, Decimal(5))
            if now is not None and (given is None or now < given):
                told.append(int(now))
            given = now
        return told

    def test_each_level_once_on_the_way_down(self):
        self.assertEqual(
            self.warned("30", "20", "19", "10", "9", "2", "-5"), [20, 10, 2]
        )

    def test_a_deep_fall_warns_once(self):
        self.assertEqual(self.warned("30", "1"), [2])

    def test_nobody_is_warned_twice_around_a_level(self):
        self.assertEqual(self.warned("21", "20", "21", "20", "25", "19.99"), [20])
        self.assertEqual(self.warned("9", "11", "9", "15", "10"), [10])

    def test_anew_after_it_was_really_better(self):
        self.assertEqual(self.warned("20", "25.01", "20"), [20, 20])
        self.assertEqual(self.warned("9", "15.01", "10"), [10, 10])

    def test_better_than_a_low_level_is_not_better_than_a_high_one(self):
        """From 1 to 8: the level 2 is over, the levels 10 and 20 are not news."""
        self.assertEqual(self.warned("1", "8", "1"), [2, 2])
        self.assertEqual(self.warned("1", "8", "9", "19"), [2])

    def test_without_levels_nobody_is_warned(self):
        self.assertIsNone(supply.warnings_given(Decimal(-9), [], None, Decimal(5)))
        gone = supply.warnings_given(Decimal(-9), [], Decimal(20), Decimal(5))
        self.assertIsNone(gone)

    def test_a_level_that_was_taken_away_warns_nobody_again(self):
        levels = [Decimal(20)]
        now = supply.warnings_given(Decimal(4), levels, Decimal(10), Decimal(5))
        self.assertEqual(now, 20)
        self.assertGreater(now, 10, "not lower than given: no news")


class TestLoadLimit(BaseCase):
    def limit(self, own, low_limit, low=True, kept_on=False):
        return supply.wanted_limit(
            kept_on=kept_on, own=Decimal(own), low=low, low_limit=Decimal(low_limit)
        )

    def test_the_lower_of_both_limits_counts(self):
        for own, low_limit, expected in (
            ("0", "0", 0),
            ("5", "0", 5),
            ("0", "2", 2),
            ("5", "2", 2),
            ("2", "5", 2),
        ):
            self.assertEqual(self.limit(own, low_limit), Decimal(expected))

    def test_the_policys_limit_is_for_low_wallets_only(self):
        self.assertEqual(self.limit("5", "2", low=False), 5)
        self.assertEqual(self.limit("0", "2", low=False), 0)

    def test_what_is_kept_on_has_no_limit(self):
        for own, low_limit, low in product("05", "02", (False, True)):
            self.assertEqual(self.limit(own, low_limit, low, kept_on=True), 0)

    def test_limits_of_a_bridge_are_read_strictly(self):
        for raw, expected in (
            (5, "5"),
            (5.5, "5.5"),
            ("5.500", "5.5"),
            ("0", "0"),
            (0.1 + 0.2, "0.3"),
        ):
            self.assertEqual(supply.parse_limit(raw), Decimal(expected))
        for raw in (
            None,
            True,
            "",
            "five",
            "-1",
            -1,
            "nan",
            float("inf"),
            "1e99",
            [5],
            {"kw": 5},
        ):
            self.assertIsNone(supply.parse_limit(raw), raw)


class TestTrips(BaseCase):
    def test_re_arms_count_and_end(self):
        facts = {"life_safety": False, "locked_out": False}
        allowed = [
            supply.may_rearm(rearms=rearms, allowed=2, **facts) for rearms in range(4)
        ]
        self.assertEqual(allowed, [True, True, False, False])
        self.assertFalse(supply.may_rearm(rearms=0, allowed=0, **facts))

    def test_never_by_itself_where_a_person_must_decide(self):
        for safety, locked in ((True, False), (False, True), (True, True)):
            self.assertFalse(
                supply.may_rearm(
                    life_safety=safety, locked_out=locked, rearms=0, allowed=9
                )
            )

    def test_an_older_trip_is_no_news(self):
        hour, second = timedelta(hours=1), timedelta(seconds=1)
        self.assertTrue(supply.is_new_trip(NOON, None))
        self.assertTrue(supply.is_new_trip(NOON + second, NOON))
        self.assertFalse(supply.is_new_trip(NOON - hour, NOON))

    def test_when_clocks_differ_the_trip_counts(self):
        self.assertTrue(supply.is_new_trip(NOON - timedelta(seconds=59), NOON))
        self.assertFalse(supply.is_new_trip(NOON - timedelta(seconds=60), NOON))
