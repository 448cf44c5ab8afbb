"""Held-out counts correct what a probe believes: its level, its spread, and how sure it is of itself.

The measure is the likelihood of counts throughout: it is right for samples whose drawing stopped at a
success too, where the ratio of successes to samples is not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression, minimize
from scipy.special import expit, logit

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.marginal import BoolArray, FloatArray, IntArray

LARGEST_SCORE = 12.0
LARGEST_LOG_SIZE = 12.0
EDGE = 0.002


@dataclass(frozen=True, eq=False)
class Calibration:
    """A correction of beliefs; the default changes nothing.

    The score, logit of the mean of the Beta distribution, is read off the line through (knots, levels) where
    there are knots, then becomes `intercept + slope * score`; the distribution's size, alpha + beta, is
    multiplied by `exp(growth)`. The share of zeros stays.

    Attributes:
        intercept: added to the score.
        slope: factor of the score, > 0.
        growth: added to the log of the size.
        knots: scores, rising, shape (k,); empty: the score is taken as it is.
        levels: corrected scores at the knots, not falling, shape (k,).
    """

    intercept: float
    slope: float
    growth: float
    knots: FloatArray
    levels: FloatArray

    @property
    def kind(self) -> str:
        """`isotonic`, `temperature`, `size` or `none`."""
        if len(self.knots):
            return "isotonic"
        if (self.intercept, self.slope) != (0.0, 1.0):
            return "temperature"
        return "size" if self.growth else "none"

    def apply(self, beliefs: Beliefs) -> Beliefs:
        """Returns corrected beliefs; scores and log sizes stay within plus and minus 12."""
        score = np.log(beliefs.alpha) - np.log(beliefs.beta)
        if len(self.knots):
            score = np.interp(score, self.knots, self.levels)
        score = np.clip(self.intercept + self.slope * score, -LARGEST_SCORE, LARGEST_SCORE)
        log_size = np.log(beliefs.alpha + beliefs.beta) + self.growth
        size = np.exp(np.clip(log_size, -LARGEST_LOG_SIZE, LARGEST_LOG_SIZE))
        return Beliefs(size * expit(score), size * expit(-score), beliefs.zero, beliefs.tokens)


def _straight(intercept: float, slope: float, growth: float) -> Calibration:
    return Calibration(intercept, slope, growth, np.empty(0), np.empty(0))


NONE = _straight(0.0, 1.0, 0.0)
"""Changes nothing."""


def fit_size(beliefs: Beliefs, successes: IntArray, samples: IntArray) -> Calibration:
    """Returns the correction of the size alone, by the likelihood."""

    def loss(growth: FloatArray) -> float:
        found = _straight(0.0, 1.0, float(growth[0])).apply(beliefs)
        return -float(found.log_likelihood(successes, samples).mean())

    return _straight(0.0, 1.0, float(minimize(loss, np.zeros(1), method="L-BFGS-B").x[0]))


def fit_temperature(beliefs: Beliefs, successes: IntArray, samples: IntArray) -> Calibration:
    """Returns intercept, slope and growth by the likelihood: temperature scaling for Beta distributions.

    The slope of beliefs that are all the same is 1.
    """
    score = np.log(beliefs.alpha) - np.log(beliefs.beta)

    def of(line: FloatArray) -> Calibration:
        return _straight(float(line[0]), float(np.exp(line[1])), float(line[2]))

    def loss(line: FloatArray) -> float:
        fit = float(of(line).apply(beliefs).log_likelihood(successes, samples).mean())
        return float(line[1]) ** 2 / max(len(score), 1) - fit

    return of(minimize(loss, np.zeros(3), method="L-BFGS-B").x)


def fit_isotonic(beliefs: Beliefs, successes: IntArray, samples: IntArray) -> Calibration:
    """Returns the rising curve of success rates over scores (isotonic regression), and the size for it.

    Rates are ratios of counts: not for samples whose drawing stopped at a success, nor for a share of zeros.
    """
    seen = samples > 0
    score = (np.log(beliefs.alpha) - np.log(beliefs.beta))[seen]
    knots, place = np.unique(score, return_inverse=True)
    weights = np.bincount(place, samples[seen])
    rates = np.bincount(place, successes[seen]) / weights
    levels = logit(np.clip(isotonic_regression(rates, weights=weights).x, EDGE, 1 - EDGE))
    curve = Calibration(0.0, 1.0, 0.0, knots, levels)
    growth = fit_size(curve.apply(beliefs), successes, samples).growth
    return Calibration(0.0, 1.0, growth, knots, levels)


def choose(
    beliefs: Beliefs, successes: IntArray, samples: IntArray, stopped: BoolArray, folds: IntArray
) -> Calibration:
    """Returns the correction, of none, size, temperature and isotonic, that held-out counts like best.

    Each is fitted without a fold and judged on it; the winner is fitted on all. Where there is but one fold,
    nothing can be judged, and it is the size.

    Args:
        beliefs: of n queries on which the probe was not fitted.
        successes: verified successes of each, shape (n,).
        samples: verified samples of each, shape (n,).
        stopped: whether a query's drawing depended on its rewards, shape (n,): isotonic is then left out.
        folds: of each query, near duplicates in one, shape (n,).
    """
    if len(np.unique(folds)) < 2:
        return fit_size(beliefs, successes, samples)
    fits: list[_Fit] = [lambda *_: NONE, fit_size, fit_temperature]
    if not stopped.any() and not beliefs.zero.any():
        fits.append(fit_isotonic)
    best = min(fits, key=lambda fit: _held_out_loss(fit, beliefs, successes, samples, folds))
    return best(beliefs, successes, samples)


_Fit = Callable[[Beliefs, IntArray, IntArray], Calibration]


def _held_out_loss(
    fit: _Fit, beliefs: Beliefs, successes: IntArray, samples: IntArray, folds: IntArray
) -> float:
    lost = 0.0
    for fold in np.unique(folds):
        own = folds == fold
        found = fit(_take(beliefs, ~own), successes[~own], samples[~own]).apply(_take(beliefs, own))
        lost -= float(found.log_likelihood(successes[own], samples[own]).sum())
    return lost


def _take(beliefs: Beliefs, rows: BoolArray) -> Beliefs:
    return Beliefs(beliefs.alpha[rows], beliefs.beta[rows], beliefs.zero[rows], beliefs.tokens[rows])
