"""Of the samples drawn, which one is the answer."""

from __future__ import annotations

import math
from collections.abc import Sequence


def best(rewards: Sequence[float | None]) -> int:
    """Returns the index of the sample to answer with: the highest reward, the first drawn among equals.

    Args:
        rewards: Each sample's reward in the order of drawing; None where the sample could not be verified,
            which says nothing about it but ranks below every reward.

    Returns:
        An index into `rewards`. Where none was verified, 0.

    Raises:
        ValueError: No samples, or a reward is not a number.
    """
    if not rewards:
        raise ValueError("rewards must name at least one sample")
    for index, reward in enumerate(rewards):
        if reward is not None and math.isnan(reward):
            raise ValueError(f"rewards[{index}] must be a number or None, not {reward}")
    return max(range(len(rewards)), key=lambda index: _rank(rewards[index]))


def _rank(reward: float | None) -> tuple[bool, float]:
    return (False, 0.0) if reward is None else (True, reward)
