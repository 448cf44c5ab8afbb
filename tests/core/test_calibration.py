"""Proves that calibration undoes known distortions, and chooses by counts that it did not see."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit, logit

from adaqueue.core.beliefs import Beliefs
from adaqueue.core.calibration import (
    LARGEST_SCORE,
    NONE,
    Calibration,
    choose,
    fit_isotonic,
    fit_size,
    fit_temperature,
)
from adaqueue.core.marginal import FloatArray, IntArray

N = 4_000
SIZE = 4.0
UNSTOPPED = np.zeros(N, dtype=np.bool_)
FOLDS = np.arange(N) % 5


def truth(seed: int) -> tuple[FloatArray, IntArray, IntArray]:
    """Mean success of queries, and counts whose success probabilities are Beta about it, of size 4."""
    rng = np.random.default_rng(seed)
    mean = expit(1.5 * rng.standard_normal(N))
    samples = rng.integers(1, 20, N)
    return mean, rng.binomial(samples, rng.beta(SIZE * mean, SIZE * (1 - mean))), samples


def believed(mean: FloatArray, size: float) -> Beliefs:
    return Beliefs.of(size * mean, size * (1 - mean))


def test_no_calibration_changes_nothing() -> None:
    beliefs = believed(np.array([0.1, 0.5, 0.99]), 3.0)
    found = NONE.apply(beliefs)
    np.testing.assert_allclose([found.alpha, found.beta], [beliefs.alpha, beliefs.beta])
    assert NONE.kind == "none"


def test_temperature_undoes_a_probe_that_is_too_sure_of_what_it_says_and_of_itself() -> None:
    mean, successes, samples = truth(0)
    found = fit_temperature(believed(expit(0.5 + 2 * logit(mean)), 10 * SIZE), successes, samples)
    assert found.slope == pytest.approx(0.5, abs=0.05)
    assert found.intercept == pytest.approx(-0.25, abs=0.08)
    assert found.growth == pytest.approx(-np.log(10), abs=0.15)
    assert found.kind == "temperature"


def test_the_size_alone_is_found_by_the_likelihood() -> None:
    mean, successes, samples = truth(1)
    assert fit_size(believed(mean, 1.0), successes, samples).growth == pytest.approx(np.log(SIZE), abs=0.15)


def test_isotonic_finds_any_rising_curve() -> None:
    mean, successes, samples = truth(2)
    bent = np.where(mean < 0.5, mean / 4, 1 - (1 - mean) / 4)
    said = fit_isotonic(believed(bent, SIZE), successes, samples).apply(believed(bent, SIZE)).success
    assert np.abs(said - mean).mean() < 0.03
    assert np.abs(bent - mean).mean() > 0.1


def test_the_choice_is_what_held_out_counts_like() -> None:
    mean, successes, samples = truth(3)
    right = believed(mean, SIZE)
    assert choose(right, successes, samples, UNSTOPPED, FOLDS).kind in ("none", "size", "temperature")
    bent = believed(np.where(mean < 0.5, mean / 4, 1 - (1 - mean) / 4), SIZE)
    assert choose(bent, successes, samples, UNSTOPPED, FOLDS).kind == "isotonic"


def test_ratios_calibrate_nothing_where_drawing_stopped_at_a_success() -> None:
    mean, successes, samples = truth(4)
    bent = believed(np.where(mean < 0.5, mean / 4, 1 - (1 - mean) / 4), SIZE)
    assert choose(bent, successes, samples, ~UNSTOPPED, FOLDS).kind == "temperature"


def test_where_nothing_can_be_held_out_the_size_alone_is_fitted() -> None:
    mean, successes, samples = truth(5)
    assert choose(believed(mean, 1.0), successes, samples, UNSTOPPED, 0 * FOLDS).kind == "size"


def test_beliefs_that_are_all_the_same_keep_their_slope() -> None:
    _, successes, samples = truth(6)
    found = fit_temperature(believed(np.full(N, 0.5), 1.0), successes, samples)
    assert found.slope == pytest.approx(1.0, abs=0.1)
    assert expit(found.intercept) == pytest.approx((successes / samples).mean(), abs=0.03)


@settings(max_examples=50, deadline=None)
@given(
    score=st.lists(st.floats(-30, 30), min_size=1, max_size=5),
    line=st.tuples(st.floats(-20, 20), st.floats(0.01, 20), st.floats(-20, 20)),
)
def test_corrected_beliefs_are_distributions_however_strange_the_correction(
    score: list[float], line: tuple[float, float, float]
) -> None:
    beliefs = Beliefs.of(np.exp(np.array(score) / 2), np.exp(-np.array(score) / 2))
    found = Calibration(*line, np.array([-1.0, 1.0]), np.array([-2.0, 3.0])).apply(beliefs)
    assert (found.alpha > 0).all()
    assert (found.beta > 0).all()
    assert (np.abs(np.log(found.alpha / found.beta)) <= LARGEST_SCORE + 1e-6).all()
