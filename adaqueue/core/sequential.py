"""Sequential allocation with refunds: who draws next, given what failures have taught.

A success closes its query, and what that query did not use buys samples of others. A batch, whose total is
fixed, buys the largest index until its account is spent. A stream, whose queries keep coming, buys what is
worth its price, and the account steers the price: `price = base exp(-balance / allowance)`, which is the
multiplicative controller `log price += (spent - allowed) / allowance` with its state in the account, so that
a restart changes nothing. The base follows slowly, so that no balance is left over
after a shift of difficulty.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from adaqueue.core.allocate import Budgets, allocate
from adaqueue.core.beliefs import Beliefs
from adaqueue.core.decisions import Account, Prediction
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.posterior import logistic_hazards, marginals, survival
from adaqueue.errors import SettingsError

BASE_GAIN = 0.2
"""Share of a full window's correction of the price that becomes lasting."""


def rule_hazards(predictions: Sequence[Prediction], b_max: int) -> FloatArray:
    """Returns hazards as each query's probe's rule gives them, else those of its belief; shape (n, b_max)."""
    hazards = Beliefs.of_predictions(predictions).hazards(b_max)
    ruled = [place for place, prediction in enumerate(predictions) if prediction.curve is not None]
    if ruled:
        curves = np.array([predictions[place].curve for place in ruled], dtype=np.float64)
        hazards[ruled] = logistic_hazards(curves, b_max)
    return hazards


def round_robin_hazards(predictions: Sequence[Prediction], b_max: int) -> FloatArray:
    """Returns hazards that make every query wait for its turn, whatever is believed: 1/2, 1/3, 1/4, ..."""
    row = 1.0 / (2.0 + np.arange(b_max, dtype=np.float64))
    return np.tile(row, (len(predictions), 1))


HAZARDS: dict[str, Callable[[Sequence[Prediction], int], FloatArray]] = {
    "sequential": rule_hazards,
    "uniform_early_stop": round_robin_hazards,
}
"""Policies that buy a few samples at a time; every other policy buys once."""


def hazards_of(policy: str, predictions: Sequence[Prediction], b_max: int) -> FloatArray:
    """Returns the hazards by which a policy orders its queries, shape (n, b_max), no row rising.

    Raises:
        SettingsError: the policy is unknown, or buys once.
    """
    if policy not in HAZARDS:
        raise SettingsError(f"policy {policy!r} does not buy sequentially; these do: {', '.join(HAZARDS)}")
    return HAZARDS[policy](predictions, b_max)


@dataclass(frozen=True, eq=False)
class Limits:
    """What bounds each query, in samples, shape (n,) each.

    Attributes:
        drawn: so far, each of them a failure.
        minimum: drawn whatever they are worth.
        maximum: drawn at most.
    """

    drawn: IntArray
    minimum: IntArray
    maximum: IntArray


def buy(
    hazards: FloatArray, limits: Limits, samples: int, *, price: float, waves: int, order: IntArray
) -> Budgets:
    """Returns the samples that are bought now, the largest marginal reward first.

    A query's samples of one round are drawn side by side: the second is worth the chance that the first
    fails times the hazard after it. So that they are few beside those that taught something, a query that has
    drawn d gets at most `1 + d // waves` in a round.

    Args:
        hazards: shape (n, b_max), no row rising.
        limits: of each query.
        samples: bought at most, promised ones excepted.
        price: marginal reward below which none is bought, promised ones excepted.
        waves: at least 1.
        order: rank for ties, shape (n,), lowest first.
    """
    left = np.maximum(limits.maximum - limits.drawn, 0)
    promised = np.minimum(np.maximum(limits.minimum - limits.drawn, 0), left)
    most = np.minimum(1 + limits.drawn // waves, left)
    width = int(np.maximum(most, promised).max(initial=0))
    delta = marginals(hazards, np.minimum(limits.drawn, hazards.shape[1]))[:, :width]
    worth = np.minimum(np.count_nonzero(delta >= price, axis=1), most)
    total = max(samples, int(promised.sum()))
    return allocate(delta, total, minimum=promised, maximum=np.maximum(worth, promised), order=order)


def next_index(hazards: FloatArray, drawn: IntArray) -> FloatArray:
    """Returns each query's hazard after so many failures, shape (n,); 0 past the end of its curve."""
    padded = np.pad(hazards, ((0, 0), (0, 1)))
    found: FloatArray = padded[np.arange(len(drawn)), np.minimum(drawn, hazards.shape[1])]
    return found


def opening_price(hazards: FloatArray, average_budget: float) -> float:
    """Returns the price at which these queries are believed to draw `average_budget` samples on average.

    A sample is drawn if all before it failed: the price is the hazard at which the expected number of samples
    worth at least as much first reaches the budget; the lowest if all together stay below it.

    Args:
        hazards: shape (n, b_max), n and b_max at least 1, no row rising.
        average_budget: samples a query.
    """
    drawn = survival(hazards)[:, :-1].ravel()
    order = np.argsort(-hazards, axis=None, kind="stable")
    spent = np.cumsum(drawn[order])
    place = int(np.searchsorted(spent, average_budget * len(hazards)))
    return float(hazards.flat[order[min(place, order.size - 1)]])


def steered(account: Account, queries: int, window_queries: int) -> tuple[float, float]:
    """Returns (base, price) of a stream for the queries that enter now.

    Args:
        account: its balance says how far spending is from what was allowed; its base price is set.
        queries: that enter.
        window_queries: of a full window; a smaller one moves the base by its share.
    """
    if account.base_price is None:
        raise ValueError("the account has no price yet: it opens with opening_price")
    if account.allowance <= 0:
        return account.base_price, math.inf
    off = min(max(account.balance / account.allowance, -1.0), 1.0)
    base = account.base_price * math.exp(-BASE_GAIN * off * min(queries / window_queries, 1.0))
    return base, base * math.exp(-account.balance / account.allowance)
