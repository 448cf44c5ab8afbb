"""What the paper's Figures 3 and 6 show of the twin beside its curves."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.curves import Purchases
from adaqueue.core.distribution import Distribution, of_rates
from adaqueue.core.marginal import FloatArray
from adaqueue.core.predictions import Predictions, predictions
from adaqueue.core.replays import group_weights
from adaqueue.core.twin import BUDGETS, QUERIES, Population, Twin, draw, purchases

POLICIES = ("window", "bins", "sequential")
"""Whose samples are told by how hard the queries look."""

RESAMPLES = 500


@dataclass(frozen=True, slots=True)
class Portrait:
    """One draw of a population, for figures.

    Attributes:
        distribution: of the true success probabilities.
        predictions: with the truth.
        tertiles: policy -> B -> samples a query that it spends on the third of the queries predicted
            hardest, on the next and on the easiest.
    """

    distribution: Distribution
    predictions: Predictions
    tertiles: dict[str, dict[int, list[float]]]


def portrait(population: Population, seed: int, queries: int = QUERIES) -> Portrait:
    """Returns the figures of the queries that `twin.measure` draws by the same seed."""
    rng = np.random.default_rng(seed)
    drawn, held_out = (draw(population, queries, rng) for _ in range(2))
    return Portrait(
        of_rates(drawn.success),
        against_truth(drawn.predicted, drawn.success, seed),
        {name: _tertiles(purchases(name, drawn, held_out), drawn) for name in POLICIES},
    )


def against_truth(predicted: FloatArray, truth: FloatArray, seed: int) -> Predictions:
    """Returns predictions against the truth, both shape (n,), each query resampled by itself."""
    return predictions(predicted, truth, group_weights(np.arange(len(truth)), RESAMPLES, seed), seed)


def _tertiles(bought: Purchases, drawn: Twin) -> dict[int, list[float]]:
    thirds = np.array_split(np.argsort(drawn.predicted, kind="stable"), 3)
    spent = {budget: spent_on(bought, budget) for budget in BUDGETS}
    return {b: [float(samples[third].mean()) for third in thirds] for b, samples in spent.items()}


def spent_on(bought: Purchases, average_budget: float) -> FloatArray:
    """Returns the samples that each query gets at an average budget, shape (n,).

    Ties are bought together: of the last tie that is begun, every query gets the same share.

    Args:
        bought: what is bought, in order.
        average_budget: samples a query, at least 0; beyond the last unit nothing is left to buy.
    """
    totals = np.cumsum(bought.spent)[bought.ends]
    before = np.append(0.0, totals[:-1])
    rooms = np.maximum(totals - before, 1e-300)
    shares = np.clip((average_budget * bought.queries - before) / rooms, 0.0, 1.0)
    tie = np.searchsorted(bought.ends, np.arange(len(bought.owner)))
    units = bought.spent * shares[tie]
    return np.asarray(np.bincount(bought.owner, units, minlength=bought.queries), dtype=np.float64)
