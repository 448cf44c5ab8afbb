"""Every way to choose between two decoders, on recorded rewards, by probes that saw none of them.

The queries are split into folds, groups whole and folds of equal gain, several times. A probe that is fitted
on the other folds predicts what the strong decoder adds; the queries of largest prediction are sent to it.
What that wins at every share of strong calls is computed, not simulated: queries of one score go in any
order, and the mean over all of them is taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from adaqueue.core.distribution import Distribution, of_preferences
from adaqueue.core.evaluation import Predictor, Prepared, Progress
from adaqueue.core.folds import balanced_folds
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.metrics import share_quality
from adaqueue.core.predictions import Predictions, predictions
from adaqueue.core.replays import (
    RESAMPLES,
    SEED,
    Needed,
    Reached,
    Reading,
    between,
    group_weights,
    needed,
    reached,
)
from adaqueue.core.routing import Grouped, first_crossing, strong_first
from adaqueue.core.routing_pairs import Pairs
from adaqueue.core.splits import MOST_TRAINING, Scorer
from adaqueue.core.trial import drift

SHARES = tuple(tenth / 10 for tenth in range(1, 11))
CONTROLS = ("constant score", "shuffled score")
"""Orders that must gain nothing over random routing."""


@dataclass(frozen=True, eq=False)
class Order:
    """Queries in the order in which they are sent to the strong decoder.

    Attributes:
        score: the largest are sent first, shape (n,).
        gain: of a query when it is its turn, shape (n,).
        calls: of the strong decoder then, shape (n,), [0, 1].
        first: whether the weak decoder is called for every query, sent or not.
    """

    score: FloatArray
    gain: FloatArray
    calls: FloatArray
    first: bool = False

    @classmethod
    def by(cls, score: FloatArray, pairs: Pairs) -> Order:
        """Returns the order that sends queries to either decoder."""
        return cls(score, pairs.gain, np.ones_like(score))


@dataclass(frozen=True, slots=True)
class Routed:
    """Mean reward of a policy at a share of strong calls.

    Attributes:
        reached: the reward and its interval; `samples` are strong calls really made, a query.
        cost: of all calls, a query, in the rows' unit.
    """

    reached: Reached
    cost: float


@dataclass(frozen=True, eq=False)
class RoutingEvaluation:
    """Every policy on a set of pairs.

    Attributes:
        policies: policy -> share of strong calls -> reward and cost.
        needed: policy, or control -> share B -> strong calls for the reward of random routing at B, as a
            share of random's; at 1.0 it is the share of calls that matches the strong decoder.
        matched_cost: policy -> cost where it matches the strong decoder, as a share of the strong decoder's;
            None: it does not.
        predictor: the probe's quality on preferences.
        baselines: the quality of others.
        distribution: of recorded preferences.
        predictions: the probe's preferences, mean over splits, with what was recorded.
    """

    policies: Mapping[str, Mapping[float, Routed]]
    needed: Mapping[str, Mapping[float, Needed]]
    matched_cost: Mapping[str, float | None]
    predictor: Predictor
    baselines: Mapping[str, Predictor]
    distribution: Distribution
    predictions: Predictions


def evaluate_routing(
    pairs: Pairs, probes: Sequence[Prepared], folds: int, seeds: int, on_progress: Progress
) -> RoutingEvaluation:
    """Returns what every policy reaches at every share of strong calls.

    Policies: `random`; `routed`, by the probe's predicted gain, and `routed_by_NAME` for each baseline;
    `oracle`, by the recorded gain: it reads the noise of the very samples that score it; `cascade`, where
    rewards are 0 and 1: every query to the weak decoder, its failures, as a verifier tells them, to the
    strong one; `strong` and `weak`, every query to one.

    Args:
        pairs: the queries.
        probes: for each of the pairs' targets, what predicts it.
        folds: parts into which queries are split, at least 2.
        seeds: ways to split, at least 1.
        on_progress: called after each way to split.
    """
    desk = _Desk(pairs)
    desk.read("random", Order.by(np.zeros(len(pairs.gain)), pairs))
    names = ("probe", *probes[0].baselines)
    said: dict[str, list[FloatArray]] = {name: [] for name in names}
    for seed in range(seeds):
        parts = balanced_folds(pairs.groups, pairs.gain, folds, seed)
        for name in names:
            scorers = [own.probe if name == "probe" else own.baselines[name] for own in probes]
            scores = [out_of_fold(scorer, parts, seed) for scorer in scorers]
            said[name].append(pairs.preferred([expit(score) for score in scores]))
            desk.read("routed" if name == "probe" else f"routed_by_{name}", Order.by(scores[0], pairs))
            if name == "probe":
                desk.control(scores[0], seed)
        on_progress("splits", seed + 1, seeds)
    desk.read("oracle", Order.by(pairs.gain, pairs))
    if pairs.binary:
        desk.read("cascade", cascade(pairs))
    return _found(desk, said)


def out_of_fold(scorer: Scorer, folds: IntArray, seed: int) -> FloatArray:
    """Returns the score of each query from a fit without its fold, on 1,500 others at most, shape (n,).

    Those are of all groups: what must stay whole are the folds, not what they are fitted on.
    """
    score = np.empty(len(folds))
    rng = np.random.default_rng(seed)
    for fold in np.unique(folds):
        asked, others = np.flatnonzero(folds == fold), np.flatnonzero(folds != fold)
        known = np.sort(rng.permutation(others)[:MOST_TRAINING])
        score[asked] = scorer(known, asked, seed).asked
    return score


def cascade(pairs: Pairs) -> Order:
    """Returns the order of a cascade: its failures, known once they are verified, are sent in any order."""
    failures = 1 - pairs.weak
    return Order(np.zeros(len(failures)), failures * pairs.strong, failures, first=True)


class _Desk:
    """Where orders are read, all on the same resamples of groups."""

    def __init__(self, pairs: Pairs) -> None:
        self.pairs = pairs
        self.readings: dict[str, list[list[Reading]]] = {}
        self.costs: dict[str, list[list[float]]] = {}
        self.weights = group_weights(pairs.groups, RESAMPLES, SEED)
        self._resampled = Grouped.of(pairs.groups, self.weights)
        self._weak = self.weights @ pairs.weak
        self._strong = self.weights @ pairs.strong

    def read(self, name: str, order: Order) -> None:
        """Reads one way in which a policy sends queries."""
        pairs = self.pairs
        sent = strong_first(order.score, order.gain, order.calls)
        calls, gains = self._resampled.curves(order.score, order.gain, order.calls)
        weak, strong = float(pairs.weak.mean()), float(pairs.gain.mean())
        shares = [sent.needed(b * strong) / b for b in SHARES]
        self.readings.setdefault(name, []).append(
            [
                Reading(
                    reward=weak + sent.at(b),
                    samples=min(b, float(sent.share[-1])),
                    share=share,
                    rewards=self._weak + between(calls, gains, np.full(len(calls), b), gains[:, -1]),
                    shares=first_crossing(calls, gains, b * (self._strong - self._weak)) / b,
                )
                for b, share in zip(SHARES, shares, strict=True)
            ]
        )
        self.costs.setdefault(name, []).append([self._cost(order, b) for b in (*SHARES, shares[-1])])

    def control(self, score: FloatArray, seed: int) -> None:
        """Reads the orders that must gain nothing."""
        shuffled = np.random.default_rng(seed).permutation(score)
        for name, own in zip(CONTROLS, (np.zeros_like(score), shuffled), strict=True):
            self.read(name, Order.by(own, self.pairs))

    def constant(self, strong: bool) -> Routed:
        """Returns the reward and cost of a single decoder."""
        rewards = self._strong if strong else self._weak
        mean = float((self.pairs.strong if strong else self.pairs.weak).mean())
        once = np.ones(len(rewards))
        cost = float((self.pairs.strong_cost if strong else self.pairs.weak_cost).mean())
        return Routed(reached([Reading(mean, float(strong), 1.0, rewards, once)]), cost)

    def _cost(self, order: Order, share: float) -> float:
        """Returns what all calls cost a query, in the mean."""
        if not np.isfinite(share):
            return np.inf
        pairs = self.pairs
        more = order.calls * pairs.strong_cost - (0.0 if order.first else pairs.weak_cost)
        return float(pairs.weak_cost.mean()) + strong_first(order.score, more, order.calls).at(share)


def _found(desk: _Desk, said: Mapping[str, Sequence[FloatArray]]) -> RoutingEvaluation:
    pairs, other = desk.pairs, desk.readings["random"][0]
    predicted = np.mean(said["probe"], axis=0)
    alone = {name: dict.fromkeys(SHARES, desk.constant(name == "strong")) for name in ("strong", "weak")}
    strong = float(pairs.strong_cost.mean())
    costs = {name: float(np.mean([own[-1] for own in runs])) for name, runs in desk.costs.items()}
    return RoutingEvaluation(
        policies={name: _row(desk, name) for name in desk.readings if name not in CONTROLS} | alone,
        needed={
            name: {
                b: needed([split[place] for split in runs], other[place]) for place, b in enumerate(SHARES)
            }
            for name, runs in desk.readings.items()
        },
        matched_cost={
            name: cost / strong if np.isfinite(cost) else None
            for name, cost in costs.items()
            if name not in CONTROLS
        },
        predictor=_quality(said["probe"], pairs),
        baselines={name: _quality(runs, pairs) for name, runs in said.items() if name != "probe"},
        distribution=of_preferences(pairs.preference),
        predictions=predictions(predicted, pairs.preference, desk.weights),
    )


def _row(desk: _Desk, name: str) -> dict[float, Routed]:
    runs, costs = desk.readings[name], np.mean(desk.costs[name], axis=0)
    return {
        b: Routed(reached([split[place] for split in runs]), float(costs[place]))
        for place, b in enumerate(SHARES)
    }


def _quality(splits: Sequence[FloatArray], pairs: Pairs) -> Predictor:
    """Returns the quality of predicted preferences, mean over splits (Table 1)."""
    found = [share_quality(np.clip(own, 0.0, 1.0), pairs.preference) for own in splits]
    inside = np.maximum(pairs.preference * (1 - pairs.preference), 1e-12)
    missing = float(np.mean(pairs.noise / (2 * inside)))  # to second order, what noise takes off the entropy
    return Predictor(
        loss=float(np.mean([own.loss for own in found])),
        average=found[0].average,
        optimal=found[0].optimal + missing,
        optimal_uncorrected=found[0].optimal,
        accuracy=float(np.mean([own.accuracy for own in found])),
        ece=float(np.mean([drift(own, pairs.preference).error for own in splits])),
    )
