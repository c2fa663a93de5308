from datetime import timedelta
from decimal import Decimal

from odoo.exceptions import AccessError, UserError
from odoo.tests import tagged

from ..ingest.parse import parse_register, parse_time
from .common import EnergyCase, add_point, credit


@tagged("post_install", "-at_install")
class TestIngest(EnergyCase):
    def setUp(self):
        super().setUp()
        credit(self.wallet, "100", f"test:{self.id()}")

    def readings(self, meter=None):
        meter = meter or self.meter
        return self.env["energy.reading"].search_count([("meter_id", "=", meter.id)])

    def reviews(self):
        return self.env["energy.reading.review"].search(
            [("gateway_id", "=", self.gateway.id)]
        )

    def test_first_reading_is_the_opening(self):
        answer = self.ingest((0, "1000"))
        self.assertEqual(answer["accepted"], 1)
        self.assertEqual(self.exact_balance(), Decimal(100))
        self.assertEqual(self.readings(), 1)

    def test_usage_draws_the_wallet_with_levies(self):
        answer = self.ingest((0, "1000"), (60, "1004"), (120, "1010.5"))
        self.assertEqual(answer["accepted"], 3)
        self.assertEqual((answer["held"], answer["rejected"]), ([], []))
        usage = self.env["energy.usage"].search(
            [("service_point_id", "=", self.point.id)]
        )
        self.assertAlmostEqual(sum(usage.mapped("quantity")), 10.5)
        # 10.5 kWh x 0.25 x 1.10 = 2.8875, not rounded
        self.assertEqual(self.exact_balance(), Decimal("97.1125"))
        self.assertEqual(self.meter.last_register, 1010.5)

    def test_opening_register_of_the_installation_counts_also_if_zero(self):
        for serial, opening, counts in (("O-1", 500, 1), ("O-2", 0, 1), ("O-3", 0, 0)):
            _point, meter = add_point(self, serial, wallet_id=self.wallet.id)
            installed = self.begin - timedelta(minutes=5)
            meter.installation_ids.write(
                {
                    "opening_register": opening,
                    "opening_counts": bool(counts),
                    "date_from": installed.replace(tzinfo=None),
                }
            )
            self.ingest((0, str(opening + 4), serial))
        self.assertEqual(self.exact_balance(), Decimal("97.8"))

    def test_same_uid_same_answer_nothing_changes(self):
        first = self.ingest((0, "10"), (60, "14"), uid="same")
        balance = self.exact_balance()
        self.assertEqual(self.ingest((0, "10"), (60, "14"), uid="same"), first)
        self.assertEqual(self.ingest((120, "99"), uid="same"), first)
        self.assertEqual(self.exact_balance(), balance)
        self.assertEqual(self.readings(), 2)

    def test_same_readings_in_another_batch_are_duplicates(self):
        self.ingest((0, "10"), (60, "14"))
        balance = self.exact_balance()
        answer = self.ingest((0, "10.0"), (60, "14"), (60, "14"), (120, "15"))
        self.assertEqual((answer["accepted"], answer["duplicates"]), (1, 3))
        self.assertEqual(self.exact_balance(), balance - Decimal("0.275"))

    def test_another_value_for_the_same_moment_is_held(self):
        self.ingest((0, "10"), (60, "14"))
        answer = self.ingest((60, "15"))
        self.assertEqual(answer["held"], [{"index": 0, "reason": "conflict"}])

    def test_register_backwards_is_held(self):
        self.ingest((0, "10"), (60, "14"))
        answer = self.ingest((120, "13.99"), (180, "15"))
        self.assertEqual(answer["held"], [{"index": 0, "reason": "backwards"}])
        self.assertEqual(answer["accepted"], 1)

    def test_readings_from_before_the_installation_are_held(self):
        point, meter = add_point(self, "M-NEW", wallet_id=self.wallet.id)
        meter.installation_ids.date_from = self.begin.replace(tzinfo=None)
        answer = self.ingest((-60, "1", "M-NEW"), (60, "5", "M-NEW"))
        self.assertEqual(
            answer["held"], [{"index": 0, "reason": "before_installation"}]
        )
        self.assertEqual(self.exact_balance(), Decimal(100))

    def test_a_moved_meter_starts_anew_and_known_readings_stay_known(self):
        self.ingest((0, "10"), (60, "14"))
        balance = self.exact_balance()
        self.meter.installation_ids.date_to = self.begin.replace(tzinfo=None)
        point, spare = add_point(self, "M-OLD", wallet_id=self.wallet.id)
        spare.installation_ids.date_to = self.begin.replace(tzinfo=None)
        self.env["energy.meter.installation"].create(
            {
                "meter_id": self.meter.id,
                "service_point_id": point.id,
                "date_from": (self.begin + timedelta(seconds=90)).replace(tzinfo=None),
            }
        )
        answer = self.ingest((60, "14"), (120, "20"), (180, "21"))
        self.assertEqual((answer["accepted"], answer["duplicates"]), (2, 1))
        self.assertEqual(self.exact_balance(), balance - Decimal("0.275"))

    def test_held_readings_call_a_person_once(self):
        self.ingest((0, "10"), (60, "14"))
        self.ingest((120, "1"))
        self.ingest((180, "2"))
        self.assertEqual(len(self.point.activity_ids), 1)
        self.assertIn("are held", self.point.activity_ids.summary)

    def test_a_register_that_fell_shows_both_numbers(self):
        self.ingest((0, "10"), (60, "14"))
        self.ingest((120, "1"))
        review = self.env["energy.reading.review"].search(
            [("meter_id", "=", self.meter.id)]
        )
        self.assertEqual((review.reason, review.detail), ("backwards", "14 → 1"))

    def test_held_readings_of_many_call_one_person_once(self):
        serials = [f"MANY-{number}" for number in range(12)]
        points = self.env["energy.service.point"]
        for serial in serials:
            points |= add_point(self, serial, wallet_id=self.wallet.id)[0]
        self.ingest(*((0, "10", serial) for serial in serials))
        self.ingest(*((60, "1", serial) for serial in serials))
        self.ingest(*((120, "2", serial) for serial in serials))
        self.assertFalse(points.activity_ids)
        [activity] = self.gateway.activity_ids
        self.assertIn("12 meters at once, among them MANY-0", activity.note)
        self.assertEqual(activity.user_id, self.site.user_id)
        self.ingest((180, "3", "MANY-0"))
        self.assertTrue(points[0].activity_ids, "a single one is told at its point")

    def test_what_cannot_be_stored_is_set_aside_not_fatal(self):
        answer = self.ingest(
            (0, "1"),
            telemetry=[["M-1", self.at(0), {"p": "\0"}]],
            events=[
                {"uid": "e", "kind": ["x"], "time": self.at(0)},
                {"uid": "e2", "kind": "overload_trip", "meter_serial": "M-1"},
                "rubbish",
            ],
        )
        self.assertEqual(answer["accepted"], 1)
        self.assertEqual(self.reviews().mapped("reason"), ["unreadable_event"] * 3)
        answer = self.bridge.ingest(
            {"uid": "nul", "readings": [["M\0", self.at(0), "1\0"]]}
        )
        self.assertEqual(answer["rejected"][0]["reason"], "unknown_serial")

    def test_future_is_held(self):
        answer = self.ingest((3600 + 600, "10"))
        self.assertEqual(answer["held"], [{"index": 0, "reason": "future"}])

    def test_unknown_serial_is_rejected_and_kept(self):
        answer = self.ingest((0, "10", "NOBODY"), (0, "10"))
        self.assertEqual(answer["rejected"], [{"index": 0, "reason": "unknown_serial"}])
        self.assertEqual(answer["accepted"], 1)
        self.assertEqual(self.reviews().meter_serial, "NOBODY")

    def test_a_meter_of_another_gateway_is_unknown(self):
        other = self.gateway.copy({"name": "Other"})
        _point, meter = add_point(self, "M-OTHER")
        meter.gateway_id = other
        answer = self.ingest((0, "10", "M-OTHER"))
        self.assertEqual(answer["rejected"][0]["reason"], "unknown_serial")

    def test_a_spare_meter_is_held(self):
        self.env["energy.meter"].create(
            {"serial": "SPARE", "gateway_id": self.gateway.id}
        )
        answer = self.ingest((0, "10", "SPARE"))
        self.assertEqual(answer["held"], [{"index": 0, "reason": "not_installed"}])

    def test_unreadable_rows_are_rejected_one_by_one(self):
        rows = [
            ["M-1", self.at(0), "abc"],
            ["M-1", self.at(0), "-1"],
            ["M-1", self.at(0), "NaN"],
            ["M-1", self.at(0), 1.5],
            ["M-1", self.at(0), "1e99"],
            ["M-1", "yesterday", "1"],
            ["M-1", "2026-01-01T00:00:00", "1"],
            ["M-1"],
            "M-1",
            [None, self.at(0), "1"],
            ["M-1", self.at(0), "1"],
        ]
        answer = self.bridge.ingest({"uid": "broken", "readings": rows})
        reasons = [row["reason"] for row in answer["rejected"]]
        self.assertEqual(reasons.pop(1), "negative")
        reasons.insert(1, "unreadable_value")
        self.assertEqual(reasons[:5], ["unreadable_value"] * 5)
        self.assertEqual(reasons[5:7], ["unreadable_time"] * 2)
        self.assertEqual(reasons[7:], ["malformed", "malformed", "unknown_serial"])
        self.assertEqual(answer["accepted"], 1)
        self.assertEqual(len(self.reviews()), 10)

    def test_what_is_no_batch_names_the_key(self):
        for batch, key in (
            ([], "batch"),
            ({}, "batch.uid"),
            ({"uid": ""}, "batch.uid"),
            ({"uid": "u", "readings": {}}, "batch.readings"),
            ({"uid": "u", "readings": [[]] * 10001}, "batch.readings"),
            ({"uid": "u", "events": "x"}, "batch.events"),
        ):
            with self.assertRaisesRegex(UserError, key.replace(".", r"\.")):
                self.bridge.ingest(batch)

    def test_only_a_gateway_may_call(self):
        for user in (self.portal_user, self.env.ref("base.user_admin")):
            gateway = self.env["energy.gateway"].with_user(user)
            with self.assertRaises(AccessError):
                gateway.ingest({"uid": "x", "readings": []})
            with self.assertRaises(AccessError):
                gateway.commands([])
            with self.assertRaises(AccessError):
                gateway.report([])

    def test_any_split_gives_the_same_usage(self):
        """Invariant 2 for ordered readings: batches do not matter."""
        registers = [("100", 0), ("100.333", 7), ("101.01", 1700), ("107", 3300)]
        _point, _meter = add_point(self, "M-2", wallet_id=self.wallet.id)
        self.ingest(*((at, register) for register, at in registers))
        for register, at in registers:
            self.ingest((at, register, "M-2"))
        rows = self.env["energy.usage"]._read_group(
            [("wallet_id", "=", self.wallet.id)],
            ["service_point_id"],
            ["quantity:sum", "amount_total:sum"],
        )
        self.assertEqual(rows[0][1:], rows[1][1:])
        self.assertEqual(self.exact_balance(), Decimal(100) - 2 * Decimal("1.925"))

    def test_statements_do_not_grow_with_the_batch(self):
        for number in range(50):
            add_point(self, f"Q-{number}", wallet_id=self.wallet.id)

        def batch(count, offset):
            return {
                "uid": f"count-{count}-{offset}",
                "readings": [
                    [f"Q-{number}", self.at(offset + step), str(step)]
                    for number in range(count)
                    for step in range(3)
                ],
            }

        self.bridge.ingest(batch(50, 0))
        self.bridge.ingest(batch(2, 50))
        counts = []
        for count, offset in ((2, 100), (50, 200)):
            before = self.env.cr.sql_log_count
            self.bridge.ingest(batch(count, offset))
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(*counts)

    def test_telemetry_keeps_the_newest(self):
        rows = [
            ["M-1", self.at(10), {"p": 3.25, "v1": 230.1}],
            ["M-1", self.at(5), {"p": 9}],
            ["M-1", "never", {"p": 1}],
            "rubbish",
        ]
        self.ingest(telemetry=rows)
        self.meter.invalidate_recordset()
        self.assertEqual(self.meter.power_kw, 3.25)
        self.assertEqual(self.meter.telemetry["v1"], 230.1)

    def test_parsers(self):
        self.assertEqual(str(parse_time(86400 * 365)), "1971-01-01 00:00:00")
        self.assertEqual(
            str(parse_time("2026-03-01T12:00:00+02:00")), "2026-03-01 10:00:00"
        )
        for value in (None, True, 1.5, 0, 10**30, "2026-13-01T00:00:00Z", {}):
            self.assertIsNone(parse_time(value), value)
        self.assertEqual(parse_register("12.340"), Decimal("12.34"))
        for value in (
            None,
            True,
            1.5,
            "",
            "1,5",
            "Infinity",
            "9" * 41,
            "-0.1",
            "1e-10",
        ):
            self.assertIsNone(parse_register(value), value)
