"""Proves that the closed forms of the comparison are what simulated sampling gives."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.compare import compare
from adaqueue.core.policy import decide, fair_order

SAMPLES = 4
MODEST = settings(max_examples=12, deadline=None)
# one that never succeeds is always among them: see the comparison of queries that are all solved
SUCCESSES = st.lists(st.integers(0, SAMPLES), max_size=4).map(lambda successes: [*successes, 0])


def ids(count: int) -> list[str]:
    return [f"q{number}" for number in range(count)]


def orders(successes: int) -> list[tuple[int, ...]]:
    """Every order in which a query's recorded draws may be replayed, each as likely as any other."""
    return list(set(itertools.permutations([1] * successes + [0] * (SAMPLES - successes))))


def solved(successes: int, budget: int) -> float:
    """How often the first `budget` draws hold a success, counted over all orders."""
    return float(np.mean([any(order[:budget]) for order in orders(successes)]))


def rounds(successes: list[int], most: int) -> tuple[float, float]:
    """Average samples and success of up to `most` rounds that leave out who is solved, over all orders."""
    spent = [
        np.mean([order.index(1) + 1 if any(order[:most]) else most for order in orders(count)])
        for count in successes
    ]
    return float(np.mean(spent)), float(np.mean([solved(count, most) for count in successes]))


def chances(successes: list[int]) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array(successes) / SAMPLES


@MODEST
@given(SUCCESSES, st.integers(1, SAMPLES))
def test_uniform_at_a_budget_is_the_share_solved_over_all_orders(successes: list[int], budget: int) -> None:
    found = compare(ids(len(successes)), chances(successes), np.array(successes), SAMPLES, [budget])
    point = found.curve["uniform"][budget]
    assert point.samples == budget
    assert point.success == pytest.approx(np.mean([solved(count, budget) for count in successes]))


@MODEST
@given(SUCCESSES, st.lists(st.floats(0, 1), min_size=5, max_size=5), st.integers(1, SAMPLES))
def test_window_at_a_budget_spends_what_was_predicted_and_is_judged_on_the_draws(
    successes: list[int], predicted: list[float], budget: int
) -> None:
    n = len(successes)
    believed = np.array(predicted[:n])
    found = compare(ids(n), believed, np.array(successes), SAMPLES, [budget])
    units = decide(
        "window", believed, budget * n, b_max=SAMPLES, maximum=SAMPLES, order=fair_order(ids(n), 0)
    ).units
    expected = np.mean([solved(count, given) for count, given in zip(successes, units, strict=True)])
    assert found.curve["window"][budget].success == pytest.approx(expected)


def crossing(curve: list[tuple[float, float]], target: float) -> float | None:
    """Where straight lines between points of a curve first reach the target."""
    for (x0, y0), (x1, y1) in itertools.pairwise([curve[0], *curve]):
        if y1 >= target:
            return x1 if y1 == y0 else x0 + (x1 - x0) * max(target - y0, 0.0) / (y1 - y0)
    return None


@MODEST
@given(SUCCESSES, st.integers(1, SAMPLES))
def test_early_stop_needs_what_simulated_rounds_need(successes: list[int], budget: int) -> None:
    found = compare(ids(len(successes)), chances(successes), np.array(successes), SAMPLES, [budget])
    target = float(np.mean([solved(count, budget) for count in successes]))
    simulated = [rounds(successes, most) for most in range(SAMPLES + 1)]
    needed = crossing(simulated, target - 1e-12)
    assert needed is not None
    share = found.equal_reward_budget["uniform_early_stop"][budget]
    assert share == pytest.approx(needed / budget, abs=1e-6)
    assert share is not None
    assert share <= 1 + 1e-9


def test_perfect_information_beats_uniform() -> None:
    successes = np.array([4] * 5 + [1] * 5 + [0] * 10)
    found = compare(ids(20), successes / SAMPLES, successes, SAMPLES, [1, 2])
    for budget in (1, 2):
        assert found.curve["window"][budget].success > found.curve["uniform"][budget].success
        share = found.equal_reward_budget["window"][budget]
        assert share is not None
        assert share < 0.6


def test_predictions_that_say_nothing_are_no_better_than_uniform() -> None:
    successes = np.array([0, 1, 2, 3, 4] * 4)
    found = compare(ids(20), np.full(20, 0.5), successes, SAMPLES, [1, 2])
    for budget in (1, 2):
        assert found.curve["window"][budget].success == pytest.approx(found.curve["uniform"][budget].success)
        assert found.equal_reward_budget["window"][budget] == pytest.approx(1.0)


def test_predictions_that_are_wrong_need_more_than_uniform() -> None:
    found = compare(ids(2), np.array([0.01, 0.5]), np.array([4, 0]), SAMPLES, [1])
    assert found.curve["window"][1].success == 0.0
    share = found.equal_reward_budget["window"][1]
    assert share is not None
    assert share > 1


def test_a_share_is_of_uniforms_samples() -> None:
    successes = np.array([4, 4, 0, 0])
    found = compare(ids(4), np.array([1.0, 1.0, 0.0, 0.0]), successes, SAMPLES, [1, 2, 4])
    assert found.equal_reward_budget["window"] == {
        1: pytest.approx(0.5),
        2: pytest.approx(0.25),
        4: pytest.approx(0.125),
    }


def test_an_interval_lies_around_its_success_and_is_the_same_every_time() -> None:
    successes = np.array([0, 1, 2, 3, 4] * 6)
    one, two = (compare(ids(30), successes / 4, successes, SAMPLES, [2]) for _ in range(2))
    assert one == two
    for by_budget in one.curve.values():
        assert by_budget[2].low < by_budget[2].success < by_budget[2].high
        assert by_budget[2].low >= 0
        assert by_budget[2].high <= 1


@pytest.mark.parametrize("successes", [[4], [4, 4], [2, 3, 4]])
def test_queries_that_are_all_solved_before_the_draws_end_can_be_compared(successes: list[int]) -> None:
    found = compare(ids(len(successes)), chances(successes), np.array(successes), SAMPLES, [1])
    assert found.equal_reward_budget["uniform_early_stop"][1] == pytest.approx(1.0)


def test_a_budget_of_nothing_has_no_share() -> None:
    found = compare(ids(2), np.array([0.5, 0.5]), np.array([2, 0]), SAMPLES, [0])
    assert found.curve["uniform"][0].success == 0
    assert {shares[0] for shares in found.equal_reward_budget.values()} == {None}
    assert math.isfinite(found.curve["window"][0].success)
