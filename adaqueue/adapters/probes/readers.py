"""What baselines read of a prompt: nothing, or its length."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from adaqueue.core.outcomes import States


def lengths(prompts: Sequence[str]) -> States:
    """Returns the logs of each prompt's characters and words, float32[n, 2]."""
    counts = [(len(prompt), len(prompt.split())) for prompt in prompts]
    return np.log1p(np.array(counts, dtype=np.float32).reshape(len(prompts), 2))
