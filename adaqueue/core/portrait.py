"""What figures show of queries beside curves: how a quantity is spread, and how it was predicted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.replays import ENDS, group_weights

PARTS = 20
"""Of a distribution."""

BINS = 10
FEWEST_IN_BIN = 20
RESAMPLES = 500
MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class Distribution:
    """How a quantity is spread over queries.

    Attributes:
        of: its name.
        edges: of parts of equal width, k + 1 of them, rising.
        share: of the queries in each part, k of them, of sum 1.
        zero: share of the queries without a success; None where rewards are not 0 and 1.
        one: share of the queries that always succeed; None as zero.
    """

    of: str
    edges: tuple[float, ...]
    share: tuple[float, ...]
    zero: float | None = None
    one: float | None = None


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Queries of nearly the same prediction, and what was seen of them.

    Attributes:
        predicted: mean over its queries.
        observed: the same of what was seen.
        low: end of the 95% interval of what was seen, over resampled groups of queries.
        high: the other end.
        queries: in the bin.
    """

    predicted: float
    observed: float
    low: float
    high: float
    queries: int


def distribution(of: str, values: FloatArray, highest: float) -> Distribution:
    """Returns how values from 0 are spread over 20 parts of equal width; what is beyond counts in the last.

    Args:
        of: name of the quantity.
        values: at least one, shape (n,), at least 0.
        highest: end of the last part, above 0.
    """
    edges = np.linspace(0.0, highest, PARTS + 1)
    counts, _ = np.histogram(np.clip(values, 0.0, highest), edges)
    return Distribution(of, tuple(edges.tolist()), tuple((counts / len(values)).tolist()))


def calibration(
    predicted: FloatArray, observed: FloatArray, groups: IntArray, seed: int
) -> tuple[CalibrationBin, ...]:
    """Returns bins of equally many queries in the order of their predictions: ten, fewer below 200 queries.

    Args:
        predicted: shape (n,), at least one.
        observed: shape (n,).
        groups: queries of one number are resampled together, shape (n,).
        seed: of the resamples.
    """
    count = max(min(BINS, len(predicted) // FEWEST_IN_BIN), 1)
    return tuple(
        _bin(predicted[part], observed[part], groups[part], seed)
        for part in np.array_split(np.argsort(predicted, kind="stable"), count)
    )


def points(predicted: FloatArray, observed: FloatArray, seed: int) -> list[tuple[float, float]]:
    """Returns predictions with what was seen, of all queries or of 400 chosen by the seed."""
    n = len(predicted)
    chosen = np.sort(np.random.default_rng(seed).permutation(n)[:MOST_POINTS])
    return [(float(predicted[row]), float(observed[row])) for row in chosen]


def _bin(predicted: FloatArray, observed: FloatArray, groups: IntArray, seed: int) -> CalibrationBin:
    means = group_weights(groups, RESAMPLES, seed) @ observed
    low, high = np.quantile(means, ENDS)
    return CalibrationBin(
        float(predicted.mean()), float(observed.mean()), float(low), float(high), len(observed)
    )
