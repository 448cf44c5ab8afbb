"""How well it went: success at a budget, savings at equal success, intervals, and the predictor's quality."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import xlog1py, xlogy

from adaqueue.core.marginal import FloatArray, IntArray


def pass_at(successes: IntArray, samples: IntArray | int, budget: IntArray | int) -> FloatArray:
    """Returns the chance that at least one of `budget` draws is a success: `1 - C(n-c, b) / C(n, b)`.

    The draws are taken without replacement from the recorded samples, which makes it the unbiased estimate of
    best-of-b (pass@b) for every b up to n. The three arguments broadcast against one another.

    Args:
        successes: Verified successes c among the recorded samples of a query, 0..samples.
        samples: Recorded samples n of the query, at least 0.
        budget: Draws b, 0..samples.

    Returns:
        Probabilities, of the common shape; 0 at budget 0.

    Raises:
        ValueError: A budget exceeds the samples recorded, successes exceed samples, or a count is negative.
    """
    hits, recorded, draws = np.broadcast_arrays(successes, samples, budget)
    _require_within(hits, recorded, "successes")
    _require_within(draws, recorded, "budget")
    failure = np.ones(hits.shape)
    for drawn in range(int(draws.max(initial=0))):
        remaining = np.maximum(recorded - drawn, 1)
        failure *= np.where(drawn < draws, np.maximum(remaining - hits, 0) / remaining, 1.0)
    return 1.0 - failure


def interval(
    values: FloatArray, seed: int, confidence: float = 0.95, resamples: int = 2000
) -> tuple[float, float]:
    """Returns the percentile bootstrap interval of the mean over queries.

    Args:
        values: One value for each query, shape (n,), n at least 1.
        seed: Of the resampling; the same seed gives the same interval.
        confidence: Share of resampled means inside the interval, in (0, 1).
        resamples: How often the queries are drawn anew, with replacement, at least 1.

    Returns:
        The interval's low and high end.

    Raises:
        ValueError: No values, or a value, the confidence or the resamples are out of range.
    """
    if values.ndim != 1 or not values.size:
        raise ValueError(f"values must have shape (n,), n at least 1, not {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError(f"values must be finite, not {values[~np.isfinite(values)][0]}")
    if not 0.0 < confidence < 1.0 or resamples < 1:
        raise ValueError(f"confidence {confidence} must be in (0, 1) and resamples {resamples} at least 1")
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(values.size, size=values.size)].mean() for _ in range(resamples)]
    low, high = np.quantile(means, [(1.0 - confidence) / 2, (1.0 + confidence) / 2])
    return float(low), float(high)


def difference_interval(
    first: FloatArray, second: FloatArray, seed: int, confidence: float = 0.95, resamples: int = 2000
) -> tuple[float, float]:
    """Returns the paired bootstrap interval of mean(first) - mean(second), both measured on the same queries.

    Args:
        first: One value for each query, shape (n,).
        second: The other value of the same query, shape (n,).
        seed: Of the resampling; a query is drawn together with both of its values.
        confidence: Share of resampled differences inside the interval, in (0, 1).
        resamples: How often the queries are drawn anew, at least 1.

    Returns:
        The interval's low and high end.

    Raises:
        ValueError: The shapes differ, or as `interval` raises it.
    """
    if first.shape != second.shape:
        raise ValueError(f"both must measure the same queries, not {first.shape} and {second.shape}")
    return interval(first - second, seed, confidence, resamples)


def equal_reward_budget(budgets: FloatArray, curve: FloatArray, target: float) -> float | None:
    """Returns the smallest average budget at which a policy reaches the target reward.

    Args:
        budgets: Average number of samples at each point, shape (k,), increasing.
        curve: Mean reward at each point, shape (k,); it need not rise everywhere.
        target: Reward to reach, as a rule that of uniform at some budget.

    Returns:
        Where the curve, linear between its points, first reaches the target; `budgets[0]` if it starts there
        or above; None if it never does, which is a result to report, never to drop.

    Raises:
        ValueError: The shapes differ, the budgets do not increase, or a number is NaN.
    """
    if budgets.ndim != 1 or budgets.shape != curve.shape:
        raise ValueError(f"budgets and curve must share a shape (k,), not {budgets.shape} and {curve.shape}")
    if not (np.diff(budgets) > 0).all() or np.isnan([*budgets, *curve, target]).any():
        raise ValueError(f"budgets must increase and nothing be NaN: {budgets}, {curve}, target {target}")
    reached = np.flatnonzero(curve >= target)
    if not reached.size:
        return None
    end = int(reached[0])
    start = max(end - 1, 0)
    return float(np.interp(target, curve[start : end + 1], budgets[start : end + 1]))


@dataclass(frozen=True)
class PredictorQuality:
    """How well predicted success matches recorded counts (Section 4.4, Table 1), in nats a query.

    Attributes:
        loss: Cross-entropy of the predictions; infinite if one was sure and wrong.
        average: Loss of predicting the mean success rate for every query.
        optimal: Loss of predicting each query's own recorded rate. Optimistic: that rate has seen the samples
            that it is judged on.
        optimal_corrected: The same, plus 1/(2n) for each query of n samples that has both successes and
            failures (Miller-Madow), nearer to the loss of the true rates.
        accuracy: Share of queries put on the right side of the median; NaN where every query was left out.
        ties: Queries left out of `accuracy`: their rate or their prediction is the median itself.
    """

    loss: float
    average: float
    optimal: float
    optimal_corrected: float
    accuracy: float
    ties: int


def predictor_quality(
    predicted: FloatArray, successes: IntArray, samples: IntArray | int
) -> PredictorQuality:
    """Returns the predictor's losses (Eq. 7, with the minus sign that the paper omits) and its accuracy.

    A query is easy, or is called easy, when strictly above the median: its rate above the median rate, its
    prediction above the median prediction. Each side has its own median: accuracy judges the ranking alone.

    Args:
        predicted: Predicted chance that one sample succeeds, shape (n,), in [0, 1].
        successes: Verified successes among the recorded samples, shape (n,), 0..samples.
        samples: Recorded samples, shape (n,) or one number, at least 1.

    Returns:
        The figures, each query weighing the same.

    Raises:
        ValueError: No queries, a count or probability out of range, or the shapes differ.
    """
    recorded = np.broadcast_to(samples, successes.shape)
    _require_within(successes, recorded, "successes")
    if predicted.shape != successes.shape or not predicted.size or (recorded < 1).any():
        raise ValueError(f"needs queries with samples each: {predicted.shape}, {successes.shape}, {samples}")
    if not ((predicted >= 0.0) & (predicted <= 1.0)).all():
        raise ValueError(f"predicted must be in [0, 1], not {predicted.min()} to {predicted.max()}")
    unsure = (successes > 0) & (successes < recorded)
    return share_quality(predicted, successes / recorded, float(np.where(unsure, 0.5 / recorded, 0.0).mean()))


def share_quality(predicted: FloatArray, shares: FloatArray, correction: float = 0.0) -> PredictorQuality:
    """Returns the same figures where shares were observed rather than counts, as of preferences (Eq. 8).

    Args:
        predicted: Shares as predicted, shape (n,), in [0, 1].
        shares: As observed, shape (n,), in [0, 1].
        correction: What the optimal loss gains from having seen the samples that it is judged on.
    """
    optimal = _cross_entropy(shares, shares)
    accuracy, ties = _median_accuracy(predicted, shares)
    return PredictorQuality(
        loss=_cross_entropy(shares, predicted),
        average=_cross_entropy(shares, np.full_like(shares, shares.mean())),
        optimal=optimal,
        optimal_corrected=optimal + correction,
        accuracy=accuracy,
        ties=ties,
    )


def _cross_entropy(rates: FloatArray, predicted: FloatArray) -> float:
    return float(-np.mean(xlogy(rates, predicted) + xlog1py(1.0 - rates, -predicted)))


def _median_accuracy(predicted: FloatArray, rates: FloatArray) -> tuple[float, int]:
    called = predicted - np.median(predicted)
    actual = rates - np.median(rates)
    decided = (called != 0.0) & (actual != 0.0)
    ties = int(np.count_nonzero(~decided))
    right = (called > 0.0) == (actual > 0.0)
    return (float(right[decided].mean()) if decided.any() else float("nan")), ties


def _require_within(counts: IntArray, most: IntArray, name: str) -> None:
    wrong = (counts < 0) | (counts > most)
    if wrong.any():
        index = int(wrong.argmax())
        raise ValueError(f"{name} must be in 0..{most.flat[index]}, the samples, not {counts.flat[index]}")
