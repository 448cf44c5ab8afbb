"""Made-up outcomes for tests of probes: rewards as given, states by chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adaqueue.core.marginal import FloatArray
from adaqueue.core.outcomes import Outcomes

SIZE, SAMPLES = 6, 24


def outcomes(
    rewards: Sequence[tuple[float, ...]],
    prompts: Sequence[str] | None = None,
    stopped: bool = False,
    seed: int = 0,
) -> Outcomes:
    """Outcomes of queries that are no near duplicates, with states of six numbers."""
    n = len(rewards)
    asked = prompts or [f"query {place}" for place in range(n)]
    return Outcomes(
        ids=tuple(map(str, range(n))),
        messages=tuple(({"role": "user", "content": prompt},) for prompt in asked),
        states=np.random.default_rng(seed).normal(size=(n, SIZE)).astype(np.float32),
        rewards=tuple(rewards),
        stopped=np.full(n, stopped),
        groups=np.arange(n),
        tokens=np.full(n, np.nan),
    )


def population(alpha: FloatArray, beta: FloatArray, seed: int) -> Outcomes:
    """Queries each of which draws its own success probability from its own Beta distribution."""
    rng = np.random.default_rng(seed)
    success = rng.beta(alpha, beta)[:, None]
    drawn = (rng.random((len(alpha), SAMPLES)) < success).astype(np.float64)
    return outcomes([tuple(row) for row in drawn.tolist()])
