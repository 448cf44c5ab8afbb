"""Success rates predicted from similarities: kernel ridge regression that holds out without refitting."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from adaqueue.core.folds import balanced_folds
from adaqueue.core.marginal import FloatArray, IntArray

FOLDS = 5
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)


class KernelRidge:
    """Predicts the logit of a query's success probability from how alike it is to the training queries.

    Attributes:
        kernel: place of the kernel with the least held-out error, among those given.
        held_out: score of each training query from a fit without its fold, shape (n,): what a rule or a
            calibration is to be fitted on.
    """

    def __init__(
        self,
        kernels: Sequence[FloatArray],
        successes: IntArray,
        samples: IntArray,
        groups: IntArray,
        seed: int,
    ) -> None:
        """Fits.

        Args:
            kernels: similarities of the training queries to one another, each positive semidefinite, shape
                (n, n); held-out error chooses among them.
            successes: verified successes of each, shape (n,), 0..samples.
            samples: drawn of each, shape (n,), at least 1.
            groups: queries of one number are held out together, shape (n,).
            seed: of the folds.
        """
        rates = successes / samples
        self._mean = float(rates.mean())
        folds = balanced_folds(groups, rates, FOLDS, seed)
        target = rates - self._mean
        fits = [_ridge(kernel, target, folds) for kernel in kernels]
        self.kernel = min(range(len(fits)), key=lambda place: _error(fits[place], target))
        held_out, self._dual = fits[self.kernel]
        self._line = _logistic_line(held_out, rates)
        self.held_out = self._logit(held_out)

    def score(self, similarity: FloatArray) -> FloatArray:
        """Returns the logit of each query's predicted success probability, shape (m,).

        Args:
            similarity: of each query to the training queries, by the kernel that was chosen, shape (m, n).
        """
        return self._logit(similarity @ self._dual)

    def _logit(self, predicted: FloatArray) -> FloatArray:
        scores: FloatArray = self._line[0] + self._line[1] * predicted
        return scores


_Fit = tuple[FloatArray, FloatArray]
"""Held-out predictions, and the dual coefficients of the fit with all."""


def _error(fit: _Fit, target: FloatArray) -> float:
    return float(np.sum((fit[0] - target) ** 2))


def _ridge(kernel: FloatArray, target: FloatArray, folds: IntArray) -> _Fit:
    """Returns the fit of the ridge with the least held-out error."""
    values, vectors = np.linalg.eigh(kernel)
    fits = [_held_out(np.maximum(values, 0.0) + ridge, vectors, target, folds) for ridge in RIDGES]
    return min(fits, key=lambda fit: _error(fit, target))


def _held_out(values: FloatArray, vectors: FloatArray, target: FloatArray, folds: IntArray) -> _Fit:
    """Returns what fits without each fold predict for it, and the dual coefficients of the fit with all.

    With G the inverse of kernel plus ridge, the residuals of a fold that was left out are `G_ff^-1 (G y)_f`.
    """
    dual = (vectors / values) @ (vectors.T @ target)
    predicted = np.empty_like(target)
    for fold in np.unique(folds):
        own = folds == fold
        block = (vectors[own] / values) @ vectors[own].T
        predicted[own] = target[own] - np.linalg.solve(block, dual[own])
    return predicted, dual


def _logistic_line(predicted: FloatArray, rates: FloatArray) -> tuple[float, float]:
    """Returns intercept and slope, at least 0, of the logistic regression of rates on predictions."""

    def loss(line: FloatArray) -> float:
        logit = line[0] + line[1] * predicted
        return float(np.mean(np.logaddexp(0, logit) - rates * logit)) + 1e-4 * float(line @ line) / len(rates)

    intercept, slope = minimize(
        loss, np.array([0.0, 4.0]), method="L-BFGS-B", bounds=[(None, None), (0, None)]
    ).x
    return float(intercept), float(slope)
