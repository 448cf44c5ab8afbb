"""Sequential allocation in waves: what an engine reaches that takes its samples in a few large portions.

Within a wave nothing is learned: it is a one-shot window over the queries still unsolved, with the marginal
rewards of their updated posteriors. Between waves, successes close their queries, and what is left of the
budget goes to the others. Computed in expectation, as in a window so large that each wave's price is certain:
until its first success, a query's budgets then depend on nothing that was drawn.
"""

from __future__ import annotations

import numpy as np

from adaqueue.core.curves import Curve
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.posterior import survival as believed_survival


def curve_in_waves(hazards: FloatArray, survival: FloatArray, waves: int, totals: FloatArray) -> Curve:
    """Returns what `waves` equal waves spend and win, a point for each total.

    Args:
        hazards: believed, of the next sample after f failures, shape (n, b), no row rising.
        survival: true chance that the first f samples of a query all fail, shape (n, b + 1).
        waves: portions of a total, at least 1; 1 is a window allocation.
        totals: samples a query on average that may be spent, shape (k,), each > 0.

    Returns:
        Success over the samples really drawn, from (0, 0): a wave draws all that it granted, a solved query
        is in no later wave.

    Raises:
        ValueError: the shapes do not fit, or there is no wave.
    """
    if survival.shape != (len(hazards), hazards.shape[1] + 1):
        raise ValueError(f"survival {survival.shape} must have one column more than hazards {hazards.shape}")
    if waves < 1:
        raise ValueError(f"waves must be at least 1, not {waves}")
    points = [(0.0, 0.0), *(_run(hazards, survival, waves, float(total)) for total in np.sort(totals))]
    samples, success = np.array(points).T
    distinct = np.append(True, np.diff(np.maximum.accumulate(samples)) > 0)
    return Curve(samples[distinct], np.maximum.accumulate(success[distinct]))


def _run(hazards: FloatArray, survival: FloatArray, waves: int, total: float) -> tuple[float, float]:
    """Average samples drawn and success reached with one total."""
    believed = believed_survival(hazards)
    won = believed[:, :-1] * hazards
    rows = np.arange(len(hazards))
    failures = np.zeros(len(hazards), dtype=np.int64)
    spent = 0.0
    for wave in range(waves):
        alive = survival[rows, failures]
        share = (total - spent) / (waves - wave)
        grown = _grant(won, believed[rows, failures], failures, alive, share)
        spent += float(np.mean(alive * (grown - failures)))
        failures = grown
    return spent, float(np.mean(1 - survival[rows, failures]))


def _grant(
    won: FloatArray, believed: FloatArray, failures: IntArray, alive: FloatArray, share: float
) -> IntArray:
    """Returns how many failures each query will have if this wave's samples all fail.

    Greedy: the unit after f failures is worth `won[f] / believed`, given that the failures so far are known.

    Args:
        won: believed chance of the first success right after f failures, shape (n, b), no row rising.
        believed: chance of the failures seen, shape (n,), > 0.
        failures: seen so far, shape (n,).
        alive: true chance that a query is unsolved, shape (n,): the weight of its samples in the bill.
        share: samples a query on average that this wave may draw.
    """
    queries, b = won.shape
    still_open = np.arange(b) >= failures[:, None]
    worth = np.where(still_open, won / believed[:, None], 0.0)
    order = np.argsort(-worth, axis=None)[: np.count_nonzero(worth)]
    owner = order // b
    bill = np.cumsum(alive[owner])
    bought = owner[: np.searchsorted(bill, share * queries, side="right")]
    return failures + np.bincount(bought, minlength=queries)
