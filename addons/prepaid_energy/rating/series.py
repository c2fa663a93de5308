"""Load files of a case: intervals and register readings, CSV or gzipped CSV."""

import csv
import gzip
import io
import zlib
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

from . import parse
from .clock import FIRST_EPOCH, LAST_EPOCH, START
from .errors import Held, TariffError
from .exact import scaled
from .registers import consumption

_SECOND = timedelta(seconds=1)


def read_rows(source: dict, folder, columns: tuple[str, ...], path: str):
    """Yield (where, values of `columns`) for each row of input.file."""
    name = parse.text(parse.required(source, "file", path), f"{path}.file")
    if Path(name).is_absolute() or ".." in Path(name).parts:
        raise TariffError(f"{path}.file", "must lie beside the case")
    content = _content(Path(folder) / name, f"{path}.file")
    rows = csv.reader(io.StringIO(content, newline=""))
    try:
        header = [cell.strip() for cell in next(filter(_filled, rows), [])]
        places = []
        for column in columns:
            if header.count(column) != 1:
                raise TariffError(f"{path}.file", f"{name}: needs a column {column}")
            places.append(header.index(column))
        for row in rows:
            if _filled(row):
                where = f"{path}.file {name} row {rows.line_num}"
                if len(row) <= max(places):
                    raise TariffError(where, "has too few cells")
                yield where, [row[place] for place in places]
    except csv.Error as error:
        raise TariffError(f"{path}.file", f"{name}: {error}") from None


def _content(file: Path, path: str) -> str:
    """The text of a CSV file, gzipped or not."""
    name = parse.shown(file.name)
    try:
        data = file.read_bytes()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "cannot be read"
        raise TariffError(path, f"{name}: {reason}") from None
    try:
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise TariffError(path, f"{name}: is not UTF-8 text") from None
    except (OSError, EOFError, zlib.error):
        raise TariffError(path, f"{name}: is not a whole gzip file") from None


def _filled(row: list[str]) -> bool:
    """Whether a CSV row is more than a blank line."""
    return len(row) > 1 or any(cell.strip() for cell in row)


def instant_utc(value, path: str) -> int:
    """An ISO time with Z or an offset as whole epoch seconds (UTC)."""
    try:
        if not isinstance(value, str) or len(value) > 40:
            raise ValueError
        text = value.strip()
        if text[-1:] in "Zz":
            text = text[:-1] + "+00:00"
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None or "T" not in text and " " not in text:
            raise ValueError
        epoch, rest = divmod(moment - START, _SECOND)
    except (ValueError, OverflowError):
        raise TariffError(
            path, f"{parse.shown(value)} must be a UTC time YYYY-MM-DDTHH:MMZ"
        ) from None
    if rest or not FIRST_EPOCH + 86400 * 3 <= epoch < LAST_EPOCH - 86400 * 3:
        raise TariffError(path, f"{parse.shown(value)}: whole seconds, 1900 to 2199")
    return epoch


class Intervals:
    """Metered intervals in time order; `take` hands them out as time passes."""

    def __init__(self, source: dict, folder, notes: list[str], path: str = "input"):
        wanted = parse.required(source, "minutes", path)
        self.minutes = parse.whole(wanted, f"{path}.minutes", 1, 1440)
        self.length = self.minutes * 60
        rows = []
        for where, (at, kwh) in read_rows(source, folder, ("start_utc", "kwh"), path):
            energy = scaled(parse.number(kwh, f"{where} kwh"))
            rows.append((instant_utc(at, f"{where} start_utc"), energy, where))
            if energy < 0:
                notes.append(f"{where} kwh: negative, not charged")
        rows.sort(key=lambda row: row[0])
        for before, after in zip(rows, rows[1:], strict=False):
            if after[0] - before[0] < self.length:
                what = "repeats" if after[0] == before[0] else "overlaps"
                raise TariffError(f"{after[2]} start_utc", f"{what} another interval")
        self.starts = [row[0] for row in rows]
        self.energies = [max(row[1], 0) for row in rows]
        self.done = 0

    def take(self, tariff, ledger, maxima, *, start=None, end=None) -> None:
        """Rate the intervals that start before `start`, or end by `end`."""
        limit = start if end is None else min(end - self.length + 1, start)
        stop = self.done
        while stop < len(self.starts) and self.starts[stop] < limit:
            stop += 1
        span = self.done, stop
        args = self.starts, self.energies, self.minutes, span
        tariff.feed_intervals(ledger, maxima, *args)
        self.done = stop


class Registers:
    """Register readings as stretches of consumption (decision 11)."""

    def __init__(self, source: dict, folder, notes: list[str], path: str = "input"):
        moduli = self._moduli(source.get("modulus"), f"{path}.modulus")
        meters: dict[str, dict[int, tuple[Decimal, str]]] = {}
        columns = ("at_utc", "meter", "register_kwh")
        for where, (at, meter, value) in read_rows(source, folder, columns, path):
            name = parse.text(meter, f"{where} meter").strip()
            epoch = instant_utc(at, f"{where} at_utc")
            register = parse.number(value, f"{where} register_kwh")
            known = meters.setdefault(name, {}).setdefault(epoch, (register, where))
            if known[0] != register:
                raise TariffError(f"{where} at_utc", "repeats a reading, other value")
        spans = []
        for name, readings in meters.items():
            spans += self._spans(name, readings, moduli.get(name), notes)
        self.spans = _disjoint(sorted(spans))
        self.first = 0
        self.done: int | None = None

    @staticmethod
    def _moduli(value, path: str) -> dict[str, Decimal]:
        result = {}
        for name, item in parse.mapping({} if value is None else value, path).items():
            where = f"{path}.{name}"
            if item is not None:
                result[name.strip()] = parse.number(item, where)
                if result[name.strip()] <= 0:
                    raise TariffError(where, "must be above zero")
        return result

    @staticmethod
    def _spans(name: str, readings: dict, modulus, notes: list[str]) -> list:
        spans, before = [], None
        for epoch in sorted(readings):
            register, where = readings[epoch]
            try:
                old = register if before is None else before[1]
                used = consumption(old, register, modulus)
            except Held as held:
                notes.append(f"{where} meter {name}: held, {held.reason}")
                continue
            if before is not None:
                spans.append(((before[0], 0), (epoch, scaled(used))))
            before = epoch, register
        return spans

    def take(self, tariff, ledger, maxima, *, start=None, end=None) -> None:
        """Rate the consumption before the instant `start`, or `end`."""
        limit = start if end is None else min(end, start)
        while self.first < len(self.spans):
            before, after = self.spans[self.first]
            if before[0] >= limit:
                break
            tariff.feed(ledger, maxima, before, after, self.done, limit)
            if after[0] > limit:
                break
            self.first += 1
        self.done = limit


def _disjoint(spans: list) -> list:
    """Spans cut and added up where several meters run at the same time."""
    from .tariff import between

    if all(a[1][0] <= b[0][0] for a, b in zip(spans, spans[1:], strict=False)):
        return spans
    edges = sorted({point[0] for span in spans for point in span})
    place = {edge: index for index, edge in enumerate(edges)}
    sums: dict[int, int] = {}
    for before, after in spans:
        value = before[1]
        for index in range(place[before[0]], place[after[0]]):
            following = between(before, after, edges[index + 1])
            sums[index] = sums.get(index, 0) + following - value
            value = following
    return [((edges[i], 0), (edges[i + 1], sums[i])) for i in sorted(sums)]
