"""Days left by the usual week of a wallet, from real hours in the database."""

from datetime import UTC, date, datetime, timedelta

from odoo.exceptions import AccessError
from odoo.fields import Command
from odoo.tests import freeze_time, new_test_user, tagged

from .common import EnergyCase, add_point, credit, flat_version

MONDAY = datetime(2026, 5, 4, tzinfo=UTC)
WEEKS = 5


@tagged("post_install", "-at_install")
@freeze_time("2026-06-08 00:00:00")  # a Monday
class TestForecast(EnergyCase):
    def setUp(self):
        super().setUp()
        self.begin = MONDAY
        self.tariff.version_ids.unlink()
        self.tariff.version_ids = [Command.create(flat_version("2020-01-01", 1))]

    def use(self, weeks, kwh=lambda weekday, hour: 2, serial="M-1"):
        """An hourly register until now, of the last ``weeks``."""
        self.begin = datetime.now(UTC) - timedelta(weeks=weeks)
        total, rows = 0, [(0, "0", serial)]
        for hour in range(weeks * 168):
            total += kwh(hour // 24 % 7, hour % 24)
            rows.append((3600 * (hour + 1), str(total), serial))
        self.ingest(*rows)
        self.env["energy.interval"]._roll_up()

    def learn(self, wallet=None):
        Forecast = self.env["energy.forecast"]
        while Forecast._learn_batch(datetime.now()) == 100:
            pass
        self.env.invalidate_all()
        return self.env["energy.forecast"]._of(wallet or self.wallet)

    def test_a_closed_weekend_does_not_eat_the_balance(self):
        """120 a workday: 130 on a Friday last until Monday, not a day and a half."""
        self.use(WEEKS, lambda weekday, hour: 5 if weekday < 5 else 0)
        made = self.learn()
        self.assertEqual(made.method, "profile")
        self.assertLess(made.error_profile, 0.01)
        self.assertGreater(made.error_average, 0.3)
        self.assertGreater(made.looks, 10)
        credit(self.wallet, str(WEEKS * 600 + 130), "a")
        with freeze_time("2026-06-12 00:00:00"):  # Friday
            self.env.invalidate_all()
            self.assertAlmostEqual(
                self.wallet._days()[self.wallet.id], 3 + 2 / 24, places=3
            )

    def test_a_holiday_of_the_tariff_is_a_sunday(self):
        """Corpus Christi 2026 was on a Thursday, and so is the one to come here."""
        self.tariff.version_ids.holiday_ids = [
            Command.create({"date": "2026-06-04", "name": "Corpus Christi"}),
            Command.create({"date": "2026-06-11", "name": "To come"}),
        ]
        hour = [0]

        def office(weekday, _hour):
            hour[0] += 1
            holiday = (hour[0] - 1) // 24 == WEEKS * 7 - 4  # 4 June
            return 5 if weekday < 5 and not holiday else 0

        self.use(WEEKS, office)
        made = self.learn()
        self.assertEqual(made.method, "profile")
        self.assertAlmostEqual(made.profile[3 * 24], 5, places=2)
        credit(self.wallet, str(WEEKS * 600 - 120 + 3 * 120 + 60), "a")
        self.env.invalidate_all()
        # Monday to Wednesday, not on Thursday, and half of Friday
        self.assertAlmostEqual(self.wallet._days()[self.wallet.id], 4.5, places=2)

    def test_days_off_of_the_company_count_by_its_calendars_clock(self):
        calendar = self.env.company.resource_calendar_id
        calendar.tz = "Pacific/Auckland"
        leaves = self.env["resource.calendar.leaves"]
        july = {
            "calendar_id": calendar.id,
            "date_from": "2026-07-02 12:00:00",  # the third, all day, there
            "date_to": "2026-07-03 11:59:59",
        }
        leaves.create(july)
        others = {"date_from": "2026-07-05 12:00:00", "date_to": "2026-07-06 11:59:59"}
        elsewhere = self.env["res.company"].create({"name": "B"})
        somebody = self.env["resource.resource"].create({"name": "A"})
        for values in (
            {"calendar_id": calendar.copy().id},
            {"resource_id": somebody.id},
            {"time_type": "other"},  # a training day
        ):
            leaves.create({**july, **others, **values})
        theirs = leaves.create({**july, **others, "calendar_id": False})
        self.env.flush_all()  # it is computed first
        theirs.company_id = elsewhere
        found = self.env["energy.forecast"]._holidays(
            self.wallet, date(2026, 7, 1), date(2026, 8, 1)
        )
        self.assertEqual(found, {self.wallet.id: {date(2026, 7, 3)}})

    def test_the_drill_goes_by_the_usual_week(self):
        """60 on a Friday evening last until Monday noon: nobody is cut in a day."""
        self.use(WEEKS, lambda weekday, hour: 5 if weekday < 5 else 0)
        self.learn()
        self.wallet.policy_id = self.env["energy.policy"].create({"name": "Drill"})
        credit(self.wallet, str(WEEKS * 600 + 60), "a")
        drill = self.env["energy.drill"].create({"policy_id": self.wallet.policy_id.id})
        self.assertEqual(drill.line_ids.wallet_id, self.wallet)
        with freeze_time("2026-06-12 23:00:00"):
            self.env.invalidate_all()
            drill = drill.create({"policy_id": self.wallet.policy_id.id})
            self.assertFalse(drill.line_ids)

    def test_fixed_charges_count(self):
        self.use(WEEKS, lambda weekday, hour: 5 if weekday < 5 else 0)
        before = self.learn().profile
        self.env["energy.usage"].sudo().search([], limit=28).flush_recordset()
        self.env.cr.execute(
            "UPDATE energy_usage SET kind = 'fixed' WHERE wallet_id = %s AND day = %s",
            [self.wallet.id, "2026-06-05"],
        )
        self.env["energy.forecast"]._learn(self.wallet)
        after = self.env["energy.forecast"]._of(self.wallet).profile
        self.assertAlmostEqual(after[160] - before[160], 120 / 28 / 24, places=5)

    def test_less_than_two_weeks_are_averaged(self):
        self.use(1)
        self.assertEqual(self.learn().method, "average")
        credit(self.wallet, str(7 * 48 + 96), "a")
        self.env.invalidate_all()
        use = self.wallet._daily_use()[self.wallet.id]
        self.assertAlmostEqual(self.wallet.days_left, 96 / float(use), places=3)

    def test_the_average_stays_where_it_was_better(self):
        """What tripled eight days ago is better told by the last seven days."""
        edge = [0]

        def rising(_weekday, _hour):
            edge[0] += 1
            return 1 + edge[0] // 24

        self.use(WEEKS, rising)
        made = self.learn()
        self.assertEqual(made.method, "average")
        self.assertLess(made.error_average, made.error_profile)

    def test_an_old_forecast_is_not_used(self):
        self.use(WEEKS)
        made = self.learn()
        made.method = "profile"
        self.assertTrue(made._profiles(self.wallet))
        with freeze_time("2026-06-20 00:00:00"):
            self.assertFalse(made._profiles(self.wallet))

    def test_a_day_later_it_is_learnt_again(self):
        self.use(WEEKS)
        made = self.learn()
        first = made.made_at
        self.assertEqual(self.learn().made_at, first)
        with freeze_time("2026-06-09 00:00:00"):
            again = self.learn()
            self.assertEqual(again, made)
            self.assertGreater(again.made_at, first)

    def test_queries_do_not_grow_with_wallets(self):
        wallets = self.wallet
        self.use(3)
        for number in range(12):
            wallet = self.wallet.copy({"name": f"Wallet {number}"})
            add_point(self, f"Q-{number}", wallet_id=wallet.id)
            credit(wallet, "10", f"q{number}")
            wallets |= wallet
        for wallet in wallets:
            self.env["energy.forecast"].create(
                {
                    "wallet_id": wallet.id,
                    "made_at": datetime.now(),
                    "method": "profile",
                    "profile": [0.5] * 168,
                }
            )
        counts = []
        for some in (wallets[:2], wallets):
            self.env.flush_all()
            self.env.invalidate_all()
            some.mapped("policy_id.cutoff_threshold")
            before = self.env.cr.sql_log_count
            days = some._days()
            counts.append(self.env.cr.sql_log_count - before)
            self.assertEqual(set(days), set(some.ids))
        self.assertEqual(*counts)

    def test_only_the_own_company_and_nobody_writes(self):
        made = self.env["energy.forecast"].create(
            {
                "wallet_id": self.wallet.id,
                "made_at": datetime.now(),
                "method": "average",
            }
        )
        company = self.env["res.company"].create({"name": "Elsewhere"})
        groups = "prepaid_energy.group_energy_manager"
        stranger = new_test_user(
            self.env,
            "elsewhere",
            groups=groups,
            company_id=company.id,
            company_ids=[Command.set(company.ids)],
        )
        manager = new_test_user(self.env, "here", groups=groups)
        with self.assertRaises(AccessError):
            made.with_user(stranger).read(["method"])
        with self.assertRaises(AccessError):
            made.with_user(self.portal_user).read(["method"])
        self.assertTrue(made.with_user(manager).read(["method"]))
        with self.assertRaises(AccessError):
            made.with_user(manager).method = "profile"
