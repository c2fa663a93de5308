from datetime import UTC, datetime, timedelta
from decimal import Decimal

from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged

from .common import EnergyCase, credit

HOUR = 3600
DAY = 24 * HOUR
PRICE = Decimal("0.275")


@tagged("post_install", "-at_install")
class TestReview(EnergyCase):
    def setUp(self):
        super().setUp()
        credit(self.wallet, "100", f"test:{self.id()}")
        today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        self.begin = today - timedelta(days=2)
        self.operator = new_test_user(
            self.env, "review_op", groups="prepaid_energy.group_energy_operator"
        )

    def pending(self):
        Review = self.env["energy.reading.review"].with_user(self.operator)
        return Review.search(
            [("meter_id", "=", self.meter.id), ("state", "=", "pending")], order="at"
        )

    def settle(self):
        while self.env["energy.usage"]._settle_batch(10):
            pass

    def test_a_spike_is_accepted_with_a_reason(self):
        self.point.max_power_kw = 10
        self.ingest((0, "0"), (HOUR, "10"), (2 * HOUR, "90"))
        self.settle()
        review = self.pending()
        self.assertEqual(review.reason, "spike")
        self.assertIn("<circle", review.curve)
        with self.assertRaisesRegex(UserError, "reason"):
            review.action_accept()
        review.note = "Test run at full load"
        review.action_accept()
        self.assertEqual(review.state, "accepted")
        self.assertEqual(self.exact_balance(), 100 - 90 * PRICE)
        self.assertEqual(self.meter.last_register, 90)
        self.settle()
        entry = self.wallet.entry_ids.filtered(lambda row: row.kind == "correction")
        self.assertIn("Test run at full load", entry.name)
        self.assertEqual(entry.amount, float(-80 * PRICE))
        self.assertIn("pay 22", review.message_ids[0].body)
        with self.assertRaisesRegex(UserError, "decided already"):
            review.action_discard()
        with self.assertRaisesRegex(UserError, "stays as it is"):
            review.note = "Never mind"

    def test_a_wrong_value_is_corrected(self):
        self.ingest((0, "100"), (HOUR, "10"), (2 * HOUR, "120"))
        review = self.pending()
        with self.assertRaisesRegex(UserError, "corrected register"):
            review.action_correct()
        review.write({"note": "A digit was lost", "register_new": 130})
        with self.assertRaisesRegex(UserError, "after it is lower"):
            review.action_correct()
        review.register_new = 99
        with self.assertRaisesRegex(UserError, "before is higher: 100"):
            review.action_correct()
        review.register_new = 110
        review.action_correct()
        self.assertEqual(review.state, "corrected")
        self.assertEqual(self.exact_balance(), 100 - 20 * PRICE)
        reading = self.env["energy.reading"].search(
            [("meter_id", "=", self.meter.id), ("quality", "=", "corrected")]
        )
        self.assertEqual(reading.register, 110)

    def test_a_register_that_was_reset_begins_anew(self):
        self.ingest((0, "5000"), (HOUR, "5010"))
        self.ingest((2 * HOUR, "3"), (3 * HOUR, "5"))
        self.ingest((4 * HOUR, "9"))
        first = self.pending()[0]
        self.assertEqual(len(self.pending()), 3)
        first.note = "Meter electronics replaced"
        first.action_accept()
        self.assertFalse(self.pending(), "the others can be used now")
        self.run_tasks()
        self.assertEqual(self.exact_balance(), 100 - 16 * PRICE)
        self.assertEqual(self.meter.last_register, 9)
        self.ingest((5 * HOUR, "10"))
        self.assertEqual(self.exact_balance(), 100 - 17 * PRICE)

    def test_a_first_reading_below_the_opening_register_begins_anew(self):
        self.meter.installation_ids.write(
            {
                "date_from": (self.begin - timedelta(hours=1)).replace(tzinfo=None),
                "opening_register": 5000,
                "opening_counts": True,
            }
        )
        self.ingest((0, "3"))
        review = self.pending()
        review.note = "The display counts from zero; 5000 was of the old one"
        review.action_accept()
        self.run_tasks()
        self.assertEqual(self.exact_balance(), 100, "5000 to 3 is no rollover")
        self.ingest((HOUR, "7"))
        self.assertEqual(self.exact_balance(), 100 - 4 * PRICE)

    def test_another_value_for_a_stored_moment(self):
        self.ingest((0, "0"), (HOUR, "10"), (2 * HOUR, "20"))
        self.ingest((HOUR, "12"))
        review = self.pending()
        self.assertEqual(review.reason, "conflict")
        review.note = "Display was photographed"
        review.action_accept()
        self.assertEqual(self.exact_balance(), 100 - 20 * PRICE)
        answer = self.ingest((HOUR, "10"))
        self.assertEqual(answer["duplicates"], 1, "what came stays known")
        self.assertEqual(self.raw(HOUR), ["10"])

    def raw(self, seconds):
        self.env.cr.execute(
            "SELECT register::text FROM energy_reading WHERE meter_id = %s AND at = %s",
            (self.meter.id, (self.begin + timedelta(seconds=seconds))),
        )
        return [row[0] for row in self.env.cr.fetchall()]

    def test_a_stored_reading_can_be_doubted_and_corrected(self):
        self.ingest((0, "0"), (HOUR, "10"), (2 * HOUR, "50"))
        reading = self.env["energy.reading"].search(
            [("meter_id", "=", self.meter.id)], limit=1
        )
        action = reading.with_user(self.operator).action_review()
        review = self.env["energy.reading.review"].browse(action["res_id"])
        review = review.with_user(self.operator)
        self.assertEqual((review.reason, review.raw_register), ("doubted", "50"))
        review.write({"register_new": 15, "note": "Two digits swapped"})
        review.action_correct()
        self.assertEqual(self.exact_balance(), 100 - 15 * PRICE)
        self.assertEqual(self.meter.last_register, 15)
        self.assertEqual(self.raw(2 * HOUR), ["50"], "the raw reading stays")
        self.ingest((3 * HOUR, "16"))
        self.assertEqual(self.exact_balance(), 100 - 16 * PRICE)

    def test_what_has_no_meter_or_number_is_only_discarded(self):
        self.ingest((0, "0"), (HOUR, "1", "NOBODY"), (2 * HOUR, "x"))
        for review in self.env["energy.reading.review"].search([]):
            review = review.with_user(self.operator)
            review.note = "?"
            with self.assertRaises(UserError):
                review.action_accept()
            review.action_discard()
            self.assertEqual(review.state, "discarded")

    def test_a_reading_before_any_installation_cannot_be_used(self):
        self.meter.installation_ids.date_from = self.begin.replace(tzinfo=None)
        self.ingest((-HOUR, "0"))
        review = self.pending()
        review.note = "x"
        with self.assertRaisesRegex(UserError, "installed nowhere"):
            review.action_accept()

    def test_only_operators_decide_and_only_by_the_buttons(self):
        self.ingest((0, "100"), (HOUR, "10"))
        review = self.pending()
        for values in ({"state": "accepted"}, {"raw_register": "1"}):
            with self.assertRaisesRegex(UserError, "use the buttons"):
                review.write(values)
        reader = new_test_user(
            self.env, "review_reader", groups="prepaid_energy.group_energy_user"
        )
        with self.assertRaises(AccessError):
            review.with_user(reader).action_discard()
        with self.assertRaises(AccessError):
            review.with_user(reader).note = "x"
        reading = self.env["energy.reading"].search(
            [("meter_id", "=", self.meter.id)], limit=1
        )
        with self.assertRaises(AccessError):
            reading.with_user(reader).action_review()

    def test_a_fault_that_lasts_is_one_case(self):
        self.ingest((0, "10"), (60, "14"))
        for poll in range(5):
            self.ingest((120 + poll, str(poll)))
        self.ingest((3 * DAY, "20"))
        reviews = self.pending()
        self.assertEqual(len(reviews), 6, "each reading is kept")
        self.assertEqual(len(self.point.activity_ids), 1, "one call")
        first = reviews[0]
        self.assertEqual(
            first.alike, f"4, the last one 4 at {self.at(124)}", "not the future one"
        )
        with self.assertRaisesRegex(UserError, "reason"):
            first.action_discard_alike()
        first.note = "The meter was broken"
        first.action_discard_alike()
        self.assertEqual(set(reviews[:5].mapped("state")), {"discarded"})
        self.assertEqual(set(reviews[:5].mapped("note")), {"The meter was broken"})
        self.assertEqual(reviews[5].state, "pending")
        self.assertFalse(reviews[5].alike)
