import base64
import io
import math

import lxml.html
from PIL import Image
from pypdf import PdfReader

from odoo.tests import TransactionCase, tagged

from odoo.addons.prepaid_energy.reports.plain_pdf import (
    PADDING,
    SIZE,
    Setter,
    plain_pdf,
)

from .common import credit, set_up_park

HEADER = '<div id="h"><div class="header">Head one</div></div>'
FOOTER = """<div><div class="footer">
    Page <span class="page"/> of <span class="topage"/>
</div></div>"""


def texts(pdf):
    """The text of each page, with single spaces."""
    pages = PdfReader(io.BytesIO(pdf)).pages
    return [" ".join(page.extract_text().split()) for page in pages]


@tagged("post_install", "-at_install")
class TestPlainPdf(TransactionCase):
    """Reports become PDF without any program beside Odoo."""

    def pages(self, body, **values):
        html = f"<html><body><div class='article'>{body}</div></body></html>"
        return texts(plain_pdf([html], **values))

    def test_headings_paragraphs_and_marks(self):
        page = self.pages(
            "<h2>Łódź &amp; <span>Söhne</span></h2>"
            "<p>One <b>bold &lt;b&gt;</b> word</p>"
            "<address><div><span>Road 1</span><br/>Town</div></address>"
        )[0]
        self.assertEqual(page, "Łódź & Söhne One bold <b> word Road 1 Town")

    def test_chinese_japanese_and_korean_letters(self):
        body = (
            "<h3>对账单 2026 年</h3><p>余额 <b>¥ 5.00 含税</b>，Łódź</p>"
            "<p>明細はこちら</p><p>잔액</p>"
        )
        pdf = plain_pdf([f"<html><body>{body}</body></html>"])
        self.assertEqual(
            texts(pdf)[0], "对账单 2026 年 余额 ¥ 5.00 含税，Łódź 明細はこちら 잔액"
        )
        named = PdfReader(io.BytesIO(pdf)).pages[0]["/Resources"]["/Font"]
        named = {str(font.get_object()["/BaseFont"]) for font in named.values()}
        for font in ("STSong-Light", "HeiseiMin-W3", "HYSMyeongJo-Medium"):
            self.assertTrue([one for one in named if font in one], (font, named))

    def test_chinese_fills_the_lines_of_a_column(self):
        words = "供能点断电后余额达到恢复线即自动恢复供电，" * 9
        html = f"<table><tr><td>日期</td><td>{words}</td></tr></table>"
        stack = Setter().flowables(lxml.html.fromstring(html), 300)
        _width, height = stack[0].wrap(300, 800)
        self.assertAlmostEqual(stack[0]._colWidths[0], 2 * SIZE + 2 * PADDING + 1)
        lines = (height - 2 * PADDING) / (SIZE * 1.25)
        room = stack[0]._colWidths[1] - 2 * PADDING
        self.assertAlmostEqual(lines, math.ceil(len(words) * SIZE / room), delta=1)

    def test_what_is_hidden_stays_hidden(self):
        page = self.pages(
            "<p>seen</p><p class='d-none'>x1</p><script>x2</script>"
            "<span class='d-none'>x3</span><!-- x4 --><style>x5</style>"
        )[0]
        self.assertEqual(page, "seen")

    def test_a_long_table_repeats_its_head_and_numbers_the_pages(self):
        rows = "".join(
            f"<tr><td>row {n}</td><td class='text-end'>{n}.00</td></tr>"
            for n in range(300)
        )
        pages = self.pages(
            "<table class='table'><thead><tr><th>What</th><th>Amount</th></tr></thead>"
            f"<tbody>{rows}</tbody></table>",
            header=HEADER,
            footer=FOOTER,
        )
        self.assertGreater(len(pages), 4)
        for number, page in enumerate(pages, 1):
            self.assertIn("Head one", page)
            self.assertIn("What Amount", page)
            self.assertIn(f"Page {number} of {len(pages)}", page)
        together = " ".join(pages)
        for n in range(300):
            self.assertEqual(together.count(f"row {n} "), 1, n)

    def test_cells_that_span_and_tables_in_columns(self):
        page = self.pages(
            "<table><thead><tr><th>A</th><th>B</th><th>C</th></tr></thead>"
            "<tr><td colspan='99'>a note</td></tr>"
            "<tr><td colspan='2'>two</td><td>three</td></tr></table>"
            "<div class='row'><div class='col-3'>left</div>"
            "<div class='col-3'><table><tr><td>in</td><td>side</td></tr></table></div>"
            "</div><div class='col-5 float-end'>"
            "<table><tr><td>Sum</td></tr></table></div>"
        )[0]
        self.assertEqual(page, "A B C a note two three left in side Sum")

    def test_words_longer_than_the_paper(self):
        page = self.pages(
            f"<p>{'x' * 900}</p><table><tr><td>{'y' * 900}</td><td>z</td></tr></table>"
        )[0]
        self.assertEqual(page.count("x"), 900)
        self.assertEqual(page.count("y"), 900)

    def test_pictures(self):
        stream = io.BytesIO()
        Image.new("RGB", (40, 20), "red").save(stream, "PNG")
        data = base64.b64encode(stream.getvalue()).decode()
        html = (
            f"<html><body><img src='data:image/png;base64,{data}'/>"
            "<img src='data:image/png;base64,broken'/><img src='/web/image/1'/>"
            "<p>text</p></body></html>"
        )
        page = PdfReader(io.BytesIO(plain_pdf([html]))).pages[0]
        self.assertEqual(len(page.images), 1)
        self.assertIn("text", page.extract_text())

    def test_each_document_begins_a_page_and_counts_its_own(self):
        bodies = [
            "<div class='article'>first</div>",
            "<div class='article'>second</div>",
        ]
        pages = texts(plain_pdf(bodies, header=None, footer=FOOTER))
        self.assertEqual(pages, ["first Page 1 of 1", "second Page 1 of 1"])

    def test_nothing_is_a_page_as_well(self):
        self.assertEqual(self.pages(""), [""])

    def test_the_reports_of_odoo_come_as_pdf(self):
        """Statement, receipt and invoice: each of several on its own pages."""
        set_up_park(self)
        credit(self.wallet, "12.34", "pdf")
        other = self.wallet.copy({"name": "Second"})
        report = self.env["ir.actions.report"].with_context(force_report_rendering=True)
        self.assertEqual(report.get_wkhtmltopdf_state(), "ok")
        wallets = self.wallet | other
        pdf, kind = report._render_qweb_pdf(
            "prepaid_energy.report_wallet_statement", wallets.ids
        )
        self.assertEqual(kind, "pdf")
        pages = texts(pdf)
        self.assertIn("Statement of Tenant Ltd", pages[0])
        self.assertIn("12.34", pages[0])
        self.assertIn("Statement of Second", pages[1])

    def test_the_receipt(self):
        set_up_park(self)
        wizard = self.env["energy.topup"].create(
            {"wallet_id": self.wallet.id, "amount": 30, "journal_id": self.journal.id}
        )
        wizard.action_topup()
        payment = self.wallet.entry_ids.payment_id
        report = self.env["ir.actions.report"].with_context(force_report_rendering=True)
        pdf, _kind = report._render_qweb_pdf(
            "prepaid_energy.topup_receipt", payment.ids
        )
        page = texts(pdf)[0]
        for word in ("Receipt", payment.name, self.wallet.reference, "30.00"):
            self.assertIn(word, page)
