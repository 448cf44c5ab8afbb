"""Probes of recorded queries, fitted anew for each fold: on text, hidden states and metadata."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.spatial.distance import cdist

from adaqueue.adapters.probes.readers import lengths
from adaqueue.adapters.text_features import Texts, TextSimilarity, WordSimilarity
from adaqueue.core.kernel_ridge import KernelRidge
from adaqueue.core.marginal import BoolArray, FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes, States
from adaqueue.core.splits import MOST_TRAINING, Scores

FARTHEST = 4.0


class Likeness(Protocol):
    """How alike queries are to some known ones."""

    def matrix(self) -> FloatArray:
        """Returns the similarities of the known to one another, shape (n, n)."""
        ...

    def weighted(self, asked: IntArray, dual: FloatArray) -> FloatArray:
        """Returns the similarities of the rows asked to the known, each known one weighed, summed: (m,)."""
        ...


Similarity = Callable[[IntArray], Likeness]
"""Known rows -> how alike others are to them."""

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
        """Returns the scores of a probe that is fitted on the known rows, or on 1,500 of them.

        Known rows that it was not fitted on are scored without the outcomes of their groups, as the others.
        """
        groups = self.outcomes.groups
        fitted = known[_chosen(groups[known], seed)]
        rest = np.setdiff1d(known, fitted)
        parts = {each: each(fitted) for each in dict.fromkeys(sum(self.candidates, ()))}
        known_parts = {each: part.matrix() for each, part in parts.items()}
        kernels = [_summed(known_parts[each] for each in own) for own in self.candidates]
        ridge = KernelRidge(kernels, *self._seen(fitted), groups[fitted], seed)
        chosen = self.candidates[ridge.kernel]

        def scored(rows: IntArray, dual: FloatArray) -> FloatArray:
            return ridge.score(_summed(parts[each].weighted(rows, dual) for each in chosen))

        held_out = np.empty(len(known))
        held_out[np.searchsorted(known, fitted)] = ridge.held_out
        folds = _folds_of(groups[rest], groups[fitted], ridge.folds)
        for fold in np.unique(folds).tolist():
            own = rest[folds == fold]
            held_out[np.searchsorted(known, own)] = scored(own, ridge.without.get(fold, ridge.dual))
        return Scores(held_out, scored(asked, ridge.dual))

    def _seen(self, rows: IntArray) -> tuple[IntArray | FloatArray, IntArray]:
        """Returns successes and samples, or other rates and one sample each."""
        if self.rates is None:
            return self.outcomes.successes[rows], self.outcomes.samples[rows]
        return self.rates[rows], np.ones(len(rows), dtype=np.int64)


def text_probe(outcomes: Outcomes, texts: Texts, more: Sequence[Similarity]) -> RecordedProbe:
    """Returns the probe that reads the prompts' text, and what else is given."""
    return RecordedProbe(outcomes, [(text(texts), *more)])


def state_probe(
    outcomes: Outcomes, texts: Texts, states: States, more: Sequence[Similarity]
) -> RecordedProbe:
    """Returns the probe that reads states, text, or both, whichever predicts best, and what else is given."""
    words, line, near = text(texts), linear(states), nearness(states)
    candidates = [(words,), (line,), (line, words), (near, words)]
    return RecordedProbe(outcomes, [(*own, *more) for own in candidates])


def baselines(outcomes: Outcomes, texts: Texts) -> dict[str, RecordedProbe]:
    """Returns what a probe should beat: TF-IDF of words alone, and the prompt's length."""
    return {
        "tfidf": RecordedProbe(outcomes, [(words(texts),)]),
        "length": RecordedProbe(outcomes, [(nearness(lengths(outcomes.prompts)),)]),
    }


def text(texts: Texts) -> Similarity:
    """Returns similarity by words, characters and surface."""
    return lambda known: _Read(texts, TextSimilarity(texts.take(known)))


def words(texts: Texts) -> Similarity:
    """Returns similarity by the TF-IDF of words alone."""
    return lambda known: _Read(texts, WordSimilarity(texts.take(known)))


@dataclass(frozen=True, eq=False)
class _Read:
    """Rows are read where they are asked for."""

    texts: Texts
    own: TextSimilarity | WordSimilarity

    def matrix(self) -> FloatArray:
        return self.own.matrix()

    def weighted(self, asked: IntArray, dual: FloatArray) -> FloatArray:
        return self.own.weighted(self.texts.take(asked), dual)


def linear(values: States) -> Similarity:
    """Returns the mean product of columns, standardised by the known rows."""
    return lambda known: _Line(_Standardised.by(values, known))


def nearness(values: States) -> Similarity:
    """Returns `exp(-d/2)`, d the mean squared distance of columns, standardised by the known rows."""
    return lambda known: _Near(_Standardised.by(values, known))


@dataclass(frozen=True, eq=False)
class _Standardised:
    """Columns by mean and deviation of the known rows, cut at four deviations; constant ones are left out."""

    values: States
    centre: FloatArray
    scale: FloatArray
    used: BoolArray
    known: IntArray

    @classmethod
    def by(cls, values: States, known: IntArray) -> _Standardised:
        ours = values[known].astype(np.float64)
        scale = ours.std(axis=0)
        return cls(values, ours.mean(axis=0), scale, scale > 1e-6, known)

    def of(self, rows: IntArray) -> FloatArray:
        given = self.values[rows][:, self.used].astype(np.float64)
        given = (given - self.centre[self.used]) / self.scale[self.used]
        return np.asarray(np.clip(given, -FARTHEST, FARTHEST))


@dataclass(frozen=True, eq=False)
class _Line:
    columns: _Standardised

    def matrix(self) -> FloatArray:
        ours = self.columns.of(self.columns.known)
        return np.asarray(ours @ ours.T / max(ours.shape[1], 1))

    def weighted(self, asked: IntArray, dual: FloatArray) -> FloatArray:
        ours, theirs = self.columns.of(self.columns.known), self.columns.of(asked)
        return np.asarray(theirs @ (ours.T @ dual) / max(ours.shape[1], 1))


@dataclass(frozen=True, eq=False)
class _Near:
    columns: _Standardised

    def matrix(self) -> FloatArray:
        return self._to_known(self.columns.known)

    def weighted(self, asked: IntArray, dual: FloatArray) -> FloatArray:
        return np.asarray(self._to_known(asked) @ dual)

    def _to_known(self, rows: IntArray) -> FloatArray:
        ours, theirs = self.columns.of(self.columns.known), self.columns.of(rows)
        apart = cdist(theirs, ours, "sqeuclidean") / max(2 * ours.shape[1], 1)
        return np.asarray(np.exp(-apart))


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


def _chosen(groups: IntArray, seed: int) -> IntArray:
    """Returns places of `MOST_TRAINING` queries at most, in order, drawn at random from all groups.

    A group need not be taken whole: inner folds keep it together. As many groups as half of the places hold
    have one query at least, so that there is always something to hold out.
    """
    order = np.random.default_rng(seed).permutation(len(groups))
    if len(order) <= MOST_TRAINING:
        return np.arange(len(order))
    first = np.sort(np.unique(groups[order], return_index=True)[1])[: MOST_TRAINING // 2]
    return np.sort(np.concatenate([order[first], np.delete(order, first)])[:MOST_TRAINING])


def _folds_of(asked: IntArray, groups: IntArray, folds: IntArray) -> IntArray:
    """Returns the fold in which the group of each query asked for was held out; -1 where none of it is known.

    Args:
        asked: their groups, shape (m,).
        groups: of the queries that were fitted on, shape (n,).
        folds: of these, shape (n,), the same within a group.
    """
    known, first = np.unique(groups, return_index=True)
    place = np.searchsorted(known, asked).clip(max=len(known) - 1)
    return np.where(known[place] == asked, folds[first[place]], -1)


def _summed(parts: Iterable[FloatArray]) -> FloatArray:
    return np.asarray(sum(parts))
