"""The figures of a night that are compared with those of other nights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

import numpy as np

from adaqueue.core.metrics import pass_at

WIDTH = 2 * 1.96
"""Standard errors in a 95% interval."""

UNIFORM = "uniform"
LOWER = "lower"
HIGHER = "higher"
REWARD = ("reward_low", "reward_high")


@dataclass(frozen=True, slots=True)
class Figure:
    """One number of a night.

    Attributes:
        words: says it in a sentence, with `{}` for its value.
        value: None: not reached.
        error: its standard error from night to night; 0 where the same samples are replayed again.
        better: `lower` or `higher`.
        is_share: whether it is told in percent.
        each: of each query, in the order of the file, None where it is not known; empty: kept by nobody.
    """

    words: str
    value: float | None
    error: float
    better: str
    is_share: bool = True
    each: Sequence[float | None] = ()

    def told(self, value: float | None) -> str:
        """Returns a value in words."""
        if value is None:
            return "more than was drawn"
        return f"{value:.0%}" if self.is_share else f"{value:.3f}"


def figures(data: Mapping[str, Any], policies: Sequence[str]) -> dict[str, Figure]:
    """Returns the figures of a set that are compared, by name.

    Args:
        data: as `adaqueue evaluate --json` writes it, or a live set's.
        policies: that are watched; uniform's reward always is.
    """
    found: dict[str, Figure] = {}
    for policy in dict.fromkeys((UNIFORM, *policies)):
        found.update(_shares(data, policy))
        found.update(_rewards(data, policy))
        found.update(_lived(data, policy))
    return {**found, **dict(_predictor(data))}


def _predictor(data: Mapping[str, Any]) -> Iterator[tuple[str, Figure]]:
    predictor = data.get("predictor") or {}
    each = {"loss": (data.get("each") or {}).get("loss", ())}
    for name, words in (("loss", "the probe's loss is {}"), ("ece", "the probe's calibration error is {}")):
        if predictor.get(name) is not None:
            error = _error(predictor, f"{name}_low", f"{name}_high") if "live" in data else 0.0
            figure = Figure(words, predictor[name], error, LOWER, is_share=False, each=each.get(name, ()))
            yield f"predictor {name}", figure


def _shares(data: Mapping[str, Any], policy: str) -> Iterator[tuple[str, Figure]]:
    if policy == UNIFORM:
        return
    compared = "random routing's strong calls" if data.get("kind") == "routing" else "uniform's samples"
    details = (data.get("equal_reward_details") or {}).get(policy, {})
    for budget, share in (data.get("equal_reward_budget") or {}).get(policy, {}).items():
        detail = details.get(budget, {})
        of_splits = (detail.get("deviation") or 0.0) / sqrt(max(data.get("seeds") or 1, 1))
        error = _error(detail, "low", "high") if "live" in data else of_splits
        words = f"{policy} needs {{}} of {compared} at B={budget}"
        yield f"equal reward {policy} B={budget}", Figure(words, share, error, LOWER)


def _rewards(data: Mapping[str, Any], policy: str) -> Iterator[tuple[str, Figure]]:
    for budget, cell in (data.get("policies") or {}).get(policy, {}).items():
        words = f"{policy} reaches a reward of {{}} at B={budget}"
        error = _error(cell, "low", "high") if "live" in data else 0.0
        each = _uniform(data, budget) if policy == UNIFORM else ()
        figure = Figure(words, cell["reward"], error, HIGHER, is_share=False, each=each)
        yield f"reward {policy} B={budget}", figure


def _uniform(data: Mapping[str, Any], budget: str) -> Sequence[float | None]:
    """Best-of-B of each query; empty where successes are kept of none."""
    counts = (data.get("each") or {}).get("successes", ())
    if not counts:
        return ()
    known = np.array([0 if count is None else count for count in counts], dtype=np.int64)
    rewards = pass_at(known, data["samples"], int(budget)).tolist()
    return [None if count is None else reward for count, reward in zip(counts, rewards, strict=True)]


def _lived(data: Mapping[str, Any], policy: str) -> Iterator[tuple[str, Figure]]:
    """What the system really reached: success, and the reward where it is a real number."""
    for budget, cell in (data.get("live") or {}).get(policy, {}).items():
        each = cell.get("each", ())
        if data.get("kind") != "real":
            words = f"{policy} really solves {{}} of the queries at B={budget}"
            error = _error(cell, "low", "high")
            yield f"success {policy} B={budget}", Figure(words, cell["success"], error, HIGHER, each=each)
        elif cell["reward"] is not None:
            words, error = f"{policy} really reaches a reward of {{}} at B={budget}", _error(cell, *REWARD)
            figure = Figure(words, cell["reward"], error, HIGHER, is_share=False, each=each)
            yield f"live reward {policy} B={budget}", figure


def _error(cell: Mapping[str, Any], low: str, high: str) -> float:
    """Returns the standard error that a 95% interval tells; 0 without one: the tolerance alone decides."""
    least, most = cell.get(low), cell.get(high)
    return 0.0 if least is None or most is None else float((most - least) / WIDTH)
