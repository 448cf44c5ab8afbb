"""Performance curves: what a policy reaches at every average budget, in closed form.

A policy is an index over the units of all queries: it buys the largest first. What it then spends and wins
follows from each query's survival, the chance that its first f samples all fail, without simulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.metrics import equal_reward_budget


@dataclass(frozen=True, eq=False)
class Curve:
    """Mean success over mean samples, a point for each price, from nothing bought to everything bought.

    Attributes:
        samples: drawn on average for a query, shape (k,), increasing, from 0.
        success: chance of a verified success, mean over queries, shape (k,), rising from 0.
    """

    samples: FloatArray
    success: FloatArray

    def at(self, average_budget: float) -> float:
        """Returns the success at an average budget, linear between the points; the last one's beyond them."""
        return float(np.interp(average_budget, self.samples, self.success))

    def needed(self, success: float) -> float | None:
        """Returns the smallest average number of samples that reaches a success; None if none does."""
        end = int(np.searchsorted(self.success, success))
        nearest = slice(max(end - 1, 0), end + 1)
        return equal_reward_budget(self.samples[nearest], self.success[nearest], success)


@dataclass(frozen=True, eq=False)
class Purchases:
    """All units in the order in which a policy buys them.

    Attributes:
        owner: query of each unit, shape (n * b,).
        draw: which draw of its query the unit is, from 0, shape (n * b,); inside a tie in any order.
        spent: samples drawn by it, the chance that it is drawn at all where a success closes its query.
        won: chance that it is the query's first success, or what it adds to the reward.
        ends: places of the last unit of each tie, increasing: ties are bought together.
        queries: n.
    """

    owner: IntArray
    draw: IntArray
    spent: FloatArray
    won: FloatArray
    ends: IntArray
    queries: int

    @classmethod
    def of(cls, index: FloatArray, survival: FloatArray, *, stops: bool) -> Purchases:
        """Returns the purchases of a policy that buys the units of largest index first, see `curve`."""
        n, b = index.shape
        if survival.shape != (n, b + 1):
            raise ValueError(f"survival must have shape {(n, b + 1)}, not {survival.shape}")
        spent = survival[:, :-1] if stops else np.ones(index.shape)
        return cls.of_units(index, spent, survival[:, :-1] - survival[:, 1:])

    @classmethod
    def of_units(cls, index: FloatArray, spent: FloatArray, won: FloatArray) -> Purchases:
        """Returns the purchases of units of which is known what each costs and wins, all of shape (n, b)."""
        n, b = index.shape
        if not (index[:, 1:] <= index[:, :-1]).all():
            raise ValueError("index must not rise along a row")
        order = np.argsort(-index, axis=None)
        ordered = index.ravel()[order]
        ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if ordered.size else order
        owner, draw = np.divmod(order, max(b, 1))
        return cls(owner, draw, spent.ravel()[order], won.ravel()[order], ends, n)

    def curve(self) -> Curve:
        """Returns what is spent and won, a point for each tie."""
        samples = np.append(0.0, np.cumsum(self.spent)[self.ends] / self.queries)
        success = np.append(0.0, np.cumsum(self.won)[self.ends] / self.queries)
        distinct = np.append(True, np.diff(samples) > 0)  # units that nobody is left to draw cost nothing
        return Curve(samples[distinct], success[distinct])

    def resampled(self, weights: FloatArray, points: int) -> tuple[FloatArray, FloatArray]:
        """Returns what is spent and won where queries weigh differently, as in a bootstrap.

        Args:
            weights: of each query in each resample, rows of sum 1, shape (r, n).
            points: at most so many prices, at equal ratios of what is spent; curves are straight between.

        Returns:
            Mean samples and mean success, from 0, each shape (r, points + 1) or less, rows never falling.
        """
        whole = np.cumsum(self.spent)
        levels = np.geomspace(whole[-1] / 1e3, whole[-1], points)
        ends = np.unique(self.ends[np.searchsorted(whole[self.ends], levels * (1 - 1e-12))])
        place = np.searchsorted(ends, np.arange(len(self.owner)))
        inside = place < len(ends)  # what nobody is left to draw comes after the last
        cell = self.owner[inside] * len(ends) + place[inside]
        shape = (self.queries, len(ends))
        spent, won = (_sums(cell, values[inside], shape) for values in (self.spent, self.won))
        return _from_zero(weights @ spent), _from_zero(weights @ won)


def curve(index: FloatArray, survival: FloatArray, *, stops: bool) -> Curve:
    """Returns what a policy spends and wins when it buys the units of largest index first.

    Args:
        index: of the unit after f others, shape (n, b), no row rising; ties are bought together.
        survival: chance that the first f samples of a query all fail, shape (n, b + 1): the truth, or what
            recorded draws say of it, see `recorded_survival`.
        stops: whether a success closes its query: a unit is then drawn, and charged, only if all before
            failed.

    Raises:
        ValueError: a row of the index rises, or the shapes do not fit.
    """
    return Purchases.of(index, survival, stops=stops).curve()


def round_robin(n: int, b: int) -> FloatArray:
    """Returns the index of uniform best-of-k, shape (n, b): a unit for every query, then the next round."""
    return np.broadcast_to(-np.arange(b, dtype=np.float64), (n, b))


def recorded_survival(successes: IntArray, samples: IntArray | int, b: int) -> FloatArray:
    """Returns the chance that f draws without replacement from recorded samples all fail, shape (n, b + 1).

    Args:
        successes: among each query's recorded samples, shape (n,).
        samples: recorded for each query, shape (n,) or one number, at least b.
        b: draws considered.

    Raises:
        ValueError: fewer samples than draws, or successes out of range.
    """
    recorded = np.broadcast_to(samples, successes.shape)
    if (recorded < b).any() or (successes > recorded).any() or (successes < 0).any():
        raise ValueError(f"{b} draws need as many samples, and successes among them: {successes}, {samples}")
    left = recorded[:, None] - np.arange(b)
    alive = np.ones((len(recorded), b + 1))
    np.multiply.accumulate(np.maximum(left - successes[:, None], 0) / left, axis=1, out=alive[:, 1:])
    return alive


def known_marginals(survival: FloatArray) -> FloatArray:
    """Returns what each sample adds to the chance of success where that is known, shape (n, b).

    Args:
        survival: chance that the first f samples of a query all fail, shape (n, b + 1), as
            `recorded_survival` gives it: each sample adds no more than the one before.
    """
    # Mathematics forbids a rise, rounding does not.
    return np.minimum.accumulate(survival[:, :-1] - survival[:, 1:], axis=1)


def _sums(cell: IntArray, values: FloatArray, shape: tuple[int, int]) -> FloatArray:
    summed = np.bincount(cell, values, minlength=shape[0] * shape[1])
    return np.asarray(summed.reshape(shape), dtype=np.float64)


def _from_zero(increments: FloatArray) -> FloatArray:
    return np.insert(np.cumsum(increments, axis=1), 0, 0.0, axis=1)
