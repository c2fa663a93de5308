import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from odoo.exceptions import UserError
from odoo.fields import Command
from odoo.tests import tagged
from odoo.tools import SQL

from ..exchange.to_values import VersionReader
from ..ingest.rerate import Rerating
from .common import EnergyCase, add_point, credit, flat_version
from .test_tariff_exchange import rich_version

DAY = 86400
ANY_POWER = {"name": "Any power", "price_per_kw": 5}
CENT = Decimal("0.01")


@tagged("post_install", "-at_install")
class TestRerate(EnergyCase):
    def setUp(self):
        super().setUp()
        credit(self.wallet, "100", f"test:{self.id()}")
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = today - timedelta(days=3)

    def settle(self):
        while self.env["energy.usage"]._settle_batch(10):
            pass

    def usage(self, point=None):
        """The stored usage of a point, exactly, without rows that came to nothing."""
        self.env.flush_all()
        rows = self.env.execute_query(
            SQL(
                """
                SELECT day, wallet_id, tariff_id, version_id, season, band, tier,
                       kind, charge,
                       quantity::text, amount::text, amount_total::text
                  FROM energy_usage WHERE service_point_id = %s
                   AND (quantity, amount, amount_total) <> (0, 0, 0) ORDER BY 1, 2, 3
                """,
                (point or self.point).id,
            )
        )
        return {tuple(row[:9]): tuple(map(Decimal, row[9:])) for row in rows}

    def state(self):
        self.point.invalidate_recordset(["rating_state"])
        return self.point.rating_state

    def rerate(self, day=None, point=None):
        point = point or self.point
        return Rerating(point, day or self.begin.date(), "Because").run()

    def correct(self, days=1, price=0.5, **values):
        """Put a corrected version in force from ``days`` after the beginning on."""
        action = self.tariff._in_force()[-1:].action_correct()
        draft = self.env["energy.tariff.version"].browse(action["res_id"])
        draft.valid_from = (self.begin + timedelta(days=days)).date()
        draft.price_ids.price = price
        wizard = self.env["energy.tariff.enforce"].create(
            {"version_id": draft.id, "rerate": True, "reason": "Wrong price", **values}
        )
        wizard.action_enforce()
        return draft

    def run_orders(self):
        with self.enter_registry_test_mode():
            self.env.ref("prepaid_energy.cron_rerate").method_direct_trigger()
        self.env.invalidate_all()

    # ------------------------------------------------------------------ rating again

    def test_rating_again_changes_nothing(self):
        """Invariant 2, with a rich tariff, random readings and random batches."""
        version = {**rich_version(), "valid_from_local": "2020-01-01T00:00"}
        quantity = {"commodity": "electricity", "factor": None}
        for counter in ("month", "year"):
            for mode in ("incremental", "whole_volume"):
                tiers = {**version["tiers"], "counter": counter, "mode": mode}
                source = {**version, "tiers": tiers, "quantity": quantity}
                values = VersionReader(self.env, self.company).version(source, "v")
                tariff = self.env["energy.tariff"].create(
                    {
                        "name": mode,
                        "tz": "Europe/Berlin",
                        "version_ids": [Command.create(values)],
                    }
                )
                serial = f"M-{counter}-{mode}"
                point, _meter = add_point(
                    self, serial, tariff_id=tariff.id, wallet_id=self.wallet.id
                )
                self.feed_at_random(serial)
                before, balance = self.usage(point), self.exact_balance()
                self.assertGreater(len(before), 5)
                state = point.rating_state
                for day in (self.begin.date(), datetime.now(UTC).date()):
                    self.assertEqual(self.rerate(day, point), 0)
                    self.assertEqual(self.usage(point), before)
                    self.assertEqual(self.exact_balance(), balance)
                point.invalidate_recordset()
                self.assertEqual(point.rating_state, state)

    def test_what_the_year_before_left_open_is_kept(self):
        """The last reading is of last year, in the middle of a quarter of an hour."""
        berlin = ZoneInfo("Europe/Berlin")
        month = datetime(datetime.now(berlin).year, 1, 1, tzinfo=berlin)
        self.begin = month.astimezone(UTC)
        power = {"demand_ids": [Command.create(ANY_POWER)]}
        tariff = self.env["energy.tariff"].create(
            {
                "name": "Power",
                "tz": "Europe/Berlin",
                "version_ids": [
                    Command.create(flat_version("2020-01-01", 0.2, **power))
                ],
            }
        )
        point, _meter = add_point(
            self, "M-P", tariff_id=tariff.id, wallet_id=self.wallet.id
        )
        self.ingest((-7200, "0", "M-P"), (-5000, "10", "M-P"))
        state = point.rating_state
        self.assertTrue(state["demand"]["open"])
        self.assertEqual(self.rerate(month.date(), point), 0)
        point.invalidate_recordset()
        self.assertEqual(point.rating_state, state)

    def feed_at_random(self, serial):
        """Forty readings over three days and last month, in batches of any size."""
        pick = random.Random(serial)
        moments = sorted(pick.sample(range(-40 * DAY, 3 * DAY), 40))
        register, batch = Decimal(0), []
        for at in moments:
            register += Decimal(pick.randrange(0, 90_000)) / 1000
            batch.append((at, str(register), serial))
            if pick.random() < 0.4:
                self.ingest(*batch)
                batch = []
        if batch:
            self.ingest(*batch)

    def test_it_mends_what_is_wrong(self):
        self.ingest((0, "0"), (DAY, "10"), (2 * DAY, "30"))
        self.settle()
        before, state = self.usage(), self.state()
        self.env.cr.execute(
            SQL(
                "UPDATE energy_usage SET quantity = quantity + 1, amount_total = "
                "amount_total + 7 WHERE service_point_id = %s AND day = %s",
                self.point.id,
                self.begin.date(),
            )
        )
        self.env.cr.execute(
            SQL(
                "UPDATE energy_wallet SET accrued = accrued + 7, balance = balance - 7 "
                "WHERE id = %s",
                self.wallet.id,
            )
        )
        self.point.rating_state = {"kwh": {}}
        self.env.invalidate_all()
        self.assertEqual(self.rerate(), -7)
        self.assertEqual(self.usage(), before)
        self.assertEqual(self.state(), state)
        self.assertEqual(self.exact_balance(), Decimal("91.75"))

    def test_what_another_wallet_or_tariff_paid_stays_with_it(self):
        other = self.wallet.copy({"name": "Next tenant"})
        dear = self.tariff.copy({"name": "Dear"})
        dear.version_ids = False
        dear.version_ids = [Command.create(flat_version("2020-01-01", 1))]
        self.ingest((0, "0"), (DAY, "10"))
        self.point.wallet_id = other
        self.ingest((2 * DAY, "30"))
        self.point.tariff_id = dear
        self.ingest((2 * DAY + 3600, "31"))
        before = self.usage()
        self.assertEqual({key[1] for key in before}, {self.wallet.id, other.id})
        self.assertEqual(len(self.point.term_ids), 3)
        self.assertEqual(self.rerate(), 0)
        self.assertEqual(self.usage(), before)
        self.assertEqual(self.exact_balance(other), Decimal("-6.5"))

    def test_terms_that_nothing_was_consumed_under_are_none(self):
        other = self.wallet.copy({"name": "Next tenant"})
        self.point.wallet_id = other
        self.assertEqual(self.point.term_ids.wallet_id, other)
        self.ingest((0, "0"), (DAY, "10"))
        self.point.wallet_id = self.wallet
        self.point.wallet_id = other
        self.point.tariff_id = self.tariff.copy()
        self.assertEqual(
            {term.date_from for term in self.point.term_ids},
            {(self.begin + timedelta(days=1)).replace(tzinfo=None), False},
        )

    def test_an_exchanged_meter_is_rated_again(self):
        self.ingest((0, "0"), (DAY, "10"))
        installation = self.meter.installation_ids
        moment = (self.begin + timedelta(days=1, hours=1)).replace(tzinfo=None)
        installation.date_to = moment
        new = self.env["energy.meter"].create(
            {"serial": "M-NEW", "gateway_id": self.gateway.id}
        )
        self.env["energy.meter.installation"].create(
            {
                "meter_id": new.id,
                "service_point_id": self.point.id,
                "date_from": moment,
                "opening_register": 500,
                "opening_counts": True,
            }
        )
        self.ingest((2 * DAY, "520", "M-NEW"), (2 * DAY + 60, "521", "M-NEW"))
        before = self.usage()
        self.assertEqual(sum(parts[0] for parts in before.values()), 31)
        self.assertEqual(self.rerate(), 0)
        self.assertEqual(self.usage(), before)

    # ------------------------------------------------------------------ correction

    def test_a_correction_reaches_back_by_new_ledger_rows(self):
        self.ingest((0, "0"), (DAY, "10"), (2 * DAY, "30"), (3 * DAY, "60"))
        self.settle()
        rows = self.wallet.entry_ids.filtered("day")
        self.assertEqual(self.exact_balance(), Decimal("83.5"))  # 60 x 0.25 x 1.1
        draft = self.correct(days=1)
        self.run_orders()
        self.assertEqual(self.exact_balance(), Decimal("69.75"))  # 10 at 0.25, 50 at .5
        self.settle()
        corrections = self.wallet.entry_ids.filtered("day") - rows
        self.assertEqual(set(corrections.mapped("kind")), {"correction"})
        self.assertEqual(
            {(str(row.day), row.amount) for row in corrections},
            {
                (str((self.begin + timedelta(days=1)).date()), -5.5),
                (str((self.begin + timedelta(days=2)).date()), -8.25),
            },
        )
        self.assertTrue(all("Wrong price" in row.name for row in corrections))
        self.assertEqual(self.exact_balance(), Decimal("69.75"))
        order = self.env["energy.rerating"].search([("version_id", "=", draft.id)])
        self.assertEqual((order.state, order.point_count), ("done", 1))
        self.assertAlmostEqual(order.amount, 13.75)
        self.assertIn("Rated again", self.tariff.message_ids[0].body)
        self.assertTrue(draft.locked)

    def test_a_version_can_be_replaced_from_its_beginning(self):
        self.ingest((0, "0"), (DAY, "10"))
        first = self.tariff.version_ids
        action = first.action_correct()
        draft = first.browse(action["res_id"])
        draft.valid_from = first.valid_from
        draft.price_ids.price = 0.1
        self.env["energy.tariff.enforce"].create(
            {"version_id": draft.id, "rerate": True, "reason": "Typing error"}
        ).action_enforce()
        self.assertEqual(first.state, "superseded")
        self.assertEqual(self.tariff._in_force(), draft)
        self.ingest((2 * DAY, "20"))  # between the order and its work
        self.run_orders()
        self.assertEqual(self.exact_balance(), Decimal("97.8"))
        with self.assertRaisesRegex(UserError, "prices stay"):
            first.price_ids.price = 3

    def test_whole_volume_usage_is_corrected_too(self):
        version = self.tariff.version_ids
        version.write(
            {
                "tier_mode": "whole_volume",
                "threshold_ids": [Command.create({"up_to": 25})],
                "price_ids": [Command.create({"tier": 2, "price": 0.2})],
            }
        )
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = today.replace(day=1)
        self.ingest((0, "0"), (60, "10"), (120, "20"))
        draft = version.browse(version.action_correct()["res_id"])
        draft.valid_from = version.valid_from
        draft.price_ids[1].price = 0.1
        self.env["energy.tariff.enforce"].create(
            {"version_id": draft.id, "rerate": True, "reason": "x"}
        ).action_enforce()
        self.ingest((180, "30"))
        self.run_orders()
        self.assertEqual(self.exact_balance(), Decimal(100) - 30 * Decimal("0.11"))

    def test_the_past_is_not_changed_unasked(self):
        self.ingest((0, "0"), (DAY, "10"), (2 * DAY, "30"))
        for values in ({"rerate": False}, {"reason": False}):
            with self.assertRaisesRegex(UserError, "rated already"):
                with self.env.cr.savepoint():
                    self.correct(**values)
        draft = self.correct(days=400, rerate=False, reason=False)
        self.assertEqual(draft.state, "active")
        self.assertFalse(self.env["energy.rerating"].search([]))

    def test_an_incomplete_draft_is_not_put_in_force(self):
        draft = self.tariff.version_ids.browse(
            self.tariff.version_ids.action_correct()["res_id"]
        )
        draft.valid_from = "2199-01-01"
        draft.price_ids.unlink()
        wizard = self.env["energy.tariff.enforce"].create({"version_id": draft.id})
        with self.assertRaisesRegex(UserError, "no price"):
            wizard.action_enforce()

    def test_a_point_that_cannot_be_rated_does_not_stop_the_others(self):
        broken, _meter = add_point(self, "M-0")
        self.ingest((0, "0"), (DAY, "10"), (0, "0", "M-0"), (DAY, "10", "M-0"))
        empty = self.env["energy.tariff"].create({"name": "Empty", "tz": "UTC"})
        broken.term_ids.tariff_id = empty
        self.correct(days=0)
        self.run_orders()
        order = self.env["energy.rerating"].search([], limit=1)
        self.assertEqual((order.state, order.point_count), ("done", 2))
        self.assertIn("Point of M-0", order.problems)
        self.assertEqual(self.exact_balance(), Decimal("94.5"))
