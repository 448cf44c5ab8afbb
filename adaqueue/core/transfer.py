"""What was learnt on other sets of outcomes, used on this one: nothing of this one decides.

Probe, concentration, bins and rules are fitted on the others' queries alone. The price at which a budget is
spent is found on this set, as in every replay.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from adaqueue.core.evaluation import COMPARED, POLICIES, Plan, Predictor, over_splits, predictor_of
from adaqueue.core.marginal import IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.replays import Needed, Reached, Replay, needed, reached
from adaqueue.core.splits import Recorded, Scorer, Split
from adaqueue.core.ways import known_ways, read

FEWEST_GROUPS = 10
SEED = 0
"""Of the fits."""


@dataclass(frozen=True, eq=False)
class Transfer:
    """Policies that were fitted elsewhere.

    Attributes:
        sources: names of the sets on which they were.
        queries: of these sets that taught.
        left_out: of these sets that did not: their prompts are near duplicates of this set's, or their
            named groups are among its.
        policies: policy -> average budget -> reward, on this set.
        needed: policy -> average budget -> samples for uniform's reward.
        predictor: how well the probe predicts this set.
    """

    sources: tuple[str, ...]
    queries: int
    left_out: int
    policies: Mapping[str, Mapping[int, Reached]]
    needed: Mapping[str, Mapping[int, Needed]]
    predictor: Predictor | None


def together(first: Outcomes, second: Outcomes) -> Outcomes:
    """Returns the queries of two sets, the first's before the second's, without states.

    Groups are numbers of each set alone, so they are kept apart: what is of one named group, see `unlike`,
    has to be left out before.
    """
    return Outcomes(
        first.ids + second.ids,
        first.messages + second.messages,
        None,
        first.rewards + second.rewards,
        np.concatenate([first.stopped, second.stopped]),
        np.concatenate([first.groups, second.groups + int(first.groups.max()) + 1]),
        np.concatenate([first.tokens, second.tokens]),
    )


def unlike(numbers: IntArray, groups: Sequence[str | None], queries: int) -> IntArray:
    """Returns the rows of the second set that are near duplicates of none of the first, nor of its groups.

    Args:
        numbers: of all prompts, the same for near duplicates, the first set's before the second's.
        groups: as all rows name them, in the same order; None: the row names none.
        queries: of the first set.
    """
    known = {group for group in groups[:queries] if group is not None}
    shared = np.array([group in known for group in groups[queries:]], dtype=np.bool_)
    return np.flatnonzero(~np.isin(numbers[queries:], numbers[:queries]) & ~shared)


def transferred(
    outcomes: Outcomes, training: Outcomes, scorer: Scorer, plan: Plan
) -> tuple[Mapping[str, Mapping[int, Reached]], Mapping[str, Mapping[int, Needed]], Predictor]:
    """Returns what policies that were fitted on another set reach and need here, and the predictor.

    Args:
        outcomes: the set on which policies are replayed, with rewards 0 and 1.
        training: the other, with rewards 0 and 1.
        scorer: knows both, the first set's rows before the other's.
        plan: budgets at most the samples that every query of the first set has.
    """
    queries, n = Recorded.of(outcomes), len(outcomes)
    draws = queries.survival.shape[1] - 1
    taught = Recorded.of_training(training, draws)
    scores = scorer(np.arange(n, n + len(training)), np.arange(n), SEED)
    split = Split.of_one(taught, scores, draws, plan.budgets, SEED)
    replay = Replay(1 - queries.survival[:, list(plan.budgets)], queries.groups, plan.budgets)
    readings = read(known_ways(queries.survival, queries.rates, plan.budgets), replay)
    readings |= read(split.ways(queries.survival, plan.budgets), replay)
    return (
        {name: over_splits([readings[name]], plan, reached) for name in POLICIES},
        {name: over_splits([readings[name]], plan, needed, readings[COMPARED]) for name in POLICIES},
        predictor_of(split.score, queries),
    )
