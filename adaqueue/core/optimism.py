"""How much better policies look when the draws that score them have decided for them.

Beside each honest figure stands what a careless evaluation would have said: probe, concentration, bins and
rule fitted on the very queries and draws that score them. Of more than 1,500 queries the probe is fitted on
1,500 and has not seen the others: its part in the optimism is then understated. An oracle reads counts and is
never fitted; its honest figure is decided by a random half of each query's draws and scored on the other, the
careless one decided and scored on that other half.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import chain

import numpy as np

from adaqueue.core.curves import Curve, curve, known_marginals, recorded_survival
from adaqueue.core.evaluation import POLICIES, Evaluation, Plan
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.replays import ROUNDING
from adaqueue.core.splits import MOST_TRAINING, Recorded, Scorer, Scores, Split
from adaqueue.core.ways import known_ways

SEED = 0
ORACLES = ("oracle", "sequential_oracle")


@dataclass(frozen=True, slots=True)
class Pair:
    """A figure, told twice.

    Attributes:
        honest: decided by what did not score it; None where it has no meaning, or was never reached.
        same_draws: decided and scored on the same draws.
    """

    honest: float | None
    same_draws: float | None


@dataclass(frozen=True, eq=False)
class Optimism:
    """Both figures of every policy.

    Attributes:
        rewards: policy -> average budget -> reward.
        shares: policy -> average budget -> samples for uniform's reward, as a share of uniform's.
        fitted: queries on which the careless probe, or population of real rewards, was fitted; fewer than
            all of them understate what a careless evaluation would say.
        queries: all of them.
    """

    rewards: Mapping[str, Mapping[int, Pair]]
    shares: Mapping[str, Mapping[int, Pair]]
    fitted: int
    queries: int


def optimism(outcomes: Outcomes, scorer: Scorer, plan: Plan, honest: Evaluation) -> Optimism:
    """Returns the honest figures beside those of a careless evaluation.

    Args:
        outcomes: queries with rewards 0 and 1.
        scorer: of all queries.
        plan: that of the honest evaluation.
        honest: that evaluation.
    """
    queries = Recorded.of(outcomes)
    uniform = 1 - queries.survival.mean(axis=0)
    careless = {name: _Told.of(row, uniform, plan) for name, row in _careless(queries, scorer, plan).items()}
    rewards, shares = {}, {}
    told = {name: (_honest(honest, name), careless[name]) for name in POLICIES} | _halves(queries, plan)
    for name, (own, other) in told.items():
        rewards[name] = {b: Pair(own.rewards[b], other.rewards[b]) for b in plan.budgets}
        shares[name] = {b: Pair(own.shares[b], other.shares[b]) for b in plan.budgets}
    return Optimism(rewards, shares, min(len(outcomes), MOST_TRAINING), len(outcomes))


@dataclass(frozen=True, eq=False)
class _Told:
    """Rewards and shares by average budget; None where unknown or never reached."""

    rewards: Mapping[int, float | None]
    shares: Mapping[int, float | None]

    @classmethod
    def of(cls, curves: Mapping[int, Curve], uniform: FloatArray, plan: Plan) -> _Told:
        """Returns what curves say at their budgets, against uniform's rewards at 0, 1, ... samples."""
        rewards: dict[int, float | None] = dict.fromkeys(plan.budgets)
        shares: dict[int, float | None] = dict.fromkeys(plan.budgets)
        for budget, own in curves.items():
            needed = own.needed(float(uniform[budget]) - ROUNDING)
            rewards[budget] = own.at(budget)
            shares[budget] = None if needed is None else needed / budget
        return cls(rewards, shares)


def _honest(found: Evaluation, name: str) -> _Told:
    return _Told(
        {budget: cell.reward for budget, cell in found.policies[name].items()},
        {budget: cell.share for budget, cell in found.needed[name].items()},
    )


def _careless(queries: Recorded, scorer: Scorer, plan: Plan) -> dict[str, dict[int, Curve]]:
    """Returns the curves of policies that are fitted on all queries, and know their probe's own fit.

    The probe itself is fitted on `MOST_TRAINING` of them at most.
    """
    everyone, draws = np.arange(len(queries.groups)), queries.survival.shape[1] - 1
    fitted = scorer(everyone, everyone, SEED).asked
    split = Split.of_one(queries, Scores(fitted, fitted), draws, plan.budgets, SEED)
    found: dict[str, dict[int, Curve]] = {}
    known = known_ways(queries.survival, queries.rates, plan.budgets)
    for way in chain(known, split.ways(queries.survival, plan.budgets)):
        own = way.bought.curve()
        found.setdefault(way.policy, {}).update({plan.budgets[place]: own for place in way.places})
    return found


def _halves(queries: Recorded, plan: Plan) -> dict[str, tuple[_Told, _Told]]:
    """Returns the oracles' honest and careless figures: decided by one half, or by the half that scores."""
    size = queries.samples // 2
    failures = queries.samples - queries.successes
    hits = np.random.default_rng(SEED).hypergeometric(queries.successes, failures, size)
    one, two = (hits, size), (queries.successes - hits, queries.samples - size)
    draws = int(size.min())
    budgets = [budget for budget in plan.budgets if budget <= draws]
    alive = recorded_survival(*two, draws)
    uniform = 1 - alive.mean(axis=0)

    def told(name: str, known: tuple[IntArray, IntArray]) -> _Told:
        own = _oracle(name, known, alive) if budgets else None
        return _Told.of({} if own is None else dict.fromkeys(budgets, own), uniform, plan)

    return {name: (told(name, one), told(name, two)) for name in ORACLES}


def _oracle(name: str, known: tuple[IntArray, IntArray], alive: FloatArray) -> Curve:
    """Returns the curve of an oracle that knows successes and samples."""
    draws = alive.shape[1] - 1
    if name == "oracle":
        return curve(known_marginals(recorded_survival(*known, draws)), alive, stops=False)
    successes, samples = known
    return curve(np.repeat((successes / samples)[:, None], draws, axis=1), alive, stops=True)
