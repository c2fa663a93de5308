"""Documents as PDF without wkhtmltopdf: the HTML of a report, set plainly.

How to use::

    plain_pdf([body, ...], header=html, footer=html)    # bytes

How it works: headings, paragraphs, tables, rows of columns and pictures of a report's
HTML become flowables of reportlab, on which Odoo depends anyway. Of the style sheets
only what a reader would miss is followed: bold, small, grey, aligned to the right,
hidden. Each body begins on a page of its own, with its letterhead and page numbers.

Row heights are worked out once and given to the tables, since reportlab would set
thousands of rows again for each page that it breaks off.
"""

import base64
import binascii
import io
import re

import lxml.html
from reportlab.lib import colors
from reportlab.lib.enums import TA_LEFT, TA_RIGHT
from reportlab.lib.pagesizes import A4, landscape
from reportlab.lib.styles import ParagraphStyle
from reportlab.lib.units import mm
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas
from reportlab.platypus import (
    BaseDocTemplate,
    Frame,
    HRFlowable,
    Image,
    PageTemplate,
    Paragraph,
    Spacer,
    Table,
)

from odoo.tools.pdf import merge_pdf

from . import plain_pdf_fonts as fonts

MARGIN = 15 * mm
SIZE = 9
HEADINGS = {"h1": 17, "h2": 15, "h3": 13, "h4": 11.5, "h5": 10.5, "h6": 10}
INLINE = {
    "a", "abbr", "b", "big", "br", "code", "em", "font", "i", "label", "s", "small",
    "span", "strong", "sub", "sup", "time", "u",
}  # fmt: skip
SKIPPED = {"script", "style", "head", "svg", "button", "input"}
COLUMNS = 12  # of the grid of the style sheets
MOST_COLUMNS = 30  # of a table
PADDING = 2.5  # points beside and above the content of a cell
LOGO = (60 * mm, 16 * mm)  # at most
GREY = colors.HexColor("#666666")
RULE = colors.HexColor("#cccccc")


def plain_pdf(bodies, header=None, footer=None, wide=False):
    """The documents of a report as one PDF.

    :param bodies: HTML documents as text.
    :param str header: HTML with one ``div.header`` a body, or None.
    :param str footer: likewise ``div.footer``; ``span.page`` and ``span.topage`` in it
        become the numbers of page and pages.
    :param bool wide: landscape.
    :return: bytes.
    """
    size = landscape(A4) if wide else A4
    heads, feet = _parts(header, "header"), _parts(footer, "footer")
    documents = []
    for number, body in enumerate(bodies):
        head = heads[min(number, len(heads) - 1)] if heads else None
        foot = feet[min(number, len(feet) - 1)] if feet else None
        documents.append(_Document(body, head, foot, size).build())
    return documents[0] if len(documents) == 1 else merge_pdf(documents)


def _parts(html, name):
    """The headers or footers in ``html``, one a document."""
    if not html:
        return []
    return _tree(html).xpath(
        f"//div[contains(concat(' ', normalize-space(@class), ' '), ' {name} ')]"
    )


def _tree(html):
    parser = lxml.html.HTMLParser(encoding="utf-8")
    return lxml.html.fromstring(str(html).encode(), parser=parser)


class _Document:
    """One document with its letterhead."""

    def __init__(self, body, head, foot, size):
        self.size = size
        self.width = size[0] - 2 * MARGIN
        tree = _tree(body)
        titles = tree.xpath("//h1 | //h2 | //h3")
        self.title = " ".join(
            word for title in titles[:2] for word in title.text_content().split()
        )
        self.story = Setter().flowables(tree, self.width)
        self.head = Setter().flowables(head, self.width) if head is not None else []
        self.foot = foot

    def build(self):
        """The document as bytes."""
        stream = io.BytesIO()
        top, bottom = self._height(self.head), self._height(self._footer(1, 1))
        frame = Frame(
            MARGIN, MARGIN + bottom, self.width,
            self.size[1] - 2 * MARGIN - top - bottom,
            leftPadding=0, rightPadding=0, topPadding=6, bottomPadding=6,
        )  # fmt: skip
        document = BaseDocTemplate(stream, pagesize=self.size, title=self.title)
        document.addPageTemplates(PageTemplate(frames=[frame]))
        document.build(self.story or [Spacer(1, 1)], canvasmaker=self._canvas)
        return stream.getvalue()

    def _canvas(self, *args, **kwargs):
        return _Pages(self, *args, **kwargs)

    def _height(self, flowables):
        return sum(one.wrap(self.width, self.size[1])[1] for one in flowables)

    def _footer(self, page, pages):
        if self.foot is None:
            return []
        return Setter({"page": page, "topage": pages}).flowables(self.foot, self.width)

    def letterhead(self, canvas, page, pages):
        """Draw what is on each page."""
        footer = self._footer(page, pages)
        self._draw(canvas, self.head, self.size[1] - MARGIN)
        self._draw(canvas, footer, MARGIN + self._height(footer))

    def _draw(self, canvas, flowables, top):
        for one in flowables:
            _width, height = one.wrap(self.width, self.size[1])
            one.drawOn(canvas, MARGIN, top - height)
            top -= height


class _Pages(Canvas):
    """Keeps its pages back until it knows how many there are."""

    def __init__(self, document, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.document = document
        self.kept = []

    def showPage(self):
        """Keep the page; it is written by :meth:`save`."""
        self.kept.append(dict(self.__dict__))
        self._startPage()

    def save(self):  # pylint: disable=missing-return
        """Write the pages, each with its letterhead."""
        kept = self.kept
        for number, state in enumerate(kept, 1):
            self.__dict__.update(state)
            self.document.letterhead(self, number, len(kept))
            super().showPage()
        super().save()


class Setter:
    """Turns the HTML of a report into flowables.

    :param dict texts: class of an element -> the text that it gets.
    """

    def __init__(self, texts=None):
        self.texts = texts or {}
        self.font = fonts.western()

    def flowables(self, node, width, look=None):
        """What an element and all in it become, in order.

        :param float width: points; tables fill it.
        :param dict look: bold, small, grey, right: of what is around it.
        """
        look = self._look(node, look or {})
        if look is None:
            return []
        tag = node.tag
        if tag == "table":
            return self._table(node, width, look)
        if tag == "img":
            return self._picture(node)
        if tag == "hr":
            return [HRFlowable(width="100%", color=RULE)]
        classes = _classes(node)
        if "row" in classes or "d-flex" in classes:
            cells = [child for child in _elements(node) if self._look(child, look)]
            if len(cells) > 1 and not node.xpath(".//table//tr[position() > 12]"):
                return self._row(cells, width, look)
        if "float-end" in classes and node.tag == "div":
            return self._indented(node, width, look)
        return self._block(node, width, look)

    def _look(self, node, look):
        """How an element looks; None where it is not shown."""
        if not isinstance(node.tag, str) or node.tag in SKIPPED:
            return None
        classes = _classes(node)
        if classes & {"d-none", "o_hidden", "invisible"}:
            return None
        look = {**look, "shown": True}
        if node.tag in HEADINGS:
            look["size"] = HEADINGS[node.tag]
        if node.tag in ("th", *HEADINGS) or classes & {"fw-bold", "fw-bolder"}:
            look["bold"] = True
        if classes & {"small", "o_small"} or node.tag == "small":
            look["size"] = SIZE - 1.5
        if "text-muted" in classes:
            look["grey"] = True
        if classes & {"text-end", "text-right", "o_price_total"}:
            look["right"] = True
        if "text-start" in classes:
            look["right"] = False
        return look

    # ------------------------------------------------------------------ blocks

    def _block(self, node, width, look):
        """Paragraphs of the texts, and whatever stands between them."""
        found, words = [], [self._escape(node, node.text)]

        def flush():
            text = "".join(words).strip()
            words.clear()
            if _visible(text):
                found.append(self._paragraph(text, look))

        for child in node:
            if isinstance(child.tag, str) and not self._is_inline(child):
                flush()
                found += self.flowables(child, width, look)
            else:
                words.append(self._inline(child, look))
            words.append(fonts.marked(child.tail))
        flush()
        if found and node.tag in HEADINGS:
            found = [Spacer(1, 6), *found, Spacer(1, 3)]
        elif found and (node.tag == "p" or _classes(node) & {"mb-4", "mb-3"}):
            found.append(Spacer(1, 5))
        return found

    def _is_inline(self, node):
        return node.tag in INLINE and all(
            self._is_inline(child)
            for child in node.iterdescendants()
            if isinstance(child.tag, str)
        )

    def _escape(self, node, text):
        """The text of an element, or what stands for it."""
        for name in _classes(node) & self.texts.keys():
            text = str(self.texts[name])
        return fonts.marked(text)

    def _inline(self, node, around):
        """An inline element as the words of a paragraph."""
        look = self._look(node, around)
        if look is None:
            return ""
        if node.tag == "br":
            return "<br/>"
        words = [self._escape(node, node.text)]
        for child in node:
            words.append(self._inline(child, look))
            words.append(fonts.marked(child.tail))
        text = "".join(words)
        if node.tag in ("b", "strong") or (look.get("bold") and not around.get("bold")):
            text = f"<b>{text}</b>"
        elif node.tag in ("i", "em"):
            text = f"<i>{text}</i>"
        return text

    def _paragraph(self, text, look):
        style = self._style(look)
        if fonts.is_eastern(text):
            style.wordWrap = "CJK"  # it keeps white space as it is
            text = re.sub(r"[ \t\r\n]+", " ", text)
        return Paragraph(text, style)

    def _style(self, look):
        size = look.get("size", SIZE)
        bold = "-Bold" if look.get("bold") else ""
        return ParagraphStyle(
            "plain",
            fontName=f"{self.font}{bold}",
            fontSize=size,
            leading=size * 1.25,
            alignment=TA_RIGHT if look.get("right") else TA_LEFT,
            textColor=GREY if look.get("grey") else colors.black,
            splitLongWords=True,
        )

    def _picture(self, node):
        """A picture that is in the document itself; others are left out."""
        kind, _comma, data = node.get("src", "").partition(";base64,")
        if not kind.startswith("data:image/") or "svg" in kind:
            return []
        try:
            stream = io.BytesIO(base64.b64decode(data))
            width, height = ImageReader(stream).getSize()
        except (binascii.Error, OSError, ValueError):
            return []
        scale = min(LOGO[0] / width, LOGO[1] / height, 1)
        stream.seek(0)
        return [Image(stream, width * scale, height * scale, hAlign="LEFT")]

    def _row(self, cells, width, look):
        """Columns of the grid, side by side."""
        wanted = [_columns(cell) for cell in cells]
        left = COLUMNS - sum(filter(None, wanted))
        free = wanted.count(None) or 1
        parts = [one or max(left / free, 1) for one in wanted]
        widths = [width * part / max(sum(parts), COLUMNS) for part in parts]
        return [
            _grid(
                [[self._cell(c, w, look) for c, w in zip(cells, widths, strict=True)]],
                widths,
            )
        ]

    def _indented(self, node, width, look):
        """What floats on the right: sums under a table."""
        part = width * (_columns(node) or COLUMNS) / COLUMNS
        inner = self._block(node, part, look)
        if part > width * 0.95:
            return inner
        return [_grid([["", inner]], [width - part, part])]

    # ------------------------------------------------------------------ tables

    def _table(self, node, width, look):
        rows = [
            row
            for row in node.iter("tr")
            if next(row.iterancestors("table")) is node and self._look(row, look)
        ]
        if not rows:
            return []
        spans = [[(cell, _span(cell)) for cell in _elements(row)] for row in rows]
        heads = sum(row.getparent().tag == "thead" for row in rows)
        # a section's cell may claim more columns than there are
        count = max(sum(s for _c, s in row) for row in spans[: heads or None])
        count = min(count, MOST_COLUMNS)
        widths = self._widths(spans, count, width)
        data, heights, commands = [], [], []
        for line, (row, cells) in enumerate(zip(rows, spans, strict=True)):
            around = self._look(row, self._look(row.getparent(), look) or look)
            texts, height, column = [""] * count, SIZE, 0
            for cell, span in cells:
                span = min(span, count - column)
                if span <= 0:
                    break
                room = sum(widths[column : column + span]) - 2 * PADDING
                texts[column] = self._cell(cell, room, around)
                height = max(height, _stack_height(texts[column], room))
                if span > 1:
                    end = (column + span - 1, line)
                    commands.append(("SPAN", (column, line), end))
                column += span
            data.append(texts)
            heights.append(height + 2 * PADDING)
        if "table-borderless" not in _classes(node) or heads:
            commands.append(("LINEBELOW", (0, 0), (-1, -1), 0.4, RULE))
        if heads:
            commands.append(("LINEBELOW", (0, heads - 1), (-1, heads - 1), 0.8, GREY))
        return [_grid(data, widths, heights, commands, heads), Spacer(1, 6)]

    def _cell(self, node, width, look):
        return self.flowables(node, width, look)

    def _widths(self, rows, count, width):
        """Columns as wide as their contents want, and all of them as the paper."""
        wanted, least = [2 * PADDING] * count, [2 * PADDING] * count
        for row in rows:
            column = 0
            for cell, span in row:
                if span == 1 and column < count:
                    full, word = self._measure(cell)
                    wanted[column] = max(wanted[column], full)
                    least[column] = max(least[column], word)
                column += span
        if sum(wanted) <= width:
            extra = width - sum(wanted)
            whole = sum(wanted)
            return [one + extra * one / whole for one in wanted]
        if sum(least) >= width:
            return [width * one / sum(least) for one in least]
        share = (width - sum(least)) / (sum(wanted) - sum(least))
        return [
            low + (high - low) * share for low, high in zip(least, wanted, strict=True)
        ]

    def _measure(self, cell):
        """The width of a cell's longest line and of its longest word."""
        text = " ".join(cell.text_content().replace("\xa0", "_").split())
        bold = f"{self.font}-Bold"
        width = least = fonts.width(text, bold, SIZE)
        if "text-nowrap" not in _classes(cell):
            least = fonts.width(fonts.longest_word(text)[:40], bold, SIZE)
        return width + 2 * PADDING + 1, least + 2 * PADDING + 1


def _grid(data, widths, heights=None, commands=(), heads=0):
    return Table(
        data,
        colWidths=widths,
        rowHeights=heights,
        repeatRows=heads,
        hAlign="LEFT",
        style=[
            ("VALIGN", (0, 0), (-1, -1), "TOP"),
            ("LEFTPADDING", (0, 0), (-1, -1), PADDING),
            ("RIGHTPADDING", (0, 0), (-1, -1), PADDING),
            ("TOPPADDING", (0, 0), (-1, -1), PADDING),
            ("BOTTOMPADDING", (0, 0), (-1, -1), PADDING),
            *commands,
        ],
    )


def _stack_height(flowables, width):
    if isinstance(flowables, str):
        return 0
    return sum(one.wrap(width, A4[1])[1] for one in flowables)


def _elements(node):
    return [child for child in node if isinstance(child.tag, str)]


def _classes(node):
    return {*(node.get("class") or "").split()}


def _span(cell):
    value = cell.get("colspan", "1")
    return int(value) if value.isdigit() and int(value) else 1


def _columns(node):
    """How many of the grid's columns an element takes; None: its share."""
    for name in _classes(node):
        if name.startswith("col-") and name[4:].isdigit():
            return int(name[4:])
    return None


def _visible(text):
    return bool(text.replace("<br/>", "").replace("\xa0", " ").strip())
