"""The paper's two populations, rebuilt from its Table 1: a test of every policy that needs no model.

A query is its success probability, which a probe sees through noise: `logit(success) + sigma * noise`, with
sigma such that the best use of this signal has the loss of the paper's probe. Queries and signals are drawn
by a seed; what the policies then reach is computed in expectation over samples. The population is one that
fits the losses, not the only one: `alternatives` are others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from scipy.optimize import bisect, brentq
from scipy.special import digamma, entr, logit, roots_jacobi

from adaqueue.core import bins
from adaqueue.core.curves import Curve, Purchases, round_robin
from adaqueue.core.marginal import FloatArray, from_success
from adaqueue.core.posterior import beta_hazards, marginals, survival
from adaqueue.core.waves import curve_in_waves

BUDGETS = (1, 2, 4, 8, 16, 32)
QUERIES = 6_000
BINS = 20
NODES = 200
WAVE_GROUPS = 250
WAVE_TOTALS = np.geomspace(0.2, 32, 24)


@dataclass(frozen=True)
class Population:
    """Queries as the paper's losses describe them.

    Attributes:
        zero: share of queries that no sample solves, [0, 1).
        alpha: of the others' Beta distributed success probability, > 0.
        beta: the same distribution's other parameter, > 0.
        loss: cross-entropy of the paper's probe, in nats a query.
        b_max: largest budget of a query.
        clip: success probabilities nearer to 0 or 1 look alike to the probe.
    """

    zero: float
    alpha: float
    beta: float
    loss: float
    b_max: int
    clip: float = 0.003

    @property
    def mean(self) -> float:
        """The mean success probability."""
        return (1 - self.zero) * self.alpha / (self.alpha + self.beta)

    @property
    def average_loss(self) -> float:
        """Loss of predicting the mean for every query: `H(mean)`."""
        return float(entr(self.mean) + entr(1 - self.mean))

    @property
    def optimal_loss(self) -> float:
        """Loss of predicting every query's own success probability: `E[H(success)]`."""
        total = self.alpha + self.beta
        share = self.alpha / total
        lost = share * digamma(self.alpha + 1) + (1 - share) * digamma(self.beta + 1) - digamma(total + 1)
        return float(-(1 - self.zero) * lost)


POPULATIONS = {
    "code": Population(zero=0.5, alpha=0.58, beta=0.51, loss=0.33, b_max=100),
    "math": Population(zero=0.05, alpha=0.41, beta=0.44, loss=0.48, b_max=128),
}
"""Of Section 4.1, by domain: TACO with Starcoder-15B, Numina-CoT with Mathstral-7B."""


def with_zero(population: Population, zero: float) -> Population:
    """Returns the population of another share of hopeless queries and the same mean and losses.

    Raises:
        ValueError: no Beta distribution of the others keeps them.
    """
    mean = population.mean / (1 - zero)
    if not 0 < mean < 1:
        raise ValueError(f"a share {zero} of zeros cannot have the mean {population.mean:.3f}")

    def of(log_size: float) -> Population:
        size = float(np.exp(log_size))
        return replace(population, zero=zero, alpha=mean * size, beta=(1 - mean) * size)

    return of(brentq(lambda log_size: of(log_size).optimal_loss - population.optimal_loss, -7.0, 7.0))


def alternatives(population: Population) -> dict[str, Population]:
    """Returns other populations with the same mean and losses, and other probes of the same loss, by name."""
    fewer, more = max(population.zero - 0.1, 0.0), population.zero + 0.1
    zeros = {f"{zero:.0%} hopeless": with_zero(population, zero) for zero in (fewer, more)}
    clips = {
        f"probe blind beyond {clip:.2%}": replace(population, clip=clip)
        for clip in (population.clip / 5, population.clip * 5)
    }
    return zeros | clips


@lru_cache(maxsize=32)
def _support(population: Population) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Success probabilities, what the probe would see of them without noise, and weights, each shape (k,)."""
    nodes, weights = roots_jacobi(NODES, population.beta - 1, population.alpha - 1)
    success = np.append(0.0, (1 + nodes) / 2)
    shares = np.append(population.zero, (1 - population.zero) * weights / weights.sum())
    return success, logit(np.clip(success, population.clip, 1 - population.clip)), shares


def _posterior(population: Population, signals: FloatArray, sigma: float) -> FloatArray:
    """Joint density of signals and success probabilities of the support, shape (n, k), up to a factor."""
    _, seen, shares = _support(population)
    density: FloatArray = np.exp(-(((signals[:, None] - seen) / sigma) ** 2) / 2) * shares
    return density


def probe_loss(population: Population, sigma: float) -> float:
    """Returns the expected loss of the posterior mean given a signal of this noise: `E[H(mean)]`, in nats."""
    success, seen, _ = _support(population)
    signals = np.linspace(seen.min() - 8 * sigma, seen.max() + 8 * sigma, 1_000)
    density = _posterior(population, signals, sigma)
    predicted = density @ success / density.sum(axis=1)
    weights = density.sum(axis=1) / density.sum()
    return float(weights @ (entr(predicted) + entr(1 - predicted)))


@lru_cache(maxsize=32)
def probe_noise(population: Population) -> float:
    """Returns the noise of the signal, sigma, whose best use has the population's `loss`.

    Raises:
        ValueError: no noise has: the loss is not between the optimal and the average.
    """
    return float(bisect(lambda sigma: probe_loss(population, sigma) - population.loss, 0.05, 50.0, xtol=1e-9))


@dataclass(frozen=True, eq=False)
class Twin:
    """Queries drawn from a population, and what a perfectly calibrated probe knows of them.

    Attributes:
        success: the truth, shape (n,), [0, 1].
        predicted: posterior mean given the signal, shape (n,), (0, 1).
        alpha: of the Beta distribution with the posterior's mean and variance, shape (n,).
        beta: its other parameter.
        hazards: chance of a success at the next sample after f failures under the posterior,
            `E[success (1-success)^f] / E[(1-success)^f]`, shape (n, b_max), no row rising.
        survival: true chance that the first f samples all fail, shape (n, b_max + 1).
    """

    success: FloatArray
    predicted: FloatArray
    alpha: FloatArray
    beta: FloatArray
    hazards: FloatArray
    survival: FloatArray


def draw(population: Population, queries: int, rng: np.random.Generator) -> Twin:
    """Returns queries of the population with their probe's predictions; the generator alone decides which."""
    able = rng.random(queries) >= population.zero
    success = np.where(able, rng.beta(population.alpha, population.beta, queries), 0.0)
    sigma = probe_noise(population)
    seen = logit(np.clip(success, population.clip, 1 - population.clip))
    signals = seen + sigma * rng.standard_normal(queries)
    believed = _believed_survival(population, signals, sigma)
    predicted = 1 - believed[:, 1]
    size = predicted * (1 - predicted) / (believed[:, 2] - believed[:, 1] ** 2) - 1
    return Twin(
        success=success,
        predicted=predicted,
        alpha=predicted * size,
        beta=(1 - predicted) * size,
        hazards=np.minimum.accumulate(1 - believed[:, 1:] / believed[:, :-1], axis=1),
        survival=survival(np.broadcast_to(success[:, None], (queries, population.b_max))),
    )


def _believed_survival(population: Population, signals: FloatArray, sigma: float) -> FloatArray:
    """`E[(1-success)^f]` given each signal, f = 0..b_max, shape (n, b_max + 1)."""
    success, _, _ = _support(population)
    density = _posterior(population, signals, sigma)
    powers = (1 - success)[:, None] ** np.arange(population.b_max + 1)
    believed: FloatArray = density @ powers / density.sum(axis=1, keepdims=True)
    return believed


@dataclass(frozen=True)
class Measured:
    """What the policies reach on one draw of queries.

    Attributes:
        equal_reward_budget: policy -> B -> samples for the success of uniform best-of-B, as a share of
            uniform's; None where the policy never reaches it.
        reward: policy -> B -> success at B samples a query on average.
    """

    equal_reward_budget: dict[str, dict[int, float | None]]
    reward: dict[str, dict[int, float]]


def measure(
    population: Population, seed: int, queries: int = QUERIES, policies: Sequence[str] | None = None
) -> Measured:
    """Returns what policies reach on queries drawn by a seed, bins fitted on as many others.

    Args:
        population: where the queries come from.
        seed: of the draw; the same seed gives the same figures.
        queries: drawn, at least one for each bin.
        policies: names of `POLICIES`; default all.
    """
    rng = np.random.default_rng(seed)
    drawn, held_out = (draw(population, queries, rng) for _ in range(2))
    target = {b: float(np.mean(1 - drawn.survival[:, b])) for b in BUDGETS}
    curves = {name: _curve(name, drawn, held_out) for name in policies or POLICIES}
    needed = {name: {b: found.needed(target[b]) for b in BUDGETS} for name, found in curves.items()}
    return Measured(
        {name: {b: None if s is None else s / b for b, s in row.items()} for name, row in needed.items()},
        {"uniform": target, **{name: {b: c.at(b) for b in BUDGETS} for name, c in curves.items()}},
    )


def _curve(policy: str, drawn: Twin, held_out: Twin) -> Curve:
    if policy in _WAVES:
        return _in_waves(drawn, _WAVES[policy])
    return purchases(policy, drawn, held_out).curve()


def purchases(policy: str, drawn: Twin, held_out: Twin) -> Purchases:
    """Returns what a policy that buys no waves buys of the drawn queries, in its order.

    Args:
        policy: its name, see `POLICIES`.
        drawn: the queries.
        held_out: others, on which bins are fitted.
    """
    stops = policy in _STOPPING
    index = _STOPPING[policy](drawn) if stops else _ONE_SHOT[policy](drawn, held_out)
    return Purchases.of(index, drawn.survival, stops=stops)


def _in_waves(drawn: Twin, waves: int) -> Curve:
    """The sequential policy in waves, with neighbours in the probe's order taken together, to be quick."""
    order = np.argsort(drawn.predicted, kind="stable")
    starts = np.unique(np.linspace(0, len(order), WAVE_GROUPS, endpoint=False, dtype=np.int64))
    sizes = np.diff(starts, append=len(order))[:, None]
    hazards, alive = (
        np.add.reduceat(rows[order], starts, axis=0) / sizes for rows in (drawn.hazards, drawn.survival)
    )
    return curve_in_waves(hazards, alive, waves, WAVE_TOTALS)


def _bins(drawn: Twin, held_out: Twin) -> FloatArray:
    """Each query's row is its bin's: the mean of what the bin's held-out queries give."""
    edges = bins.quantile_edges(held_out.predicted, BINS)
    delta = from_success(held_out.success, held_out.hazards.shape[1])
    return bins.mean_marginals(held_out.predicted, delta, edges)[bins.bin_of(drawn.predicted, edges)]


def _window(drawn: Twin, _: Twin | None = None) -> FloatArray:
    return from_success(drawn.predicted, drawn.hazards.shape[1])


_ONE_SHOT: dict[str, Callable[[Twin, Twin], FloatArray]] = {
    "window": _window,
    "bins": _bins,
    "beta_window": lambda drawn, _: marginals(drawn.hazards, np.zeros(len(drawn.hazards), dtype=np.int64)),
    "oracle": lambda drawn, _: from_success(drawn.success, drawn.hazards.shape[1]),
}
"""Indices of the policies that grant every budget before the first sample, and draw all they granted."""

_STOPPING: dict[str, Callable[[Twin], FloatArray]] = {
    "window_early_stop": _window,
    "uniform_early_stop": lambda drawn: round_robin(*drawn.hazards.shape),
    "sequential": lambda drawn: drawn.hazards,
    "sequential_beta": lambda drawn: beta_hazards(drawn.alpha, drawn.beta, drawn.hazards.shape[1]),
    "sequential_oracle": lambda drawn: np.broadcast_to(drawn.success[:, None], drawn.hazards.shape),
}
"""Indices of the policies that draw one sample at a time and close a query at its first success."""

_WAVES = {f"sequential_{waves}_waves": waves for waves in (4, 8, 16)}

POLICIES: tuple[str, ...] = (*_ONE_SHOT, *_STOPPING, *_WAVES)
"""The policies' names, those that grant everything at once first."""
