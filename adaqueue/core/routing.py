"""Two decoders, a share of the queries for the strong one: what every order of sending them reaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.marginal import FloatArray, IntArray

POINTS = 200
"""Of a resampled curve."""

ROUNDING = 1e-12
"""Of a sum of rewards: orders that reach the same add it up differently."""


@dataclass(frozen=True, eq=False)
class Sent:
    """Gain over the share of queries sent to the strong decoder, a point after each tie, straight between.

    Attributes:
        share: of strong calls a query, shape (k,), increasing from 0.
        gain: over the weak decoder's mean reward, shape (k,), from 0; it may fall.
    """

    share: FloatArray
    gain: FloatArray

    def at(self, share: float) -> float:
        """Returns the gain at a share; the last one's beyond the points."""
        return float(np.interp(share, self.share, self.gain))

    def needed(self, gain: float) -> float:
        """Returns the smallest share that reaches a gain; infinite: none does."""
        reached = self.gain >= gain - ROUNDING
        if not reached.any():
            return np.inf
        end = int(reached.argmax())
        if not end:
            return 0.0
        run = self.gain[end] - self.gain[end - 1]
        way = min((gain - self.gain[end - 1]) / run, 1.0)
        return float(self.share[end - 1] + way * (self.share[end] - self.share[end - 1]))

    @property
    def best(self) -> float:
        """The largest gain at any share."""
        return float(self.gain.max())


def strong_first(score: FloatArray, gain: FloatArray, calls: FloatArray | None = None) -> Sent:
    """Returns what is gained when the queries of largest score are sent to the strong decoder first.

    Queries of one score are sent in any order: what they gain is the mean over all of them.

    Args:
        score: shape (n,), n at least 1.
        gain: of each query when it is sent, shape (n,).
        calls: to the strong decoder when it is its turn, shape (n,), [0, 1]; default one each.
    """
    order = np.argsort(-score, kind="stable")
    ordered = score[order]
    ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
    made = np.ones(len(score)) if calls is None else calls
    share, total = (np.append(0.0, np.cumsum(each[order])[ends]) / len(score) for each in (made, gain))
    distinct = np.append(True, np.diff(share) > 0)
    return Sent(share[distinct], total[distinct])


@dataclass(frozen=True, eq=False)
class Grouped:
    """Resamples of whole groups of queries.

    Attributes:
        group: of each query, shape (n,), 0..g-1.
        weights: of one query of each group in each resample, shape (r, g).
    """

    group: IntArray
    weights: FloatArray

    @classmethod
    def of(cls, groups: IntArray, weights: FloatArray) -> Grouped:
        """Returns the resamples of which `replays.group_weights` are given, shape (r, n)."""
        _, first, group = np.unique(groups, return_index=True, return_inverse=True)
        return cls(group, weights[:, first])

    def curves(self, score: FloatArray, gain: FloatArray, calls: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Returns share of calls and gain in each resample, at up to 200 points, shape (r, points + 1).

        Args:
            score: see `strong_first`; the order is kept.
            gain: the same.
            calls: the same.
        """
        order = np.argsort(-score, kind="stable")
        ordered = score[order]
        ends = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True))
        made = np.cumsum(calls[order])
        wanted = np.searchsorted(made[ends], np.linspace(0, made[-1], POINTS + 1)[1:] * (1 - ROUNDING))
        cuts = ends[np.unique(wanted)]
        place = np.searchsorted(cuts, np.arange(len(score)))
        inside = place < len(cuts)  # what nobody is left to call comes after the last
        cell = self.group[order] * len(cuts) + place
        shape = (self.weights.shape[1], len(cuts))
        share, total = (
            _from_zero(self.weights @ _sums(cell[inside], each[order][inside], shape))
            for each in (calls, gain)
        )
        return share, total


def _sums(cell: IntArray, values: FloatArray, shape: tuple[int, int]) -> FloatArray:
    summed = np.bincount(cell, values, minlength=shape[0] * shape[1])
    return np.asarray(summed.reshape(shape), dtype=np.float64)


def _from_zero(increments: FloatArray) -> FloatArray:
    return np.insert(np.cumsum(increments, axis=1), 0, 0.0, axis=1)


def first_crossing(share: FloatArray, gain: FloatArray, level: FloatArray) -> FloatArray:
    """Returns the share at which each row's line first reaches a level, shape (r,); infinite: it does not.

    Args:
        share: rows never falling, shape (r, k).
        gain: shape (r, k); rows may fall.
        level: of each row, shape (r,).
    """
    reached = gain >= level[:, None] - ROUNDING
    rows, end = np.arange(len(gain)), reached.argmax(axis=1)
    start = np.maximum(end - 1, 0)
    run = gain[rows, end] - gain[rows, start]
    way = np.divide(level - gain[rows, start], run, out=np.ones(len(gain)), where=run > 0)
    found = share[rows, start] + np.clip(way, 0.0, 1.0) * (share[rows, end] - share[rows, start])
    return np.where(reached.any(axis=1), found, np.inf)
