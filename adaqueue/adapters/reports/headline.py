"""What a set of figures says, in sentences that are computed from it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from adaqueue.adapters.reports import words
from adaqueue.adapters.reports.sets import BINARY, ROUTING, Figures, headline_budget, kind_of

OWN = ("sequential", "window", "bins")
"""What the headline is about: the first of these that the set has."""

STOPPING = "uniform_early_stop"


def sentences(figures: Figures) -> list[str]:
    """Returns the headline and what qualifies it; for a set without figures, why it has none."""
    if "error" in figures:
        return [f"Not evaluated: {figures['error']}"]
    if kind_of(figures) == ROUTING:
        return _routing(figures)
    found = [_needs(figures)]
    if kind_of(figures) == BINARY:
        found += _against_stopping(figures)
    elif "oracle" in figures["equal_reward_budget"]:
        b = headline_budget(figures)
        known = words.percent(figures["equal_reward_budget"]["oracle"][b])
        found.append(f"One who knew every reward beforehand, and granted all at once: {known}.")
    return [*found, *_all_budgets(figures), *_probe(figures)]


def _own(figures: Figures) -> str:
    return next((name for name in OWN if name in figures["equal_reward_budget"]), OWN[0])


def _needs(figures: Figures) -> str:
    b, name = headline_budget(figures), _own(figures)
    shares = figures["equal_reward_budget"]
    own = shares.get(name, {}).get(b)
    if own is None:
        return f"{name} does not reach the reward of uniform at B = {b} within what was recorded."
    needs = f"{words.percent(own)} of its samples{_within(figures, b)}"
    told = f"{name} reaches the reward of uniform at B = {b} with {needs}"
    if STOPPING not in shares:
        return f"{told}."
    other = shares[STOPPING][b]
    if other is None:
        return f"{told}; uniform with early stop does not reach it."
    return f"{told}; uniform with early stop needs {words.percent(other)}."


def _within(figures: Figures, budget: str) -> str:
    detail = _detail(figures, budget)
    if not detail or detail.get("low") is None:
        return ""
    return f" (95%: {words.share_range(detail['low'], detail['high'])})"


def _detail(figures: Figures, budget: str) -> Mapping[str, Any]:
    details = figures.get("equal_reward_details") or {}
    found: Mapping[str, Any] = details.get(_own(figures), {}).get(budget, {})
    return found


def _against_stopping(figures: Figures) -> list[str]:
    b = headline_budget(figures)
    paired = _detail(figures, b).get(f"over_{STOPPING}")
    if not paired or paired["low"] is None or paired["high"] is None:
        return []
    interval = f"{words.points(paired['low'], paired['high'])} points"
    if paired["high"] < 0:
        return [
            f"That is fewer than early stop alone needs (paired 95% interval of the difference: {interval})."
        ]
    if paired["low"] > 0:
        return [
            f"That is more than early stop alone needs (paired 95% interval of the difference: {interval})."
        ]
    return [
        f"The two cannot be told apart on these queries (paired 95% interval of the difference: {interval})."
    ]


def _all_budgets(figures: Figures) -> list[str]:
    name = _own(figures)
    row = figures["equal_reward_budget"].get(name, {})
    if len(row) < 2:
        return []
    told = words.listed([f"{words.percent(value)} at {b}" for b, value in row.items()])
    return [f"{name} over all average budgets B: {told}."]


def _probe(figures: Figures) -> list[str]:
    quality = figures.get("predictor")
    if not quality or quality.get("optimal") is None or quality["average"] <= quality["optimal"]:
        return []
    if quality["loss"] > quality["average"]:
        return [
            "The probe predicts these queries worse than their mean would: its loss is above the average."
        ]
    closed = (quality["average"] - quality["loss"]) / (quality["average"] - quality["optimal"])
    right = quality.get("accuracy")
    accuracy = (
        ""
        if right is None
        else f", and puts {words.percent(right)} of the queries on the right side of the median"
    )
    return [
        f"The probe closes {words.percent(closed)} of the distance from average to optimal loss{accuracy}."
    ]


def _routing(figures: Figures) -> list[str]:
    b, shares = headline_budget(figures), figures["equal_reward_budget"]
    own = shares.get("routed", {}).get(b)
    sent = words.percent(float(b))
    if own is None:
        return [f"Routing by the probe does not reach the reward of random routing with {sent} strong calls."]
    told = (
        f"Routing by the probe reaches the reward of {sent} strong calls at random "
        f"with {words.percent(own)} of them"
    )
    known = shares.get("oracle", {}).get(b)
    return [f"{told}; the oracle needs {words.percent(known)}." if known is not None else f"{told}."]
