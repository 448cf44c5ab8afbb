"""What one more sample is worth where rewards are real: how far it is expected to beat the best so far.

Pandora's rule: buy the next sample of the query with the largest `E[(R - z)+]`, z its best reward so far,
while that is worth the price. What R is believed to be decides how well it goes. Here a query is believed to
be one of those that are known, the likelier the nearer their mean is to that of its samples, and its next
reward to be one of that query's. At first that is the whole population; with each sample it is more and more
of queries like it, whose rewards may be more spread than others', or end at a ceiling.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from adaqueue.core.marginal import FloatArray, IntArray

MOST_QUERIES = 256
"""Known queries that are kept; of more, so many at equal distances in the order of their means."""

MOST_VALUES = 32
"""Rewards kept of each; more are replaced by the means of so many equally likely parts."""


@dataclass(frozen=True)
class Population:
    """How rewards are distributed, over queries and within one.

    Attributes:
        mean: of all queries' mean rewards, each query weighing the same.
        within: variance of the rewards of one query, mean over queries, at least 0.
        between: variance of the queries' true means, at least 0.
        queries: of each known query, equally likely rewards, ascending; the queries are equally likely too.
    """

    mean: float
    within: float
    between: float
    queries: tuple[tuple[float, ...], ...]

    def __post_init__(self) -> None:
        numbers = [self.mean, self.within, self.between, *(x for query in self.queries for x in query)]
        if not np.isfinite(numbers).all() or min(self.within, self.between) < 0:
            raise ValueError("a population needs finite numbers, and variances of at least 0")
        if not self.queries or any(not query or (np.diff(query) < 0).any() for query in self.queries):
            raise ValueError("a population needs a query, and of each its rewards, ascending")


def fit(rewards: Sequence[Sequence[float]]) -> Population:
    """Returns the population that recorded rewards show.

    A query's mean of a few samples is off by chance, so the known means are drawn together until they vary as
    the true ones do, and what is left of a query's rewards is spread until it has their unbiased variance.
    Both are right if the number of a query's samples does not hang on their rewards. Where the rule itself
    decided when to stop, the lucky stopped early, and the spread within queries is a little too narrow.

    A query with one sample borrows the spread of all others. Where no query has two samples, nothing tells
    the queries apart: all spread is taken to be within them, and a query's own samples change no belief.
    Where all rewards are equal both variances are 0.

    Args:
        rewards: of each query, finite, in any sequence; queries without any are passed over.

    Raises:
        ValueError: there is no reward at all, or one is not finite.
    """
    known = [np.array(own, dtype=np.float64) for own in rewards if len(own)]
    if not known or not np.isfinite(np.concatenate(known)).all():
        raise ValueError("a population needs at least one reward, and finite ones")
    origin = known[0][0]  # equal rewards are then exactly 0, whatever their sum would be rounded to
    known = [own - origin for own in known]
    counts = np.array([len(own) for own in known])
    means = np.array([own.mean() for own in known])
    spread = [own for own in known if len(own) > 1] or [np.concatenate(known)]
    within = float(np.mean([own.var(ddof=1) if len(own) > 1 else 0.0 for own in spread]))
    apart = (
        float(means.var(ddof=1)) - within * float((1 / counts).mean())
        if counts.max() > 1 < len(known)
        else 0.0
    )
    between = max(apart, 0.0)
    centres = means.mean() + np.sqrt(_trust(between, within, counts)) * (means - means.mean())
    borrowed = _residuals(spread)
    kept = np.argsort(centres, kind="stable")[_spaced(len(known))]
    queries = [centres[i] + (_residuals([known[i]]) if counts[i] > 1 else borrowed) + origin for i in kept]
    return Population(
        mean=float(means.mean() + origin),
        within=within,
        between=between,
        queries=tuple(tuple(query.tolist()) for query in queries),
    )


def expected_improvement(
    population: Population, drawn: IntArray, best: FloatArray, mean: FloatArray
) -> FloatArray:
    """Returns how far each query's next sample is expected to beat its best, `E[(R - best)+]`.

    R is a reward of a known query, each weighing by the likelihood of a mean like this of so many samples:
    normal, with the population's variance within queries.

    Args:
        population: of queries like these.
        drawn: samples so far, shape (n,), at least 0.
        best: the largest of their rewards, shape (n,), finite; anything where none is drawn.
        mean: of their rewards, shape (n,), finite; anything where none is drawn.

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
    likeness = _likeness(population, drawn[known], mean[known])
    over = [mean_excess(np.array(query), best[known]) for query in population.queries]
    worth = np.full(drawn.shape, np.inf)
    worth[known] = (likeness * np.array(over)).sum(axis=0)
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
    pool = np.sort(np.concatenate([_equally_likely(np.array(query)) for query in population.queries]))
    beaten = np.array([float(np.quantile(pool, 1 - 1 / max(average_budget, 1.0)))])
    return float(mean_excess(pool, beaten)[0])


def mean_excess(ascending: FloatArray, threshold: FloatArray) -> FloatArray:
    """Returns the mean of `(value - threshold)+` over ascending values; a sum of terms at least 0.

    Over a value it is that over the next value, and the gap times the share of values above.

    Args:
        ascending: equally likely values, shape (k,), k at least 1.
        threshold: shape (n,).

    Returns:
        Shape (n,).
    """
    share = np.arange(len(ascending), 0, -1) / len(ascending)
    over = np.zeros(len(ascending))
    over[:-1] = np.cumsum((np.diff(ascending) * share[1:])[::-1])[::-1]
    place = np.searchsorted(ascending, threshold)
    next_up = np.minimum(place, len(ascending) - 1)
    excess: FloatArray = over[next_up] + (ascending[next_up] - threshold) * share[next_up]
    return np.where(place < len(ascending), excess, 0.0)


def _likeness(population: Population, drawn: IntArray, mean: FloatArray) -> FloatArray:
    """Returns the chance that each is like each known query, shape (known, n); columns sum to 1."""
    centres = np.array([np.mean(query) for query in population.queries])
    far = drawn * (mean - centres[:, None]) ** 2 / 2
    far -= far.min(axis=0)
    weight = np.exp(-far / population.within) if population.within > 0 else (far == 0).astype(np.float64)
    likeness: FloatArray = weight / weight.sum(axis=0)
    return likeness


def _trust(between: float, within: float, counts: IntArray) -> FloatArray:
    """Returns the share of the variance of means of so many samples that is true, shape of counts."""
    true = between * counts
    trust: FloatArray = np.divide(true, true + within, out=np.zeros(counts.shape), where=true > 0)
    return trust


def _residuals(queries: Sequence[FloatArray]) -> FloatArray:
    """Returns rewards less their query's mean, as widely spread as about its true mean, ascending."""
    apart = [(own - own.mean()) * np.sqrt(len(own) / max(len(own) - 1, 1)) for own in queries]
    return _equally_likely(np.concatenate([_equally_likely(own) for own in apart]))


def _equally_likely(values: FloatArray) -> FloatArray:
    """Returns values ascending; of more than `MOST_VALUES` the means of so many equally likely parts."""
    ascending = np.sort(values)
    if len(ascending) <= MOST_VALUES:
        return ascending
    summed = np.insert(np.cumsum(ascending - ascending[0]), 0, 0.0) / len(ascending)
    grid = np.linspace(0, len(ascending), MOST_VALUES + 1)
    parts = np.diff(np.interp(grid, np.arange(len(ascending) + 1), summed)) * MOST_VALUES
    rising: FloatArray = np.maximum.accumulate(parts) + ascending[0]  # rounding may swap neighbours
    return rising


def _spaced(known: int) -> IntArray:
    """Returns at most `MOST_QUERIES` places among so many, at equal distances."""
    return np.linspace(0, known - 1, min(known, MOST_QUERIES)).round().astype(np.int64)
