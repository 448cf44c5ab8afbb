"""Proves that beliefs say of draws what simulated queries do."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from adaqueue.core.beliefs import Beliefs

ONE = Beliefs(np.array([2.0]), np.array([3.0]), np.array([0.25]), np.array([np.nan]))


def test_all_sequences_of_draws_have_together_the_chance_one() -> None:
    n = 4
    counts = np.array([sum(draws) for draws in itertools.product([0, 1], repeat=n)])
    beliefs = Beliefs(*(np.repeat(part, len(counts)) for part in (ONE.alpha, ONE.beta, ONE.zero, ONE.tokens)))
    chances = np.exp(beliefs.log_likelihood(counts, np.full(len(counts), n)))
    assert chances.sum() == pytest.approx(1.0)
    assert chances[counts == 0] == pytest.approx(0.25 + 0.75 * 3 * 4 * 5 * 6 / (5 * 6 * 7 * 8))


def test_the_chance_of_failures_is_what_hazards_leave() -> None:
    alive = np.cumprod(1 - ONE.hazards(6)[0])
    failed = [np.exp(ONE.log_likelihood(np.array([0]), np.array([f]))[0]) for f in range(1, 7)]
    np.testing.assert_allclose(failed, alive)


def test_mean_and_score_count_the_share_that_never_succeeds() -> None:
    assert ONE.success[0] == pytest.approx(0.75 * 0.4)
    assert ONE.score[0] == pytest.approx(np.log(0.3 / 0.7))
    assert ONE.hazards(1)[0, 0] == pytest.approx(0.3)


def test_nothing_drawn_says_nothing() -> None:
    assert ONE.log_likelihood(np.array([0]), np.array([0])).tolist() == [pytest.approx(0.0)]
    sure = Beliefs.of(np.array([1.0]), np.array([1.0]))
    assert sure.log_likelihood(np.array([0]), np.array([0])).tolist() == [pytest.approx(0.0)]
    assert sure.log_likelihood(np.array([1]), np.array([1]))[0] == pytest.approx(np.log(0.5))
