"""A list of meters and tenants (csv or xlsx) as plain rows, with what is wrong in each.

Nothing here knows Odoo: what the rows mean for its records is in the set-up's import.
"""

import csv
import io
import re
import unicodedata
import zlib
from decimal import Decimal, InvalidOperation
from zipfile import BadZipFile, ZipFile

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

MAX_ROWS = 20_000
MAX_COLUMNS = 100  # of a workbook that are looked at …
MAX_LINES = 2_000_000  # … and lines, most of them empty
MAX_UNPACKED = 50_000_000  # bytes: a workbook is a zip file, a small one may be huge
REGISTER_DECIMALS = 3
REGISTER_LIMIT = Decimal(10) ** 8
# column: the names by which it is known, compared without case, spaces and signs
COLUMNS = {
    "point": "point, service point, supply point, delivery point, unit, shop, room, "
    "punto, punto de suministro, local, 供能点, 用电点, 店铺",
    "feeder": "feeder, parent, fed by, upstream, main, alimentador, 馈线, 上级",
    "tenant": "tenant, customer, company, consumer, occupant, inquilino, cliente, "
    "租户, 客户",
    "email": "e-mail, mail, email address, tenant e-mail, correo, correo electrónico, "
    "邮箱, 电子邮件",
    "serial": "serial, serial number, serial no, meter, meter serial, meter number, "
    "meter no, n.º de serie, número de serie, contador, medidor, 表号, 表计, 电表, "
    "序列号",
    "profile": "profile, meter type, model, type, perfil, modelo, 配置, 型号",
    "line": "line, gateway line, bus, wires, línea, 线路",
    "address": "address, gateway address, device, modbus address, station, unit id, "
    "slave, dirección, 地址",
    "ct": "ct, ct ratio, current transformer, tc, relación del tc, 互感器, 变比",
    "relay": "relay, has relay, contactor, breaker, relé, 继电器",
    "life_safety": "life safety, life safety load, safety, seguridad vital, 生命安全",
    "opening": "opening register, opening, opening reading, start register, register, "
    "registro inicial, lectura inicial, 起始示数, 初始示数, 起始读数",
}
HEADINGS = {
    "point": "Point",
    "feeder": "Feeder",
    "tenant": "Tenant",
    "email": "E-mail",
    "serial": "Serial",
    "profile": "Profile",
    "line": "Line",
    "address": "Address",
    "ct": "CT",
    "relay": "Relay",
    "life_safety": "Life Safety",
    "opening": "Opening Register",
}
SAMPLE = (
    ("Main incomer", "", "", "", "10001", "adl3000", "hall", "1", "200/5", "", "", ""),
    ("Workshop 1", "Main incomer", "Smith Metalwork", "office@smith.example", "10002")
    + ("ddsy1352", "hall", "2", "", "yes", "", "1204.5"),
    ("Fire pump", "Main incomer", "Smith Metalwork", "office@smith.example", "10003")
    + ("sdm630", "hall", "3", "", "no", "yes", "0"),
)
YES = {"yes", "y", "true", "1", "x", "sí", "si", "是"}
NO = {"no", "n", "false", "0", "否"}
BROKEN = (
    BadZipFile,
    EOFError,
    InvalidFileException,
    LookupError,
    OSError,
    RuntimeError,  # with a password
    SyntaxError,  # of XML
    ValueError,
    zlib.error,
)


class MeterListError(ValueError):
    """The file as a whole cannot be read; ``kind`` says why, ``detail`` about what."""

    def __init__(self, kind, detail=""):
        super().__init__(f"{kind}: {detail}")
        self.kind, self.detail = kind, detail


class Row:
    """One row: its ``number`` in the file, its ``cells`` as text, its ``values``.

    ``problems`` is a list of (kind, column, text).
    """

    def __init__(self, number, cells):
        self.number, self.cells = number, cells
        self.values, self.problems = {}, []
        for column, text in cells.items():
            self._read(column, text)
        if not cells.get("point"):
            self.problems.append(("missing", "point", ""))
        for column, needed in (
            ("line", "address"),
            ("address", "line"),
            ("line", "profile"),
            ("line", "serial"),
            ("opening", "serial"),
            ("email", "tenant"),
        ):
            if cells.get(column) and not cells.get(needed):
                self.problems.append(("needs", column, needed))

    def _read(self, column, text):
        if not text:
            return  # an empty cell says nothing, it erases nothing
        try:
            self.values[column] = READERS.get(column, _text)(text)
        except ValueError as error:
            self.problems.append((str(error), column, text))


def read(data, filename=""):
    """Read a list.

    :param bytes data: the file; xlsx is known by its content.
    :return: list of :class:`Row`; empty lines are left out.
    :raise MeterListError: no table, no column ``point``, a column twice, too long,
        a workbook that unpacks to too much.
    """
    table = _xlsx(data) if data[:4] == b"PK\x03\x04" else _csv(data)
    rows = iter(table)
    header = next((cells for cells in rows if any(cells[1])), None)
    if not header:
        raise MeterListError("empty")
    columns = _columns(header[1])
    found = []
    for number, cells in rows:
        if not any(cells):
            continue
        if len(found) == MAX_ROWS:
            raise MeterListError("long", str(MAX_ROWS))
        named = {column: cells[i] for i, column in columns.items() if i < len(cells)}
        found.append(Row(number, named))
    if not found:
        raise MeterListError("empty")
    return found


def _columns(header):
    """Which column is which, by index; unknown ones are not read."""
    names = {
        _plain(name): column
        for column, text in COLUMNS.items()
        for name in (column, *text.split(","))
    }
    columns = {}
    for index, title in enumerate(header):
        column = names.get(_plain(title))
        if column in columns.values():
            raise MeterListError("twice", title)
        if column:
            columns[index] = column
    if "point" not in columns.values():
        raise MeterListError("no_point", ", ".join(filter(None, header)))
    return columns


def unknown_columns(data):
    """The titles of the file that mean nothing here."""
    table = _xlsx(data) if data[:4] == b"PK\x03\x04" else _csv(data)
    header = next((cells for _number, cells in table if any(cells)), [])
    known = _columns(header)
    return [title for i, title in enumerate(header) if title and i not in known]


def _plain(title):
    text = unicodedata.normalize("NFKD", title).casefold()
    return re.sub(r"[\W_]", "", re.sub(r"\(.*?\)", "", text))


def _csv(data):
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = data.decode("cp1252", errors="replace")
    first = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        for cells in reader:
            yield reader.line_num, [cell.replace("\0", "").strip() for cell in cells]
    except csv.Error as error:
        raise MeterListError("unreadable", str(error)) from error


def _xlsx(data):
    """The lines of a workbook's first sheet that are not empty.

    Gaps between cells cost nothing in the file: empty lines are not made into lists,
    far columns are not read.
    """
    try:
        size = _unpacked_size(data)
    except BROKEN as error:
        raise MeterListError("unreadable", str(error)) from error
    if size > MAX_UNPACKED:
        raise MeterListError("unpacked", f"{size / 10**6:.0f}")
    try:
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True)
        lines = book.worksheets[0].iter_rows(
            max_row=MAX_LINES, max_col=MAX_COLUMNS, values_only=True
        )
        for number, cells in enumerate(lines, 1):
            if cells.count(None) < len(cells):
                yield number, [_cell(cell) for cell in cells]
    except BROKEN as error:
        raise MeterListError("unreadable", str(error)) from error


def _unpacked_size(data):
    """Bytes by the directory of a zip file; no more of a part is ever unpacked."""
    with ZipFile(io.BytesIO(data)) as parts:
        return sum(part.file_size for part in parts.infolist())


def _cell(value):
    """A cell of a workbook as it is shown: whole numbers have no decimals."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return format(Decimal(repr(value)).normalize(), "f")
    return str(value).replace("\0", "").strip()


# ------------------------------------------------------------------------ one cell


def _text(text):
    return " ".join(text.split())


def _serial(text):
    if re.fullmatch(r"\d(\.\d+)?[eE]\+\d+", text):
        raise ValueError("mangled")
    return _text(text)


def _yes(text):
    word = text.casefold()
    if word not in YES | NO:
        raise ValueError("yes_no")
    return word in YES


def _number(text):
    """A decimal number, also with a comma, where that can be no thousands' sign."""
    compact = text.replace(" ", "").replace("\N{NO-BREAK SPACE}", "")
    if re.fullmatch(r"\d{1,3}(,\d{3})+", compact):
        raise ValueError("ambiguous")
    if "," in compact and "." not in compact:
        compact = compact.replace(",", ".")
    try:
        number = Decimal(compact)
    except InvalidOperation:
        raise ValueError("number") from None
    if not number.is_finite():
        raise ValueError("number")
    return number


def _ratio(text):
    """A transformer ratio as a plain decimal text: "200/5" is 40."""
    primary, slash, secondary = re.sub(r"[aA\s]", "", text).partition("/")
    ratio = _number(primary)
    if slash:
        below = _number(secondary)
        if not below:
            raise ValueError("ratio")
        ratio = ratio / below
    if not 0 < ratio <= 10**6 or ratio != round(ratio, 6):
        raise ValueError("ratio")
    return format(ratio.normalize(), "f")


def _register(text):
    number = _number(text)
    if not 0 <= number < REGISTER_LIMIT or number != round(number, REGISTER_DECIMALS):
        raise ValueError("register")
    return number


def _email(text):
    address = text.strip()
    if not re.fullmatch(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>]+", address):
        raise ValueError("email")
    return address


READERS = {
    "email": _email,
    "serial": _serial,
    "relay": _yes,
    "life_safety": _yes,
    "ct": _ratio,
    "opening": _register,
}


# ---------------------------------------------------------------------- going out


def write_csv(rows):
    """A csv file that spreadsheets open as they are: with a mark, without formulas."""
    out = io.StringIO(newline="")
    writer = csv.writer(out)
    for row in rows:
        writer.writerow([_harmless(str(cell)) for cell in row])
    return out.getvalue().encode("utf-8-sig")


def _harmless(text):
    return f"'{text}" if text[:1] in "=+-@\t\r" and text[:1] else text


def sample():
    """A list to begin with, as csv."""
    return write_csv([HEADINGS.values(), *SAMPLE])
