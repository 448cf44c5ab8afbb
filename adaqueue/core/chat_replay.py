"""Policies on recorded real rewards, where the best sample is the answer and none closes a query.

Rewards are replayed in random orders, without replacement and such that each is as often in each place. The
population of the sequential rule is fitted on the other folds; then all queries are bought from at one price.
"""

from __future__ import annotations

from functools import partial

import numpy as np

from adaqueue.core.curves import Purchases
from adaqueue.core.distribution import of_deviations
from adaqueue.core.evaluation import Evaluation, Plan, Progress, over_splits
from adaqueue.core.folds import balanced_folds
from adaqueue.core.improvement import expected_improvement, fit
from adaqueue.core.marginal import FloatArray, IntArray, from_rewards
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.replays import Replay, needed, reached

MOST_ROWS = 10_000
"""Queries times orders that are replayed at once."""


def evaluate_rewards(outcomes: Outcomes, plan: Plan, on_progress: Progress) -> Evaluation:
    """Returns what every policy reaches on real rewards, and what it needs for uniform's mean reward.

    Policies: `uniform`, exact; `sequential`, see `core.improvement`; `oracle`, which knows each query's
    rewards and sets all budgets at once; `sequential_oracle`, which knows the rewards that are left of each
    query, not their order. No probe is asked. Every query gets a sample, so no average budget is below 1.

    Args:
        outcomes: queries with rewards, of which the first are replayed, as many as every query has.
        plan: budgets at most so many.
        on_progress: called after each way to split.
    """
    draws = int(outcomes.samples.min())
    recorded = np.array([row[:draws] for row in outcomes.rewards])
    least = float(recorded.min())
    rewards = recorded - least  # curves begin at nothing
    exact = np.cumsum(from_rewards(rewards, draws), axis=1)
    uniform = exact[:, np.array(plan.budgets) - 1]
    truth = np.diff(exact, axis=1, prepend=0.0)
    alone = Replay(uniform, outcomes.groups, plan.budgets)
    readings = {"uniform": [alone.uniform()], "sequential": [], "sequential_oracle": []}
    readings["oracle"] = [alone.same(_bought(np.minimum.accumulate(truth[:, 1:], axis=1), truth))]
    copies = int(np.clip(MOST_ROWS // len(rewards), 1, draws))
    replay = Replay(np.tile(uniform, (copies, 1)), np.tile(outcomes.groups, copies), plan.budgets)
    for seed in range(plan.seeds):
        orders = begun(np.random.default_rng(seed).permuted(rewards, axis=1), copies)
        folds = balanced_folds(outcomes.groups, rewards.mean(axis=1), plan.folds, seed)
        readings["sequential"].append(replay.same(_in_turn(orders, believed(orders, folds))))
        readings["sequential_oracle"].append(replay.same(_in_turn(orders, left(orders))))
        on_progress("splits", seed + 1, plan.seeds)
    names = ("uniform", "sequential", "oracle", "sequential_oracle")
    return Evaluation(
        {name: over_splits(readings[name], plan, partial(reached, least=least)) for name in names},
        {name: over_splits(readings[name], plan, needed, readings["uniform"][0]) for name in names},
        "uniform",
        None,
        {},
        of_deviations(recorded),
    )


def begun(rewards: FloatArray, copies: int) -> FloatArray:
    """Returns each query's rewards begun at so many of them in turn, shape (copies, n, m).

    Begun at all m of them, each reward is as often in each place.
    """
    starts = np.arange(copies) * rewards.shape[1] // copies
    return np.stack([np.roll(rewards, -start, axis=1) for start in starts])


def seen(orders: FloatArray) -> tuple[IntArray, FloatArray, FloatArray]:
    """Returns number, best and mean of the samples before each but the first, each (copies, n, m - 1)."""
    drawn = np.broadcast_to(np.arange(1, orders.shape[2]), (*orders.shape[:2], orders.shape[2] - 1))
    best = np.maximum.accumulate(orders, axis=2)[:, :, :-1]
    return drawn, best, np.cumsum(orders, axis=2)[:, :, :-1] / drawn


def believed(orders: FloatArray, folds: IntArray) -> FloatArray:
    """Returns what the rule expects of each sample after the first, (copies, n, m - 1)."""
    drawn, best, mean = seen(orders)
    worth = np.empty(drawn.shape)
    for fold in np.unique(folds):
        own = np.broadcast_to((folds == fold)[:, None], drawn.shape)
        population = fit(orders[0][folds != fold].tolist())
        worth[own] = expected_improvement(population, drawn[own], best[own], mean[own])
    return worth


def left(orders: FloatArray) -> FloatArray:
    """Returns how far the rewards that are left beat the best so far, on average, (copies, n, m - 1)."""
    best = np.maximum.accumulate(orders, axis=2)
    places = range(1, orders.shape[2])
    over = [np.maximum(orders[:, :, d:] - best[:, :, d - 1 : d], 0).mean(axis=2) for d in places]
    return np.stack(over, axis=2)


def _in_turn(orders: FloatArray, index: FloatArray) -> Purchases:
    """Bought one by one: a sample is reached only after those before it, at the smallest index so far."""
    best = np.maximum.accumulate(orders, axis=2).reshape(-1, orders.shape[2])
    lowest = np.minimum.accumulate(index, axis=2).reshape(-1, index.shape[2])
    return _bought(lowest, np.diff(best, axis=1, prepend=0.0))


def _bought(index: FloatArray, gains: FloatArray) -> Purchases:
    """Every query's first sample is bought before all others."""
    first = np.full((len(index), 1), np.inf)
    return Purchases.of_units(np.concatenate([first, index], axis=1), np.ones(gains.shape), gains)
