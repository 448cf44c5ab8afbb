"""Policies on recorded real rewards, where the best sample is the answer and none closes a query.

Rewards are replayed in random orders, without replacement and such that each is as often in each place. The
population of the sequential rule is fitted on the other folds; then all queries are bought from at one price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial

import numpy as np

from adaqueue.core.curves import Purchases
from adaqueue.core.distribution import of_deviations
from adaqueue.core.evaluation import Evaluation, Plan, Progress, Tranche, over_splits
from adaqueue.core.folds import balanced_folds
from adaqueue.core.improvement import expected_improvement, fit
from adaqueue.core.marginal import FloatArray, IntArray, from_rewards
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.replays import Needed, Reached, Replay, needed, reached

MOST_ROWS = 10_000
"""Queries times orders that are replayed at once."""

FEWEST = 5
"""Queries of a tranche."""

OTHER, SAME = "the other rewards", "the same rewards"
"""On which tranches are chosen, beside those that score them."""

POLICIES = ("uniform", "sequential", "oracle", "sequential_oracle")


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
    rewards, least = common_rewards(outcomes)
    groups, everyone = outcomes.groups, {"all": np.arange(len(rewards))}
    whole = _replayed(rewards, groups, everyone, plan, partial(on_progress, "splits"))["all"].found(least)
    choosing, scored, chosen_on = apart(rewards, plan.budgets[-1])
    parts = tranches(choosing)
    stages = _replayed(scored, groups, parts, plan, partial(on_progress, "tranches")) if parts else {}
    found = {
        name: Tranche(len(parts[name]), *stage.found(least), chosen_on) for name, stage in stages.items()
    }
    return Evaluation(*whole, "uniform", None, {}, of_deviations(rewards), tranches=found)


def _replayed(
    rewards: FloatArray,
    groups: IntArray,
    parts: Mapping[str, IntArray],
    plan: Plan,
    on_split: Callable[[int, int], None],
) -> dict[str, Stage]:
    """Returns parts of the queries, each with its own budget, on which every policy has been replayed."""
    copies = int(np.clip(MOST_ROWS // len(rewards), 1, rewards.shape[1]))
    stages = {name: Stage(rewards[rows], groups[rows], plan, copies) for name, rows in parts.items()}
    for seed in range(plan.seeds):
        orders = begun(np.random.default_rng(seed).permuted(rewards, axis=1), copies)
        folds = balanced_folds(groups, rewards.mean(axis=1), plan.folds, seed)
        worth = {"sequential": believed(orders, folds), "sequential_oracle": left(orders)}
        for name, rows in parts.items():
            for policy, index in worth.items():
                stages[name].read(policy, orders[:, rows], index[:, rows])
        on_split(seed + 1, plan.seeds)
    return stages


def common_rewards(outcomes: Outcomes) -> tuple[FloatArray, float]:
    """Returns the rewards that every query has, above the least of them, shape (n, draws), and the least."""
    draws = int(outcomes.samples.min())
    recorded = np.array([row[:draws] for row in outcomes.rewards])
    least = float(recorded.min())
    return recorded - least, least  # curves begin at nothing


def apart(rewards: FloatArray, budget: int) -> tuple[FloatArray, FloatArray, str]:
    """Returns the rewards that choose tranches, those that score them, and in words which the first are.

    A query whose rewards happen to vary looks as if more samples were worth more to it, so the rewards that
    choose are every other one, and the rest score. Where these are fewer than twice the largest budget, a
    policy would have little left to choose from, and all rewards do both.
    """
    if rewards.shape[1] // 2 < 2 * budget:
        return rewards, rewards, SAME
    return rewards[:, ::2], rewards[:, 1::2], OTHER


def tranches(rewards: FloatArray) -> dict[str, IntArray]:
    """Returns the rows of the tenth with the lowest and with the highest variance, and of both together.

    Empty where a tenth has fewer than `FEWEST` queries.
    """
    size = len(rewards) // 10
    if size < FEWEST:
        return {}
    order = np.argsort(rewards.var(axis=1), kind="stable")
    lowest, highest = np.sort(order[:size]), np.sort(order[-size:])
    return {"lowest": lowest, "highest": highest, "both": np.concatenate([lowest, highest])}


class Stage:
    """Queries on which policies are replayed in many orders of their rewards.

    Args:
        rewards: shape (n, m), at least 0.
        groups: queries of one number are resampled together, shape (n,).
        plan: budgets at most m.
        copies: orders of each query that are replayed at once.
        known: rewards by which the oracle decides, of shape (n, m); default those that are replayed.
    """

    def __init__(
        self,
        rewards: FloatArray,
        groups: IntArray,
        plan: Plan,
        copies: int,
        known: FloatArray | None = None,
    ) -> None:
        gains = from_rewards(rewards, rewards.shape[1])
        read = gains if known is None else from_rewards(known, rewards.shape[1])
        uniform = np.cumsum(gains, axis=1)[:, np.array(plan.budgets) - 1]
        alone = Replay(uniform, groups, plan.budgets)
        self._plan = plan
        self._replay = Replay(np.tile(uniform, (copies, 1)), np.tile(groups, copies), plan.budgets)
        at_once = _bought(np.minimum.accumulate(read[:, 1:], axis=1), gains)
        self._readings = {"uniform": [alone.uniform()], "oracle": [alone.same(at_once)]}

    def read(self, policy: str, orders: FloatArray, index: FloatArray) -> None:
        """Adds one split of a policy that draws one by one, by the index of each sample after the first."""
        self._readings.setdefault(policy, []).append(self._replay.same(_in_turn(orders, index)))

    def found(
        self, least: float
    ) -> tuple[Mapping[str, Mapping[int, Reached]], Mapping[str, Mapping[int, Needed]]]:
        """Returns rewards, which count from `least`, and needs, by policy and average budget."""
        own = {name: self._readings[name] for name in POLICIES if name in self._readings}
        mean = partial(reached, least=least)
        return (
            {name: over_splits(splits, self._plan, mean) for name, splits in own.items()},
            {
                name: over_splits(splits, self._plan, needed, own["uniform"][0])
                for name, splits in own.items()
            },
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


def taught(orders: FloatArray, rewards: Sequence[Sequence[float]]) -> FloatArray:
    """Returns what the rule expects of each sample where these rewards are its population, as `believed`."""
    drawn, best, mean = seen(orders)
    worth = expected_improvement(fit(rewards), drawn.ravel(), best.ravel(), mean.ravel())
    return worth.reshape(drawn.shape)


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
