"""The paper's chat queries, rebuilt: normal rewards, whose spread differs between queries and is half known.

The best of b samples of a query is worth its mean plus its spread times the expected maximum of b standard
normals: only the spread decides which query deserves more. Spreads are lognormal; the probe sees the log of
the spread through noise and regresses the marginal rewards (Eq. 6), whose best prediction is their posterior
mean. The paper gives no loss for chat: `CHAT` is such that the oracle's and the window's savings on all
queries are those of its Figure 4; what both save on the tranches then follows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.integrate import quad
from scipy.special import ndtr

from adaqueue.core.curves import Curve, Purchases
from adaqueue.core.distribution import Distribution, of_known_deviations
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.predictions import Predictions
from adaqueue.core.twin_portrait import against_truth

QUERIES = 6_000
LABELLED = 8
"""Samples whose rewards tell a query's variance, as in the paper."""

TRANCHE = 0.1
"""Share of the queries in the tranche of lowest, and of highest, variance."""

BUDGETS = tuple(range(1, 9))


@dataclass(frozen=True)
class ChatPopulation:
    """Queries by the spread of their rewards.

    Attributes:
        spread: standard deviation of the log of a query's standard deviation of rewards, > 0.
        known: share of that variance that the probe sees, in (0, 1).
        b_max: largest budget of a query; the smallest is 1.
    """

    spread: float
    known: float
    b_max: int


CHAT = ChatPopulation(spread=0.8, known=0.5, b_max=8)


@dataclass(frozen=True, eq=False)
class Chats:
    """Queries of a population.

    Attributes:
        deviation: standard deviation of each query's rewards, shape (n,); the median query's is 1.
        predicted: its posterior mean, shape (n,).
        variance: of the rewards of as many samples as the paper labelled, shape (n,).
    """

    deviation: FloatArray
    predicted: FloatArray
    variance: FloatArray


def draw_chats(population: ChatPopulation, queries: int, rng: np.random.Generator) -> Chats:
    """Returns queries of the population with their probe's predictions; the generator alone decides which."""
    total, known = population.spread**2, population.known
    log = population.spread * rng.standard_normal(queries)
    noise = np.sqrt(total * (1 - known) / known) * rng.standard_normal(queries)
    predicted = np.exp(known * (log + noise) + total * (1 - known) / 2)
    seen = rng.chisquare(LABELLED - 1, queries) / (LABELLED - 1)
    return Chats(np.exp(log), predicted, np.exp(2 * log) * seen)


def tranches(chats: Chats) -> dict[str, Chats]:
    """Returns the queries of the lowest and of the highest tenth of reward variance, and both together."""
    order = np.argsort(chats.variance, kind="stable")
    size = max(round(TRANCHE * len(order)), 1)
    rows = {"lowest": order[:size], "highest": order[-size:]}
    return {name: _take(chats, own) for name, own in rows.items()} | {
        "both": _take(chats, np.concatenate([*rows.values()]))
    }


def _take(chats: Chats, rows: IntArray) -> Chats:
    return Chats(chats.deviation[rows], chats.predicted[rows], chats.variance[rows])


def best_of(b_max: int) -> FloatArray:
    """Returns the expected maximum of 1 to b_max standard normals, shape (b_max,).

    It is the integral of `1 - Phi(x)^b` above 0 less that of `Phi(x)^b` below it.
    """

    def of(b: int) -> float:
        above = quad(lambda x: 1 - ndtr(x) ** b, 0, 10)[0]
        return float(above - quad(lambda x: ndtr(x) ** b, -10, 0)[0])

    return np.array([of(b) for b in range(1, b_max + 1)])


@dataclass(frozen=True)
class ChatMeasured:
    """What the policies reach on one set of queries.

    Attributes:
        equal_reward_budget: policy -> B -> samples for the reward of uniform best-of-B, as a share of
            uniform's; None where the policy never reaches it.
        reward: policy -> B -> reward over that of one sample, mean over queries.
    """

    equal_reward_budget: dict[str, dict[int, float | None]]
    reward: dict[str, dict[int, float]]


def measure_chats(chats: Chats, b_max: int) -> ChatMeasured:
    """Returns what `uniform`, `window` and `oracle` reach; every query gets at least one sample."""
    gains = np.diff(best_of(b_max), prepend=0.0)
    turns = np.broadcast_to(-np.arange(b_max, dtype=np.float64), (len(chats.deviation), b_max))
    indices = {
        "uniform": turns,
        "window": chats.predicted[:, None] * gains,
        "oracle": chats.deviation[:, None] * gains,
    }
    curves = {name: _curve(index, chats.deviation[:, None] * gains) for name, index in indices.items()}
    budgets = [budget for budget in BUDGETS if budget <= b_max]
    reward = {name: {b: found.at(b) for b in budgets} for name, found in curves.items()}
    return ChatMeasured({name: _shares(found, reward["uniform"]) for name, found in curves.items()}, reward)


ROUNDING = 1e-12
"""Of a reward: policies that reach the same add it up in different orders."""


def _curve(index: FloatArray, gains: FloatArray) -> Curve:
    first = np.full((len(index), 1), np.inf)
    won = np.concatenate([np.zeros((len(index), 1)), gains[:, 1:]], axis=1)
    return Purchases.of_units(np.concatenate([first, index[:, 1:]], axis=1), np.ones(won.shape), won).curve()


def _shares(found: Curve, target: Mapping[int, float]) -> dict[int, float | None]:
    return {b: _share(found, reward, b) for b, reward in target.items()}


def _share(found: Curve, reward: float, budget: int) -> float | None:
    if budget == 1:  # the smallest that there is
        return 1.0
    needed = found.needed(reward - ROUNDING)
    return None if needed is None else needed / budget


@dataclass(frozen=True, slots=True)
class ChatPortrait:
    """One draw of the chat queries, for figures.

    Attributes:
        distribution: of the standard deviations of rewards.
        predictions: of what a second sample adds, with the truth.
    """

    distribution: Distribution
    predictions: Predictions


def chat_portrait(chats: Chats, seed: int) -> ChatPortrait:
    """Returns the figures of these queries."""
    second = best_of(2)[1]
    said, true = second * chats.predicted, second * chats.deviation
    return ChatPortrait(of_known_deviations(chats.deviation), against_truth(said, true, seed))
