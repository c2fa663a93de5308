"""How much of its nominal power a load takes, over the year."""

import csv
import gzip
import math
from collections.abc import Sequence
from pathlib import Path

YEAR_S = 365 * 86400
PERCENTILE = 0.95


class CurveError(ValueError):
    """The load file cannot be read as a load curve."""


class LoadCurve:
    """Fractions of the nominal power, one every ``step`` seconds of the year.

    The first is midnight of 1 January in the plant's local time; after the last the
    curve begins anew.
    """

    def __init__(self, fractions: Sequence[float], step: float, floor: float = 0.0):
        if not fractions:
            raise CurveError("the load curve is empty")
        self._fractions, self._step, self._floor = fractions, step, floor

    def at(self, seconds: float) -> float:
        """Fraction of the nominal power ``seconds`` after the year's beginning."""
        index = int(seconds // self._step) % len(self._fractions)
        return max(self._fractions[index], self._floor)


def generated(floor: float = 0.0) -> LoadCurve:
    """A two-shift industrial year by the quarter of an hour: weekdays 06-22 full,
    Saturdays half, nights and Sundays the base load."""
    quarters = []
    for quarter in range(YEAR_S // 900):
        day, hour = divmod(quarter / 4, 24)
        shift = 1 / (1 + math.exp(-(hour - 6) * 2)) / (1 + math.exp((hour - 22) * 2))
        busy = (1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.1)[int(day) % 7]
        ripple = 0.06 * math.sin(quarter * 1.7) + 0.04 * math.sin(quarter * 0.37)
        quarters.append(max(0.12 + busy * shift * (0.8 + ripple), 0.05))
    return LoadCurve(quarters, 900, floor)


def from_csv(path: Path, floor: float = 0.0) -> LoadCurve:
    """Read a year of energy per interval (last column), optionally gzipped.

    Nominal power is the 95th percentile of the file, so that a few peaks go above
    it. The rows are taken as they come, the first as local midnight of 1 January.
    Raises :class:`CurveError` that names file and line.
    """
    opener = gzip.open if path.suffix == ".gz" else open
    amounts = []
    try:
        with opener(path, "rt", encoding="utf-8", newline="") as file:
            rows = csv.reader(file)
            next(rows, None)
            for row in rows:
                amounts.append(float(row[-1]))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise CurveError(f"{path}: {error}") from error
    except (ValueError, IndexError) as error:
        line = len(amounts) + 2
        raise CurveError(f"{path}, line {line}: not an amount of energy") from error
    if not amounts or max(amounts) <= 0:
        raise CurveError(f"{path}: there is no load in it")
    nominal = sorted(amounts)[int(len(amounts) * PERCENTILE)] or max(amounts)
    step = YEAR_S / len(amounts) if len(amounts) > 366 else 900
    return LoadCurve([amount / nominal for amount in amounts], round(step), floor)
