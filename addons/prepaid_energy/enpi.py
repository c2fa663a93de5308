"""Energy performance: energy shared out over work, and what energy should have been.

Pure Python, no database and no Odoo.

How to use: :func:`allocate` splits a series of energy (and money) over the spans of
time in which something was worked on; :func:`regress` explains energy by drivers (days,
output, degree days); :func:`expected` and :func:`running` make the expected values and
the cumulative sum of a fitted model.

How it works: within one piece of a series, energy flows evenly. Shares are exact
fractions, cut at ``QUANTUM``; what is left of a piece goes to its last share, so that
shares always add up to the piece. The normal equations are solved with fractions too:
whether a driver depends on others is a fact then, not a matter of rounding.
"""

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from itertools import accumulate

QUANTUM = 12  # decimals of a share
DIGITS = Context(prec=12, rounding=ROUND_HALF_EVEN)  # of a coefficient
WIDE = Context(prec=80)
IDLE = None  # the key of time in which nobody worked
GOOD_R2 = 0.75
SURE_T = 2.0
ROWS_PER_DRIVER = 10
MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True)
class Piece:
    """What flowed from ``start`` to ``end``: one value for each quantity."""

    start: datetime
    end: datetime
    values: tuple


@dataclass(frozen=True)
class Span:
    """``key`` was worked on from ``start`` to ``end``; of two, the heavier has more."""

    key: object
    start: datetime
    end: datetime
    weight: Decimal = Decimal(1)


@dataclass
class Share:
    """What a key got: the values, and the seconds in which they were measured."""

    values: list
    seconds: float = 0.0


def trimmed(hours):
    """The pieces of hours of which only a part is measured.

    Where measuring stops, the measured part is the beginning of the hour; where it
    starts again, its end. With a neighbour on both sides it lies somewhere inside, and
    the whole hour stands for it.

    :param hours: (start, covered seconds, values) in time order, an hour each; hours
        without any data may be left out.
    """
    hours = [hour for hour in hours if hour[1] > 0]
    starts = {hour[0] for hour in hours}
    hour = timedelta(hours=1)
    pieces = []
    for start, covered, values in hours:
        end, length = start + hour, timedelta(seconds=covered)
        if length < hour and end not in starts:
            pieces.append(Piece(start, start + length, values))
        elif length < hour and start - hour not in starts:
            pieces.append(Piece(end - length, end, values))
        else:
            pieces.append(Piece(start, end, values))
    return pieces


def allocate(pieces, spans):
    """Share pieces out over spans; spans at the same time share by their weights.

    Spans of one key that overlap (two people at one order) count once, with the
    heaviest weight. Time without a span is idle.

    :return: {key: :class:`Share`}, with ``IDLE`` for idle time. For each quantity the
        shares add up to the pieces exactly.
    """
    spans = sorted(spans, key=lambda span: span.start)
    found, active, following = {}, [], 0
    for piece in sorted(pieces, key=lambda piece: piece.start):
        while following < len(spans) and spans[following].start < piece.end:
            active.append(spans[following])
            following += 1
        active = [span for span in active if span.end > piece.start]
        _share_out(piece, active, found)
    return found


def _share_out(piece, spans, found):
    """Add the shares of one piece to ``found``."""
    inside = [span for span in spans if span.start < piece.end]
    borders = {piece.start, piece.end}
    for span in inside:
        borders |= {max(span.start, piece.start), min(span.end, piece.end)}
    borders = sorted(borders)
    ticks, seconds = {}, {}
    for start, end in zip(borders, borders[1:], strict=False):
        weights = {}
        for span in inside:
            if span.start <= start and span.end >= end and span.weight > 0:
                weights[span.key] = max(span.weight, weights.get(span.key, 0))
        weights = weights or {IDLE: Decimal(1)}
        length, total = (end - start) // MICROSECOND, Fraction(sum(weights.values()))
        for key, weight in weights.items():
            part = length * Fraction(weight) / total
            ticks[key] = ticks.get(key, 0) + part
            seconds[key] = seconds.get(key, 0) + length / 1e6
    whole = (piece.end - piece.start) // MICROSECOND
    columns = [split(value, ticks.values(), whole) for value in piece.values]
    for key, *values in zip(ticks, *columns, strict=True):
        share = found.setdefault(key, Share([Decimal(0)] * len(piece.values)))
        share.values = [
            WIDE.add(a, b) for a, b in zip(share.values, values, strict=True)
        ]
        share.seconds += seconds[key]


def split(value, parts, whole):
    """``value`` in shares of ``parts`` of ``whole``, which add up to it exactly."""
    parts = list(parts)
    exact, given, shares = Fraction(value), Decimal(0), []
    for done in accumulate(parts[:-1]):
        until = _cut(exact * done / whole)
        shares.append(WIDE.subtract(until, given))
        given = until
    return [*shares, WIDE.subtract(value, given)]


def _cut(number):
    """A fraction towards zero at ``QUANTUM`` decimals."""
    units = abs(number.numerator) * 10**QUANTUM // number.denominator
    return WIDE.scaleb(Decimal(units if number >= 0 else -units), -QUANTUM)


# ------------------------------------------------------------------------- regression


@dataclass(frozen=True)
class Fit:
    """An ordinary least squares fit: one entry a driver.

    A driver that says nothing of its own (no variation, or a combination of those
    before it) has the coefficient None.
    """

    coefficients: tuple  # Decimal or None
    errors: tuple  # standard errors, float or None
    r2: float | None  # None: the energy does not vary
    error: float | None  # standard error of the regression; None: nothing to spare
    n: int

    def t(self, column):
        """How many standard errors a coefficient is away from zero."""
        value, error = self.coefficients[column], self.errors[column]
        if value is None or error is None:
            return None
        return float(value) / error if error else math.copysign(math.inf, value)

    def problems(self):
        """What makes the fit doubtful: codes, with the column where it is one's."""
        used = [value for value in self.coefficients if value is not None]
        if self.n < ROWS_PER_DRIVER * max(1, len(used) - 1):
            yield "few", None
        if self.r2 is not None and len(used) > 1 and self.r2 < GOOD_R2:
            yield "poor", None
        for column, value in enumerate(self.coefficients):
            if value is None:
                yield "same", column
            elif column and (t := self.t(column)) is not None and abs(t) < SURE_T:
                yield "unsure", column


def regress(energies, drivers):
    """Explain energies by drivers, by ordinary least squares.

    :param energies: the Decimals to explain.
    :param drivers: for each of them a tuple of Decimals, the first one the base load's
        (1, or the days of the period).
    :raise ValueError: there are fewer rows than drivers.
    """
    rows = [[Fraction(value) for value in row] for row in drivers]
    y = [Fraction(value) for value in energies]
    width = len(rows[0]) if rows else 0
    if len(y) < max(width, 1):
        raise ValueError("fewer rows than drivers")
    sums = [
        [sum(row[i] * row[j] for row in rows) for j in range(width)]
        for i in range(width)
    ]
    right = [
        sum(row[i] * value for row, value in zip(rows, y, strict=True))
        for i in range(width)
    ]
    used, inverse = _inverse(sums)
    solved = {i: sum(inverse[i, j] * right[j] for j in used) for i in used}
    rest = sum(value * value for value in y) - sum(solved[i] * right[i] for i in used)
    spread = sum(value * value for value in y) - sum(y) ** 2 / len(y)
    free = len(y) - len(used)
    variance = rest / free if free else None
    errors = {i: math.sqrt(variance * inverse[i, i]) if free else None for i in used}
    return Fit(
        tuple(_decimal(solved[i]) if i in solved else None for i in range(width)),
        tuple(errors.get(i) for i in range(width)),
        float(1 - rest / spread) if spread else None,
        math.sqrt(variance) if free else None,
        len(y),
    )


def _inverse(matrix):
    """The inverse on the columns that do not depend on those before them.

    :return: ([used columns], {(i, j): Fraction}).
    """
    used = []
    for column in range(len(matrix)):
        if _reduced(matrix, [*used, column]):
            used.append(column)
    size = len(used)
    rows = _reduced(matrix, used)
    return used, {
        (used[i], used[j]): rows[i][size + j] for i in range(size) for j in range(size)
    }


def _reduced(matrix, columns):
    """Gauss-Jordan: [identity | inverse] of those columns; None if it is singular."""
    size = len(columns)
    rows = [
        [*(matrix[a][b] for b in columns), *(Fraction(i == j) for j in range(size))]
        for i, a in enumerate(columns)
    ]
    for i in range(size):
        if not rows[i][i]:
            return None  # positive semidefinite: no other pivot would do either
        rows[i] = [value / rows[i][i] for value in rows[i]]
        for j in range(size):
            if j != i and rows[j][i]:
                factor = rows[j][i]
                rows[j] = [
                    a - factor * b for a, b in zip(rows[j], rows[i], strict=True)
                ]
    return rows


def _decimal(number):
    return DIGITS.divide(Decimal(number.numerator), Decimal(number.denominator))


def expected(coefficients, drivers):
    """The energy that the model expects: exact for the coefficients as they are."""
    total = Decimal(0)
    for value, driver in zip(coefficients, drivers, strict=True):
        total = WIDE.add(total, WIDE.multiply(value or Decimal(0), driver))
    return total


def running(differences):
    """The cumulative sum (CUSUM) of differences."""
    return list(accumulate(differences, WIDE.add))


def degree_days(mean, base, heating):
    """Degree days of a day with a mean temperature."""
    gap = base - mean if heating else mean - base
    return max(gap, Decimal(0))
