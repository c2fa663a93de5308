"""A what-if comparison as a workbook."""

import io
from datetime import date

import xlsxwriter


def workbook(tables, note, unit):
    """The bytes of an .xlsx file with a chart.

    Texts are written as texts, so a name that begins with "=" is no formula.

    :param dict tables: see ``EnergyWhatif._tabulate``.
    :param str note: what the reader must know.
    :param str unit: of the consumption.
    """
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"in_memory": True})
    formats = {
        "bold": book.add_format({"bold": True, "text_wrap": True, "valign": "top"}),
        "money": book.add_format({"num_format": "#,##0.00"}),
        "sum": book.add_format({"num_format": "#,##0.00", "bold": True, "top": 1}),
        "month": book.add_format({"num_format": "yyyy-mm", "align": "left"}),
        "share": book.add_format({"num_format": "0.0"}),
    }
    _months(book, formats, tables, note)
    _bands(book, formats, tables, unit)
    book.close()
    return stream.getvalue()


def _months(book, formats, tables, note):
    sheet = book.add_worksheet("Months")
    sheet.set_column(0, 0, 12)
    sheet.set_column(1, 2 * len(tables["scenarios"]), 18)
    sheet.freeze_panes(1, 1)
    sheet.write_string(0, 0, "Month", formats["bold"])
    for number, name in enumerate(tables["scenarios"]):
        sheet.write_string(0, 1 + 2 * number, name, formats["bold"])
        sheet.write_string(0, 2 + 2 * number, f"{name}: difference", formats["bold"])
    for row, (month, pairs) in enumerate(tables["months"], 1):
        sheet.write_datetime(row, 0, date.fromisoformat(month), formats["month"])
        _pairs(sheet, row, pairs, formats["money"])
    last = len(tables["months"])
    sheet.write_string(last + 1, 0, "Total", formats["bold"])
    _pairs(sheet, last + 1, tables["sums"], formats["sum"])
    sheet.write_string(last + 3, 0, note)
    chart = book.add_chart({"type": "column"})
    for number, name in enumerate(tables["scenarios"][1:], 1):
        column = 2 + 2 * number
        chart.add_series(
            {
                "name": name,
                "categories": ["Months", 1, 0, max(last, 1), 0],
                "values": ["Months", 1, column, max(last, 1), column],
            }
        )
    chart.set_title({"name": "Difference to now"})
    sheet.insert_chart(last + 5, 0, chart)


def _pairs(sheet, row, pairs, style):
    for number, (total, difference) in enumerate(pairs):
        sheet.write_number(row, 1 + 2 * number, float(total), style)
        sheet.write_number(row, 2 + 2 * number, float(difference), style)


def _bands(book, formats, tables, unit):
    sheet = book.add_worksheet("Bands")
    sheet.set_column(0, 6, 18)
    heads = ("Tariff", "Season", "Band", f"Consumption ({unit})", "Share %", "Moved")
    heads += ("Cost",)
    for column, text in enumerate(heads):
        sheet.write_string(0, column, text, formats["bold"])
    styles = [formats[name] for name in ("money", "share", "share", "money")]
    for row, cells in enumerate(tables["bands"], 1):
        for column, text in enumerate(cells[:3]):
            sheet.write_string(row, column, text or "")
        for column, (number, style) in enumerate(
            zip(cells[3:], styles, strict=True), 3
        ):
            sheet.write_number(row, column, float(number), style)
