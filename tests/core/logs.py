"""Logs of the twin's queries, as a ledger would hold them, with a share that was explored."""

from __future__ import annotations

import numpy as np

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.exploration import reach
from adaqueue.core.logged import Law, Logged, Provenance
from adaqueue.core.marginal import BoolArray, IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.twin import Twin

AVERAGE_BUDGET = 4.0
B_MAX = 64


def law_of(n: int) -> Law:
    return Law(np.full(n, AVERAGE_BUDGET), np.zeros(n, dtype=np.int64), np.full(n, B_MAX, dtype=np.int64))


def explored_budgets(n: int, rng: np.random.Generator) -> IntArray:
    """Random budgets, as the scheduler draws them."""
    law = law_of(n)
    tail = reach(law.average_budget, law.least, law.most, B_MAX)
    return np.asarray((tail > rng.random((n, 1))).sum(axis=1))


def log(
    twin: Twin, granted: IntArray, share: float, rng: np.random.Generator, windows: IntArray | None = None
) -> Logged:
    """What is logged where queries draw what is granted until a success, but for a share that is explored.

    Args:
        twin: the queries; its predictions are the old probe's.
        granted: samples of each query at most.
        share: of the queries, that draw a random budget in full.
        rng: decides who is explored, and every sample.
        windows: of the queries; default 100 in each.
    """
    n = len(granted)
    explored = rng.random(n) < share
    budgets = np.where(explored, explored_budgets(n, rng), granted)
    won = rng.random((n, int(budgets.max()))) < twin.success[:, None]
    rewards = tuple(
        drawn_of(row[:budget], stops=not free)
        for row, budget, free in zip(won, budgets, explored, strict=True)
    )
    law = law_of(n)
    tail = law.reach(B_MAX + 1)
    chance = np.where(explored, tail[np.arange(n), budgets - 1] - tail[np.arange(n), budgets], 1.0)
    outcomes = Outcomes(
        ids=tuple(map(str, range(n))),
        messages=((),) * n,
        states=None,
        rewards=rewards,
        stopped=~explored,
        groups=np.arange(n),
        tokens=np.full(n, np.nan),
    )
    return Logged(
        outcomes=outcomes,
        windows=np.arange(n) // 100 if windows is None else windows,
        probes=("old",) * n,
        reads=("old features",) * n,
        beliefs=Beliefs.of(twin.alpha, twin.beta),
        budgets=outcomes.samples,
        explorable=np.ones(n, dtype=np.bool_),
        explored=explored,
        propensities=np.where(explored, share * chance, 1.0),
        law=law,
        provenance=Provenance(),
    )


def drawn_of(won: BoolArray, *, stops: bool) -> tuple[float, ...]:
    """The rewards that are seen: up to the first success where it stops the drawing."""
    end = int(won.argmax()) + 1 if stops and won.any() else len(won)
    return tuple(won[:end].astype(float).tolist())
