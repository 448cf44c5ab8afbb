"""Success probabilities in, marginal rewards out."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]
"""Rewards, probabilities and prices, everywhere in core."""

IntArray = npt.NDArray[np.int64]
"""Counts, budgets and ranks, everywhere in core."""


def from_success(success: FloatArray, b_max: int) -> FloatArray:
    """Returns what each further sample adds to the chance of a success: `lambda (1-lambda)^(j-1)`.

    Section 3.3 of the paper prints the exponent `b`. By its own definition, `delta_j = q(j) - q(j-1)` with
    `q(b) = 1-(1-lambda)^b`, it is `b-1`; taken as printed, a query that always succeeds would get nothing.

    Args:
        success: Chance that one sample is verified correct, shape (n,), each in [0, 1].
        b_max: Largest budget considered for one query, in samples, at least 0.

    Returns:
        `delta`, shape (n, b_max), each in [0, 1]: `delta[i, j-1]` is the marginal reward of the j-th sample.
        No row increases, rounding included.

    Raises:
        ValueError: A probability is not a number in [0, 1], the shape is not (n,), or `b_max` is negative.
    """
    _require_probabilities(success)
    if b_max < 0:
        raise ValueError(f"b_max must be at least 0, not {b_max}")
    delta = np.empty((len(success), b_max), dtype=np.float64)
    delta[:, :1] = success[:, np.newaxis]
    delta[:, 1:] = (1.0 - success)[:, np.newaxis]
    # A running product of factors up to 1 cannot rise by rounding, as separately computed powers might.
    return np.multiply.accumulate(delta, axis=1, out=delta)


def _require_probabilities(success: FloatArray) -> None:
    if success.ndim != 1:
        raise ValueError(f"success must have shape (n,), not {success.shape}")
    outside = ~((success >= 0.0) & (success <= 1.0))  # true for NaN as well
    if outside.any():
        index = int(outside.argmax())
        raise ValueError(f"success[{index}] must be a probability in [0, 1], not {success[index]}")
