import base64
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import openpyxl

from odoo.exceptions import AccessError, UserError
from odoo.fields import Command
from odoo.tests import new_test_user, tagged

from .common import EnergyCase, add_point, flat_version


@tagged("post_install", "-at_install")
class TestWhatif(EnergyCase):
    def setUp(self):
        super().setUp()
        self.begin = datetime(2024, 5, 31, tzinfo=UTC)
        self.second, _meter = add_point(self, "M-2", wallet_id=self.wallet.id)
        add_point(self, "M-FEEDER")
        hour = 3600
        for serial in ("M-1", "M-2", "M-FEEDER"):
            self.ingest(
                (0, "0", serial),
                (18 * hour, "10", serial),  # 31 May
                (36 * hour, "46", serial),  # 1 June 12:00, 24 kWh of it in June
                (60 * hour, "94", serial),  # 48 kWh until 2 June 12:00
            )
        peak = self.env["energy.tariff.band"].create({"name": "=peak"})
        night = self.env["energy.tariff.band"].create({"name": "night x"})
        rule = {"band_id": peak.id, "hour_from": 6, "hour_to": 18}
        self.other = self.env["energy.tariff"].create(
            {
                "name": "Day and night",
                "tz": "UTC",
                "version_ids": [
                    Command.create(
                        flat_version(
                            "2024-01-01",
                            0.1,
                            levy=10,
                            default_band_id=night.id,
                            rule_ids=[Command.create(rule)],
                            price_ids=[
                                Command.create({"band_id": peak.id, "price": 0.4}),
                                Command.create({"band_id": night.id, "price": 0.1}),
                            ],
                            fixed_ids=[Command.create({"name": "Rent", "amount": 3})],
                        )
                    )
                ],
            }
        )

    def compare(self, **values):
        whatif = self.env["energy.whatif"].create(
            {
                "site_id": self.site.id,
                "date_from": "2024-06-01",
                "date_to": "2024-06-01",
                "tariff_ids": [Command.set(self.other.ids)],
                **values,
            }
        )
        whatif.action_compare()
        return whatif

    def test_a_site_under_another_tariff_by_hand(self):
        whatif = self.compare()
        # 1 June: per point 24 kWh until noon and 24 after; half of each is peak
        now = 2 * 48 * Decimal("0.25") * Decimal("1.1")
        other = (2 * 24 * Decimal("0.5") + 2 * 3) * Decimal("1.1")
        tables = whatif.tables
        self.assertEqual(tables["scenarios"], ["As now", "Day and night"])
        ((month, (first, second)),) = tables["months"]
        self.assertEqual(month, "2024-06-01")
        self.assertEqual(Decimal(first[0]), now)
        self.assertEqual(Decimal(first[1]), 0)
        self.assertEqual(Decimal(second[0]), other)
        self.assertEqual(Decimal(second[1]), other - now)
        shares = {(row[0], row[2]): tuple(row[3:6]) for row in tables["bands"]}
        self.assertEqual(
            shares,
            {
                ("As now", "all"): ("96", "100.00", "+0.00"),
                ("Day and night", "all"): ("0", "0.00", "-100.00"),
                ("Day and night", "=peak"): ("48", "50.00", "+50.00"),
                ("Day and night", "night x"): ("48", "50.00", "+50.00"),
            },
        )
        self.assertIn("2 service points", whatif.note)
        self.assertIn("Day and night", whatif.result)

    def test_the_lines_add_up_to_the_difference(self):
        whatif = self.compare(date_from="2024-05-01", date_to="2024-06-30")
        lines = whatif.line_ids.filtered("sequence")
        self.assertAlmostEqual(
            sum(lines.mapped("difference")),
            float(whatif.tables["sums"][1][1]),
            places=1,
        )
        self.assertEqual(
            set(lines.mapped("month")), {date(2024, 5, 1), date(2024, 6, 1)}
        )
        action = whatif.action_graph()
        self.assertEqual(
            self.env["energy.whatif.line"].search(action["domain"]), whatif.line_ids
        )

    def test_what_was_billed_is_what_as_now_says(self):
        """The batch side and the incremental side agree on a whole period."""
        whatif = self.compare(date_from="2024-05-01", date_to="2024-06-30")
        usage = self.env["energy.usage"].search(
            [("service_point_id", "in", (self.point | self.second).ids)]
        )
        self.assertAlmostEqual(
            float(whatif.tables["sums"][0][0]), sum(usage.mapped("amount_total"))
        )

    def test_a_draft_can_be_tried(self):
        version = self.tariff.version_ids
        draft = version.browse(version.action_correct()["res_id"])
        draft.valid_from = "2024-06-01"
        draft.price_ids.price = 0.5
        whatif = self.compare(
            tariff_ids=False,
            draft_ids=[Command.set(draft.ids)],
            service_point_ids=[Command.set(self.point.ids)],
            date_from="2024-05-31",
        )
        sums = [[Decimal(part) for part in pair] for pair in whatif.tables["sums"]]
        self.assertEqual(sums[1][1], 70 * Decimal("0.25") * Decimal("1.1"))
        whatif.drafts_always = False
        whatif.action_compare()
        sums = [[Decimal(part) for part in pair] for pair in whatif.tables["sums"]]
        self.assertEqual(sums[1][1], 48 * Decimal("0.25") * Decimal("1.1"))

    def test_the_workbook_has_the_figures_and_no_formula(self):
        whatif = self.compare()
        book = openpyxl.load_workbook(io.BytesIO(base64.b64decode(whatif.xlsx)))
        rows = list(book["Months"].values)
        self.assertEqual(rows[1][0], datetime(2024, 6, 1))
        self.assertAlmostEqual(rows[1][1], 26.4)
        self.assertAlmostEqual(rows[1][4], 6.6)
        cells = [cell for row in book["Bands"].iter_rows() for cell in row]
        self.assertIn("=peak", [cell.value for cell in cells])
        self.assertFalse([cell for cell in cells if cell.data_type == "f"])
        self.assertTrue(whatif.xlsx_name.endswith(".xlsx"))

    def test_nothing_to_compare_is_said(self):
        francs = self.env.ref("base.CHF")
        francs.active = True
        foreign = self.tariff.copy({"currency_id": francs.id})
        empty = self.env["energy.tariff"].create({"name": "Empty", "tz": "UTC"})
        for values, message in (
            ({"tariff_ids": False}, "at least one tariff"),
            ({"site_id": False}, "Choose a site"),
            ({"tariff_ids": [Command.set(foreign.ids)]}, "same currency"),
            ({"tariff_ids": [Command.set(empty.ids)]}, "no version"),
            ({"date_from": "2024-07-01"}, "before it begins"),
        ):
            with self.assertRaisesRegex(UserError, message):
                with self.env.cr.savepoint():
                    self.compare(**values)
        empty_period = self.compare(date_from="2023-06-01", date_to="2023-06-30")
        self.assertIn("no readings", empty_period.note)
        self.assertIn("no prices before 2024-01-01", empty_period.note)

    def test_a_yearly_tier_counts_from_january(self):
        self.other.version_ids.write(
            {
                "rule_ids": [Command.clear()],
                "tier_mode": "incremental",
                "tier_counter": "year",
                "threshold_ids": [Command.create({"up_to": 22})],
                "price_ids": [
                    Command.clear(),
                    Command.create({"tier": 1, "price": 1}),
                    Command.create({"tier": 2, "price": 2}),
                ],
                "fixed_ids": [Command.clear()],
            }
        )
        whatif = self.compare(service_point_ids=[Command.set(self.point.ids)])
        # 22 kWh were used up in May, so all of June is in the second tier
        self.assertEqual(Decimal(whatif.tables["sums"][1][0]), 48 * 2 * Decimal("1.1"))

    def test_it_is_for_those_who_see_the_figures(self):
        whatif = self.compare()
        manager, operator = (
            new_test_user(self.env, name, groups=f"prepaid_energy.group_energy_{name}")
            for name in ("manager", "operator")
        )
        with self.assertRaises(AccessError):
            self.env["energy.whatif"].with_user(operator).create({})
        with self.assertRaises(AccessError):
            whatif.with_user(manager).read(["tables"])
        self.assertFalse(self.env["energy.whatif.line"].with_user(manager).search([]))
        own = (
            self.env["energy.whatif"]
            .with_user(manager)
            .create(
                {
                    "site_id": self.site.id,
                    "date_from": self.begin.date(),
                    "date_to": self.begin.date() + timedelta(days=2),
                    "tariff_ids": [Command.set(self.other.ids)],
                }
            )
        )
        own.action_compare()
        self.assertTrue(own.line_ids)
