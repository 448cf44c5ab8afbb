"""Which bounds a suite can be held to: those on figures that it measures.

A bound on anything else would be an alarm every night; it is refused when it is read.
"""

from __future__ import annotations

from collections.abc import Sequence

from adaqueue.core.evaluation import POLICIES
from adaqueue.core.routing_evaluation import SHARES
from adaqueue.core.suites import RECORDED, Limit, Suite

ROUTED = ("random", "routed", "routed_by_tfidf", "routed_by_length", "cascade")
ROUTING = (*ROUTED, "strong", "weak")
"""Policies on two decoders, whose budgets are shares of strong calls; `oracle` is of either kind."""

POWERS = tuple(2**power for power in range(10))
"""Average budgets of a recorded suite that names none."""

JUDGED = ("uniform", "uniform_early_stop", "sequential", "oracle", "sequential_oracle")
"""Policies whose figures follow from the draws that score a live suite."""

SHARE = "max_equal_reward_budget"
REWARD = "min_reward"
SUCCESS = "min_success"


def faults(suite: Suite) -> list[str]:
    """Returns why the suite cannot be held to some of its bounds: field, value and remedy; empty: it can."""
    alarms = suite.alarms
    if alarms.min_success and suite.kind == RECORDED:
        return [f"alarms.{SUCCESS}: of recorded outcomes nothing is really solved: give {REWARD}"]
    given = {SHARE: alarms.max_equal_reward_budget, REWARD: alarms.min_reward, SUCCESS: alarms.min_success}
    found = [
        (f"alarms.{figure}.{place}", _fault(suite, figure, limit))
        for figure, limits in given.items()
        for place, limit in enumerate(limits)
    ]
    return [f"{where}.{fault}" for where, fault in found if fault is not None]


def _fault(suite: Suite, figure: str, limit: Limit) -> str | None:
    policies = _policies(suite, figure)
    if limit.policy not in policies:
        return f"policy: {limit.policy!r}: not measured here: known are {', '.join(policies)}"
    budgets = _budgets(suite, limit.policy)
    if limit.budget not in budgets:
        known = ", ".join(map(str, budgets))
        return f"budget: {limit.budget}: {limit.policy} is not measured at it: known are {known}"
    return None


def _policies(suite: Suite, figure: str) -> Sequence[str]:
    if suite.kind == RECORDED:
        return (*POLICIES, *(ROUTED if figure == SHARE else ROUTING))
    scored = {SHARE: JUDGED, REWARD: (*JUDGED, *suite.policies), SUCCESS: suite.policies}[figure]
    return tuple(dict.fromkeys(scored))


def _budgets(suite: Suite, policy: str) -> Sequence[float]:
    if suite.kind == RECORDED and policy in ROUTING:
        return SHARES
    own = suite.budgets or POWERS
    return (*own, *SHARES) if suite.kind == RECORDED and policy == "oracle" else own
