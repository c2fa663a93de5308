"""A statement as a workbook and as comma-separated values, written row by row."""

import csv
import io
import tempfile
from datetime import datetime

import xlsxwriter

from ..rating.exact import plain
from .cells import safe

EXCEL_ZERO = datetime(1899, 12, 30)
DAY = 86400
SHEET_ROWS = 1_048_576  # a sheet has no more


class Texts:
    """The words of a statement's files, in the user's language."""

    def __init__(self, env):
        selection = env["energy.wallet.entry"]._fields["kind"]
        self.kinds = {
            **dict(selection._description_selection(env)),
            "opening": env._("Opening balance"),
            "closing": env._("Closing balance"),
        }
        self.sheets = (env._("Summary"), env._("Service Points"), env._("Rows"))
        self.rows = (
            env._("Wallet"),
            env._("Time"),
            env._("Kind"),
            env._("Description"),
            env._("Consumption"),
            env._("Unit"),
            env._("Amount"),
            env._("Balance"),
            env._("Currency"),
            env._("Remark"),
        )
        self.sums = (
            env._("Wallet"),
            env._("Reference"),
            env._("From"),
            env._("To"),
            env._("Opening balance"),
            env._("Paid in"),
            env._("Taken out"),
            env._("Consumption"),
            env._("Closing balance"),
            env._("Currency"),
        )
        self.points = (
            env._("Wallet"),
            env._("Service Point"),
            env._("Consumption"),
            env._("Unit"),
            env._("Amount"),
            env._("Currency"),
        )


def csv_file(statement):
    """The rows as UTF-8 text with a byte order mark, comma-separated.

    Amounts are exact and have a decimal point.

    :return: an open file at its beginning.
    """
    texts = Texts(statement.env)
    stream = tempfile.TemporaryFile()
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", newline="")
    writer = csv.writer(text)
    writer.writerow(texts.rows)
    for line in statement.lines():
        wallet = line.wallet
        writer.writerow(
            (
                safe(wallet.name),
                line.time.isoformat(" ") if line.time else line.day.isoformat(),
                texts.kinds[line.kind],
                safe(line.name),
                "" if line.quantity is None else plain(line.quantity),
                safe(line.unit),
                "" if line.amount is None else plain(line.amount),
                plain(line.balance),
                wallet.currency_id.name,
                safe(line.note),
            )
        )
    text.flush()
    text.detach()
    stream.seek(0)
    return stream


def xlsx_file(statement):
    """The statement as a workbook: sums, service points, rows.

    :return: an open file at its beginning.
    """
    stream = tempfile.TemporaryFile()
    book = xlsxwriter.Workbook(stream, {"constant_memory": True})
    _Book(book, statement).fill()
    book.close()
    stream.seek(0)
    return stream


class _Book:
    """Writes a statement into a workbook; constant memory wants rows in order."""

    def __init__(self, book, statement):
        self.book, self.statement = book, statement
        self.texts = Texts(statement.env)
        self.names = {
            wallet.id: (safe(wallet.name), wallet.currency_id.name)
            for wallet in statement.wallets
        }
        self.bold = book.add_format({"bold": True, "bottom": 1, "text_wrap": True})
        self.money = book.add_format({"num_format": "#,##0.00"})
        self.quantity = book.add_format({"num_format": "#,##0.000"})
        self.day = book.add_format({"num_format": "yyyy-mm-dd", "align": "left"})
        self.time = book.add_format({"num_format": "yyyy-mm-dd hh:mm", "align": "left"})

    def fill(self):
        """Write the three sheets."""
        self._sums()
        self._points()
        self._rows()

    def _sheet(self, name, heads, widths):
        sheet = self.book.add_worksheet(name)
        for column, width in enumerate(widths):
            sheet.set_column(column, column, width)
        sheet.freeze_panes(1, 0)
        for column, head in enumerate(heads):
            sheet.write_string(0, column, head, self.bold)
        return sheet

    def _sums(self):
        statement = self.statement
        widths = (30, 14, 12, 12, 16, 16, 16, 16, 16, 10)
        sheet = self._sheet(self.texts.sheets[0], self.texts.sums, widths)
        for row, wallet in enumerate(statement.wallets, 1):
            name, currency = self.names[wallet.id]
            sheet.write_string(row, 0, name)
            sheet.write_string(row, 1, safe(wallet.reference))
            sheet.write_number(row, 2, serial(statement.date_from), self.day)
            sheet.write_number(row, 3, serial(statement.date_to), self.day)
            for column, amount in enumerate(statement.sums()[wallet.id], 4):
                sheet.write_number(row, column, float(amount), self.money)
            sheet.write_string(row, 9, currency)

    def _points(self):
        widths = (30, 30, 16, 8, 16, 10)
        sheet = self._sheet(self.texts.sheets[1], self.texts.points, widths)
        for row, sums in enumerate(self.statement.points(), 1):
            name, currency = self.names[sums.wallet]
            sheet.write_string(row, 0, name)
            sheet.write_string(row, 1, safe(sums.point))
            sheet.write_number(row, 2, float(sums.quantity), self.quantity)
            sheet.write_string(row, 3, safe(sums.unit))
            sheet.write_number(row, 4, float(sums.amount), self.money)
            sheet.write_string(row, 5, currency)

    def _rows(self):
        widths = (24, 17, 16, 44, 14, 8, 14, 14, 10, 40)
        name, sheet, row, sheets = self.texts.sheets[2], None, SHEET_ROWS, 0
        for line in self.statement.lines():
            if row == SHEET_ROWS:
                sheets += 1
                title = name if sheets == 1 else f"{name} {sheets}"
                sheet, row = self._sheet(title, self.texts.rows, widths), 1
            self._row(sheet, row, line)
            row += 1

    def _row(self, sheet, row, line):
        text, number = sheet.write_string, sheet.write_number
        wallet, currency = self.names[line.wallet.id]
        text(row, 0, wallet)
        if line.time:
            number(row, 1, serial(line.time), self.time)
        else:
            number(row, 1, serial(line.day), self.day)
        text(row, 2, self.texts.kinds[line.kind])
        if line.name:
            text(row, 3, safe(line.name))
        if line.quantity is not None:
            number(row, 4, float(line.quantity), self.quantity)
            text(row, 5, safe(line.unit))
        if line.amount is not None:
            number(row, 6, float(line.amount), self.money)
        number(row, 7, float(line.balance), self.money)
        text(row, 8, currency)
        if line.note:
            text(row, 9, safe(line.note))


def serial(moment):
    """A date or a local time as the number that a spreadsheet stores for it."""
    if not isinstance(moment, datetime):
        return moment.toordinal() - EXCEL_ZERO.toordinal()
    span = moment - EXCEL_ZERO
    return span.days + span.seconds / DAY
