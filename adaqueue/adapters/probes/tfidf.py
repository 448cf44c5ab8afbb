"""A baseline that reads words: linear regression on TF-IDF, squared error (ridge) or logistic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from scipy.special import expit
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.preprocessing import normalize
from torch import Tensor

from adaqueue.adapters.probes.artefacts import require_shapes
from adaqueue.adapters.probes.objectives import of_mean
from adaqueue.adapters.text_features import Texts
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.marginal import BoolArray, FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes, States

FEWEST_PROMPTS = 2
STRENGTHS = (0.01, 0.1, 1.0, 10.0)


@dataclass(frozen=True, eq=False)
class TfidfModel:
    """A weight for each word and pair of words that two training prompts have.

    Attributes:
        columns: of the words, among the hashes of `Texts`, shape (w,).
        rarity: inverse document frequency of each, shape (w,).
        weights: of each, shape (w,).
        intercept: added.
        logistic: whether the sum is a logit; else it is the success probability itself.
    """

    columns: IntArray
    rarity: FloatArray
    weights: FloatArray
    intercept: float
    logistic: bool

    def beliefs(self, states: States | None, prompts: Sequence[str]) -> Beliefs:
        """Returns the beliefs of n queries, all with one size."""
        return self._mean(_weighted(Texts.of(prompts).words[:, self.columns], self.rarity))

    def _mean(self, rows: Any) -> Beliefs:
        sums = rows @ self.weights + self.intercept
        return of_mean(expit(sums) if self.logistic else sums)

    def tensors(self) -> dict[str, Tensor]:
        """Returns the weights by name."""
        arrays = {
            "columns": self.columns,
            "rarity": self.rarity,
            "weights": self.weights,
            "intercept": np.array([self.intercept]),
        }
        return {name: torch.from_numpy(np.ascontiguousarray(array)) for name, array in arrays.items()}

    @classmethod
    def of(cls, tensors: Mapping[str, Tensor], logistic: bool) -> TfidfModel:
        """Returns the model with these weights, as `tensors` gave them.

        Raises:
            FingerprintError: the weights are of something else.
        """
        wide = (tensors["columns"].numel() if "columns" in tensors else 0,)
        require_shapes(tensors, {"columns": wide, "rarity": wide, "weights": wide, "intercept": (1,)})
        rarity, weights = tensors["rarity"].double().numpy(), tensors["weights"].double().numpy()
        return cls(tensors["columns"].long().numpy(), rarity, weights, float(tensors["intercept"]), logistic)


def fit_tfidf(data: Outcomes, folds: IntArray, logistic: bool) -> tuple[TfidfModel, Beliefs]:
    """Returns the model of the strength with the least held-out squared error, and its held-out beliefs."""
    words = Texts.of(data.prompts).words
    rates = data.successes / data.samples

    def held_out(strength: float) -> FloatArray:
        means = np.empty(len(data))
        for fold in np.unique(folds):
            own = folds == fold
            model = _fit(words, data, ~own, strength, logistic)
            rows = _weighted(words[own][:, model.columns], model.rarity)
            found = model._mean(rows)
            means[own] = found.success
        return means

    found = {strength: held_out(strength) for strength in STRENGTHS}
    best = min(found, key=lambda strength: float(np.sum((found[strength] - rates) ** 2)))
    return _fit(words, data, np.ones(len(data), dtype=np.bool_), best, logistic), of_mean(found[best])


def _fit(words: csr_matrix, data: Outcomes, rows: BoolArray, strength: float, logistic: bool) -> TfidfModel:
    counts = words[rows]
    frequency = np.bincount(counts.indices, minlength=counts.shape[1])
    columns = np.flatnonzero(frequency >= FEWEST_PROMPTS)
    rarity = np.log((1 + counts.shape[0]) / (1 + frequency[columns])) + 1
    given = _weighted(counts[:, columns], rarity)
    y, n = data.successes[rows], data.samples[rows]
    if logistic:
        line = LogisticRegression(C=1 / strength, max_iter=1000)
        both = np.r_[np.ones(len(y)), np.zeros(len(y))]
        line.fit(_twice(given), both, sample_weight=np.r_[y / n, 1 - y / n])
        weights, intercept = line.coef_[0], float(line.intercept_[0])
    else:
        line = Ridge(alpha=strength).fit(given, y / n)
        weights, intercept = line.coef_, float(line.intercept_)
    return TfidfModel(columns.astype(np.int64), rarity, weights, intercept, logistic)


def _twice(rows: Any) -> Any:
    from scipy.sparse import vstack

    return vstack([rows, rows])


def _weighted(counts: Any, rarity: FloatArray) -> Any:
    damped = counts.astype(np.float64)
    damped.data = 1 + np.log(damped.data)
    return normalize(damped.multiply(rarity).tocsr())
