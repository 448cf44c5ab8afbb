"""Proves that the first outcomes of a population tell what it is, and that few of them tell little."""

from __future__ import annotations

import numpy as np
import pytest

from adaqueue.core.prior import SIZES, fit_prior

NOTHING = np.zeros(0, dtype=np.int64)


def test_no_outcomes_leave_the_prior() -> None:
    assert fit_prior(NOTHING, NOTHING, (1.0, 3.0)) == pytest.approx((1.0, 3.0), rel=1e-3)


def test_many_outcomes_that_stop_at_the_first_success_find_the_population() -> None:
    rng = np.random.default_rng(0)
    chances = rng.beta(0.6, 1.4, 4_000)
    tries = rng.geometric(np.maximum(chances, 1e-6))
    most = rng.integers(1, 9, 4_000)
    successes, samples = (tries <= most).astype(np.int64), np.minimum(tries, most)
    alpha, beta = fit_prior(successes, samples, (1.0, 1.0))
    assert alpha / (alpha + beta) == pytest.approx(0.3, abs=0.02)
    assert alpha + beta == pytest.approx(2.0, rel=0.25)
    naive = successes.sum() / samples.sum()
    assert abs(naive - 0.3) > 0.05


@pytest.mark.parametrize("success", [0, 1])
def test_outcomes_that_all_agree_never_make_the_population_sure(success: int) -> None:
    counts = np.full(50, success)
    alpha, beta = fit_prior(counts, np.ones(50, dtype=np.int64), (1.0, 1.0))
    assert min(alpha, beta) > 1e-3
    assert SIZES[0] * 0.999 <= alpha + beta <= SIZES[1] * 1.001
    mean = alpha / (alpha + beta)
    assert abs(mean - success) < 0.05
    assert 0.002 < mean < 0.998
