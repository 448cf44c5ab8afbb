"""What is believed of queries where there is no probe: their population, as its first outcomes show it."""

from __future__ import annotations

import numpy as np
from scipy.optimize import minimize
from scipy.special import betaln, expit, logit

from adaqueue.core.marginal import FloatArray, IntArray

SIZES = (0.2, 200.0)
"""Within which alpha + beta stays: a few outcomes must not make all queries look alike, or all or nothing."""


def fit_prior(successes: IntArray, samples: IntArray, prior: tuple[float, float]) -> tuple[float, float]:
    """Returns (alpha, beta) of the population that best explains the counts, and what was believed before.

    The prior weighs like one query that was half a success, and its size alpha + beta like a guess that is
    off by a factor of e as a rule. So no outcomes give the prior back, and no number of successes alone makes
    every query look sure. The likelihood is right whatever stopped the drawing.

    Args:
        successes: of each query, shape (n,), 0..samples.
        samples: of each query, shape (n,).
        prior: alpha and beta believed before, > 0.
    """
    mean, size = prior[0] / sum(prior), sum(prior)

    def loss(point: FloatArray) -> float:
        m, s = float(expit(point[0])), float(np.exp(point[1]))
        alpha, beta = m * s, (1 - m) * s
        told = betaln(alpha + successes, beta + samples - successes) - betaln(alpha, beta)
        believed = mean * np.log(m) + (1 - mean) * np.log(1 - m) - (point[1] - np.log(size)) ** 2 / 2
        return float(-told.sum() - believed)

    start = np.array([logit(mean), np.log(np.clip(size, *SIZES))])
    bounds = [(-7.0, 7.0), (np.log(SIZES[0]), np.log(SIZES[1]))]
    found = minimize(loss, start, method="L-BFGS-B", bounds=bounds).x
    m, s = float(expit(found[0])), float(np.exp(found[1]))
    return m * s, (1 - m) * s
