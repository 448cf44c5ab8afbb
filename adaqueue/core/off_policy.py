"""What another policy would have won and spent on logged queries, from those whose budget was random.

A query that drew c samples shows what every smaller budget would have won. Of those that were explored the
law of c is known, so that each prefix can be weighed by the chance that it was seen (inverse probability of
censoring). What a model says of all queries is corrected by what these show beyond it: the estimate is right
if the law is, whatever the model, and the more precise the better the model (doubly robust).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from adaqueue.core.logged import Logged
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.errors import NoSupportError

LEAST_EFFECTIVE = 30.0
"""Explored queries, in effect, that must have reached every budget that is asked about."""
LEAST_WINDOWS = 10
"""Windows with such queries: fewer do not show how windows differ."""
RESAMPLES = 500
LOWEST = 1e-12


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over queries with its 95% interval, by a bootstrap of whole windows.

    Attributes:
        value: the mean.
        low: lower end.
        high: upper end.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Reached:
    """What budgets would have come to.

    Attributes:
        success: share of queries with a success within their budget: best-of-b where all have budget b.
        samples: a query on average where a success ends the drawing; without stopping it is the mean budget.
        effective: explored queries, in effect, behind the budget that fewest of them reached.
    """

    success: Estimate
    samples: Estimate
    effective: float


def estimate(logged: Logged, believed: FloatArray, budgets: IntArray, seed: int) -> Reached:
    """Returns what these budgets would have won and spent.

    A stopping policy of hazards h and price p is the budgets `(h >= p).sum(axis=1)`: it draws so many unless
    it succeeds before. With S the model's survival, G(j) the chance that an explored budget is at least j,
    and R(j) the chance that j of the c samples drawn all fail, an explored query's survival is estimated as
    `S(t) (1 + sum_(j <= t, c) (R(j)/S(j) - R(j-1)/S(j-1)) / G(j))`, whose mean is its true survival.

    Args:
        logged: queries, n of them; those that could not be explored are left out. The share that is explored
            must have been above 0 all the time.
        believed: chance that the first f samples all fail, by a probe that did not see these outcomes, shape
            (n, b + 1), from 1, never rising; b at least every query's own minimum.
        budgets: shape (n,), 0..b; a query's own limits bound them.
        seed: of the bootstrap.

    Raises:
        NoSupportError: too few explored queries reached some budget, or they come from too few windows; says
            how many, and the remedy.
    """
    could = np.flatnonzero(logged.explorable)
    logged, believed = logged.take(could), np.maximum(believed[could], LOWEST)
    budgets = np.clip(budgets[could], logged.law.least, logged.law.most)
    depth = int(budgets.max(initial=0))
    seen, shown = _shown(logged)
    tail = shown.law.reach(max(depth, int(shown.budgets.max(initial=0))) + 1)
    share = _share(shown, tail)
    effective = _require_support(_support(tail[:, :depth], shown.budgets, budgets[seen], 1 / share))
    _require_windows(shown.windows)
    corrected = _corrected(shown, believed[seen, : depth + 1], tail[:, :depth])
    model = _reached(believed, budgets)
    beyond = _reached(corrected, budgets[seen]) - model[:, seen]
    windows = (logged.windows, shown.windows)
    success, samples = _bootstrapped(model, beyond / share, 1 / share, windows, seed)
    return Reached(success, samples, effective)


def support(logged: Logged, most: int) -> FloatArray:
    """Returns the explored queries, in effect, that reached each budget 1..most, shape (most,), falling.

    A budget is supported where there are at least `LEAST_EFFECTIVE`.
    """
    logged = logged.take(np.flatnonzero(logged.explorable))
    _, shown = _shown(logged)
    tail = shown.law.reach(max(most, int(shown.budgets.max(initial=0))) + 1)
    found = _support(tail[:, :most], shown.budgets, np.full(len(shown), most), 1 / _share(shown, tail))
    return np.minimum.accumulate(found[1:])


def _shown(logged: Logged) -> tuple[IntArray, Logged]:
    """The explored queries whose whole budget was drawn and verified: their places, and themselves."""
    seen = np.flatnonzero(logged.explored & (logged.outcomes.samples == logged.budgets))
    return seen, logged.take(seen)


def _share(shown: Logged, tail: FloatArray) -> FloatArray:
    """The share of queries that was explored when each of them was."""
    place = (np.arange(len(shown)), shown.budgets)
    return np.asarray(shown.propensities / (tail[place[0], place[1] - 1] - tail[place]))


def _support(tail: FloatArray, drawn: IntArray, budgets: IntArray, weight: FloatArray) -> FloatArray:
    """Returns the effective number of queries that reached each budget 0..depth which others were to have."""
    chance = np.pad(tail, ((0, 0), (1, 0)), constant_values=1.0)
    sample = np.arange(chance.shape[1])
    is_shown = (budgets[:, None] >= sample) & (drawn[:, None] >= sample)
    weights = weight[:, None] * np.where(is_shown, 1 / np.maximum(chance, LOWEST), 0.0)
    return np.asarray(weights.sum(axis=0) ** 2 / np.maximum((weights**2).sum(axis=0), LOWEST))


def _require_support(effective: FloatArray) -> float:
    worst = int(effective.argmin())
    if effective[worst] < LEAST_EFFECTIVE:
        raise NoSupportError(
            f"budget {worst}: {effective[worst]:.1f} explored queries, in effect, drew so many samples, "
            f"{LEAST_EFFECTIVE:g} are needed: raise ADAQUEUE_EXPLORATION_SHARE, wait until more queries were "
            "explored, or ask about smaller budgets"
        )
    return float(effective[worst])


def _require_windows(windows: IntArray) -> None:
    found = len(np.unique(windows))
    if found < LEAST_WINDOWS:
        raise NoSupportError(
            f"explored queries come from {found} windows, {LEAST_WINDOWS} are needed to tell how windows "
            "differ: wait until more queries were explored"
        )


def _corrected(shown: Logged, believed: FloatArray, tail: FloatArray) -> FloatArray:
    """Returns each explored query's estimated survival, shape (m, depth + 1); may leave [0, 1]."""
    observed = shown.outcomes.survival(tail.shape[1]) / believed
    steps = np.diff(observed, axis=1) / np.maximum(tail, LOWEST)
    grown = 1.0 + np.cumsum(np.nan_to_num(steps), axis=1)
    return np.asarray(believed * np.pad(grown, ((0, 0), (1, 0)), constant_values=1.0))


def _reached(survival: FloatArray, budgets: IntArray) -> FloatArray:
    """Returns success and samples of each query, shape (2, n)."""
    spent = np.pad(np.cumsum(survival, axis=1), ((0, 0), (1, 0)))
    rows = np.arange(len(budgets))
    return np.stack([1.0 - survival[rows, budgets], spent[rows, budgets]])


def _bootstrapped(
    model: FloatArray,
    beyond: FloatArray,
    weight: FloatArray,
    windows: tuple[IntArray, IntArray],
    seed: int,
) -> list[Estimate]:
    """Returns an estimate for each row of the model, shape (k, n), corrected by weighted means of `beyond`.

    Args:
        model: shape (k, n).
        beyond: of the explored ones, times their weight, shape (k, m).
        weight: shape (m,).
        windows: numbers of the windows of all, and of the explored ones.
        seed: of the resamples.
    """
    count = int(windows[0].max()) + 1
    sums = [np.bincount(windows[0], values, minlength=count) for values in (*model, np.ones(model.shape[1]))]
    sums += [np.bincount(windows[1], values, minlength=count) for values in (*beyond, weight)]
    table = np.stack(sums, axis=1)
    present = np.flatnonzero(table[:, len(model)])
    rng = np.random.default_rng(seed)
    chances = np.full(len(present), 1 / len(present))
    resampled = np.array([rng.multinomial(len(present), chances) @ table[present] for _ in range(RESAMPLES)])
    values, spread = _means(table.sum(axis=0)[None], len(model))[0], _means(resampled, len(model))
    ends = np.quantile(spread, [0.025, 0.975], axis=0)
    return [Estimate(*map(float, three)) for three in zip(values, *ends, strict=True)]


def _means(sums: FloatArray, k: int) -> FloatArray:
    """From sums of k model values, their count, k corrections and their weight: shape (r, k)."""
    beyond = sums[:, k + 1 : -1] / np.maximum(sums[:, -1:], LOWEST)
    return np.asarray(sums[:, :k] / sums[:, k : k + 1] + beyond)
