"""Proves that hazard curves are what Bayes' rule says, and never rise."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import betaln

from adaqueue.core.marginal import from_success
from adaqueue.core.posterior import beta_hazards, logistic_hazards, marginals, survival

SHAPES = st.floats(0.02, 50)
B = 12


def one(value: float) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([value])


@given(SHAPES, SHAPES, st.floats(0, 0.99))
def test_beta_hazards_are_bayes_rule_with_a_share_that_never_succeeds(
    alpha: float, beta: float, zero: float
) -> None:
    hazards = beta_hazards(one(alpha), one(beta), B, zero=one(zero))
    failures = np.arange(B + 1)
    able = (1 - zero) * np.exp(betaln(alpha, beta + failures) - betaln(alpha, beta))
    all_fail = able + zero
    np.testing.assert_allclose(hazards[0], 1 - all_fail[1:] / all_fail[:-1], atol=1e-9)


@given(SHAPES, SHAPES, st.floats(0, 0.99))
def test_beta_hazards_never_rise_and_stay_probabilities(alpha: float, beta: float, zero: float) -> None:
    for hazards in (
        beta_hazards(one(alpha), one(beta), 200),
        beta_hazards(one(alpha), one(beta), 200, zero=one(zero)),
    ):
        assert (np.diff(hazards) <= 0).all()
        assert ((hazards >= 0) & (hazards <= 1)).all()


@given(SHAPES, SHAPES)
def test_no_share_of_zeros_is_the_plain_beta(alpha: float, beta: float) -> None:
    plain = beta_hazards(one(alpha), one(beta), B)
    np.testing.assert_allclose(beta_hazards(one(alpha), one(beta), B, zero=one(0.0)), plain)
    assert plain[0, 0] == pytest.approx(alpha / (alpha + beta))


@pytest.mark.parametrize(("alpha", "beta"), [(1.0, 1e-300), (1e6, 1e-3)])
def test_failures_too_unlikely_for_a_float_leave_the_plain_beta(alpha: float, beta: float) -> None:
    sure = np.array([alpha]), np.array([beta])
    found = beta_hazards(*sure, 60, np.zeros(1))
    assert found == pytest.approx(beta_hazards(*sure, 60))


@given(st.lists(st.tuples(*[st.floats(-20, 20)] * 3), min_size=1, max_size=4))
def test_logistic_hazards_never_rise_and_begin_where_the_first_coefficient_says(
    coefficients: list[tuple[float, float, float]],
) -> None:
    hazards = logistic_hazards(np.array(coefficients), B)
    assert hazards.shape == (len(coefficients), B)
    assert (np.diff(hazards) <= 0).all()
    np.testing.assert_allclose(hazards[:, 0], 1 / (1 + np.exp(-np.array(coefficients)[:, 0])))


@given(st.floats(0, 1))
def test_marginals_of_a_known_success_probability_are_the_window_s_whatever_failed(success: float) -> None:
    hazards = np.full((B + 1, B), success)
    delta = marginals(hazards, np.arange(B + 1))
    for failures in range(B + 1):
        expected = from_success(one(success), B - failures)[0]
        np.testing.assert_allclose(delta[failures, : B - failures], expected, atol=1e-12)
        assert not delta[failures, B - failures :].any()


@given(SHAPES, SHAPES, st.integers(0, B))
def test_marginals_after_failures_are_those_of_the_updated_beta(
    alpha: float, beta: float, failures: int
) -> None:
    delta = marginals(beta_hazards(one(alpha), one(beta), B), np.array([failures]))[0, : B - failures]
    updated = beta_hazards(one(alpha), one(beta + failures), B - failures)
    np.testing.assert_allclose(delta, -np.diff(survival(updated)[0]), atol=1e-12)


def test_survival_starts_certain_and_falls_by_what_succeeds() -> None:
    np.testing.assert_allclose(survival(np.array([[0.5, 0.25]])), [[1.0, 0.5, 0.375]])


@pytest.mark.parametrize(
    ("alpha", "beta", "zero", "named"),
    [
        (0.0, 1.0, 0.0, "alpha"),
        (1.0, np.inf, 0.0, "beta"),
        (1.0, 1.0, 1.0, "zero"),
        (np.nan, 1.0, 0.0, "alpha"),
    ],
)
def test_a_parameter_out_of_range_is_named(alpha: float, beta: float, zero: float, named: str) -> None:
    with pytest.raises(ValueError, match=named):
        beta_hazards(one(alpha), one(beta), B, zero=one(zero))


def test_coefficients_and_failures_out_of_range_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        logistic_hazards(np.zeros((2, 2)), B)
    with pytest.raises(ValueError, match="curves"):
        logistic_hazards(np.full((1, 3), np.nan), B)
    with pytest.raises(ValueError, match="failures"):
        marginals(np.full((1, B), 0.5), np.array([B + 1]))
