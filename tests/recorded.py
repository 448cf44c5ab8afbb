"""Made-up recorded outcomes: rewards as given, prompts that say nothing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes


def recorded(
    rewards: FloatArray | Sequence[Sequence[float]],
    groups: IntArray | None = None,
    tokens: FloatArray | None = None,
) -> Outcomes:
    """Outcomes of queries that are no near duplicates, unless grouped, and that nothing stopped."""
    n = len(rewards)
    return Outcomes(
        ids=tuple(map(str, range(n))),
        messages=tuple(({"role": "user", "content": f"query {place}"},) for place in range(n)),
        states=None,
        rewards=tuple(tuple(map(float, row)) for row in rewards),
        stopped=np.zeros(n, dtype=np.bool_),
        groups=np.arange(n) if groups is None else groups,
        tokens=np.full(n, np.nan) if tokens is None else tokens,
    )
