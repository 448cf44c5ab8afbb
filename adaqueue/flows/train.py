"""Step 7 of a query's life: recorded outcomes become a probe."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from adaqueue.core.curves import recorded_survival
from adaqueue.core.metrics import predictor_quality
from adaqueue.core.query import Query
from adaqueue.core.rule import Rule, fit_rule
from adaqueue.ports import FeatureProvider

log = logging.getLogger(__name__)

States = NDArray[np.float32]
Counts = NDArray[np.int64]
HELD_OUT_SHARE = 0.2


class Probe(Protocol):
    """What training makes."""

    def predict(self, states: States) -> NDArray[np.float64]:
        """Returns (alpha, beta), float64[n, 2], of hidden states float32[n, size]."""
        ...

    def to_bytes(self) -> bytes:
        """Returns the weights."""
        ...


def train(
    outcomes: Sequence[Query],
    provider: FeatureProvider,
    fit: Callable[[States, Counts, int, int], Probe],
    seed: int = 0,
) -> tuple[Probe, Rule, dict[str, float | None]]:
    """Returns a probe, and what queries that it was not fitted on teach: its rule and its quality.

    Args:
        outcomes: queries with the same number of recorded, binary rewards each.
        provider: turns prompts into hidden states.
        fit: hidden states, success counts, samples and seed to a probe.
        seed: of the split and of the fit.
    """
    vectors = provider.vectors([query.messages for query in outcomes])
    states = np.stack([np.frombuffer(vector, dtype=np.float32) for vector in vectors])
    rewards = [[s.reward or 0.0 for s in query.recording.samples] for query in outcomes if query.recording]
    samples = len(rewards[0])
    successes = np.array([sum(reward > 0 for reward in row) for row in rewards], dtype=np.int64)
    order = np.random.default_rng(seed).permutation(len(states))
    held_out, kept = np.split(order, [int(HELD_OUT_SHARE * len(order))])
    probe = fit(states[kept], successes[kept], samples, seed)
    beta = probe.predict(states[held_out])
    survival = recorded_survival(successes[held_out], samples, samples)
    rule = fit_rule(np.log(beta[:, 0] / beta[:, 1]), survival, seed)
    quality = predictor_quality(beta[:, 0] / beta.sum(axis=1), successes[held_out], samples)
    log.info("probe trained on %d queries; on %d others %s", len(kept), len(held_out), quality)
    figures = {name: float(getattr(quality, name)) for name in quality.__dataclass_fields__}
    return probe, rule, {name: value if math.isfinite(value) else None for name, value in figures.items()}
