"""Proves that uniform is even, window is the paper's allocation, and ties are drawn fairly."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.allocate import allocate
from adaqueue.core.decisions import Prediction
from adaqueue.core.marginal import IntArray, from_beta, from_success
from adaqueue.core.policy import ONCE, decide, fair_order
from adaqueue.core.sequential import HAZARDS
from adaqueue.errors import SettingsError

MODEST = settings(max_examples=60, deadline=None)
SUCCESSES = st.lists(st.floats(0.0, 1.0), min_size=1, max_size=12)


def said(success: list[float]) -> list[Prediction]:
    return [Prediction(chance, 1.0 - chance, "p", "") for chance in success]


def expected_success(success: list[float], units: IntArray) -> float:
    return float(np.sum(1 - (1 - np.array(success)) ** units))


@MODEST
@given(SUCCESSES, st.integers(0, 150))
def test_uniform_budgets_differ_by_at_most_one_unit_and_spend_the_total(
    success: list[float], total: int
) -> None:
    units = decide("uniform", said(success), total, b_max=10).units
    assert units.max() - units.min() <= 1
    assert units.sum() == min(total, 10 * len(success))


@MODEST
@given(SUCCESSES, st.integers(0, 60), st.integers(0, 999))
def test_the_remainder_of_uniform_goes_by_rank(success: list[float], total: int, seed: int) -> None:
    order = fair_order([str(index) for index in range(len(success))], seed)
    units = decide("uniform", said(success), total, b_max=100, order=order).units
    each, remainder = divmod(total, len(success))
    assert units.tolist() == [each + (rank < remainder) for rank in order]


def test_uniform_fills_up_evenly_between_minimum_and_maximum() -> None:
    budgets = decide(
        "uniform",
        said([0.9, 0.1, 0.5, 0.5]),
        12,
        b_max=9,
        minimum=np.array([0, 5, 0, 0]),
        maximum=np.array([1, 9, 9, 9]),
    )
    assert budgets.units.tolist() == [1, 5, 3, 3]


def test_uniform_looks_at_no_probability_and_so_has_no_price() -> None:
    assert decide("uniform", said([0.9, 0.0]), 7, b_max=9).price == 0.0
    assert decide("uniform", said([0.9, 0.0]), 7, b_max=9).units.tolist() == [4, 3]
    assert decide("uniform", said([0.0, 0.9]), 7, b_max=9).units.tolist() == [4, 3]


@MODEST
@given(SUCCESSES, st.integers(0, 60))
def test_window_is_greedy_on_the_marginal_rewards_of_success(success: list[float], total: int) -> None:
    rates = np.array(success)
    decided = decide("window", said(success), total, b_max=8)
    direct = allocate(from_success(rates, 8), total)
    assert decided.units.tolist() == direct.units.tolist()
    assert decided.price == direct.price


@MODEST
@given(st.lists(st.tuples(st.floats(0.1, 9), st.floats(0.1, 9)), min_size=1, max_size=12), st.integers(0, 60))
def test_beta_window_is_greedy_on_the_marginal_rewards_of_whole_betas(
    betas: list[tuple[float, float]], total: int
) -> None:
    decided = decide("beta_window", [Prediction(*beta, "p", "") for beta in betas], total, b_max=8)
    alpha, beta = np.array(betas).T
    direct = allocate(from_beta(alpha, beta, 8), total)
    assert decided.units.tolist() == direct.units.tolist()
    assert decided.price == direct.price


def test_beta_window_buys_less_where_a_first_failure_would_tell_more() -> None:
    predictions = [Prediction(0.1, 0.1, "p", ""), Prediction(50.0, 50.0, "p", "")]
    unsure, sure = decide("beta_window", predictions, 6, b_max=8).units
    assert unsure < sure
    assert decide("window", predictions, 6, b_max=8).units.tolist() == [3, 3]


@MODEST
@given(SUCCESSES, st.integers(0, 90))
def test_window_succeeds_at_least_as_often_as_uniform_if_the_probabilities_are_right(
    success: list[float], total: int
) -> None:
    window = decide("window", said(success), total, b_max=8).units
    uniform = decide("uniform", said(success), total, b_max=8).units
    assert expected_success(success, window) >= expected_success(success, uniform) - 1e-9


@pytest.mark.parametrize("policy", ONCE)
def test_every_policy_keeps_minimum_maximum_and_total(policy: str) -> None:
    units = decide(
        policy, said([0.1, 0.2, 0.3, 0.5, 0.6, 0.8, 0.9]), 20, b_max=16, minimum=1, maximum=5
    ).units
    assert units.sum() == 20
    assert (units >= 1).all()
    assert (units <= 5).all()


@pytest.mark.parametrize("policy", HAZARDS)
def test_a_policy_that_buys_sequentially_is_refused_here(policy: str) -> None:
    with pytest.raises(SettingsError, match=f"'{policy}'; known: uniform, window, beta_window"):
        decide(policy, said([0.5]), 1, b_max=2)


def test_an_unknown_policy_is_refused_with_its_name_and_the_known_ones() -> None:
    with pytest.raises(SettingsError, match="'greedy'; known: uniform, window, beta_window"):
        decide("greedy", said([0.5]), 1, b_max=2)


@MODEST
@given(st.lists(st.text(), unique=True, max_size=20), st.integers())
def test_ranks_are_a_permutation_and_the_same_every_time(ids: list[str], seed: int) -> None:
    ranks = fair_order(ids, seed)
    assert sorted(ranks.tolist()) == list(range(len(ids)))
    assert ranks.tolist() == fair_order(ids, seed).tolist()


@MODEST
@given(st.lists(st.text(), unique=True, min_size=2, max_size=20), st.integers(0, 99))
def test_which_of_two_queries_comes_first_depends_on_no_other_query(ids: list[str], seed: int) -> None:
    ranks = fair_order(ids, seed)
    pair = fair_order([ids[-1], ids[0]], seed)
    assert (ranks[-1] < ranks[0]) == (pair[0] < pair[1])


def test_over_many_seeds_every_query_comes_first_about_equally_often() -> None:
    ids = ["a", "b", "c", "d"]
    firsts = np.bincount([int(fair_order(ids, seed).argmin()) for seed in range(2000)], minlength=4)
    assert firsts.min() > 400
    assert firsts.max() < 600
    assert firsts.sum() == 2000


def test_ranks_are_the_same_on_every_machine() -> None:
    assert fair_order(["a", "b", "c", "d"], 7).tolist() == [1, 3, 2, 0]
