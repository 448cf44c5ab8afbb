"""Predicted against recorded success: the points, and the calibration curve."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.marginal import FloatArray
from adaqueue.core.replays import ENDS
from adaqueue.core.trial import BINS, FEWEST_IN_BIN

MOST_POINTS = 400


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Queries with predictions near one another.

    Attributes:
        predicted: their mean predicted success probability.
        observed: their mean recorded success rate.
        low: end of its 95% interval over resampled groups.
        high: the other end.
        queries: how many.
    """

    predicted: float
    observed: float
    low: float
    high: float
    queries: int


@dataclass(frozen=True, slots=True)
class Predictions:
    """What a probe said of queries that it had not seen, against what was recorded.

    Attributes:
        calibration: in bins of equally many queries, by increasing prediction.
        points: (predicted, observed) of a seeded choice of the queries.
    """

    calibration: tuple[CalibrationBin, ...]
    points: tuple[tuple[float, float], ...]


def predictions(predicted: FloatArray, rates: FloatArray, weights: FloatArray, seed: int = 0) -> Predictions:
    """Returns predictions against rates.

    Args:
        predicted: success probabilities, shape (n,).
        rates: recorded, shape (n,).
        weights: of each query in each resample, shape (r, n), see `replays.group_weights`.
        seed: of the choice of points.
    """
    bins = max(min(BINS, len(rates) // FEWEST_IN_BIN), 1)
    parts = np.array_split(np.argsort(predicted, kind="stable"), bins)
    calibration = tuple(_bin(predicted[part], rates[part], weights[:, part]) for part in parts)
    few = min(MOST_POINTS, len(rates))
    chosen = np.sort(np.random.default_rng(seed).choice(len(rates), few, replace=False))
    return Predictions(
        calibration, tuple(zip(predicted[chosen].tolist(), rates[chosen].tolist(), strict=True))
    )


def _bin(predicted: FloatArray, rates: FloatArray, weights: FloatArray) -> CalibrationBin:
    total = weights.sum(axis=1)
    drawn = total > 0  # a resample may hold none of a small bin
    low, high = np.quantile((weights @ rates)[drawn] / total[drawn], ENDS)
    return CalibrationBin(float(predicted.mean()), float(rates.mean()), float(low), float(high), len(rates))
