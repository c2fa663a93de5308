"""The letters of documents without wkhtmltopdf.

Odoo ships Roboto, with Latin, Greek and Cyrillic letters. East Asian letters are in no
font that it ships, and a font of them is larger than all else here: of these, PDF only
names Adobe's standard font, and whatever shows the document has the letters.
"""

import re
from html import escape

from reportlab.pdfbase import pdfmetrics
from reportlab.pdfbase.cidfonts import UnicodeCIDFont
from reportlab.pdfbase.ttfonts import TTFError, TTFont

from odoo.tools import file_path

EAST = re.compile(
    "[\u1100-\u11ff\u2e80-\u312f\u3131-\u33ff\u3400-\u9fff\ua960-\ua97f\uac00-\ud7af"
    "\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef]+"
)
KANA = re.compile("[\u3041-\u30ff]")
HANGUL = re.compile("[\u1100-\u11ff\u3131-\u318f\uac00-\ud7af]")
SHORT = 4  # East Asian letters that stay on one line of a column, as a word does


def western():
    """The name of a font family with Latin, Greek and Cyrillic letters."""
    name = "EnergyRoboto"
    if name not in pdfmetrics.getRegisteredFontNames():
        faces = {"": "Regular", "-Bold": "Bold", "-Italic": "Italic"}
        try:
            for suffix, face in faces.items():
                path = file_path(f"web/static/fonts/google/Roboto/Roboto-{face}.ttf")
                pdfmetrics.registerFont(TTFont(name + suffix, path))
        except (FileNotFoundError, TTFError):
            return "Helvetica"  # PDF's own: western letters only
        bold, italic = f"{name}-Bold", f"{name}-Italic"
        pdfmetrics.registerFontFamily(
            name, normal=name, bold=bold, italic=italic, boldItalic=bold
        )
    return name


def _eastern(text):
    """The name of a font with the letters of ``text``; it has one face."""
    name = "STSong-Light"
    if HANGUL.search(text):
        name = "HYSMyeongJo-Medium"
    elif KANA.search(text):
        name = "HeiseiMin-W3"
    if name not in pdfmetrics.getRegisteredFontNames():
        pdfmetrics.registerFont(UnicodeCIDFont(name))
        pdfmetrics.registerFontFamily(
            name, normal=name, bold=name, italic=name, boldItalic=name
        )
    return name


def is_eastern(text):
    """Whether lines of it break between any two letters."""
    return bool(EAST.search(text))


def marked(text):
    """``text`` for a paragraph: escaped, each letter in a font that has it."""

    def run(match):
        return f'<font name="{_eastern(match[0])}">{match[0]}</font>'

    return EAST.sub(run, escape(text or "", quote=False))


def width(text, font, size):
    """How wide a line of it is."""
    whole = pdfmetrics.stringWidth(EAST.sub("", text), font, size)
    for run in EAST.findall(text):
        whole += pdfmetrics.stringWidth(run, _eastern(run), size)
    return whole


def longest_word(text):
    """What of it should not be broken."""
    parts = EAST.sub(lambda match: f" {match[0][:SHORT]} ", text).split()
    return max(parts or [""], key=lambda one: len(one) * (2 if EAST.match(one) else 1))
