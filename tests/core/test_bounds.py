"""Proves that bounds on what a suite does not measure are found, and that those on what it measures pass."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adaqueue.core.alarms import alarms_of
from adaqueue.core.bounds import POWERS, faults
from adaqueue.core.routing_evaluation import SHARES
from adaqueue.core.suites import Alarms, Limit, Suite
from adaqueue.flows.evaluate import BUDGETS

RECORDED = Suite("r", "recorded", ("r.jsonl",), ("sequential",), (1, 2))
LIVE = Suite("l", "live", ("l.jsonl",), ("sequential", "window"), (2, 4), 8)


def share(policy: str, budget: float) -> Alarms:
    return Alarms(max_equal_reward_budget=(Limit(policy, budget, 0.9),))


def reward(policy: str, budget: float) -> Alarms:
    return Alarms(min_reward=(Limit(policy, budget, 0.5),))


def success(policy: str, budget: float) -> Alarms:
    return Alarms(min_success=(Limit(policy, budget, 0.5),))


@pytest.mark.parametrize(
    ("suite", "alarms", "words"),
    [
        (RECORDED, share("sequental", 2), "max_equal_reward_budget.0.policy: 'sequental': not measured here"),
        (RECORDED, reward("sequential", 3), "min_reward.0.budget: 3: sequential is not measured at it: kn"),
        (replace(RECORDED, budgets=()), reward("sequential", 3), "known are 1, 2, 4, 8, 16"),
        (RECORDED, success("sequential", 2), "min_success: of recorded outcomes nothing is really solved"),
        (RECORDED, share("routed", 2), "budget: 2: routed is not measured at it: known are 0.1, 0.2"),
        (RECORDED, share("strong", 0.5), "policy: 'strong': not measured here"),
        (LIVE, share("window", 2), "policy: 'window': not measured here: known are uniform, uniform_early"),
        (LIVE, success("uniform", 2), "policy: 'uniform': not measured here: known are sequential, window"),
        (LIVE, success("window", 8), "budget: 8: window is not measured at it: known are 2, 4"),
        (LIVE, share("routed", 0.5), "policy: 'routed': not measured here"),
    ],
)
def test_a_bound_on_what_is_not_measured_is_named_with_what_is(
    suite: Suite, alarms: Alarms, words: str
) -> None:
    (fault,) = faults(replace(suite, alarms=alarms))
    assert words in fault


@pytest.mark.parametrize(
    ("suite", "alarms"),
    [
        (RECORDED, share("sequential", 2)),
        (RECORDED, share("routed", 0.3)),
        (RECORDED, reward("strong", 1.0)),
        (RECORDED, share("oracle", 0.5)),
        (RECORDED, share("oracle", 2)),
        (LIVE, reward("window", 2)),
        (LIVE, success("window", 4)),
        (LIVE, share("uniform_early_stop", 4)),
    ],
)
def test_a_bound_on_what_is_measured_passes(suite: Suite, alarms: Alarms) -> None:
    assert faults(replace(suite, alarms=alarms)) == []


def test_a_suite_without_budgets_has_those_of_evaluate() -> None:
    assert POWERS == BUDGETS


def test_bounds_of_routing_are_told_in_strong_calls() -> None:
    data = {
        "kind": "routing",
        "policies": {"routed": {str(b): {"reward": 0.4} for b in SHARES}},
        "equal_reward_budget": {"routed": {"0.5": 0.95, "1.0": 0.8}},
    }
    bounds = Alarms(
        max_equal_reward_budget=(Limit("routed", 0.5, 0.9), Limit("routed", 1, 0.9)),
        min_reward=(Limit("routed", 0.3, 0.5),),
    )
    assert alarms_of({"r": data}, bounds) == [
        "r: routed needs 95% of random routing's strong calls at B=0.5, at most 90% is allowed",
        "r: routed has a reward of 0.400 at B=0.3, at least 0.5 is asked for",
    ]


def test_the_reward_of_chats_is_that_of_the_live_run() -> None:
    data = {"kind": "real", "policies": {}, "live": {"sequential": {"2": {"reward": 0.6}}}}
    assert alarms_of({"c": data}, reward("sequential", 2)) == []
    assert alarms_of({"c": data}, Alarms(min_reward=(Limit("sequential", 2, 0.7),))) == [
        "c: sequential has a reward of 0.600 at B=2, at least 0.7 is asked for"
    ]
    nothing = {"kind": "real", "policies": {}, "live": {"sequential": {"2": {"reward": None}}}}
    (told,) = alarms_of({"c": nothing}, reward("sequential", 2))
    assert "a reward of nothing that was measured" in told
