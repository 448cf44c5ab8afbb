"""What one more sample is worth where rewards are real: how far it is expected to beat the best so far.

Pandora's rule: buy the next sample of the query with the largest `E[(R - z)+]`, z its best reward so far,
while that is worth the price. What R is believed to be decides how well it goes. One belief takes every query
for a typical one, the other trusts what the query's own samples say of its mean. Each is the better one
somewhere, so R is believed to follow either with equal chances: then neither can lead far astray.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np

from adaqueue.core.marginal import FloatArray, IntArray

POSTERIOR_WEIGHT = 0.5
"""How far the query's own samples are believed, against the population."""

MOST_VALUES = 512
"""Values kept of a distribution; more are replaced by the means of so many equally likely parts."""


@dataclass(frozen=True)
class Population:
    """How rewards are distributed, over queries and within one. Every query weighs the same.

    Attributes:
        mean: of all queries' mean rewards.
        within: variance of the rewards of one query, at least 0.
        between: variance of the queries' true means, at least 0.
        rewards: of a query taken at random, equally likely values, ascending.
        residuals: reward less its query's mean, equally likely values, ascending; their variance is about
            `within`.
    """

    mean: float
    within: float
    between: float
    rewards: tuple[float, ...]
    residuals: tuple[float, ...]

    def __post_init__(self) -> None:
        numbers = [self.mean, self.within, self.between, *self.rewards, *self.residuals]
        if not np.isfinite(numbers).all() or min(self.within, self.between) < 0:
            raise ValueError("a population needs finite numbers, and variances of at least 0")
        for values in (self.rewards, self.residuals):
            if not values or (np.diff(values) < 0).any():
                raise ValueError("rewards and residuals need at least one value each, ascending")

    def to_data(self) -> dict[str, Any]:
        """Returns the population as plain data that JSON can hold; `from_data` reads it back."""
        return {
            "mean": self.mean,
            "within": self.within,
            "between": self.between,
            "rewards": list(self.rewards),
            "residuals": list(self.residuals),
        }

    @classmethod
    def from_data(cls, data: object) -> Population:
        """Returns the population that `to_data` wrote.

        Raises:
            ValueError: the data is not a population; the message says why.
        """
        names = ("mean", "within", "between", "rewards", "residuals")
        if not isinstance(data, Mapping) or set(data) != set(names):
            raise ValueError(f"a population has the fields {', '.join(names)}")
        try:
            mean, within, between = (_number(data[name]) for name in names[:3])
            rewards, residuals = (tuple(map(_number, data[name])) for name in names[3:])
        except TypeError as error:
            raise ValueError(f"not a population: {error}") from error
        return cls(mean, within, between, rewards, residuals)


def fit(rewards: Sequence[Sequence[float]]) -> Population:
    """Returns the population that recorded rewards show.

    The variances are unbiased if the number of a query's samples does not hang on their rewards. Where the
    rule itself decided when to stop, the lucky stopped early, and the residuals are a little too narrow.

    A query with one sample says nothing of the spread within queries, and counts for the rest. Where no query
    has two samples, nothing tells the queries apart: all spread is taken to be within them, and a query's own
    samples change no belief. Where all rewards are equal both variances are 0.

    Args:
        rewards: of each query, finite, in any sequence; queries without any are passed over.

    Raises:
        ValueError: there is no reward at all, or one is not finite.
    """
    counts = np.array([len(own) for own in rewards if len(own)], dtype=np.int64)
    drawn = np.fromiter(chain.from_iterable(rewards), dtype=np.float64)
    if not drawn.size or not np.isfinite(drawn).all():
        raise ValueError("a population needs at least one reward, and finite ones")
    origin = drawn[0]  # equal rewards are then exactly 0, whatever their sum would be rounded to
    own_mean = _sums(drawn - origin, counts) / counts
    within, residuals = _within(drawn - origin, counts)
    between = float(own_mean.var(ddof=1)) - within * float((1 / counts).mean()) if len(counts) > 1 else 0.0
    pool = _equally_likely(drawn - origin, np.repeat(1 / counts, counts)) + origin
    return Population(
        mean=float(own_mean.mean() + origin),
        within=within,
        between=max(between, 0.0) if counts.max() > 1 else 0.0,
        rewards=tuple(pool.tolist()),
        residuals=tuple(residuals.tolist()),
    )


def expected_improvement(
    population: Population,
    drawn: IntArray,
    best: FloatArray,
    mean: FloatArray,
    posterior_weight: float = POSTERIOR_WEIGHT,
) -> FloatArray:
    """Returns how far each query's next sample is expected to beat its best, `E[(R - best)+]`.

    R follows, with chance `posterior_weight`, the posterior predictive of a query with such a mean: the
    population's residuals about the posterior mean, widened by what is not known of it. Else it follows the
    population's rewards.

    Args:
        population: of queries like these.
        drawn: samples so far, shape (n,), at least 0.
        best: the largest of their rewards, shape (n,), finite; anything where none is drawn.
        mean: of their rewards, shape (n,), finite; anything where none is drawn.
        posterior_weight: 0 takes every query for a typical one, 1 hears its samples alone; in [0, 1].

    Returns:
        Shape (n,), in units of reward, at least 0; infinite where nothing is drawn: every query is answered.

    Raises:
        ValueError: an argument is out of range, or the shapes differ.
    """
    if drawn.ndim != 1 or not drawn.shape == best.shape == mean.shape:
        raise ValueError(f"need one shape (n,), not {drawn.shape}, {best.shape} and {mean.shape}")
    known = drawn > 0
    if (drawn < 0).any() or not np.isfinite([best[known], mean[known]]).all():
        raise ValueError("drawn must be at least 0; best and mean finite where something is drawn")
    if not 0 <= posterior_weight <= 1:
        raise ValueError(f"posterior_weight must be in [0, 1], not {posterior_weight}")
    typical = _excess(population.rewards, best[known])
    own = _posterior_excess(population, drawn[known], best[known], mean[known])
    worth = np.full(drawn.shape, np.inf)
    worth[known] = (1 - posterior_weight) * typical + posterior_weight * own
    return worth


def improvement_after(population: Population, average_budget: float) -> float:
    """Returns the price at which typical queries draw about `average_budget` samples each.

    A typical query draws until it beats some reward t; that takes `average_budget` samples on average if
    1 in so many rewards is above t. The price is the expected improvement over t: where a stream may begin.

    Args:
        population: of the queries.
        average_budget: samples a query, > 0; below 1 it counts as 1, as every query gets a sample.

    Raises:
        ValueError: the budget is not above 0.
    """
    if not average_budget > 0:
        raise ValueError(f"average_budget must be above 0, not {average_budget}")
    beaten = float(np.quantile(population.rewards, 1 - 1 / max(average_budget, 1.0)))
    return float(_excess(population.rewards, np.array([beaten]))[0])


def _posterior_excess(
    population: Population, drawn: IntArray, best: FloatArray, mean: FloatArray
) -> FloatArray:
    heard = population.between * drawn
    trust = np.divide(heard, heard + population.within, out=np.zeros(drawn.shape), where=heard > 0)
    centre = population.mean + trust * (mean - population.mean)
    wider = np.sqrt(1 + trust / drawn)  # the posterior variance of the query's mean is within * trust / drawn
    excess: FloatArray = wider * _excess(population.residuals, (best - centre) / wider)
    return excess


def _excess(values: Sequence[float], threshold: FloatArray) -> FloatArray:
    """Returns the mean of `(value - threshold)+` over ascending values; a sum of terms at least 0.

    Over a value it is that over the next value, and the gap times the share of values above.
    """
    ascending = np.array(values)
    share = np.arange(len(ascending), 0, -1) / len(ascending)
    over = np.zeros(len(ascending))
    over[:-1] = np.cumsum((np.diff(ascending) * share[1:])[::-1])[::-1]
    place = np.searchsorted(ascending, threshold)
    next_up = np.minimum(place, len(ascending) - 1)
    excess: FloatArray = over[next_up] + (ascending[next_up] - threshold) * share[next_up]
    return np.where(place < len(ascending), excess, 0.0)


def _within(drawn: FloatArray, counts: IntArray) -> tuple[float, FloatArray]:
    """Returns the variance within queries and the residuals, as wide as about the queries' true means."""
    if counts.max() < 2:
        counts = np.array([len(drawn)])
    residuals = drawn - np.repeat(_sums(drawn, counts) / counts, counts)
    several = counts > 1
    if not several.any():
        return 0.0, np.zeros(1)
    degrees = np.maximum(counts - 1, 1)
    variance = _sums(residuals**2, counts) / degrees
    seen = np.repeat(several, counts)
    residuals *= np.repeat(np.sqrt(counts / degrees), counts)
    weight = np.repeat(1 / counts, counts)
    return float(variance[several].mean()), _equally_likely(residuals[seen], weight[seen])


def _sums(drawn: FloatArray, counts: IntArray) -> FloatArray:
    """Returns each query's sum, shape of counts."""
    sums: FloatArray = np.add.reduceat(drawn, np.cumsum(counts) - counts)
    return sums


def _equally_likely(values: FloatArray, weight: FloatArray) -> FloatArray:
    """Returns the distribution as at most `MOST_VALUES` equally likely values, ascending; the mean stays."""
    order = np.argsort(values, kind="stable")
    ascending, weight = values[order], weight[order]
    if len(ascending) <= MOST_VALUES and np.ptp(weight) == 0:
        return ascending
    share = np.insert(np.cumsum(weight) / weight.sum(), 0, 0.0)
    summed = np.insert(np.cumsum(weight * (ascending - ascending[0])) / weight.sum(), 0, 0.0)
    parts = np.diff(np.interp(np.linspace(0, 1, MOST_VALUES + 1), share, summed)) * MOST_VALUES
    rising: FloatArray = np.maximum.accumulate(parts) + ascending[0]  # neighbours may be swapped by rounding
    return rising


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{value!r} is not a number")
    return float(value)
