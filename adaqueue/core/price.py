"""The price of a window whose table of marginal rewards is never built: bracketed, closed in on, selected."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

import numpy as np

from adaqueue.core.marginal import NOTHING, FloatArray, IntArray
from adaqueue.core.rows import Rows

NARROW = 1e-9
"""Relative width of a bracket in which few queries have more than one unit, unless many are all but equal."""

SOME = 2**10
"""Queries that are asked for their units between."""

SPREAD = 4.0
"""Standard deviations by which a guess from some queries is widened for all."""


class Bracket:
    """Two prices and what they buy: the floor at least what may be spent, the ceiling less.

    Attributes:
        floor: A price at which `reach` is bought.
        ceiling: A price at which `above` is bought.
        reach: Units of each query worth at least the floor, minimum and maximum kept, shape (n,).
        above: Units of each query worth at least the ceiling, likewise.
    """

    def __init__(self, rows: Rows, low: IntArray, high: IntArray, spend: int) -> None:
        self._rows, self._low, self._high, self._spend = rows, low, high, spend
        self.floor, self.reach, self._most = 0.0, high, int(high.sum())
        self.ceiling, self.above, self._least = float(np.nextafter(1.0, 2.0)), low, int(low.sum())

    def close(self) -> None:
        """Cuts until few units are left between, or no other price is."""
        for price in chain(self._guesses(), self._cuts()):
            if self.is_a_single_price or self._holds_few():
                return
            self._cut(price)

    @property
    def is_a_single_price(self) -> bool:
        """Whether every unit between is worth exactly the floor."""
        return self.ceiling <= max(float(np.nextafter(self.floor, 1.0)), NOTHING)

    def units(self) -> tuple[IntArray, FloatArray]:
        """Returns query and marginal reward of every unit between, query by query."""
        index = np.flatnonzero(self.above < self.reach)
        found = list(self._rows.units(index, self.above[index], self.reach[index]))
        return np.concatenate([query for query, _ in found]), np.concatenate([worth for _, worth in found])

    def _holds_few(self) -> bool:
        between = self._most - self._least
        narrow = self.ceiling <= self.floor * (1.0 + NARROW)
        return between <= (max(self._rows.few, 4 * len(self._rows)) if narrow else self._rows.few)

    def _cut(self, price: float) -> None:
        if not self.floor < price < self.ceiling:
            return
        counts = np.clip(self._rows.counts(price), self._low, self._high)
        bought = int(counts.sum())
        if bought >= self._spend:
            self.floor, self.reach, self._most = price, counts, bought
        else:
            self.ceiling, self.above, self._least = price, counts, bought

    def _cuts(self) -> Iterator[float]:
        """Prices to cut at, without end: for rewards that differ, for those that tie, and for any."""
        while True:
            if self.floor >= NOTHING:
                yield self._interpolated()
                yield self._interpolated()
                yield from self._edges()
            yield _between(self.floor, self.ceiling) if self.floor >= NOTHING else NOTHING

    def _interpolated(self) -> float:
        """A price a little beside the one at which a line between both ends crosses the spend."""
        width = np.log(self.ceiling / self.floor)
        crossing = (self._most - self._spend) / (self._most - self._least)
        beside = crossing + (1 / 32 if crossing < 1 / 2 else -1 / 32)
        return float(self.floor * np.exp(width * beside))

    def _edges(self) -> Iterator[float]:
        """Prices just beside the outermost of some units: what ties stands between them at once."""
        between = np.flatnonzero(self.above < self.reach)
        some = between[:: max(len(between) // SOME, 1)]
        last, following = self.reach[some], self.above[some]
        lowest = min(float(worth.min()) for _, worth in self._rows.units(some, last - 1, last))
        highest = max(float(worth.max()) for _, worth in self._rows.units(some, following, following + 1))
        yield max(lowest * (1.0 - NARROW / 4), NOTHING)
        yield highest * (1.0 + NARROW / 4)

    def _guesses(self) -> Iterator[float]:
        """A price above and one below, most likely, from some queries evenly spaced."""
        size = self._rows.sample
        if len(self._rows) < 4 * size:
            return
        index = np.arange(size) * len(self._rows) // size
        some, low, high = self._rows.some(index), self._low[index], self._high[index]

        def counts(price: float) -> IntArray:
            return np.clip(some.counts(price), low, high)

        def price_of(spend: float) -> float:
            floor, ceiling = NOTHING, 1.0
            while ceiling > floor * (1.0 + NARROW):
                middle = _between(floor, ceiling)
                floor, ceiling = (middle, ceiling) if counts(middle).sum() >= spend else (floor, middle)
            return floor

        share = self._spend * size / len(self._rows)
        slack = SPREAD * float(counts(price_of(share)).std()) * size**0.5 + 1.0
        yield price_of(share - slack) * (1.0 + 2 * NARROW)
        yield max(price_of(share + slack) * (1.0 - 2 * NARROW), NOTHING)


def _between(floor: float, ceiling: float) -> float:
    """The float that halves the floats between two of them, which are positive."""
    ends = np.array([floor, ceiling]).view(np.int64)
    return float(np.array([ends[0] + (ends[1] - ends[0]) // 2]).view(np.float64)[0])
