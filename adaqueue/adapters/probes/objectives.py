"""What each head's network is trained for, and what its numbers mean."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import torch
from scipy.special import expit
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as cross_entropy

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.marginal import FloatArray, from_rewards, from_vector
from adaqueue.core.outcomes import Outcomes

LARGEST_LOG = 6.0
WIDEST = 32
EDGE = 1e-3


@dataclass(frozen=True, slots=True)
class Targets:
    """What networks learn from, a row for each query.

    Attributes:
        successes: verified successes, float32[n].
        samples: verified samples, float32[n].
        wanted: what the head alone regresses, float32[n, k], NaN where unknown; k may be 0.
        log_tokens: log of the mean tokens of a sample, float32[n], NaN where unknown.
    """

    successes: Tensor
    samples: Tensor
    wanted: Tensor
    log_tokens: Tensor

    def take(self, rows: Tensor) -> Targets:
        """Returns the chosen queries."""
        return Targets(self.successes[rows], self.samples[rows], self.wanted[rows], self.log_tokens[rows])

    def to(self, device: torch.device) -> Targets:
        """Returns the same on a device."""
        columns = (self.successes, self.samples, self.wanted, self.log_tokens)
        return Targets(*(column.to(device) for column in columns))


@dataclass(frozen=True, slots=True)
class Objective:
    """How one head is trained and understood.

    Attributes:
        loss: mean loss of the network's numbers, float32[n, k], given targets.
        beliefs: Beta distributions and shares of zeros that those numbers mean.
        outputs: k, given the width of `Targets.wanted`.
    """

    loss: Callable[[Tensor, Targets], Tensor]
    beliefs: Callable[[FloatArray], Beliefs]
    outputs: Callable[[int], int]


def bounded(raw: Tensor) -> Tensor:
    """Returns the numbers within plus and minus 6, nearly unchanged in the middle."""
    return LARGEST_LOG * torch.tanh(raw / LARGEST_LOG)


def beta_loss(raw: Tensor, targets: Targets) -> Tensor:
    """Returns the mean beta-binomial loss, `-log B(y + alpha, n - y + beta) + log B(alpha, beta)`."""
    return -_log_chance(raw, targets).mean()


def beta_zero_loss(raw: Tensor, targets: Targets) -> Tensor:
    """Returns the same with a share of zeros: queries without any success may be hopeless."""
    logit = bounded(raw[:, 2])
    able = torch.nn.functional.logsigmoid(-logit) + _log_chance(raw, targets)
    either = torch.logaddexp(able, torch.nn.functional.logsigmoid(logit))
    return -torch.where(targets.successes > 0, able, either).mean()


def _log_chance(raw: Tensor, targets: Targets) -> Tensor:
    alpha, beta = bounded(raw[:, 0]).exp(), bounded(raw[:, 1]).exp()
    failures = targets.samples - targets.successes
    return _log_beta(alpha + targets.successes, beta + failures) - _log_beta(alpha, beta)


def _log_beta(a: Tensor, b: Tensor) -> Tensor:
    return torch.lgamma(a) + torch.lgamma(b) - torch.lgamma(a + b)


def _lambda_loss(raw: Tensor, targets: Targets) -> Tensor:
    return cross_entropy(bounded(raw[:, 0]), targets.successes / targets.samples)


def _marginal_loss(raw: Tensor, targets: Targets) -> Tensor:
    known = ~targets.wanted.isnan()
    return ((raw - targets.wanted)[known] ** 2).mean()


def _preference_loss(raw: Tensor, targets: Targets) -> Tensor:
    return cross_entropy(bounded(raw[:, 0]), targets.wanted[:, 0])


def _of_logs(raw: FloatArray) -> Beliefs:
    logs = LARGEST_LOG * np.tanh(raw / LARGEST_LOG)
    found = Beliefs.of(np.exp(logs[:, 0]), np.exp(logs[:, 1]))
    if raw.shape[1] == 2:
        return found
    return Beliefs(found.alpha, found.beta, expit(logs[:, 2]), found.tokens)


def of_mean(mean: FloatArray) -> Beliefs:
    """Returns Beta distributions of these means, in [0, 1], and the size 1: a calibration says how sure."""
    mean = np.clip(mean, EDGE, 1 - EDGE)
    return Beliefs.of(mean, 1 - mean)


def _of_logit(raw: FloatArray) -> Beliefs:
    return of_mean(expit(LARGEST_LOG * np.tanh(raw[:, 0] / LARGEST_LOG)))


def _of_vector(raw: FloatArray) -> Beliefs:
    return of_mean(from_vector(raw)[:, 0])


OBJECTIVES: Mapping[str, Objective] = {
    "beta": Objective(beta_loss, _of_logs, lambda _: 2),
    "lora": Objective(beta_loss, _of_logs, lambda _: 2),
    "length": Objective(beta_loss, _of_logs, lambda _: 2),
    "beta_zero": Objective(beta_zero_loss, _of_logs, lambda _: 3),
    "lambda": Objective(_lambda_loss, _of_logit, lambda _: 1),
    "marginal": Objective(_marginal_loss, _of_vector, lambda width: width),
    "preference": Objective(_preference_loss, _of_logit, lambda _: 1),
}
"""By the name of the head."""


def targets(head: str, data: Outcomes) -> Targets:
    """Returns what a head learns from outcomes."""
    wanted = _marginals(data) if head == "marginal" else np.empty((len(data), 0))
    with np.errstate(invalid="ignore"):
        log_tokens = np.log(np.maximum(data.tokens, 1.0))
    numbers = (data.successes, data.samples, wanted, log_tokens)
    return Targets(*(torch.from_numpy(np.asarray(each, dtype=np.float32)) for each in numbers))


def _marginals(data: Outcomes) -> FloatArray:
    """Exact marginal rewards of each query, up to its own number of samples, then NaN."""
    width = min(int(data.samples.max()), WIDEST)
    found = np.full((len(data), width), np.nan)
    for row, rewards in enumerate(data.rewards):
        known = min(len(rewards), width)
        found[row, :known] = from_rewards(np.array([rewards], dtype=np.float64), known)[0]
    return found
