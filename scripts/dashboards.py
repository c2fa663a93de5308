"""Write the spreadsheet dashboards of prepaid_energy_dashboard.

    python3 scripts/dashboards.py

A dashboard is a o-spreadsheet document: cards with one figure each on top, charts two
in a row, tables beneath. What each shows is said in dashboards_content.py; this file
knows the format. The format is that of Odoo 19 (18.5.10), which upgrades older ones.
"""

import json

from dashboards_content import DASHBOARDS
from layout import ADDONS

FOLDER = ADDONS / "prepaid_energy_dashboard" / "data" / "files"
VERSION = "18.5.10"
ROW = 23  # pixels, o-spreadsheet's default
COLUMNS = (170, 140, 95, 95, 20, 170, 140, 95, 95)  # two tables of four, and a gap
WIDTH, GAP = sum(COLUMNS), 10
CARD, CHART = 100, 300  # heights
CARDS_IN_ROW = 5
LINES = 10  # rows of a table that names no number
DARK, TEAL = "#434343", "#01666B"
STYLES = {
    "1": {"textColor": TEAL, "bold": True, "fontSize": 14},
    "2": {"textColor": DARK, "bold": True, "fontSize": 10},
    "3": {"textColor": DARK, "verticalAlign": "middle"},
}
BORDERS = {"1": {"bottom": {"style": "thin", "color": "#B7B7B7"}}}
TABLE = {
    "hasFilters": False,
    "totalRow": False,
    "firstColumn": False,
    "lastColumn": False,
    "numberOfHeaders": 1,
    "bandedRows": True,
    "bandedColumns": False,
    "automaticAutofill": True,
    "styleId": "None",
}


class Document:
    """One dashboard while it is put together, from top to bottom."""

    def __init__(self, filters):
        self.filters = filters
        self.pivots, self.lists, self.menus = {}, {}, {}
        self.figures, self.tables = [], []
        self.cells, self.data, self.styles, self.borders = {}, {}, {}, {}
        self.top = GAP  # pixels

    def matching(self, source):
        """Which field of ``source`` each global filter looks at: its own ``period``,
        ``site`` and ``tenant``; where it names none, the filter leaves it alone."""
        found = {}
        for name in self.filters:
            if chain := source.get(name):
                kind = "many2one"
                if name == "period":
                    kind = source.get("period_type", "date")
                found[name] = {"chain": chain, "type": kind}
                if name == "period":
                    found[name]["offset"] = 0
        return found

    def pivot(self, name, source):
        """Add a pivot of ``source``.

        :return: its id, as formulas name it.
        """
        key = str(len(self.pivots) + 1)
        measures = source["measures"]
        self.pivots[key] = {
            "type": "ODOO",
            "id": key,
            "formulaId": key,
            "name": name,
            "model": source["model"],
            "domain": source.get("domain", []),
            "context": {},
            "columns": [],
            "rows": [{"fieldName": field} for field in source.get("rows", ())],
            "measures": [
                {"id": field, "fieldName": field, "userDefinedName": label}
                for field, label in measures.items()
            ],
            "sortedColumn": {
                "measure": source.get("sort", next(iter(measures))),
                "order": "desc",
                "domain": [],
            },
            "fieldMatching": self.matching(source),
        }
        return key

    def cards(self, cards):
        """One figure each. It is kept on the second sheet; a ``formula`` may use those
        before it, by their titles in braces."""
        width = (WIDTH - GAP * (CARDS_IN_ROW - 1)) // CARDS_IN_ROW
        where = {}
        for index, card in enumerate(cards):
            line, title = index + 1, card["title"]
            where[title] = f"B{line}"
            formula = card.get("formula", "").format_map(where)
            if not formula:
                measure = card.setdefault("measure", "__count")
                source = {**card, "measures": {measure: title}}
                # A sum of nothing has no value: nothing is owed, say, and that is 0.
                formula = f'PIVOT.VALUE({self.pivot(title, source)},"{measure}")+0'
            self.data[f"A{line}"] = f'=_t("{title}")'
            self.data[f"B{line}"] = f"={formula}"
            row, column = divmod(index, CARDS_IN_ROW)
            chart = {
                "type": "scorecard",
                "title": {"text": title, "bold": True, "color": DARK},
                "keyValue": f"Data!B{line}",
                "humanize": card.get("humanize", True),
                "background": card.get("color", "#EFF6FF"),
                "baselineMode": "difference",
                "baselineColorUp": "#00A04A",
                "baselineColorDown": "#DC6965",
            }
            self.figure(
                chart,
                (column * (width + GAP), self.top + row * (CARD + GAP), width, CARD),
                card.get("menu"),
            )
        self.top += -(-len(cards) // CARDS_IN_ROW) * (CARD + GAP) + GAP

    def charts(self, *charts):
        """Charts side by side."""
        width = (WIDTH - GAP * (len(charts) - 1)) // len(charts)
        for index, chart in enumerate(charts):
            group, kind = chart["group"], chart["type"]
            definition = {
                "type": f"odoo_{kind}",
                "title": {"text": chart["title"], "bold": True, "color": TEAL},
                "background": "#FFFFFF",
                "legendPosition": "top" if len(group) > 1 or kind == "pie" else "none",
                "metaData": {
                    "groupBy": group,
                    "measure": chart["measure"],
                    "order": chart.get("order"),
                    "resModel": chart["model"],
                    "mode": {"line": "line", "pie": "pie"}.get(kind, "bar"),
                },
                "searchParams": {
                    "comparison": None,
                    "context": {},
                    "domain": chart.get("domain", []),
                    "groupBy": group,
                    "orderBy": [],
                },
                "dataSets": [{}],
                "verticalAxisPosition": "left",
                "stacked": kind == "bar" and len(group) > 1,
                "horizontal": chart.get("horizontal", False),
                "showValues": chart.get("values", False),
                "fieldMatching": self.matching(chart),
            }
            if unit := chart.get("unit"):
                definition["axesDesign"] = {"y": {"title": {"text": unit}}}
            box = (index * (width + GAP), self.top, width, CHART)
            self.figure(definition, box, chart.get("menu"))
        self.top += CHART + GAP

    def figure(self, chart, box, menu):
        """Put ``chart`` at ``box`` (x, y, width, height); a click opens ``menu``."""
        key = f"figure-{len(self.figures) + 1}"
        x, y, width, height = box
        self.figures.append(
            {
                "id": key,
                "tag": "chart",
                "col": 0,
                "row": 0,
                "offset": {"x": x, "y": y},
                "width": width,
                "height": height,
                "data": {**chart, "chartId": key},
            }
        )
        if menu:
            self.menus[key] = f"prepaid_energy.{menu}"

    def put_tables(self, *tables):
        """Tables side by side, from the next whole row on: four columns each, or one
        over all eight."""
        row = -(-self.top // ROW) + 1
        lines = max(table.get("lines", LINES) for table in tables)
        for left, table in zip("AF", tables, strict=False):
            columns = "ABCD" if left == "A" else "FGHI"
            fields = table.get("columns", ())
            if len(fields) > len(columns):
                columns = "ABCDFGHI"
            title = table["title"]
            link = f"odoo://ir_menu_xml_id/prepaid_energy.{table['menu']}"
            self.cells[f"{left}{row}"] = f"[{title}]({link})"
            self.styles[f"{left}{row}"] = 1
            head, last = row + 1, row + 1 + lines
            if fields:
                self.fill_list(table, columns, head, lines)
            else:
                key = self.pivot(table.get("head", title), table)
                self.cells[f"{left}{head}"] = f"=PIVOT({key},{lines},FALSE,FALSE)"
            right = columns[-1]
            self.styles[f"{left}{head}:{right}{head}"] = 2
            self.styles[f"{left}{head + 1}:{right}{last}"] = 3
            self.borders[f"{left}{row}:{right}{row}"] = 1
            self.borders[f"{left}{head}:{right}{head}"] = 1
            # A table over the gap would colour it.
            for part in {"ABCD": ["AD"], "FGHI": ["FI"]}.get(columns, ["AD", "FI"]):
                area = f"{part[0]}{head}:{part[1]}{last}"
                self.tables.append({"range": area, "type": "static", "config": TABLE})
        self.top = (row + lines + 2) * ROW + GAP

    def fill_list(self, table, columns, head, lines):
        """Cells of the first records of a list."""
        key = str(len(self.lists) + 1)
        self.lists[key] = {
            "id": key,
            "name": table["title"],
            "model": table["model"],
            "domain": table.get("domain", []),
            "context": {},
            "columns": list(table["columns"]),
            "orderBy": [
                {"name": field, "asc": ascending} for field, ascending in table["order"]
            ],
            "fieldMatching": self.matching(table),
        }
        for column, (field, label) in zip(
            columns, table["columns"].items(), strict=False
        ):
            self.cells[f"{column}{head}"] = (
                f'=ODOO.LIST.HEADER({key},"{field}",_t("{label}"))'
            )
            for line in range(1, lines + 1):
                value = f'ODOO.LIST({key},{line},"{field}")'
                if field in table.get("flags", ()):
                    value = f'IF({value},_t("Yes"),"")'
                if field in table.get("zero_is_none", ()):
                    value = f'IF({value}=0,"",{value})'
                self.cells[f"{column}{head + line}"] = f"={value}"

    def document(self):
        """The whole, as o-spreadsheet reads it."""
        columns = {str(at): {"size": size} for at, size in enumerate(COLUMNS)}
        board = _sheet("dashboard", "Dashboard", len(COLUMNS), self.top // ROW + 1)
        board |= {
            "cols": columns,
            "cells": self.cells,
            "styles": self.styles,
            "borders": self.borders,
            "figures": self.figures,
            "tables": self.tables,
            "areGridLinesVisible": False,
        }
        data = _sheet("data", "Data", 26, 50)
        data |= {"cells": self.data, "cols": {"0": {"size": 200}}}
        return {
            "version": VERSION,
            "sheets": [board, data],
            "styles": STYLES,
            "formats": {},
            "borders": BORDERS,
            "revisionId": "START_REVISION",
            "uniqueFigureIds": True,
            "settings": {},
            "pivots": self.pivots,
            "pivotNextId": len(self.pivots) + 1,
            "customTableStyles": {},
            "globalFilters": [{"id": key, **one} for key, one in self.filters.items()],
            "lists": self.lists,
            "listNextId": len(self.lists) + 1,
            "chartOdooMenusReferences": self.menus,
        }


def _sheet(key, name, columns, rows):
    return {
        "id": key,
        "name": name,
        "colNumber": columns,
        "rowNumber": rows,
        "rows": {},
        "cols": {},
        "merges": [],
        "cells": {},
        "styles": {},
        "formats": {},
        "borders": {},
        "conditionalFormats": [],
        "dataValidationRules": [],
        "figures": [],
        "tables": [],
        "areGridLinesVisible": True,
        "isVisible": True,
        "headerGroups": {"ROW": [], "COL": []},
        "comments": {},
    }


def build(content):
    """The document of one entry of DASHBOARDS."""
    document = Document(content["filters"])
    document.cards(content["cards"])
    for charts in content["charts"]:
        document.charts(*charts)
    for tables in content["tables"]:
        document.put_tables(*tables)
    return document.document()


def main():
    """Write all of them."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, content in DASHBOARDS.items():
        text = json.dumps(build(content), indent=1, ensure_ascii=False)
        (FOLDER / f"{name}_dashboard.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
