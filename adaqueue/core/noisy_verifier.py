"""What a verifier that errs makes of recorded samples: what it accepts, and how much of that is right.

A right sample is rejected with chance r, a wrong one accepted with chance f, each sample on its own; the
first accepted sample is the answer. Draws without replacement from n recorded samples, y of them right, hold
H right ones among the first k, hypergeometric; all k are rejected with chance `E[r^H (1-f)^(k-H)]`. The sum
over H ends where r^H is below 1e-15; else nothing is approximated. With f = r = 0 it is
`curves.recorded_survival`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammaln

from adaqueue.core.marginal import FloatArray, IntArray

NEGLIGIBLE = 1e-15


@dataclass(frozen=True, eq=False)
class Judged:
    """What becomes of each kind of query's draws, one after another.

    Attributes:
        open: chance that the first k are all rejected, shape (kinds, draws + 1).
        right: chance that a draw is the first that is accepted, and is right, shape (kinds, draws).
    """

    open: FloatArray
    right: FloatArray

    @property
    def accepted(self) -> FloatArray:
        """Chance that a draw is the first that is accepted, shape (kinds, draws)."""
        found: FloatArray = np.maximum(self.open[:, :-1] - self.open[:, 1:], 0.0)
        return found


def judged(
    successes: IntArray, samples: IntArray, draws: int, false_accepts: float, false_rejects: float
) -> Judged:
    """Returns what becomes of draws without replacement.

    Args:
        successes: right samples recorded of each kind of query, shape (kinds,).
        samples: recorded of each, at least `draws`, shape (kinds,).
        draws: considered of each.
        false_accepts: chance f that a wrong sample is accepted, [0, 1).
        false_rejects: chance r that a right sample is rejected, [0, 1).

    Raises:
        ValueError: a rate is out of range.
    """
    if not (0 <= false_accepts < 1 and 0 <= false_rejects < 1):
        raise ValueError(f"rates of errors must be in [0, 1), not {false_accepts} and {false_rejects}")
    drawn = np.arange(draws + 1)
    still = np.zeros((len(successes), draws + 1))
    ahead = np.zeros_like(still)
    for right in range(_most(successes, draws, false_rejects) + 1):
        chance = _hypergeometric(successes[:, None], samples[:, None], drawn, right)
        chance *= false_rejects**right * (1 - false_accepts) ** np.maximum(drawn - right, 0)
        still += chance
        ahead += chance * (successes[:, None] - right)
    left = samples[:, None] - drawn[:-1]
    return Judged(still, (1 - false_rejects) * ahead[:, :-1] / left)


def _most(successes: IntArray, draws: int, false_rejects: float) -> int:
    """Returns the most right samples that are all rejected with a chance that counts."""
    most = min(int(successes.max(initial=0)), draws)
    return min(most, int(np.log(NEGLIGIBLE) / np.log(false_rejects)) if false_rejects > 0 else 0)


def _hypergeometric(successes: IntArray, samples: IntArray, drawn: IntArray, right: int) -> FloatArray:
    """Returns the chance of so many right samples among those drawn, shape (kinds, draws + 1)."""
    wrong = drawn - right
    possible = (right <= successes) & (wrong >= 0) & (wrong <= samples - successes)
    log = _log_choose(successes, np.minimum(right, successes)) - _log_choose(samples, drawn)
    log = log + _log_choose(samples - successes, np.clip(wrong, 0, samples - successes))
    return np.where(possible, np.exp(log), 0.0)


def _log_choose(n: IntArray, k: IntArray) -> FloatArray:
    found: FloatArray = gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1)
    return found
