"""Proves that curves of routing are those of brute force, ties and falling gains included."""

from __future__ import annotations

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from adaqueue.core.replays import group_weights
from adaqueue.core.routing import Grouped, first_crossing, strong_first

QUERIES = st.lists(
    st.tuples(st.integers(0, 2), st.integers(-2, 3), st.sampled_from([0.25, 1.0])), min_size=1, max_size=5
)


def columns(queries: list[tuple[int, int, float]]) -> list[np.ndarray]:
    return [np.array(column, dtype=np.float64) for column in zip(*queries, strict=True)]


@given(QUERIES)
def test_after_so_many_queries_the_gain_is_the_mean_over_all_orders_that_respect_the_scores(
    queries: list[tuple[int, int, float]],
) -> None:
    score, gain, _ = columns(queries)
    n = len(score)
    allowed = [order for order in permutations(range(n)) if (np.diff(score[list(order)]) <= 0).all()]
    found = strong_first(score, gain)
    for sent in range(n + 1):
        mean = np.mean([gain[list(order[:sent])].sum() / n for order in allowed])
        assert found.at(sent / n) == pytest.approx(mean)


@given(QUERIES, st.floats(-1, 3))
def test_the_share_needed_is_the_first_at_which_the_gain_is_reached(
    queries: list[tuple[int, int, float]], level: float
) -> None:
    found = strong_first(*columns(queries))
    needed = found.needed(level)
    grid = np.linspace(0, found.share[-1], 2_001)
    reached = grid[np.interp(grid, found.share, found.gain) >= level - 1e-9]
    if np.isfinite(needed):
        assert found.at(needed) >= level - 1e-9
        assert reached.size == 0 or needed <= reached[0] + 1e-9
    else:
        assert found.best < level


@given(QUERIES)
def test_a_resample_in_which_each_query_weighs_the_same_is_the_curve_itself(
    queries: list[tuple[int, int, float]],
) -> None:
    score, gain, calls = columns(queries)
    n = len(score)
    same = Grouped.of(np.arange(n), np.full((2, n), 1 / n))
    share, total = same.curves(score, gain, calls)
    found = strong_first(score, gain, calls)
    np.testing.assert_allclose(np.interp(share[0], found.share, found.gain), total[0], atol=1e-12)
    assert share[1][-1] == pytest.approx(calls.sum() / n)


def test_resamples_of_groups_are_those_of_queries_drawn_by_group() -> None:
    rng = np.random.default_rng(0)
    groups, score, gain = rng.integers(0, 30, 300), rng.normal(size=300), rng.normal(size=300)
    weights = group_weights(groups, 20, seed=1)
    share, total = Grouped.of(groups, weights).curves(score, gain, np.ones(300))
    order = np.argsort(-score)
    for row in range(20):
        at = np.cumsum(weights[row][order]), np.cumsum((weights[row] * gain)[order])
        np.testing.assert_allclose(np.interp(share[row][1:], *at), total[row][1:], atol=0.02)


@given(QUERIES, st.floats(-1, 3))
def test_the_crossing_of_each_row_is_that_of_the_curve_alone(
    queries: list[tuple[int, int, float]], level: float
) -> None:
    found = strong_first(*columns(queries))
    rows = np.tile(found.share, (3, 1)), np.tile(found.gain, (3, 1))
    crossing = first_crossing(*rows, np.array([level, -9.0, 99.0]))
    assert crossing[0] == pytest.approx(found.needed(level))
    assert crossing[1:].tolist() == [0.0, np.inf]
