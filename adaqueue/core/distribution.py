"""How the outcomes of a set are spread over its queries."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.marginal import FloatArray

BARS = 20


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram over queries.

    Attributes:
        of: what of each query is counted.
        edges: of the bars, increasing, one more than bars; only the last bar holds its right edge.
        share: of the queries in each bar, of sum 1.
        zero: share of the queries without any success; None where rewards are no verdicts.
        one: share that always succeeds; None likewise.
    """

    of: str
    edges: tuple[float, ...]
    share: tuple[float, ...]
    zero: float | None = None
    one: float | None = None


def of_rates(rates: FloatArray) -> Distribution:
    """Returns the distribution of recorded success rates, shape (n,), n at least 1."""
    edges, share = _bars(rates, 1.0)
    return Distribution("success rate", edges, share, float((rates == 0).mean()), float((rates == 1).mean()))


def of_deviations(rewards: FloatArray) -> Distribution:
    """Returns the distribution of each query's standard deviation of rewards, shape (n, m), m at least 1."""
    deviations = rewards.std(axis=1)
    return Distribution("standard deviation of rewards", *_bars(deviations, float(deviations.max()) or 1.0))


def of_preferences(preferences: FloatArray) -> Distribution:
    """Returns the distribution of preferences for the strong decoder, shape (n,), n at least 1."""
    return Distribution("preference", *_bars(preferences, 1.0))


def of_known_deviations(deviations: FloatArray) -> Distribution:
    """Returns the distribution of standard deviations, shape (n,), the highest percent in the last bar."""
    end = float(np.quantile(deviations, 0.99))
    return Distribution("standard deviation of rewards", *_bars(np.minimum(deviations, end), end))


def _bars(values: FloatArray, end: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    counts, edges = np.histogram(values, bins=BARS, range=(0.0, end))
    return tuple(edges.tolist()), tuple((counts / len(values)).tolist())
