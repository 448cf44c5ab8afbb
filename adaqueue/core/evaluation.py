"""Every policy on recorded outcomes of 0 and 1, in closed form, decided by probes that saw none of them.

The queries are split into folds, groups whole and folds equally hard, several times. For each fold a probe
and all that stands on it (concentration, bins, rule) are fitted on the others; then all queries are bought
from at one price. What that spends and wins is computed, not simulated.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass
from functools import partial
from typing import TypeVar

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import betaln, expit

from adaqueue.core import bins
from adaqueue.core.curves import known_marginals, recorded_survival, round_robin
from adaqueue.core.folds import balanced_folds
from adaqueue.core.marginal import FloatArray, IntArray, from_beta, from_success
from adaqueue.core.metrics import predictor_quality
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.posterior import beta_hazards, logistic_hazards
from adaqueue.core.replays import Needed, Reached, Reading, Replay, needed, reached
from adaqueue.core.rule import fit_rule
from adaqueue.core.trial import drift

MOST_BINS = 20
QUERIES_A_BIN = 20

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

RULES = ("sequential", "constant score", "shuffled score")
"""Rules, for each budget: by the probe's score, and by the two that must gain nothing."""

CONTROLS = RULES[1:]

Figure = TypeVar("Figure")


@dataclass(frozen=True, eq=False)
class Scores:
    """A probe's word on two parts of the queries, as logits of the success probability.

    Attributes:
        held_out: of the training queries, each from a fit without its outcomes.
        asked: of the others, from the fit with all training queries.
    """

    held_out: FloatArray
    asked: FloatArray


Scorer = Callable[[IntArray, IntArray, int], Scores]
"""(training rows, rows asked, seed) -> scores; fits on the training rows alone."""


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


@dataclass(frozen=True, eq=False)
class Recorded:
    """Queries as they are replayed.

    Attributes:
        successes: of each query, shape (n,).
        samples: recorded of each, shape (n,).
        groups: queries of one number stay together, shape (n,).
        survival: chance that the first f draws all fail, shape (n, draws + 1).
    """

    successes: IntArray
    samples: IntArray
    groups: IntArray
    survival: FloatArray

    @classmethod
    def of(cls, outcomes: Outcomes) -> Recorded:
        """Returns all queries, replayed as far as each of them has samples."""
        successes, samples = outcomes.successes, outcomes.samples
        survival = recorded_survival(successes, samples, int(samples.min()))
        return cls(successes, samples, outcomes.groups, survival)

    @property
    def rates(self) -> FloatArray:
        """Recorded success rates, shape (n,)."""
        found: FloatArray = self.successes / self.samples
        return found

    def take(self, rows: IntArray) -> Recorded:
        """Returns the chosen queries."""
        return Recorded(self.successes[rows], self.samples[rows], self.groups[rows], self.survival[rows])


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
class Evaluation:
    """Every policy on a set of recorded outcomes.

    Attributes:
        policies: policy -> average budget -> reward.
        needed: policy, or control -> average budget -> samples for uniform's reward.
        predictor: the probe's quality.
        baselines: the quality of others.
    """

    policies: Mapping[str, Mapping[int, Reached]]
    needed: Mapping[str, Mapping[int, Needed]]
    predictor: Predictor
    baselines: Mapping[str, Predictor]


def evaluate(outcomes: Outcomes, probes: Prepared, plan: Plan, on_progress: Progress) -> Evaluation:
    """Returns what every policy reaches, and what it needs for uniform's reward.

    Args:
        outcomes: queries with rewards 0 and 1, none of them stopped early.
        probes: what scores them.
        plan: budgets at most the samples that every query has.
        on_progress: called after each way to split.
    """
    queries = Recorded.of(outcomes)
    replay = Replay(queries.survival, queries.groups, plan.budgets)
    readings = {name: [own] for name, own in _known(queries, replay).items()}
    quality: dict[str, list[Predictor]] = {name: [] for name in ("probe", *probes.baselines)}
    for seed in range(plan.seeds):
        folds = balanced_folds(queries.groups, queries.rates, plan.folds, seed)
        split = _Split.of(queries, folds, probes.probe, plan.budgets, seed)
        for name, own in split.readings(replay).items():
            readings.setdefault(name, []).append(own)
        quality["probe"].append(_quality(split.score, queries))
        for name, scorer in probes.baselines.items():
            quality[name].append(_quality(_cross_fitted(queries, folds, scorer, seed), queries))
        on_progress("splits", seed + 1, plan.seeds)
    means = {name: _mean_quality(own) for name, own in quality.items()}
    return Evaluation(
        {name: _over_splits(readings[name], plan, reached) for name in POLICIES},
        {
            name: _over_splits(readings[name], plan, needed, readings["uniform_early_stop"][0])
            for name in (*POLICIES, *CONTROLS)
        },
        means.pop("probe"),
        means,
    )


def _known(queries: Recorded, replay: Replay) -> dict[str, list[Reading]]:
    """The policies that ask no probe."""
    alive = queries.survival
    n, draws = len(alive), alive.shape[1] - 1
    return {
        "uniform": replay.uniform(),
        "uniform_early_stop": replay.same(round_robin(n, draws), stops=True),
        "oracle": replay.same(known_marginals(alive), stops=False),
        "sequential_oracle": replay.same(np.repeat(queries.rates[:, None], draws, axis=1), stops=True),
    }


@dataclass(frozen=True, eq=False)
class _Split:
    """What is decided for all queries, each by what was fitted without its fold.

    Attributes:
        score: of the probe, shape (n,).
        concentration: alpha + beta, shape (n,).
        rows: marginal rewards of each query's bin, shape (n, draws).
        curves: rule -> average budget -> (a, b, c) of each query's hazard curve, shape (n, 3).
    """

    score: FloatArray
    concentration: FloatArray
    rows: FloatArray
    curves: Mapping[str, Mapping[int, FloatArray]]

    @classmethod
    def of(
        cls, queries: Recorded, folds: IntArray, probe: Scorer, budgets: Sequence[int], seed: int
    ) -> _Split:
        n, draws = len(folds), queries.survival.shape[1] - 1
        curves = {name: {b: np.empty((n, 3)) for b in budgets} for name in RULES}
        split = cls(np.empty(n), np.empty(n), np.empty((n, draws)), curves)
        for fold in np.unique(folds):
            asked = np.flatnonzero(folds == fold)
            split._decide(queries, np.flatnonzero(folds != fold), asked, probe, seed)
        return split

    def _decide(self, queries: Recorded, known: IntArray, asked: IntArray, probe: Scorer, seed: int) -> None:
        """Fits on the known queries, and fills in the rows that are asked for."""
        training, scores = queries.take(known), probe(known, asked, seed)
        self.score[asked] = scores.asked
        self.concentration[asked] = _concentration(scores.held_out, training)
        self.rows[asked] = _binned(scores, training)
        for name, said in _ruling(scores, np.random.default_rng(seed)).items():
            budgets = self.curves[name]
            rule = fit_rule(said.held_out, training.survival, seed, [float(b) for b in budgets])
            for budget, own in budgets.items():
                own[asked] = rule.curves(said.asked, budget)

    def readings(self, replay: Replay) -> dict[str, list[Reading]]:
        """Returns each policy at each budget."""
        draws = replay.survival.shape[1] - 1
        success = expit(self.score)
        alpha, beta = self.concentration * success, self.concentration * (1 - success)
        window, beta_window = from_success(success, draws), from_beta(alpha, beta, draws)
        return {
            "window": replay.same(window, stops=False),
            "window_early_stop": replay.same(window, stops=True),
            "bins": replay.same(self.rows, stops=False),
            "beta_window": replay.same(beta_window, stops=False),
            "beta_window_early_stop": replay.same(beta_window, stops=True),
            "sequential_beta": replay.same(beta_hazards(alpha, beta, draws), stops=True),
        } | {
            name: replay.each(partial(_hazards, own, draws), stops=True) for name, own in self.curves.items()
        }


def _hazards(curves: Mapping[int, FloatArray], draws: int, budget: int) -> FloatArray:
    return logistic_hazards(curves[budget], draws)


def _ruling(scores: Scores, rng: np.random.Generator) -> dict[str, Scores]:
    """The probe's scores, and two that must gain nothing: all the same, and shuffled."""
    zeros = Scores(np.zeros_like(scores.held_out), np.zeros_like(scores.asked))
    shuffled = Scores(rng.permutation(scores.held_out), rng.permutation(scores.asked))
    return dict(zip(RULES, (scores, zeros, shuffled), strict=True))


def _concentration(score: FloatArray, training: Recorded) -> float:
    """Returns the likeliest alpha + beta, one for all queries, of Beta distributions with these means."""
    mean, y, n = expit(score), training.successes, training.samples

    def loss(log: float) -> float:
        alpha, beta = np.exp(log) * mean, np.exp(log) * (1 - mean)
        return -float((betaln(y + alpha, n - y + beta) - betaln(alpha, beta)).sum())

    return float(np.exp(minimize_scalar(loss, bounds=(-4, 6), method="bounded").x))


def _binned(scores: Scores, training: Recorded) -> FloatArray:
    """Returns what training queries of the same bin were seen to give, shape (queries asked, draws)."""
    count = max(min(MOST_BINS, len(scores.held_out) // QUERIES_A_BIN), 1)
    edges = bins.quantile_edges(scores.held_out, count)
    delta = known_marginals(training.survival)
    return bins.mean_marginals(scores.held_out, delta, edges)[bins.bin_of(scores.asked, edges)]


def _cross_fitted(queries: Recorded, folds: IntArray, scorer: Scorer, seed: int) -> FloatArray:
    score = np.empty(len(folds))
    for fold in np.unique(folds):
        asked = np.flatnonzero(folds == fold)
        score[asked] = scorer(np.flatnonzero(folds != fold), asked, seed).asked
    return score


def _quality(score: FloatArray, queries: Recorded) -> Predictor:
    predicted = expit(score)
    found = predictor_quality(predicted, queries.successes, queries.samples)
    ece = drift(predicted, queries.rates).error
    optimal = (found.optimal_corrected, found.optimal)
    return Predictor(found.loss, found.average, *optimal, found.accuracy, ece)


def _mean_quality(splits: Sequence[Predictor]) -> Predictor:
    return Predictor(*np.mean([astuple(split) for split in splits], axis=0).tolist())


def _over_splits(
    splits: Sequence[Sequence[Reading]], plan: Plan, average: Callable[..., Figure], *more: Sequence[Reading]
) -> dict[int, Figure]:
    """Returns the average of each budget's readings; `more` are compared with them."""
    return {
        budget: average([split[place] for split in splits], *(other[place] for other in more))
        for place, budget in enumerate(plan.budgets)
    }
