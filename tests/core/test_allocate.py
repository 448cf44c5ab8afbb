"""Proves that allocation is optimal and exactly greedy, keeps every limit, and breaks ties fairly."""

from __future__ import annotations

import heapq
import itertools
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.allocate import Budgets, allocate
from adaqueue.core.marginal import FloatArray, IntArray, from_success

MODEST = settings(max_examples=80, deadline=None)


@dataclass(frozen=True)
class Case:
    delta: FloatArray
    total: int
    minimum: IntArray
    maximum: IntArray
    order: IntArray

    def allocate(self) -> Budgets:
        return allocate(self.delta, self.total, minimum=self.minimum, maximum=self.maximum, order=self.order)


@st.composite
def cases(draw: st.DrawFn, queries_at_most: int = 4, b_max_at_most: int = 4) -> Case:
    """Windows with many ties: rewards are quarters, zeros included."""
    queries = draw(st.integers(1, queries_at_most))
    b_max = draw(st.integers(1, b_max_at_most))
    row = st.lists(st.integers(0, 4), min_size=b_max, max_size=b_max)
    rows = draw(st.lists(row, min_size=queries, max_size=queries))
    delta = -np.sort(-np.array(rows, dtype=np.float64), axis=1) / 4
    limits = draw(st.lists(st.tuples(*[st.integers(0, b_max)] * 2), min_size=queries, max_size=queries))
    minimum = np.array([min(pair) for pair in limits])
    maximum = np.array([max(pair) for pair in limits])
    spare = draw(st.integers(0, queries * b_max))
    order = np.array(draw(st.permutations(range(queries))))
    return Case(delta, int(minimum.sum()) + spare, minimum, maximum, order)


def value(delta: FloatArray, units: IntArray) -> float:
    return float(sum(row[:bought].sum() for row, bought in zip(delta, units, strict=True)))


def greedy_by_heap(case: Case) -> list[int]:
    """One unit after another from a heap: the definition, at n log n a unit."""
    units: list[int] = case.minimum.tolist()
    heap: list[tuple[float, int, int, int]] = []

    def offer(query: int) -> None:
        j = units[query]
        if j < case.maximum[query]:
            heapq.heappush(heap, (-case.delta[query, j], j, int(case.order[query]), query))

    for query in range(len(units)):
        offer(query)
    for _ in range(case.total - sum(units)):
        if not heap:
            break
        query = heapq.heappop(heap)[-1]
        units[query] += 1
        offer(query)
    return units


@MODEST
@given(cases())
def test_its_value_is_that_of_exhaustive_search(case: Case) -> None:
    ranges = [range(low, high + 1) for low, high in zip(case.minimum, case.maximum, strict=True)]
    affordable = (np.array(u) for u in itertools.product(*ranges) if sum(u) <= case.total)
    optimum = max(value(case.delta, units) for units in affordable)
    assert value(case.delta, case.allocate().units) == pytest.approx(optimum, abs=1e-12)


@MODEST
@given(cases(queries_at_most=8, b_max_at_most=6))
def test_every_budget_is_that_of_buying_unit_after_unit(case: Case) -> None:
    assert case.allocate().units.tolist() == greedy_by_heap(case)


@MODEST
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=10), st.integers(0, 80), st.integers(1, 12))
def test_budgets_from_probabilities_are_those_of_buying_unit_after_unit(
    success: list[float], total: int, b_max: int
) -> None:
    count = len(success)
    delta = from_success(np.array(success), b_max)
    case = Case(delta, total, np.zeros(count, int), np.full(count, b_max), np.arange(count))
    assert case.allocate().units.tolist() == greedy_by_heap(case)


@MODEST
@given(cases(queries_at_most=8, b_max_at_most=6))
def test_it_spends_the_total_or_all_that_the_maximums_allow(case: Case) -> None:
    assert case.allocate().units.sum() == min(case.total, case.maximum.sum())


@MODEST
@given(cases(queries_at_most=8, b_max_at_most=6))
def test_minimum_and_maximum_hold_for_every_query(case: Case) -> None:
    units = case.allocate().units
    assert (case.minimum <= units).all()
    assert (units <= case.maximum).all()


@MODEST
@given(cases(queries_at_most=8, b_max_at_most=6))
def test_the_price_separates_bought_from_unbought(case: Case) -> None:
    budgets = case.allocate()
    bought, unbought = [], []
    for query, units in enumerate(budgets.units):
        bought += case.delta[query, case.minimum[query] : units].tolist()
        unbought += case.delta[query, units : case.maximum[query]].tolist()
    assert min(bought, default=float("inf")) == budgets.price
    assert max(unbought, default=-float("inf")) <= budgets.price


@MODEST
@given(cases(queries_at_most=8, b_max_at_most=6))
def test_one_more_unit_takes_no_unit_from_anybody(case: Case) -> None:
    more = Case(case.delta, case.total + 1, case.minimum, case.maximum, case.order)
    gained = more.allocate().units - case.allocate().units
    assert (gained >= 0).all()
    assert gained.sum() <= 1


@MODEST
@given(cases(queries_at_most=6), st.permutations(range(6)))
def test_the_queries_sequence_does_not_matter_when_their_ranks_go_with_them(
    case: Case, sequence: list[int]
) -> None:
    shuffled = np.array([query for query in sequence if query < len(case.delta)])
    moved = Case(
        case.delta[shuffled],
        case.total,
        case.minimum[shuffled],
        case.maximum[shuffled],
        case.order[shuffled],
    )
    assert moved.allocate().units.tolist() == case.allocate().units[shuffled].tolist()


@MODEST
@given(cases(queries_at_most=6), st.sampled_from([0.125, 0.5, 3.0, 1024.0]))
def test_the_rewards_scale_does_not_matter(case: Case, scale: float) -> None:
    scaled = Case(case.delta * scale, case.total, case.minimum, case.maximum, case.order).allocate()
    plain = case.allocate()
    assert scaled.units.tolist() == plain.units.tolist()
    assert scaled.price == plain.price * scale


@MODEST
@given(cases(queries_at_most=6), st.integers(2, 5), st.integers(0, 60))
def test_equal_queries_differ_by_at_most_one_unit(case: Case, copies: int, total: int) -> None:
    delta = np.repeat(case.delta, copies, axis=0)
    units = allocate(delta, total).units.reshape(-1, copies)
    assert (units.max(axis=1) - units.min(axis=1) <= 1).all()


@MODEST
@given(cases(queries_at_most=6), st.floats(-1.0, 2.0))
def test_what_compulsory_units_are_worth_decides_nothing(case: Case, worth: float) -> None:
    delta = case.delta.copy()
    delta[np.arange(delta.shape[1]) < case.minimum[:, np.newaxis]] = worth
    other = Case(delta, case.total, case.minimum, case.maximum, case.order).allocate()
    assert other.units.tolist() == case.allocate().units.tolist()
    assert other.price == case.allocate().price


def test_a_fraction_of_a_unit_buys_nothing() -> None:
    assert allocate(np.full((2, 3), 0.5), 3.9).units.tolist() == [2, 1]


def test_a_query_that_always_succeeds_gets_exactly_one_unit() -> None:
    delta = from_success(np.array([1.0, 0.1]), 8)
    assert allocate(delta, 9).units.tolist() == [1, 8]


def test_a_hopeless_query_gets_nothing_while_another_sample_is_worth_anything() -> None:
    delta = from_success(np.array([0.0, 0.5]), 16)
    assert allocate(delta, 16).units.tolist() == [0, 16]


def test_units_worth_nothing_are_bought_after_all_others() -> None:
    delta = from_success(np.array([0.0, 1.0, 0.0]), 3)
    assert allocate(delta, 1).units.tolist() == [0, 1, 0]
    assert allocate(delta, 3).units.tolist() == [1, 1, 1]
    assert allocate(delta, 3).price == 0.0


def test_ties_are_served_in_rounds_and_within_a_round_by_rank() -> None:
    delta = np.full((3, 4), 0.5)
    order = np.array([2, 0, 1])
    assert allocate(delta, 4, order=order).units.tolist() == [1, 2, 1]
    assert allocate(delta, 5, order=order).units.tolist() == [1, 2, 2]


def test_without_ranks_ties_go_to_the_lower_index() -> None:
    assert allocate(np.full((3, 2), 0.5), 4).units.tolist() == [2, 1, 1]


def test_the_minimum_counts_towards_the_total_and_the_rest_goes_where_it_is_worth_most() -> None:
    delta = from_success(np.array([0.0, 0.9, 0.2]), 4)
    assert allocate(delta, 5, minimum=1).units.tolist() == [1, 1, 3]
    assert allocate(delta, 4, minimum=1).units.tolist() == [1, 1, 2]


def test_a_maximum_above_b_max_means_b_max() -> None:
    assert allocate(np.full((2, 3), 0.5), 10, maximum=np.array([1, 50])).units.tolist() == [1, 3]


def test_the_price_is_infinite_where_only_minimums_were_granted() -> None:
    assert allocate(np.full((2, 3), 0.5), 2, minimum=1).price == float("inf")
    assert allocate(np.full((2, 3), 0.5), 9, maximum=0).price == float("inf")


@pytest.mark.parametrize("shape", [(0, 3), (3, 0), (0, 0)])
def test_nothing_to_allocate_is_no_error(shape: tuple[int, int]) -> None:
    budgets = allocate(np.zeros(shape), 5)
    assert budgets.units.tolist() == [0] * shape[0]
    assert budgets.price == float("inf")


def test_the_callers_arrays_stay_as_they_were() -> None:
    delta, minimum = from_success(np.array([0.3, 0.6]), 4), np.array([1, 0])
    before = delta.copy(), minimum.copy()
    allocate(delta, 5, minimum=minimum)
    assert (delta == before[0]).all()
    assert (minimum == before[1]).all()


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([[0.5, 0.4], [0.1, 0.2]], r"delta\[1\] must not increase: 0.1 then 0.2"),
        ([[0.5, float("nan")]], "finite"),
        ([[float("inf"), 0.5]], "finite"),
        ([[0.5, float("nan"), 0.1]], "finite"),
    ],
)
def test_a_table_that_greedy_cannot_serve_is_refused(rows: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        allocate(np.array(rows), 1)


def test_limits_that_cannot_be_met_are_refused_by_value() -> None:
    delta = np.full((2, 3), 0.5)
    with pytest.raises(ValueError, match="sum of the minimums, 4, not 3"):
        allocate(delta, 3, minimum=2)
    with pytest.raises(ValueError, match=r"minimum\[1\].*maximum, 1, not 2"):
        allocate(delta, 6, minimum=np.array([0, 2]), maximum=np.array([3, 1]))
    with pytest.raises(ValueError, match=r"minimum\[0\].*maximum, 3, not 4"):
        allocate(delta, 9, minimum=4)
    with pytest.raises(ValueError, match="not -1"):
        allocate(delta, -1)
    with pytest.raises(ValueError, match="maximum must be at least 0, not -2"):
        allocate(delta, 1, maximum=-2)


def test_arrays_of_the_wrong_shape_or_type_are_refused() -> None:
    delta = np.full((2, 3), 0.5)
    with pytest.raises(ValueError, match=r"minimum must be one integer or shape \(2,\)"):
        allocate(delta, 3, minimum=np.array([1, 1, 1]))
    with pytest.raises(ValueError, match=r"maximum must be one integer.*float64"):
        allocate(delta, 3, maximum=np.array([1.5, 1.0]))
    with pytest.raises(ValueError, match=r"order must have shape \(2,\)"):
        allocate(delta, 3, order=np.arange(3))
    with pytest.raises(ValueError, match=r"delta must have shape \(n, b_max\), not \(3,\)"):
        allocate(np.full(3, 0.5), 1)
