"""Every policy on recorded outcomes of 0 and 1, in closed form, decided by probes that saw none of them.

The queries are split into folds, groups whole and folds equally hard, several times. For each fold a probe
and all that stands on it (concentration, bins, rule) are fitted on the others; then all queries are bought
from at one price. What that spends and wins is computed, not simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field
from typing import TypeVar

import numpy as np
from scipy.special import expit

from adaqueue.core.distribution import Distribution, of_rates
from adaqueue.core.folds import balanced_folds
from adaqueue.core.marginal import FloatArray
from adaqueue.core.metrics import predictor_quality
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.predictions import Predictions, predictions
from adaqueue.core.replays import Needed, Reached, Reading, Replay, needed, reached
from adaqueue.core.splits import RULES, Recorded, Scorer, Split, cross_fitted
from adaqueue.core.trial import drift
from adaqueue.core.usage import Usage, Usages
from adaqueue.core.ways import Way, known_ways, read

POLICIES = (
    "uniform",
    "uniform_early_stop",
    "window",
    "bins",
    "beta_window",
    "sequential",
    "oracle",
    "sequential_oracle",
    "window_early_stop",
    "beta_window_early_stop",
    "sequential_beta",
)

CONTROLS = RULES[1:]
COMPARED = "uniform_early_stop"

Figure = TypeVar("Figure")


@dataclass(frozen=True, eq=False)
class Prepared:
    """Probes of one set of queries, that wait to be fitted.

    Attributes:
        probe: the one that decides.
        baselines: others, whose quality is reported.
        cut: prompts that were too long for the model that reads them, and were cut.
    """

    probe: Scorer
    baselines: Mapping[str, Scorer]
    cut: int


Progress = Callable[[str, int, int], None]
"""(what is being done, steps done, steps in all)."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How to evaluate.

    Attributes:
        budgets: average budgets B, increasing.
        folds: parts into which queries are split, at least 2.
        seeds: ways to split, at least 1.
    """

    budgets: tuple[int, ...]
    folds: int
    seeds: int


@dataclass(frozen=True, slots=True)
class Predictor:
    """How well a probe predicts queries that it has not seen, mean over splits, in nats (Table 1).

    Attributes:
        loss: cross-entropy of its predictions.
        average: of predicting the mean for every query.
        optimal: of predicting each query's own rate, corrected for the finite number of its samples.
        optimal_uncorrected: the same as recorded, which has seen the samples that it is judged on.
        accuracy: share of queries on the right side of the median, ties left out; NaN: all were ties.
        ece: calibration error, over bins of equally many queries.
    """

    loss: float
    average: float
    optimal: float
    optimal_uncorrected: float
    accuracy: float
    ece: float


@dataclass(frozen=True, eq=False)
class Tranche:
    """Policies on a part of the queries: those that differ least, or most, from sample to sample (Fig. 4).

    Attributes:
        queries: in it.
        policies: policy -> average budget -> reward, where the budget is spent on this part alone.
        needed: policy -> average budget -> samples for uniform's reward.
        chosen_on: whose variance chose the queries, in words: `the other rewards` of each query, none of
            which scores it, or `the same rewards`, where there are too few: gains are then partly selection.
    """

    queries: int
    policies: Mapping[str, Mapping[int, Reached]]
    needed: Mapping[str, Mapping[int, Needed]]
    chosen_on: str


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Every policy on a set of recorded outcomes.

    Attributes:
        policies: policy -> average budget -> reward.
        needed: policy, or control -> average budget -> samples for uniform's reward.
        compared: policy to which paired differences are.
        predictor: the probe's quality; None where no policy asks a probe.
        baselines: the quality of others.
        distribution: of the outcomes over the queries.
        predictions: the probe's, each the mean over splits, of fits without the query.
        usage: policy -> average budget -> what it does with its samples, hard and easy by these predictions.
        tranches: parts of the queries by the variance of their rewards, where these are real: `lowest` and
            `highest` tenth, and `both` together.
    """

    policies: Mapping[str, Mapping[int, Reached]]
    needed: Mapping[str, Mapping[int, Needed]]
    compared: str
    predictor: Predictor | None
    baselines: Mapping[str, Predictor]
    distribution: Distribution
    predictions: Predictions | None = None
    usage: Mapping[str, Mapping[int, Usage]] = field(default_factory=dict)
    tranches: Mapping[str, Tranche] = field(default_factory=dict)


def evaluate(outcomes: Outcomes, probes: Prepared, plan: Plan, on_progress: Progress) -> Evaluation:
    """Returns what every policy reaches, and what it needs for uniform's reward.

    Args:
        outcomes: queries with rewards 0 and 1, none of them stopped early.
        probes: what scores them.
        plan: budgets at most the samples that every query has.
        on_progress: called after each way to split.
    """
    queries = Recorded.of(outcomes)
    replay = Replay(1 - queries.survival[:, list(plan.budgets)], queries.groups, plan.budgets)
    usages = Usages(queries, plan.budgets, outcomes.tokens)
    known = known_ways(queries.survival, queries.rates, plan.budgets)
    readings = {name: [own] for name, own in read(_watched(known, usages), replay).items()}
    quality: dict[str, list[Predictor]] = {name: [] for name in ("probe", *probes.baselines)}
    predicted = np.zeros(len(outcomes))
    for seed in range(plan.seeds):
        folds = balanced_folds(queries.groups, queries.rates, plan.folds, seed)
        split = Split.of(queries, folds, probes.probe, plan.budgets, seed)
        ways = _watched(split.ways(queries.survival, plan.budgets), usages)
        for name, own in read(ways, replay).items():
            readings.setdefault(name, []).append(own)
        predicted += expit(split.score) / plan.seeds
        quality["probe"].append(predictor_of(split.score, queries))
        for name, scorer in probes.baselines.items():
            quality[name].append(predictor_of(cross_fitted(queries, folds, scorer, seed), queries))
        on_progress("splits", seed + 1, plan.seeds)
    means = {name: _mean_quality(own) for name, own in quality.items()}
    usage = usages.found(predicted)
    return Evaluation(
        {name: over_splits(readings[name], plan, reached) for name in POLICIES},
        {
            name: over_splits(readings[name], plan, needed, readings[COMPARED][0])
            for name in (*POLICIES, *CONTROLS)
        },
        COMPARED,
        means.pop("probe"),
        means,
        of_rates(queries.rates),
        predictions(predicted, queries.rates, replay.weights),
        {name: usage[name] for name in POLICIES},
    )


def _watched(ways: Iterable[Way], usages: Usages) -> Iterator[Way]:
    """Yields the ways; what policies do with their samples is read in passing."""
    for way in ways:
        if not way.control:
            usages.read(way)
        yield way


def predictor_of(score: FloatArray, queries: Recorded) -> Predictor:
    """Returns how well scores, logits of shape (n,), predict the queries."""
    predicted = expit(score)
    found = predictor_quality(predicted, queries.successes, queries.samples)
    ece = drift(predicted, queries.rates).error
    optimal = (found.optimal_corrected, found.optimal)
    return Predictor(found.loss, found.average, *optimal, found.accuracy, ece)


def _mean_quality(splits: Sequence[Predictor]) -> Predictor:
    return Predictor(*np.mean([astuple(split) for split in splits], axis=0).tolist())


def over_splits(
    splits: Sequence[Sequence[Reading]], plan: Plan, average: Callable[..., Figure], *more: Sequence[Reading]
) -> dict[int, Figure]:
    """Returns the average of each budget's readings; `more` are compared with them."""
    return {
        budget: average([split[place] for split in splits], *(other[place] for other in more))
        for place, budget in enumerate(plan.budgets)
    }
