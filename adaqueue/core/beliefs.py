"""What a probe believes of queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import betaln

from adaqueue.core.decisions import Prediction
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.posterior import beta_hazards


@dataclass(frozen=True, eq=False)
class Beliefs:
    """Of n queries: success probabilities are Beta distributed, but for a share that never succeeds.

    Attributes:
        alpha: shape (n,), > 0.
        beta: shape (n,), > 0.
        zero: share of such queries whose success probability is 0, shape (n,), [0, 1).
        tokens: generated tokens expected of a sample, shape (n,), NaN where the probe does not say.
    """

    alpha: FloatArray
    beta: FloatArray
    zero: FloatArray
    tokens: FloatArray

    @classmethod
    def of(cls, alpha: FloatArray, beta: FloatArray) -> Beliefs:
        """Returns beliefs without a share of zeros, which say nothing of tokens."""
        return cls(alpha, beta, np.zeros_like(alpha), np.full_like(alpha, np.nan))

    @classmethod
    def of_predictions(cls, predictions: Sequence[Prediction]) -> Beliefs:
        """Returns what predictions say, a row each."""
        rows = [(said.alpha, said.beta, said.zero, said.tokens) for said in predictions]
        table = np.array(rows, dtype=np.float64).reshape(-1, 4)
        return cls(*table.T)

    @property
    def success(self) -> FloatArray:
        """Mean success probability, shape (n,), in (0, 1)."""
        found: FloatArray = (1 - self.zero) * self.alpha / (self.alpha + self.beta)
        return found

    @property
    def score(self) -> FloatArray:
        """Logit of the mean success probability, shape (n,): what rules and calibrations read."""
        found: FloatArray = np.log(self.success) - np.log1p(-self.success)
        return found

    def hazards(self, b_max: int) -> FloatArray:
        """Returns the chance that the next sample succeeds after f failures, shape (n, b_max)."""
        return beta_hazards(self.alpha, self.beta, b_max, self.zero)

    def log_likelihood(self, successes: IntArray, samples: IntArray) -> FloatArray:
        """Returns the log likelihood of each query's draws in their order, in nats, shape (n,).

        It is beta-binomial without the binomial coefficient: whether a success ended the drawing does not
        change it.

        Args:
            successes: shape (n,), 0..samples.
            samples: shape (n,); 0 gives 0.
        """
        drawn = betaln(self.alpha + successes, self.beta + samples - successes) - betaln(
            self.alpha, self.beta
        )
        able = np.log1p(-self.zero) + drawn
        with np.errstate(divide="ignore"):
            hopeless = np.where(successes == 0, np.log(self.zero), -np.inf)
        found: FloatArray = np.logaddexp(able, hopeless)
        return found
