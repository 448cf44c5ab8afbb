"""Proves that marginal rewards are the differences of the chance of a success, with the exponent j-1."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.marginal import from_success

PROBABILITIES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=6)


def test_the_first_sample_is_worth_the_success_probability_itself() -> None:
    assert from_success(np.array([0.0, 0.25, 1.0]), 3)[:, 0].tolist() == [0.0, 0.25, 1.0]


def test_a_query_that_always_succeeds_is_worth_exactly_one_sample() -> None:
    assert from_success(np.array([1.0]), 4).tolist() == [[1.0, 0.0, 0.0, 0.0]]


def test_the_exponent_of_unit_j_is_j_minus_1() -> None:
    assert from_success(np.array([0.25]), 3)[0].tolist() == [0.25, 0.25 * 0.75, 0.25 * 0.75**2]


@settings(max_examples=60, deadline=None)
@given(PROBABILITIES, st.integers(1, 40))
def test_rows_are_the_differences_of_the_exact_chance_of_a_success(success: list[float], b_max: int) -> None:
    delta = from_success(np.array(success), b_max)
    for row, value in zip(delta, success, strict=True):
        failure = 1 - Fraction(value)
        exact = [float(failure ** (j - 1) - failure**j) for j in range(1, b_max + 1)]
        np.testing.assert_allclose(row, exact, rtol=1e-9, atol=1e-14)


@settings(max_examples=60, deadline=None)
@given(PROBABILITIES, st.integers(1, 300))
def test_no_row_increases_by_rounding(success: list[float], b_max: int) -> None:
    delta = from_success(np.array(success), b_max)
    assert (np.diff(delta, axis=1) <= 0.0).all()
    assert (delta >= 0.0).all()


@pytest.mark.parametrize("value", [-0.1, 1.1, float("nan"), float("inf")])
def test_what_is_no_probability_is_refused_by_name_and_value(value: float) -> None:
    with pytest.raises(ValueError, match=rf"success\[1\].*{value}"):
        from_success(np.array([0.5, value]), 3)


def test_a_negative_b_max_is_refused() -> None:
    with pytest.raises(ValueError, match="b_max must be at least 0, not -1"):
        from_success(np.array([0.5]), -1)


def test_a_table_of_probabilities_is_refused() -> None:
    with pytest.raises(ValueError, match=r"shape \(n,\), not \(1, 2\)"):
        from_success(np.array([[0.5, 0.5]]), 3)


@pytest.mark.parametrize(("queries", "b_max"), [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_decide_gives_an_empty_table(queries: int, b_max: int) -> None:
    assert from_success(np.zeros(queries), b_max).shape == (queries, b_max)
