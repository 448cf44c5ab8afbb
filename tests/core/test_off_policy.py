"""Proves that policies are estimated right from logs of another that looks at scores, or refused."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from adaqueue.core.logged import Logged
from adaqueue.core.marginal import FloatArray, IntArray
from adaqueue.core.off_policy import Estimate, estimate
from adaqueue.core.posterior import beta_hazards, survival
from adaqueue.core.twin import POPULATIONS, Twin, draw
from adaqueue.errors import NoSupportError
from tests.core.logs import log

DEPTH = 8
POPULATION = replace(POPULATIONS["code"], b_max=DEPTH)
MODELS = ["right", "the same for all", "turned round"]


def logs(queries: int, share: float, seed: int) -> tuple[Twin, Logged]:
    """The old policy gives nothing to its lowest third, more to the others, at a price of each window."""
    rng = np.random.default_rng(seed)
    twin = draw(POPULATION, queries, rng)
    price = np.repeat(rng.uniform(0.02, 0.2, queries // 100), 100)
    granted = (twin.hazards >= price[:, None]).sum(axis=1)
    granted[twin.predicted < np.quantile(twin.predicted, 1 / 3)] = 0
    return twin, log(twin, granted, share, rng)


def believed(twin: Twin, model: str) -> FloatArray:
    """Survival as a model says it; the wrong ones are wrong."""
    if model == "right":
        return survival(twin.hazards)
    if model == "turned round":
        return survival(beta_hazards(twin.beta, twin.alpha, DEPTH))
    flat = np.ones(len(twin.success))
    return survival(beta_hazards(flat, flat, DEPTH))


def truth(twin: Twin, budgets: IntArray) -> tuple[float, float]:
    """Success, and samples where a success stops the drawing."""
    spent = np.pad(np.cumsum(twin.survival, axis=1), ((0, 0), (1, 0)))
    rows = np.arange(len(budgets))
    return float(1 - twin.survival[rows, budgets].mean()), float(spent[rows, budgets].mean())


def is_near(found: Estimate, value: float) -> bool:
    """Within one and a half times its interval, which three in a thousand right estimates are not."""
    return abs(found.value - value) <= 1.5 * (found.high - found.low) / 2 + 1e-9


def every(twin: Twin, budget: int) -> IntArray:
    return np.full(len(twin.success), budget, dtype=np.int64)


@pytest.mark.parametrize("model", MODELS)
def test_best_of_b_and_its_spending_are_estimated_whatever_the_model(model: str) -> None:
    twin, logged = logs(20_000, 0.1, seed=3)
    for budget in (1, 4, 8):
        found = estimate(logged, believed(twin, model), every(twin, budget), seed=0)
        success, samples = truth(twin, every(twin, budget))
        assert is_near(found.success, success)
        assert is_near(found.samples, samples)


def test_what_was_drawn_alone_says_something_else() -> None:
    """Drawing on after failures, where the score is high, makes the mean of what was seen wrong."""
    twin, logged = logs(20_000, 0.1, seed=3)
    seen = logged.outcomes.samples > 0
    naive = np.mean(logged.outcomes.successes[seen] > 0)
    found = estimate(logged, believed(twin, "right"), every(twin, 4), seed=0)
    assert abs(naive - truth(twin, every(twin, 4))[0]) > 5 * (found.success.high - found.success.low) / 4


def test_a_stopping_policy_that_nobody_ran_is_estimated_too() -> None:
    twin, logged = logs(20_000, 0.1, seed=4)
    budgets = (twin.hazards >= 0.12).sum(axis=1)
    for model in MODELS:
        found = estimate(logged, believed(twin, model), budgets, seed=0)
        success, samples = truth(twin, budgets)
        assert is_near(found.success, success)
        assert is_near(found.samples, samples)


@pytest.mark.parametrize("model", MODELS)
def test_estimates_are_unbiased_and_intervals_cover(model: str) -> None:
    errors, covered = [], []
    for seed in range(60):
        twin, logged = logs(2_000, 0.2, seed)
        found = estimate(logged, believed(twin, model), every(twin, 4), seed).success
        success, _ = truth(twin, every(twin, 4))
        errors.append(found.value - success)
        covered.append(found.low <= success <= found.high)
    assert abs(np.mean(errors)) < 3 * np.std(errors) / np.sqrt(len(errors))
    assert np.mean(covered) >= 0.85


def test_a_better_model_makes_the_interval_shorter() -> None:
    twin, logged = logs(20_000, 0.1, seed=5)
    right, wrong = (
        estimate(logged, believed(twin, model), every(twin, 8), seed=0).success for model in MODELS[::2]
    )
    assert right.high - right.low < wrong.high - wrong.low


def test_a_budget_that_too_few_reached_is_refused_by_name() -> None:
    twin, logged = logs(2_000, 0.05, seed=6)
    assert estimate(logged, believed(twin, "right"), every(twin, 2), seed=0).effective > 30
    with pytest.raises(NoSupportError, match=r"budget [5-8]: .* raise ADAQUEUE_EXPLORATION_SHARE"):
        estimate(logged, believed(twin, "right"), every(twin, 8), seed=0)


def test_without_exploration_everything_is_refused() -> None:
    twin, logged = logs(1_000, 0.0, seed=7)
    with pytest.raises(NoSupportError, match=r"0\.0 explored queries"):
        estimate(logged, believed(twin, "right"), every(twin, 1), seed=0)


def test_too_few_windows_are_refused() -> None:
    twin, logged = logs(2_000, 0.5, seed=8)
    together = replace(logged, windows=logged.windows // 4)
    with pytest.raises(NoSupportError, match="5 windows, 10 are needed"):
        estimate(together, believed(twin, "right"), every(twin, 1), seed=0)


def test_queries_that_could_not_be_explored_have_no_part_in_it() -> None:
    twin, logged = logs(4_000, 0.2, seed=9)
    half = np.arange(4_000) < 2_000
    apart = replace(logged, explorable=half)
    alone = logged.take(np.flatnonzero(half))
    model = believed(twin, "right")
    assert estimate(apart, model, every(twin, 2), seed=0) == estimate(
        alone, model[half], every(twin, 2)[half], seed=0
    )


def test_who_draws_nothing_wins_and_spends_nothing() -> None:
    twin, logged = logs(2_000, 0.2, seed=10)
    found = estimate(logged, believed(twin, "right"), every(twin, 0), seed=0)
    assert found.success == found.samples == Estimate(0.0, 0.0, 0.0)
