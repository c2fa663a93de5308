import csv
import io
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import openpyxl
from pypdf import PdfReader

from odoo.exceptions import AccessError, UserError, ValidationError
from odoo.tests import HttpCase, new_test_user, tagged

from odoo.addons.prepaid_energy.reports import report_wallet_statement, statement_files
from odoo.addons.prepaid_energy.reports.cells import safe
from odoo.addons.prepaid_energy.reports.report_wallet_statement import printed
from odoo.addons.prepaid_energy.reports.statement import Statement
from odoo.addons.prepaid_energy.reports.statement_files import csv_file, xlsx_file

from .common import EnergyCase, add_point, credit, set_up_park

FIRST, LAST = date(2026, 5, 4), date(2026, 5, 6)
KWH = Decimal("0.275")  # a kWh with its levy


def credit_at(wallet, amount, key, at, name="Top-up", kind="topup", **extra):
    """Book a row at a time, naive UTC."""
    wallet.env["energy.wallet.entry"]._post(
        wallet,
        kind,
        Decimal(amount),
        source_key=key,
        name=name,
        at=datetime.fromisoformat(at),
        **extra,
    )


class StatementMixin:
    """A wallet with 100 from 4 May 06:00, and 24, 48 and 24 kWh on 4, 5 and 6 May."""

    def play(self):
        self.begin = datetime(2026, 5, 4, tzinfo=UTC)
        credit_at(self.wallet, "100", "first", "2026-05-04 06:00:00")
        self.ingest((0, "0"), (86400, "24"), (2 * 86400, "72"), (3 * 86400, "96"))
        self.run_tasks()

    def statement(self, first=FIRST, last=LAST, wallets=None):
        return Statement(wallets or self.wallet, first, last)


@tagged("post_install", "-at_install")
class TestStatement(StatementMixin, EnergyCase):
    def test_it_adds_up_and_shows_consumption_by_day(self):
        self.play()
        lines = list(self.statement().lines())
        self.assertEqual(
            [(line.kind, line.day.day, line.amount, line.balance) for line in lines],
            [
                ("opening", 4, None, 0),
                ("topup", 4, 100, 100),
                ("consumption", 4, -24 * KWH, 100 - 24 * KWH),
                ("consumption", 5, -48 * KWH, 100 - 72 * KWH),
                ("consumption", 6, -24 * KWH, 100 - 96 * KWH),
                ("closing", 6, None, 100 - 96 * KWH),
            ],
        )
        self.assertEqual(lines[3].quantity, 48)
        self.assertEqual((lines[3].name, lines[3].unit), (self.point.name, "kWh"))

    def test_settling_changes_nothing(self):
        self.play()
        before = list(self.statement().lines())
        self.env["energy.usage"]._settle_wallets(self.wallet)
        self.assertEqual(list(self.statement().lines()), before)
        self.assertEqual(before[-1].balance, self.exact_balance())

    def test_a_period_begins_where_the_one_before_ended(self):
        self.play()
        day, balance = FIRST - timedelta(days=2), Decimal(0)
        while day < LAST + timedelta(days=3):
            sums = self.statement(day, day).sums()[self.wallet.id]
            self.assertEqual(sums.opening, balance, day)
            balance = sums.closing
            day += timedelta(days=1)
        self.assertEqual(balance, self.exact_balance())

    def test_the_balance_of_midnight_is_that_of_the_instant(self):
        self.play()
        sums = self.statement(FIRST, FIRST).sums()[self.wallet.id]
        self.assertEqual(sums.closing, self.wallet._balance_at(datetime(2026, 5, 5)))

    def test_a_correction_says_when_how_much_and_why(self):
        self.begin = datetime(2026, 5, 4, tzinfo=UTC)
        credit_at(self.wallet, "100", "first", "2026-05-04 06:00:00")
        self.ingest((0, "0"), (2 * 86400, "96"))
        self.run_tasks()
        self.env["energy.usage"]._settle_wallets(self.wallet)
        self.ingest((86400, "24"))  # late: 24 and 72, not 48 and 48
        self.run_tasks()
        self.env["energy.usage"]._settle_wallets(self.wallet)
        lines = {
            line.day.day: line
            for line in self.statement().lines()
            if line.kind == "consumption"
        }
        self.assertEqual(lines[4].amount, -24 * KWH)
        today = datetime.now(UTC).date()
        self.assertEqual(lines[4].note, f"{today} +6.60 Late readings")
        self.assertEqual(lines[5].note, f"{today} -6.60 Late readings")

    def test_days_go_by_the_clock_of_the_tariff(self):
        self.tariff.tz = "America/Chicago"  # midnight is 05:00 UTC in May
        credit_at(self.wallet, "1", "before", "2026-05-04 04:59:59")
        credit_at(self.wallet, "2", "at", "2026-05-04 05:00:00")
        sums = self.statement(FIRST, FIRST).sums()[self.wallet.id]
        self.assertEqual((sums.opening, sums.closing), (1, 3))
        line = [*self.statement(FIRST, FIRST).lines()][1]
        self.assertEqual(line.time, datetime(2026, 5, 4))

    def test_a_wallet_without_supply_goes_by_the_parks_clock(self):
        company = self.env["res.company"].create({"name": "Another park"})
        empty = self.wallet.copy({"company_id": company.id, "policy_id": False})
        self.assertEqual(empty._clocks(), {empty.id: "UTC"})
        site = {"name": "North", "tz": "Asia/Seoul", "company_id": company.id}
        self.env["energy.site"].create(site)
        self.assertEqual(empty._clocks(), {empty.id: "Asia/Seoul"})
        company.partner_id.tz = "America/Chicago"
        self.assertEqual(empty._clocks(), {empty.id: "America/Chicago"})

    def test_wallets_keep_their_order_also_without_rows(self):
        other = self.wallet.copy({"name": "Another", "reference": False})
        empty = self.wallet.copy({"name": "Empty", "reference": False})
        add_point(self, "M-2", wallet_id=other.id)
        self.play()
        credit_at(other, "7", "other", "2026-05-05 00:00:00")
        wallets = empty | self.wallet | other
        lines = list(self.statement(wallets=wallets).lines())
        found = [line.wallet for line in lines]
        self.assertEqual(found, [empty] * 2 + [self.wallet] * 6 + [other] * 3)
        self.assertEqual(lines[-1].balance, 7)

    def test_what_came_and_went(self):
        self.play()
        credit_at(self.wallet, "-5", "fee", "2026-05-05 08:00:00", "Reminder", "fee")
        sums = self.statement().sums()[self.wallet.id]
        self.assertEqual(sums, (0, 100, -5, -96 * KWH, Decimal(95) - 96 * KWH))
        (point,) = self.statement().points()
        self.assertEqual((point.quantity, point.amount), (96, -96 * KWH))

    def test_what_is_printed_adds_up_in_whole_cents(self):
        self.begin = datetime(2026, 5, 4, tzinfo=UTC)
        credit_at(self.wallet, "10", "first", "2026-05-04 06:00:00")
        # 0.0275 a day: a column of rounded amounts would miss two cents and a half
        days = [(n * 86400, f"{n / 10:.1f}") for n in range(11)]
        self.ingest(*days)
        self.run_tasks()
        statement = self.statement(FIRST, FIRST + timedelta(days=9))
        shown = printed(statement)[self.wallet.id]
        amounts = [line["amount"] for line in shown["lines"]]
        self.assertEqual(amounts[0], 10)
        self.assertIn(Decimal("-0.02"), amounts)
        self.assertEqual(sum(amounts), shown["closing"] - shown["opening"])
        self.assertEqual(shown["closing"], Decimal("9.73"))  # 9.725, half up
        self.assertEqual(shown["consumption"], Decimal("-0.27"))

    def test_a_constant_number_of_statements(self):
        wallets = self.wallet
        for number in range(10):
            wallets |= self.wallet.copy({"name": f"W{number}", "reference": False})
        counts = []
        for some in (wallets[:2], wallets):
            some.mapped("currency_id.name"), some.mapped("company_id.partner_id.tz")
            before = self.env.cr.sql_log_count
            list(self.statement(wallets=some).lines())
            counts.append(self.env.cr.sql_log_count - before)
        self.assertEqual(counts[0], counts[1])

    def test_a_wrong_period(self):
        with self.assertRaises(ValidationError):
            self.statement(LAST, FIRST)
        with self.assertRaises(ValidationError):
            self.env["energy.statement"].create({"date_from": LAST, "date_to": FIRST})


@tagged("post_install", "-at_install")
class TestStatementFiles(StatementMixin, EnergyCase):
    def test_csv(self):
        self.play()
        text = csv_file(self.statement()).read().decode("utf-8-sig")
        rows = list(csv.DictReader(io.StringIO(text)))
        self.assertEqual(len(rows), 6)
        self.assertEqual(rows[1]["Time"], "2026-05-04 06:00:00")
        self.assertEqual(rows[3]["Amount"], "-13.2")
        self.assertEqual(Decimal(rows[-1]["Balance"]), self.exact_balance())

    def test_xlsx(self):
        self.play()
        book = openpyxl.load_workbook(xlsx_file(self.statement()))
        sums, points, rows = book.worksheets
        self.assertEqual(sums["A2"].value, "Tenant Ltd")
        self.assertAlmostEqual(sums["I2"].value, float(100 - 96 * KWH))
        self.assertEqual(points["C2"].value, 96)
        self.assertEqual(rows["B3"].value, datetime(2026, 5, 4, 6))
        self.assertEqual(rows["B4"].value, datetime(2026, 5, 4))
        self.assertEqual(rows["C4"].value, "Consumption")
        self.assertAlmostEqual(rows["H7"].value, float(100 - 96 * KWH))

    def test_texts_are_no_formulas(self):
        evil = '=HYPERLINK("http://evil","x")'
        self.wallet.name = "+1"
        self.point.name = "@SUM(A1)"
        credit_at(self.wallet, "100", "evil", "2026-05-04 06:00:00", evil)
        self.play_more()
        text = csv_file(self.statement()).read().decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(text)))
        self.assertEqual(rows[2][0], "'+1")
        self.assertEqual(rows[2][3], f"'{evil}")
        self.assertIn("'@SUM(A1)", [row[3] for row in rows])
        book = openpyxl.load_workbook(xlsx_file(self.statement()))
        for sheet in book.worksheets:
            for row in sheet.iter_rows():
                for cell in row:
                    self.assertNotEqual(cell.data_type, "f", cell.value)
                    if cell.data_type == "s":
                        self.assertNotIn(cell.value[:1], "=+-@", cell.value)

    def play_more(self):
        self.begin = datetime(2026, 5, 4, tzinfo=UTC)
        self.ingest((0, "0"), (86400, "24"))

    def test_safe(self):
        for text in ("=1", "+1", "-1", "@a", "\t=1", " =1", "\r1", "＝1"):
            self.assertEqual(safe(text), f"'{text}")
        for text in ("a=1", "1", "", "Rent - May"):
            self.assertEqual(safe(text), text)
        self.assertEqual(safe(None), "")

    def test_a_full_sheet_goes_on_in_the_next(self):
        self.play()
        self.patch(statement_files, "SHEET_ROWS", 5)
        book = openpyxl.load_workbook(xlsx_file(self.statement()))
        self.assertEqual(book.sheetnames[2:], ["Rows", "Rows 2"])
        self.assertEqual(book["Rows 2"]["C3"].value, "Closing balance")


@tagged("post_install", "-at_install")
class TestStatementWizard(StatementMixin, EnergyCase):
    def wizard(self, **values):
        return self.env["energy.statement"].create(
            {"date_from": FIRST, "date_to": LAST, **values}
        )

    def html(self, wizard, user=None):
        report = self.env["ir.actions.report"]
        if user:
            report = report.with_user(user)
        return report._render_qweb_html(
            "prepaid_energy.report_wallet_statement",
            [],
            data={"statement_id": wizard.id},
        )[0].decode()

    def test_the_page(self):
        self.play()
        page = self.html(self.wizard(wallet_ids=self.wallet.ids))
        for text in ("Tenant Ltd", self.wallet.reference, "Opening balance", "73.60"):
            self.assertIn(text, page)

    def test_no_wallet_means_all_of_the_chosen_companies(self):
        self.wallet.service_point_ids.wallet_id = False
        self.wallet.active = False
        wallets = self.wizard()._wallets()
        self.assertIn(self.wallet, wallets)
        self.assertEqual(wallets.company_id, self.env.companies)

    def test_too_many_rows_to_print(self):
        self.play()
        self.patch(report_wallet_statement, "MAX_ROWS", 3)
        with self.assertRaisesRegex(UserError, "4 rows"):
            self.html(self.wizard(wallet_ids=self.wallet.ids))

    def test_balances_at_an_instant(self):
        self.play()
        wizard = self.wizard(
            mode="instant",
            wallet_ids=self.wallet.ids,
            moment=datetime(2026, 5, 4, 12),
        )
        wizard.action_balances()
        self.assertEqual(Decimal(wizard.balances[0][1]), 100 - 12 * KWH)
        self.assertIn("96.70", wizard.result)

    def test_another_user_gets_nothing(self):
        user = new_test_user(
            self.env, "looker", groups="prepaid_energy.group_energy_user"
        )
        wizard = self.wizard(wallet_ids=self.wallet.ids)
        with self.assertRaises(AccessError):
            self.html(wizard, user)
        clerk = new_test_user(self.env, "clerk", groups="base.group_user")
        with self.assertRaises(AccessError):
            self.env["energy.statement"].with_user(clerk).create({})
        with self.assertRaises(AccessError):
            Statement(self.wallet.with_user(clerk), FIRST, LAST)

    def test_another_company_gets_nothing(self):
        company = self.env["res.company"].create({"name": "Elsewhere"})
        user = new_test_user(
            self.env,
            "elsewhere",
            groups="prepaid_energy.group_energy_manager",
            company_id=company.id,
            company_ids=[(6, 0, company.ids)],
        )
        wizard = self.env["energy.statement"].with_user(user).create({})
        self.assertNotIn(self.wallet, wizard._wallets())
        with self.assertRaises(AccessError):
            wizard.wallet_ids = self.wallet
        wizard.sudo().wallet_ids = self.wallet
        self.env.invalidate_all()
        self.assertNotIn(self.wallet, wizard._wallets())
        with self.assertRaises(AccessError):
            Statement(self.wallet.with_user(user), FIRST, LAST)


@tagged("post_install", "-at_install")
class TestStatementHttp(HttpCase):
    """Over HTTP: a tenant gets the own statement, and no other by any route."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        set_up_park(cls)
        credit(cls.wallet, "12.34", "statement")
        stranger = cls.env["res.partner"].create({"name": "Stranger"})
        cls.other = cls.env["energy.wallet"].create(
            {"name": "Strange wallet", "partner_id": stranger.id}
        )
        credit(cls.other, "98.76", "stranger")
        cls.accountant = new_test_user(
            cls.env,
            "energy_books",
            groups="prepaid_energy.group_energy_accountant",
            password="energy_books",
        )

    def setUp(self):
        super().setUp()
        self.authenticate("energy_tenant", "energy_tenant")

    def url(self, wallet, *rest):
        return "/".join([f"/my/energy/{wallet.id}/statement", *rest])

    def test_the_own_statement(self):
        page = self.url_open(self.url(self.wallet))
        self.assertEqual(page.status_code, 200)
        for text in ("12.34", "Opening balance", "/statement/xlsx?month="):
            self.assertIn(text, page.text)
        book = self.url_open(self.url(self.wallet, "xlsx"))
        rows = openpyxl.load_workbook(io.BytesIO(book.content)).worksheets[2]
        self.assertEqual(rows["G3"].value, 12.34)
        self.assertIn("attachment", book.headers["Content-Disposition"])
        text = self.url_open(self.url(self.wallet, "csv"))
        self.assertIn("12.34", text.content.decode("utf-8-sig"))

    def test_the_pdf(self):
        """A real PDF, whether wkhtmltopdf is installed or not."""
        Report = type(self.env["ir.actions.report"])
        render = Report._pre_render_qweb_pdf

        def forced(report, *args, **kwargs):  # tests render HTML otherwise
            return render(
                report.with_context(force_report_rendering=True), *args, **kwargs
            )

        self.patch(Report, "_pre_render_qweb_pdf", forced)
        answer = self.url_open(self.url(self.wallet, "pdf"))
        self.assertEqual(answer.headers["Content-Type"], "application/pdf")
        reader = PdfReader(io.BytesIO(answer.content))
        text = reader.pages[0].extract_text()
        for word in ("Statement of Tenant Ltd", "12.34", "Closing balance"):
            self.assertIn(word, text)
        answer = self.url_open(self.url(self.wallet, "pdf") + "?month=2020-02")
        self.assertIn("2020-02.pdf", answer.headers["Content-Disposition"])
        text = PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()
        self.assertNotIn("12.34", text)

    def test_months(self):
        page = self.url_open(self.url(self.wallet) + "?month=2020-01")
        self.assertNotIn("12.34", page.text)
        for month in ("x", "2999-12", "0000-00", "2026-13", ""):
            page = self.url_open(self.url(self.wallet) + f"?month={month}")
            self.assertEqual(page.status_code, 200, month)
            self.assertIn("12.34", page.text, month)

    def assert_hidden(self, path):
        page = self.url_open(path)
        content = page.content
        self.assertNotIn(b"98.76", content, path)
        self.assertNotIn(b"Strange", content, path)
        self.assertFalse(content.startswith((b"PK", b"%PDF")), path)
        return page

    def test_a_foreign_statement(self):
        for rest in ((), ("pdf",), ("xlsx",), ("csv",)):
            self.assert_hidden(self.url(self.other, *rest))

    def test_the_report_routes(self):
        name = "prepaid_energy.report_wallet_statement"
        options = '?options={"date_from":"2020-01-01","date_to":"2999-01-01"}'
        for kind in ("html", "pdf", "text"):
            for ids in (f"{self.other.id}", f"{self.wallet.id},{self.other.id}"):
                with self.subTest(kind=kind, ids=ids):
                    self.assert_hidden(f"/report/{kind}/{name}/{ids}{options}")
        page = self.url_open(f"/report/html/{name}/{self.wallet.id}{options}")
        self.assertIn("12.34", page.text)

    def test_the_wizard_of_another_user(self):
        wizard = (
            self.env["energy.statement"]
            .with_user(self.accountant)
            .create({"wallet_ids": self.other.ids, "date_from": "2020-01-01"})
        )
        name = "prepaid_energy.report_wallet_statement"
        paths = (
            f"/energy/statement/{wizard.id}/xlsx",
            f"/energy/statement/{wizard.id}/csv",
            f'/report/html/{name}?options={{"statement_id":{wizard.id}}}',
            "/energy/statement/999999999/csv",
        )
        for path in paths:
            self.assertGreaterEqual(self.assert_hidden(path).status_code, 403, path)
        self.authenticate("energy_books", "energy_books")
        for path in paths[1:3]:
            self.assertIn("98.76", self.url_open(path).content.decode(), path)
        book = self.url_open(paths[0])
        self.assertTrue(book.content.startswith(b"PK"))

    def test_a_visitor_must_log_in(self):
        self.logout()
        page = self.url_open(self.url(self.wallet, "csv"))
        self.assertIn("/web/login", page.url)
