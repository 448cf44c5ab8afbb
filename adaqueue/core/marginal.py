"""Probabilities, posteriors, recorded rewards or regressed rows in, marginal rewards out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
"""Rewards, probabilities and prices, everywhere in core."""

IntArray = npt.NDArray[np.int64]
"""Counts, budgets and ranks, everywhere in core."""

BoolArray = npt.NDArray[np.bool_]
"""What is so and what is not, everywhere in core."""

NOTHING = 1e-300
"""A chance of success below this counts as 0: rounding would decide the rest of such rows."""


def from_success(success: FloatArray, b_max: int) -> FloatArray:
    """Returns what each further sample adds to the chance of a success: `lambda (1-lambda)^(j-1)`.

    Section 3.3 of the paper prints the exponent `b`. By its own definition, `delta_j = q(j) - q(j-1)` with
    `q(b) = 1-(1-lambda)^b`, it is `b-1`; taken as printed, a query that always succeeds would get nothing.

    Args:
        success: Chance that one sample is verified correct, shape (n,), each in [0, 1].
        b_max: Largest budget considered for one query, in samples, at least 0.

    Returns:
        `delta`, shape (n, b_max), each 0 or in [`NOTHING`, 1]: `delta[i, j-1]` is the marginal reward of the
        j-th sample. No row increases, rounding included.

    Raises:
        ValueError: A probability is not a number in [0, 1], the shape is not (n,), or `b_max` is negative.
    """
    require_probabilities(success, "success")
    require_budget(b_max)
    delta = np.empty((len(success), b_max), dtype=np.float64)
    delta[:, :1] = success[:, np.newaxis]
    delta[:, 1:] = (1.0 - success)[:, np.newaxis]
    return _running_product(delta)


def from_beta(alpha: FloatArray, beta: FloatArray, b_max: int, zero: FloatArray | None = None) -> FloatArray:
    """Returns what each further sample adds when the chance of success is itself Beta distributed.

    `delta_j = B(alpha+1, beta+j-1) / B(alpha, beta)`, the mean of `lambda (1-lambda)^(j-1)`. It falls slower
    than the mean's own row: what is uncertain may yet succeed, or never. Beyond the paper, which has one
    lambda for each query.

    Args:
        alpha: Pseudo-count of successes, shape (n,), finite, > 0.
        beta: Pseudo-count of failures, shape (n,), finite, > 0.
        b_max: Largest budget considered for one query, in samples, at least 0.
        zero: Share of such queries that never succeed, shape (n,), in [0, 1]; default 0.

    Returns:
        `delta`, shape (n, b_max), each 0 or in [`NOTHING`, 1]; no row increases.

    Raises:
        ValueError: A parameter is out of range or misshapen, or `b_max` is negative; the message names it.
    """
    require_beta(alpha, beta, zero)
    require_budget(b_max)
    delta = np.empty((len(alpha), b_max), dtype=np.float64)
    weight = (alpha + beta)[:, np.newaxis]
    delta[:, :1] = alpha[:, np.newaxis] / weight
    if zero is not None:
        delta[:, :1] *= (1.0 - zero)[:, np.newaxis]
    failures = np.arange(b_max - 1, dtype=np.float64)
    np.divide(beta[:, np.newaxis] + failures, weight + (failures + 1.0), out=delta[:, 1:])
    return _running_product(delta)


def from_rewards(rewards: FloatArray, b_max: int, baseline: float = 0.0) -> FloatArray:
    """Returns what each further draw adds to the best of recorded rewards, exactly, without a bootstrap.

    With the m rewards of a query sorted ascending, the best of j drawn without replacement is expected to be
    `q(j) = sum_i r_(i) C(i-1, j-1) / C(m, j)`. From its gaps, `q(j) - q(j-1)` is a sum of terms that are not
    negative and fall with j: `(r_(i+1) - r_(i)) (m-i)/m` at j = 1, times `(i-j+1)/(m-j)` from j to j+1. So
    nothing cancels. For rewards 0 and 1, `q` is the unbiased pass@k.

    `q(0)` is `baseline`: what no answer at all is worth. Where every query must be answered (chat, budgets of
    at least 1) it is a mere convention and decides nothing: pass `minimum=1` to `allocate`, which then
    leaves the first column out. Where 0 is allowed, the first marginal must be worth at least the second, or
    `allocate` refuses the row: choose a baseline low enough, or take the envelope (`costs.envelope`).

    Args:
        rewards: Recorded rewards, shape (n, m), finite, of any sign, in any sequence.
        b_max: Largest budget considered for one query, in draws, 0..m.
        baseline: Reward of a query that gets no sample, finite.

    Returns:
        `delta`, shape (n, b_max). From its second column on no row is negative, and none increases.

    Raises:
        ValueError: A reward or the baseline is not finite, the shape is not (n, m), or b_max is not in 0..m.
    """
    if rewards.ndim != 2 or not 0 <= b_max <= rewards.shape[1]:
        raise ValueError(f"rewards must have shape (n, m), m at least b_max, not {rewards.shape} for {b_max}")
    if not np.isfinite(rewards).all() or not np.isfinite(baseline):
        raise ValueError("rewards and baseline must be finite, found inf or NaN")
    recorded = rewards.shape[1]
    ordered = np.sort(rewards, axis=1)
    delta = np.diff(ordered, axis=1) @ _gap_weights(recorded, b_max)
    np.minimum.accumulate(delta, axis=1, out=delta)  # a sum of falling terms may still rise by rounding
    delta[:, :1] = ordered.mean(axis=1, keepdims=True) - baseline if b_max else 0.0
    return delta


def from_vector(delta: FloatArray) -> FloatArray:
    """Returns the nearest rows that do not increase, in the least squares sense (isotonic regression).

    Greedy is optimal only on such rows. Those that a network regresses (Eq. 6) need not be, so they pass
    through here; rows that do not increase come back as they are, and every row keeps its sum.

    Args:
        delta: Regressed marginal rewards, shape (n, b_max), finite.

    Returns:
        A new array of the same shape.

    Raises:
        ValueError: The shape is not (n, b_max) or a number is not finite.
    """
    if delta.ndim != 2 or not np.isfinite(delta).all():
        raise ValueError(f"delta must be finite and have shape (n, b_max), not {delta.shape} or inf or NaN")
    gain, cost, end = pool(delta, np.ones_like(delta))
    row, place = np.nonzero(end >= 0)
    last = np.zeros(delta.shape, dtype=np.int64)
    last[row, end[row, place]] = 1
    pooled: FloatArray = np.take_along_axis(gain / cost, np.cumsum(last, axis=1) - last, axis=1)
    return pooled


def pool(gain: FloatArray, cost: FloatArray) -> tuple[FloatArray, FloatArray, IntArray]:
    """Returns each row's neighbours merged until no ratio of gain to cost rises along it (PAVA).

    Cumulated, the merged ones are the concave envelope of cumulated gain over cumulated cost. A column is
    taken up for all rows at once, and only rows that rise are merged, so the work is O(n b).

    Args:
        gain: Shape (n, b); infinite ones are merged with nothing if they stand where no ratio rises.
        cost: Shape (n, b), at least 0; what costs 0 is merged with what stands before it.

    Returns:
        Gains, costs and last column of each merged block, shape (n, b) each, filled up with 0, inf and -1.
    """
    gains, costs = np.zeros(gain.shape), np.full(gain.shape, np.inf)
    ends = np.full(gain.shape, -1, dtype=np.int64)
    ratio = np.full(gain.shape, -np.inf)
    top = np.full(len(gain), -1)
    for column in range(gain.shape[1]):
        top += 1
        row, block = np.arange(len(gain)), top.copy()
        added, paid = gain[:, column], cost[:, column]
        while row.size:
            gains[row, block], costs[row, block], ends[row, block] = added, paid, column
            ratio[row, block] = np.divide(added, paid, out=np.full(row.size, np.inf), where=paid > 0)
            rising = (block > 0) & (ratio[row, block] > ratio[row, np.maximum(block - 1, 0)])
            row, block = row[rising], block[rising]
            added, paid = (kept[row, block] + kept[row, block - 1] for kept in (gains, costs))
            gains[row, block], costs[row, block], ends[row, block] = 0.0, np.inf, -1
            top[row] -= 1
            block = block - 1
    return gains, costs, ends


def require_probabilities(values: FloatArray, name: str) -> None:
    """Raises ValueError, which calls them `name`, unless the values are in [0, 1] and have shape (n,)."""
    if values.ndim != 1:
        raise ValueError(f"{name} must have shape (n,), not {values.shape}")
    outside = ~((values >= 0.0) & (values <= 1.0))  # true for NaN as well
    if outside.any():
        index = int(outside.argmax())
        raise ValueError(f"{name}[{index}] must be a probability in [0, 1], not {values[index]}")


def require_beta(alpha: FloatArray, beta: FloatArray, zero: FloatArray | None) -> None:
    """Raises ValueError unless these are the parameters of n Beta distributions, see `from_beta`."""
    for values, name in ((alpha, "alpha"), (beta, "beta")):
        if values.shape != (len(alpha),):
            raise ValueError(f"{name} must have shape (n,), as alpha, not {values.shape}")
        outside = ~((values > 0.0) & np.isfinite(values))
        if outside.any():
            index = int(outside.argmax())
            raise ValueError(f"{name}[{index}] must be a finite number > 0, not {values[index]}")
    if zero is not None:
        require_probabilities(zero, "zero")
        if zero.shape != alpha.shape:
            raise ValueError(f"zero must have shape (n,), as alpha, not {zero.shape}")


def require_budget(b_max: int) -> None:
    """Raises ValueError unless `b_max` is at least 0."""
    if b_max < 0:
        raise ValueError(f"b_max must be at least 0, not {b_max}")


def _running_product(factors: FloatArray) -> FloatArray:
    """Multiplies along rows, in place: factors up to 1 cannot rise by rounding, as computed powers might."""
    np.multiply.accumulate(factors, axis=1, out=factors)
    if factors.size and factors[:, -1].min() < NOTHING:
        factors[factors < NOTHING] = 0.0
    return factors


def _gap_weights(recorded: int, b_max: int) -> FloatArray:
    """Weight of each gap between neighbouring rewards in each marginal, shape (recorded - 1, b_max)."""
    below = np.arange(1, max(recorded, 1), dtype=np.float64)
    weights = np.empty((len(below), b_max))
    weights[:, :1] = ((recorded - below) / recorded)[:, np.newaxis] if recorded else 0.0
    drawn = np.arange(1, b_max, dtype=np.float64)
    weights[:, 1:] = np.maximum(below[:, np.newaxis] - drawn + 1.0, 0.0) / (recorded - drawn)
    product: FloatArray = np.multiply.accumulate(weights, axis=1)
    return product
