"""A probe that reads the prompt's text alone: no model, no GPU, fitted in a second on a thousand queries.

Prompts are compared by their words, by their characters and by counts of what is on their surface; kernel
ridge regression on these similarities predicts the success rate, and says it as a logit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import minimize
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial.distance import cdist
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer
from sklearn.preprocessing import normalize

from adaqueue.core.marginal import FloatArray, IntArray

FOLDS = 5
RIDGES = (0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
FEATURES = 2**18
SIGNS = "()[]{}.,:;?!=<>+-*/^_$\\'\"%#"
FARTHEST = 4.0
ALIKE = 0.9
WORD = r"\w+|[^\w\s]"


@dataclass(frozen=True, eq=False)
class Texts:
    """Prompts as counts, which depend on no other prompt.

    Attributes:
        words: of single words and pairs, hashed, sparse, shape (n, 2**18).
        characters: of runs of 3 and 4 characters within words, hashed, sparse, shape (n, 2**18).
        surface: logs of lengths, digits, signs and the like, shape (n, d).
    """

    words: csr_matrix
    characters: csr_matrix
    surface: FloatArray

    @classmethod
    def of(cls, prompts: Sequence[str]) -> Texts:
        """Returns the counts of prompts; halves of broken characters count as question marks."""
        prompts = [prompt.encode(errors="replace").decode() for prompt in prompts]
        words = _hashing(ngram_range=(1, 2), token_pattern=WORD)
        characters = _hashing(ngram_range=(3, 4), analyzer="char_wb")
        surface = np.array([_surface(prompt) for prompt in prompts], dtype=np.float64)
        return cls(words.transform(prompts), characters.transform(prompts), surface)

    def take(self, rows: IntArray) -> Texts:
        """Returns the chosen prompts."""
        return Texts(self.words[rows], self.characters[rows], self.surface[rows])

    def near_duplicates(self) -> IntArray:
        """Returns a number for each prompt, the same for prompts of nearly the same words, shape (n,)."""
        rows = normalize(self.words)
        return np.asarray(connected_components(rows @ rows.T >= ALIKE)[1], dtype=np.int64)


class TextProbe:
    """Predicts the logit of a query's success probability from its prompt.

    Attributes:
        held_out: score of each training query from a fit without its fold, shape (n,): what a rule or a
            calibration is to be fitted on.
    """

    def __init__(
        self, texts: Texts, successes: IntArray, samples: IntArray, groups: IntArray, seed: int
    ) -> None:
        """Fits.

        Args:
            texts: of the training queries.
            successes: verified successes of each, shape (n,), 0..samples.
            samples: drawn of each, shape (n,), at least 1.
            groups: queries of one number are held out together, shape (n,).
            seed: of the folds.
        """
        rates = successes / samples
        self._kernel = _Kernel(texts)
        self._mean = float(rates.mean())
        folds = balanced_folds(groups, rates, FOLDS, seed)
        held_out, self._dual = _ridge(self._kernel.matrix(texts), rates - self._mean, folds)
        self._line = _logistic_line(held_out, rates)
        self.held_out = self._logit(held_out)

    def score(self, texts: Texts) -> FloatArray:
        """Returns the logit of each query's predicted success probability, shape (n,)."""
        return self._logit(self._kernel.matrix(texts) @ self._dual)

    def _logit(self, predicted: FloatArray) -> FloatArray:
        scores: FloatArray = self._line[0] + self._line[1] * predicted
        return scores


def balanced_folds(groups: IntArray, rates: FloatArray, count: int, seed: int) -> IntArray:
    """Returns the fold of each query, groups whole, every fold with nearly the same success rates.

    Without the balance a fold that is easier than average is predicted by a fit whose training queries are
    harder than average: levels of different folds would be comparable only up to an error of the wrong sign.
    """
    _, group = np.unique(groups, return_inverse=True)
    sizes = np.bincount(group)
    rng = np.random.default_rng(seed)
    order = np.lexsort((rng.random(len(sizes)), np.bincount(group, rates) / sizes))
    fold = np.empty(len(sizes), dtype=np.int64)
    for start in range(0, len(sizes), count):
        block = order[start : start + count]
        fold[block] = rng.permutation(count)[: len(block)]
    return fold[group]


class _Kernel:
    """Similarity to the training prompts: TF-IDF of words and of characters, and distance on the surface."""

    def __init__(self, texts: Texts) -> None:
        self._words = TfidfTransformer(sublinear_tf=True).fit(texts.words)
        self._characters = TfidfTransformer(sublinear_tf=True).fit(texts.characters)
        self._used = texts.surface.std(axis=0) > 1e-6
        self._centre, self._scale = texts.surface.mean(axis=0), texts.surface.std(axis=0)
        self._training = self._read(texts)

    def matrix(self, texts: Texts) -> FloatArray:
        """Returns shape (len(texts), training queries)."""
        given = self._read(texts)
        words, characters = ((a @ b.T).toarray() for a, b in zip(given[:2], self._training[:2], strict=True))
        apart = cdist(given[2], self._training[2], "sqeuclidean") / max(2 * self._used.sum(), 1)
        return np.asarray((words + characters) / 2 + np.exp(-apart))

    def _read(self, texts: Texts) -> tuple[Any, Any, FloatArray]:
        surface = (texts.surface - self._centre)[:, self._used] / self._scale[self._used]
        return (
            self._words.transform(texts.words),
            self._characters.transform(texts.characters),
            np.clip(surface, -FARTHEST, FARTHEST),
        )


def _ridge(kernel: FloatArray, target: FloatArray, folds: IntArray) -> tuple[FloatArray, FloatArray]:
    """Returns held-out predictions and the dual coefficients, at the ridge with the least held-out error."""
    values, vectors = np.linalg.eigh(kernel)
    fits = [_held_out(np.maximum(values, 0.0) + ridge, vectors, target, folds) for ridge in RIDGES]
    return min(fits, key=lambda fit: float(np.sum((fit[0] - target) ** 2)))


def _held_out(
    values: FloatArray, vectors: FloatArray, target: FloatArray, folds: IntArray
) -> tuple[FloatArray, FloatArray]:
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


def _hashing(**options: Any) -> HashingVectorizer:
    return HashingVectorizer(n_features=FEATURES, alternate_sign=False, norm=None, **options)


def _surface(prompt: str) -> list[float]:
    words = re.findall(r"\w+", prompt)
    numbers = [int(digits) for digits in re.findall(r"\d{1,9}", prompt)]
    counts = [
        len(prompt),
        len(words),
        prompt.count("\n"),
        sum(map(str.isdigit, prompt)),
        sum(map(str.isupper, prompt)),
        max(numbers, default=0),
        *map(prompt.count, SIGNS),
    ]
    many = max(len(words), 1)
    return [*np.log1p(counts), len(set(words)) / many, sum(map(len, words)) / many]
