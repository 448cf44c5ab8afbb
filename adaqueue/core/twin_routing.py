"""The paper's two pairs of decoders, rebuilt from its Table 1: what the strong one adds, as a probe sees it.

A query is its gap, what the strong decoder's reward is over the weak's. Its preference is `sigma(gap)`
(Eq. 8). Location and scale of the gaps are such that predicting the mean preference, and knowing every
preference, lose what they lose in the paper; the probe sees the gap through noise such that the best use of
this signal has the loss of the paper's probe. Many populations do: `SHAPES` are some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.optimize import bisect, brentq
from scipy.special import entr, expit, ndtri

from adaqueue.core.distribution import Distribution, of_preferences
from adaqueue.core.marginal import FloatArray
from adaqueue.core.metrics import PredictorQuality, share_quality
from adaqueue.core.predictions import Predictions
from adaqueue.core.routing import strong_first
from adaqueue.core.twin_portrait import against_truth

QUERIES = 6_000
NODES = 400
SHARES = tuple(round(0.1 * tenth, 1) for tenth in range(1, 11))

SHAPES: Mapping[str, Callable[[FloatArray], FloatArray]] = {
    "normal": ndtri,
    "long tails": lambda u: np.sign(u - 0.5) * -np.log1p(-2 * np.abs(u - 0.5)),
    "no tails": lambda u: u - 0.5,
    "few queries gain much": lambda u: -np.log1p(-u),
    "few queries lose much": np.log,
}
"""Quantiles of the gaps, before location and scale: normal, Laplace, uniform, exponential either way."""


@dataclass(frozen=True)
class Pair:
    """A weak and a strong decoder as the paper's losses describe them, in nats a query.

    Attributes:
        average: loss of predicting the mean preference for every query.
        optimal: loss of predicting every query's own preference.
        loss: of the paper's probe.
        accuracy: of the paper's probe, at the medians; not fitted.
        shape: of the gaps, one of `SHAPES`.
    """

    average: float
    optimal: float
    loss: float
    accuracy: float
    shape: str = "normal"


PAIRS = {
    "routing-size": Pair(average=0.67, optimal=0.58, loss=0.64, accuracy=0.72),
    "routing-vas": Pair(average=0.57, optimal=0.51, loss=0.55, accuracy=0.72),
}
"""Of Section 4.2: Gemma 2B and 7B, and ordinary against value-augmented sampling of Llama 7B."""


def _entropy(share: FloatArray) -> FloatArray:
    found: FloatArray = entr(share) + entr(1 - share)
    return found


def _quantiles(shape: str) -> FloatArray:
    return SHAPES[shape]((np.arange(NODES) + 0.5) / NODES)


def mean_preference(pair: Pair) -> float:
    """Returns the mean preference, above 1/2, of which the entropy is the average loss."""
    return float(brentq(lambda p: float(_entropy(np.array(p))) - pair.average, 0.5, 1 - 1e-9))


@lru_cache(maxsize=32)
def location_and_scale(pair: Pair) -> tuple[float, float]:
    """Returns location and scale of the gaps, in units of the reward.

    Raises:
        ValueError: no population has both losses: the optimal is not below the average.
    """
    quantiles, mean = _quantiles(pair.shape), mean_preference(pair)

    def location(scale: float) -> float:
        return float(brentq(lambda x: expit(x + scale * quantiles).mean() - mean, -200.0, 200.0))

    def excess(scale: float) -> float:
        return float(_entropy(expit(location(scale) + scale * quantiles)).mean()) - pair.optimal

    scale = float(brentq(excess, 1e-6, 20.0))
    return location(scale), scale


def gaps(pair: Pair, ranks: FloatArray) -> FloatArray:
    """Returns the gaps at these ranks of the population, each in (0, 1)."""
    location, scale = location_and_scale(pair)
    return location + scale * SHAPES[pair.shape](ranks)


def _beliefs(pair: Pair, signals: FloatArray, sigma: float) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Posterior means of the preference and of the gap, and the signals' density, each shape (n,)."""
    support = gaps(pair, (np.arange(NODES) + 0.5) / NODES)
    density = np.exp(-(((signals[:, None] - support) / sigma) ** 2) / 2)
    total = density.sum(axis=1)
    return density @ expit(support) / total, density @ support / total, total


def probe_loss(pair: Pair, sigma: float) -> float:
    """Returns the expected loss of the posterior mean preference given a signal of this noise, in nats."""
    support = gaps(pair, (np.arange(NODES) + 0.5) / NODES)
    signals = np.linspace(support.min() - 8 * sigma, support.max() + 8 * sigma, 1_000)
    predicted, _, weights = _beliefs(pair, signals, sigma)
    return float(weights @ _entropy(predicted) / weights.sum())


@lru_cache(maxsize=32)
def probe_noise(pair: Pair) -> float:
    """Returns the noise of the signal, sigma, whose best use has the pair's `loss`."""
    _, scale = location_and_scale(pair)
    return float(bisect(lambda s: probe_loss(pair, s) - pair.loss, 0.05 * scale, 50 * scale, xtol=1e-9))


@dataclass(frozen=True, eq=False)
class Pairings:
    """Queries drawn from a pair of decoders, and what a perfectly calibrated probe knows of them.

    Attributes:
        gap: what the strong decoder adds, shape (n,).
        preference: for the strong decoder, shape (n,), (0, 1).
        predicted: posterior mean of the preference, shape (n,).
        predicted_gap: posterior mean of the gap, shape (n,).
    """

    gap: FloatArray
    preference: FloatArray
    predicted: FloatArray
    predicted_gap: FloatArray


def draw_pairings(pair: Pair, queries: int, rng: np.random.Generator) -> Pairings:
    """Returns queries with their probe's predictions; the generator alone decides which."""
    gap = gaps(pair, np.clip(rng.random(queries), 1e-12, 1 - 1e-12))
    sigma = probe_noise(pair)
    predicted, predicted_gap, _ = _beliefs(pair, gap + sigma * rng.standard_normal(queries), sigma)
    return Pairings(gap, expit(gap), predicted, predicted_gap)


@dataclass(frozen=True)
class PairMeasured:
    """What the policies reach on one draw of queries, rewards over the weak decoder's.

    Attributes:
        equal_reward_budget: policy -> share B -> strong calls for the reward of random routing at B, as a
            share of random's.
        reward: policy -> B -> mean of what is gained over the weak decoder's reward.
        strong_matched: policy -> share of strong calls that reaches the strong decoder's own reward.
        best: policy -> its largest reward over that of the strong decoder.
        quality: of the predicted preferences.
    """

    equal_reward_budget: dict[str, dict[float, float]]
    reward: dict[str, dict[float, float]]
    strong_matched: dict[str, float]
    best: dict[str, float]
    quality: PredictorQuality


def measure_pairings(drawn: Pairings) -> PairMeasured:
    """Returns what `random`, `routed` (by the predicted gap) and `oracle` reach."""
    orders = {"random": np.zeros_like(drawn.gap), "routed": drawn.predicted_gap, "oracle": drawn.gap}
    found = {name: strong_first(score, drawn.gap) for name, score in orders.items()}
    strong = float(drawn.gap.mean())
    return PairMeasured(
        {name: {b: own.needed(b * strong) / b for b in SHARES} for name, own in found.items()},
        {name: {b: own.at(b) for b in SHARES} for name, own in found.items()},
        {name: own.needed(strong) for name, own in found.items()},
        {name: own.best / strong for name, own in found.items()},
        share_quality(drawn.predicted, drawn.preference),
    )


@dataclass(frozen=True, slots=True)
class PairPortrait:
    """One draw of a pair's queries, for figures.

    Attributes:
        distribution: of the preferences.
        predictions: of preferences, with the truth.
    """

    distribution: Distribution
    predictions: Predictions


def pair_portrait(drawn: Pairings, seed: int) -> PairPortrait:
    """Returns the figures of these queries."""
    return PairPortrait(
        of_preferences(drawn.preference), against_truth(drawn.predicted, drawn.preference, seed)
    )
