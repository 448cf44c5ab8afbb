"""Performance curves: what a policy reaches at every average budget, in closed form.

A policy is an index over the units of all queries: it buys the largest first. What it then spends and wins
follows from each query's survival, the chance that its first f samples all fail, without simulation.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.metrics import equal_reward_budget, pass_at


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
    n, b = index.shape
    if survival.shape != (n, b + 1):
        raise ValueError(f"survival must have shape {(n, b + 1)}, not {survival.shape}")
    if not (index[:, 1:] <= index[:, :-1]).all():
        raise ValueError("index must not rise along a row")
    won = survival[:, :-1] - survival[:, 1:]
    order = np.argsort(-index, axis=None)
    ordered = index.ravel()[order]
    last_of_tie = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if ordered.size else order
    spent = np.cumsum(survival[:, :-1].ravel()[order])[last_of_tie] if stops else last_of_tie + 1.0
    samples = np.append(0.0, spent / n)
    success = np.append(0.0, np.cumsum(won.ravel()[order])[last_of_tie] / n)
    distinct = np.append(True, np.diff(samples) > 0)  # units that nobody is left to draw cost nothing
    return Curve(samples[distinct], success[distinct])


def round_robin(n: int, b: int) -> FloatArray:
    """Returns the index of uniform best-of-k, shape (n, b): a unit for every query, then the next round."""
    return np.broadcast_to(-np.arange(b, dtype=np.float64), (n, b))


def recorded_survival(successes: IntArray, samples: IntArray | int, b: int) -> FloatArray:
    """Returns the chance that f draws without replacement from recorded samples all fail, shape (n, b + 1).

    Args:
        successes: among each query's recorded samples, shape (n,).
        samples: recorded for each query, shape (n,) or one number, at least b.
        b: draws considered.
    """
    recorded = np.broadcast_to(samples, successes.shape)
    return 1.0 - pass_at(successes[:, None], recorded[:, None], np.arange(b + 1)[None, :])
