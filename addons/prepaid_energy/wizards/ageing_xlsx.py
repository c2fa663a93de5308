"""The ageing of prepayments as a workbook."""

import io

import xlsxwriter

from ..reports.cells import safe

AMOUNTS = ("d30", "d60", "d90", "d180", "older", "debt", "balance")


def workbook(ageing):
    """The bytes of an .xlsx file; a sum for each currency at its end.

    :param recordset ageing: one ``energy.ageing`` with its lines.
    """
    stream = io.BytesIO()
    book = xlsxwriter.Workbook(stream, {"constant_memory": True})
    bold = book.add_format({"bold": True, "bottom": 1})
    money = book.add_format({"num_format": "#,##0.00"})
    total = book.add_format({"num_format": "#,##0.00", "bold": True, "top": 1})
    sheet = book.add_worksheet()
    sheet.set_column(0, 1, 30)
    sheet.set_column(2, 2, 10)
    sheet.set_column(3, 9, 15)
    sheet.freeze_panes(1, 0)
    names = ("wallet_id", "partner_id", "currency_id", *AMOUNTS)
    labels = ageing.line_ids.fields_get(names, ["string"])
    for column, name in enumerate(names):
        sheet.write_string(0, column, labels[name]["string"], bold)
    lines = ageing.line_ids.sorted(lambda line: (line.currency_id.name, line.id))
    row = 0
    for currency, group in lines.grouped("currency_id").items():
        first = row + 1
        for line in group:
            row += 1
            sheet.write_string(row, 0, safe(line.wallet_id.name))
            sheet.write_string(row, 1, safe(line.partner_id.name))
            sheet.write_string(row, 2, currency.name)
            for column, name in enumerate(AMOUNTS, 3):
                sheet.write_number(row, column, line[name], money)
        row += 1
        sheet.write_string(row, 0, ageing.env._("Total"), total)
        sheet.write_string(row, 2, currency.name, total)
        for column, name in enumerate(AMOUNTS, 3):
            cells = xlsxwriter.utility.xl_range(first, column, row - 1, column)
            sheet.write_formula(
                row, column, f"=SUM({cells})", total, sum(group.mapped(name))
            )
    book.close()
    return stream.getvalue()
