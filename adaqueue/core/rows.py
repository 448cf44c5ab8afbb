"""Tables of marginal rewards that are never built whole: how many units are worth a price, and which."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np

from adaqueue.core.marginal import (
    NOTHING,
    FloatArray,
    IntArray,
    from_beta,
    from_success,
    require_beta,
    require_budget,
    require_probabilities,
)

CELLS = 2**18
"""Numbers worked on at a time: what fits a processor's cache."""

Units = tuple[IntArray, FloatArray]
"""Some units: the query of each and its marginal reward, shape (k,) each."""

MANY_CELLS = 2**20
"""Numbers of a table built at a time: 8 MiB."""


class Rows(Protocol):
    """The marginal rewards of n queries, shape (n, b_max), no row increasing, each 0 or in [NOTHING, 1]."""

    few: int
    """Units that are cheaper to look at one by one than another count over all queries."""

    sample: int
    """Queries enough for a first guess at a price."""

    b_max: int

    def __len__(self) -> int:
        """Returns n."""
        ...

    def counts(self, price: float) -> IntArray:
        """Returns how many units of each query are worth at least a price, which is 0 or >= NOTHING."""
        ...

    def some(self, index: IntArray) -> Counted:
        """Returns the rows at an index, to be counted often."""
        ...

    def units(self, index: IntArray, start: IntArray, stop: IntArray) -> Iterator[Units]:
        """Yields the rows' units from start to stop (counted from 0, stop left out), some at a time."""
        ...


class Counted(Protocol):
    """Rows that can be counted."""

    def counts(self, price: float) -> IntArray:
        """As `Rows.counts`."""
        ...


class SuccessRows:
    """The table `from_success(success, b_max)`.

    A count comes in closed form, `floor(log(price/lambda) / log(1-lambda)) + 1`, whatever b_max; where
    rounding could decide it, from the running product of `from_success`. So counts are those of the table.
    """

    few = 2**13
    sample = 2**14

    def __init__(self, success: FloatArray, b_max: int) -> None:
        require_probabilities(success, "success")
        require_budget(b_max)
        self.b_max = b_max
        self._success = success
        with np.errstate(divide="ignore", over="ignore"):
            self._log = np.log(np.where(success < NOTHING, 0.0, success))
            # a slope of 0, where lambda is 1, would forget the sign of what it multiplies
            self._slope = np.minimum(1.0 / np.log1p(-success), -NOTHING)
        self._rounding = 4e-12 + 1e-15 * b_max  # of logarithms up to 691 and of b_max factors, with room

    def __len__(self) -> int:
        return len(self._success)

    def some(self, index: IntArray) -> SuccessRows:
        """As `Rows.some`."""
        return SuccessRows(self._success[index], self.b_max)

    def counts(self, price: float) -> IntArray:
        """As `Rows.counts`."""
        if price < NOTHING:
            return np.full(len(self), self.b_max)
        counts = np.empty(len(self), dtype=np.int64)
        least, most = np.log(price) + self._rounding, np.log(price) - self._rounding
        for part in _parts(len(self), CELLS // 8):
            log, slope = self._log[part], self._slope[part]
            surely = np.floor((least - log) * slope)
            perhaps = np.floor((most - log) * slope)
            counts[part] = np.minimum(np.maximum(surely + 1.0, 0.0), self.b_max)
            unsure = np.flatnonzero(surely != perhaps)
            unsure = unsure[(surely[unsure] < self.b_max) & (perhaps[unsure] >= 0.0)]
            if unsure.size:
                width = int(min(perhaps[unsure].max() + 1.0, self.b_max))
                for index, row, table in self._tables(unsure + part.start, width):
                    counts[index] = np.count_nonzero(table >= price, axis=1)[row]
        return counts

    def units(self, index: IntArray, start: IntArray, stop: IntArray) -> Iterator[Units]:
        """As `Rows.units`."""
        done = 0
        for part, row, table in self._tables(index, int(stop.max(initial=0))):
            chosen = slice(done, done + len(part))
            which, column = _cells(start[chosen], stop[chosen])
            yield part[which], table[row[which], column]
            done += len(part)

    def _tables(self, index: IntArray, width: int) -> Iterator[tuple[IntArray, IntArray, FloatArray]]:
        """Yields parts of an index, the row of each in a table, and that table: equal queries share a row."""
        for part in _parts(len(index), max(MANY_CELLS // max(width, 1), 1)):
            distinct, row = np.unique(self._success[index[part]], return_inverse=True)
            yield index[part], row, from_success(distinct, width)


class BetaRows:
    """The table `from_beta(alpha, beta, b_max, zero)`.

    Marginals of a Beta distribution have no inverse in closed form, so counting takes time in proportion to
    the units counted, and memory for a part of the queries at a time.
    """

    def __init__(self, alpha: FloatArray, beta: FloatArray, b_max: int, zero: FloatArray | None) -> None:
        require_beta(alpha, beta, zero)
        require_budget(b_max)
        self.b_max = b_max
        self.few = 2 * len(alpha)
        self.sample = max(MANY_CELLS // max(b_max, 1), 2**8)
        self._alpha, self._beta, self._zero = alpha, beta, zero

    def __len__(self) -> int:
        return len(self._alpha)

    def some(self, index: IntArray) -> Built:
        """As `Rows.some`."""
        return Built(self._table(index, self.b_max))

    def counts(self, price: float) -> IntArray:
        """As `Rows.counts`."""
        if price < NOTHING:
            return np.full(len(self), self.b_max)
        counts = np.zeros(len(self), dtype=np.int64)
        for part in _parts(len(self), CELLS // 32):
            self._count(np.arange(part.start, part.stop), price, counts)
        return counts

    def units(self, index: IntArray, start: IntArray, stop: IntArray) -> Iterator[Units]:
        """As `Rows.units`."""
        width = int(stop.max(initial=0))
        for part in _parts(len(index), max(CELLS // max(width, 1), 1)):
            which, column = _cells(start[part], stop[part])
            yield index[part][which], self._table(index[part], width)[which, column]

    def _count(self, index: IntArray, price: float, counts: IntArray) -> None:
        """Counts some queries unit by unit, with the roundings of `from_beta`; those done are left out."""
        worth, beta = self._table(index, 1)[:, 0], self._beta[index]
        weight = self._alpha[index] + beta
        for bought in range(self.b_max):
            more = worth >= price
            counts[index] += more
            if np.count_nonzero(more) < 0.75 * len(more):
                index, worth, beta, weight = index[more], worth[more], beta[more], weight[more]
            if not len(index):
                break
            worth *= (beta + float(bought)) / (weight + float(bought + 1))

    def _table(self, index: IntArray, width: int) -> FloatArray:
        zero = None if self._zero is None else self._zero[index]
        return from_beta(self._alpha[index], self._beta[index], width, zero)


class Built:
    """A table that fits into memory."""

    def __init__(self, delta: FloatArray) -> None:
        self._delta = delta

    def counts(self, price: float) -> IntArray:
        """As `Rows.counts`."""
        counts: IntArray = np.count_nonzero(self._delta >= price, axis=1)
        return counts


def _parts(count: int, size: int) -> Iterator[slice]:
    return (slice(start, min(start + size, count)) for start in range(0, count, size))


def _cells(start: IntArray, stop: IntArray) -> tuple[IntArray, IntArray]:
    """The (row, column) of every unit from start to stop, row by row."""
    counts = stop - start
    row = np.repeat(np.arange(len(counts)), counts)
    column = np.arange(len(row)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(start, counts)
    return row, column
