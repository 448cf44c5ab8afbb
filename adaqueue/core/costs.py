"""Units that cost differently: concave envelopes of reward against cost, and what is bought of them.

Best-of-k with unequal costs, routing between a weak and a strong decoder, and mixtures of both are one
problem: each query has points (cost, reward), its envelope is a chain of steps whose reward per cost falls,
and the steps of all queries are bought greedily.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.marginal import BoolArray, FloatArray, IntArray, pool, require_probabilities


@dataclass(frozen=True, eq=False)
class Steps:
    """What each query may buy, one step after the other; k is the longest chain.

    Attributes:
        gain: Reward that each step adds, shape (n, k).
        cost: What each step costs, > 0, shape (n, k); infinite where there is no step. gain/cost never rises
            along a row.
        reaches: The point at which a query stands after each step, shape (n, k).
        start: The point at which each query stands before the first, shape (n,).
        paid: What standing there costs each query, shape (n,), at least 0.
    """

    gain: FloatArray
    cost: FloatArray
    reaches: IntArray
    start: IntArray
    paid: FloatArray


@dataclass(frozen=True, eq=False)
class Choice:
    """What was bought.

    Attributes:
        points: The point at which each query ends, shape (n,).
        price: Reward per cost of the cheapest step bought; infinite where none was.
        spent: What all of it costs, starts included.
    """

    points: IntArray
    price: float
    spent: float


def envelope(reward: FloatArray, cost: FloatArray) -> Steps:
    """Returns each query's steps along the concave envelope of its points, from the first point upwards.

    A point is anything that a query may be given: a number of samples, a decoder, so many weak samples and so
    many strong ones. Points under the envelope, or no better than a cheaper one, are never reached. For
    routing the points are the weak decoder (first) and the strong one: buying the steps sends the queries of
    the largest gain per cost to the strong one, as the paper's routing does at equal costs.

    Args:
        reward: Expected reward of each point, shape (n, p), finite, p at least 1, in any sequence.
        cost: Cost of each point, broadcast to (n, p), finite, at least 0. The first is what every query gets;
            each other costs more.

    Returns:
        The steps; `reaches` counts points as given, from 0.

    Raises:
        ValueError: A number is not finite, a shape is wrong, or a point costs no more than the first.
    """
    _require_points(reward, cost := np.broadcast_to(cost, reward.shape))
    sequence = np.lexsort((-reward, cost), axis=1)
    ordered = np.take_along_axis(cost, sequence, axis=1)
    best = np.maximum.accumulate(np.take_along_axis(reward, sequence, axis=1), axis=1)
    gain, paid, last = pool(np.diff(best, axis=1), np.diff(ordered, axis=1))
    better = gain > 0.0
    # at equal cost the best point stands first; `best` names the reward, this the point that has it
    first = np.take_along_axis(sequence, _first_of_equal(best), axis=1)
    reaches = np.take_along_axis(first, np.maximum(last, -1) + 1, axis=1)
    start, base = sequence[:, 0], ordered[:, 0]
    return Steps(np.where(better, gain, 0.0), np.where(better, paid, np.inf), reaches, start, base)


def chain(delta: FloatArray, costs: FloatArray, low: IntArray, high: IntArray) -> Steps:
    """Returns the steps of units that must be bought one after the other, from `low` to `high`.

    Args:
        delta: Marginal reward of each unit, shape (n, b), finite, rising or not.
        costs: Cost of each unit, shape (n, b), finite, > 0.
        low: Units that each query gets first, shape (n,), 0..b.
        high: Units that no query may exceed, shape (n,), low..b.

    Returns:
        The steps; a point is a number of units. Units worth nothing or less are steps as well, the last ones.

    Raises:
        ValueError: A cost is not a finite number > 0.
    """
    wrong = ~((costs > 0.0) & np.isfinite(costs))
    if wrong.any():
        raise ValueError(f"costs must be finite and > 0, not {costs[wrong][0]}")
    column = np.arange(delta.shape[1])
    first, beyond = column < low[:, np.newaxis], column >= high[:, np.newaxis]
    # an infinite ratio merges with no later one, and none merges with a ratio of minus infinity
    gain, cost, last = pool(np.where(first, np.inf, np.where(beyond, -np.inf, delta)), costs)
    cost = np.where(np.isfinite(gain), cost, np.inf)
    paid = np.where(first, costs, 0.0).sum(axis=1)
    return Steps(np.where(np.isfinite(gain), gain, 0.0), cost, last + 1, low, paid)


def buy(steps: Steps, total: float, *, order: IntArray | None = None) -> Choice:
    """Returns what greedy buys: the step of most gain per cost first, never over the total.

    A step that no longer fits is passed over, with all later steps of its query, and the search goes on to
    those that fit; that never gives less than stopping there. What is bought is within one step of the
    optimum: short of it by less than the gain of the first step passed over. More to spend never gives less
    reward, though a single query may get less.

    Args:
        steps: What may be bought, from `envelope`.
        total: What may be spent, starts included. Whole costs, as of tokens, are added without rounding.
        order: Rank of each query, shape (n,); default the index. Equal ratios go to the earlier step of its
            query first, then by rank.

    Returns:
        The choice; `spent` is at most `total`.

    Raises:
        ValueError: The starts alone cost more than the total.
    """
    left = total - float(steps.paid.sum())
    if not left >= 0.0:  # true for NaN as well
        raise ValueError(f"total must be at least the cost of the starts, {steps.paid.sum()}, not {total}")
    query, number = np.nonzero(np.isfinite(steps.cost))
    ratio = (steps.gain / steps.cost)[query, number]
    ranks = query if order is None else order[query]
    sequence = np.lexsort((ranks, number, -ratio))
    query, number, ratio = query[sequence], number[sequence], ratio[sequence]
    cost = steps.cost[query, number]
    taken = _fitting(cost, query, left)
    points = steps.start.copy()
    np.maximum.at(reached := np.full(len(points), -1), query[taken], number[taken])
    moved = np.flatnonzero(reached >= 0)
    points[moved] = steps.reaches[moved, reached[moved]]
    spent = float(steps.paid.sum() + cost[taken].sum())
    return Choice(points, float(ratio[taken].min(initial=np.inf)), spent)


def combinations(weak: FloatArray, strong: FloatArray, most: tuple[int, int]) -> tuple[FloatArray, IntArray]:
    """Returns the chance of a success of every combination of weak and strong samples, and the combinations.

    Failures of both decoders at the same query go together: what is hard for one is hard for the other. Given
    the query's two success probabilities they are independent, so give either these, or k equally likely
    pairs of them for each query, whose mean keeps the correlation.

    Args:
        weak: Chance that one sample of the weak decoder succeeds, shape (n,) or (n, k), in [0, 1].
        strong: The same of the strong decoder, same shape.
        most: Largest number of weak and of strong samples, at least 0.

    Returns:
        Rewards, shape (n, p), and combinations (weak samples, strong samples), shape (p, 2), none of both
        first; `combinations @ [cost_weak, cost_strong]` is what `envelope` takes as cost.

    Raises:
        ValueError: The shapes differ, a probability is not in [0, 1], or a number of samples is negative.
    """
    if weak.shape != strong.shape or weak.ndim not in {1, 2} or min(most) < 0:
        raise ValueError(f"weak {weak.shape} and strong {strong.shape} must be alike, most {most} at least 0")
    require_probabilities(weak.ravel(), "weak")
    require_probabilities(strong.ravel(), "strong")
    counts = np.indices((most[0] + 1, most[1] + 1)).reshape(2, -1).T
    pairs = (1.0 - weak.reshape(len(weak), -1), 1.0 - strong.reshape(len(strong), -1))
    reward = np.stack([1.0 - (pairs[0] ** a * pairs[1] ** b).mean(axis=1) for a, b in counts], axis=1)
    return reward, counts


def _fitting(cost: FloatArray, query: IntArray, left: float) -> BoolArray:
    """Which steps of a sequence are bought when each that does not fit closes its query."""
    taken = np.zeros(len(cost), dtype=np.bool_)
    waiting = np.arange(len(cost))
    while waiting.size:
        fits = int(np.searchsorted(np.cumsum(cost[waiting]), left, side="right"))
        taken[waiting[:fits]] = True
        left -= float(cost[waiting[:fits]].sum())
        waiting = waiting[fits:]
        dear = waiting[cost[waiting] > left]
        closed = np.full(int(query.max()) + 1, len(cost))
        np.minimum.at(closed, query[dear], dear)
        waiting = waiting[waiting < closed[query[waiting]]]
    return taken


def _first_of_equal(best: FloatArray) -> IntArray:
    """For each place of rows that never fall, the first place of the same value."""
    place = np.broadcast_to(np.arange(best.shape[1]), best.shape)
    new = np.ones(best.shape, dtype=np.bool_)
    new[:, 1:] = best[:, 1:] > best[:, :-1]
    return np.maximum.accumulate(np.where(new, place, 0), axis=1)


def _require_points(reward: FloatArray, cost: FloatArray) -> None:
    if reward.ndim != 2 or reward.shape[1] == 0:
        raise ValueError(f"reward must have shape (n, p), p at least 1, not {reward.shape}")
    if not (np.isfinite(reward).all() and np.isfinite(cost).all() and (cost[:, 0] >= 0.0).all()):
        raise ValueError("reward and cost must be finite and the first point's cost at least 0")
    if not (cost[:, 1:] > cost[:, :1]).all():
        raise ValueError("every other point must cost more than the first")
