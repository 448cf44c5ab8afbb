"""Proves that the samples spent on hard and easy queries are those that the policies grant."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.allocate import allocate
from adaqueue.core.curves import Purchases
from adaqueue.core.marginal import from_success
from adaqueue.core.twin import BUDGETS, POPULATIONS
from adaqueue.core.twin_portrait import portrait, spent_on


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.01, 0.99), min_size=2, max_size=6, unique=True), st.integers(0, 5))
def test_samples_spent_on_each_query_are_those_of_the_greedy_allocation(
    success: list[float], budget: int
) -> None:
    delta = from_success(np.array(success), 6)
    alive = np.cumprod(np.insert(np.tile(1 - np.array(success), (6, 1)).T, 0, 1.0, axis=1), axis=1)
    spent = spent_on(Purchases.of(delta, alive, stops=False), budget)
    assert spent.sum() == pytest.approx(budget * len(success))
    if len(np.unique(delta)) == delta.size:
        np.testing.assert_allclose(spent, allocate(delta, budget * len(success)).units, atol=1e-9)


@pytest.mark.parametrize("domain", ["code", "math"])
def test_thirds_add_up_to_the_budget_and_the_hard_gain_on_the_others_as_it_grows(domain: str) -> None:
    found = portrait(POPULATIONS[domain], 0)
    for row in found.tertiles.values():
        for budget in BUDGETS:
            assert np.mean(row[budget]) <= budget + 1e-9  # less where nobody is left to draw for
            assert np.mean(row[budget]) == pytest.approx(budget) or budget == BUDGETS[-1]
        assert row[BUDGETS[-1]][0] > row[BUDGETS[-1]][2]
        assert row[1][0] < row[1][2]
    assert found.distribution.zero == pytest.approx(POPULATIONS[domain].zero, abs=0.02)
    assert all(own.low - 0.01 < own.predicted < own.high + 0.01 for own in found.predictions.calibration)
