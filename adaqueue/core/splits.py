"""Recorded queries split into folds, each decided by a probe, and all that stands on it, fitted without it.

Probe, concentration, bins and rules are fitted on the other folds alone; then all queries are bought from at
one price.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import betaln, expit

from adaqueue.core import bins
from adaqueue.core.curves import Purchases, known_marginals, recorded_survival
from adaqueue.core.marginal import FloatArray, IntArray, from_beta, from_success
from adaqueue.core.outcomes import Outcomes
from adaqueue.core.posterior import beta_hazards, logistic_hazards
from adaqueue.core.rule import fit_rule
from adaqueue.core.trial import continued
from adaqueue.core.ways import Way

MOST_TRAINING = 1_500
"""Queries that a probe is fitted on, drawn from all groups: its work grows with their cube."""

MOST_BINS = 20
QUERIES_A_BIN = 20

RULES = ("sequential", "constant score", "shuffled score")
"""Rules, for each budget: by the probe's score, and by the two that must gain nothing."""


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
class Recorded:
    """Queries as they are replayed, or as they teach.

    Attributes:
        successes: of each query, shape (n,).
        samples: recorded of each, shape (n,).
        groups: queries of one number stay together, shape (n,).
        survival: chance that the first f draws all fail, shape (n, draws + 1); NaN beyond a query's samples.
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

    @classmethod
    def of_training(cls, outcomes: Outcomes, draws: int) -> Recorded:
        """Returns all queries as they teach so many draws, or as many as each of them has."""
        return cls(outcomes.successes, outcomes.samples, outcomes.groups, outcomes.survival(draws))

    @property
    def rates(self) -> FloatArray:
        """Recorded success rates, shape (n,)."""
        found: FloatArray = self.successes / self.samples
        return found

    def take(self, rows: IntArray) -> Recorded:
        """Returns the chosen queries."""
        return Recorded(self.successes[rows], self.samples[rows], self.groups[rows], self.survival[rows])


@dataclass(frozen=True, eq=False)
class Split:
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
    ) -> Split:
        """Returns what is decided for all queries.

        Args:
            queries: all of them.
            folds: of each, shape (n,).
            probe: is fitted without each fold.
            budgets: for which rules are fitted.
            seed: of the fits.
        """
        split = cls._blank(len(folds), queries.survival.shape[1] - 1, budgets)
        for fold in np.unique(folds):
            known, asked = np.flatnonzero(folds != fold), np.flatnonzero(folds == fold)
            split._decide(queries.take(known), probe(known, asked, seed), asked, seed)
        return split

    @classmethod
    def of_one(
        cls, training: Recorded, scores: Scores, draws: int, budgets: Sequence[int], seed: int
    ) -> Split:
        """Returns what one fit decides for all queries that are asked for.

        Args:
            training: the known queries; their survival is NaN where they have fewer draws.
            scores: of the known queries, and of those asked.
            draws: replayed of those asked.
            budgets: for which rules are fitted.
            seed: of the fits.
        """
        split = cls._blank(len(scores.asked), draws, budgets)
        split._decide(training, scores, np.arange(len(scores.asked)), seed)
        return split

    @classmethod
    def _blank(cls, n: int, draws: int, budgets: Sequence[int]) -> Split:
        curves = {name: {b: np.empty((n, 3)) for b in budgets} for name in RULES}
        return cls(np.empty(n), np.empty(n), np.empty((n, draws)), curves)

    def _decide(self, training: Recorded, scores: Scores, asked: IntArray, seed: int) -> None:
        """Fits on the known queries, and fills in the rows that are asked for."""
        self.score[asked] = scores.asked
        self.concentration[asked] = _concentration(scores.held_out, training)
        self.rows[asked] = _binned(scores, training)
        seen = training.survival[:, np.isfinite(training.survival).any(axis=0)]
        for name, said in _ruling(scores, np.random.default_rng(seed)).items():
            budgets = self.curves[name]
            rule = fit_rule(said.held_out, seen, seed, [float(b) for b in budgets])
            for budget, own in budgets.items():
                own[asked] = rule.curves(said.asked, budget)

    def ways(self, alive: FloatArray, budgets: Sequence[int]) -> Iterator[Way]:
        """Yields how each policy buys; alive is the queries' survival, budgets are the rules'."""
        draws, everywhere = alive.shape[1] - 1, tuple(range(len(budgets)))
        success = expit(self.score)
        alpha, beta = self.concentration * success, self.concentration * (1 - success)
        window, beta_window = from_success(success, draws), from_beta(alpha, beta, draws)
        once = {"window": window, "bins": self.rows, "beta_window": beta_window}
        stopping = {
            "window_early_stop": window,
            "beta_window_early_stop": beta_window,
            "sequential_beta": beta_hazards(alpha, beta, draws),
        }
        for stops, rows in ((False, once), (True, stopping)):
            for name, index in rows.items():
                yield Way(name, everywhere, Purchases.of(index, alive, stops=stops), stops)
        for name, curves in self.curves.items():
            for place, budget in enumerate(budgets):
                hazards = logistic_hazards(curves[budget], draws)
                bought = Purchases.of(hazards, alive, stops=True)
                yield Way(name, (place,), bought, True, control=name != RULES[0])


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
    delta = known_marginals(continued(training.survival))
    return bins.mean_marginals(scores.held_out, delta, edges)[bins.bin_of(scores.asked, edges)]


def cross_fitted(queries: Recorded, folds: IntArray, scorer: Scorer, seed: int) -> FloatArray:
    """Returns the score of each query from a fit without its fold, shape (n,)."""
    score = np.empty(len(folds))
    for fold in np.unique(folds):
        asked = np.flatnonzero(folds == fold)
        score[asked] = scorer(np.flatnonzero(folds != fold), asked, seed).asked
    return score
