"""Two decoders, a share of the queries for the strong one: what every order of sending them reaches."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.marginal import FloatArray

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
