"""Policies compared at equal samples, in closed form, on draws that decided nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from adaqueue.core.metrics import equal_reward_budget, interval, pass_at
from adaqueue.core.policy import decide, fair_order

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
GRID_STEP = 0.25
SEED = 0


@dataclass(frozen=True, slots=True)
class Point:
    """A policy at one average budget.

    Attributes:
        samples: drawn on average for one query.
        success: share of queries with a verified success, [0, 1].
        low: of its 95% interval, bootstrap over queries.
        high: of its 95% interval.
    """

    samples: float
    success: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Policies over budgets.

    Attributes:
        curve: policy -> average budget -> point.
        equal_reward_budget: policy -> average budget B -> samples that the policy needs for the success of
            uniform at B, as a share of uniform's; None where it never reaches it within the recorded draws,
            or B is 0.
    """

    curve: dict[str, dict[int, Point]]
    equal_reward_budget: dict[str, dict[int, float | None]]


def compare(
    ids: Sequence[str], predicted: Floats, successes: Counts, samples: int, budgets: Sequence[int]
) -> Comparison:
    """Returns what uniform, window and uniform with early stop reach.

    Args:
        ids: of the queries, for ties.
        predicted: success probability of each query, from a probe that saw none of these draws, [n].
        successes: verified successes of each query among its recorded draws, [n].
        samples: recorded draws of each query; no budget may exceed it.
        budgets: average budgets B to report.
    """
    rewards = {
        "uniform": {budget: pass_at(successes, samples, budget) for budget in budgets},
        "window": {
            budget: pass_at(successes, samples, _window(ids, predicted, samples, budget))
            for budget in budgets
        },
    }
    curve = {
        name: {budget: _point(values, budget) for budget, values in by_budget.items()}
        for name, by_budget in rewards.items()
    }
    grids = {
        "window": _window_grid(ids, predicted, successes, samples),
        "uniform_early_stop": _early_stop_grid(successes, samples),
    }
    return Comparison(
        curve,
        {
            name: {budget: _share(grid, curve["uniform"][budget].success, budget) for budget in budgets}
            for name, grid in grids.items()
        },
    )


def _window(ids: Sequence[str], predicted: Floats, b_max: int, average_budget: float) -> Counts:
    n = len(ids)
    return decide(
        "window",
        predicted,
        int(average_budget * n),
        b_max=b_max,
        minimum=np.zeros(n, dtype=np.int64),
        maximum=np.full(n, b_max, dtype=np.int64),
        order=fair_order(ids, SEED),
    ).units


def _window_grid(
    ids: Sequence[str], predicted: Floats, successes: Counts, samples: int
) -> tuple[Floats, Floats]:
    """Average samples and mean success of window allocation, at every quarter of a sample."""
    grid = np.arange(0, samples + GRID_STEP, GRID_STEP, dtype=np.float64)
    means = [pass_at(successes, samples, _window(ids, predicted, samples, b)).mean() for b in grid.tolist()]
    return grid, np.array(means)


def _early_stop_grid(successes: Counts, samples: int) -> tuple[Floats, Floats]:
    """Average samples and mean success of k = 0..samples rounds over the queries not yet solved."""
    rounds = np.arange(samples + 1)
    solved = pass_at(successes[:, None], samples, rounds[None, :])
    spent = np.concatenate([[0.0], np.cumsum((1 - solved[:, :-1]).mean(axis=0))])
    distinct, first = np.unique(spent, return_index=True)  # rounds with nobody left unsolved cost nothing
    return distinct, solved.mean(axis=0)[first]


def _share(grid: tuple[Floats, Floats], target: float, budget: int) -> float | None:
    needed = equal_reward_budget(grid[0], grid[1], target)
    return None if needed is None or budget == 0 else needed / budget


def _point(values: Floats, samples: float) -> Point:
    low, high = interval(values, SEED)
    return Point(samples, float(values.mean()), low, high)
