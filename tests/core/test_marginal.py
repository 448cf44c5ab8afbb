"""Proves that marginal rewards are the exact differences of expected rewards, and that no row increases."""

from __future__ import annotations

import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import isotonic_regression
from scipy.stats import beta as beta_distribution

from adaqueue.core.allocate import allocate
from adaqueue.core.marginal import NOTHING, from_beta, from_rewards, from_success, from_vector
from adaqueue.core.metrics import pass_at
from adaqueue.core.posterior import beta_hazards, marginals

MODEST = settings(max_examples=60, deadline=None)
REWARDS = st.lists(st.integers(-6, 6), min_size=1, max_size=7)
POSITIVE = st.floats(0.01, 100.0)
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


def test_a_chance_too_small_for_numbers_to_tell_apart_is_worth_nothing() -> None:
    delta = from_success(np.array([NOTHING / 2, 1 - 1e-16, 0.5]), 2000)
    assert (delta[0] == 0.0).all()
    assert ((delta == 0.0) | (delta >= NOTHING)).all()


@MODEST
@given(st.floats(0.5, 20.0), st.floats(0.5, 20.0), st.integers(1, 12))
def test_beta_marginals_are_the_mean_of_success_marginals_over_the_distribution(
    alpha: float, beta: float, j: int
) -> None:
    def weighted(chance: float) -> float:
        return float(chance * (1 - chance) ** (j - 1) * beta_distribution.pdf(chance, alpha, beta))

    mean, _ = quad(weighted, 0.0, 1.0, epsabs=1e-11)
    delta = from_beta(np.array([alpha]), np.array([beta]), j)
    assert delta[0, j - 1] == pytest.approx(mean, rel=1e-5, abs=1e-9)


@MODEST
@given(
    st.lists(st.tuples(POSITIVE, POSITIVE, st.floats(0.0, 0.99)), min_size=1, max_size=5), st.integers(0, 60)
)
def test_beta_marginals_are_those_of_the_posterior_after_no_failure(
    rows: list[tuple[float, float, float]], b_max: int
) -> None:
    alpha, beta, zero = np.array(rows).T
    delta = from_beta(alpha, beta, b_max, zero)
    hazards = beta_hazards(alpha, beta, b_max, zero)
    if b_max:
        expected = marginals(hazards, np.zeros(len(rows), dtype=np.int64))
        np.testing.assert_allclose(delta, expected, rtol=1e-7, atol=1e-15)
    np.testing.assert_allclose(delta, from_beta(alpha, beta, b_max) * (1 - zero)[:, None], rtol=1e-12)
    assert (np.diff(delta, axis=1) <= 0.0).all()


def test_a_query_that_surely_never_succeeds_is_worth_nothing() -> None:
    assert from_beta(np.array([3.0]), np.array([1.0]), 4, np.array([1.0])).tolist() == [[0.0] * 4]


def test_a_belief_of_great_weight_is_a_success_probability() -> None:
    delta = from_beta(np.array([3e9]), np.array([7e9]), 9)
    np.testing.assert_allclose(delta, from_success(np.array([0.3]), 9), rtol=1e-7)


@pytest.mark.parametrize(
    ("alpha", "beta", "zero", "message"),
    [
        ([0.0], [1.0], None, r"alpha\[0\] must be a finite number > 0, not 0.0"),
        ([1.0], [float("inf")], None, r"beta\[0\].*inf"),
        ([float("nan")], [1.0], None, r"alpha\[0\].*nan"),
        ([1.0], [1.0, 2.0], None, "beta must have shape"),
        ([1.0], [1.0], [1.5], r"zero\[0\] must be a probability"),
        ([1.0], [1.0], [0.5, 0.5], "zero must have shape"),
    ],
)
def test_what_is_no_beta_distribution_is_refused_by_name(
    alpha: list[float], beta: list[float], zero: list[float] | None, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        from_beta(np.array(alpha), np.array(beta), 3, None if zero is None else np.array(zero))


@MODEST
@given(REWARDS, st.integers(-3, 3))
def test_reward_marginals_are_the_differences_of_the_mean_best_over_all_subsets(
    rewards: list[int], baseline: int
) -> None:
    best = [float(baseline)]
    for j in range(1, len(rewards) + 1):
        bests = [max(subset) for subset in itertools.combinations(rewards, j)]
        best.append(float(Fraction(sum(bests), len(bests))))
    delta = from_rewards(np.array([rewards], dtype=np.float64), len(rewards), float(baseline))
    np.testing.assert_allclose(delta[0], np.diff(best), atol=1e-12)
    assert (np.diff(delta[:, 1:], axis=1) <= 0.0).all()
    assert (delta[:, 1:] >= 0.0).all()


@MODEST
@given(st.integers(1, 3000), st.data())
def test_rewards_0_and_1_give_the_unbiased_pass_at_k(recorded: int, data: st.DataObject) -> None:
    hits = data.draw(st.integers(0, recorded))
    rewards = (np.arange(recorded) < hits).astype(np.float64)[np.newaxis]
    b_max = min(recorded, 200)
    expected = pass_at(np.array([hits]), recorded, np.arange(b_max + 1))
    delta = from_rewards(rewards, b_max)
    np.testing.assert_allclose(np.cumsum(delta[0]), expected[1:], atol=1e-10)
    assert (np.diff(delta, axis=1) <= 0.0).all()


def test_all_of_thousands_of_draws_reach_the_best_reward() -> None:
    rewards = np.random.default_rng(0).normal(size=(2, 4000))
    delta = from_rewards(rewards, 4000)
    np.testing.assert_allclose(delta.sum(axis=1), rewards.max(axis=1), rtol=1e-10)


def test_where_every_query_is_answered_the_baseline_decides_nothing() -> None:
    rewards = np.random.default_rng(0).normal(-2.0, 1.0, size=(6, 8))
    low, high = (allocate(from_rewards(rewards, 8, base), 20, minimum=1) for base in (-100.0, 3.0))
    assert low.units.tolist() == high.units.tolist()
    assert low.units.min() >= 1
    assert low.price == high.price


def test_without_rewards_or_budget_there_is_an_empty_table() -> None:
    assert from_rewards(np.zeros((3, 0)), 0).shape == (3, 0)
    assert from_rewards(np.zeros((0, 4)), 2).shape == (0, 2)


def test_more_draws_than_recorded_and_unreal_rewards_are_refused() -> None:
    with pytest.raises(ValueError, match=r"m at least b_max, not \(1, 2\) for 3"):
        from_rewards(np.zeros((1, 2)), 3)
    with pytest.raises(ValueError, match="finite"):
        from_rewards(np.array([[0.0, float("nan")]]), 1)
    with pytest.raises(ValueError, match="finite"):
        from_rewards(np.zeros((1, 2)), 1, float("inf"))


@MODEST
@given(st.lists(st.lists(st.floats(-5, 5), min_size=6, max_size=6), min_size=1, max_size=5))
def test_regressed_rows_are_projected_as_isotonic_regression_does(rows: list[list[float]]) -> None:
    projected = from_vector(np.array(rows))
    expected = [isotonic_regression(row, increasing=False).x for row in rows]
    np.testing.assert_allclose(projected, expected, atol=1e-12)
    assert (np.diff(projected, axis=1) <= 0.0).all()


def test_rows_that_do_not_increase_are_left_as_they_are() -> None:
    delta = from_success(np.array([0.3, 0.0, 1.0]), 5)
    assert (from_vector(delta) == delta).all()
    assert from_vector(np.zeros((0, 3))).shape == (0, 3)


def test_a_row_that_is_not_finite_is_refused() -> None:
    with pytest.raises(ValueError, match="finite"):
        from_vector(np.array([[0.1, float("inf")]]))
