"""Proves that units of unequal cost are bought within one step of the optimum, and routing with them."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import Bounds, LinearConstraint, milp

from adaqueue.core.allocate import allocate
from adaqueue.core.costs import Steps, buy, combinations, envelope
from adaqueue.core.marginal import FloatArray, IntArray, from_success

MODEST = settings(max_examples=80, deadline=None)


@dataclass(frozen=True)
class Points:
    reward: FloatArray
    cost: FloatArray
    total: float


@dataclass(frozen=True)
class Units:
    delta: FloatArray
    costs: FloatArray
    minimum: IntArray
    maximum: IntArray
    total: float


def table(draw: st.DrawFn, values: st.SearchStrategy[int], rows: int, columns: int) -> IntArray:
    drawn = draw(st.lists(values, min_size=rows * columns, max_size=rows * columns))
    return np.array(drawn, dtype=np.int64).reshape(rows, columns)


@st.composite
def points(draw: st.DrawFn) -> Points:
    """Small windows; point 0 is free, the others cost 1 to 9."""
    queries, others = draw(st.integers(1, 4)), draw(st.integers(0, 4))
    reward, cost = np.zeros((queries, others + 1)), np.zeros((queries, others + 1))
    reward[:, 1:] = table(draw, st.integers(-4, 12), queries, others)
    cost[:, 1:] = table(draw, st.integers(1, 9), queries, others)
    return Points(reward, cost, float(draw(st.integers(0, 30))))


@st.composite
def units(draw: st.DrawFn) -> Units:
    """Small windows whose units have costs and, unlike a table without costs, rows that may rise."""
    queries, b_max = draw(st.integers(1, 4)), draw(st.integers(1, 4))
    delta = table(draw, st.integers(0, 8), queries, b_max) / 8
    costs = table(draw, st.integers(1, 6), queries, b_max).astype(np.float64)
    low, high = np.sort(table(draw, st.integers(0, b_max), 2, queries), axis=0)
    compulsory = float(np.where(np.arange(b_max) < low[:, np.newaxis], costs, 0.0).sum())
    return Units(delta, costs, low, high, compulsory + draw(st.integers(0, 30)))


def optimum(reward: FloatArray, cost: FloatArray, total: float) -> float:
    """The best choice of one point for each query, by an integer program."""
    each = np.kron(np.eye(len(reward)), np.ones(reward.shape[1]))
    found = milp(
        -reward.ravel(),
        integrality=np.ones(reward.size),
        bounds=Bounds(0, 1),
        constraints=[LinearConstraint(each, 1, 1), LinearConstraint(cost.ravel()[np.newaxis], 0, total)],
    )
    assert found.success
    return float(-found.fun)


def reached(values: FloatArray, chosen: IntArray) -> float:
    return float(np.take_along_axis(values, chosen[:, np.newaxis], axis=1).sum())


def dearest(steps: Steps) -> float:
    return float(steps.gain.max(initial=0.0))


@MODEST
@given(points())
def test_a_choice_is_within_one_step_of_the_integer_optimum_and_never_over_the_total(case: Points) -> None:
    steps = envelope(case.reward, case.cost)
    choice = buy(steps, case.total)
    best = optimum(case.reward, case.cost, case.total)
    assert reached(case.cost, choice.points) <= choice.spent <= case.total
    assert best - dearest(steps) - 1e-6 <= reached(case.reward, choice.points) <= best + 1e-6


@MODEST
@given(points())
def test_the_envelope_is_the_least_concave_curve_above_all_points(case: Points) -> None:
    steps = envelope(case.reward, case.cost)
    for row in range(len(case.reward)):
        real = np.isfinite(steps.cost[row])
        costs = np.concatenate([[0.0], np.cumsum(steps.cost[row][real])])
        rewards = np.concatenate(
            [[case.reward[row, 0]], case.reward[row, 0] + np.cumsum(steps.gain[row][real])]
        )
        at_points = np.interp(case.cost[row], costs, rewards)
        assert (at_points >= case.reward[row] - 1e-9).all()
        assert case.reward[row, steps.reaches[row][real]].tolist() == pytest.approx(rewards[1:].tolist())
        assert (np.diff(steps.gain[row][real] / steps.cost[row][real]) <= 1e-12).all()
        assert (steps.gain[row][real] > 0.0).all()


@MODEST
@given(points())
def test_more_to_spend_never_gives_less_reward(case: Points) -> None:
    steps = envelope(case.reward, case.cost)
    rewards = [reached(case.reward, buy(steps, total).points) for total in range(31)]
    assert (np.diff(rewards) >= 0.0).all()


@MODEST
@given(points())
def test_the_sequence_of_points_and_queries_does_not_matter(case: Points) -> None:
    order = np.arange(len(case.reward))
    moved = order[::-1]
    plain = buy(envelope(case.reward, case.cost), case.total, order=order)
    turned = buy(envelope(case.reward[moved], case.cost[moved]), case.total, order=order[moved])
    assert turned.points.tolist() == plain.points[moved].tolist()
    backwards = np.concatenate([[0], np.arange(1, case.reward.shape[1])[::-1]])
    other = buy(envelope(case.reward[:, backwards], case.cost[:, backwards]), case.total, order=order)
    assert reached(case.reward[:, backwards], other.points) == reached(case.reward, plain.points)


@MODEST
@given(units())
def test_units_with_costs_are_within_one_step_of_the_optimum_and_keep_every_limit(case: Units) -> None:
    found = allocate(
        case.delta, case.total, minimum=case.minimum, maximum=case.maximum, costs=case.costs
    ).units
    rewards, costs = (
        np.pad(np.cumsum(given, axis=1), ((0, 0), (1, 0))) for given in (case.delta, case.costs)
    )
    ranges = [range(low, high + 1) for low, high in zip(case.minimum, case.maximum, strict=True)]
    choices = [np.array(choice) for choice in itertools.product(*ranges)]
    best = max(reached(rewards, choice) for choice in choices if reached(costs, choice) <= case.total)
    assert reached(costs, found) <= case.total
    assert (case.minimum <= found).all()
    assert (found <= case.maximum).all()
    assert best - case.delta.sum(axis=1).max() - 1e-9 <= reached(rewards, found) <= best + 1e-9


@MODEST
@given(units(), st.sampled_from([0.5, 1.0, 4.0]), st.integers(0, 16))
def test_equal_costs_are_no_costs(case: Units, cost: float, total: int) -> None:
    delta = -np.sort(-case.delta, axis=1) - 0.25
    plain = allocate(delta, total, maximum=case.maximum)
    costed = allocate(delta, total * cost, maximum=case.maximum, costs=cost)
    assert costed.units.tolist() == plain.units.tolist()
    assert costed.price * cost == plain.price


def test_units_that_only_pay_together_are_bought_together_or_not_at_all() -> None:
    delta, costs = np.array([[0.1, 0.8], [0.3, 0.2]]), np.array([[1.0, 1.0], [1.0, 1.0]])
    assert allocate(delta, 2, costs=costs).units.tolist() == [2, 0]
    assert allocate(delta, 1, costs=costs).units.tolist() == [0, 1]


def test_a_step_that_does_not_fit_is_passed_over_and_the_rest_goes_to_those_that_fit() -> None:
    delta, costs = np.array([[0.9], [0.8], [0.1]]), np.array([[4.0], [4.0], [1.0]])
    assert allocate(delta, 5, costs=costs).units.tolist() == [1, 0, 1]


def test_a_step_that_does_not_fit_closes_its_query() -> None:
    delta, costs = np.array([[0.9, 0.1], [0.1, 0.0]]), np.array([[4.0, 1.0], [1.0, 1.0]])
    assert allocate(delta, 3, costs=costs).units.tolist() == [0, 2]


def test_a_prompt_that_is_paid_once_makes_few_queries_with_many_samples() -> None:
    delta = from_success(np.full(4, 0.3), 6)
    costs = np.array([[5.0, 1.0, 1.0, 1.0, 1.0, 1.0]])
    assert sorted(allocate(delta, 16, costs=costs).units.tolist()) == [0, 0, 4, 4]


def test_what_the_minimums_cost_is_part_of_the_total() -> None:
    delta, costs = from_success(np.array([0.2, 0.9]), 3), np.array([[3.0], [1.0]])
    assert allocate(delta, 4, minimum=1, costs=costs).units.tolist() == [1, 1]
    with pytest.raises(ValueError, match=r"cost of the starts, 4.0, not 3"):
        allocate(delta, 3, minimum=1, costs=costs)


def test_one_strong_sample_beats_the_five_weak_ones_that_pay_more_each() -> None:
    reward, counts = combinations(np.array([0.3]), np.array([0.9]), (5, 1))
    steps = envelope(reward, counts @ np.array([1.0, 5.0]))
    choice = buy(steps, 5.0)
    one_by_one = allocate(from_success(np.array([0.3]), 5), 5).units
    assert 1 - 0.7 ** one_by_one[0] == pytest.approx(0.832, abs=1e-3)
    assert counts[choice.points[0]].tolist() == [0, 1]
    assert reached(reward, choice.points) == pytest.approx(0.9)


def test_decoders_that_fail_together_are_worth_less_than_independent_ones() -> None:
    weak, strong = np.array([[0.0, 0.8]]), np.array([[0.1, 0.9]])
    together, counts = combinations(weak, strong, (1, 1))
    apart, _ = combinations(weak.mean(axis=1), strong.mean(axis=1), (1, 1))
    assert counts.tolist() == [[0, 0], [0, 1], [1, 0], [1, 1]]
    assert together[0].tolist() == pytest.approx([0.0, 0.5, 0.4, (0.1 + 0.98) / 2])
    assert apart[0, 3] == pytest.approx(0.7)


@MODEST
@given(st.lists(st.integers(-8, 8), min_size=1, max_size=9, unique=True), st.integers(0, 9))
def test_routing_sends_the_queries_of_the_largest_gain_to_the_strong_decoder(
    gains: list[int], strong: int
) -> None:
    gain = np.array(gains, dtype=np.float64)
    steps = envelope(np.stack([np.zeros(len(gain)), gain], axis=1), np.array([1.0, 3.0]))
    choice = buy(steps, len(gain) + 2.0 * strong)
    expected = [value for value in sorted(gains, reverse=True) if value > 0][:strong]
    assert sorted(gain[choice.points == 1].tolist(), reverse=True) == expected


def test_ties_go_to_the_earlier_step_and_then_by_rank() -> None:
    delta = np.full((3, 2), 0.5)
    assert allocate(delta, 8, order=np.array([2, 0, 1]), costs=2.0).units.tolist() == [1, 2, 1]


@pytest.mark.parametrize("cost", [0.0, -1.0, float("inf"), float("nan")])
def test_a_unit_without_a_real_cost_is_refused(cost: float) -> None:
    with pytest.raises(ValueError, match="costs must be finite and > 0"):
        allocate(np.full((1, 2), 0.5), 3, costs=np.array([1.0, cost]))


def test_points_that_make_no_envelope_are_refused() -> None:
    with pytest.raises(ValueError, match="cost more than the first"):
        envelope(np.zeros((1, 2)), np.array([1.0, 1.0]))
    with pytest.raises(ValueError, match="finite"):
        envelope(np.array([[0.0, float("nan")]]), np.array([0.0, 1.0]))
    with pytest.raises(ValueError, match="p at least 1"):
        envelope(np.zeros((1, 0)), np.zeros(0))
    with pytest.raises(ValueError, match="must be alike"):
        combinations(np.zeros(2), np.zeros(3), (1, 1))


def test_nothing_to_buy_is_no_error() -> None:
    for steps in (envelope(np.zeros((0, 3)), np.zeros((0, 3))), envelope(np.ones((2, 1)), np.zeros((2, 1)))):
        choice = buy(steps, 5.0)
        assert choice.points.tolist() == [0] * len(steps.start)
        assert choice.price == float("inf")
        assert choice.spent == 0.0
    assert allocate(np.zeros((2, 0)), 3, costs=1.0).units.tolist() == [0, 0]
