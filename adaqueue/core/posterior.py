"""What failures teach: the chance that a query's next sample succeeds, after each number of failures.

A hazard curve says it for one query: `hazards[f]` is the chance that the next sample is verified correct
after f failures and no success. It never rises. Every sequential policy is such a curve: the price of the
next sample is compared with the hazard, and nothing else of the query's past matters.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.special import expit

from adaqueue.core.marginal import FloatArray, IntArray


def beta_hazards(
    alpha: FloatArray, beta: FloatArray, b_max: int, zero: FloatArray | None = None
) -> FloatArray:
    """Returns the hazards of Beta distributed success probabilities, with a share that never succeeds.

    After f failures the posterior mean is `h = alpha / (alpha + beta + f)`; where a share `zero` of such
    queries has success probability 0, it is `(1-zero) S h / ((1-zero) S + zero)`, S the others' survival.

    Args:
        alpha: shape (n,), > 0.
        beta: shape (n,), > 0.
        b_max: failures considered, at least 0.
        zero: share that never succeeds, shape (n,), [0, 1); default 0.

    Returns:
        Shape (n, b_max), in (0, 1); no row rises.

    Raises:
        ValueError: a parameter is out of range; the message names it.
    """
    _require(alpha, "alpha", (alpha > 0) & np.isfinite(alpha))
    _require(beta, "beta", (beta > 0) & np.isfinite(beta))
    failures = np.arange(b_max, dtype=np.float64)
    hazards: FloatArray = alpha[:, None] / ((alpha + beta)[:, None] + failures)
    if zero is None:
        return hazards
    _require(zero, "zero", (zero >= 0) & (zero < 1))
    able = (1 - zero)[:, None] * survival(hazards)[:, :-1]
    left = able + zero[:, None]  # 0 where so many failures are too unlikely for a float
    mixed = np.divide(able * hazards, left, out=hazards.copy(), where=left > 0)
    # Mathematics forbids a rise, rounding does not.
    return np.minimum.accumulate(mixed, axis=1)


def logistic_hazards(curves: FloatArray, b_max: int) -> FloatArray:
    """Returns the hazards `logit h = a + b l + c l^2` with `l = log(1 + failures)`, made never to rise.

    Args:
        curves: (a, b, c) of each query, shape (n, 3), finite.
        b_max: failures considered, at least 0.

    Returns:
        Shape (n, b_max), in [0, 1]: the running minimum of each row.

    Raises:
        ValueError: a coefficient is not finite, or the shape is wrong.
    """
    if curves.ndim != 2 or curves.shape[1] != 3:
        raise ValueError(f"curves must have shape (n, 3), not {curves.shape}")
    _require(curves, "curves", np.isfinite(curves))
    grown = np.log1p(np.arange(b_max, dtype=np.float64))
    logits = curves[:, :1] + curves[:, 1:2] * grown + curves[:, 2:] * grown**2
    return np.minimum.accumulate(expit(logits), axis=1)


def survival(hazards: FloatArray) -> FloatArray:
    """Returns the chance that the first f samples all fail, f = 0..b_max: shape (n, b_max + 1)."""
    alive = np.ones((hazards.shape[0], hazards.shape[1] + 1))
    np.multiply.accumulate(1 - hazards, axis=1, out=alive[:, 1:])
    return alive


def marginals(hazards: FloatArray, failures: IntArray) -> FloatArray:
    """Returns what each further sample adds to the chance of success, given the failures so far.

    With samples in flight the next one is worth the chance that they all fail times the hazard after them:
    the marginal rewards after those in flight.

    Args:
        hazards: shape (n, b_max), no row rising.
        failures: of each query, shape (n,), 0..b_max.

    Returns:
        `delta`, shape (n, b_max): `delta[i, j-1]` is what the j-th sample after the failures adds; 0 past
        b_max.

    Raises:
        ValueError: more failures than the curve has, or a negative number.
    """
    b_max = hazards.shape[1]
    _require(failures, "failures", (failures >= 0) & (failures <= b_max))
    place = failures[:, None] + np.arange(b_max)
    ahead = np.where(place < b_max, np.take_along_axis(hazards, np.minimum(place, b_max - 1), axis=1), 0.0)
    delta: FloatArray = survival(ahead)[:, :-1] * ahead
    return delta


def _require(values: FloatArray | IntArray, name: str, good: npt.NDArray[np.bool_]) -> None:
    if not good.all():
        raise ValueError(f"{name} is out of range: {values[~good].flat[0]}")
