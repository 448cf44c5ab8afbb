"""Real rewards: a population that was learnt elsewhere, and what careless evaluations would have said."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from adaqueue.core.chat_replay import MOST_ROWS, Stage, begun, common_rewards, left, seen, taught
from adaqueue.core.evaluation import Evaluation, Plan
from adaqueue.core.improvement import mean_excess
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.optimism import Optimism, Pair
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.replays import Needed, Reached

SEED = 0
"""Of the orders."""

Figures = tuple[Mapping[str, Mapping[int, Reached]], Mapping[str, Mapping[int, Needed]]]
"""Rewards, and samples for uniform's reward, by policy and average budget."""


def transferred_rewards(outcomes: Outcomes, training: Outcomes, plan: Plan) -> Figures:
    """Returns what policies reach and need where the rule's population is that of another set.

    Args:
        outcomes: the set on which policies are replayed.
        training: the other; its rewards are of the same scale.
        plan: budgets at most the samples that every query of the first set has.
    """
    rewards, least = common_rewards(outcomes)
    orders = _orders(rewards)
    stage = Stage(rewards, outcomes.groups, plan, len(orders))
    stage.read(
        "sequential", orders, taught(orders, [(np.array(row) - least).tolist() for row in training.rewards])
    )
    stage.read("sequential_oracle", orders, left(orders))
    return stage.found(least)


def optimism_of_rewards(outcomes: Outcomes, plan: Plan, honest: Evaluation) -> Optimism:
    """Returns the honest figures beside those of a careless evaluation.

    `sequential` is careless where its population holds the queries that score it. The oracles read rewards:
    their honest figures are decided by a random half of each query's rewards and scored on the other, the
    careless ones decided by that other half; budgets go up to its size.
    """
    rewards, least = common_rewards(outcomes)
    orders = _orders(rewards)
    stage = Stage(rewards, outcomes.groups, plan, len(orders))
    stage.read("sequential", orders, taught(orders, rewards.tolist()))
    fitted = ((honest.policies, honest.needed), stage.found(least))
    oracles = _halves(rewards, outcomes.groups, plan, least)
    told = {"uniform": fitted, "sequential": fitted, "oracle": oracles, "sequential_oracle": oracles}

    def pairs(figure: Callable[[Figures, str, int], float | None]) -> dict[str, dict[int, Pair]]:
        return {
            name: {b: Pair(figure(own, name, b), figure(same, name, b)) for b in plan.budgets}
            for name, (own, same) in told.items()
        }

    return Optimism(pairs(_reward), pairs(_share), len(outcomes), len(outcomes))


def _reward(figures: Figures, name: str, budget: int) -> float | None:
    found = figures[0].get(name, {}).get(budget)
    return None if found is None else found.reward


def _share(figures: Figures, name: str, budget: int) -> float | None:
    found = figures[1].get(name, {}).get(budget)
    return None if found is None else found.share


def _halves(rewards: FloatArray, groups: IntArray, plan: Plan, least: float) -> tuple[Figures, Figures]:
    """Returns the oracles' figures on half of each query's rewards: by the other half, and by the same."""
    size = rewards.shape[1] // 2
    within = replace(plan, budgets=tuple(budget for budget in plan.budgets if budget <= size))
    if not within.budgets:
        return ({}, {}), ({}, {})
    shuffled = np.random.default_rng(SEED).permuted(rewards, axis=1)
    one, two = shuffled[:, :size], shuffled[:, size : 2 * size]
    orders = _orders(two)
    fresh, same = Stage(two, groups, within, len(orders), one), Stage(two, groups, within, len(orders))
    fresh.read("sequential_oracle", orders, _over(one, orders))
    same.read("sequential_oracle", orders, left(orders))
    return fresh.found(least), same.found(least)


def _over(known: FloatArray, orders: FloatArray) -> FloatArray:
    """Returns how far known rewards beat the best so far, on average, (copies, n, m - 1)."""
    _, best, _ = seen(orders)
    over = [mean_excess(np.sort(own), best[:, row].ravel()) for row, own in enumerate(known)]
    return np.stack(over, axis=1).reshape(best.shape[0], best.shape[2], len(known)).swapaxes(1, 2)


def _orders(rewards: FloatArray) -> FloatArray:
    """Returns random orders of each query's rewards, (copies, n, m)."""
    copies = int(np.clip(MOST_ROWS // len(rewards), 1, rewards.shape[1]))
    return begun(np.random.default_rng(SEED).permuted(rewards, axis=1), copies)
