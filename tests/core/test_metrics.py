"""Proves that each figure is what its definition says, by enumeration, formula or simulation."""

from __future__ import annotations

import gzip
import itertools
import json
import math
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.metrics import (
    difference_interval,
    equal_reward_budget,
    interval,
    pass_at,
    predictor_quality,
)

MODEST = settings(max_examples=80, deadline=None)
DATA = Path(__file__).parents[2].parent / "shared" / "data"


@st.composite
def draws(draw: st.DrawFn, samples_at_most: int) -> tuple[int, int, int]:
    samples = draw(st.integers(0, samples_at_most))
    return draw(st.integers(0, samples)), samples, draw(st.integers(0, samples))


@MODEST
@given(draws(samples_at_most=400))
def test_pass_at_is_the_exact_ratio_of_binomials(case: tuple[int, int, int]) -> None:
    successes, samples, budget = case
    exact = 1 - Fraction(math.comb(samples - successes, budget), math.comb(samples, budget))
    result = pass_at(np.array([successes]), samples, budget)
    np.testing.assert_allclose(result, [float(exact)], rtol=1e-9, atol=1e-13)


@MODEST
@given(draws(samples_at_most=7))
def test_pass_at_is_the_share_of_subsets_with_a_success(case: tuple[int, int, int]) -> None:
    successes, samples, budget = case
    subsets = list(itertools.combinations(range(samples), budget))
    share = sum(any(drawn < successes for drawn in subset) for subset in subsets) / len(subsets)
    assert pass_at(np.array([successes]), samples, budget)[0] == pytest.approx(share, abs=1e-12)


def test_pass_at_broadcasts_queries_against_budgets() -> None:
    successes, samples = np.array([[0], [1], [4]]), np.array([[4], [2], [4]])
    expected = [[0.0, 0.0, 0.0], [0.0, 0.5, 1.0], [0.0, 1.0, 1.0]]
    np.testing.assert_allclose(pass_at(successes, samples, np.array([0, 1, 2])), expected, atol=1e-15)


def test_pass_at_keeps_a_small_chance_among_many_samples() -> None:
    assert pass_at(np.array([1]), 100_000, 3)[0] == pytest.approx(3e-5, rel=1e-9)


@pytest.mark.parametrize(
    ("successes", "samples", "budget", "message"),
    [
        (1, 4, 5, r"budget must be in 0\.\.4.*not 5"),
        (1, 4, -1, r"budget must be in 0\.\.4.*not -1"),
        (5, 4, 1, r"successes must be in 0\.\.4.*not 5"),
        (-1, 4, 1, r"successes must be in 0\.\.4.*not -1"),
    ],
)
def test_pass_at_refuses_more_than_was_recorded(
    successes: int, samples: int, budget: int, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        pass_at(np.array([successes]), samples, np.array([budget]))


def recorded_counts(name: str) -> tuple[IntArray, IntArray]:
    path = DATA / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"recorded outcomes are not here: {path}")
    with gzip.open(path, "rt") as lines:
        rows = [json.loads(line) for line in lines]
    return np.array([row["successes"] for row in rows]), np.array([row["n"] for row in rows])


def test_pass_at_gives_the_published_figures_of_a_recorded_model() -> None:
    successes, samples = recorded_counts("humaneval_codegen16b")
    assert pass_at(successes, samples, 1).mean() == pytest.approx(0.228, abs=5e-4)
    assert pass_at(successes, samples, 8).mean() == pytest.approx(0.485, abs=5e-4)
    assert pass_at(successes, samples, 100).mean() == pytest.approx(0.750, abs=5e-4)


def test_the_interval_is_that_of_the_normal_approximation_for_many_queries() -> None:
    values = np.random.default_rng(0).normal(2.0, 3.0, 4000)
    low, high = interval(values, seed=1)
    half = 1.96 * values.std() / math.sqrt(len(values))
    assert low == pytest.approx(values.mean() - half, abs=0.1 * half)
    assert high == pytest.approx(values.mean() + half, abs=0.1 * half)


def test_nineteen_in_twenty_intervals_hold_the_truth() -> None:
    rng = np.random.default_rng(0)
    intervals = [interval(rng.random(60), seed, resamples=300) for seed in range(300)]
    covered = sum(low <= 0.5 <= high for low, high in intervals)
    assert 270 <= covered <= 297


def test_the_same_seed_gives_the_same_interval_and_another_seed_another() -> None:
    values = np.random.default_rng(0).random(30)
    assert interval(values, seed=3) == interval(values, seed=3)
    assert interval(values, seed=3) != interval(values, seed=4)


def test_less_confidence_gives_a_narrower_interval_inside() -> None:
    values = np.random.default_rng(0).random(50)
    low, high = interval(values, seed=0)
    inner_low, inner_high = interval(values, seed=0, confidence=0.5)
    assert low < inner_low < values.mean() < inner_high < high


def test_equal_values_leave_no_doubt() -> None:
    assert interval(np.full(9, 0.25), seed=0) == (0.25, 0.25)


def test_a_paired_difference_is_far_surer_than_two_separate_intervals() -> None:
    rng = np.random.default_rng(0)
    second = rng.normal(0.0, 10.0, 200)
    first = second + 0.5 + rng.normal(0.0, 0.1, 200)
    low, high = difference_interval(first, second, seed=0)
    assert 0.4 < low < 0.5 < high < 0.6
    assert difference_interval(second, first, seed=0)[1] < 0.0


@pytest.mark.parametrize(
    ("values", "confidence", "resamples"),
    [
        ([], 0.95, 10),
        ([float("nan")], 0.95, 10),
        ([1.0], 1.0, 10),
        ([1.0], 0.0, 10),
        ([1.0], 0.95, 0),
    ],
)
def test_an_interval_of_nothing_is_refused(values: list[float], confidence: float, resamples: int) -> None:
    with pytest.raises(ValueError, match="must"):
        interval(np.array(values), 0, confidence, resamples)


def test_a_difference_between_different_queries_is_refused() -> None:
    with pytest.raises(ValueError, match="same queries"):
        difference_interval(np.zeros(3), np.zeros(1), seed=0)


@pytest.mark.parametrize(
    ("target", "budget"),
    [(0.4, 2.0), (0.5, 3.0), (0.6, 4.0), (0.65, 6.0), (0.1, 1.0), (0.2, 1.0), (0.71, None)],
)
def test_the_budget_for_a_target_is_read_off_the_curve(target: float, budget: float | None) -> None:
    budgets, curve = np.array([1.0, 2.0, 4.0, 8.0]), np.array([0.2, 0.4, 0.6, 0.7])
    assert equal_reward_budget(budgets, curve, target) == (None if budget is None else pytest.approx(budget))


def test_a_curve_that_falls_again_counts_where_it_first_reached_the_target() -> None:
    budgets, curve = np.array([0.0, 1.0, 2.0, 3.0]), np.array([0.0, 0.5, 0.3, 0.6])
    assert equal_reward_budget(budgets, curve, 0.4) == pytest.approx(0.8)
    assert equal_reward_budget(budgets, curve, 0.55) == pytest.approx(2.0 + 0.25 / 0.3)


@MODEST
@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=8), st.floats(0.0, 1.0))
def test_nothing_short_of_the_budget_found_reaches_the_target(points: list[float], target: float) -> None:
    curve, budgets = np.array(points), np.arange(1.0, len(points) + 1, dtype=np.float64)
    found = equal_reward_budget(budgets, curve, target)
    if found is None:
        assert curve.max() < target
        return
    assert np.interp(found, budgets, curve) == pytest.approx(target) or found == budgets[0]
    assert (curve[budgets < found - 1e-9] < target).all()


@pytest.mark.parametrize(
    ("budgets", "curve", "target"),
    [([2.0, 1.0], [0.1, 0.2], 0.1), ([1.0, 2.0], [0.1], 0.1), ([1.0], [0.1], float("nan"))],
)
def test_a_curve_that_cannot_be_read_is_refused(
    budgets: list[float], curve: list[float], target: float
) -> None:
    with pytest.raises(ValueError, match="budgets"):
        equal_reward_budget(np.array(budgets), np.array(curve), target)


def entropy(rates: FloatArray) -> float:
    inside = rates[(rates > 0) & (rates < 1)]
    return float(-(inside * np.log(inside) + (1 - inside) * np.log(1 - inside)).sum() / len(rates))


def test_the_losses_are_those_of_counting_every_sample_on_its_own() -> None:
    predicted = np.array([0.2, 0.7, 0.9])
    outcomes = [[0, 0, 0, 1], [1, 1, 0, 1], [1, 1, 1, 1]]
    nats = [
        -np.mean([math.log(p if outcome else 1 - p) for outcome in row])
        for p, row in zip(predicted, outcomes, strict=True)
    ]
    quality = predictor_quality(predicted, np.array([1, 3, 4]), 4)
    assert quality.loss == pytest.approx(np.mean(nats))
    assert quality.average == pytest.approx(entropy(np.array([8 / 12])))
    assert quality.optimal == pytest.approx(entropy(np.array([0.25, 0.75, 1.0])))
    assert quality.optimal_corrected == pytest.approx(quality.optimal + (1 / 8 + 1 / 8 + 0) / 3)


def test_the_loss_is_positive_and_lowest_for_the_recorded_rates() -> None:
    successes = np.array([1, 5, 9])
    own = predictor_quality(successes / 10, successes, 10)
    other = predictor_quality(np.array([0.2, 0.5, 0.9]), successes, 10)
    assert 0.0 < own.loss == own.optimal < other.loss < other.average


def test_being_sure_and_wrong_costs_infinitely_much_and_sure_and_right_nothing() -> None:
    assert predictor_quality(np.array([0.0, 1.0]), np.array([1, 4]), 4).loss == math.inf
    assert predictor_quality(np.array([0.0, 1.0]), np.array([0, 4]), 4).loss == 0.0


def test_the_recorded_rates_flatter_the_optimal_loss_and_the_correction_undoes_most_of_it() -> None:
    rng = np.random.default_rng(0)
    rates = rng.uniform(0.2, 0.8, 20_000)
    truth = entropy(rates)
    quality = predictor_quality(rates, rng.binomial(20, rates), 20)
    assert quality.optimal < truth - 0.02
    assert quality.optimal_corrected == pytest.approx(truth, abs=0.003)
    assert quality.loss == pytest.approx(truth, abs=0.01)


def test_accuracy_counts_queries_on_the_right_side_of_both_medians() -> None:
    successes = np.array([0, 1, 2, 7, 8, 9])
    assert predictor_quality(successes / 20 + 0.3, successes, 10).accuracy == 1.0
    assert predictor_quality(0.9 - successes / 20, successes, 10).accuracy == 0.0
    one_swapped = np.array([0.1, 0.2, 0.6, 0.4, 0.7, 0.8])
    assert predictor_quality(one_swapped, successes, 10).accuracy == pytest.approx(4 / 6)


def test_queries_at_a_median_are_left_out_and_counted() -> None:
    quality = predictor_quality(np.array([0.1, 0.2, 0.3, 0.4, 0.8]), np.array([0, 0, 0, 5, 9]), 10)
    assert (quality.accuracy, quality.ties) == (1.0, 3)


def test_a_constant_predictor_has_no_accuracy_rather_than_a_good_one() -> None:
    quality = predictor_quality(np.full(4, 0.5), np.array([0, 1, 5, 9]), 10)
    assert math.isnan(quality.accuracy)
    assert quality.ties == 4


def test_each_query_weighs_the_same_whatever_its_number_of_samples() -> None:
    quality = predictor_quality(np.array([0.5, 0.5]), np.array([1, 100]), np.array([2, 100]))
    assert quality.average == pytest.approx(entropy(np.array([0.75])))


@pytest.mark.parametrize(
    ("predicted", "successes", "samples"),
    [
        ([], [], 4),
        ([0.5], [0], 0),
        ([0.5], [5], 4),
        ([1.5], [1], 4),
        ([float("nan")], [1], 4),
        ([0.5, 0.5], [1], 4),
    ],
)
def test_predictions_that_cannot_be_judged_are_refused(
    predicted: list[float], successes: list[int], samples: int
) -> None:
    with pytest.raises(ValueError, match=r"needs queries|must be in"):
        predictor_quality(np.array(predicted), np.array(successes, dtype=np.int64), samples)
