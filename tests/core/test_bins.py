"""Proves that the bin policy is the best with one budget for each bin, and survives being stored."""

from __future__ import annotations

import itertools
import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.bins import BinPolicy, bin_of, fit, mean_marginals, quantile_edges
from adaqueue.core.marginal import from_success

B = 4
PREDICTED = st.lists(st.floats(0, 1), min_size=1, max_size=40).map(np.array)
POLICIES = st.lists(st.floats(-1, 1), max_size=5, unique=True).flatmap(
    lambda edges: st.builds(
        BinPolicy,
        edges=st.just(tuple(sorted(edges))),
        budgets=st.lists(st.integers(0, 99), min_size=len(edges) + 1, max_size=len(edges) + 1).map(tuple),
    )
)


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 10_000), st.integers(1, 3), st.integers(0, B * 3))
def test_budgets_reach_what_the_best_of_all_equally_dear_budgets_reach(
    seed: int, bins: int, quarters: int
) -> None:
    rng = np.random.default_rng(seed)
    success = rng.random(12)
    predicted = np.clip(success + 0.2 * rng.standard_normal(12), 0.01, 0.99)
    delta = from_success(success, B)
    policy = fit(predicted, delta, quarters / 3, bins)
    owner = bin_of(predicted, np.array(policy.edges))
    values = np.concatenate([np.zeros((12, 1)), np.cumsum(delta, axis=1)], axis=1)
    spent = int(policy.budget(predicted).sum())
    assert spent <= quarters / 3 * 12
    best = max(
        values[np.arange(12), np.array(budgets)[owner]].sum()
        for budgets in itertools.product(range(B + 1), repeat=len(policy.budgets))
        if np.array(budgets)[owner].sum() <= spent
    )
    assert values[np.arange(12), policy.budget(predicted)].sum() == pytest.approx(best)


@given(PREDICTED, st.integers(1, 12))
def test_no_bin_is_empty_and_equal_predictions_share_one(
    predicted: np.ndarray[tuple[int], np.dtype[np.float64]], bins: int
) -> None:
    edges = quantile_edges(predicted, bins)
    assert len(edges) < bins
    assert np.bincount(bin_of(predicted, edges), minlength=len(edges) + 1).all()


def test_bins_of_distinct_predictions_are_equally_large() -> None:
    predicted = np.random.default_rng(0).permutation(np.linspace(0, 1, 60))
    assert np.bincount(bin_of(predicted, quantile_edges(predicted, 6))).tolist() == [10] * 6


def test_rewards_that_rise_are_averaged_until_they_do_not() -> None:
    delta = np.array([[0.1, 0.3, 0.0], [0.3, 0.1, 0.2]])
    rows = mean_marginals(np.array([0.5, 0.5]), delta, np.array([]))
    np.testing.assert_allclose(rows, [[0.2, 0.2, 0.1]])
    rising = mean_marginals(np.array([0.5]), np.array([[0.0, 0.4]]), np.array([]))
    np.testing.assert_allclose(rising, [[0.2, 0.2]])


def test_what_is_worth_nothing_is_not_bought() -> None:
    predicted = np.array([0.1, 0.1, 0.9, 0.9])
    delta = np.array([[0.0, 0.0], [0.0, 0.0], [0.5, 0.0], [0.5, 0.0]])
    assert fit(predicted, delta, 2.0, 2).budgets == (0, 1)


@given(POLICIES)
def test_a_stored_policy_comes_back_the_same(policy: BinPolicy) -> None:
    assert BinPolicy.from_data(json.loads(json.dumps(policy.as_data()))) == policy


def test_a_query_alone_gets_the_budget_of_its_bin_and_an_edge_belongs_above() -> None:
    policy = BinPolicy(edges=(0.2, 0.6), budgets=(0, 9, 3))
    assert policy.budget(np.array([0.0, 0.2, 0.59, 0.6, 7.0])).tolist() == [0, 9, 9, 3, 3]
    assert [policy.budget(np.array([p]))[0] for p in (0.1, 0.3)] == [0, 9]


@pytest.mark.parametrize(
    ("data", "named"),
    [
        ({"edges": [0.5]}, "two lists"),
        ({"edges": 0.5, "budgets": [1, 2]}, "two lists"),
        ({"edges": [], "budgets": [1], "more": []}, "two lists"),
        ({"edges": [0.5], "budgets": [1]}, "need 2 budgets"),
        ({"edges": [0.5, 0.4], "budgets": [1, 2, 3]}, "increase"),
        ({"edges": [0.5, 0.5], "budgets": [1, 2, 3]}, "increase"),
        ({"edges": [float("nan")], "budgets": [1, 2]}, "finite"),
        ({"edges": ["0.5"], "budgets": [1, 2]}, "finite"),
        ({"edges": [0.5], "budgets": [1, -2]}, "at least 0"),
        ({"edges": [0.5], "budgets": [1, 2.5]}, "whole"),
        ({"edges": [0.5], "budgets": [1, True]}, "whole"),
    ],
)
def test_stored_data_that_is_no_policy_is_refused(data: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=named):
        BinPolicy.from_data(data)


def test_arguments_out_of_range_are_refused() -> None:
    predicted, delta = np.array([0.5]), np.array([[0.5]])
    with pytest.raises(ValueError, match="average_budget"):
        fit(predicted, delta, -1.0, 1)
    with pytest.raises(ValueError, match="bins"):
        fit(predicted, delta, 1.0, 0)
    with pytest.raises(ValueError, match="predicted"):
        fit(np.array([]), np.empty((0, 1)), 1.0, 1)
    with pytest.raises(ValueError, match="delta"):
        fit(predicted, np.array([[np.nan]]), 1.0, 1)
    with pytest.raises(ValueError, match="no held-out"):
        mean_marginals(predicted, delta, np.array([0.7]))
    with pytest.raises(ValueError, match="NaN"):
        BinPolicy(edges=(), budgets=(1,)).budget(np.array([np.nan]))
