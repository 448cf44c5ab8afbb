"""An order of buying, cut where its budget is spent or a reward is reached.

Queries with the same counts share what each of their draws is expected to cost and to win. So these stand in
tables, a row for each kind of query, and one order is read with many tables: with limits of a query's draws,
or with a verifier that errs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adaqueue.core.curves import Purchases
from adaqueue.core.marginal import FloatArray, IntArray

BLOCKS = 64
CELLS = 4_000_000
"""Blocks times entries of a table, at most: an order of many kinds of queries has fewer blocks."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Where buying ends.

    Attributes:
        sure: units bought, in the order of buying.
        perhaps: the same with the next tie, which is bought with a chance.
        chance: of it, [0, 1].
    """

    sure: int
    perhaps: int
    chance: float


@dataclass(frozen=True, eq=False)
class Order:
    """The units of all queries in the order in which a policy buys them.

    Attributes:
        bought: the units.
        kind: row of each query in the tables, shape (n,).
        cell: entry of each unit in a flat table, shape (n * draws,).
        starts: units before each block, and all of them; blocks end with ties.
        counts: units of each entry in each block, shape (blocks, entries).
    """

    bought: Purchases
    kind: IntArray
    cell: IntArray
    starts: IntArray
    counts: FloatArray

    @classmethod
    def of(cls, bought: Purchases, kind: IntArray, kinds: int) -> Order:
        """Returns the order of some purchases, for tables of so many rows."""
        units = len(bought.owner)
        draws = units // bought.queries
        size = kinds * draws
        cell = kind[bought.owner] * draws + bought.draw
        blocks = int(np.clip(CELLS // size, 1, BLOCKS))
        stops = bought.ends + 1
        starts = np.append(0, np.unique(stops[np.searchsorted(stops, np.linspace(0, units, blocks + 1)[1:])]))
        block = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        counts = np.bincount(block * size + cell, minlength=(len(starts) - 1) * size)
        return cls(bought, kind, cell, starts, counts.reshape(-1, size).astype(np.float64))

    def sums(self, tables: Sequence[FloatArray]) -> list[Sum]:
        """Returns each table added up along the order; of shape (kinds, draws), no entry below 0."""
        flat = np.stack([table.ravel() for table in tables], axis=1)
        before = np.insert(np.cumsum(self.counts @ flat, axis=0), 0, 0.0, axis=0)
        return [Sum(self, flat[:, place].copy(), before[:, place]) for place in range(len(tables))]

    def each(self, cut: Cut, expected: FloatArray) -> FloatArray:
        """Returns what is expected of each query at a cut, shape (n,).

        Args:
            cut: where buying ends.
            expected: of the first f draws of each kind of query, shape (kinds, draws + 1).
        """
        owner, n = self.bought.owner, self.bought.queries
        sure = np.bincount(owner[: cut.sure], minlength=n)
        perhaps = sure + np.bincount(owner[cut.sure : cut.perhaps], minlength=n)
        found: FloatArray = (1 - cut.chance) * expected[self.kind, sure]
        found += cut.chance * expected[self.kind, perhaps]
        return found


@dataclass(frozen=True, eq=False)
class Sum:
    """A table added up along an order.

    Attributes:
        order: of buying.
        values: the table, flat.
        before: its sum before each block, and at the end.
    """

    order: Order
    values: FloatArray
    before: FloatArray

    def cut(self, mean: float) -> Cut:
        """Returns where the mean over queries first reaches a level; after everything if it never does."""
        level = mean * self.order.bought.queries
        block = int(np.searchsorted(self.before[1:], level))
        if block == len(self.before) - 1:
            units = int(self.order.starts[-1])
            return Cut(units, units, 0.0)
        start, end = self.order.starts[block : block + 2]
        ends = self.order.bought.ends
        stops = ends[np.searchsorted(ends, start) : np.searchsorted(ends, end)] + 1
        inside = np.cumsum(self.values[self.order.cell[start:end]])[stops - start - 1]
        points = np.insert(inside + self.before[block], 0, self.before[block])
        place = min(int(np.searchsorted(points[1:], level)), len(stops) - 1)
        run = points[place + 1] - points[place]
        chance = np.clip((level - points[place]) / run, 0.0, 1.0) if run > 0 else 1.0
        return Cut(int(np.insert(stops, 0, start)[place]), int(stops[place]), float(chance))

    def at(self, cut: Cut) -> float:
        """Returns the mean over queries at a cut."""
        sure, perhaps = self._until(cut.sure), self._until(cut.perhaps)
        return ((1 - cut.chance) * sure + cut.chance * perhaps) / self.order.bought.queries

    def reaches(self, mean: float) -> bool:
        """Whether the mean over queries reaches a level at all."""
        return bool(self.before[-1] >= mean * self.order.bought.queries)

    def _until(self, unit: int) -> float:
        block = int(np.searchsorted(self.order.starts, unit, side="right")) - 1
        start = self.order.starts[block]
        return float(self.before[block] + self.values[self.order.cell[start:unit]].sum())
