"""What policies reach at average budgets on recorded queries, with intervals over resampled groups of them.

A policy's order of buying is kept while the queries are drawn anew; the price that spends the budget, and the
reward of uniform best-of-B, are found anew in each resample. All policies share the resamples: differences
between two of them are paired.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from adaqueue.core.curves import Purchases
from adaqueue.core.marginal import FloatArray, IntArray

RESAMPLES = 1_000
SEED = 0
"""Of the resamples."""

POINTS = (128, 1_024)
"""Of a resampled curve: fewer for many queries, whose curves are smooth, and whose resamples cost more."""

WORK = 2_000_000
"""Queries times points."""

ROUNDING = 1e-12
"""Of a sum of successes: policies that reach the same add it up in different orders."""

ENDS = (0.025, 0.975)
UNKNOWN = np.full(1, np.nan)

Buy = Callable[[int], Purchases]
"""Average budget -> units in the order in which they are bought."""


@dataclass(frozen=True, eq=False)
class Reading:
    """One policy at one average budget B.

    Attributes:
        reward: mean over queries: where rewards are 0 and 1, the share with a verified success.
        samples: really drawn, a query on average: less than B where nobody is left to draw for.
        share: samples for the reward of uniform at B, as a share of uniform's; infinite: never reached.
        rewards: the same of each resample, shape (r,).
        shares: the same of each resample, shape (r,).
    """

    reward: float
    samples: float
    share: float
    rewards: FloatArray
    shares: FloatArray


class Replay:
    """Recorded queries on which policies are replayed.

    Args:
        uniform: reward of uniform best-of-B of each query at each budget, shape (n, budgets), at least 0.
        groups: queries of one number are resampled together, shape (n,).
        budgets: average budgets B, at least 1.
        seed: of the resamples.

    Attributes:
        budgets: as given.
        weights: of each query in each resample, see `group_weights`.
    """

    def __init__(
        self, uniform: FloatArray, groups: IntArray, budgets: Sequence[int], seed: int = SEED
    ) -> None:
        self.budgets = tuple(budgets)
        self.weights = group_weights(groups, RESAMPLES, seed)
        self._points = int(np.clip(WORK // len(uniform), *POINTS))
        self._uniform = uniform.mean(axis=0)
        self._uniforms = self.weights @ uniform

    def uniform(self) -> list[Reading]:
        """Returns uniform best-of-B at each budget."""
        once = np.ones(RESAMPLES)
        return [
            Reading(float(reward), float(budget), 1.0, rewards, once)
            for budget, reward, rewards in zip(self.budgets, self._uniform, self._uniforms.T, strict=True)
        ]

    def same(self, bought: Purchases) -> list[Reading]:
        """Returns a policy at each budget that buys in the same order at all."""
        return self.at(bought, range(len(self.budgets)))

    def each(self, buy: Buy) -> list[Reading]:
        """Returns a policy at each budget that has an order for each."""
        return [self.at(buy(budget), [place])[0] for place, budget in enumerate(self.budgets)]

    def at(self, bought: Purchases, places: Iterable[int], *, resampled: bool = True) -> list[Reading]:
        """Returns what an order of buying comes to at some of the budgets, by their places.

        Args:
            bought: units in that order.
            places: of the budgets.
            resampled: whether intervals are wanted; without them what is told of resamples is NaN.
        """
        drawn = bought.resampled(self.weights, self._points) if resampled else None
        return [self._read(place, bought, drawn) for place in places]

    def _read(self, place: int, bought: Purchases, drawn: tuple[FloatArray, FloatArray] | None) -> Reading:
        budget, curve = self.budgets[place], bought.curve()
        needed = curve.needed(float(self._uniform[place]) - ROUNDING)
        rewards, shares = self._drawn(place, *drawn) if drawn else (UNKNOWN, UNKNOWN)
        return Reading(
            reward=curve.at(budget),
            samples=min(float(budget), float(curve.samples[-1])),
            share=np.inf if needed is None else needed / budget,
            rewards=rewards,
            shares=shares,
        )

    def _drawn(self, place: int, samples: FloatArray, success: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Returns the rewards and the shares of resampled curves."""
        budget = float(self.budgets[place])
        rewards = between(samples, success, np.full(len(samples), budget), success[:, -1])
        shares = between(success, samples, self._uniforms[:, place] - ROUNDING, np.inf)
        return rewards, shares / budget


def group_weights(groups: IntArray, resamples: int, seed: int) -> FloatArray:
    """Returns the weight of each query in each bootstrap of whole groups, rows of sum 1, shape (r, n)."""
    _, group = np.unique(groups, return_inverse=True)
    count = int(group.max()) + 1
    drawn = np.random.default_rng(seed).multinomial(count, np.full(count, 1 / count), size=resamples)
    weights = drawn[:, group].astype(np.float64)
    weights /= weights.sum(axis=1, keepdims=True)
    return weights


def between(x: FloatArray, y: FloatArray, level: FloatArray, beyond: FloatArray | float) -> FloatArray:
    """Returns, on the line through each row's points, y where x first reaches a level.

    Args:
        x: rows never falling, shape (r, k).
        y: shape (r, k).
        level: of each row, shape (r,).
        beyond: y where x ends before its level.

    Returns:
        Shape (r,).
    """
    rows, after = np.arange(len(x)), (x < level[:, None]).sum(axis=1)
    right = np.minimum(after, x.shape[1] - 1)
    left = np.maximum(right - 1, 0)
    run = x[rows, right] - x[rows, left]
    way = np.divide(level - x[rows, left], run, out=np.zeros(len(x)), where=run > 0)
    found = y[rows, left] + np.clip(way, 0.0, 1.0) * (y[rows, right] - y[rows, left])
    return np.where(after < x.shape[1], found, beyond)


@dataclass(frozen=True, slots=True)
class Reached:
    """Mean reward of a policy at an average budget, over splits.

    Attributes:
        reward: mean over splits of the mean over queries.
        low: end of its 95% interval over resampled groups of queries.
        high: the other end.
        samples: really drawn, a query on average.
    """

    reward: float
    low: float
    high: float
    samples: float


@dataclass(frozen=True, slots=True)
class Needed:
    """Samples that a policy needs for the reward of uniform at B, as a share of uniform's, over splits.

    Attributes:
        share: mean over splits; None: in some split never reached within the recorded draws.
        deviation: standard deviation over splits, None as the share.
        low: end of the share's 95% interval over resampled groups; None: not reached there.
        high: the other end.
        over_other: low and high end of the paired difference to another policy.
        missed: splits in which it was not reached.
    """

    share: float | None
    deviation: float | None
    low: float | None
    high: float | None
    over_other: tuple[float | None, float | None]
    missed: int


def reached(splits: Sequence[Reading], least: float = 0.0) -> Reached:
    """Returns the average over splits, at least one; `least` is the reward that readings count from."""
    low, high = np.quantile(np.mean([split.rewards for split in splits], axis=0), ENDS) + least
    reward, samples = (float(np.mean([getattr(s, name) for s in splits])) for name in ("reward", "samples"))
    return Reached(reward + least, float(low), float(high), samples)


def needed(splits: Sequence[Reading], other: Reading) -> Needed:
    """Returns the average over splits, at least one, against another policy."""
    shares = np.array([split.share for split in splits])
    missed = int(np.isinf(shares).sum())
    resampled = np.mean([split.shares for split in splits], axis=0)
    apart = resampled - other.shares
    return Needed(
        share=None if missed else float(shares.mean()),
        deviation=None if missed else float(shares.std()),
        low=_end(resampled, ENDS[0]),
        high=_end(resampled, ENDS[1]),
        over_other=(_end(apart, ENDS[0]), _end(apart, ENDS[1])),
        missed=missed,
    )


def _end(values: FloatArray, share: float) -> float | None:
    found = float(np.quantile(values, share, method="nearest"))
    return found if np.isfinite(found) else None
