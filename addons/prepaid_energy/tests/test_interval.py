"""Hours are made from the readings alone, whatever way these came."""

from collections import defaultdict
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL

from .common import EnergyCase, add_point, flat_version

DAY = 86400
MODULUS = 100_000
STEPS = st.lists(
    st.tuples(st.integers(1, 5 * 3600), st.integers(0, 400_000)),
    min_size=2,
    max_size=12,
)


class IntervalCase(EnergyCase):
    def setUp(self):
        super().setUp()
        self.begin = datetime(2026, 10, 5, tzinfo=UTC)

    def hours(self, point=None):
        """{begin as naive UTC: (energy, covered)} of a point, after a roll-up."""
        point = point or self.point
        self.env["energy.interval"]._roll_up(point)
        rows = self.env["energy.interval"]._series(
            point, datetime(2000, 1, 1), datetime(2100, 1, 1)
        )[point.id]
        return {at: (energy, covered) for at, energy, covered in rows}

    def rows(self, point=None):
        """All columns of the hours of a point, as the database has them."""
        found = self.env.execute_query(
            SQL(
                "SELECT at, day, hour, weekday, energy::text, covered, "
                "band, amount::text FROM energy_interval "
                "WHERE service_point_id = %s ORDER BY at",
                (point or self.point).id,
            )
        )
        return [
            (*row[:4], Decimal(row[4]), *row[5:7], Decimal(row[7])) for row in found
        ]


@tagged("post_install", "-at_install")
class TestInterval(IntervalCase):
    def test_an_hour_is_cut_out_of_the_readings_around_it(self):
        self.ingest((0, "100"), (5400, "130"), (7200, "131"))
        at = self.begin.replace(tzinfo=None)
        self.assertEqual(
            self.hours(),
            {
                at: (Decimal(20), 3600),
                at + timedelta(hours=1): (Decimal(11), 3600),
            },
        )

    def test_the_pieces_of_a_difference_add_up_to_the_last_digit(self):
        self.ingest((1000, "0"), (12000, "1"), (12001, "1.000007"))
        hours = self.hours()
        self.assertEqual(len(hours), 4)
        total = sum(energy for energy, _covered in hours.values())
        self.assertEqual(total, Decimal("1.000007"))
        first = hours[self.begin.replace(tzinfo=None)][0]
        self.assertEqual(first, Decimal("0.236363636363"))

    def test_what_lies_too_far_apart_is_spread_but_not_known(self):
        self.ingest((0, "0"), (1800, "1"), (1800 + 3 * 3600, "7"), (5 * 3600, "8"))
        covered = [covered for _energy, covered in self.hours().values()]
        self.assertEqual(covered, [1800, 0, 0, 1800, 3600])
        self.assertEqual(sum(e for e, _c in self.hours().values()), 8)

    def test_the_rules_of_the_point_say_what_is_known(self):
        self.point.validation_id = self.env["energy.validation"].create(
            {"name": "Daily", "hour_gap": 24}
        )
        self.ingest((0, "0"), (5 * 3600, "8"))
        covered = [covered for _energy, covered in self.hours().values()]
        self.assertEqual(covered, [3600] * 5)

    def test_a_rollover_goes_on_counting(self):
        self.meter.register_digits = 5
        self.ingest((0, "99990"), (3600, "5"))
        self.assertEqual([e for e, _c in self.hours().values()], [Decimal(15)])

    def test_a_register_that_was_reset_counts_nothing_over_the_reset(self):
        self.ingest((0, "5000"), (1800, "5010"), (3600, "3"))
        review = self.env["energy.reading.review"].search(
            [("meter_id", "=", self.meter.id)]
        )
        review.note = "Electronics replaced"
        review.action_accept()
        self.ingest((7200, "5"))
        self.assertEqual(
            list(self.hours().values()), [(Decimal(10), 1800), (Decimal(2), 3600)]
        )

    def test_an_exchanged_meter_goes_on_within_the_hour(self):
        self.ingest((0, "10"), (1200, "11"))
        moment = self.begin.replace(tzinfo=None) + timedelta(seconds=1800)
        self.meter.installation_ids.write({"date_to": moment, "closing_register": 11.5})
        other = self.env["energy.meter"].create(
            {"serial": "M-2", "gateway_id": self.gateway.id}
        )
        self.env["energy.meter.installation"].create(
            {
                "meter_id": other.id,
                "service_point_id": self.point.id,
                "date_from": moment,
                "opening_register": 700,
                "opening_counts": True,
            }
        )
        self.ingest((3600, "702", "M-2"))
        self.assertEqual(list(self.hours().values()), [(Decimal("3.5"), 3600)])

    def test_new_readings_complete_the_hour_that_was_not_over(self):
        self.ingest((0, "0"), (1800, "1"))
        self.assertEqual(list(self.hours().values()), [(Decimal(1), 1800)])
        self.ingest((3600, "3"), (3700, "3"))
        self.assertEqual(
            list(self.hours().values()), [(Decimal(3), 3600), (Decimal(0), 100)]
        )

    def test_a_late_reading_moves_energy_between_hours(self):
        self.ingest((0, "0"), (7200, "4"))
        self.assertEqual([e for e, _c in self.hours().values()], [2, 2])
        self.ingest((3600, "3"))
        self.run_tasks()
        self.assertEqual([e for e, _c in self.hours().values()], [3, 1])

    def test_a_corrected_reading_changes_its_hours(self):
        self.ingest((0, "0"), (3600, "3"), (7200, "4"))
        self.hours()
        moment = self.begin.replace(tzinfo=None) + timedelta(hours=1)
        reading = self.env["energy.reading"].search(
            [("meter_id", "=", self.meter.id), ("at", "=", moment)]
        )
        review = self.env["energy.reading.review"].browse(
            reading.action_review()["res_id"]
        )
        review.write({"note": "Misread", "register_new": 1})
        review.action_correct()
        self.assertEqual([e for e, _c in self.hours().values()], [1, 3])

    def test_the_money_of_a_day_and_band_is_split_by_energy(self):
        self.ingest((0, "0"), (3600, "1"), (7200, "4"), (10800, "4"), (14400, "7"))
        self.hours()
        amounts = [row[-1] for row in self.rows()]
        self.assertEqual(
            [float(amount) for amount in amounts], [0.275, 0.825, 0, 0.825]
        )
        usage = self.env["energy.usage"].search(
            [("service_point_id", "=", self.point.id)]
        )
        self.assertAlmostEqual(sum(usage.mapped("amount_total")), 1.925)

    def test_hours_of_dropped_readings_stay(self):
        self.ingest((0, "0"), (3600, "3"), (7200, "4"))
        before = self.hours()
        Parameter = self.env["ir.config_parameter"].sudo()
        Parameter.set_param("prepaid_energy.readings_since", "2026-11-01")
        self.env.cr.execute("DELETE FROM energy_reading")
        beginning = {self.point.id: datetime(2000, 1, 1)}
        self.env["energy.interval"]._again(beginning)
        self.assertEqual(self.hours(), before)

    def test_energy_of_a_time_is_cut_at_its_borders(self):
        self.ingest((0, "0"), (3600, "3"), (7200, "4"))
        self.hours()
        start = self.begin.replace(tzinfo=None) + timedelta(minutes=40)
        found = self.env["energy.interval"]._energy(
            self.point, start, start + timedelta(minutes=50)
        )
        self.assertEqual(found, {self.point.id: (Decimal("1.5"), 3000)})

    def test_the_run_leaves_nothing_to_do(self):
        self.ingest((0, "0"), (30 * DAY, "720"))
        self.env["energy.interval"]._roll_up()
        self.assertEqual(self.env["energy.interval"]._roll_up_batch(), 0)
        self.assertEqual(len(self.rows()), 720)

    def test_tenants_read_the_hours_that_were_theirs(self):
        self.ingest((0, "0"), (3600, "3"))
        self.hours()
        Interval = self.env["energy.interval"].with_user(self.portal_user)
        self.assertEqual(Interval.search([]).service_point_id, self.point)
        other = self.env["res.partner"].create({"name": "Next", "is_company": True})
        wallet = self.wallet.copy({"name": "Next", "partner_id": other.id})
        self.point.wallet_id = wallet
        self.ingest((7200, "5"))
        self.hours()
        self.assertEqual(len(Interval.search([])), 1)
        user = new_test_user(self.env, "next_tenant", groups="base.group_portal")
        user.partner_id.parent_id = other
        theirs = self.env["energy.interval"].with_user(user).search([])
        self.assertEqual(theirs.mapped("energy"), [2])
        with self.assertRaises(AccessError):
            Interval.search([]).write({"energy": 1})

    def test_users_of_another_company_see_nothing(self):
        self.ingest((0, "0"), (3600, "3"))
        self.hours()
        company = self.env["res.company"].create({"name": "Other"})
        user = self.env["res.users"].create(
            {
                "name": "Stranger",
                "login": "stranger",
                "company_id": company.id,
                "company_ids": [Command.set(company.ids)],
                "group_ids": [
                    Command.link(self.env.ref("prepaid_energy.group_energy_manager").id)
                ],
            }
        )
        Interval = self.env["energy.interval"].with_user(user)
        self.assertFalse(Interval.search([]))


@tagged("post_install", "-at_install")
class TestIntervalClock(IntervalCase):
    """Hours begin by the clock of the site."""

    def in_zone(self, tz, begin, days=1):
        """The hours of days of even consumption, by a clock."""
        self.site.tz = self.tariff.tz = tz
        self.begin = begin
        self.ingest(*((3600 * n, str(n)) for n in range(24 * days + 1)))
        self.hours()
        return self.rows()

    def test_a_day_has_23_hours_in_spring(self):
        rows = self.in_zone("Europe/Berlin", datetime(2026, 3, 28, tzinfo=UTC), 3)
        day = [row for row in rows if str(row[1]) == "2026-03-29"]
        self.assertEqual([row[2] for row in day], [0, 1, *range(3, 24)])
        self.assertEqual({row[3] for row in day}, {6})
        self.assertEqual(sum(row[4] for row in day), 23)

    def test_a_day_has_25_hours_in_autumn(self):
        rows = self.in_zone("Europe/Berlin", datetime(2026, 10, 24, tzinfo=UTC), 3)
        day = [row for row in rows if str(row[1]) == "2026-10-25"]
        self.assertEqual([row[2] for row in day], [0, 1, 2, 2, *range(3, 24)])
        self.assertEqual(sum(row[4] for row in day), 25)

    def test_hours_of_a_half_hour_zone_begin_at_its_full_hours(self):
        rows = self.in_zone("Asia/Kolkata", datetime(2026, 3, 1, tzinfo=UTC), 2)
        self.assertEqual({row[0].minute for row in rows}, {30})
        day = [row for row in rows if str(row[1]) == "2026-03-02"]
        self.assertEqual([row[2] for row in day], [*range(24)])
        self.assertEqual({row[5] for row in day}, {3600})
        self.assertEqual(sum(row[4] for row in rows), 48)

    def test_a_clock_that_moves_by_half_an_hour_cuts_an_hour(self):
        rows = self.in_zone("Australia/Lord_Howe", datetime(2026, 4, 4, tzinfo=UTC), 2)
        halves = [row for row in rows if row[5] == 1800]
        self.assertEqual(sum(row[4] for row in rows), 48)
        ends = datetime(2026, 4, 4, 15), datetime(2026, 4, 5, 23, 30)
        self.assertEqual([row[0] for row in halves], [*ends])
        moved = [row for row in rows if row[0] == datetime(2026, 4, 4, 15)]
        self.assertEqual([(row[2], row[5]) for row in moved], [(1, 1800)])

    def test_a_new_clock_makes_the_hours_again(self):
        self.ingest((0, "0"), (7200, "4"))
        self.assertEqual(len(self.hours()), 2)
        self.site.tz = "Asia/Kolkata"
        self.assertEqual([e for e, _c in self.hours().values()], [1, 2, 1])


@tagged("post_install", "-at_install")
class TestIntervalOrder(IntervalCase):
    def setUp(self):
        super().setUp()
        self.number = 0
        self.begin = datetime(2026, 10, 24, 3, tzinfo=UTC)  # the clock changes soon
        self.site.tz = "Europe/Berlin"
        self.tariff = self.env["energy.tariff"].create(
            {
                "name": "Two prices by month",
                "tz": "Europe/Berlin",
                "version_ids": [
                    Command.create(flat_version("2020-01-01", 0.25, levy=10)),
                    Command.create(flat_version("2026-10-25", 0.35)),
                ],
            }
        )

    def test_any_order_and_batching_ends_in_the_same_hours(self):
        @settings(
            derandomize=True,
            deadline=None,
            database=None,
            max_examples=12,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(STEPS, STEPS, st.data())
        def check(old_steps, new_steps, data):
            with self.env.cr.savepoint() as savepoint:
                self.compare(old_steps, new_steps, data.draw)
                savepoint.rollback()
            self.env.invalidate_all()

        check()

    def compare(self, old_steps, new_steps, draw):
        """Read a point in order and one in any order; the same must come out."""
        old = series("old", 0, Decimal(99_900), old_steps)
        exchange = old[-1][0] + 1800, old[-1][1] + Decimal("0.5")
        new = series("new", exchange[0] + 60, Decimal(7), new_steps)
        mixed = draw(st.permutations([*old, *new]))
        cuts = sorted(draw(st.sets(st.integers(1, len(mixed)), max_size=5)))
        batches = [
            mixed[low:high]
            for low, high in zip([0, *cuts], [*cuts, len(mixed)], strict=True)
        ]
        ordered = self.result_of([old, new], exchange, False)
        self.assertEqual(self.result_of(batches, exchange, True), ordered)
        used = exchange[1] - old[0][1] + new[-1][1] - Decimal("5.5")
        self.assertEqual(sum(row[4] for row in ordered), used)

    def result_of(self, batches, exchange, between):
        """The hours of a new point with an exchanged meter.

        :param bool between: make hours after each batch, not at the end only.
        """
        self.number += 1
        old, new = f"old-{self.number}", f"new-{self.number}"
        point, meter = add_point(self, old, wallet_id=self.wallet.id)
        meter.register_digits = 5
        moment = self.begin.replace(tzinfo=None) + timedelta(seconds=exchange[0])
        register = float(exchange[1] % MODULUS)
        meter.installation_ids.write({"date_to": moment, "closing_register": register})
        meter = self.env["energy.meter"].create(
            {"serial": new, "gateway_id": self.gateway.id, "register_digits": 5}
        )
        self.env["energy.meter.installation"].create(
            {
                "meter_id": meter.id,
                "service_point_id": point.id,
                "date_from": moment,
                "opening_register": 5.5,
                "opening_counts": True,
            }
        )
        for batch in batches:
            answer = self.ingest(
                *(
                    (at, str(value % MODULUS), f"{name}-{self.number}")
                    for at, value, name in batch
                )
            )
            self.assertFalse(answer["held"])
            if between:
                self.run_tasks()
                self.hours(point)
        self.run_tasks()
        self.hours(point)
        rows = self.rows(point)
        self.check_usage(point, rows)
        return rows

    def check_usage(self, point, rows):
        """The hours of a day have its energy and money, to the last digit."""
        sums = defaultdict(lambda: [Decimal(0)] * 2)
        for row in rows:
            energy, amount = sums[row[1]]
            sums[row[1]] = [energy + row[4], amount + row[7]]
        usage = self.env.execute_query(
            SQL(
                "SELECT day, sum(quantity)::text, sum(amount_total)::text "
                "FROM energy_usage WHERE service_point_id = %s AND kind = 'energy' "
                "GROUP BY 1",
                point.id,
            )
        )
        for day, quantity, amount in usage:
            self.assertEqual(sums[day], [Decimal(quantity), Decimal(amount)], day)


def series(meter, at, register, steps):
    """Readings (second, register that does not roll over, meter) by ``STEPS``."""
    rows = [(at, register, meter)]
    for seconds, watt_hours in steps:
        at += seconds
        register += Decimal(watt_hours) / 1000
        rows.append((at, register, meter))
    return rows
