"""Probes of recorded queries, fitted anew for each fold: on text, hidden states and metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist

from adaqueue.adapters.probes.readers import lengths
from adaqueue.adapters.text_features import Texts, TextSimilarity
from adaqueue.core.kernel_ridge import KernelRidge
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes, States
from adaqueue.core.splits import Scores

MOST_TRAINING = 2_000
"""Queries that a probe is fitted on: the work grows with their cube."""

FARTHEST = 4.0

Similarity = Callable[[IntArray, IntArray], tuple[FloatArray, FloatArray]]
"""(known rows, rows asked) -> similarity of the known, and of those asked, to the known ones."""

Candidate = tuple[Similarity, ...]
"""Their sum is a kernel."""


@dataclass(frozen=True, eq=False)
class RecordedProbe:
    """A scorer, see `splits.Scorer`: of several kernels, held-out error takes one in each fold.

    Attributes:
        outcomes: all queries.
        candidates: at least one.
        rates: what is predicted of each query, shape (n,), in [0, 1]; None: its success rate.
    """

    outcomes: Outcomes
    candidates: Sequence[Candidate]
    rates: FloatArray | None = None

    def __call__(self, known: IntArray, asked: IntArray, seed: int) -> Scores:
        """Returns the scores of a probe that is fitted on the known rows, or on 2,000 of them."""
        groups = self.outcomes.groups
        fitted = known[_chosen(groups[known], seed)]
        rest = np.setdiff1d(known, fitted)
        others = np.concatenate([rest, asked])
        parts = {each: each(fitted, others) for each in dict.fromkeys(sum(self.candidates, ()))}
        kernels = [_summed(parts[each][0] for each in own) for own in self.candidates]
        ridge = KernelRidge(kernels, *self._seen(fitted), groups[fitted], seed)
        scores = ridge.score(_summed(parts[each][1] for each in self.candidates[ridge.kernel]))
        held_out = np.empty(len(known))
        held_out[np.searchsorted(known, fitted)] = ridge.held_out
        held_out[np.searchsorted(known, rest)] = scores[: len(rest)]
        return Scores(held_out, scores[len(rest) :])

    def _seen(self, rows: IntArray) -> tuple[IntArray | FloatArray, IntArray]:
        """Returns successes and samples, or other rates and one sample each."""
        if self.rates is None:
            return self.outcomes.successes[rows], self.outcomes.samples[rows]
        return self.rates[rows], np.ones(len(rows), dtype=np.int64)


def text_probe(outcomes: Outcomes, more: Sequence[Similarity]) -> RecordedProbe:
    """Returns the probe that reads the prompts' text, and what else is given."""
    return RecordedProbe(outcomes, [(text(Texts.of(outcomes.prompts)), *more)])


def state_probe(outcomes: Outcomes, states: States, more: Sequence[Similarity]) -> RecordedProbe:
    """Returns the probe that reads states, text, or both, whichever predicts best, and what else is given."""
    words, line, near = text(Texts.of(outcomes.prompts)), linear(states), nearness(states)
    candidates = [(words,), (line,), (line, words), (near, words)]
    return RecordedProbe(outcomes, [(*own, *more) for own in candidates])


def baselines(outcomes: Outcomes) -> dict[str, RecordedProbe]:
    """Returns what a probe should beat: TF-IDF of words alone, and the prompt's length."""
    return {
        "tfidf": RecordedProbe(outcomes, [(words(Texts.of(outcomes.prompts)),)]),
        "length": RecordedProbe(outcomes, [(nearness(lengths(outcomes.prompts)),)]),
    }


def text(texts: Texts) -> Similarity:
    """Returns similarity by words, characters and surface."""

    def found(known: IntArray, asked: IntArray) -> tuple[FloatArray, FloatArray]:
        own = TextSimilarity(texts.take(known))
        return own.matrix(texts.take(known)), own.matrix(texts.take(asked))

    return found


def words(texts: Texts) -> Similarity:
    """Returns similarity by the TF-IDF of words alone."""

    def found(known: IntArray, asked: IntArray) -> tuple[FloatArray, FloatArray]:
        own = TextSimilarity(texts.take(known))
        return own.words(texts.take(known)), own.words(texts.take(asked))

    return found


def linear(values: States) -> Similarity:
    """Returns the mean product of columns, standardised by the known rows."""

    def found(known: IntArray, asked: IntArray) -> tuple[FloatArray, FloatArray]:
        ours, theirs = _standardised(values, known, asked)
        size = max(ours.shape[1], 1)
        return ours @ ours.T / size, theirs @ ours.T / size

    return found


def nearness(values: States) -> Similarity:
    """Returns `exp(-d/2)`, d the mean squared distance of columns, standardised by the known rows."""

    def found(known: IntArray, asked: IntArray) -> tuple[FloatArray, FloatArray]:
        ours, theirs = _standardised(values, known, asked)
        size = max(2 * ours.shape[1], 1)
        return np.exp(-cdist(ours, ours, "sqeuclidean") / size), np.exp(
            -cdist(theirs, ours, "sqeuclidean") / size
        )

    return found


def metadata_values(rows: Sequence[Sequence[float | str]]) -> States:
    """Returns numbers as they are, and a column of 0 and 1 for each text, float32[n, columns].

    Args:
        rows: pieces of metadata of each query, as many of each; a column that holds any text is text.
    """
    columns = []
    for values in zip(*rows, strict=True):
        if any(isinstance(value, str) and value for value in values):
            columns += [
                [float(str(value) == each) for value in values] for each in sorted(set(map(str, values)))
            ]
        else:
            columns.append([float(value or 0) for value in values])
            columns.append([float(value == "") for value in values])
    return np.array(columns, dtype=np.float32).T


def _standardised(values: States, known: IntArray, asked: IntArray) -> tuple[FloatArray, FloatArray]:
    ours = values[known].astype(np.float64)
    centre, scale = ours.mean(axis=0), ours.std(axis=0)
    used = scale > 1e-6
    both = (ours, values[asked].astype(np.float64))
    first, second = (
        np.clip(((each - centre) / np.where(used, scale, 1))[:, used], -FARTHEST, FARTHEST) for each in both
    )
    return first, second


def _chosen(groups: IntArray, seed: int) -> IntArray:
    """Returns places of whole groups, of about `MOST_TRAINING` queries, in order."""
    if len(groups) <= MOST_TRAINING:
        return np.arange(len(groups))
    _, group = np.unique(groups, return_inverse=True)
    order = np.random.default_rng(seed).permutation(int(group.max()) + 1)
    taken = np.cumsum(np.bincount(group)[order]) <= MOST_TRAINING
    return np.flatnonzero(taken[np.argsort(order)][group])


def _summed(parts: Iterable[FloatArray]) -> FloatArray:
    return np.asarray(sum(parts))
