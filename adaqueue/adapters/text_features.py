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
from scipy.sparse import csr_matrix
from scipy.spatial.distance import cdist
from sklearn.feature_extraction.text import HashingVectorizer, TfidfTransformer

from adaqueue.adapters.near_duplicates import linked
from adaqueue.core.kernel_ridge import KernelRidge
from adaqueue.core.marginal import FloatArray, IntArray

FEATURES = 2**18
SIGNS = "()[]{}.,:;?!=<>+-*/^_$\\'\"%#"
FARTHEST = 4.0
COMMON = 0.05
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
        return linked(self.words)

    def near_duplicates_of_a_workload(self) -> IntArray:
        """Returns `near_duplicates`, but of prompts of one template only those with the same words.

        What makes up over a twentieth of all prompts is not repetition but the work itself: its queries
        differ by their numbers or names, and the queries to come will be like them.
        """
        groups = self.near_duplicates()
        _, group, sizes = np.unique(groups, return_inverse=True, return_counts=True)
        common = np.flatnonzero(sizes[group] > max(COMMON * len(groups), 1))
        if len(common):
            rare = TfidfTransformer(sublinear_tf=True).fit(self.words).transform(self.words[common])
            groups[common] = groups.max() + 1 + linked(rare)
        return groups


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
        self._similarity = TextSimilarity(texts)
        self._ridge = KernelRidge([self._similarity.matrix()], successes, samples, groups, seed)
        self.held_out = self._ridge.held_out

    def score(self, texts: Texts) -> FloatArray:
        """Returns the logit of each query's predicted success probability, shape (n,)."""
        return self._ridge.score(self._similarity.weighted(texts, self._ridge.dual))


class TextSimilarity:
    """Similarity to some prompts: TF-IDF of words and of characters, and distance on the surface.

    Args:
        texts: those prompts; words and signs weigh by how rare they are among them.
    """

    def __init__(self, texts: Texts) -> None:
        self._words = TfidfTransformer(sublinear_tf=True).fit(texts.words)
        self._characters = TfidfTransformer(sublinear_tf=True).fit(texts.characters)
        self._used = texts.surface.std(axis=0) > 1e-6
        self._centre, self._scale = texts.surface.mean(axis=0), texts.surface.std(axis=0)
        self._known = self._read(texts)

    def matrix(self) -> FloatArray:
        """Returns words, characters and surface together, of the prompts to one another, shape (n, n)."""
        words, characters, surface = self._known
        both = (words @ words.T + characters @ characters.T).toarray()
        return np.asarray(both / 2 + self._closeness(surface))

    def weighted(self, texts: Texts, dual: FloatArray) -> FloatArray:
        """Returns the similarities of others to the prompts, each weighed, summed, shape (len(texts),).

        Args:
            texts: the others.
            dual: a weight of each prompt, shape (n,).
        """
        ours, theirs = self._known, self._read(texts)
        both = theirs[0] @ (ours[0].T @ dual) + theirs[1] @ (ours[1].T @ dual)
        return np.asarray(both / 2 + self._closeness(theirs[2]) @ dual)

    def _closeness(self, surface: FloatArray) -> FloatArray:
        apart = cdist(surface, self._known[2], "sqeuclidean")
        apart /= -max(2 * int(self._used.sum()), 1)
        return np.asarray(np.exp(apart, out=apart))

    def _read(self, texts: Texts) -> tuple[Any, Any, FloatArray]:
        surface = (texts.surface - self._centre)[:, self._used] / self._scale[self._used]
        return (
            self._words.transform(texts.words),
            self._characters.transform(texts.characters),
            np.clip(surface, -FARTHEST, FARTHEST),
        )


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


class WordSimilarity:
    """Cosine of the TF-IDF of words alone, see `TextSimilarity`.

    Args:
        texts: those prompts.
    """

    def __init__(self, texts: Texts) -> None:
        self._words = TfidfTransformer(sublinear_tf=True).fit(texts.words)
        self._known = self._words.transform(texts.words)

    def matrix(self) -> FloatArray:
        """Returns the similarities of the prompts to one another, shape (n, n)."""
        return np.asarray((self._known @ self._known.T).toarray())

    def weighted(self, texts: Texts, dual: FloatArray) -> FloatArray:
        """Returns the similarities of others to the prompts, each weighed, summed, shape (len(texts),)."""
        return np.asarray(self._words.transform(texts.words) @ (self._known.T @ dual))
