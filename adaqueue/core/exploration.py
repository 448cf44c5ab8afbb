"""A logged share of queries gets a random budget, so that what a probe thinks hopeless is still observed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

import numpy as np

from adaqueue.core.decisions import Waiting, Window
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.specs import SERVING, Run

EXPLORATION = "exploration"
"""What such an allocation names as its policy; its samples are drawn at once, a success stops none."""

EXPLORED = frozenset({"sequential", "window", "beta_window"})
"""Policies under which a probe decides who draws; the others pass nobody over."""


@dataclass(frozen=True, slots=True)
class Explored:
    """A random budget.

    Attributes:
        budget: in samples, at least 1.
        propensity: chance that the query was chosen and got exactly this budget, (0, 1].
    """

    budget: int
    propensity: float


def explore(window: Window, share: float) -> dict[UUID, Explored]:
    """Returns the window's queries that get a random budget.

    Who is chosen, and what it gets, depends on nothing that a query says but its limits. Chat, whose rewards
    are real, is never explored.

    Args:
        window: its id and those of its queries seed the draw.
        share: of the queries, in [0, 1].
    """
    if not explores(window.run):
        return {}
    found = {}
    for query in window.queries:
        chance = _uniform(window.id, query.id)
        if chance < share and query.domain != "chat" and query.max_budget > 0:
            found[query.id] = _explored(query, window.run.average_budget, chance / share, share)
    return found


def explores(run: Run) -> bool:
    """Whether a run is explored: no replay, no evaluation, none that may spend nothing, no other policy."""
    may_learn = run.engine != "replay" and run.purpose == SERVING
    return may_learn and run.policy in EXPLORED and run.average_budget > 0


def reach(average_budget: FloatArray, least: IntArray, most: IntArray, b: int) -> FloatArray:
    """Returns the chance that a random budget is at least j = 1..b, shape (n, b), no row rising.

    Budgets are geometric on 1, 2, 3, ... with mean `average_budget` (1 where it is below), cut at both ends:
    `P(budget >= j) = (1 - 1/B)^(j-1)` up to `most`, and 1 up to `least`.

    Args:
        average_budget: B, shape (n,), > 0.
        least: budget at least, shape (n,); counts as 1 where it is 0.
        most: budget at most, shape (n,).
        b: budgets considered.
    """
    sample = np.arange(1, b + 1)
    tail: FloatArray = (1.0 - 1.0 / np.maximum(average_budget, 1.0))[:, None] ** (sample - 1)
    tail[sample <= least[:, None]] = 1.0
    tail[sample > most[:, None]] = 0.0
    return tail


def _explored(query: Waiting, average_budget: float, chance: float, share: float) -> Explored:
    limits = (np.array([average_budget]), np.array([query.min_budget]), np.array([query.max_budget]))
    (tail,) = reach(*limits, query.max_budget + 1)
    budget = int(np.count_nonzero(tail > chance))
    return Explored(budget, share * float(tail[budget - 1] - tail[budget]))


def _uniform(window_id: UUID, query_id: UUID) -> float:
    """A number in [0, 1) that the two ids alone decide."""
    digest = hashlib.blake2b(window_id.bytes + query_id.bytes, digest_size=8).digest()
    return (int.from_bytes(digest) >> 11) * 2.0**-53
