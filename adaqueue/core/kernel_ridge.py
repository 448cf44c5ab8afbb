"""Success rates predicted from similarities: kernel ridge regression that holds out without refitting."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.linalg import solve
from scipy.optimize import minimize

from adaqueue.core.folds import balanced_folds
from adaqueue.core.marginal import BoolArray, FloatArray, IntArray

FOLDS = 5
MOST_CHOOSING = 800
"""Training queries that choose kernel and ridge: the work of a fit grows with their cube."""

RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class KernelRidge:
    """Predicts the logit of a query's success probability from how alike it is to the training queries.

    Attributes:
        kernel: place of the kernel with the least held-out error, among those given.
        dual: weights of the training queries, shape (n,), for the similarities by that kernel.
        held_out: score of each training query from a fit without its fold, shape (n,): what a rule or a
            calibration is to be fitted on.
        folds: of each training query, shape (n,).
        without: fold -> weights of a fit without it, shape (n,), 0 for its own queries: what others of the
            groups in it are to be scored by, where their score must not have seen their mates' outcomes.
    """

    def __init__(
        self,
        kernels: Sequence[FloatArray],
        successes: IntArray | FloatArray,
        samples: IntArray,
        groups: IntArray,
        seed: int,
    ) -> None:
        """Fits.

        Args:
            kernels: similarities of the training queries to one another, each positive semidefinite, shape
                (n, n); held-out error chooses among them.
            successes: verified successes of each, shape (n,), 0..samples: their share is predicted.
            samples: drawn of each, shape (n,), at least 1.
            groups: queries of one number are held out together, shape (n,).
            seed: of the folds.
        """
        rates = successes / samples
        self._mean = float(rates.mean())
        folds = balanced_folds(groups, rates, FOLDS, seed)
        target = rates - self._mean
        some = _spread(len(target), seed)
        fits = [_best(kernel[np.ix_(some, some)], target[some], folds[some]) for kernel in kernels]
        self.kernel = min(range(len(fits)), key=lambda place: _error(fits[place], target[some]))
        kernel, ridge = kernels[self.kernel], fits[self.kernel][0]
        duals = _duals(kernel, ridge, target, folds)
        held_out = _held_out(kernel, duals, folds)
        self.folds = folds
        self.without = {fold: _padded(dual, folds != fold) for fold, dual in duals.items()}
        self.dual = _weights(kernel, ridge, target)
        self._line = _logistic_line(held_out, rates)
        self.held_out = self.score(held_out)

    def score(self, weighted: FloatArray) -> FloatArray:
        """Returns the logit of each query's predicted success probability, shape (m,).

        Args:
            weighted: similarities of each query to the training queries, times `dual`, summed, shape (m,).
        """
        scores: FloatArray = self._line[0] + self._line[1] * weighted
        return scores


_Fit = tuple[float, FloatArray]
"""A ridge, and its held-out predictions."""


def _error(fit: _Fit, target: FloatArray) -> float:
    return float(np.sum((fit[1] - target) ** 2))


def _spread(n: int, seed: int) -> IntArray:
    """Returns places of the training queries that choose, in order."""
    drawn = np.random.default_rng(seed).permutation(n)[:MOST_CHOOSING]
    return np.sort(drawn)


def _best(kernel: FloatArray, target: FloatArray, folds: IntArray) -> _Fit:
    """Returns the fit of the least held-out error, downhill from the middle of the ridges."""
    known: dict[int, _Fit] = {}

    def fit(place: int) -> _Fit:
        if place not in known:
            duals = _duals(kernel, RIDGES[place], target, folds)
            known[place] = (RIDGES[place], _held_out(kernel, duals, folds))
        return known[place]

    place, moved = len(RIDGES) // 2, True
    while moved:
        near = [place, *(other for other in (place - 1, place + 1) if 0 <= other < len(RIDGES))]
        best = min(near, key=lambda other: _error(fit(other), target))
        place, moved = best, best != place
    return fit(place)


def _duals(kernel: FloatArray, ridge: float, target: FloatArray, folds: IntArray) -> dict[int, FloatArray]:
    """Returns the weights of a fit without each fold, of the queries outside it."""
    found = {}
    for fold in np.unique(folds).tolist():
        others = np.flatnonzero(folds != fold)
        found[fold] = _weights(kernel[np.ix_(others, others)], ridge, target[others])
    return found


def _held_out(kernel: FloatArray, duals: Mapping[int, FloatArray], folds: IntArray) -> FloatArray:
    """Returns what a fit without each fold predicts for it, shape (n,)."""
    predicted = np.empty(len(folds))
    for fold, dual in duals.items():
        own, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        predicted[own] = kernel[np.ix_(own, others)] @ dual
    return predicted


def _padded(dual: FloatArray, places: BoolArray) -> FloatArray:
    found = np.zeros(len(places))
    found[places] = dual
    return found


def _weights(kernel: FloatArray, ridge: float, target: FloatArray) -> FloatArray:
    loaded = kernel.copy()
    loaded.flat[:: len(loaded) + 1] += ridge
    return np.asarray(solve(loaded, target, assume_a="pos", overwrite_a=True, check_finite=False))


def _logistic_line(predicted: FloatArray, rates: FloatArray) -> tuple[float, float]:
    """Returns intercept and slope, at least 0, of the logistic regression of rates on predictions."""

    def loss(line: FloatArray) -> float:
        logit = line[0] + line[1] * predicted
        return float(np.mean(np.logaddexp(0, logit) - rates * logit)) + 1e-4 * float(line @ line) / len(rates)

    intercept, slope = minimize(
        loss, np.array([0.0, 4.0]), method="L-BFGS-B", bounds=[(None, None), (0, None)]
    ).x
    return float(intercept), float(slope)
