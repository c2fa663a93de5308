import re
from datetime import date
from decimal import Decimal

from odoo.tests import HttpCase, TransactionCase, tagged

from ..exchange import bars
from .common import add_point, flat_version, set_up_park


@tagged("post_install", "-at_install")
class TestBars(TransactionCase):
    """The chart as data."""

    def test_the_scale_is_round_and_reaches_the_top(self):
        for most, steps in (
            ("0", ["0", "1"]),
            ("7", ["0", "2", "4", "6", "8"]),
            ("100", ["0", "25", "50", "75", "100"]),
            ("0.03", ["0", "0.01", "0.02", "0.03"]),
            ("101", ["0", "50", "100", "150"]),
        ):
            self.assertEqual(bars.scale(Decimal(most)), [Decimal(s) for s in steps])
        for number in range(1, 3000, 7):
            lines = bars.scale(Decimal(number) / 8)
            self.assertGreaterEqual(lines[-1] * 8, number)
            self.assertLessEqual(len(lines), bars.LINES + 1)

    def test_parts_stand_on_each_other(self):
        buckets = [
            ("a", {"day": Decimal(3), "night": Decimal(1)}),
            ("b", {"night": Decimal(-2)}),
        ]
        chart = bars.chart(buckets, ["day", "night"])
        first, second = chart["bars"]
        (low, low_y, low_tall), (high, high_y, high_tall) = first["parts"]
        self.assertEqual((low, high), (0, 1))
        self.assertAlmostEqual(low_y + low_tall, chart["baseline"], 1)
        self.assertAlmostEqual(high_y + high_tall, low_y, 1)
        self.assertAlmostEqual(low_tall, 3 * high_tall, 1)
        self.assertEqual(second["parts"], [], "what is below zero is not drawn")
        self.assertEqual(bars.chart([], [])["bars"], [])

    def test_not_every_bar_has_a_label(self):
        chart = bars.chart([(str(day), {}) for day in range(31)], [])
        shown = [bar["label"] for bar in chart["bars"] if bar["label"]]
        self.assertLessEqual(len(shown), bars.LABELS)


@tagged("post_install", "-at_install")
class TestUse(HttpCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        stranger = cls.env["res.partner"].create({"name": "Stranger"})
        cls.other_wallet = cls.env["energy.wallet"].create(
            {"name": "Stranger's wallet", "partner_id": stranger.id}
        )
        add_point(cls, "S-1", wallet_id=cls.other_wallet.id)
        cls.bridge.ingest(
            {
                "uid": "use",
                "readings": [
                    [serial, f"2026-03-{day:02}T00:00:00Z", str(factor * day)]
                    for serial, factor in (("M-1", 10), ("S-1", 777))
                    for day in range(1, 11)
                ],
            }
        )

    def setUp(self):
        super().setUp()
        self.authenticate("energy_tenant", "energy_tenant")

    def use(self, wallet=None, **asked):
        query = "&".join(f"{key}={value}" for key, value in asked.items())
        wallet = wallet or self.wallet
        return self.url_open(f"/my/energy/{wallet.id}/use?{query}")

    def statement(self):
        return self.url_open(f"/my/energy/{self.wallet.id}/statement")

    def rows(self, page):
        """The rows of the table: label -> list of the cells' texts."""
        found = {}
        for row in re.findall(r"<tr>(.*?)</tr>", page.text, re.S)[1:]:
            cells = re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.S)
            cells = [re.sub(r"<[^>]+>|\s+", " ", cell).strip() for cell in cells]
            found[cells[0]] = cells[1:]
        return found

    def test_days_of_a_month(self):
        page = self.use(by="day", on="2026-03-05")
        self.assertIn("March 2026", page.text)
        rows = self.rows(page)
        self.assertEqual(len(rows), 9)
        self.assertEqual(rows["Sun, Mar 1"][1], "10.0")
        self.assertRegex(rows["Sun, Mar 1"][2], r"2\.75")
        self.assertIn("on=2026-02-01", page.text)
        self.assertIn("on=2026-04-01", page.text)

    def test_months_and_days_in_the_order_of_a_language(self):
        self.env["res.lang"]._activate_lang("zh_CN")
        self.portal_user.lang = "zh_CN"
        self.authenticate("energy_tenant", "energy_tenant")
        page = self.use(by="day", on="2026-03-05")
        self.assertIn("2026年3月", page.text)
        self.assertIn("3月1日周日", self.rows(page))
        self.assertIn("2026年3月", self.statement().text)

    def test_months_of_a_year_and_closer(self):
        page = self.use(by="month", on="2026-07-01", show="cost")
        rows = self.rows(page)
        self.assertEqual(list(rows), ["March"])
        self.assertEqual(rows["March"][1], "90.0")
        self.assertRegex(rows["March"][0], r"24\.75")
        self.assertIn("by=day&amp;on=2026-03-01", page.text)

    def test_hours_of_a_day_by_the_clock_of_the_tariff(self):
        tariff = self.env["energy.tariff"].create(
            {
                "name": "West",
                "tz": "America/Denver",
                "version_ids": [(0, 0, flat_version("2020-01-01", 0.5))],
            }
        )
        wallet = self.env["energy.wallet"].create(
            {"name": "West hall", "partner_id": self.tenant.id}
        )
        point, _meter = add_point(self, "W-1", wallet_id=wallet.id, tariff_id=tariff.id)
        self.bridge.ingest(
            {
                "uid": "hours",
                "readings": [
                    ["W-1", "2026-03-03T07:00:00Z", "0"],
                    ["W-1", "2026-03-03T08:00:00Z", "3"],
                    ["W-1", "2026-03-03T09:00:00Z", "4"],
                    ["W-1", "2026-03-04T06:00:00Z", "4"],
                    ["W-1", "2026-03-04T07:00:00Z", "9"],
                    ["W-1", "2026-03-04T08:00:00Z", "99"],
                ],
            }
        )
        self.env["energy.interval"]._roll_up(point)
        rows = self.rows(self.use(wallet, by="hour", on="2026-03-03"))
        used = {label: cells[1] for label, cells in rows.items()}
        self.assertEqual(used, {"00:00": "3.0", "01:00": "1.0", "23:00": "5.0"})
        self.assertRegex(rows["23:00"][2], r"2\.50")

    def test_nonsense_shows_the_usual(self):
        for asked in (
            {"by": "century"},
            {"on": "yesterday"},
            {"on": "9999-12-31"},
            {"on": "0001-01-01"},
            {"show": "secrets", "of": "love"},
        ):
            self.assertEqual(self.use(**asked).status_code, 200, asked)

    def test_another_tenants_is_not_found(self):
        page = self.use(wallet=self.other_wallet, on="2026-03-05")
        self.assertEqual(page.status_code, 404)
        self.assertNotIn("kWh", page.text)

    def test_the_chart_can_be_read_without_colours(self):
        page = self.use(by="day", on="2026-03-05").text
        self.assertIn("Sun, Mar 1: 10.0 kWh", page)
        self.assertIn("Show as table", page)
        self.assertIn("<caption", page)
        self.assertIn('scope="row"', page)

    def test_bands_are_named_and_told_apart(self):
        day, night = self.env["energy.tariff.band"].create(
            [{"name": "Day"}, {"name": "Night"}]
        )
        tariff = self.env["energy.tariff"].create(
            {
                "name": "Bands",
                "tz": "UTC",
                "version_ids": [
                    (
                        0,
                        0,
                        flat_version(
                            "2020-01-01",
                            0.5,
                            default_band_id=night.id,
                            rule_ids=[
                                (
                                    0,
                                    0,
                                    {"band_id": day.id, "hour_from": 6, "hour_to": 12},
                                )
                            ],
                        ),
                    )
                ],
            }
        )
        add_point(self, "B-1", wallet_id=self.wallet.id, tariff_id=tariff.id)
        self.bridge.ingest(
            {
                "uid": "bands",
                "readings": [
                    ["B-1", "2026-05-04T00:00:00Z", "0"],
                    ["B-1", "2026-05-05T00:00:00Z", "24"],
                ],
            }
        )
        page = self.use(by="day", on="2026-05-04")
        self.assertEqual(self.rows(page)["Mon, May 4"][:3], ["6.0", "18.0", "24.0"])
        fills = re.findall(r'id="o_energy_fill_\d+".*?fill="(#\w+)"', page.text, re.S)
        self.assertEqual(len(set(fills)), 2)

    def test_the_number_of_queries_does_not_grow_with_usage(self):
        def count(on):
            self.env.flush_all()
            self.env.invalidate_all()
            before = self.env.cr.sql_log_count
            self.use(by="day", on=on)
            return self.env.cr.sql_log_count - before

        count("2026-03-05")
        few = count("2026-03-05")
        add_point(self, "M-2", wallet_id=self.wallet.id)
        self.bridge.ingest(
            {
                "uid": "more",
                "readings": [
                    [serial, f"2026-03-{day:02}T00:00:00Z", str(1000 + 10 * day)]
                    for serial in ("M-1", "M-2")
                    for day in range(11, 31)
                ],
            }
        )
        count("2026-03-05")
        self.assertEqual(count("2026-03-05"), few)

    def test_the_page_shows_todays_month(self):
        page = self.url_open(f"/my/energy/{self.wallet.id}").text
        self.assertIn(f"by=hour&amp;on={date.today()}", page)
