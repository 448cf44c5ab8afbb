"""Proves that closed-form curves are what simulated sampling gives."""

from __future__ import annotations

import heapq

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.allocate import allocate
from adaqueue.core.curves import Curve, curve, recorded_survival, round_robin
from adaqueue.core.marginal import FloatArray, from_success
from adaqueue.core.metrics import pass_at
from adaqueue.core.posterior import beta_hazards, survival

B = 6
CHANCES = st.lists(st.floats(0.01, 1), min_size=1, max_size=5, unique=True)
MODEST = settings(max_examples=40, deadline=None)


def truth(chances: list[float], b: int = B) -> FloatArray:
    return survival(np.tile(np.array(chances)[:, None], (1, b)))


def sequentially(index: FloatArray, wins: npt.NDArray[np.bool_], price: float) -> tuple[float, float]:
    """Samples drawn and queries solved, on average, when units are bought one by one down to a price."""
    heap = [(-row[0], query, 0) for query, row in enumerate(index)]
    heapq.heapify(heap)
    drawn = solved = 0
    while heap and -heap[0][0] >= price:
        _, query, failures = heapq.heappop(heap)
        drawn += 1
        solved += bool(wins[query, failures])
        if not wins[query, failures] and failures + 1 < index.shape[1]:
            heapq.heappush(heap, (-index[query, failures + 1], query, failures + 1))
    return drawn / len(index), solved / len(index)


@pytest.mark.parametrize("price", [0.4, 0.2, 0.1, 0.04])
def test_a_sequential_policy_simulated_draw_by_draw_agrees_in_expectation(price: float) -> None:
    rng = np.random.default_rng(7)
    chances = rng.beta(0.5, 0.7, 40)
    index = beta_hazards(rng.uniform(0.2, 2, 40), rng.uniform(0.3, 2, 40), 10)
    runs = [sequentially(index, rng.random((40, 10)) < chances[:, None], price) for _ in range(2_000)]
    samples, success = np.mean(runs, axis=0)
    errors = np.std(runs, axis=0) / np.sqrt(len(runs))
    found = curve(index, truth(list(chances), 10), stops=True)
    point = int(np.argmin(np.abs(found.samples - samples)))
    assert found.samples[point] == pytest.approx(samples, abs=4 * errors[0])
    assert found.success[point] == pytest.approx(success, abs=4 * errors[1])


@MODEST
@given(CHANCES)
def test_a_one_shot_policy_wins_at_each_point_what_the_allocation_of_its_samples_wins(
    chances: list[float],
) -> None:
    delta = from_success(np.array(chances), B)
    alive = truth(chances)
    found = curve(delta, alive, stops=False)
    for samples, success in zip(found.samples, found.success, strict=True):
        units = allocate(delta, round(samples * len(chances))).units
        assert success == pytest.approx(np.mean(1 - alive[np.arange(len(chances)), units]))


@MODEST
@given(CHANCES, st.integers(0, B))
def test_round_robin_without_stopping_is_uniform_and_with_stopping_costs_only_what_is_open(
    chances: list[float], rounds: int
) -> None:
    alive = truth(chances)
    index = round_robin(len(chances), B)
    success = float(np.mean(1 - alive[:, rounds]))
    assert curve(index, alive, stops=False).at(rounds) == pytest.approx(success)
    spent = float(alive[:, :rounds].sum(axis=1).mean())
    assert curve(index, alive, stops=True).at(spent) == pytest.approx(success)


@MODEST
@given(CHANCES, st.booleans())
def test_curves_begin_at_nothing_and_rise(chances: list[float], stops: bool) -> None:
    found = curve(from_success(np.array(chances), B), truth(chances), stops=stops)
    assert (found.samples[0], found.success[0]) == (0, 0)
    assert (np.diff(found.samples) > 0).all()
    assert (np.diff(found.success) >= -1e-12).all()


@given(st.floats(0, 0.9))
def test_what_is_needed_for_a_success_reaches_just_that(success: float) -> None:
    found = Curve(np.array([0.0, 1.0, 2.0, 5.0]), np.array([0.0, 0.5, 0.5, 0.9]))
    needed = found.needed(success)
    assert needed is not None
    assert found.at(needed) == pytest.approx(success)
    assert success > 0.5 or needed <= 1


def test_a_success_beyond_the_curve_is_never_reached() -> None:
    found = Curve(np.array([0.0, 1.0]), np.array([0.0, 0.5]))
    assert found.needed(0.6) is None
    assert found.at(9.0) == 0.5


def test_recorded_draws_give_the_survival_of_draws_without_replacement() -> None:
    alive = recorded_survival(np.array([0, 2, 4]), 4, 3)
    for successes, row in zip((0, 2, 4), alive, strict=True):
        for draws, chance in enumerate(row):
            assert chance == pytest.approx(1 - float(pass_at(np.array(successes), 4, draws)))


def test_an_index_that_rises_or_does_not_fit_is_refused() -> None:
    with pytest.raises(ValueError, match="rise"):
        curve(np.array([[0.1, 0.2]]), np.ones((1, 3)), stops=True)
    with pytest.raises(ValueError, match="shape"):
        curve(np.array([[0.2, 0.1]]), np.ones((1, 2)), stops=True)
