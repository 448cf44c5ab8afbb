"""Queries with the recorded rewards of two decoders, and what the strong one adds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.recorded import RecordedQuery

STEP = float(expit(1.0)) - 0.5
"""Of the preference over even, for a strong success against a weak failure."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """Recorded queries of two decoders, a row each.

    Attributes:
        weak: mean recorded reward of the weak decoder, shape (n,).
        strong: the same of the strong one.
        preference: for the strong one, mean over all pairs of samples of `sigma(strong - weak)` (Eq. 8),
            shape (n,), in [0, 1].
        noise: estimated variance of each query's preference over its samples, shape (n,); NaN where a
            decoder has a single sample, which does not tell it.
        weak_cost: of a call, shape (n,).
        strong_cost: the same of the strong decoder.
        groups: queries of one number stay together, shape (n,).
        binary: whether every reward is 0 or 1.
    """

    weak: FloatArray
    strong: FloatArray
    preference: FloatArray
    noise: FloatArray
    weak_cost: FloatArray
    strong_cost: FloatArray
    groups: IntArray
    binary: bool

    @classmethod
    def of(cls, queries: Sequence[RecordedQuery], groups: IntArray) -> Pairs:
        """Returns recorded queries, each of two decoders, in these groups."""
        given = [query.strong for query in queries if query.strong is not None]
        both = [
            (np.array(query.rewards), np.array(own.rewards))
            for query, own in zip(queries, given, strict=True)
        ]
        found = np.array([preference(weak, strong) for weak, strong in both])
        return cls(
            weak=np.array([weak.mean() for weak, _ in both]),
            strong=np.array([strong.mean() for _, strong in both]),
            preference=found[:, 0],
            noise=found[:, 1],
            weak_cost=np.array([own.weak_cost for own in given]),
            strong_cost=np.array([own.cost for own in given]),
            groups=groups,
            binary=all(((side == 0) | (side == 1)).all() for pair in both for side in pair),
        )

    @property
    def gain(self) -> FloatArray:
        """Mean reward that the strong decoder adds, shape (n,)."""
        return self.strong - self.weak

    @property
    def targets(self) -> list[FloatArray]:
        """What is predicted, each within 0 and 1, shape (n,): the gain, and the preference if it is another.

        Where rewards are 0 and 1 the preference is a linear function of the gain: one prediction tells both.
        """
        least, width = self._range
        gain = (self.gain - least) / width
        return [gain] if self.binary else [gain, self.preference]

    def preferred(self, targets: Sequence[FloatArray]) -> FloatArray:
        """Returns the predicted preferences of predicted targets, shape (n,)."""
        least, width = self._range
        return 0.5 + STEP * (least + width * targets[0]) if self.binary else targets[1]

    @property
    def _range(self) -> tuple[float, float]:
        """Least gain and its width; as far as 0 and 1 allow where rewards are so."""
        if self.binary:
            return -1.0, 2.0
        least = float(self.gain.min())
        return least, float(self.gain.max()) - least or 1.0


def preference(weak: FloatArray, strong: FloatArray) -> tuple[float, float]:
    """Returns the mean of `sigma(strong - weak)` over all pairs of samples (Eq. 12), and its variance.

    The variance is that of a mean over two independent sets of samples; NaN where one is a single sample.
    """
    table = expit(strong[:, None] - weak)
    if min(table.shape) < 2:
        return float(table.mean()), float("nan")
    rows, columns = table.mean(axis=1), table.mean(axis=0)
    variance = rows.var(ddof=1) / len(rows) + columns.var(ddof=1) / len(columns)
    return float(table.mean()), float(variance)
