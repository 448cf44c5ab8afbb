"""Proves that the slips in the paper's text were not copied: each test fails if its slip is made."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest

import adaqueue.core
from adaqueue.core.allocate import allocate, allocate_success
from adaqueue.core.costs import buy, combinations, envelope
from adaqueue.core.marginal import FloatArray, IntArray, from_beta, from_success, from_vector


def value(delta: FloatArray, units: IntArray) -> float:
    return float(sum(row[:bought].sum() for row, bought in zip(delta, units, strict=True)))


def test_the_exponent_is_b_minus_1_so_a_sure_query_gets_its_one_sample() -> None:
    """Section 3.3 prints `lambda (1-lambda)^b`, by which a query that always succeeds would get nothing."""
    sure = np.array([1.0, 0.5])
    assert from_success(sure, 3).tolist() == [[1.0, 0.0, 0.0], [0.5, 0.25, 0.125]]
    assert from_beta(np.array([1.0]), np.array([1.0]), 2)[0].tolist() == pytest.approx([1 / 2, 1 / 6])
    assert allocate(from_success(sure, 3), 1).units.tolist() == [1, 0]
    assert allocate_success(sure, 1, b_max=3).units.tolist() == [1, 0]


def test_marginals_add_up_to_the_chance_of_a_success() -> None:
    """With the exponent b they would add up to (1-lambda) times it."""
    success = np.array([0.0, 0.3, 1.0])
    np.testing.assert_allclose(from_success(success, 9).sum(axis=1), 1 - (1 - success) ** 9)


def test_a_budget_is_the_number_of_units_bought_not_the_largest_indicator() -> None:
    """The paper sets `b_i = max_j c_ij` of indicators c_ij, which is 1 wherever anything was bought."""
    delta = from_success(np.array([0.1, 0.6]), 5)
    for budgets in (allocate(delta, 6), allocate_success(np.array([0.1, 0.6]), 6, b_max=5)):
        assert budgets.units.tolist() == [3, 3]
        assert budgets.units.sum() == 6
        assert (budgets.units == (delta >= budgets.price).sum(axis=1)).all()


def test_rows_that_increase_are_refused_until_they_are_projected() -> None:
    """On a regressed row that rises, greedy would buy the unit behind it or none at all."""
    regressed = np.array([[0.1, 0.9, 0.0], [0.4, 0.3, 0.2]])
    with pytest.raises(ValueError, match=r"delta\[0\] must not increase: 0.1 then 0.9"):
        allocate(regressed, 2)
    projected = from_vector(regressed)
    np.testing.assert_allclose(projected, [[0.5, 0.5, 0.0], [0.4, 0.3, 0.2]])
    units = allocate(projected, 2).units
    choices = (np.array(pair) for pair in itertools.product(range(4), repeat=2) if sum(pair) <= 2)
    assert value(regressed, units) == pytest.approx(max(value(regressed, choice) for choice in choices))
    assert units.tolist() == [2, 0]


def test_cost_ratios_that_rise_go_through_their_concave_envelope() -> None:
    """Greedy on raw ratios buys the weak samples first and has nothing left for the strong one."""
    reward, counts = combinations(np.array([0.3]), np.array([0.9]), (5, 1))
    choice = buy(envelope(reward, counts @ np.array([1.0, 5.0])), 5.0)
    assert counts[choice.points[0]].tolist() == [0, 1]
    late = np.array([[0.1, 0.9], [0.3, 0.2]])
    assert allocate(late, 2, costs=1.0).units.tolist() == [2, 0]


def test_no_public_name_says_online_or_offline() -> None:
    """These names confused the paper's reviewers: here it is window allocation and bin policy."""
    names = [path.stem for path in Path(adaqueue.core.__path__[0]).glob("*.py")]
    for module in (allocate, allocate_success, from_success):
        names += list(module.__globals__)
    assert names
    assert not [name for name in names if "online" in name.lower() or "offline" in name.lower()]
