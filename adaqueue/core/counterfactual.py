"""Policies that did not decide, estimated on the queries that others decided on.

Each policy is the most samples that it would give to every query: see `off_policy` for how what they would
have won and spent is estimated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from adaqueue.core.logged import Logged
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.off_policy import LEAST_EFFECTIVE, Estimate, Reached, estimate, support
from adaqueue.core.posterior import survival
from adaqueue.core.trial import Contestant
from adaqueue.errors import NoSupportError

DEEPEST = 256
"""Budgets that are looked at."""

STEPS = 60
"""Halvings of the price: beyond the precision of a number."""


@dataclass(frozen=True, slots=True)
class Untried:
    """What a policy would have come to.

    Attributes:
        reached: success and samples; None where too little was explored to tell.
        limit: most samples that it gives to any query: deeper ones were explored by too few.
        refusal: why it cannot be told; empty where it can.
    """

    reached: Reached | None
    limit: int
    refusal: str = ""


@dataclass(frozen=True, eq=False)
class Counterfactual:
    """Other policies on logged queries.

    Attributes:
        queries: that might have been explored.
        explored: of them.
        success: share that had a success in fact, whoever decided.
        samples: that were drawn in fact, a query on average.
        support: explored queries, in effect, that reached each budget, as far as it is supported.
        policies: policy -> average budget, or most samples of a query -> what it would have come to.
    """

    queries: int
    explored: int
    success: float
    samples: float
    support: FloatArray
    policies: Mapping[str, Mapping[int, Untried]]


def counterfactual(
    logged: Logged, probe: Contestant | None, budgets: Sequence[int], seed: int = 0
) -> Counterfactual:
    """Returns what uniform policies, and a probe's, would have won and spent.

    `uniform` draws B samples of every query, `uniform_early_stop` at most B, until a success; both have
    the same success. `sequential` buys by the probe's hazards at the price at which the believed spending is
    B a query; no query gets more samples than the log supports. What is believed of a query is
    what was said of it when it was decided on: that has seen no outcome of it.

    Args:
        logged: queries; those that could not be explored are left out.
        probe: its word on all the queries, of which it has seen no outcome; None: there is none.
        budgets: B, increasing.
        seed: of the intervals.

    Raises:
        NoSupportError: not even one sample is supported; says why, and the remedy.
    """
    could = np.flatnonzero(logged.explorable)
    kept = logged.take(could)
    known = support(kept, DEEPEST) if len(kept) else np.zeros(DEEPEST)
    deepest = int(np.count_nonzero(known >= LEAST_EFFECTIVE))
    if not deepest:
        raise NoSupportError(
            f"{known[0]:.1f} of {len(kept):,} queries that might have been explored show what one sample "
            f"wins, {LEAST_EFFECTIVE:g} are needed: raise ADAQUEUE_EXPLORATION_SHARE, or wait for more"
        )
    believed = survival(kept.beliefs.hazards(max(deepest, budgets[-1], int(kept.law.least.max()))))
    same = {b: _same(kept, believed, b, seed) for b in budgets}
    policies = {
        "uniform": {b: _in_full(found, b) for b, found in same.items()},
        "uniform_early_stop": same,
    }
    if probe is not None:
        hazards = {b: probe.hazards(b, deepest)[could] for b in budgets}
        policies["sequential"] = {b: _bought(kept, believed, hazards[b], b, seed) for b in budgets}
    return Counterfactual(
        queries=len(kept),
        explored=int(np.count_nonzero(kept.explored)),
        success=float(np.mean(kept.outcomes.successes > 0)),
        samples=float(kept.outcomes.samples.mean()),
        support=known[:deepest],
        policies=policies,
    )


def _same(logged: Logged, believed: FloatArray, budget: int, seed: int) -> Untried:
    try:
        return Untried(estimate(logged, believed, np.full(len(logged), budget), seed), budget)
    except NoSupportError as error:
        return Untried(None, budget, str(error))


def _in_full(stopping: Untried, budget: int) -> Untried:
    """The same budgets where no success ends the drawing."""
    if stopping.reached is None:
        return stopping
    drawn = Estimate(float(budget), float(budget), float(budget))
    return replace(stopping, reached=replace(stopping.reached, samples=drawn))


def _bought(
    logged: Logged, believed: FloatArray, hazards: FloatArray, average_budget: int, seed: int
) -> Untried:
    """Who asks for many samples is one of few, so that less depth is supported than for all alike."""
    refusal = ""
    for limit in range(hazards.shape[1], 0, -1):
        budgets = _at_price(hazards[:, :limit], believed, average_budget)
        try:
            return Untried(estimate(logged, believed, budgets, seed), limit)
        except NoSupportError as error:
            refusal = str(error)
    return Untried(None, 1, refusal)


def _at_price(hazards: FloatArray, believed: FloatArray, average_budget: int) -> IntArray:
    """Returns most samples of each query, at the price at which the believed spending is as asked."""
    rows, depth = np.arange(len(hazards)), hazards.shape[1]
    spent = np.pad(np.cumsum(believed[:, :depth], axis=1), ((0, 0), (1, 0)))
    low, high = 0.0, 1.0
    for _ in range(STEPS):
        price = (low + high) / 2
        is_too_cheap = spent[rows, (hazards >= price).sum(axis=1)].mean() > average_budget
        low, high = (price, high) if is_too_cheap else (low, price)
    return np.asarray((hazards >= high).sum(axis=1))
