import json
from datetime import UTC, timedelta
from decimal import Decimal
from types import SimpleNamespace
from unittest.mock import patch

from odoo import fields
from odoo.exceptions import AccessError, UserError
from odoo.tests import new_test_user, tagged
from odoo.tools import SQL

from ..ingest import window
from ..models import energy_site_board as board
from .common import add_point
from .relay_case import RelayCase


@tagged("post_install", "-at_install")
class TestBoard(RelayCase):
    """What the live board gets, and who gets it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.feeder, cls.feeder_meter = add_point(cls, "M-FEEDER", has_relay=False)
        cls.point.parent_id = cls.feeder
        cls.looker = new_test_user(
            cls.env, "looker", groups="prepaid_energy.group_energy_user"
        )
        cls.operator = new_test_user(
            cls.env, "operator", groups="prepaid_energy.group_energy_operator"
        )

    def setUp(self):
        super().setUp()
        board._told.clear()
        self.clock = 1000.0
        self.patch(board, "monotonic", lambda: self.clock)

    def snapshot(self, user=None):
        return self.site.with_user(user or self.looker).board_snapshot()

    def row(self, point, answer=None):
        """A point's row as a dict; None where it is not among the rows."""
        columns = [*board.COLUMNS, "state"]
        rows = (answer or self.snapshot())["rows"]
        found = [row for row in rows if row[0] == point.id]
        return dict(zip(columns, found[0], strict=True)) if found else None

    def power(self, value, serial="M-1"):
        self.ingest(telemetry=[[serial, self.at(3600), {"p": value}]])

    # -------------------------------------------------------------------- the snapshot

    def test_a_row_says_what_is_known_of_a_point(self):
        self.power(12.5)
        row = self.row(self.point)
        self.assertEqual(row["parent"], self.feeder.id)
        self.assertEqual((row["power"], row["state"]), (12.5, "on"))
        self.assertEqual((row["balance"], row["level"]), (1.0, "low"))
        self.assertEqual(row["wallet"], "Tenant Ltd")
        self.assertEqual(row["currency"], self.wallet.currency_id.id)
        now = self.snapshot()["now"]
        self.assertLess(abs(now - row["power_at"]), 120)
        self.assertLess(abs(now - row["heard_at"]), 120)

    def test_columns_and_rows_go_together(self):
        answer = self.snapshot()
        self.assertEqual({len(row) for row in answer["rows"]}, {len(answer["columns"])})

    def test_without_telemetry_there_is_no_power(self):
        row = self.row(self.feeder)
        self.assertEqual((row["power_at"], row["wallet"]), (None, None))
        self.assertEqual(row["state"], "none")

    def test_the_state_is_that_of_the_form(self):
        facts = [
            {"locked_out": True},
            {"locked_out": False, "tripped": True},
            {"tripped": False, "switched_off": True},
        ]
        for fact in facts:
            self.point.sudo().write(fact)
            self.assertEqual(self.row(self.point)["state"], self.point.supply_state)
        self.poll("open", self.point.generation)
        self.assertEqual(self.row(self.point)["state"], "off")
        self.assertEqual(self.point.supply_state, "off")

    def test_alarms_of_points_and_bridges(self):
        self.event("overload_trip", 3500)
        self.gateway._alarm("alarm_gateway", "The bridge is silent")
        alarms = self.snapshot()["alarms"]
        self.assertEqual([alarm["point"] for alarm in alarms], [self.point.id, False])
        self.assertEqual(alarms[1]["place"], "Test bridge")
        self.assertEqual(alarms[1]["text"], "The bridge is silent")
        self.gateway._all_clear(["alarm_gateway"], "back")
        self.assertEqual(len(self.snapshot()["alarms"]), 1)

    def test_alarms_are_sent_again_where_one_came_or_went(self):
        site = self.site.with_user(self.looker)

        def news(known):
            answer = site.board_changes("3", known)
            return answer["alarms"], answer["known"]

        before = self.snapshot()
        self.assertEqual(news(before["known"]), (False, before["known"]))
        self.point._alarm("alarm_relay", "does not follow")
        alarms, known = news(before["known"])
        self.assertEqual([alarm["text"] for alarm in alarms], ["does not follow"])
        self.assertFalse(news(known)[0])
        self.point._all_clear(["alarm_relay"], "follows")
        self.point._alarm("alarm_limit", "another")
        self.assertEqual([alarm["text"] for alarm in news(known)[0]], ["another"])
        self.assertEqual(len(news(None)[0]), 1)

    def test_losses_of_today_and_yesterday(self):
        today = fields.Datetime.now().replace(minute=0, second=0, microsecond=0)
        for days, loss in ((0, 2), (1, 3), (2, 50)):
            at = today.replace(hour=0) - timedelta(days=days)
            self.env["energy.loss"].sudo().create(
                {
                    "service_point_id": self.feeder.id,
                    "site_id": self.site.id,
                    "company_id": self.company.id,
                    "at": at,
                    "day": at.date(),
                    "hours": 1,
                    "known": 1,
                    "measured": 100,
                    "loss": loss,
                }
            )
        losses = self.snapshot()["losses"][self.feeder.id]
        self.assertEqual(losses["today"]["loss"], 2)
        self.assertEqual(losses["yesterday"]["percent"], 3)
        self.assertEqual({*losses}, {"today", "yesterday"})

    def test_a_stop_of_all_cut_offs_is_told(self):
        self.assertFalse(self.snapshot()["stopped"])
        self.site.stop_reason = "Flood"
        self.site.action_stop_cutoffs()
        self.assertEqual(self.snapshot()["stopped"], "Flood")

    def test_the_number_of_queries_is_constant(self):
        def queries(method, *args):
            self.env.invalidate_all()
            site = self.site.with_user(self.looker)
            begin = self.cr.sql_log_count
            getattr(site, method)(*args)
            return self.cr.sql_log_count - begin

        def fill(begin, end):
            for number in range(begin, end):
                point, _meter = add_point(self, f"N-{number}", parent_id=self.feeder.id)
                point._alarm("alarm_relay", "does not follow")

        fill(0, 8)
        queries("board_snapshot")  # what is cached once for all
        few = queries("board_snapshot"), queries("board_changes", "3")
        fill(8, 98)
        many = queries("board_snapshot"), queries("board_changes", "3")
        self.assertEqual(few, many)
        self.assertLess(many[0], 20)
        self.assertEqual(len(self.snapshot()["rows"]), 100)

    # -------------------------------------------------------------------- the last hour

    def hour(self):
        answer = self.site.with_user(self.looker).board_hour()
        return answer["hour"], answer["until"]

    def ago(self, minutes):
        return self.now - timedelta(minutes=minutes)

    def readings(self, serial, *rows):
        """Readings as (minutes ago, register)."""
        stamp = [(f"{self.ago(minutes)}Z", str(value)) for minutes, value in rows]
        batch = {
            "uid": f"{serial}{rows}",
            "readings": [[serial, at, value] for at, value in stamp],
        }
        answer = self.bridge.ingest(batch)
        self.assertEqual(answer["accepted"], len(rows), answer)

    def begin_hours(self):
        self.now = fields.Datetime.now()
        for meter in (self.meter, self.feeder_meter):
            self.env["energy.meter.installation"].search(
                [("meter_id", "=", meter.id)]
            ).date_from = self.ago(600)

    def test_meters_are_compared_in_one_and_the_same_hour(self):
        """However far apart they are read."""
        self.begin_hours()
        self.readings("M-FEEDER", (90, 100), (50, 140), (10, 200))
        self.readings("M-1", (110, 10), (70, 50), (40, 80), (3, 117))
        hour, until = self.hour()
        self.assertEqual(until, int(self.ago(10).replace(tzinfo=UTC).timestamp()))
        # from 70 to 10 minutes ago
        self.assertEqual(hour[self.feeder.id], 200 - 120)
        self.assertAlmostEqual(hour[self.point.id], 110 - 50)
        self.assertEqual(self.snapshot()["hour"], hour)

    def test_what_is_not_known_of_the_hour_is_not_there(self):
        self.begin_hours()
        self.readings("M-FEEDER", (300, 100), (10, 200))
        self.readings("M-1", (80, 10), (5, 60))
        self.assertEqual({*self.hour()[0]}, {self.point.id}, "a gap")
        self.readings("M-FEEDER", (2, 201))
        self.assertEqual({*self.hour()[0]}, {self.point.id})

    def test_a_meter_that_came_within_the_hour_knows_no_hour(self):
        self.begin_hours()
        self.readings("M-1", (80, 10), (5, 60))
        self.env["energy.meter.installation"].search(
            [("meter_id", "=", self.meter.id)]
        ).sudo().date_from = self.ago(30)
        self.assertFalse(self.hour()[0])

    def test_a_register_rolls_over(self):
        most = Decimal(10) ** self.meter.register_digits
        before, after = most - 10, Decimal(20)
        self.assertEqual(window._step(before, after, most), 30)
        self.assertIsNone(window._step(Decimal(5000), Decimal(3), most), "a new one")

    def test_who_is_silent_does_not_hold_up_the_others(self):
        self.begin_hours()
        self.readings("M-FEEDER", (400, 100), (200, 140))
        self.readings("M-1", (80, 10), (5, 60))
        hour, until = self.hour()
        self.assertEqual(until, int(self.ago(5).replace(tzinfo=UTC).timestamp()))
        self.assertEqual({*hour}, {self.point.id})

    def test_without_readings_there_is_no_hour(self):
        self.assertEqual(self.hour(), ({}, False))

    # --------------------------------------------------------------------- what changed

    def next_xid(self):
        """What a snapshot would say after all that was written until now.

        A test is one transaction; what it writes inside a savepoint has a newer number.
        """
        self.env.flush_all()
        with self.cr.savepoint():
            self.cr.execute(
                "CREATE TEMP TABLE IF NOT EXISTS board_mark (one int); "
                "INSERT INTO board_mark VALUES (1)"
            )
        self.cr.execute("SELECT max(xmin::text::bigint) + 1 FROM board_mark")
        return str(self.cr.fetchone()[0])

    def changes(self, since, edited=False):
        with self.cr.savepoint():
            self.env.flush_all()
        if not edited:
            self.cr.execute(
                "UPDATE energy_service_point SET write_date = %s WHERE site_id = %s",
                [fields.Datetime.now() - 2 * board.EDITED, self.site.id],
            )
        answer = self.site.with_user(self.looker).board_changes(since)
        return answer, {row[0] for row in [*answer["rows"], *answer["meters"]]}

    def test_only_what_changed_is_in_the_changes(self):
        other, _meter = add_point(self, "M-2", parent_id=self.feeder.id)
        since = self.next_xid()
        self.assertEqual(self.changes(since)[1], set())
        with self.cr.savepoint():
            self.power(3, "M-2")
        answer, ids = self.changes(since)
        self.assertEqual(ids, {other.id})
        self.assertEqual((answer["rows"], answer["wallets"]), ([], []))
        [values] = answer["meters"]
        values = dict(zip(self.snapshot()["meter"], values, strict=True))
        self.assertEqual((values["power"], values["serial"]), (3, "M-2"))
        self.assertEqual(values.items() - self.row(other).items(), set())
        self.assertEqual(answer["count"], 3)

    def test_what_a_meter_says_is_all_that_is_sent_of_its_row(self):
        """Each value of a row that a meter's write can change is in its part."""
        before = self.row(self.point)
        self.power(7.5)
        self.poll("open", self.point.generation)
        self.meter.serial = "M-1B"
        after = self.row(self.point)
        changed = {name for name in after if after[name] != before[name]}
        self.assertLessEqual({"power", "relay", "state", "serial"}, changed)
        self.assertLessEqual(changed, {*board.METER, *board.WALLET})

    def test_many_meters_are_a_fraction_of_the_rows(self):
        for number in range(50):
            add_point(self, f"N-{number}", parent_id=self.feeder.id)
        since = self.next_xid()
        with self.cr.savepoint():
            at = self.at(3600)
            serials = [f"N-{number}" for number in range(50)]
            self.ingest(telemetry=[[serial, at, {"p": 1.5}] for serial in serials])
        answer, ids = self.changes(since)
        self.assertEqual((len(ids), answer["rows"]), (50, []))
        rows = json.dumps(self.snapshot()["rows"])
        self.assertLess(len(json.dumps(answer["meters"])), len(rows) / 2)

    def test_a_batch_writes_the_point_as_well_but_sends_no_row(self):
        since = self.next_xid()
        with self.cr.savepoint():
            self.ingest((60, "1"), (120, "2"))
            self.env.flush_all()
        self.cr.execute(
            "UPDATE energy_service_point SET write_date = %s",
            [fields.Datetime.now() - 2 * board.EDITED],
        )
        with self.cr.savepoint():  # as the rating state of a batch
            self.cr.execute(
                "UPDATE energy_service_point SET rating_state = rating_state "
                "WHERE id = %s",
                [self.point.id],
            )
        site = self.site.with_user(self.looker)
        answer = site.board_changes(since)
        self.assertEqual(answer["rows"], [])
        self.assertEqual([row[0] for row in answer["meters"]], [self.point.id])
        self.point.name = "Edited"
        self.env.flush_all()
        answer = site.board_changes(answer["since"])
        self.assertEqual(self.row(self.point, answer)["name"], "Edited")

    def test_a_wallet_alone_is_a_change(self):
        since = self.next_xid()
        with self.cr.savepoint():
            self.topup("40")
            self.env.flush_all()
        answer, ids = self.changes(since)
        self.assertFalse(ids, "its points are as they were")
        self.assertEqual(
            answer["wallets"], [[self.wallet.id, "Tenant Ltd", 41, "normal"]]
        )
        self.assertEqual(self.row(self.point)["wallet_id"], self.wallet.id)

    def test_an_archived_point_is_told_once_more(self):
        other = self.env["energy.service.point"].create(
            {
                "name": "Spare",
                "site_id": self.site.id,
                "tariff_id": self.tariff.id,
            }
        )
        self.assertEqual(self.snapshot()["count"], 3)
        since = self.next_xid()
        with self.cr.savepoint():
            other.active = False
            self.env.flush_all()
        answer, ids = self.changes(since, edited=True)
        self.assertEqual((ids, answer["count"]), ({other.id}, 2))
        self.assertFalse(self.row(other, answer)["active"])
        self.assertIsNone(self.row(other))

    def test_since_is_the_oldest_unfinished_transaction(self):
        """So that what commits later than it was written is not missed."""
        self.point.name = "Written by this unfinished transaction"
        since = self.snapshot()["since"]
        self.assertIn(self.point.id, self.changes(since)[1])

    def test_since_must_be_one(self):
        for since in ("", "x", "-1", str(2**32), "1; DROP", None):
            with self.assertRaises(UserError):
                self.site.with_user(self.looker).board_changes(since)

    # --------------------------------------------------------------------- who may look

    def test_only_energy_users_look(self):
        stranger = new_test_user(self.env, "stranger", groups="base.group_user")
        for user in (stranger, self.portal_user, self.gateway.user_id):
            with self.assertRaises(AccessError):
                self.snapshot(user)
            with self.assertRaises(AccessError):
                self.site.with_user(user).board_changes("3")
            with self.assertRaises(AccessError):
                self.site.with_user(user).board_hour()
            with self.assertRaises(AccessError):
                self.site.with_user(user).board_sites()

    def test_another_company_sees_nothing(self):
        company = self.env["res.company"].create({"name": "Other"})
        other = new_test_user(
            self.env,
            "other",
            groups="prepaid_energy.group_energy_manager",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        with self.assertRaises(AccessError):
            self.snapshot(other)
        self.assertNotIn(
            self.site.id, [s["id"] for s in self.site.with_user(other).board_sites()]
        )

    def test_a_rule_that_hides_a_point_or_a_wallet_holds_here(self):
        Rule = self.env["ir.rule"]
        for model, domain in (
            ("energy.service.point", [("id", "!=", self.feeder.id)]),
            ("energy.wallet", [("id", "!=", self.wallet.id)]),
        ):
            Rule.create(
                {
                    "name": "hidden",
                    "model_id": self.env["ir.model"]._get_id(model),
                    "domain_force": repr(domain),
                }
            )
        answer = self.snapshot()
        self.assertIsNone(self.row(self.feeder, answer))
        self.assertIsNone(self.row(self.point, answer)["balance"])
        self.assertEqual(answer["count"], 1)

    def test_who_may_act(self):
        self.assertFalse(self.snapshot()["may_act"])
        self.assertTrue(self.snapshot(self.operator)["may_act"])
        point = self.point.with_user(self.looker)
        for method in (
            "action_switch_off",
            "action_switch_on",
            "action_read_now",
        ):
            with self.assertRaises(AccessError, msg=method):
                getattr(point, method)()
        with self.assertRaises(AccessError):
            self.lock_out(user=self.looker)

    def test_only_who_reads_the_site_hears_of_it(self):
        stranger = new_test_user(self.env, "stranger", groups="base.group_user")
        names = [f"energy_board_{self.site.id}", "energy_board_x", "else"]
        for user, heard in ((self.looker, self.site), (stranger, self.site.browse())):
            session = SimpleNamespace(session=SimpleNamespace(uid=user.id))
            with patch("odoo.addons.bus.models.ir_websocket.wsrequest", session):
                channels = (
                    self.env["ir.websocket"]
                    .with_user(user)
                    ._build_bus_channel_list(list(names))
                )
            sites = [
                channel
                for channel in channels
                if getattr(channel, "_name", "") == "energy.site"
            ]
            self.assertEqual(sites, list(heard))
            self.assertFalse({*names[:2]} & {c for c in channels if type(c) is str})
            self.assertIn("else", channels)

    # -------------------------------------------------------------------------- the bus

    def told(self):
        """How many messages to boards wait for the commit."""
        values = self.cr.precommit.data.get("bus.bus.values", [])
        return sum(board.TOLD in value["message"] for value in values)

    def commit(self):
        """What the end of the transaction would do to the messages."""
        self.cr.precommit.run()
        self.cr.postcommit.run()

    def test_a_batch_tells_once(self):
        self.commit()
        board._told.clear()
        self.ingest((0, "0"), (60, "1"), (120, "2"))
        self.assertEqual(self.told(), 1)
        self.ingest((180, "3"))
        self.assertEqual(self.told(), 1, "twice in one transaction")

    def test_within_the_pause_nothing_is_told(self):
        self.ingest((0, "0"))
        self.commit()
        self.ingest((60, "1"))
        self.assertEqual(self.told(), 0)
        self.clock += board.PAUSE
        self.ingest((120, "2"))
        self.assertEqual(self.told(), 1)

    def test_what_was_rolled_back_counts_not_as_told(self):
        self.ingest((0, "0"))
        self.cr.precommit.clear()
        self.cr.postcommit.clear()
        self.ingest((60, "1"))
        self.assertEqual(self.told(), 1)

    def test_buttons_relays_and_alarms_tell(self):
        def tells(work):
            self.commit()
            board._told.clear()
            work()
            return self.told()

        self.assertEqual(tells(self.point.action_switch_off), 1)
        generation = self.point.generation
        self.assertEqual(tells(lambda: self.poll("open", generation)), 1)
        self.assertEqual(tells(lambda: self.poll("open", generation)), 0)
        self.assertEqual(tells(lambda: self.point._alarm("alarm_relay", "x")), 1)
        self.assertEqual(tells(lambda: self.point._all_clear(["alarm_relay"], "")), 1)
        self.assertEqual(tells(lambda: self.point._all_clear(["alarm_relay"], "")), 0)

    def test_the_message_names_the_site_only(self):
        self.cr.execute(SQL("DELETE FROM bus_bus"))
        self.ingest((0, "0"))
        self.cr.precommit.run()
        self.cr.execute(SQL("SELECT channel, message FROM bus_bus"))
        [(channel, message)] = [
            row for row in self.cr.fetchall() if board.TOLD in row[1]
        ]
        self.assertIn('"energy.site"', channel)
        self.assertLess(len(message), 80)
